"""NumericRange (Part 4, 7.27), with numpy as the oracle for slices."""

from __future__ import annotations

import numpy as np
import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.errors import StatusError
from biogate.opcua.space.index_range import apply_index_range, parse_index_range

bounds = st.integers(0, 5).flatmap(lambda low: st.tuples(st.just(low), st.integers(low, 7)))


def text_of(ranges: list[tuple[int, int]]) -> str:
    return ",".join(f"{low}" if low == high else f"{low}:{high}" for low, high in ranges)


@given(
    st.lists(bounds, min_size=1, max_size=3), st.lists(st.integers(1, 4), min_size=3, max_size=3)
)
@settings(max_examples=200)
def test_a_part_of_an_array_is_what_numpy_slices(
    ranges: list[tuple[int, int]], shape: list[int]
) -> None:
    array = np.arange(np.prod(shape[: len(ranges)])).reshape(shape[: len(ranges)])
    expected = array[tuple(slice(low, high + 1) for low, high in ranges)]
    variant = ua.Variant(array.tolist(), ua.VariantType.Int32)
    if not expected.size:
        with pytest.raises(StatusError) as error:
            apply_index_range(variant, parse_index_range(text_of(ranges)))
        assert error.value.status == ua.StatusCodes.BadIndexRangeNoData
        return
    part = apply_index_range(variant, parse_index_range(text_of(ranges)))
    assert part.Value == expected.tolist()
    assert part.is_array
    assert part.Dimensions == (list(expected.shape) if expected.ndim > 1 else None)


@given(st.text(max_size=12))
@settings(max_examples=300)
def test_any_text_is_a_range_or_invalid(text: str) -> None:
    status = ua.StatusCodes.Good
    ranges: tuple[slice, ...] = ()
    try:
        ranges = parse_index_range(text)
    except StatusError as error:
        status = error.status
    assert bool(ranges) is (status == ua.StatusCodes.Good)
    assert status in (ua.StatusCodes.Good, ua.StatusCodes.BadIndexRangeInvalid)
    assert all(0 <= part.start < part.stop <= 2**32 for part in ranges)


def test_more_dimensions_than_any_array_has_are_invalid() -> None:
    """A megabyte of them, in each of many items, would hold the server up for seconds."""
    with pytest.raises(StatusError) as error:
        parse_index_range("0," * 500_000 + "0")
    assert error.value.status == ua.StatusCodes.BadIndexRangeInvalid


@pytest.mark.parametrize(
    ("value", "index_range", "expected"),
    [
        (["abcd", "efgh"], "0:1,1:2", ["bc", "fg"]),
        (["abcd", "efgh"], "1,0", ["e"]),
        ([b"abcd"], "0,3", [b"d"]),
        (b"abcd", "1:9", b"bcd"),
    ],
)
def test_one_dimension_more_takes_parts_of_strings(
    value: object, index_range: str, expected: object
) -> None:
    part = apply_index_range(ua.Variant(value), parse_index_range(index_range))
    assert part.Value == expected


@pytest.mark.parametrize("variant", [ua.Variant(), ua.Variant(None, ua.VariantType.String)])
def test_nothing_has_no_parts(variant: ua.Variant) -> None:
    with pytest.raises(StatusError) as error:
        apply_index_range(variant, parse_index_range("0"))
    assert error.value.status == ua.StatusCodes.BadIndexRangeNoData
