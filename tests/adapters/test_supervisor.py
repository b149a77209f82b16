"""One device's life under supervision, by a clock that the test moves."""

from __future__ import annotations

import asyncio
import logging
import math
from itertools import pairwise
from random import Random

import numpy as np
import pytest

from biogate_adapters import status
from biogate_adapters.contract import AdapterError, SampleBatch, Signal, WriteResult
from biogate_adapters.supervisor import MAX_PENDING_WRITES, DeviceState, DeviceSupervisor

SECOND = 10_000_000


class FakeAdapter:
    """A device in memory: it counts its polls, and fails, hangs or takes its time as told."""

    def __init__(self, clock):
        self.clock = clock
        self.signals = (
            Signal(0, "speed", "Float"),
            Signal(1, "setpoint", "Float", writable=True, write_low=0, write_high=10),
        )
        self.calls = []
        self.reachable = True
        self.fault = None
        self.hold = None
        self.write_fault = None
        self.write_hold = None
        self.value = 0.0

    async def connect(self):
        self.calls.append("connect")
        if not self.reachable:
            raise AdapterError("device at tcp://x: refused", status.BAD_NO_COMMUNICATION)

    async def close(self):
        self.calls.append("close")

    async def read(self):
        self.calls.append("read")
        if self.hold:
            await self.hold.wait()
        if self.fault:
            raise self.fault
        self.value += 1.0
        return SampleBatch(
            np.arange(2, dtype=np.int32),
            np.array([self.value, 5.0]),
            np.zeros(2, dtype=np.uint32),
            np.full(2, self.clock.now_ticks(), dtype=np.int64),
        )

    async def write(self, signal, value):
        self.calls.append(f"write {value:g}")
        if self.write_hold:
            await self.write_hold.wait()
        if self.write_fault:
            raise self.write_fault
        return WriteResult(status.GOOD, value)


class Sink:
    def __init__(self):
        self.batches = []

    def __call__(self, batch):
        self.batches.append(batch)

    def last(self):
        batch = self.batches[-1]
        return [
            (int(code), float(value), int(time))
            for code, value, time in zip(batch.status, batch.value, batch.source_time, strict=True)
        ]

    def codes(self):
        return {int(code) for code in self.batches[-1].status}


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def adapter(clock):
    return FakeAdapter(clock)


@pytest.fixture
async def supervise(clock, sink):
    supervisors = []

    def make(adapter, **options):
        options = {"poll_interval_s": 1.0, "on_batch": sink, "rng": Random(7), **options}
        supervisor = DeviceSupervisor("AE101", adapter, clock=clock, **options)
        supervisors.append(supervisor)
        supervisor.start()
        return supervisor

    yield make
    for supervisor in supervisors:
        await supervisor.stop()


LOST = AdapterError("AE101 at tcp://x: no answer", status.BAD_NO_COMMUNICATION)


async def test_polls_keep_to_the_grid(supervise, adapter, clock, sink):
    supervisor = supervise(adapter)
    await clock.advance(10.5)
    assert supervisor.diagnostics.polls == 11
    times = [int(batch.source_time[0]) for batch in sink.batches]
    assert [later - earlier for earlier, later in pairwise(times)] == [SECOND] * 10
    assert supervisor.diagnostics.state is DeviceState.ONLINE
    assert supervisor.diagnostics.overruns == 0


async def test_a_slow_poll_makes_the_next_ones_skip_and_stay_on_the_grid(
    supervise, adapter, clock, sink
):
    supervisor = supervise(adapter)
    await clock.advance(1.5)
    adapter.hold = asyncio.Event()
    await clock.advance(3.2)  # the poll at 2 s hangs until 4.7 s
    adapter.hold.set()
    adapter.hold = None
    await clock.advance(0.8)
    assert supervisor.diagnostics.overruns == 2
    assert supervisor.diagnostics.polls == 4
    start = int(sink.batches[0].source_time[0])
    assert int(sink.batches[-1].source_time[0]) == start + 5 * SECOND


