"""Calls what is due when it is due: the front end's only timer (asyncio)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

_log = logging.getLogger(__name__)

_BREATHER_S = 0.005
"""What takes more than its slice of time leaves others as much before it goes on."""


_SHORTEST_S = 0.001
"""What the timers of event loops can tell apart."""

_LATE_S = 0.005
"""Who comes this late lets go first what has been waiting as long: what devices have sent since
shall be there when it is sampled."""


class TimeKeeper:
    """Calls `on_deadline` when `deadline_s()` has come, and `on_tick` every `tick_s`.

    A deadline may come nearer meanwhile, so it is asked for again every `look_s`. `clock` is
    monotonic seconds. What fails is logged once until it succeeds again, and called again.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        deadline_s: Callable[[], float],
        on_deadline: Callable[[float], None],
        on_tick: Callable[[], None],
        *,
        look_s: float,
        tick_s: float,
    ) -> None:
        self._clock = clock
        self._deadline_s = deadline_s
        self._on_deadline = on_deadline
        self._on_tick = on_tick
        self._look_s = look_s
        self._tick_s = tick_s
        self._next_tick_s = clock() + tick_s
        self._failing = False
        self._gave_way = False
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, in the running loop."""
        self._handle = asyncio.get_running_loop().call_later(self._look_s, self._wake)

    def stop(self) -> None:
        """Call nothing any more."""
        if self._handle is not None:
            self._handle.cancel()

    def _wake(self) -> None:
        wait_s = self._look_s
        try:
            wait_s = self._work()
            self._failing = self._failing and self._gave_way
        except Exception:  # noqa: BLE001  one line, not a hundred a second
            if not self._failing:
                _log.exception("a tick of the OPC UA front end failed")
            self._failing = True
        self._handle = asyncio.get_running_loop().call_later(wait_s, self._wake)

    def _work(self) -> float:
        """Do what is due; how long nothing will be."""
        now_s = self._clock()
        wait_s = self._deadline_s() - now_s
        if wait_s > 0 and now_s < self._next_tick_s:
            return min(self._look_s, max(_SHORTEST_S, wait_s))
        self._gave_way = not self._gave_way and float("-inf") < wait_s < -_LATE_S
        if self._gave_way:
            return _SHORTEST_S
        if now_s >= self._next_tick_s:
            self._next_tick_s = now_s + self._tick_s
            self._on_tick()
        else:
            self._on_deadline(now_s)
        return min(self._look_s, max(_BREATHER_S, self._deadline_s() - self._clock()))
