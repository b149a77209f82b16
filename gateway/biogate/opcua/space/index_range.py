"""NumericRange: which elements of an array a client reads or writes (Part 4, 7.27).

Upper bounds beyond the end are cut on reading; a write must find every element that it names.
One dimension more than the array has means a part of each String or ByteString.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NoReturn

from biogate.opcua.errors import StatusError
from biogate.opcua.stack import StatusCodes, ua

_DIMENSION = re.compile(r"([0-9]{1,10})(?::([0-9]{1,10}))?", re.ASCII)
_MAX_UINT32 = 0xFFFF_FFFF
_MAX_LENGTH = 256
_TEXTS = (ua.VariantType.String, ua.VariantType.ByteString)


def parse_index_range(text: str) -> tuple[slice, ...]:
    """One slice per dimension; `2` is the slice 2:3 and `1:3` the slice 1:4.

    Raises StatusError Bad_IndexRangeInvalid, also for more dimensions than any array has.
    """
    if len(text) > _MAX_LENGTH:
        raise StatusError(StatusCodes.BadIndexRangeInvalid)
    return tuple(_parse_dimension(part) for part in text.split(","))


def _parse_dimension(text: str) -> slice:
    match = _DIMENSION.fullmatch(text)
    if match is None:
        raise StatusError(StatusCodes.BadIndexRangeInvalid)
    low = int(match[1])
    high = low if match[2] is None else int(match[2])
    if high > _MAX_UINT32 or (match[2] is not None and low >= high):
        raise StatusError(StatusCodes.BadIndexRangeInvalid)
    return slice(low, high + 1)


def _no_data() -> NoReturn:
    raise StatusError(StatusCodes.BadIndexRangeNoData)


def _mismatch() -> NoReturn:
    raise StatusError(StatusCodes.BadIndexRangeDataMismatch)


# -- reading ------------------------------------------------------------------------------------


def apply_index_range(variant: ua.Variant, ranges: Sequence[slice]) -> ua.Variant:
    """The elements of `variant` within `ranges`, as an array of the same rank.

    A String or ByteString of an array that has nothing there is null, while others have.
    Raises StatusError Bad_IndexRangeNoData when nothing is there.
    """
    texts = variant.VariantType in _TEXTS
    value = _cut(variant.Value, ranges, texts)
    if not variant.is_array:
        return ua.Variant(value, variant.VariantType)
    return ua.Variant(value, variant.VariantType, is_array=True)


def _cut(value: Any, ranges: Sequence[slice], texts: bool) -> Any:
    if not ranges:
        return _no_data() if isinstance(value, list) else value
    if not isinstance(value, list):
        return (_text_cut(value, ranges) if texts else None) or _no_data()
    chosen = value[ranges[0]]
    if texts and len(ranges) > 1 and not any(isinstance(element, list) for element in chosen):
        parts = [_text_cut(element, ranges[1:]) or None for element in chosen]
        return parts if any(parts) else _no_data()
    return [_cut(element, ranges[1:], texts) for element in chosen] or _no_data()


def _text_cut(value: Any, ranges: Sequence[slice]) -> Any:
    if len(ranges) != 1:
        _no_data()
    return value[ranges[0]] if value is not None else None


# -- writing ------------------------------------------------------------------------------------


def write_index_range(held: ua.Variant, ranges: Sequence[slice], given: ua.Variant) -> ua.Variant:
    """`held` with the elements within `ranges` replaced by those of `given`; a new Variant.

    `given` has the type and rank of `held` and the size of the ranges. Raises StatusError
    Bad_IndexRangeNoData where `held` lacks an element, Bad_IndexRangeDataMismatch where `given`
    has another size than the ranges.
    """
    if held.is_array != given.is_array:
        _no_data() if not held.is_array else _mismatch()
    texts = held.VariantType in _TEXTS
    value = _replaced(held.Value, ranges, given.Value, texts)
    return ua.Variant(value, held.VariantType, held.Dimensions, held.is_array)


def _replaced(value: Any, ranges: Sequence[slice], given: Any, texts: bool) -> Any:
    if not ranges:
        return _no_data() if isinstance(value, list) else given
    if not isinstance(value, list) and not (texts and value is not None and len(ranges) == 1):
        _no_data()
    chosen = ranges[0]
    if chosen.stop > len(value):
        _no_data()
    if type(given) is not type(value) or len(given) != chosen.stop - chosen.start:
        _mismatch()
    middle = given
    if isinstance(value, list):
        pairs = zip(value[chosen], given, strict=True)
        middle = [_replaced(old, ranges[1:], new, texts) for old, new in pairs]
    return value[: chosen.start] + middle + value[chosen.stop :]