async def test_after_a_failed_poll_the_last_values_are_uncertain(supervise, adapter, clock, sink):
    supervisor = supervise(adapter)
    await clock.advance(2.5)
    last_good = sink.last()
    adapter.fault = LOST
    await clock.advance(1.0)
    assert sink.last() == [
        (status.UNCERTAIN_NO_COMMUNICATION_LAST_USABLE, value, time) for _, value, time in last_good
    ]
    assert supervisor.diagnostics.state is DeviceState.FAULT
    assert supervisor.diagnostics.failed_polls >= 1
    assert supervisor.diagnostics.last_error == str(LOST)


async def test_after_bad_after_they_are_bad_at_the_time_of_the_fault(
    supervise, adapter, clock, sink
):
    supervisor = supervise(adapter)
    await clock.advance(2.5)
    adapter.fault = LOST
    await clock.advance(0.5)
    fault_time = clock.now_ticks()
    await clock.advance(9.9)
    assert sink.codes() == {status.UNCERTAIN_NO_COMMUNICATION_LAST_USABLE}
    await clock.advance(0.2)
    assert [(code, time) for code, _, time in sink.last()] == [
        (status.BAD_NO_COMMUNICATION, fault_time)
    ] * 2
    assert all(math.isnan(value) for _, value, _ in sink.last())
    assert supervisor.diagnostics.state is DeviceState.LOST
    emitted = len(sink.batches)
    await clock.advance(60)
    assert len(sink.batches) == emitted, "the state is told once"


async def test_bad_after_is_ten_polls_and_at_least_ten_seconds(supervise, adapter, clock, sink):
    supervise(adapter, poll_interval_s=5.0)
    await clock.advance(1)
    adapter.fault = LOST
    await clock.advance(4)
    await clock.advance(49.9)
    assert sink.codes() == {status.UNCERTAIN_NO_COMMUNICATION_LAST_USABLE}
    await clock.advance(0.2)
    assert sink.codes() == {status.BAD_NO_COMMUNICATION}


async def test_the_deadline_holds_while_a_connection_attempt_hangs(supervise, adapter, clock, sink):
    supervise(adapter, call_limit_s=1000.0)
    await clock.advance(0.5)
    adapter.fault = LOST

    async def hang():
        await asyncio.Event().wait()

    adapter.connect = hang
    await clock.advance(10.6)
    assert sink.codes() == {status.BAD_NO_COMMUNICATION}


async def test_a_device_that_was_never_reached_turns_bad_too(supervise, adapter, clock, sink):
    adapter.reachable = False
    supervisor = supervise(adapter)
    await clock.advance(9)
    assert sink.batches == [], "until then the table shows that it waits for initial data"
    await clock.advance(2)
    assert sink.codes() == {status.BAD_NO_COMMUNICATION}
    assert supervisor.diagnostics.connects == 0


async def test_it_comes_back_by_itself(supervise, adapter, clock, sink):
    supervisor = supervise(adapter)
    await clock.advance(0.5)
    adapter.fault, adapter.reachable = LOST, False
    await clock.advance(30)
    adapter.fault, adapter.reachable = None, True
    await clock.advance(10.0)
    assert sink.codes() == {status.GOOD}
    assert supervisor.diagnostics.state is DeviceState.ONLINE
    assert supervisor.diagnostics.reconnects == 1
    await clock.advance(20)
    assert sink.codes() == {status.GOOD}, "no old deadline strikes"


async def test_connecting_alone_is_no_recovery(supervise, adapter, clock, sink):
    supervisor = supervise(adapter)
    await clock.advance(0.5)
    adapter.fault = LOST
    await clock.advance(15)
    assert supervisor.diagnostics.connects > 2
    assert supervisor.diagnostics.reconnects == 0
    assert sink.codes() == {status.BAD_NO_COMMUNICATION}


async def test_tries_to_connect_back_off_with_jitter_up_to_ten_seconds(supervise, adapter, clock):
    adapter.reachable = False
    attempts = []
    connect = adapter.connect

    async def note():
        attempts.append(clock.now_s)
        await connect()

    adapter.connect = note
    supervise(adapter)
    await clock.advance(120)
    delays = [later - earlier for earlier, later in pairwise(attempts)]
    for attempt, delay in enumerate(delays):
        ceiling = min(0.5 * 2**attempt, 10.0)
        assert ceiling / 2 <= delay <= ceiling
    assert len({round(delay, 6) for delay in delays[5:]}) > 1, "there is jitter at the ceiling"


