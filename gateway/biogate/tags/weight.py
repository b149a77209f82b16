"""How much memory a value takes that is no number."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from secrets import SystemRandom
from typing import Any
from uuid import UUID

_FIELDS = "__dataclass_fields__"
_PLAIN = frozenset({type(None), bool, int, float, str, bytes, datetime, UUID})
_SAMPLE = 1024
"""So many elements of a long list are looked at, which takes 3 ms."""
_random = SystemRandom()


def weight_of(value: Any) -> int:
    """The bytes of a text, a list or a dataclass and of all that is in it, roughly.

    What several values share counts for each of them. Of a long list of structures some are
    looked at that nobody can foretell, so that the weights of many are right together.
    """
    size = sys.getsizeof(value)
    if isinstance(value, list | tuple):
        return size + _weight_of_all(value)
    return size + sum(weight_of(getattr(value, name, None)) for name in getattr(value, _FIELDS, ()))


def _weight_of_all(values: Sequence[Any]) -> int:
    if set(map(type, values)) <= _PLAIN:
        return sum(map(sys.getsizeof, values))
    chosen = values if len(values) <= _SAMPLE else _random.sample(values, _SAMPLE)
    return sum(map(weight_of, chosen)) * len(values) // len(chosen)
