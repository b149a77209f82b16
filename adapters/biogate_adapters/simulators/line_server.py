"""A simulated line-protocol device: an asyncio server that answers request lines."""

from __future__ import annotations

import asyncio
import math
import re
from string import Formatter

from biogate_adapters.schema_line import LineProfile
from biogate_adapters.simulators.faults import Faults
from biogate_adapters.simulators.values import DeviceValues

_LONGEST_REQUEST = 256
_FIELD_PATTERNS = {"unit": "(?P<unit>.)", "value": r"(?P<value>[-+]?(?:\d+\.?\d*|\.\d+))"}


class LineDeviceServer:
    """Serves one device. Requests of another unit get no answer, unknown ones the error reply.

    A set-point outside the profile's limits is answered as an unknown command: what the real
    device does then is not known.
    """

    def __init__(
        self, facts: LineProfile, values: DeviceValues, faults: Faults, *, name: str, unit: str
    ) -> None:
        if len(unit) != 1 or unit not in facts.line.units:
            raise ValueError(f"{name}: unit {unit!r} is no letter of {facts.line.units}")
        self._facts = facts
        self._values = values
        self._faults = faults
        self._name = name
        self._unit = unit
        self._by_field = {point.field: signal for signal, point in facts.points.items()}
        self._layout = self._choose_layout()
        self._terminator = facts.line.terminator.encode("ascii")
        self._poll = _pattern(facts.poll.request)
        self._writes = {
            signal: _pattern(point.write.request)
            for signal, point in facts.points.items()
            if point.write
        }
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; the address that was taken. Raises OSError when it cannot."""
        if self._server:
            raise RuntimeError(f"{self._name} is started already")
        self._server = await asyncio.start_server(self._serve, host, port, limit=_LONGEST_REQUEST)
        taken: tuple[str, int] = self._server.sockets[0].getsockname()[:2]
        return taken

    async def stop(self) -> None:
        """Close the listener and all connections."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        tasks = list(self._connections.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[writer] = task
        try:
            while True:
                line = await reader.readuntil(self._terminator)
                reply = self.answer(line.removesuffix(self._terminator).decode("latin-1"))
                if reply is not None:
                    writer.write(reply.encode("ascii") + self._terminator)
                    await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            return  # the client hung up, or sends what no client of this device sends
        finally:
            del self._connections[writer]
            writer.close()

    def answer(self, request: str) -> str | None:
        """The reply to a request line; None for silence."""
        if self._faults.silent or not request.startswith(self._unit):
            return None
        error = self._facts.line.error_replies[0] if self._facts.line.error_replies else None
        if self._faults.take_busy():
            return error
        if self._poll.fullmatch(request):
            return self._frame()
        for signal, pattern in self._writes.items():
            if match := pattern.fullmatch(request):
                return self._frame() if self._write(signal, float(match["value"])) else error
        return error

    def _write(self, signal: str, value: float) -> bool:
        limits = self._facts.points[signal].write
        if limits is None or not limits.low <= value <= limits.high:
            return False
        self._values.refresh()
        self._values.write(signal, value)
        return True

    def _frame(self) -> str | None:
        """The data frame now; None (the device is off) when a value is missing."""
        self._values.refresh()
        words = [self._unit]
        for field in self._layout:
            signal = self._by_field[field]
            value = self._values.number(signal)
            if math.isnan(value):
                return None
            words.append(format(value, self._facts.points[signal].format))
        poll = self._facts.poll
        for field in (*poll.texts, poll.flags_field):
            if field in self._by_field:
                words += self._values.text(self._by_field[field]).split()
        return " ".join(words)

    def _choose_layout(self) -> tuple[str, ...]:
        """The longest frame that the profile's signals can fill. Raises ValueError if none."""
        filled = [
            layout
            for layout in self._facts.poll.layouts
            if all(field in self._by_field for field in layout)
        ]
        if not filled:
            raise ValueError(f"{self._name}: the profile's signals fill none of its layouts")
        layout = max(filled, key=len)
        missing = [field for field in layout if not self._values.has(self._by_field[field])]
        if missing:
            raise ValueError(
                f"{self._name}: a frame needs {', '.join(missing)}, which this plant does not have"
            )
        return layout


def _pattern(template: str) -> re.Pattern[str]:
    """The requests that a template of the profile makes."""
    parts = []
    for literal, name, _, _ in Formatter().parse(template):
        parts.append(re.escape(literal))
        parts.append(_FIELD_PATTERNS[name] if name else "")
    return re.compile("".join(parts))
