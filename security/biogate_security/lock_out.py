"""Back-off after failed logins (IEC 62443 CR 1.11): no I/O, the clock is the caller's."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
_SWEEPS = 16  # times that what is over is cleared away while it is remembered


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


class LockOut(Generic[Key]):
    """Failures by key (a user, a source, or both), `max_keys` of them at most.

    Where there is no more room, the key with the fewest failures gives its place, and with it its
    count, to the newcomer (the space-saving way to count). So no key's count is ever below its
    true one: whoever floods the table to be forgotten comes back with as many failures or more.
    """

    def __init__(
        self, back_off: BackOff, clock: Callable[[], float], *, max_keys: int = 4096
    ) -> None:
        self._back_off = back_off
        self._clock = clock
        self._max_keys = max_keys
        self._records: dict[Key, _Record] = {}
        self._by_failures: dict[int, dict[Key, None]] = {}
        self._swept_s = clock()

    def __len__(self) -> int:
        return len(self._records)

    def failures(self, key: Key) -> int:
        """How many failures count against `key` now."""
        record = self._records.get(key)
        return 0 if record is None or self._is_over(record, self._clock()) else record.failures

    def remaining_s(self, key: Key) -> float:
        """Seconds until `key` may try again; 0.0 when it may now."""
        record = self._records.get(key)
        return max(0.0, record.locked_until_s - self._clock()) if record else 0.0

    def failed(self, key: Key) -> float:
        """Count a failure; the seconds for which `key` is locked now."""
        now = self._clock()
        record = self._take(key)
        if record is None:
            before = self._make_room(now)
        else:
            before = 0 if self._is_over(record, now) else record.failures
        lock_s = self._back_off.lock_s(before + 1)
        self._records[key] = _Record(before + 1, now, now + lock_s)
        self._by_failures.setdefault(before + 1, {})[key] = None
        return lock_s

    def succeeded(self, key: Key) -> None:
        """Forget the failures of `key`."""
        self._take(key)

    def _take(self, key: Key) -> _Record | None:
        record = self._records.pop(key, None)
        if record is not None:
            alike = self._by_failures[record.failures]
            del alike[key]
            if not alike:
                del self._by_failures[record.failures]
        return record

    def _make_room(self, now: float) -> int:
        """The failures that a new key begins with: those of the one that it takes the place of."""
        if len(self._records) < self._max_keys:
            return 0
        if now - self._swept_s > self._back_off.forget_s / _SWEEPS:
            self._swept_s = now
            for key in [key for key, each in self._records.items() if self._is_over(each, now)]:
                self._take(key)
            if len(self._records) < self._max_keys:
                return 0
        fewest = min(self._by_failures)
        self._take(next(iter(self._by_failures[fewest])))
        return fewest

    def _is_over(self, record: _Record, now: float) -> bool:
        return now - record.last_s > self._back_off.forget_s
