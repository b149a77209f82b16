"""So many log lines a minute for what strangers can cause; the rest is counted and said later."""

from __future__ import annotations

LINES_PER_MINUTE = 30


class LogBudget:
    """A fixed number of lines in each window of 60 s."""

    def __init__(self, lines_per_minute: int = LINES_PER_MINUTE) -> None:
        self._lines = lines_per_minute
        self._window = -1
        self._spent = 0
        self._left_out = 0

    def spend(self, now_s: float) -> int | None:
        """None: do not log. Else log, and say that so many lines were left out before."""
        window = int(now_s // 60)
        if window != self._window:
            self._window, self._spent = window, 0
        if self._spent >= self._lines:
            self._left_out += 1
            return None
        self._spent += 1
        left_out, self._left_out = self._left_out, 0
        return left_out
