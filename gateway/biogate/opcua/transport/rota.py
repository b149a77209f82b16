"""Whose turn it is: connections are served one request at a time, a slice of each pass of the loop.

A read from one socket may hold a thousand requests. Answered at once they would hold up every
other client, every timer and every device that is polled; so they wait for their turn here. It
comes first to whoever has had the least of the server's time, so that a short question does not
wait behind the long ones of many others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Protocol


class Served(Protocol):
    """A connection with things to do. `served_s` is the rota's account of the time it has had."""

    served_s: float

    def serve(self) -> bool:
        """Do one thing; True when there is more."""
        ...

    def turn_ends(self) -> None:
        """Somebody else is served now, or nobody: send what there is to send."""
        ...


class Rota:
    """Serves what is `ready`, in turns, for `slice_s` seconds in each pass of the event loop.

    `clock` gives seconds of working time.
    """

    def __init__(self, slice_s: float, clock: Callable[[], float]) -> None:
        self._slice_s = slice_s
        self._clock = clock
        self._waiting: set[Served] = set()
        self._turns: list[tuple[float, int, Served]] = []  # a heap: the next one is the first
        self._number = count()
        self._level_s = 0.0
        self._ends_s: float | None = None
        self._serving = False

    def ready(self, connection: Served) -> None:
        """Serve the connection: at once while this pass has time left and nobody else waits."""
        if connection not in self._waiting:
            # Who had nothing to do for a while has not saved up time.
            connection.served_s = max(connection.served_s, self._level_s)
            self._wait(connection)
        self._serve()

    def _wait(self, connection: Served) -> None:
        self._waiting.add(connection)
        heappush(self._turns, (connection.served_s, next(self._number), connection))

    def _serve(self) -> None:
        if self._serving or self._is_over:
            return
        if self._ends_s is None:
            self._ends_s = self._clock() + self._slice_s
            asyncio.get_running_loop().call_soon(self._next_pass)
        self._serving = True
        try:
            self._serve_next(self._ends_s)
            while self._waiting and not self._is_over:
                self._serve_next(self._ends_s)
        finally:
            self._serving = False

    @property
    def _is_over(self) -> bool:
        """Whether this pass has had its time."""
        return self._ends_s is not None and self._clock() >= self._ends_s

    def _serve_next(self, ends_s: float) -> None:
        """Serve whose turn it is, until it has had more time than the next one."""
        connection = heappop(self._turns)[-1]
        self._waiting.discard(connection)
        before_s, started_s = connection.served_s, self._clock()
        more = True
        try:
            while more:
                self._level_s = connection.served_s
                more = connection.serve()
                now_s = self._clock()
                connection.served_s = before_s + now_s - started_s
                if now_s >= ends_s or self._goes_first(connection):
                    break
        finally:
            connection.turn_ends()
        if more and connection not in self._waiting:
            self._wait(connection)

    def _goes_first(self, connection: Served) -> bool:
        """Whether somebody waits who has had less time."""
        return bool(self._turns) and self._turns[0][0] < connection.served_s

    def _next_pass(self) -> None:
        self._ends_s = None
        if self._waiting:
            self._serve()
