"""The adapter of any line-protocol device that a profile describes."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence

import numpy as np

from biogate_adapters import status
from biogate_adapters.contract import SampleBatch, Signal, WriteResult
from biogate_adapters.filetime import now_ticks
from biogate_adapters.line.frame import Frame, parse_frame
from biogate_adapters.line.link import CommandRefusedError, LineLink
from biogate_adapters.profile import Profile
from biogate_adapters.schema_line import LineProfile, LineWrite
from biogate_adapters.writes import refusal

_log = logging.getLogger(__name__)
_Cell = tuple[float, int, str | None]


class LineAdapter:
    """`contract.Adapter` for line protocols.

    `where` names the device in error messages, `device` in log lines (default: as `where`).
    """

    def __init__(
        self,
        profile: Profile,
        link: LineLink,
        *,
        unit: str,
        where: str,
        device: str = "",
        now: Callable[[], int] = now_ticks,
    ) -> None:
        if not isinstance(profile.facts, LineProfile):
            raise TypeError(f"{profile.name} is a {profile.protocol} profile, not a line one")
        self._facts = profile.facts
        self._signals = profile.signals
        self._link = link
        self._unit = unit
        self._device = device or where
        self._now = now
        self._complaint = ""
        self._flags: tuple[str, ...] = ()

    @property
    def signals(self) -> Sequence[Signal]:
        """The device's signals."""
        return self._signals

    async def connect(self) -> None:
        """Open the connection. Raises AdapterError when the device cannot be reached."""
        await self._link.connect()

    async def close(self) -> None:
        """Release the connection."""
        self._link.close()

    async def read(self) -> SampleBatch:
        """Ask for one frame. Raises AdapterError when no frame came."""
        request = self._facts.poll.request.format(unit=self._unit)
        try:
            frame = await self._link.exchange(request, self._parse)
        except CommandRefusedError as error:
            self._complain(str(error))
            refused: _Cell = (math.nan, status.BAD_NOT_SUPPORTED, None)
            return self._batch([refused] * len(self._signals))
        self._complain("")
        self._report_flags(frame.flags)
        return self._batch([self._cell(frame, signal.name) for signal in self._signals])

    async def write(self, signal: int, value: float | str) -> WriteResult:
        """Send a set-point; the frame that comes back tells whether the device took it.

        Raises AdapterError when no frame came.
        """
        target = self._signals[signal]
        point = self._facts.points[target.name]
        if (refused := refusal(target, value)) or isinstance(value, str) or point.write is None:
            return refused or WriteResult(status.BAD_NOT_WRITABLE)
        sent = _to_step(float(value), point.write)
        if refused := refusal(target, sent):
            return refused
        request = point.write.request.format(unit=self._unit, value=sent)
        try:
            frame = await self._link.exchange(request, self._parse)
        except CommandRefusedError as error:
            return WriteResult(status.BAD_NOT_SUPPORTED, message=str(error))
        held = frame.numbers.get(point.field)
        if held is None:
            message = f"the device has no {point.field}"
            return WriteResult(status.BAD_NOT_SUPPORTED, message=message)
        if abs(held - sent) > point.write.step / 2:
            message = f"{target.name} holds {held:g} after writing {sent:g}"
            return WriteResult(status.BAD_DEVICE_FAILURE, held, message)
        return WriteResult(status.GOOD, held)

    def _parse(self, text: str) -> Frame:
        return parse_frame(text, self._facts.poll, self._unit)

    def _cell(self, frame: Frame, name: str) -> _Cell:
        """(value, status, text) of one signal."""
        point, poll = self._facts.points[name], self._facts.poll
        if point.field == poll.flags_field:
            return math.nan, status.GOOD, " ".join(frame.flags)
        if point.field in poll.texts:
            text = frame.texts.get(point.field)
            return math.nan, status.BAD_NOT_SUPPORTED if text is None else status.GOOD, text
        value = frame.numbers.get(point.field)
        if value is None:
            return math.nan, status.BAD_NOT_SUPPORTED, None
        if value in point.invalid:
            return math.nan, point.invalid_status, None
        code = self._flag_status(frame, name)
        return (math.nan if status.is_bad(code) else value), code, None

    def _flag_status(self, frame: Frame, name: str) -> int:
        codes = [
            fact.status
            for flag, fact in self._facts.poll.flags.items()
            if flag in frame.flags and name in fact.signals and fact.status is not None
        ]
        return max(codes, default=status.GOOD)

    def _batch(self, cells: Sequence[_Cell]) -> SampleBatch:
        time = self._now()
        return SampleBatch(
            index=np.arange(len(cells), dtype=np.int32),
            value=np.array([cell[0] for cell in cells], dtype=np.float64),
            status=np.array([cell[1] for cell in cells], dtype=np.uint32),
            source_time=np.full(len(cells), time, dtype=np.int64),
            texts={row: cell[2] for row, cell in enumerate(cells) if cell[2] is not None},
        )

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            self._complaint = complaint
            if complaint:
                self._tell(logging.WARNING, "device refuses to be polled", error=complaint)
            else:
                self._tell(logging.INFO, "device can be polled again")

    def _report_flags(self, flags: tuple[str, ...]) -> None:
        if flags != self._flags:
            self._flags = flags
            known = self._facts.poll.flags
            meanings = [
                f"{flag} ({known[flag].meaning})" if flag in known else flag for flag in flags
            ]
            self._tell(logging.INFO, "device shows other flags", flags=meanings)

    def _tell(self, level: int, message: str, **more: object) -> None:
        _log.log(level, message, extra={"device": self._device, **more})


def _to_step(value: float, write: LineWrite) -> float:
    """The multiple of the command's resolution that is nearest to `value`."""
    return round(value / write.step) * write.step
