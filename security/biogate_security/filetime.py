"""Wall-clock time as FILETIME ticks: 100 ns since 1601-01-01 UTC (Part 6, 5.2.2.5)."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

TICKS_PER_SECOND = 10_000_000
_UNIX_EPOCH_TICKS = 116_444_736_000_000_000
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_LAST_TICKS = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1) * 10 + 9


def now_ticks() -> int:
    """The wall clock now, in ticks."""
    return from_unix_ns(time.time_ns())


def from_unix_ns(nanoseconds: int) -> int:
    """The ticks of a time in nanoseconds since 1970, such as a file's."""
    return nanoseconds // 100 + _UNIX_EPOCH_TICKS


def to_datetime(ticks: int) -> datetime:
    """The aware UTC datetime of `ticks`, cut to the microsecond."""
    return _EPOCH + timedelta(microseconds=ticks // 10)


def to_iso(ticks: int) -> str:
    """ISO 8601 in UTC with seven decimals: exact, legible, and sorts as text.

    Raises ValueError outside the years 1601 to 9999.
    """
    if not 0 <= ticks <= _LAST_TICKS:
        raise ValueError(f"{ticks} ticks are outside the years 1601 to 9999")
    return f"{to_datetime(ticks):%Y-%m-%dT%H:%M:%S}.{ticks % TICKS_PER_SECOND:07d}Z"


def from_iso(text: str) -> int:
    """The ticks that `to_iso` wrote. Raises ValueError for any other form."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    if not text.endswith("Z") or len(fraction) != 7 or not fraction.isascii():
        raise ValueError(f"{text!r} is not a UTC time with seven decimals")
    moment = datetime.strptime(seconds, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(seconds=1) * TICKS_PER_SECOND + int(fraction)
