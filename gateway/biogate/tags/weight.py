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
"""So many elements of long lists are looked at, which takes 3 ms."""
_random = SystemRandom()


def weight_of(value: Any, most: int = _SAMPLE) -> int:
    """The bytes of a text, a list or a dataclass and of all that is in it, roughly.

    What several values share counts for each of them. Of lists and matrices of structures with
    more than `most` elements some are looked at that nobody can foretell, so that the weights of
    many are right together.
    """
    size = sys.getsizeof(value)
    if isinstance(value, list | tuple):
        return size + _weight_of_all(value, most)
    fields = getattr(value, _FIELDS, ())
    return size + sum(weight_of(getattr(value, name, None), most) for name in fields)


def _weight_of_all(values: Sequence[Any], most: int) -> int:
    if set(map(type, values)) <= _PLAIN:
        return sum(map(sys.getsizeof, values))
    chosen = values if len(values) <= most else _random.sample(values, most)
    share = max(1, most // len(chosen))
    return sum(weight_of(value, share) for value in chosen) * len(values) // len(chosen)
