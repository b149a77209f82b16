"""So many records a minute of what somebody can cause without end; the rest is one record more.

A refused write leaves a record, and so does a refused login. Whoever sends thousands must not
fill the audit store, which would then refuse everybody's writes (IEC 62443-4-2, CR 2.9, 7.1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from biogate_security.audit import AuditRecord

IN_FULL = 10
"""Records of one kind, from one source, that are stored whole in each minute."""
MAX_SOURCES = 1000
"""Sources that are told apart; those beyond count as one together."""
WINDOW_S = 60.0
_OTHERS = "many sources"


@dataclass(slots=True)
class _Window:
    ends_s: float
    stored: int = 0
    left_out: int = 0
    newest: AuditRecord | None = None

    def is_over(self, now_s: float) -> bool:
        """Also where the clock was set back: what is owed must not wait for it to come again."""
        return not self.ends_s - WINDOW_S <= now_s < self.ends_s


class RecordBudget:
    """Counts by kind and source (user and address). No I/O; the caller has the clock."""

    def __init__(self, in_full: int = IN_FULL, max_sources: int = MAX_SOURCES) -> None:
        self._in_full = in_full
        self._max_sources = max_sources
        self._windows: dict[tuple[str, str], _Window] = {}

    def take(self, record: AuditRecord, now_s: float) -> bool:
        """True: store it. False: it is counted, and `due` gives the record that says so."""
        window = self._window(record, now_s)
        if window.stored < self._in_full:
            window.stored += 1
            return True
        window.left_out += 1
        window.newest = record
        return False

    @property
    def next_due_s(self) -> float | None:
        """When `due` has something to give; None: nothing was left out."""
        ends = [window.ends_s for window in self._windows.values() if window.left_out]
        return min(ends, default=None)

    def due(self, now_s: float) -> list[AuditRecord]:
        """A record for each minute that is over in which some were left out: the newest of them,
        with their number. Windows that are over are forgotten."""
        over = [key for key, window in self._windows.items() if window.is_over(now_s)]
        windows = [self._windows.pop(key) for key in over]
        return [summary for window in windows if (summary := _summary(window)) is not None]

    def _window(self, record: AuditRecord, now_s: float) -> _Window:
        key = (record.event, f"{record.user or ''}@{record.address}")
        window = self._windows.get(key)
        if window is None and len(self._windows) >= self._max_sources:
            self._forget(now_s)
        if window is None and len(self._windows) >= self._max_sources:
            key = (record.event, _OTHERS)
            window = self._windows.get(key)
        if window is None or (window.is_over(now_s) and not window.left_out):
            window = self._windows[key] = _Window(now_s + WINDOW_S)
        return window

    def _forget(self, now_s: float) -> None:
        """Make room: nothing is owed for minutes that are over with all records stored."""
        for key, window in list(self._windows.items()):
            if window.is_over(now_s) and not window.left_out:
                del self._windows[key]


def _summary(window: _Window) -> AuditRecord | None:
    if window.newest is None:
        return None
    count = window.left_out
    reason = f"{count} more like this within a minute; the newest: {window.newest.reason}"
    return replace(window.newest, reason=reason)
