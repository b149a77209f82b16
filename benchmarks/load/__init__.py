"""The load generator: raw sockets, requests encoded once, answers checked without decoding them.

It shares no code with the servers it measures but asyncua's codec, which encodes each request
once and decodes the first answers.
"""
