"""Registers ↔ values. A register is an int of 16 bits, as it stands on the wire (high byte first).

`word_order` "little" puts the low word of a 32-bit value first ("CDAB"), "big" the high one
("ABCD").
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

_PACKING = {"int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "float32": "f"}


def decode(registers: Sequence[int], format_: str, word_order: str) -> float:
    """The number in `registers` (1 or 2 of them, as the format needs)."""
    words = registers if word_order == "big" else registers[::-1]
    data = struct.pack(f">{len(words)}H", *words)
    value: float = struct.unpack(">" + _PACKING[format_], data)[0]
    return value


def encode(value: float, format_: str, word_order: str) -> list[int]:
    """The registers of a number; whole formats take the nearest whole number.

    Raises OverflowError when the format cannot hold it.
    """
    number = value if format_ == "float32" else round(value)
    try:
        data = struct.pack(">" + _PACKING[format_], number)
    except struct.error as error:
        raise OverflowError(f"{value:g} does not fit into {format_}") from error
    words = list(struct.unpack(f">{len(data) // 2}H", data))
    return words if word_order == "big" else words[::-1]


def decode_text(registers: Sequence[int], text_order: str) -> str:
    """The text in `registers`, two characters each, without padding.

    Characters outside ASCII are replaced, never an error.
    """
    layout = "<" if text_order == "low_byte_first" else ">"
    data = struct.pack(f"{layout}{len(registers)}H", *registers)
    return data.decode("ascii", errors="replace").split("\0", 1)[0].strip()
