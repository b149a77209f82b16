"""Lines over one TCP connection, one request and one reply at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from biogate_adapters import status
from biogate_adapters.contract import AdapterError
from biogate_adapters.line.frame import FrameError
from biogate_adapters.link import Gap, LinkSettings
from biogate_adapters.schema_line import LineTransport

_Reply = TypeVar("_Reply")


class CommandRefusedError(Exception):
    """The device answered that it does not understand the request."""


class _Lines(asyncio.Protocol):
    """Collects the bytes of one reply at a time; what comes unasked is dropped."""

    def __init__(self, terminator: bytes, limit: int) -> None:
        self._terminator = terminator
        self._limit = limit
        self._reply: asyncio.Future[bytes] | None = None
        self.received = b""
        self.connected = True

    def expect(self) -> asyncio.Future[bytes]:
        """A future for the next line; all that came before is forgotten."""
        self.received = b""
        self._reply = asyncio.get_running_loop().create_future()
        return self._reply

    def data_received(self, data: bytes) -> None:
        if self._reply is None or self._reply.done():
            return
        self.received += data
        line, found, _ = self.received.partition(self._terminator)
        if found:
            self._reply.set_result(line)
        elif len(self.received) > self._limit:
            self._reply.set_exception(FrameError(f"no end of line in {len(self.received)} bytes"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.connected = False
        if self._reply and not self._reply.done():
            self._reply.set_exception(ConnectionError(str(exc or "closed by the peer")))


class LineLink:
    """One connection."""

    def __init__(self, settings: LinkSettings, *, line: LineTransport) -> None:
        self._host, self._port = settings.host, settings.port
        self._timeout_s, self._tries = settings.timeout_s, settings.tries
        self._where = settings.where
        self._gap = Gap(settings.gap_s)
        self._line = line
        self._terminator = line.terminator.encode("ascii")
        self._transport: asyncio.WriteTransport | None = None
        self._lines: _Lines | None = None

    async def connect(self) -> None:
        """Open the connection. Raises AdapterError when nobody answers there."""
        self.close()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_s):
                self._transport, self._lines = await loop.create_connection(
                    lambda: _Lines(self._terminator, self._line.max_reply_bytes),
                    self._host,
                    self._port,
                )
        except (OSError, TimeoutError) as error:
            reason = str(error) or f"no answer within {self._timeout_s:g} s"
            raise AdapterError(
                f"{self._where}: no connection ({reason}): is the device on, and are address and "
                "port right?",
                status.BAD_NO_COMMUNICATION,
            ) from error

    def close(self) -> None:
        """Drop the connection, if there is one."""
        if self._transport:
            self._transport.close()
        self._transport = self._lines = None

    async def exchange(self, request: str, parse: Callable[[str], _Reply]) -> _Reply:
        """Send a line; the parsed reply. `parse` raises FrameError for a reply that is none.

        Raises CommandRefusedError, or AdapterError when no reply came that could be parsed.
        """
        problem: FrameError | None = None
        for attempt in range(1, self._tries + 1):
            try:
                return parse(await self._ask(request))
            except FrameError as error:
                problem = error
            except TimeoutError:
                problem = self._stray()
            except OSError as error:
                raise AdapterError(
                    f"{self._where}: the connection was closed during {request!r} ({error})",
                    status.BAD_NO_COMMUNICATION,
                ) from error
            if attempt < self._tries:
                # A reply that comes late would pass as the reply to the next request.
                await asyncio.sleep(self._timeout_s)
        if problem:
            raise AdapterError(f"{self._where}: {problem}", status.BAD_COMMUNICATION_ERROR)
        raise AdapterError(
            f"{self._where}: no reply to {request!r} within {self._timeout_s:g} s, {self._tries} "
            "tries: check power, wiring and unit letter",
            status.BAD_NO_COMMUNICATION,
        )

    def _stray(self) -> FrameError | None:
        received = self._lines.received if self._lines else b""
        return FrameError(f"reply without end of line: {received!r}") if received else None

    async def _ask(self, request: str) -> str:
        """One try. Raises TimeoutError, OSError, FrameError, CommandRefusedError."""
        transport, lines = self._transport, self._lines
        if transport is None or lines is None or not lines.connected:
            raise ConnectionError("not connected")
        await self._gap.end()
        reply = lines.expect()
        transport.write(request.encode("ascii") + self._terminator)
        try:
            async with asyncio.timeout(self._timeout_s):
                line = await reply
        finally:
            self._gap.begin()
        text = line.decode("ascii", errors="replace")
        for character in self._line.strip:
            text = text.replace(character, "")
        if text.strip() in self._line.error_replies:
            raise CommandRefusedError(f"the device does not understand {request!r}")
        return text