async def test_after_a_recovery_the_delays_begin_anew(supervise, adapter, clock):
    supervisor = supervise(adapter)
    adapter.reachable = False
    await clock.advance(60)
    adapter.reachable = True
    await clock.advance(10)
    adapter.fault = LOST
    await clock.advance(1.0)
    connects = adapter.calls.count("connect")
    assert supervisor.diagnostics.state is DeviceState.FAULT
    await clock.advance(0.5)
    assert adapter.calls.count("connect") > connects


async def test_each_change_is_logged_once_with_its_context(supervise, adapter, clock, caplog):
    caplog.set_level(logging.INFO)
    supervise(adapter, address="tcp://x:502")
    await clock.advance(1.5)
    adapter.fault, adapter.reachable = LOST, False
    await clock.advance(60)
    adapter.fault, adapter.reachable = None, True
    await clock.advance(12)
    levels = [(record.levelname, record.device, record.address) for record in caplog.records]
    assert levels == [
        (level, "AE101", "tcp://x:502") for level in ("INFO", "WARNING", "ERROR", "INFO")
    ]
    assert caplog.records[1].error == str(LOST)
    assert str(LOST) not in caplog.records[1].getMessage(), "told once, not twice in one line"


async def test_one_lost_device_costs_the_others_no_poll(supervise, adapter, clock):
    other = FakeAdapter(clock)
    lost = supervise(adapter)
    sound = supervise(other)
    await clock.advance(2.5)
    adapter.hold = asyncio.Event()
    await clock.advance(60)
    assert lost.diagnostics.state is DeviceState.LOST
    assert sound.diagnostics.polls == 63
    assert (sound.diagnostics.overruns, sound.diagnostics.failed_polls) == (0, 0)


async def test_a_poll_that_never_ends_is_given_up(supervise, adapter, clock, sink):
    supervisor = supervise(adapter, call_limit_s=4.0)
    await clock.advance(0.5)
    adapter.hold = asyncio.Event()
    await clock.advance(5)
    assert "a poll took longer than 4 s" in supervisor.diagnostics.last_error
    assert sink.codes() == {status.UNCERTAIN_NO_COMMUNICATION_LAST_USABLE}
    adapter.hold.set()
    await clock.advance(2)
    assert sink.codes() == {status.GOOD}


# --- writes -------------------------------------------------------------------------------------


async def test_a_write_goes_at_once_between_two_polls(supervise, adapter, clock, sink):
    supervisor = supervise(adapter)
    await clock.advance(0.5)
    result = await supervisor.write(1, 3.5)
    assert (result.status, result.value) == (status.GOOD, 3.5)
    assert adapter.calls == ["connect", "read", "write 3.5"]
    assert sink.batches[-1].index.tolist() == [1], "the confirmed value comes as a sample"
    assert sink.last() == [(status.GOOD, 3.5, clock.now_ticks())]
    assert (supervisor.diagnostics.writes, supervisor.diagnostics.failed_writes) == (1, 0)


async def test_a_write_waits_for_the_running_poll_and_goes_before_the_next(
    supervise, adapter, clock
):
    supervisor = supervise(adapter)
    await clock.advance(0.5)
    adapter.hold = asyncio.Event()
    await clock.advance(1.0)
    writing = asyncio.create_task(supervisor.write(1, 3.5))
    await clock.advance(1.0)  # the next poll is due by now
    assert not writing.done()
    adapter.hold.set()
    await clock.settle()
    assert (await writing).status == status.GOOD
    await clock.advance(1.0)
    assert adapter.calls[:5] == ["connect", "read", "read", "write 3.5", "read"]


async def test_writes_keep_their_order(supervise, adapter, clock):
    supervisor = supervise(adapter)
    await clock.advance(0.5)
    await asyncio.gather(*(supervisor.write(1, float(value)) for value in range(10)))
    assert adapter.calls[2:] == [f"write {value}" for value in range(10)]


