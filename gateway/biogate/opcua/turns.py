"""Long requests take turns: each works for a slice, then everything else goes on.

A service whose work grows with its request is written as a generator that yields wherever it may
be interrupted, and returns its response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Work = Generator[None, None, T]

SLICE_S = 0.005


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The result of work that needed one slice only."""

    result: T


class Turns:
    """One piece of work at a time runs, for `slice_s` seconds of `clock` at most."""

    def __init__(self, slice_s: float = SLICE_S, clock: Callable[[], float] = perf_counter) -> None:
        self._slice_s = slice_s
        self._clock = clock
        self._turn = asyncio.Lock()

    def run(self, work: Work[T]) -> T | Coroutine[Any, Any, T]:
        """The result when a slice is enough for the work, else what is left of it, to be awaited.

        Raises whatever the work raises.
        """
        done = self.begin(work)
        return self.finish(work) if done is None else done.result

    def begin(self, work: Work[T]) -> Done[T] | None:
        """The first slice; None when there is more to do."""
        try:
            self._advance(work)
        except StopIteration as done:
            return Done(done.value)
        return None

    async def finish(self, work: Work[T]) -> T:
        """The result of work that was begun."""
        try:
            while True:
                async with self._turn:
                    await asyncio.sleep(0)  # the turn lasts until the loop has gone round
                    self._advance(work)
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            work.close()

    def _advance(self, work: Work[Any]) -> None:
        """Work for one slice. Raises StopIteration with the result when all is done."""
        ends_s = self._clock() + self._slice_s
        while True:
            next(work)
            if self._clock() >= ends_s:
                return


def complete(work: Work[T]) -> T:
    """The result of work that is short enough to be done in one go."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: T = done.value
            return result
