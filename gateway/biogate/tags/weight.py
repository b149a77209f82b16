"""How much memory a value takes that is no number."""

from __future__ import annotations

import sys
from enum import Enum
from typing import Any

_NUMBER_BYTES = 32


def weight_of(value: Any) -> int:
    """The bytes of a text, a list or a structure and of all that is in it, roughly.

    What several values share counts for each of them.
    """
    size, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        size += sys.getsizeof(one)
        if isinstance(one, list | tuple):
            if one and isinstance(one[0], int | float):  # then all are: arrays have one type
                size += _NUMBER_BYTES * len(one)
            else:
                waiting += one
        elif hasattr(one, "__dict__") and not isinstance(one, Enum | type):
            waiting += vars(one).values()
    return size
