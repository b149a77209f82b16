"""The front end's timer calls what is due, when it is due, and little else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from biogate.opcua.timekeeper import TimeKeeper

INFINITY = float("inf")


@dataclass
class Loop:
    """A clock, and the one timer that is set on it."""

    now_s: float = 100.0
    timer: tuple[float, Callable[[], None]] | None = None

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Loop:
        self.timer = (self.now_s + delay_s, call)
        return self

    def cancel(self) -> None:
        self.timer = None

    def run_until(self, end_s: float) -> None:
        while self.timer is not None and self.timer[0] <= end_s:
            self.now_s, call = self.timer
            call()
        self.now_s = end_s


@dataclass
class Work:
    """Something due every `interval_s`, and when it was done."""

    loop: Loop
    interval_s: float = INFINITY
    due_s: float = INFINITY
    done_s: list[float] = field(default_factory=list)
    ticks: int = 0
    asked: int = 0
    fails: bool = False

    def deadline_s(self) -> float:
        self.asked += 1
        return self.due_s

    def on_deadline(self, now_s: float) -> None:
        if self.fails:
            raise RuntimeError("broken")
        self.done_s.append(now_s)
        self.due_s += self.interval_s

    def on_tick(self) -> None:
        self.ticks += 1
        if self.due_s <= self.loop.now_s:
            self.on_deadline(self.loop.now_s)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    return loop


@pytest.fixture
def work(loop: Loop) -> Work:
    return Work(loop)


@pytest.fixture
def keeper(loop: Loop, work: Work) -> TimeKeeper:
    keeper = TimeKeeper(
        lambda: loop.now_s, work.deadline_s, work.on_deadline, work.on_tick, look_s=0.05, tick_s=1.0
    )
    keeper.start()
    return keeper


def test_what_is_due_is_called_when_it_is_due(loop: Loop, work: Work, keeper: TimeKeeper) -> None:
    work.due_s, work.interval_s = 100.07, 0.1
    loop.run_until(100.5)
    assert work.done_s == pytest.approx([100.07, 100.17, 100.27, 100.37, 100.47])


def test_while_nothing_is_due_it_looks_every_50_ms(
    loop: Loop, work: Work, keeper: TimeKeeper
) -> None:
    loop.run_until(100.99)
    assert work.asked == 19
    assert not work.done_s


def test_a_deadline_that_comes_nearer_is_noticed(
    loop: Loop, work: Work, keeper: TimeKeeper
) -> None:
    work.due_s = 200.0
    loop.run_until(100.06)
    work.due_s = 100.07
    loop.run_until(100.11)
    assert work.done_s == pytest.approx([100.101])


def test_what_never_ends_leaves_others_half_of_the_time(
    loop: Loop, work: Work, keeper: TimeKeeper
) -> None:
    work.due_s, work.interval_s = float("-inf"), 0.0
    loop.run_until(100.5)
    assert 80 <= len(work.done_s) <= 100


def test_who_is_late_lets_what_waited_go_first_and_is_called_then(
    loop: Loop, work: Work, keeper: TimeKeeper
) -> None:
    work.due_s = 100.02
    _, call = loop.timer or (0.0, lambda: None)
    loop.now_s = 100.06
    call()
    assert not work.done_s
    loop.run_until(100.065)
    assert work.done_s == pytest.approx([100.061])


def test_the_tick_comes_with_the_deadlines(loop: Loop, work: Work, keeper: TimeKeeper) -> None:
    work.due_s, work.interval_s = 100.1, 0.1
    loop.run_until(103.05)
    assert work.ticks == 2
    assert len(work.done_s) == 30


def test_what_fails_is_logged_once_and_called_again(
    loop: Loop, work: Work, keeper: TimeKeeper, caplog: Any
) -> None:
    work.due_s, work.interval_s, work.fails = 100.01, 0.1, True
    with caplog.at_level(logging.ERROR):
        loop.run_until(100.3)
        work.fails = False
        loop.run_until(100.4)
    assert len(caplog.records) == 1
    assert work.done_s


def test_after_the_stop_nothing_is_called(loop: Loop, work: Work, keeper: TimeKeeper) -> None:
    work.due_s = 100.1
    keeper.stop()
    loop.run_until(101.0)
    assert not work.done_s
