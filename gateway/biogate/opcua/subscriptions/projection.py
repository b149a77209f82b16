"""Tags' columns as the built-in types of their Variables, many at a time.

The same rules as `space.tag_values.project`, which does it for one value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from biogate.opcua.space.tag_values import FLOAT_MAX
from biogate.opcua.stack import StatusCodes, ua
from biogate.tags.table import NUMBER_RANGES, is_without_value

FLOAT, DOUBLE = 10, 11
_LOW = np.full(32, -np.inf)
_HIGH = np.full(32, np.inf)
for _name, _bounds in NUMBER_RANGES.items():
    if _name != "Boolean":  # which any number makes
        _LOW[ua.VariantType[_name].value], _HIGH[ua.VariantType[_name].value] = _bounds


def project_columns(
    wire: NDArray[np.uint8], value: NDArray[np.float64], status: NDArray[np.uint32]
) -> tuple[NDArray[np.float64], NDArray[np.uint32]]:
    """`value` and `status` as they are shown by the built-in types `wire` (keys of WIRE_TYPES).

    Integers are rounded, Floats cut to 24 bits, Booleans made 0 or 1. What a type cannot hold
    becomes NaN and Bad_OutOfRange; a Bad row without a number stays as it is.
    """
    floating = wire >= FLOAT
    fits = (value >= _LOW[wire]) & (value <= _HIGH[wire])
    fits |= floating & np.isnan(value)
    narrow = wire == FLOAT
    fits &= ~narrow | ~np.isfinite(value) | (np.abs(value) <= FLOAT_MAX)
    shown = np.where(floating, value, np.rint(value))
    shown = np.where(wire == 1, value != 0, shown)
    if narrow.any():
        with np.errstate(over="ignore"):
            shown = np.where(narrow, value.astype(np.float32).astype(np.float64), shown)
    absent = is_without_value(value, status)
    shown = np.where(fits & ~absent, shown, np.nan)
    unfit = ~fits & ~absent
    return shown, np.where(unfit, np.uint32(StatusCodes.BadOutOfRange), status)
