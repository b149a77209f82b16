"""A client's connection from Hello to the close of its secure channel (Part 6, 6.7 and 7.1)."""

from biogate.opcua.transport.interfaces import ChannelInfo

__all__ = ["ChannelInfo"]
