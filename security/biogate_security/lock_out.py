"""Back-off after failed logins (IEC 62443 CR 1.11): no I/O, the clock is the caller's."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackOff:
    """After `free_failures`, each failure locks twice as long: `first_s`, up to `longest_s`.

    Failures are forgotten `forget_s` after the last one. All times in seconds.
    """

    free_failures: int
    first_s: float
    longest_s: float
    forget_s: float

    def lock_s(self, failures: int) -> float:
        """How long the last of so many failures in a row locks."""
        beyond = failures - self.free_failures
        if beyond <= 0:
            return 0.0
        return min(self.first_s * 2.0 ** min(beyond - 1, 32), self.longest_s)


@dataclass(slots=True)
class _Record:
    failures: int
    last_s: float
    locked_until_s: float


class LockOut:
    """Failures by key (a user, a source). Holds `max_keys` keys: the longest quiet goes first."""

    def __init__(
        self, back_off: BackOff, clock: Callable[[], float], *, max_keys: int = 4096
    ) -> None:
        self._back_off = back_off
        self._clock = clock
        self._max_keys = max_keys
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def remaining_s(self, key: str) -> float:
        """Seconds until `key` may try again; 0.0 when it may now."""
        record = self._records.get(key)
        return max(0.0, record.locked_until_s - self._clock()) if record else 0.0

    def failed(self, key: str) -> float:
        """Count a failure; the seconds for which `key` is locked now."""
        now = self._clock()
        record = self._records.pop(key, None)
        if record is None or now - record.last_s > self._back_off.forget_s:
            record = _Record(0, now, now)
        lock_s = self._back_off.lock_s(record.failures + 1)
        self._records[key] = _Record(record.failures + 1, now, now + lock_s)
        while len(self._records) > self._max_keys:
            self._records.popitem(last=False)
        return lock_s

    def succeeded(self, key: str) -> None:
        """Forget the failures of `key`."""
        self._records.pop(key, None)
