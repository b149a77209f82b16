"""The register image of a simulated device: values → registers, and written registers → values.

Written for the simulator alone, so that a mistake of the engine's codec cannot hide in it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence

from biogate_adapters.schema_modbus import (
    Format,
    ModbusProfile,
    ModbusSignal,
    Span,
    register_count,
)
from biogate_adapters.simulators.values import DeviceValues

_BITS = {"int16": 16, "uint16": 16, "int32": 32, "uint32": 32}


class RegisterImage:
    """All registers of one device, as (table, address) → register."""

    def __init__(self, facts: ModbusProfile, values: DeviceValues) -> None:
        self._facts = facts
        self._values = values
        self._constant = self._constants()
        self._spans = {name: facts.signal_span(name) for name in facts.points}

    def spans(self) -> list[Span]:
        """All registers that the device has, as spans that do not overlap."""
        known = set(self._constant)
        for span in self._spans.values():
            known.update(_registers(span))
        runs: list[Span] = []
        for table, address in sorted(known):
            last = runs[-1] if runs else None
            if last and last.table == table and last.end == address:
                runs[-1] = Span(last.table, last.address, last.count + 1)
            else:
                runs.append(Span(table, address, 1))  # type: ignore[arg-type]
        return runs

    def present(self) -> Mapping[tuple[str, int], int]:
        """The registers with the plant's values now."""
        self._values.refresh()
        image = dict(self._constant)
        bits: list[tuple[Span, int, int]] = []
        for name, point in self._facts.points.items():
            span = self._spans[name]
            if point.bit is not None:
                bits.append((span, point.bit, self._bit(name)))
            else:
                image.update(zip(_registers(span), self._signal(name, point), strict=True))
        for span, bit, state in bits:
            self._set_bit(image, span, bit, state)
        return image

    def writable(self, span: Span) -> list[str] | None:
        """The writable signals that fill `span` exactly; None when others are touched."""
        covered: set[tuple[str, int]] = set()
        names = []
        for name, point in self._facts.points.items():
            if point.write and span.covers(self._spans[name]):
                covered.update(_registers(self._spans[name]))
                names.append(name)
        return names if covered == set(_registers(span)) else None

    def decode(self, name: str, span: Span, registers: Sequence[int]) -> float:
        """The value that a write of `registers` at `span` gives to a signal."""
        point, own = self._facts.points[name], self._spans[name]
        words = list(registers[own.address - span.address :][: own.count])
        return self._from_words(words, point.format) * point.scale + point.bias

    def _signal(self, name: str, point: ModbusSignal) -> list[int]:
        if point.format == "text":
            return self._from_text(self._values.text(name), point.length or 1)
        value = self._values.number(name)
        if not math.isnan(value):
            return self._to_words((value - point.bias) / point.scale, point.format)
        marker = point.invalid[0] if point.invalid else math.nan
        if math.isnan(marker) and point.format != "float32":
            raise ValueError(f"{name} has no value, and its {point.format} no marker for that")
        return self._to_words(marker, point.format)

    def _bit(self, name: str) -> int:
        value = self._values.number(name)
        return 0 if math.isnan(value) else int(value != 0)

    def _set_bit(self, image: dict[tuple[str, int], int], span: Span, bit: int, state: int) -> None:
        high_first = self._facts.modbus.word_order == "big"
        word = bit // 16
        address = span.address + (span.count - 1 - word if high_first else word)
        key = (span.table, address)
        image[key] = image.get(key, 0) & ~(1 << bit % 16) | state << bit % 16

    def _constants(self) -> dict[tuple[str, int], int]:
        facts = self._facts
        image: dict[tuple[str, int], int] = {}
        for name in facts.blocks:
            image.update(dict.fromkeys(_registers(facts.block_span(name)), 0))
        for item in facts.simulation.image if facts.simulation else ():
            count = register_count(item.format, item.length)
            words = (
                self._from_text(item.value, count)
                if isinstance(item.value, str)
                else self._to_words(item.value, item.format)
            )
            image.update(zip(_registers(facts.span(item, count)), words, strict=True))
        return image

    def _to_words(self, number: float, format_: Format) -> list[int]:
        if format_ == "float32":
            bits = int.from_bytes(struct.pack("<f", number), "little")
            count = 2
        else:
            size = _BITS[format_]
            lowest = -(1 << size - 1) if format_.startswith("int") else 0
            whole = min(max(round(number), lowest), lowest + (1 << size) - 1)
            bits, count = whole % (1 << size), size // 16
        words = [bits >> 16 * position & 0xFFFF for position in range(count)]
        return words if self._facts.modbus.word_order == "little" else words[::-1]

    def _from_words(self, words: list[int], format_: Format) -> float:
        low_first = words if self._facts.modbus.word_order == "little" else words[::-1]
        bits = sum(word << 16 * position for position, word in enumerate(low_first))
        if format_ == "float32":
            number: float = struct.unpack("<f", bits.to_bytes(4, "little"))[0]
            return number
        size = _BITS[format_]
        negative = format_.startswith("int") and bits >> size - 1
        return float(bits - (1 << size) if negative else bits)

    def _from_text(self, text: str, count: int) -> list[int]:
        data = text.encode("ascii").ljust(2 * count, b"\0")[: 2 * count]
        pairs = zip(data[::2], data[1::2], strict=True)
        low_first = self._facts.modbus.text_order == "low_byte_first"
        return [
            second << 8 | first if low_first else first << 8 | second for first, second in pairs
        ]


def _registers(span: Span) -> list[tuple[str, int]]:
    return [(span.table, address) for address in range(span.address, span.end)]