async def test_a_flood_of_writes_does_not_starve_the_polls(supervise, adapter, clock):
    supervisor = supervise(adapter)
    await clock.advance(0.5)
    write = adapter.write

    async def slow_write(signal, value):
        clock.now_s += 0.3
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return await write(signal, value)

    async def keep_writing():
        for _ in range(50):
            await supervisor.write(1, 1.0)

    adapter.write = slow_write
    await asyncio.gather(keep_writing(), keep_writing())
    assert adapter.calls.count("read") > 20, "30 s of writing, a poll due each second"


async def test_a_write_without_a_connection_is_refused_at_once(supervise, adapter, clock):
    adapter.reachable = False
    supervisor = supervise(adapter)
    await clock.advance(0.1)
    before = clock.now_s
    result = await supervisor.write(1, 3.5)
    assert result.status == status.BAD_NO_COMMUNICATION
    assert "AE101 is not connected: device at tcp://x: refused" in result.message
    assert clock.now_s == before
    assert supervisor.diagnostics.failed_writes == 1


async def test_writes_that_wait_are_refused_when_the_poll_fails(supervise, adapter, clock):
    supervisor = supervise(adapter)
    await clock.advance(0.5)
    adapter.hold = asyncio.Event()
    await clock.advance(1.0)
    writing = asyncio.create_task(supervisor.write(1, 3.5))
    await clock.settle()
    adapter.fault = LOST
    adapter.hold.set()
    await clock.settle()
    assert (await writing).status == status.BAD_NO_COMMUNICATION
    assert "write 3.5" not in adapter.calls


async def test_a_write_lost_on_the_way_says_that_nobody_knows(supervise, adapter, clock, sink):
    supervisor = supervise(adapter)
    await clock.advance(0.5)
    adapter.write_fault = LOST
    result = await supervisor.write(1, 3.5)
    assert result.status == status.BAD_TIMEOUT
    assert "may have taken the value, or not" in result.message
    await clock.settle()
    assert supervisor.diagnostics.state is DeviceState.FAULT
    assert sink.codes() == {status.UNCERTAIN_NO_COMMUNICATION_LAST_USABLE}


async def test_a_write_under_way_at_the_stop_says_that_nobody_knows(supervise, adapter, clock):
    supervisor = supervise(adapter)
    await clock.advance(0.5)
    adapter.write_hold = asyncio.Event()
    writing = asyncio.create_task(supervisor.write(1, 3.5))
    await clock.settle()
    assert "write 3.5" in adapter.calls
    await supervisor.stop()
    result = await writing
    assert result.status == status.BAD_SHUTDOWN
    assert "may have taken the value, or not" in result.message


async def test_a_write_whose_caller_gave_up_is_not_sent(supervise, adapter, clock):
    supervisor = supervise(adapter)
    await clock.advance(0.5)
    adapter.hold = asyncio.Event()
    await clock.advance(1.0)
    writing = asyncio.create_task(supervisor.write(1, 3.5))
    await clock.settle()
    writing.cancel()
    adapter.hold.set()
    await clock.advance(2.0)
    assert "write 3.5" not in adapter.calls
    assert supervisor.diagnostics.state is DeviceState.ONLINE


async def test_the_queue_of_writes_is_bounded(supervise, adapter, clock):
    supervisor = supervise(adapter)
    await clock.advance(0.5)
    adapter.hold = asyncio.Event()
    await clock.advance(1.0)
    writing = [asyncio.create_task(supervisor.write(1, 1.0)) for _ in range(MAX_PENDING_WRITES + 1)]
    await clock.settle()
    assert writing[-1].result().status == status.BAD_TOO_MANY_OPERATIONS
    adapter.hold.set()
    results = await asyncio.gather(*writing[:-1])
    assert {result.status for result in results} == {status.GOOD}


# --- stopping and defects -----------------------------------------------------------------------


async def test_stopping_during_a_poll_ends_it_and_closes_the_device(supervise, adapter, clock):
    supervisor = supervise(adapter)
    await clock.advance(0.5)
    adapter.hold = asyncio.Event()
    await clock.advance(1.0)
    writing = asyncio.create_task(supervisor.write(1, 3.5))
    await clock.settle()
    await supervisor.stop()
    assert (await writing).status == status.BAD_NO_COMMUNICATION
    assert adapter.calls[-1] == "close"
    assert supervisor.diagnostics.state is DeviceState.STOPPED
    calls = list(adapter.calls)
    await clock.advance(60)
    await supervisor.stop()
    assert adapter.calls == calls, "nothing happens after the stop"


