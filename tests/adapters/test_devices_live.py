"""Supervised adapters against simulated devices over real sockets, in real time."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from biogate_adapters import status
from biogate_adapters.factory import create_adapter
from biogate_adapters.profile import load_profile
from biogate_adapters.supervisor import DeviceState, DeviceSupervisor

CONTROLLER = load_profile("generic/reactor-controller")
PH = load_profile("hamilton/arc-ph")
MFC = load_profile("alicat/mfc")


class Watch:
    """The last batch of all signals of a device; tests wait for one that they look for."""

    def __init__(self, signals):
        self.signals = signals
        self.codes = set()
        self._changed = asyncio.Event()

    def __call__(self, batch):
        if len(batch) == self.signals:
            self.codes = {int(code) for code in batch.status}
            self._changed.set()

    async def until(self, code):
        async with asyncio.timeout(20):
            while self.codes != {code}:
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def run():
    supervisors = []

    def start(profile, port, scheme="tcp", **options):
        adapter = create_adapter(profile, f"{scheme}://127.0.0.1:{port}", timeout_s=0.5, tries=1)
        watch = Watch(len(profile.signals))
        options = {"poll_interval_s": 0.05, "bad_after_s": 1.0, "rng": Random(3), **options}
        supervisor = DeviceSupervisor(profile.name, adapter, on_batch=watch, **options)
        supervisors.append(supervisor)
        supervisor.start()
        return supervisor, watch

    yield start
    for supervisor in supervisors:
        await supervisor.stop()


@pytest.mark.parametrize(
    ("profile", "rtu"), [(CONTROLLER, False), (PH, True), (MFC, False)], ids=lambda p: str(p)[:30]
)
async def test_a_killed_device_turns_uncertain_then_bad_and_comes_back(simulate, run, profile, rtu):
    device, port = await simulate(profile, rtu=rtu)
    supervisor, watch = run(profile, port, "rtu+tcp" if rtu else "tcp")
    await watch.until(status.GOOD)
    await device.stop()
    await watch.until(status.UNCERTAIN_NO_COMMUNICATION_LAST_USABLE)
    await watch.until(status.BAD_NO_COMMUNICATION)
    assert supervisor.diagnostics.state is DeviceState.LOST
    await device.start(port=port)
    await watch.until(status.GOOD)
    assert supervisor.diagnostics.reconnects == 1


async def test_a_device_that_only_falls_silent_is_noticed_too(simulate, run):
    device, port = await simulate(CONTROLLER)
    _, watch = run(CONTROLLER, port)
    await watch.until(status.GOOD)
    device.faults.silent = True
    await watch.until(status.UNCERTAIN_NO_COMMUNICATION_LAST_USABLE)
    device.faults.clear()
    await watch.until(status.GOOD)


async def test_a_write_reaches_the_plant_between_polls(simulate, run, plant):
    _, port = await simulate(CONTROLLER)
    supervisor, watch = run(CONTROLLER, port)
    await watch.until(status.GOOD)
    signal = CONTROLLER.by_name["agitator_setpoint"].index
    results = await asyncio.gather(*(supervisor.write(signal, 600.0 + n) for n in range(5)))
    assert [result.status for result in results] == [status.GOOD] * 5
    assert [value for _, value in plant.written] == [600.0, 601.0, 602.0, 603.0, 604.0]


async def test_two_masters_of_one_device_are_both_served(simulate, run):
    _, port = await simulate(CONTROLLER)
    _, first = run(CONTROLLER, port)
    _, second = run(CONTROLLER, port)
    await first.until(status.GOOD)
    await second.until(status.GOOD)
