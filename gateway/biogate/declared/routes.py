"""The writes of declared variables: limits, what they bring about, the table they go to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from biogate.opcua.ports import StoredValue, StoredWrites
from biogate.opcua.stack import StatusCodes, status_name, ua
from biogate.tags import TagTable
from biogate_adapters.status import is_bad
from biogate_security.policy import WriteLimits

_SHOWN_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class StoredRoute:
    """A stored variable's writes: its tag's name, the limits, and what a write brings about.

    `low`/`high` are None for no limit, and hold for every element of an array. `effect` runs with
    the number that was written, once it is there, where one was. `limits`: as a `WriteRoute`'s.
    """

    tag_name: str
    low: float | None = None
    high: float | None = None
    effect: Callable[[float], None] | None = None
    limits: WriteLimits | None = None

    def takes(self, write: StoredValue) -> bool:
        """True where every number in the value is within the limits; NaN is within none."""
        if self.low is None or self.high is None:
            return True
        return all(self.low <= number <= self.high for number in numbers_of(write))

    def took(self, write: StoredValue) -> None:
        """Bring about what follows from a write, now that it is there."""
        numbers = numbers_of(write)
        if self.effect is not None and numbers:
            self.effect(numbers[0])

    @property
    def allowed(self) -> str:
        """The limits, for messages."""
        return "anything" if self.low is None else f"allowed is {self.low:g} to {self.high:g}"


def numbers_of(write: StoredValue) -> list[Any]:
    """The numbers in a value: one, those of an array, or none."""
    if write.held is None:
        absent = math.isnan(write.value) and is_bad(write.status)
        return [] if absent else [write.value]
    return [each for each in _flat(write.held.Value) if isinstance(each, int | float)]


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _flat(each)
    else:
        yield value


def stored_text(write: StoredValue) -> str:
    """The value as a record shows it, with its status where that is not Good."""
    text = bounded_text(write.value if write.held is None else write.held.Value)
    return text if write.status == StatusCodes.Good else f"{text} {status_name(write.status)}"


def bounded_text(value: Any) -> str:
    """A value as a record shows it: of a long one the beginning, and how long it is."""
    text = repr(value)
    if len(text) > _SHOWN_CHARACTERS:
        return f"{text[:_SHOWN_CHARACTERS]}... ({len(text)} characters)"
    return text


def apply_stored(table: TagTable, writes: StoredWrites, now: int) -> None:
    """Put values into the table, at wall time `now` (ticks)."""
    table.apply(writes.tag, writes.value, writes.status, writes.source_time, now, writes.objects)


def one_write(tag: int, write: StoredValue) -> StoredWrites:
    """The columns of a single write."""
    return StoredWrites(
        np.array([tag], np.int32),
        np.array([write.value], np.float64),
        np.array([write.status], np.uint32),
        np.array([write.source_time], np.int64),
        {} if write.held is None else {0: write.held},
    )


def plain_value(value: Any) -> Any:
    """What a tag holds, as a plain Python value."""
    return value.Value if isinstance(value, ua.Variant) else value
