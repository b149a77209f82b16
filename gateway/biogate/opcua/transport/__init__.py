"""Framing, secure channel and connection without I/O (Part 6, 6 and 7); `listener` has the I/O."""
