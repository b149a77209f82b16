"""The plant's clock: which plant time belongs to a wall-clock time.

A simulator prints one line of it, and whoever compares values by time maps them by that line
(docs/architecture.md, decision 9).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from biogate_adapters import filetime

LINE = "clock wall_start=<ISO 8601 UTC> plant_start_s=<seconds> rate=<plant seconds per second>"
_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
_LINE = re.compile(
    r"clock wall_start=(?P<wall_start>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)"
    rf" plant_start_s=(?P<plant_start_s>{_NUMBER}) rate=(?P<rate>{_NUMBER})\s*"
)
_TICKS_PER_MICROSECOND = 10


class ProcessClock:
    """Maps wall-clock ticks (FILETIME) to plant time in seconds, at a constant rate.

    `wall_start` is cut to the microsecond, so that the printed line carries all of it. Raises
    ValueError for a rate that is not positive.
    """

    def __init__(
        self,
        wall_start: int,
        plant_start_s: float = 0.0,
        rate: float = 1.0,
        *,
        wall_now: Callable[[], int] = filetime.now_ticks,
    ) -> None:
        if not 0.0 < rate < float("inf"):
            raise ValueError(f"the plant's clock needs a rate above 0, not {rate}")
        self.wall_start = wall_start - wall_start % _TICKS_PER_MICROSECOND
        self.plant_start_s = float(plant_start_s)
        self.rate = float(rate)
        self._wall_now = wall_now
        self._latest_s = plant_start_s

    def now_s(self) -> float:
        """Plant time now. Stands still, rather than go back, when the wall clock is set back."""
        self._latest_s = max(self._latest_s, self.plant_time_s(self._wall_now()))
        return self._latest_s

    def plant_time_s(self, wall_ticks: int) -> float:
        """The plant time that belongs to a wall-clock time."""
        elapsed_s = (wall_ticks - self.wall_start) / filetime.TICKS_PER_SECOND
        return self.plant_start_s + elapsed_s * self.rate

    def wall_ticks(self, plant_time_s: float) -> int:
        """The wall-clock time at which the plant is, or was, at `plant_time_s`."""
        elapsed_s = (plant_time_s - self.plant_start_s) / self.rate
        return self.wall_start + round(elapsed_s * filetime.TICKS_PER_SECOND)

    def line(self) -> str:
        """The line that a simulator prints; `parse` reads it back without loss."""
        start = filetime.to_datetime(self.wall_start).replace(tzinfo=None)
        wall_start = start.isoformat(timespec="microseconds")
        plant = f"plant_start_s={self.plant_start_s!r} rate={self.rate!r}"
        return f"clock wall_start={wall_start}Z {plant}"

    @classmethod
    def parse(cls, line: str, *, wall_now: Callable[[], int] = filetime.now_ticks) -> ProcessClock:
        """The clock that printed `line`. Raises ValueError when it is no clock line."""
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"no clock line: {line!r}; expected {LINE}")
        wall_start = filetime.from_datetime(datetime.fromisoformat(match["wall_start"]))
        return cls(
            wall_start, float(match["plant_start_s"]), float(match["rate"]), wall_now=wall_now
        )
