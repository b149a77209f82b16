"""The clock watch (IEC 62443-3-3, SR 2.11): steps and states of the clock become records."""

from __future__ import annotations

import asyncio
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biogate_security import kernel_clock
from biogate_security.audit import AuditUnavailableError
from biogate_security.clock_watch import ClockWatch, steady_s
from biogate_security.kernel_clock import KernelClock, read_kernel_clock

GOOD = KernelClock(synchronised=True, offset_us=12.4, max_error_us=500, estimated_error_us=10)
LOST = KernelClock(synchronised=False, offset_us=0, max_error_us=16_000_000, estimated_error_us=0)
START = 134_000_000_000_000_000


class Bench:
    """Two clocks and a kernel that the test moves, and what was recorded."""

    def __init__(self, **options):
        self.wall, self.steady, self.kernel = START, 100.0, None
        self.records = []
        self.recorded = asyncio.Event()
        self.full = False
        self.watch = ClockWatch(
            self.store,
            wall=lambda: self.wall,
            steady=lambda: self.steady,
            kernel=lambda: self.kernel,
            **options,
        )

    async def store(self, record):
        if self.full:
            raise AuditUnavailableError("full")
        self.records.append(record)
        self.recorded.set()
        return len(self.records)

    async def pass_by(self, seconds, step_s=0.0):
        self.steady += seconds
        self.wall += round((seconds + step_s) * 10_000_000)
        await self.watch.look()

    @property
    def steps(self):
        return [record for record in self.records if record.event == "clock-step"]

    @property
    def states(self):
        return [(r.old, r.new) for r in self.records if r.event == "clock-state"]


@pytest.mark.parametrize("step_s", [3.25, -3.25, 86_400.0])
async def test_a_step_of_the_wall_clock_is_recorded_with_both_times(step_s):
    bench = Bench()
    await bench.pass_by(1)
    await bench.pass_by(1, step_s)
    await bench.pass_by(1)
    (step,) = bench.steps
    assert step.reason == f"the wall clock was set by {step_s:+.3f} s"
    assert step.time == bench.wall - 10_000_000
    assert step.user is None
    assert step.old == "2025-08-18T14:13:22.0000000Z"
    assert step.new != step.old
    assert bench.watch.counters.steps == 1


@given(st.lists(st.tuples(st.floats(0, 100_000), st.floats(-0.0005, 0.0005)), max_size=50))
async def test_neither_slewing_nor_a_late_look_nor_a_sleep_is_a_step(looks):
    bench = Bench()
    for seconds, slew in looks:
        await bench.pass_by(seconds, slew * min(seconds, 1000))
    assert bench.steps == []


async def test_the_threshold_is_the_sites():
    bench = Bench(threshold_s=0.1)
    await bench.pass_by(1, 0.09)
    await bench.pass_by(1, 0.11)
    assert len(bench.steps) == 1


async def test_the_state_is_recorded_at_the_start_and_when_it_has_changed_for_a_while():
    bench = Bench()
    bench.kernel = GOOD
    await bench.pass_by(1)
    assert bench.states == [(None, "synchronised")]
    assert bench.records[0].reason == (
        "by the kernel: offset 12 µs, error at most 500 µs, estimated 10 µs"
    )
    for kernel in (LOST, GOOD):
        bench.kernel = kernel
        await bench.pass_by(1)
    assert len(bench.states) == 1
    bench.kernel = LOST
    for _ in range(30):
        await bench.pass_by(1)
    assert bench.states == [(None, "synchronised"), ("synchronised", "not synchronised")]
    counters = bench.watch.counters
    assert (counters.synchronised, counters.max_error_us) == (0, 16_000_000)


async def test_what_the_audit_log_does_not_take_is_counted_and_told(caplog):
    bench = Bench()
    bench.full = True
    await bench.pass_by(1, 5)
    assert bench.watch.counters.unrecorded == 2
    assert "clock-step could not be recorded" in caplog.text


async def test_it_looks_once_it_is_started_and_stops():
    bench = Bench()
    bench.watch.start()
    await bench.watch.stop()
    bench.watch.start()
    await asyncio.wait_for(bench.recorded.wait(), 10)
    await bench.watch.stop()
    assert bench.states == [(None, "unknown")]


@pytest.mark.skipif(sys.platform != "linux", reason="adjtimex is Linux's")
def test_the_kernel_tells_its_state_on_linux():
    clock = read_kernel_clock()
    assert clock is not None
    assert clock.max_error_us >= 0


def test_elsewhere_nobody_knows(monkeypatch):
    monkeypatch.setattr(kernel_clock.sys, "platform", "darwin")
    assert read_kernel_clock() is None


def test_the_steady_clock_goes_on():
    assert steady_s() <= steady_s()
