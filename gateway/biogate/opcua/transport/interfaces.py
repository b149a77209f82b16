"""What the transport shows to those above it, and what it asks of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from biogate.opcua.stack import ua

CertificateValidator = Callable[[bytes], int]
"""StatusCode of an application certificate in DER (the leaf, followed by its issuers when the
peer sent them), by the steps of Part 4, 6.1.3."""


@dataclass(frozen=True, slots=True)
class ChannelInfo:
    """A secure channel, as its requests see it (Part 4, 5.6.2).

    `client_certificate` is the DER of the client's own certificate without issuers, None under
    policy None; `client_chain` is what it opened the channel with, issuers included.
    `discovery_only` is True for a channel without security on a server that offers
    no endpoint without security: it may serve FindServers and GetEndpoints, nothing else.
    """

    channel_id: int
    security_policy_uri: str
    security_mode: ua.MessageSecurityMode
    client_certificate: bytes | None
    remote_address: str
    endpoint_url: str
    discovery_only: bool = False
    client_chain: bytes = b""


class ConnectionHandle(Protocol):
    """One connection, for as long as it lasts; hashable by identity."""

    @property
    def channel(self) -> ChannelInfo | None:
        """The open channel; None once the connection is closed."""
        ...

    @property
    def writable(self) -> bool:
        """False while the client reads slower than it is sent to."""
        ...

    @property
    def max_response_size(self) -> int:
        """The bytes of the largest response that the client takes."""
        ...

    def respond(self, request_id: int, body: bytes) -> None:
        """Send an encoded response, now or later and in any order.

        A response over the client's limits becomes a ServiceFault with Bad_ResponseTooLarge; one
        for a connection that is gone is dropped.
        """
        ...

    def set_session_active(self, active: bool) -> None:
        """Tell whether an activated session uses this connection.

        Only then are large messages accepted, and is the connection safe from being closed in
        favour of a new one when there are too many.
        """
        ...

    def close(self, status: int, reason: str = "") -> None:
        """Send an error and close the connection."""
        ...


class RequestHandler(Protocol):
    """What the listener hands requests to; called on the event loop, must not block."""

    def on_request(
        self, handle: ConnectionHandle, channel: ChannelInfo, request_id: int, message: bytes
    ) -> None:
        """A request has arrived; answer it through `handle.respond`."""
        ...

    def on_closed(self, handle: ConnectionHandle) -> None:
        """The connection is gone; called once for each that opened a channel."""
        ...
