"""What comes out of a connection when bytes go in."""

from __future__ import annotations

from dataclasses import dataclass

from biogate.opcua.transport.interfaces import ChannelInfo


@dataclass(frozen=True, slots=True)
class ChannelOpened:
    """A secure channel is open, or its token was renewed."""

    channel: ChannelInfo
    renewed: bool = False


@dataclass(slots=True)
class RequestReceived:
    """A whole request, security taken off."""

    request_id: int
    message: bytes
    channel: ChannelInfo


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection has ended; send what is left and close the socket.

    `status` is Good when the client closed its channel itself. `detail` is for the log, never
    for the peer.
    """

    status: int
    detail: str = ""


Event = ChannelOpened | RequestReceived | Closed
