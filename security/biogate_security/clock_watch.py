"""The wall clock watched (IEC 62443-3-3, SR 2.11): its steps and its state become audit records.

A step is a jump of the wall clock against a clock that nobody sets. Slewing, as NTP corrects
small offsets (at most 0.5 ms in a second), is none.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from biogate_security.audit import AuditRecord, AuditUnavailableError
from biogate_security.filetime import TICKS_PER_SECOND, now_ticks, to_iso
from biogate_security.kernel_clock import KernelClock, read_kernel_clock

STEP_EVENT, STATE_EVENT = "clock-step", "clock-state"
LOOK_EVERY_S = 1.0
DEFAULT_THRESHOLD_S = 1.0
_STEADY_LOOKS = 10
_log = logging.getLogger(__name__)
Store = Callable[[AuditRecord], Awaitable[int]]


def steady_s() -> float:
    """Seconds of a clock that is never set, and counts also while the machine sleeps."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


@dataclass(slots=True)
class ClockCounters:
    """`unrecorded` are steps and changes that the audit log did not take.

    `synchronised` is 1 or 0, and -1 where nobody knows; offset and error are the kernel's.
    """

    steps: int = 0
    unrecorded: int = 0
    synchronised: int = -1
    offset_us: int = 0
    max_error_us: int = 0


class ClockWatch:
    """Looks at the clock each second. `wall` gives FILETIME ticks, `steady` seconds."""

    def __init__(
        self,
        store: Store,
        *,
        threshold_s: float = DEFAULT_THRESHOLD_S,
        wall: Callable[[], int] = now_ticks,
        steady: Callable[[], float] = steady_s,
        kernel: Callable[[], KernelClock | None] = read_kernel_clock,
    ) -> None:
        self.counters = ClockCounters()
        self._store = store
        self._threshold = threshold_s
        self._wall = wall
        self._steady = steady
        self._kernel = kernel
        self._last = (wall(), steady())
        self._state = "not looked at"
        self._candidate = ""
        self._seen = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look at the clock each second from now on."""
        self._task = asyncio.create_task(self._run(), name="clock watch")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def look(self) -> None:
        """Compare the clocks once, and record a step or a change of state."""
        wall, steady = self._wall(), self._steady()
        before, self._last = self._last, (wall, steady)
        expected = before[0] + round((steady - before[1]) * TICKS_PER_SECOND)
        if abs(wall - expected) > self._threshold * TICKS_PER_SECOND:
            await self._stepped(expected, wall)
        await self._look_at_kernel()

    async def _run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _stepped(self, expected: int, wall: int) -> None:
        self.counters.steps += 1
        seconds = (wall - expected) / TICKS_PER_SECOND
        text = f"the wall clock was set by {seconds:+.3f} s"
        _log.warning(text)
        await self._record(STEP_EVENT, to_iso(expected), to_iso(wall), text)

    async def _look_at_kernel(self) -> None:
        """Record a state that has lasted for some looks, or the first one."""
        clock = self._kernel()
        state = _named(clock)
        if clock is not None:
            self.counters.synchronised = int(clock.synchronised)
            self.counters.offset_us = round(clock.offset_us)
            self.counters.max_error_us = clock.max_error_us
        self._seen = self._seen + 1 if state == self._candidate else 1
        self._candidate = state
        first = self._state == "not looked at"
        if state == self._state or (self._seen < _STEADY_LOOKS and not first):
            return
        before, self._state = self._state, state
        await self._record(STATE_EVENT, None if first else before, state, _described(clock))

    async def _record(self, event: str, old: str | None, new: str, reason: str) -> None:
        try:
            await self._store(
                AuditRecord(event, self._wall(), None, old=old, new=new, reason=reason)
            )
        except AuditUnavailableError as error:
            self.counters.unrecorded += 1
            _log.warning("%s could not be recorded: %s", event, error)


def _named(clock: KernelClock | None) -> str:
    if clock is None:
        return "unknown"
    return "synchronised" if clock.synchronised else "not synchronised"


def _described(clock: KernelClock | None) -> str:
    if clock is None:
        return "this platform does not tell"
    return (
        f"by the kernel: offset {clock.offset_us:.0f} µs, "
        f"error at most {clock.max_error_us} µs, estimated {clock.estimated_error_us} µs"
    )
