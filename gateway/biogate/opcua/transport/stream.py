"""One socket: the only place besides the listener that does I/O (asyncio).

Back-pressure goes both ways: while a client does not read its answers, or has requests that wait
for their turn, nothing more is read from it; one that lets too many answers pile up is dropped.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from biogate.opcua.stack import StatusCodes
from biogate.opcua.transport.connection import ServerConnection
from biogate.opcua.transport.events import ChannelOpened, Closed, Event, RequestReceived
from biogate.opcua.transport.interfaces import ChannelInfo

if TYPE_CHECKING:
    from biogate.opcua.transport.listener import Listener


Offer = tuple[str, str, asyncio.Future[bool]]
"""ServerUri and EndpointUrl of a ReverseHello, and whether a channel came of it."""

_FLUSH_BYTES = 65_536
"""So much of what is to be sent is gathered in one turn before it is written."""


class Stream(asyncio.Protocol):
    """A socket and its ServerConnection; the ConnectionHandle that the handler is given.

    `offer` is there when this side has opened the connection (Reverse Connect).
    """

    def __init__(self, listener: Listener, offer: Offer | None = None) -> None:
        self._listener = listener
        self._offer = offer
        self._transport: asyncio.Transport | None = None
        self._machine = ServerConnection(listener.config, listener.clock)
        self._writable = True
        self._in_turn = False
        self._stuck_since_s: float | None = None
        self._closed_at_s: float | None = None
        self.opened_channel = False
        self.served_s = 0.0

    # -- ConnectionHandle -----------------------------------------------------------------------

    @property
    def channel(self) -> ChannelInfo | None:
        return self._machine.channel

    @property
    def writable(self) -> bool:
        return self._writable

    @property
    def max_response_size(self) -> int:
        return self._machine.max_response_size

    def respond(self, request_id: int, body: bytes) -> None:
        machine = self._machine
        machine.send_response(request_id, body)
        if not self._in_turn or machine.unsent > _FLUSH_BYTES:
            self._flush()

    def set_session_active(self, active: bool) -> None:
        self._machine.session_active = active

    def close(self, status: int, reason: str = "") -> None:
        self._end(self._machine.close(status, reason))

    # -- what the listener asks -----------------------------------------------------------------

    @property
    def address(self) -> str:
        """Host and port of the client."""
        return self._machine.remote_address

    @property
    def host(self) -> str:
        """The client's host address."""
        return self.address.rpartition(":")[0]

    @property
    def offered(self) -> bool:
        """Whether this side has opened the connection."""
        return self._offer is not None

    @property
    def session_active(self) -> bool:
        """Whether an activated session uses the connection."""
        return self._machine.session_active

    @property
    def closing(self) -> bool:
        """Whether the connection has ended, though its last bytes may not be sent."""
        return self._machine.closed

    def tick(self) -> None:
        """Deadlines: of the protocol, and for the client to read what it was sent."""
        self._end(self._machine.tick())
        now_s, config = self._listener.clock(), self._listener.config
        since_s, stuck_s = self._closed_at_s, self._stuck_since_s
        if since_s is not None:
            if now_s - since_s > config.stop_timeout_s:
                self.abort()
        elif stuck_s is not None and now_s - stuck_s > config.reading_timeout_s:
            self.drop()

    @property
    def unsent(self) -> int:
        """Bytes that wait for the client to read them."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def drop(self) -> None:
        """End the connection of a client that does not read what is sent to it."""
        event = self._machine.close(
            StatusCodes.BadTcpNotEnoughResources,
            "client does not read",
            f"{self.unsent} bytes wait for a client that does not read them",
        )
        self.abort()
        self._end(event)

    def abort(self) -> None:
        """Drop the socket and what it has not sent."""
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every loop's transport is derived from it.
        self._transport = transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(high=self._listener.config.write_high_water)
        peer = transport.get_extra_info("peername")
        if peer:
            self._machine.remote_address = f"{peer[0]}:{peer[1]}"
        if self._offer is not None:
            self._machine.reverse_hello(*self._offer[:2])
        self._listener.add(self)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._machine.feed(data)
        self._ready()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._end(self._machine.lost())
        self._listener.remove(self)

    def pause_writing(self) -> None:
        self._writable = False
        self._stuck_since_s = self._listener.clock()
        self._set_reading()

    def resume_writing(self) -> None:
        self._writable = True
        self._stuck_since_s = None
        self._ready()

    # -- inside ---------------------------------------------------------------------------------

    def _ready(self) -> None:
        self._listener.rota.ready(self)
        if not self._writable or self._machine.waiting:
            self._set_reading()  # it was not served, or not to the end

    def serve(self) -> bool:
        """Take one frame apart, and handle the request that it ends. True: there is more."""
        machine = self._machine
        if not self._writable or not machine.waiting:
            return False
        self._in_turn = True
        try:
            event = machine.advance()
            if event is not None:
                self._process(event)
        except Exception as error:  # noqa: BLE001  logged, and the connection is closed
            self._listener.failed(self, error)
            self.close(StatusCodes.BadInternalError, "internal error")
        return self._writable and machine.waiting

    def turn_ends(self) -> None:
        self._in_turn = False
        self._flush()
        self._set_reading()

    def _set_reading(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._writable and not self._machine.waiting:
            transport.resume_reading()
        else:
            transport.pause_reading()

    def _process(self, event: Event) -> None:
        counters = self._listener.counters
        if isinstance(event, RequestReceived):
            counters.requests += 1
            self._listener.deliver(self, event.channel, event.request_id, event.message)
        elif isinstance(event, ChannelOpened):
            self.opened_channel = True
            self._settle(taken=True)
            counters.channels += not event.renewed
            counters.renewals += event.renewed
            self._listener.watch(self, event)
        else:
            self._ended(event)

    def _end(self, event: Closed | None) -> None:
        """The connection ends now, if there is an event that says so."""
        if event is not None:
            self._ended(event)

    def _ended(self, event: Closed) -> None:
        self._settle(taken=False)
        self._flush()
        self._closed_at_s = self._listener.clock()
        self._listener.closed(self, event)
        if self._transport is not None:
            self._transport.close()

    def _settle(self, *, taken: bool) -> None:
        if self._offer is not None and not self._offer[2].done():
            self._offer[2].set_result(taken)

    def _flush(self) -> None:
        transport = self._transport
        data = self._machine.data_to_send()
        if transport is None or transport.is_closing() or not data:
            return
        transport.write(data)
        config = self._listener.config
        if self.unsent > config.max_unsent:
            self.drop()
        elif self.unsent > config.write_high_water:
            self._listener.check_unsent()
