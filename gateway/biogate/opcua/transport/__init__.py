"""OPC UA TCP with secure channels (Part 6, 6.7 and 7.1).

`connection` is the protocol without I/O, `listener` the sockets, `policies` the cryptography,
`interfaces` what the services see.
"""
