"""Whose turn it is: connections are served one request at a time, a slice of each pass of the loop.

A read from one socket may hold a thousand requests. Answered at once they would hold up every
other client, every timer and every device that is polled; so they wait for their turn here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol


class Served(Protocol):
    """A connection with things to do."""

    def serve(self) -> bool:
        """Do one thing; True when there is more."""
        ...


class Rota:
    """Serves what is `ready`, in turns, for `slice_s` seconds in each pass of the event loop.

    `clock` gives seconds of working time.
    """

    def __init__(self, slice_s: float, clock: Callable[[], float]) -> None:
        self._slice_s = slice_s
        self._clock = clock
        self._waiting: dict[Served, None] = {}  # in the order of their turns
        self._ends_s: float | None = None
        self._serving = False

    def ready(self, connection: Served) -> None:
        """Serve the connection: at once while this pass has time left and nobody else waits."""
        self._waiting.setdefault(connection)
        self._serve()

    def is_waiting(self, connection: Served) -> bool:
        """Whether the connection's turn is yet to come."""
        return connection in self._waiting

    def _serve(self) -> None:
        if self._serving or self._is_over:
            return
        if self._ends_s is None:
            self._ends_s = self._clock() + self._slice_s
            asyncio.get_running_loop().call_soon(self._next_pass)
        self._serving = True
        try:
            self._serve_one()
            while self._waiting and not self._is_over:
                self._serve_one()
        finally:
            self._serving = False

    @property
    def _is_over(self) -> bool:
        """Whether this pass has had its time."""
        return self._ends_s is not None and self._clock() >= self._ends_s

    def _serve_one(self) -> None:
        connection = next(iter(self._waiting))
        del self._waiting[connection]
        if connection.serve():
            self._waiting[connection] = None

    def _next_pass(self) -> None:
        self._ends_s = None
        if self._waiting:
            self._serve()
