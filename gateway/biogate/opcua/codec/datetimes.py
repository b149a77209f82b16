"""DateTime on the wire: 100 ns ticks since 1601-01-01 UTC (Part 6, 5.2.2.5)."""

from datetime import UTC, datetime, timedelta

MAX_INT64 = (1 << 63) - 1
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
LATEST_TICKS = int((_LATEST - _EPOCH).total_seconds()) * 10_000_000


class ExactDateTime(datetime):
    """A datetime that also knows the 100 ns ticks beyond its microseconds: `rest`, 0 to 9.

    Arithmetic drops them.
    """

    rest = 0

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and self.rest == getattr(other, "rest", 0)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = datetime.__hash__


def from_ticks(ticks: int) -> datetime:
    """The aware UTC datetime of `ticks`, cut to what datetime can hold: see ExactDateTime."""
    if ticks >= LATEST_TICKS:
        return _LATEST
    if ticks <= 0:
        return _EPOCH
    microseconds, rest = divmod(ticks, 10)
    moment = _EPOCH + timedelta(microseconds=microseconds)
    if not rest:
        return moment
    exact = ExactDateTime.combine(moment.date(), moment.time(), UTC)
    exact.rest = rest
    return exact


def to_ticks(moment: datetime | int | None) -> int:
    """Ticks of a datetime (a naive one is taken as UTC), of ticks themselves, or of no time (0).

    Times before 1601 become 0, and the last second of 9999 and later the largest Int64, as the
    specification asks.
    """
    if isinstance(moment, int):
        return moment
    if moment is None:
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if moment >= _LATEST:
        return MAX_INT64
    delta = moment - _EPOCH
    ticks = (delta.days * 86_400 + delta.seconds) * 10_000_000 + delta.microseconds * 10
    if isinstance(moment, ExactDateTime):
        ticks += moment.rest
    return max(0, ticks)
