"""The two ends of a link: over a socket pair, or within a process. Neither waits for the other.

A link ends once, for whatever reason, and says so to both sides; nothing can bring it back.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol, cast

from biogate.zones.framing import Frames, frame
from biogate.zones.messages import MalformedError, Message, encode

_log = logging.getLogger(__name__)

HIGH_WATER_BYTES = 4 << 20
"""So much may wait to be sent before the link counts as congested."""
_LOW_WATER_BYTES = 1 << 20
SLICE_S = 0.005
"""So long what comes is worked on at a time; then everything else has as long."""


class Receiver(Protocol):
    """Who is told what comes over a link, in the event loop."""

    def received(self, message: Any) -> None:
        """A message. May raise MalformedError: then the link ends."""
        ...

    def ended(self, reason: str) -> None:
        """Nothing comes any more; "" where this side ended it."""
        ...


class Link(Protocol):
    """One end of a link."""

    @property
    def congested(self) -> bool:
        """True while the other side does not take what was sent."""
        ...

    @property
    def unsent(self) -> int:
        """Bytes that wait to be sent."""
        ...

    def send(self, message: Message) -> None:
        """Send a message, or none where the link has ended."""
        ...

    async def uncongested(self) -> None:
        """Return once the link is not congested, or has ended."""
        ...

    def close(self, reason: str = "") -> None:
        """End the link, at once. Harmless when it has ended."""
        ...


class SocketLink(asyncio.Protocol):
    """One end of a socket pair. `decode` reads what the other side may send.

    However much comes, no more than half of the loop's time goes into it.
    """

    def __init__(self, receiver: Receiver, decode: Callable[[bytes], Any], longest: int) -> None:
        self._receiver = receiver
        self._decode = decode
        self._frames = Frames(longest)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[bytes] = deque()
        self._resting = False
        self._ended = False
        self._flowing = asyncio.Event()
        self._flowing.set()

    @classmethod
    async def over(
        cls, end: socket.socket, receiver: Receiver, decode: Callable[[bytes], Any], longest: int
    ) -> SocketLink:
        """The link over one end of a socket pair."""
        loop = asyncio.get_running_loop()
        _, link = await loop.create_unix_connection(
            lambda: cls(receiver, decode, longest), sock=end
        )
        return link

    @property
    def congested(self) -> bool:
        return not self._flowing.is_set()

    @property
    def unsent(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def send(self, message: Message) -> None:
        if self._transport is not None and not self._ended:
            self._transport.write(frame(encode(message)))

    async def uncongested(self) -> None:
        await self._flowing.wait()

    def close(self, reason: str = "") -> None:
        if not self._ended:
            self._end(reason)
            if self._transport is not None:
                self._transport.abort()

    def _end(self, reason: str) -> None:
        self._ended = True
        self._waiting.clear()
        self._flowing.set()
        self._receiver.ended(reason)

    # -- asyncio.Protocol -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(HIGH_WATER_BYTES, _LOW_WATER_BYTES)

    def data_received(self, data: bytes) -> None:
        try:
            self._waiting.extend(self._frames.feed(data))
            if not self._resting:
                self._work()
        except MalformedError as error:
            self.close(f"a message cannot be understood: {error}")

    def _work(self) -> None:
        ends_s = perf_counter() + SLICE_S
        try:
            while self._waiting and perf_counter() < ends_s:
                self._receiver.received(self._decode(self._waiting.popleft()))
        except MalformedError as error:
            self.close(f"a message cannot be understood: {error}")
        except Exception as error:  # noqa: BLE001  the link ends, nothing else does
            _log.exception("a message could not be handled: the link ends")
            self.close(f"a message could not be handled: {error!r}")
        self._rest() if self._waiting else self._go_on()

    def _rest(self) -> None:
        """Others have their turn; meanwhile nothing more is read."""
        if not self._resting and self._transport is not None:
            self._transport.pause_reading()
        self._resting = True
        asyncio.get_running_loop().call_later(SLICE_S, self._work)

    def _go_on(self) -> None:
        if self._resting and self._transport is not None and not self._ended:
            self._transport.resume_reading()
        self._resting = False

    def pause_writing(self) -> None:
        self._flowing.clear()

    def resume_writing(self) -> None:
        self._flowing.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended:
            self._end("the other side is gone")


class DirectLink:
    """One end of a link within a process: messages are handed over as they are."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._other: DirectLink | None = None

    @staticmethod
    def pair(one: Receiver, other: Receiver) -> tuple[DirectLink, DirectLink]:
        """Both ends: what is sent on the first comes to `other`."""
        first, second = DirectLink(one), DirectLink(other)
        first._other, second._other = second, first
        return first, second

    @property
    def congested(self) -> bool:
        return False

    @property
    def unsent(self) -> int:
        return 0

    def send(self, message: Message) -> None:
        if self._other is not None:
            asyncio.get_running_loop().call_soon(self._other._receive, message)

    async def uncongested(self) -> None:
        await asyncio.sleep(0)

    def close(self, reason: str = "") -> None:
        other, self._other = self._other, None
        if other is not None:
            self._receiver.ended(reason)
            other._other = None
            asyncio.get_running_loop().call_soon(other._receiver.ended, "the other side is gone")

    def _receive(self, message: Message) -> None:
        if self._other is None:
            return
        try:
            self._receiver.received(message)
        except Exception as error:  # noqa: BLE001  the link ends, nothing else does
            _log.exception("a message could not be handled: the link ends")
            self.close(f"a message could not be handled: {error!r}")
