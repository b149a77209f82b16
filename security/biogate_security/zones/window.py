"""Weekly time windows in UTC, as minutes of the week. Pure arithmetic on FILETIME ticks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from biogate_security.filetime import TICKS_PER_SECOND

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_PER_DAY = 24 * 60
MINUTES_PER_WEEK = 7 * MINUTES_PER_DAY
_TICKS_PER_MINUTE = 60 * TICKS_PER_SECOND
_TICKS_PER_WEEK = MINUTES_PER_WEEK * _TICKS_PER_MINUTE


@dataclass(frozen=True, slots=True)
class Window:
    """When a rule holds: on `days` from one minute of the day until another, in UTC.

    `days` are names of `DAYS`, `start` and `end` minutes since midnight (0..1440). A window whose
    end comes before its start goes on across midnight and belongs to the day that it starts on.
    Raises ValueError for days or minutes that there are not, and for a window of no length.
    """

    days: tuple[str, ...] = DAYS
    start: int = 0
    end: int = MINUTES_PER_DAY
    _edges: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.days or not set(self.days) <= set(DAYS):
            raise ValueError(f"days are some of {', '.join(DAYS)}")
        if not (0 <= self.start < MINUTES_PER_DAY and 0 <= self.end <= MINUTES_PER_DAY):
            raise ValueError("a window is from 00:00..23:59 until 00:00..24:00")
        if self.start == self.end:
            raise ValueError("a window that starts when it ends is never open")
        object.__setattr__(self, "_edges", _edges(self._spans()))

    def _spans(self) -> Iterable[tuple[int, int]]:
        length = (self.end - self.start) % MINUTES_PER_DAY or MINUTES_PER_DAY
        for day in set(self.days):
            first = DAYS.index(day) * MINUTES_PER_DAY + self.start
            last = first + length
            yield first, min(last, MINUTES_PER_WEEK)
            if last > MINUTES_PER_WEEK:
                yield 0, last - MINUTES_PER_WEEK

    def is_open(self, now: int) -> bool:
        """Whether the rule holds at wall time `now` (FILETIME ticks)."""
        return bisect_right(self._edges, _minute_of_week(now)) % 2 == 1

    def next_edge(self, now: int) -> int | None:
        """When it next opens or closes, in ticks; None for a window that is always open."""
        if self._edges == (0, MINUTES_PER_WEEK):
            return None
        week = now - now % _TICKS_PER_WEEK
        position = bisect_right(self._edges, _minute_of_week(now))
        wraps = self._edges[0] == 0 and self._edges[-1] == MINUTES_PER_WEEK
        if position < len(self._edges) - wraps:
            return week + self._edges[position] * _TICKS_PER_MINUTE
        first = self._edges[1 if wraps else 0]
        return week + _TICKS_PER_WEEK + first * _TICKS_PER_MINUTE


def _minute_of_week(now: int) -> int:
    """FILETIME counts from 1601-01-01, which was a Monday."""
    return now % _TICKS_PER_WEEK // _TICKS_PER_MINUTE


def _edges(spans: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """Spans that touch are one; the edges alternate between opening and closing."""
    edges: list[int] = []
    for first, last in sorted(spans):
        if edges and first <= edges[-1]:
            edges[-1] = max(edges[-1], last)
        else:
            edges += (first, last)
    return tuple(edges)
