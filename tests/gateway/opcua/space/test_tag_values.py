"""Tags shown as the built-in type of a Variable."""

from __future__ import annotations

import math
from typing import Any

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from biogate.opcua.codec import decode_variant, encode_variant
from biogate.opcua.space.tag_values import NUMBERS, project

T = ua.VariantType
GOOD, BAD, UNCERTAIN = 0, ua.StatusCodes.BadNoCommunication, 0x408F0000


@pytest.mark.parametrize("projection", sorted(NUMBERS))
def test_a_bad_tag_without_a_number_has_no_value(projection: ua.VariantType) -> None:
    assert project(projection, math.nan, BAD, None) == (None, BAD)


@pytest.mark.parametrize("projection", [T.Float, T.Double])
def test_a_good_nan_is_a_value(projection: ua.VariantType) -> None:
    variant, status = project(projection, math.nan, GOOD, None)
    assert variant is not None
    assert math.isnan(variant.Value)
    assert status == GOOD


def test_a_bad_tag_keeps_a_number_that_its_device_gave() -> None:
    assert project(T.Double, 7.0, BAD, None) == (ua.Variant(7.0, T.Double), BAD)


@given(st.sampled_from(sorted(NUMBERS)), st.floats(allow_nan=False))
def test_a_number_fits_the_type_or_is_out_of_range(
    projection: ua.VariantType, value: float
) -> None:
    """Never a number that wrapped around or overflowed: what is shown can be encoded."""
    variant, status = project(projection, value, UNCERTAIN, None)
    if variant is None:
        assert status == ua.StatusCodes.BadOutOfRange
        return
    assert status == UNCERTAIN
    shown = decode_variant(encode_variant(variant))
    assert shown.VariantType == projection
    if projection is not T.Boolean:
        assert (
            abs(shown.Value - value) <= 0.5
            or math.isclose(shown.Value, value, rel_tol=1e-6)
            or (shown.Value == value)
        )


@pytest.mark.parametrize(
    ("projection", "held", "expected"),
    [
        (T.String, "air", ua.Variant("air", T.String)),
        (T.LocalizedText, "air", ua.Variant(ua.LocalizedText("air"), T.LocalizedText)),
        (T.String, None, None),
        (T.Int64, 2**60 + 1, ua.Variant(2**60 + 1, T.Int64)),
        (T.Double, None, None),
    ],
)
def test_what_a_float_cannot_hold_comes_as_an_object(
    projection: ua.VariantType, held: Any, expected: ua.Variant | None
) -> None:
    status = BAD if projection is T.Double else GOOD
    assert project(projection, math.nan, status, held) == (expected, status)


def test_a_whole_number_is_shown_in_64_bits_too() -> None:
    assert project(T.Int64, 5.0, GOOD, None) == (ua.Variant(5, T.Int64), GOOD)
