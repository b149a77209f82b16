"""NumericRange (Part 4, 7.27), with numpy as the oracle for slices."""

from __future__ import annotations

import numpy as np
import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.errors import StatusError
from biogate.opcua.space.index_range import (
    apply_index_range,
    parse_index_range,
    write_index_range,
)

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
        (["TestString", "Test", None], "0:2,7:9", ["ing", None, None]),
        (["abcd", "x"], "0:5,0", ["a", "x"]),
        ([["ab", "c"], ["d", "ef"]], "0:1,0:1,1", [["b", None], [None, "f"]]),
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


@pytest.mark.parametrize("index_range", ["0:2,9", "3,0", "0,0,0"])
def test_texts_that_all_have_nothing_there_are_no_data(index_range: str) -> None:
    with pytest.raises(StatusError) as error:
        apply_index_range(ua.Variant(["ab", "c", None]), parse_index_range(index_range))
    assert error.value.status == ua.StatusCodes.BadIndexRangeNoData


# -- writing ------------------------------------------------------------------------------------


def int32(array: np.ndarray) -> ua.Variant:
    dimensions = list(array.shape) if array.ndim > 1 else None
    return ua.Variant(array.tolist(), ua.VariantType.Int32, dimensions, is_array=True)


@given(
    st.lists(bounds, min_size=1, max_size=3), st.lists(st.integers(1, 4), min_size=3, max_size=3)
)
@settings(max_examples=200)
def test_a_part_is_written_where_numpy_puts_it_or_not_at_all(
    ranges: list[tuple[int, int]], shape: list[int]
) -> None:
    array = np.arange(np.prod(shape[: len(ranges)])).reshape(shape[: len(ranges)])
    held = int32(array)
    sizes = [high - low + 1 for low, high in ranges]
    part = -1 - np.arange(np.prod(sizes)).reshape(sizes)
    places = parse_index_range(text_of(ranges))
    if any(high >= length for (_, high), length in zip(ranges, shape, strict=False)):
        with pytest.raises(StatusError) as error:
            write_index_range(held, places, int32(part))
        assert error.value.status == ua.StatusCodes.BadIndexRangeNoData
        return
    written = write_index_range(held, places, int32(part))
    assert held.Value == array.tolist(), "the Variant that was there is changed"
    array[tuple(slice(low, high + 1) for low, high in ranges)] = part
    assert written == int32(array)
    other = int32(np.zeros([*sizes[:-1], sizes[-1] + 1], int))
    with pytest.raises(StatusError) as mismatch:
        write_index_range(held, places, other)
    assert mismatch.value.status == ua.StatusCodes.BadIndexRangeDataMismatch


@pytest.mark.parametrize(
    ("held", "index_range", "given", "status"),
    [
        (5, "0", [5], "BadIndexRangeNoData"),
        ([5], "0", 5, "BadIndexRangeDataMismatch"),
        ([[5]], "0", [[5]], "BadIndexRangeNoData"),
        ([5], "0,0", [[5]], "BadIndexRangeNoData"),
        ("abc", "3", "d", "BadIndexRangeNoData"),
        ("abc", "0", "de", "BadIndexRangeDataMismatch"),
        (["abc", None], "0:1,0", ["x", "y"], "BadIndexRangeNoData"),
    ],
)
def test_a_part_of_another_form_is_refused(
    held: object, index_range: str, given: object, status: str
) -> None:
    with pytest.raises(StatusError) as error:
        write_index_range(ua.Variant(held), parse_index_range(index_range), ua.Variant(given))
    assert error.value.status == getattr(ua.StatusCodes, status)
