"""NumericRange: which elements of an array a client asks for (Part 4, 7.27)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

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


def apply_index_range(variant: ua.Variant, ranges: Sequence[slice]) -> ua.Variant:
    """The elements of `variant` within `ranges`, as an array of the same rank.

    The upper bounds are cut to what is there. One dimension more than the array has takes a part
    of each String or ByteString. Raises StatusError Bad_IndexRangeNoData when nothing is there.
    """
    texts = variant.VariantType in _TEXTS
    value = _cut(variant.Value, ranges, texts)
    if not variant.is_array:
        return ua.Variant(value, variant.VariantType)
    return ua.Variant(value, variant.VariantType, is_array=True)


def _cut(value: Any, ranges: Sequence[slice], texts: bool) -> Any:
    if not ranges:
        if isinstance(value, list):
            raise StatusError(StatusCodes.BadIndexRangeNoData)
        return value
    part: Any
    if isinstance(value, list):
        part = [_cut(element, ranges[1:], texts) for element in value[ranges[0]]]
    elif texts and isinstance(value, str | bytes) and len(ranges) == 1:
        part = value[ranges[0]]
    else:
        raise StatusError(StatusCodes.BadIndexRangeNoData)
    if not part:
        raise StatusError(StatusCodes.BadIndexRangeNoData)
    return part
