"""A tag's columns as the value of one Variable: the projection to its built-in type."""

from __future__ import annotations

import math
from typing import Any

from biogate.opcua.stack import StatusCodes, ua
from biogate.tags.table import NUMBER_RANGES
from biogate_adapters.status import is_bad

FLOAT_MAX = 3.4028234663852886e38
"""The largest finite Float."""

_T = ua.VariantType
_FLOATING = (_T.Float, _T.Double)
NUMBERS = {ua.VariantType[name]: bounds for name, bounds in NUMBER_RANGES.items()}
"""The types that a tag's float64 can be shown as, and the numbers each can hold."""


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
    number, status = project_number(projection, value, status)
    return None if number is None else ua.Variant(number, projection), status


def project_number(
    projection: ua.VariantType, value: float, status: int
) -> tuple[float | int | bool | None, int]:
    """`project` for one of `NUMBERS`, without a Variant around the number."""
    if math.isnan(value):
        if is_bad(status):
            return None, status
        return (value, status) if projection in _FLOATING else (None, StatusCodes.BadOutOfRange)
    number = _number(projection, value)
    return number, StatusCodes.BadOutOfRange if number is None else status


def _number(projection: ua.VariantType, value: float) -> float | int | bool | None:
    if projection is _T.Double:
        return value
    if projection is _T.Boolean:
        return bool(value)
    if projection is _T.Float:
        fits = not math.isfinite(value) or abs(value) <= FLOAT_MAX
        return value if fits else None
    low, high = NUMBERS[projection]
    return round(value) if low <= value <= high else None


def _project_object(projection: ua.VariantType, value: float, held: Any) -> ua.Variant | None:
    if isinstance(held, ua.Variant):  # of a stored Variable
        return held
    if held is None:
        whole = projection in (_T.Int64, _T.UInt64) and math.isfinite(value)
        return ua.Variant(int(value), projection) if whole else None
    if projection is _T.LocalizedText and isinstance(held, str):
        held = ua.LocalizedText(held)
    return ua.Variant(held, projection, is_array=isinstance(held, list))
