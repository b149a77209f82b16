"""One signal's value and status out of the registers that a poll brought."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from biogate_adapters import status
from biogate_adapters.modbus.codec import decode, decode_text
from biogate_adapters.modbus.plan import Item, locate, place_span
from biogate_adapters.schema_modbus import Format, ModbusProfile, ModbusSignal, Place, StatusMap


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of one item: its registers, or (registers empty) why it has none."""

    registers: Sequence[int]
    status: int
    time: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A signal's value: `value` is NaN where there is none, `text` set for String signals."""

    value: float
    status: int
    time: int
    text: str | None = None
    mismatch: str = ""
    """Why the signal does not mean what the profile says; empty when it does."""


@dataclass(frozen=True, slots=True)
class _Word:
    item: int
    offset: int
    count: int
    format: str

    def registers(self, readings: Sequence[Reading]) -> Sequence[int]:
        return readings[self.item].registers[self.offset : self.offset + self.count]


class SignalDecoder:
    """Compiled from the profile once; `decode` is called at every poll."""

    def __init__(self, profile: ModbusProfile, name: str, items: Sequence[Item]) -> None:
        point = profile.points[name]
        self._point = point
        self._modbus = profile.modbus
        self._value = _word(profile, items, point, point.format, None)
        self._status: _Word | None = None
        self._map: StatusMap | None = None
        self._expected: _Word | None = None
        if point.status:
            self._map = profile.status_maps[point.status.map]
            self._status = _word(profile, items, point.status, self._map.format, point.block)
        if point.expect:
            self._expected = _word(profile, items, point.expect, point.expect.format, point.block)
        words = (self._value, self._status, self._expected)
        self.items = frozenset(word.item for word in words if word)
        """Items that the signal needs."""

    def decode(self, readings: Sequence[Reading]) -> Sample:
        """The signal's sample; its time is that of the read of its value."""
        time = readings[self._value.item].time
        for item in self.items:
            if not readings[item].registers:
                return Sample(math.nan, readings[item].status, time)
        if mismatch := self._mismatch(readings):
            assert self._point.expect
            return Sample(math.nan, self._point.expect.status, time, mismatch=mismatch)
        registers = self._value.registers(readings)
        if self._point.format == "text":
            return Sample(
                math.nan, status.GOOD, time, decode_text(registers, self._modbus.text_order)
            )
        code = self._mapped_status(readings)
        raw = decode(registers, self._point.format, self._modbus.word_order)
        if math.isnan(raw) or raw in self._point.invalid:
            code = code if status.is_bad(code) else self._point.invalid_status
        if status.is_bad(code):
            return Sample(math.nan, code, time)
        return Sample(engineering(self._point, raw), code, time)

    def _mismatch(self, readings: Sequence[Reading]) -> str:
        if self._expected is None or self._point.expect is None:
            return ""
        registers = self._expected.registers(readings)
        found = int(decode(registers, self._expected.format, self._modbus.word_order))
        expected = self._point.expect
        if found == expected.value:
            return ""
        return f"expected that {expected.meaning} ({expected.value:#x}), found {found:#x}"

    def _mapped_status(self, readings: Sequence[Reading]) -> int:
        if self._status is None or self._map is None:
            return status.GOOD
        registers = self._status.registers(readings)
        word = int(decode(registers, self._status.format, self._modbus.word_order))
        return next((bit.status for bit in self._map.bits if word & bit.mask), status.GOOD)


def engineering(point: ModbusSignal, raw: float) -> float:
    """A raw number in the signal's unit; a bit as 0 or 1."""
    if point.bit is not None:
        return float(int(raw) >> point.bit & 1)
    return raw * point.scale + point.bias


def _word(
    profile: ModbusProfile,
    items: Sequence[Item],
    place: Place,
    format_: Format,
    fallback: str | None,
) -> _Word:
    span = place_span(profile, place, format_, fallback)
    exact = place.address is None
    item, offset = locate(items, span, exact=exact)
    return _Word(item, offset, span.count, format_)