@pytest.mark.parametrize("call", ["connect", "read", "close"])
async def test_stopping_ends_even_where_a_library_swallows_the_cancellation(
    supervise, adapter, clock, monkeypatch, call
):
    """Python 3.11's asyncio.wait_for does, and pymodbus connects through it."""
    begun = asyncio.Event()

    async def swallow(*_arguments):
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise LOST from None

    adapter.reachable = call != "close"
    monkeypatch.setattr(adapter, call, swallow)
    supervisor = supervise(adapter)
    await clock.settle()
    await begun.wait()
    if call == "close":
        monkeypatch.setattr(adapter, call, FakeAdapter(clock).close)
    await asyncio.wait_for(supervisor.stop(), 5)
    assert supervisor.diagnostics.state is DeviceState.STOPPED


async def test_stopping_during_a_back_off_is_immediate(supervise, adapter, clock, sink):
    adapter.reachable = False
    supervisor = supervise(adapter)
    await clock.advance(5)
    await supervisor.stop()
    await clock.advance(60)
    assert sink.batches == [], "no deadline strikes after the stop"


async def test_a_second_start_is_refused(supervise, adapter):
    with pytest.raises(RuntimeError, match="AE101 is started already"):
        supervise(adapter).start()


async def test_a_defect_in_an_adapter_is_logged_once_and_the_device_lives_on(
    supervise, adapter, clock, sink, caplog
):
    supervisor = supervise(adapter)
    await clock.advance(0.5)
    adapter.fault = ZeroDivisionError("oops")
    await clock.advance(5)
    assert "defect in the adapter: ZeroDivisionError: oops" in supervisor.diagnostics.last_error
    traced = [record for record in caplog.records if record.exc_info]
    assert len(traced) == 1
    adapter.fault = None
    await clock.advance(10)
    assert sink.codes() == {status.GOOD}


async def test_a_defect_in_closing_is_logged_and_the_device_lives_on(
    supervise, adapter, clock, sink, caplog
):
    async def close():
        raise ZeroDivisionError("oops")

    adapter.close = close
    supervise(adapter)
    await clock.advance(0.5)
    adapter.fault = LOST
    await clock.advance(20)
    assert sink.codes() == {status.BAD_NO_COMMUNICATION}
    assert "ZeroDivisionError: oops" in caplog.text
    adapter.fault = None
    await clock.advance(10)
    assert sink.codes() == {status.GOOD}


async def test_a_consumer_that_fails_does_not_stop_the_polls(supervise, adapter, clock, caplog):
    def fail(_batch):
        raise ValueError("table is full")

    supervisor = supervise(adapter, on_batch=fail)
    await clock.advance(3.5)
    assert supervisor.diagnostics.polls == 4
    assert supervisor.diagnostics.rejected_batches == 4
    assert len([record for record in caplog.records if record.exc_info]) == 1


async def test_each_change_of_state_is_told_once(supervise, adapter, clock):
    states = []
    supervise(adapter, on_state=states.append)
    await clock.advance(3.5)
    adapter.fault = LOST
    await clock.advance(60)
    adapter.fault = None
    await clock.advance(60)
    expected = ["CONNECTING", "ONLINE", "FAULT", "LOST", "ONLINE"]
    assert [state.name for state in states] == expected


async def test_a_listener_that_fails_does_not_stop_the_polls(supervise, adapter, clock, caplog):
    def fail(_state):
        raise ValueError("nobody home")

    supervisor = supervise(adapter, on_state=fail)
    await clock.advance(3.5)
    assert supervisor.diagnostics.polls == 4
    assert len([record for record in caplog.records if record.exc_info]) == 2


def test_a_poll_interval_of_zero_is_refused(adapter, clock, sink):
    with pytest.raises(ValueError, match="not above 0"):
        DeviceSupervisor("AE101", adapter, poll_interval_s=0, on_batch=sink, clock=clock)
