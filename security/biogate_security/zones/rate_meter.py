"""How often something crossed a conduit in the last minute."""

from __future__ import annotations

from collections import defaultdict, deque

from biogate_security.filetime import TICKS_PER_SECOND

MOST_PER_MINUTE = 10_000
"""The highest limit there may be: so many times are kept of each conduit."""
_TICKS_PER_MINUTE = 60 * TICKS_PER_SECOND


class RateMeter:
    """Counts crossings by conduit over a sliding minute; bounded memory. Times are ticks."""

    def __init__(self) -> None:
        self._times: defaultdict[str, deque[int]] = defaultdict(
            lambda: deque(maxlen=MOST_PER_MINUTE)
        )

    def has_room(self, conduit: str, per_minute: float | None, now: int) -> bool:
        """Whether one more may cross at `now`."""
        if per_minute is None:
            return True
        times = self._times[conduit]
        # A clock that was set back must not block: times that lie ahead are let go of, too.
        while times and not now - _TICKS_PER_MINUTE < times[0] <= now:
            times.popleft()
        return len(times) < min(per_minute, MOST_PER_MINUTE)

    def count(self, conduit: str, now: int) -> None:
        """One has crossed at `now`."""
        self._times[conduit].append(now)
