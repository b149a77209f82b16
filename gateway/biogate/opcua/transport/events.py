"""What comes out of a connection when bytes go in."""

from __future__ import annotations

from dataclasses import dataclass

from biogate.opcua.transport.interfaces import ChannelInfo


@dataclass(frozen=True, slots=True)
class ChannelOpened:
    """A secure channel is open, or its token was renewed."""

    channel: ChannelInfo
    renewed: bool = False
    requested_lifetime_ms: int = 0
    audit_entry_id: str = ""


@dataclass(frozen=True, slots=True)
class RefusedOpening:
    """What was asked for by an OpenSecureChannel that failed; nothing of it is proven.

    `certificate` is the leaf in DER, `certificate_status` what is wrong with it (0: nothing was
    found, or it was not looked at).
    """

    policy_uri: str = ""
    certificate: bytes = b""
    certificate_status: int = 0


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
    for the peer. `channel` is the one that was open, `refused` the OpenSecureChannel that ended it.
    """

    status: int
    detail: str = ""
    channel: ChannelInfo | None = None
    refused: RefusedOpening | None = None


Event = ChannelOpened | RequestReceived | Closed
