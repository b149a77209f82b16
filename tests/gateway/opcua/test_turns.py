"""Long work takes turns with other work, slice by slice."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Generator
from typing import Any

import pytest

from biogate.opcua.turns import Turns, complete


class Work:
    """Seconds of working time, and who worked when."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.log: list[str] = []

    def __call__(self) -> float:
        return self.now_s

    def steps(self, name: str, count: int) -> Generator[None, None, str]:
        """Work of that many milliseconds."""
        for _ in range(count):
            self.log.append(name)
            self.now_s += 0.001
            yield
        return f"{name} done"


def started(turns: Turns, work: Any) -> asyncio.Task[Any]:
    left = turns.run(work)
    assert asyncio.iscoroutine(left)
    return asyncio.create_task(left)


def test_short_work_is_done_at_once() -> None:
    work = Work()
    assert Turns(0.005, work).run(work.steps("a", 4)) == "a done"


async def test_long_work_lets_the_loop_run_between_its_slices() -> None:
    work = Work()
    task = started(Turns(0.005, work), work.steps("a", 12))
    done = [len(work.log)]
    while not task.done():
        await asyncio.sleep(0)
        done.append(len(work.log))
    assert done[0] == 5
    assert max(after - before for before, after in itertools.pairwise(done)) == 5
    assert await task == "a done"


async def test_one_piece_of_work_at_a_time_has_its_turn() -> None:
    """However many requests are long, each pass of the loop works for one slice."""
    work = Work()
    turns = Turns(0.005, work)
    tasks = [started(turns, work.steps(name, 20)) for name in "abc"]
    last = len(work.log)
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        assert len(work.log) - last <= 5
        last = len(work.log)
    turns_taken = [work.log[i] for i in range(0, len(work.log), 5)]
    assert turns_taken[3:6] == ["a", "b", "c"]


async def test_a_failure_is_the_works_own() -> None:
    def failing() -> Generator[None, None, None]:
        yield
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        await started(Turns(0.0), failing())


async def test_work_that_is_given_up_is_closed() -> None:
    work, closed = Work(), []

    def steps() -> Generator[None, None, str]:
        try:
            return (yield from work.steps("a", 1000))
        finally:
            closed.append(True)

    task = started(Turns(0.005, work), steps())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == [True]


def test_complete_does_all_at_once() -> None:
    assert complete(Work().steps("a", 1000)) == "a done"
