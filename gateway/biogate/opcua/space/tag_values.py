"""A tag's columns as the value of one Variable: the projection to its built-in type."""

from __future__ import annotations

import math
from typing import Any

from biogate.opcua.stack import StatusCodes, ua

_BAD = 0x8000_0000
_FLOAT_MAX = 3.4028234663852886e38
_T = ua.VariantType
_INTEGERS: dict[ua.VariantType, tuple[int, int]] = {
    _T.SByte: (-(2**7), 2**7 - 1),
    _T.Byte: (0, 2**8 - 1),
    _T.Int16: (-(2**15), 2**15 - 1),
    _T.UInt16: (0, 2**16 - 1),
    _T.Int32: (-(2**31), 2**31 - 1),
    _T.UInt32: (0, 2**32 - 1),
}
_FLOATING = (_T.Float, _T.Double)
NUMBERS = frozenset({*_INTEGERS, _T.Boolean, *_FLOATING})


def project(
    projection: ua.VariantType, value: float, status: int, held: Any
) -> tuple[ua.Variant | None, int]:
    """The Variant and StatusCode that show a tag as `projection`.

    `value` is the tag's float64, `held` its value where a float64 cannot hold it. A Bad tag
    without a number has no value; a number that the type cannot hold is Bad_OutOfRange rather
    than another number.
    """
    if projection not in NUMBERS:
        return _project_object(projection, value, held), status
    if math.isnan(value) and (status & _BAD or projection not in _FLOATING):
        return None, status
    number = _number(projection, value)
    if number is None:
        return None, StatusCodes.BadOutOfRange
    return ua.Variant(number, projection), status


def _number(projection: ua.VariantType, value: float) -> float | int | bool | None:
    if projection is _T.Double:
        return value
    if projection is _T.Boolean:
        return bool(value)
    if projection is _T.Float:
        fits = not math.isfinite(value) or abs(value) <= _FLOAT_MAX
        return value if fits else None
    low, high = _INTEGERS[projection]
    return round(value) if low <= value <= high else None


def _project_object(projection: ua.VariantType, value: float, held: Any) -> ua.Variant | None:
    if held is None:
        whole = projection in (_T.Int64, _T.UInt64) and math.isfinite(value)
        return ua.Variant(int(value), projection) if whole else None
    if projection is _T.LocalizedText and isinstance(held, str):
        held = ua.LocalizedText(held)
    return ua.Variant(held, projection, is_array=isinstance(held, list))
