"""Turns: nobody's thousand requests hold up another's one, nor the loop."""

from __future__ import annotations

import asyncio

from biogate.opcua.transport.rota import Rota


class Work:
    """Seconds of working time."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Busy:
    """Something that takes `cost_s` for each of the `left` things that it has to do."""

    def __init__(
        self, name: str, left: int, work: Work, log: list[str], cost_s: float = 0.001
    ) -> None:
        self.name, self.left, self.work, self.log = name, left, work, log
        self.cost_s = cost_s
        self.served_s = 0.0

    def serve(self) -> bool:
        self.left -= 1
        self.work.now_s += self.cost_s
        self.log.append(self.name)
        return self.left > 0

    def turn_ends(self) -> None:
        pass


async def test_one_that_is_alone_is_served_at_once() -> None:
    work, log = Work(), list[str]()
    Rota(0.005, work).ready(Busy("a", 3, work, log))
    assert log == ["a"] * 3


async def test_a_pass_of_the_loop_ends_with_its_slice_and_the_next_goes_on() -> None:
    work, log = Work(), list[str]()
    rota, busy = Rota(0.005, work), Busy("a", 12, work, log)
    rota.ready(busy)
    served = [len(log)]
    while busy.left:
        await asyncio.sleep(0)
        served.append(len(log))
    assert served == [5, 10, 12]


async def test_all_who_are_ready_take_turns_within_one_slice() -> None:
    work, log = Work(), list[str]()
    rota = Rota(0.005, work)
    rota.ready(Busy("a", 1000, work, log))
    rota.ready(Busy("b", 2, work, log))
    assert log == ["a"] * 5  # b came in the same pass, whose time is used up
    await asyncio.sleep(0)
    assert sorted(log[5:]) == ["a", "a", "a", "b", "b"]


async def test_one_that_becomes_ready_while_it_is_served_is_not_served_inside() -> None:
    work, log = Work(), list[str]()
    rota = Rota(0.005, work)

    class Eager(Busy):
        def serve(self) -> bool:
            log.append("begin")
            rota.ready(other)
            log.append("end")
            return super().serve()

    other = Busy("other", 1, work, log)
    rota.ready(Eager("eager", 1, work, log))
    assert log == ["begin", "end", "eager", "other"]


async def test_a_short_question_does_not_wait_behind_the_long_ones_of_others() -> None:
    work, log = Work(), list[str]()
    rota = Rota(0.005, work)
    for name in "abcdefgh":
        rota.ready(Busy(name, 100, work, log, cost_s=0.05))
    for _ in range(20):
        await asyncio.sleep(0)
    before = len(log)
    short = Busy("short", 3, work, log)
    rota.ready(short)
    for _ in range(20):
        await asyncio.sleep(0)
    after = log[before:]
    assert after.index("short") <= 1
    assert after[:8].count("short") == 3  # though there are eight that each ask for more


async def test_who_was_idle_has_not_saved_up_time() -> None:
    work, log = Work(), list[str]()
    rota = Rota(0.005, work)
    idle, busy = Busy("idle", 1, work, log), Busy("busy", 1000, work, log)
    rota.ready(idle)
    rota.ready(busy)
    for _ in range(100):
        await asyncio.sleep(0)
    idle.left = 1000
    before = len(log)
    rota.ready(idle)
    for _ in range(10):
        await asyncio.sleep(0)
    assert abs(log[before:].count("idle") - log[before:].count("busy")) <= 2
