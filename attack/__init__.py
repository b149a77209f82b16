"""The attack battery: what a server must withstand, as a table of cases over raw sockets.

`python -m attack` starts `biogate run` on the loopback interface, sends each case to it, and looks
after each whether others are still served, how much memory is held and what the log says. The
client in this package has frames, cryptography and encodings of its own, so that it can send what
no correct client would.
"""
