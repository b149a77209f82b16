"""Devices that die, hang and lack a register, under load; and starts beside a running gateway.

Each device's simulators are real processes, polled by one gateway that all tests of this module
share. The clients see every poll: their items trigger on the timestamp.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from asyncua import Client, ua
from e2e.driving import Program, Start
from e2e.sites import NAMESPACE, POLL_INTERVAL_S, addresses_of, endpoint_of, write_site
from e2e.watching import Watch, watching

from biogate_adapters import status

pytestmark = pytest.mark.asyncio(loop_scope="module")

VICTIM = ("AE101.ph", "AE101.temperature", "AE101.quality")
OTHERS = ("AE102.do", "FIC101.mass_flow", "RC101.temperature", "RC101.vessel_weight")
GHOST = "RC101.ghost"
BAD_AFTER_S = 2.0
SUBSCRIBERS = 3

# One register that the device does not have, next to those that it has: both are asked for in
# one request, which the device refuses.
GHOST_SIGNAL = """\
signals:
  ghost:
    description: a value that this device does not have
    data_type: Float
    address: 16
    format: float32
    evidence: own
"""


@dataclass
class Plant:
    """Four devices in two processes, the gateway that polls them, and a client that watches."""

    start: Start
    folder: Path
    addresses: dict[str, str]
    victim: Program
    gateway: Program
    data: Path
    url: str
    watch: Watch

    async def restart_victim(self) -> None:
        """Start the killed simulator again, at the address that it had."""
        where = {"address": self.addresses["AE101"]}
        site = write_site(self.folder / "again.yaml", AE101=where)
        self.victim = await self.start("sim", "site", str(site), "--only", "AE101")
        await self.victim.line("^ready$")


def _profile_with_a_ghost(folder: Path) -> Path:
    packaged = resources.files("biogate_adapters") / "profiles/generic/reactor-controller.yaml"
    text = packaged.read_text(encoding="utf-8")
    assert text.count("\nsignals:\n") == 1
    path = folder / "controller.yaml"
    path.write_text(text.replace("signals:\n", GHOST_SIGNAL, 1), encoding="utf-8")
    return path


async def _read_all_the_time(url: str) -> None:
    """Load: a client that reads one value after the other."""
    async with Client(url) as client:
        namespace = await client.get_namespace_index(NAMESPACE)
        node = client.get_node(ua.NodeId("Signals.RC101.temperature", namespace))
        while True:
            await node.read_data_value(raise_on_bad_status=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plant(
    module_programs: Start,
    new_data: Callable[[], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Plant]:
    """Everything Good, three clients subscribed to all, one reading without a pause."""
    folder, data = tmp_path_factory.mktemp("plant"), new_data()
    simulated = str(write_site(folder / "simulated.yaml"))
    victim = await module_programs("sim", "site", simulated, "--only", "AE101")
    rest = (argument for name in ("AE102", "FIC101", "RC101") for argument in ("--only", name))
    others = await module_programs("sim", "site", simulated, *rest)
    addresses = await addresses_of([victim, others])
    served = write_site(
        folder / "served.yaml",
        addresses,
        AE101={"bad_after_ms": round(BAD_AFTER_S * 1000)},
        RC101={"profile": _profile_with_a_ghost(folder).name},
    )
    gateway = await module_programs("run", str(served), "--data", str(data))
    url = await endpoint_of(gateway)
    async with AsyncExitStack() as stack:
        tags = (*VICTIM, *OTHERS, GHOST)
        watches = [await stack.enter_async_context(watching(url, tags)) for _ in range(SUBSCRIBERS)]
        load = asyncio.create_task(_read_all_the_time(url))
        for tag in (*VICTIM, *OTHERS):
            await watches[0].until_status(tag, status.GOOD)
        yield Plant(module_programs, folder, addresses, victim, gateway, data, url, watches[0])
        load.cancel()
        (ended,) = await asyncio.gather(load, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError), ended


def _since(samples: list[ua.DataValue], start: datetime) -> list[ua.DataValue]:
    return [each for each in samples if _utc(each.ServerTimestamp) >= start]


def _utc(time: datetime | None) -> datetime:
    assert time is not None
    return time.replace(tzinfo=UTC)


def _longest_gap_s(samples: list[ua.DataValue]) -> float:
    times = sorted({_utc(each.SourceTimestamp) for each in samples})
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return max(gaps).total_seconds()


async def _assert_the_others_were_polled(plant: Plant, since: datetime) -> None:
    """Every poll of the other devices was made, and was Good."""
    await plant.watch.until(
        lambda: all(len(_since(plant.watch.samples[tag], since)) > 4 for tag in OTHERS)
    )
    for tag in OTHERS:
        samples = _since(plant.watch.samples[tag], since)
        assert {each.StatusCode.value for each in samples} == {status.GOOD}, tag
        # A missed poll is a gap of two intervals.
        assert _longest_gap_s(samples) < 1.9 * POLL_INTERVAL_S, tag


async def test_a_killed_device_turns_uncertain_then_bad_and_comes_back_by_itself(
    plant: Plant,
) -> None:
    """docs/architecture.md, "Time and status"."""
    last = {tag: plant.watch.last(tag) for tag in VICTIM}
    killed = datetime.now(UTC)
    plant.victim.process.kill()
    await plant.victim.ended()

    for tag in VICTIM:
        uncertain = await plant.watch.until_status(
            tag, ua.StatusCodes.UncertainNoCommunicationLastUsableValue
        )
        assert uncertain.StatusCode.value == 0x408F0000
        assert uncertain.Value.Value is not None
        assert _utc(last[tag].SourceTimestamp) <= _utc(uncertain.SourceTimestamp) <= killed + _way()
    seen = datetime.now(UTC)

    faults = set()
    for tag in VICTIM:
        bad = await plant.watch.until_status(tag, ua.StatusCodes.BadNoCommunication)
        assert bad.Value.Value is None
        assert killed <= _utc(bad.SourceTimestamp) <= seen
        waited_s = (_utc(bad.ServerTimestamp) - _utc(bad.SourceTimestamp)).total_seconds()
        assert BAD_AFTER_S <= waited_s < BAD_AFTER_S + 0.5
        faults.add(bad.SourceTimestamp)
    assert len(faults) == 1, "all signals of a device fail at one time"

    await plant.restart_victim()
    for tag in VICTIM:
        good = await plant.watch.until_status(tag, status.GOOD)
        assert good.Value.Value is not None
        assert _utc(good.SourceTimestamp) > seen
    statuses = [each.StatusCode.value for each in _since(plant.watch.samples["AE101.ph"], seen)]
    assert statuses[-1] == status.GOOD
    assert set(statuses) <= {status.GOOD, status.BAD_NO_COMMUNICATION, 0x408F0000}
    await _assert_the_others_were_polled(plant, killed)


def _way() -> timedelta:
    """A poll that was under way when its device died may still have been answered."""
    return timedelta(seconds=POLL_INTERVAL_S)


async def test_a_device_that_hangs_harms_no_other_and_needs_no_restart(plant: Plant) -> None:
    """Its connection stays open, and connecting works: only the answers stay away."""
    await plant.watch.until_status("AE101.ph", status.GOOD)
    hung = datetime.now(UTC)
    plant.victim.process.send_signal(signal.SIGSTOP)
    try:
        uncertain = await plant.watch.until_status(
            "AE101.ph", ua.StatusCodes.UncertainNoCommunicationLastUsableValue
        )
        assert _utc(uncertain.SourceTimestamp) <= hung + _way()
    finally:
        plant.victim.process.send_signal(signal.SIGCONT)
    await plant.watch.until_status("AE101.ph", status.GOOD)
    await _assert_the_others_were_polled(plant, hung)


async def test_one_unknown_register_is_one_bad_tag(plant: Plant) -> None:
    ghost = await plant.watch.until_status(GHOST, ua.StatusCodes.BadConfigurationError)
    assert ghost.Value.Value is None
    assert plant.watch.last("RC101.temperature").StatusCode.value == status.GOOD
    assert plant.watch.last("RC101.vessel_weight").StatusCode.value == status.GOOD
    told = [line for line in plant.gateway.errors if "ghost" in line]
    assert len(told) == 1, "the log says it once"
    assert "illegal data address" in told[0]


async def test_a_second_start_on_the_data_folder_is_refused(plant: Plant) -> None:
    """The holder is named; the simulators that were started for the second end with it."""
    site = write_site(plant.folder / "second.yaml")
    second = await plant.start("run", str(site), "--data", str(plant.data))
    assert await second.ended() == 1
    pid = plant.gateway.process.pid
    assert second.errors[-1] == (
        f"biogate: data folder {plant.data} is in use by process {pid}: stop that one first, "
        "or choose another place"
    )
    assert not any("Traceback" in line for line in second.errors)
    processes = psutil.process_iter(["cmdline"])  # None: of one that has just ended
    assert [p for p in processes if str(site) in (p.info["cmdline"] or ())] == []


async def test_a_second_start_on_the_port_is_refused(
    plant: Plant, new_data: Callable[[], Path]
) -> None:
    port = plant.url.rpartition(":")[2]
    second = await plant.start(
        "run", str(plant.folder / "served.yaml"), "--data", str(new_data()), "--port", port
    )
    assert await second.ended() == 1
    assert second.errors[-1].startswith("biogate: ")
    assert f"127.0.0.1:{port}" in second.errors[-1]
    assert not any("Traceback" in line for line in second.errors)
    async with Client(plant.url) as client:
        assert await client.nodes.server_state.read_value() == ua.ServerState.Running
