"""Wall-clock time as OPC UA DateTime ticks: 100 ns since 1601-01-01 UTC (Part 6, 5.2.2.5)."""

import time
from datetime import UTC, datetime, timedelta

TICKS_PER_SECOND = 10_000_000
UNIX_EPOCH_TICKS = 116_444_736_000_000_000
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


def now_ticks() -> int:
    """The wall clock now, in ticks."""
    return time.time_ns() // 100 + UNIX_EPOCH_TICKS


def from_datetime(moment: datetime) -> int:
    """Ticks of an aware datetime; a naive one is an error, never a guess.

    Raises ValueError for a naive datetime.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone: give an aware datetime (UTC)")
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * TICKS_PER_SECOND + delta.microseconds * 10


def to_datetime(ticks: int) -> datetime:
    """The aware UTC datetime of `ticks`, cut to the microsecond."""
    return _EPOCH + timedelta(microseconds=ticks // 10)
