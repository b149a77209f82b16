"""One socket: the only place besides the listener that does I/O (asyncio).

Back-pressure goes both ways: while a client does not read its answers, or has requests that wait
for their turn, nothing more is read from it; one that lets too many answers pile up is dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from biogate.opcua.stack import StatusCodes
from biogate.opcua.transport.connection import ServerConnection
from biogate.opcua.transport.events import ChannelOpened, Closed, Event, RequestReceived
from biogate.opcua.transport.interfaces import ChannelInfo

if TYPE_CHECKING:
    from biogate.opcua.transport.listener import Listener


_PIECE = 16_384
"""Bytes that are taken apart in one turn: they may hold hundreds of frames."""


class Stream(asyncio.Protocol):
    """A socket and its ServerConnection; the ConnectionHandle that the handler is given."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._machine = ServerConnection(listener.config, listener.clock)
        self._writable = True
        self._received = bytearray()
        self._events: deque[Event] = deque()
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
        self._machine.send_response(request_id, body)
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
    def session_active(self) -> bool:
        """Whether an activated session uses the connection."""
        return self._machine.session_active

    @property
    def closing(self) -> bool:
        """Whether the connection has ended, though its last bytes may not be sent."""
        return self._machine.closed

    def tick(self) -> None:
        """Deadlines: of the protocol, and for the client to take the last bytes."""
        self._end(self._machine.tick())
        if self._closed_at_s is not None:
            waited_s = self._listener.clock() - self._closed_at_s
            if waited_s > self._listener.config.stop_timeout_s:
                self.abort()

    @property
    def unsent(self) -> int:
        """Bytes that wait for the client to read them."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def drop(self) -> None:
        """End the connection of a client that does not read what is sent to it."""
        events = self._machine.close(
            StatusCodes.BadTcpNotEnoughResources,
            "client does not read",
            f"{self.unsent} bytes wait for a client that does not read them",
        )
        self.abort()
        self._end(events)

    def abort(self) -> None:
        """Drop the socket and what it has not sent."""
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=self._listener.config.write_high_water)
        peer = transport.get_extra_info("peername")
        if peer:
            self._machine.remote_address = f"{peer[0]}:{peer[1]}"
        self._listener.add(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._ready()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        goodbye: list[Event] = [event for event in self._events if isinstance(event, Closed)]
        self._end(goodbye or self._machine.lost())
        self._listener.remove(self)

    def pause_writing(self) -> None:
        self._writable = False
        self._set_reading()

    def resume_writing(self) -> None:
        self._writable = True
        self._ready()

    # -- inside ---------------------------------------------------------------------------------

    def _ready(self) -> None:
        self._listener.rota.ready(self)
        self._set_reading()

    def serve(self) -> bool:
        """Do one thing: handle a request, or take received bytes apart. True: there is more."""
        if not (self._writable or self._machine.closed):
            return False
        if self._events:
            self._process(self._events.popleft())
        elif self._received:
            piece = bytes(self._received[:_PIECE])
            del self._received[:_PIECE]
            self._events += self._machine.receive(piece)
            self._flush()
        more = bool(self._events or self._received)
        if not more:
            self._set_reading()
        return more

    def _set_reading(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._writable and not (self._events or self._received):
            transport.resume_reading()
        else:
            transport.pause_reading()

    def _process(self, event: Event) -> None:
        counters = self._listener.counters
        match event:
            case RequestReceived(request_id, message, channel):
                counters.requests += 1
                self._listener.deliver(self, channel, request_id, message)
            case ChannelOpened(renewed=renewed):
                self.opened_channel = True
                counters.channels += not renewed
                counters.renewals += renewed
            case Closed():
                self._ended(event)

    def _end(self, events: list[Event]) -> None:
        """The connection ends now: what was not served yet is forgotten."""
        self._flush()
        for event in events:
            self._process(event)

    def _ended(self, event: Closed) -> None:
        self._closed_at_s = self._listener.clock()
        self._events.clear()
        self._received.clear()
        self._listener.closed(self, event)
        if self._transport is not None:
            self._transport.close()

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
