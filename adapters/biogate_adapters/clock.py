"""The clock that a supervisor runs by, so that tests can drive it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from biogate_adapters.filetime import now_ticks


class Timer(Protocol):
    """A callback that has been asked for."""

    def cancel(self) -> None:
        """Do not call it any more. Safe to call after it ran."""
        ...


class Clock(Protocol):
    """Two times: monotonic seconds for intervals, wall-clock ticks for what clients see."""

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        ...

    def now_ticks(self) -> int:
        """The wall clock in FILETIME ticks."""
        ...

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` once, `delay_s` seconds from now."""
        ...


class SystemClock:
    """The machine's clock; timers run in the running event loop."""

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    def now_ticks(self) -> int:
        """The wall clock in FILETIME ticks."""
        return now_ticks()

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` once, `delay_s` seconds from now."""
        return asyncio.get_running_loop().call_later(delay_s, callback)
