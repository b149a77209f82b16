"""Registers and values, by the worked examples of the manuals."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biogate_adapters.modbus.codec import decode, decode_text, encode


# Byte orders for 7.01 as float32 (0x40E051EC): ABCD and CDAB.
@pytest.mark.parametrize(
    ("registers", "order"), [((0x40E0, 0x51EC), "big"), ((0x51EC, 0x40E0), "little")]
)
def test_word_order(registers, order):
    assert decode(registers, "float32", order) == pytest.approx(7.01)
    assert encode(7.01, "float32", order) == list(registers)


# Hamilton pH Arc programmer's manual: 62.85 is 0x427B6666, low word first.
def test_62_85_of_the_hamilton_manual():
    assert encode(62.85, "float32", "little") == [0x6666, 0x427B]


# Hamilton: text "2076" is 0x36373032 as a 32-bit value, so its first register is 0x3032.
def test_text_with_the_first_character_in_the_low_byte():
    assert decode_text([0x3032, 0x3637], "low_byte_first") == "2076"


def test_text_with_the_first_character_in_the_high_byte():
    assert decode_text([0x4142, 0x4300], "high_byte_first") == "ABC"


def test_text_ends_at_nul_and_is_never_an_error():
    assert decode_text([0x0041, 0x4242], "low_byte_first") == "A"
    assert decode_text([0xFFFE], "high_byte_first") == "\ufffd\ufffd"


@given(st.floats(width=32, allow_nan=False), st.sampled_from(["big", "little"]))
def test_floats_survive(value, order):
    assert decode(encode(value, "float32", order), "float32", order) == value


@given(st.integers(-(2**31), 2**31 - 1), st.sampled_from(["big", "little"]))
def test_signed_integers_survive(value, order):
    assert decode(encode(value, "int32", order), "int32", order) == value


@given(st.integers(0, 2**16 - 1))
def test_one_register_is_the_bytes_on_the_wire(value):
    assert encode(value, "uint16", "little") == [value]
    expected = struct.unpack(">h", struct.pack(">H", value))[0]
    assert decode([value], "int16", "big") == expected


@pytest.mark.parametrize(
    ("value", "format_"), [(40_000, "int16"), (-1, "uint32"), (1e40, "float32")]
)
def test_a_value_that_does_not_fit_is_refused(value, format_):
    with pytest.raises(OverflowError):
        encode(value, format_, "big")


def test_nan_is_nan():
    assert math.isnan(decode([0x7FC0, 0], "float32", "big"))
