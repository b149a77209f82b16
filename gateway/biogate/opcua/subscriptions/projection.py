"""Tags' columns as the built-in types of their Variables, many at a time.

The same rules as `space.tag_values.project`, which does it for one value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from biogate.opcua.stack import StatusCodes

FLOAT, DOUBLE = 10, 11
_FLOAT_MAX = float(np.finfo(np.float32).max)
_BAD = 0x8000_0000
_LOW = np.full(32, -np.inf)
_HIGH = np.full(32, np.inf)
_LOW[[2, 3, 4, 5, 6, 7]] = [-(2**7), 0, -(2**15), 0, -(2**31), 0]
_HIGH[[2, 3, 4, 5, 6, 7]] = [2**7 - 1, 2**8 - 1, 2**15 - 1, 2**16 - 1, 2**31 - 1, 2**32 - 1]


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
    fits &= ~narrow | ~np.isfinite(value) | (np.abs(value) <= _FLOAT_MAX)
    shown = np.where(floating, value, np.rint(value))
    shown = np.where(wire == 1, value != 0, shown)
    if narrow.any():
        with np.errstate(over="ignore"):
            shown = np.where(narrow, value.astype(np.float32).astype(np.float64), shown)
    absent = np.isnan(value) & ((status & _BAD) != 0)
    shown = np.where(fits & ~absent, shown, np.nan)
    unfit = ~fits & ~absent
    return shown, np.where(unfit, np.uint32(StatusCodes.BadOutOfRange), status)
