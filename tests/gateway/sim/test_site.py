"""The simulated devices of a site, asked over their own protocols by hand-made requests."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from biogate.sim.clock import ProcessClock
from biogate.sim.mfcs import RecordingError
from biogate.sim.replay import RecordedPlant
from biogate.sim.site import SimulationError, SimulationOptions, run_site_simulators
from biogate.site import Site, load_site
from biogate_adapters.filetime import now_ticks

TIMEOUT_S = 10.0
REAL = "tcp://192.0.2.1:23"
ChangedSite = Callable[[str, str], Path]


@dataclass
class Running:
    """Simulators that run, and what they told."""

    lines: list[str] = field(default_factory=list)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def emit(self, line: str) -> None:
        self.lines.append(line)
        if line == "ready":
            self.ready.set()

    @property
    def clock(self) -> ProcessClock:
        return ProcessClock.parse(self.lines[0])

    def port(self, device: str) -> int:
        line = next(line for line in self.lines if line.startswith(f"device {device} "))
        return int(line.rpartition(":")[2])


Simulate = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def simulate() -> Simulate:
    """Runs a site's simulators while the `async with` block does."""

    @asynccontextmanager
    async def _simulate(site: Site, **options: object) -> AsyncIterator[Running]:
        running = Running()
        work = asyncio.create_task(
            run_site_simulators(
                site,
                SimulationOptions(**options),  # type: ignore[arg-type]
                emit=running.emit,
                stop=running.stop,
            )
        )
        waiting = asyncio.create_task(running.ready.wait())
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.wait((work, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        try:
            if not work.done():
                yield running
        finally:
            running.stop.set()
            await work

    return _simulate


async def ask(port: int, request: bytes, size: int) -> bytes:
    """One request on a connection of its own; an answer of `size` bytes, or up to CR for 0."""
    async with asyncio.timeout(TIMEOUT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            return await (reader.readexactly(size) if size else reader.readuntil(b"\r"))
        finally:
            writer.close()
            await writer.wait_closed()


async def alicat(port: int, command: str = "A") -> list[str]:
    return (await ask(port, command.encode() + b"\r", 0)).decode().split()


async def arc_ph(port: int) -> float:
    """The value of PMC 1: 10 holding registers from 2090 on, the 3rd and 4th hold it."""
    request = struct.pack(">HHHBBHH", 7, 0, 6, 1, 3, 2089, 10)
    answer = await ask(port, request, 9 + 20)
    low, high = struct.unpack_from(">HH", answer, 9 + 4)
    value: float = struct.unpack(">f", struct.pack(">HH", high, low))[0]
    return value


async def test_it_tells_clock_addresses_and_ready_in_this_order(
    simulate: Simulate, site_file: Path
) -> None:
    async with simulate(load_site(site_file), speed=60.0) as running:
        kinds = [line.rpartition(":")[0] if ":" in line else line for line in running.lines[1:]]
        assert kinds == [
            "device AE101 tcp://127.0.0.1",
            "device FIC101 tcp://127.0.0.1",
            "device FIC201 tcp://127.0.0.1",
            "ready",
        ]
        assert running.clock.rate == 60.0
        assert running.clock.plant_start_s == 0.0


async def test_devices_show_what_the_recording_had_at_the_clocks_time(
    simulate: Simulate, site_file: Path, recording: Path
) -> None:
    async with simulate(load_site(site_file), speed=300.0, replay=recording) as running:
        clock, recorded = running.clock, RecordedPlant(recording)
        for _ in range(20):
            before = now_ticks()
            shown = await arc_ph(running.port("AE101"))
            after = now_ticks()
            recorded.advance(clock.plant_time_s(before))
            at_most = recorded.read("ph")  # the recorded pH falls in its first 18 minutes
            recorded.advance(clock.plant_time_s(after))
            assert recorded.read("ph") - 1e-6 <= shown <= at_most + 1e-6
        assert recorded.time_s > 0.0


async def test_the_gas_flow_of_a_recording_reaches_the_flow_controller(
    simulate: Simulate, site_file: Path, recording: Path
) -> None:
    async with simulate(load_site(site_file), replay=recording) as running:
        unit, *_, mass_flow, _setpoint, _gas = await alicat(running.port("FIC101"))
        assert unit == "A"
        assert float(mass_flow) == 0.5


async def test_a_written_setpoint_moves_the_plant_of_its_own_reactor_only(
    simulate: Simulate, site_file: Path
) -> None:
    async with simulate(load_site(site_file), speed=60.0) as running:
        await alicat(running.port("FIC101"), "AS5.00")
        async with asyncio.timeout(TIMEOUT_S):
            while float((await alicat(running.port("FIC101")))[4]) < 4.99:
                pass
        assert float((await alicat(running.port("FIC201")))[4]) == pytest.approx(3.0, abs=0.01)


async def test_one_device_alone_can_be_simulated(simulate: Simulate, site_file: Path) -> None:
    async with simulate(load_site(site_file), only=("FIC201",)) as running:
        devices = [line.split()[1] for line in running.lines if line.startswith("device")]
        assert devices == ["FIC201"]


async def test_a_stopped_simulation_frees_its_ports(simulate: Simulate, site_file: Path) -> None:
    async with simulate(load_site(site_file)) as running:
        ports = [running.port(name) for name in ("AE101", "FIC101", "FIC201")]
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            await alicat(port)


class Ended(logging.Handler):
    """Collects what is logged of recordings that ended; `both` is set at the second."""

    def __init__(self) -> None:
        super().__init__()
        self.plants: list[str] = []
        self.both = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "the recording has ended" in record.getMessage():
            self.plants.append(vars(record)["plant"])
            if len(self.plants) == 2:
                self.both.set()


async def test_the_end_of_a_recording_is_told_once_for_each_plant(
    simulate: Simulate, site_file: Path, recording: Path
) -> None:
    ended = Ended()
    logger = logging.getLogger("biogate.sim.site")
    logger.addHandler(ended)
    try:
        async with simulate(load_site(site_file), speed=3600.0, replay=recording) as running:
            async with asyncio.timeout(TIMEOUT_S):
                await ended.both.wait()
            # -999 is what the probe shows when it has no value (its profile: `invalid`)
            assert await arc_ph(running.port("AE101")) == -999.0
    finally:
        logger.removeHandler(ended)
    assert sorted(ended.plants) == ["BR101", "BR201"]


async def test_an_unknown_device_is_told_with_the_known_ones(
    simulate: Simulate, site_file: Path
) -> None:
    message = "no simulated device FIC11; it has AE101, FIC101, FIC201; did you mean FIC101"
    with pytest.raises(SimulationError, match=message):
        async with simulate(load_site(site_file), only=("FIC11",)):
            pass


async def test_time_does_not_run_faster_while_a_real_device_is_there(
    simulate: Simulate, changed_site: ChangedSite
) -> None:
    """docs/architecture.md, decision 9."""
    site = load_site(changed_site('"tcp://127.0.0.1:0", simulated: true, plant: BR201', REAL))
    with pytest.raises(SimulationError, match=r"a speed of 2 needs .* FIC201 is not"):
        async with simulate(site, speed=2.0):
            pass
    async with simulate(site) as running:
        assert not any("FIC201" in line for line in running.lines)


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
async def test_a_speed_that_is_none_is_told(
    simulate: Simulate, site_file: Path, speed: float
) -> None:
    with pytest.raises(SimulationError, match="give one above 0"):
        async with simulate(load_site(site_file), speed=speed):
            pass


async def test_a_site_without_simulated_devices_has_nothing_to_simulate(
    simulate: Simulate, site_file: Path
) -> None:
    site = load_site(site_file)
    real = {n: d.model_copy(update={"simulated": False}) for n, d in site.devices.items()}
    with pytest.raises(SimulationError, match="mark one with simulated: true"):
        async with simulate(site.model_copy(update={"devices": real})):
            pass


async def test_an_address_that_is_taken_is_told_and_what_has_started_is_stopped(
    simulate: Simulate, changed_site: ChangedSite
) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        last = ':0", simulated: true, plant: BR201'
        site = load_site(changed_site(last, last.replace(":0", f":{port}")))
        with pytest.raises(SimulationError, match=rf"FIC201 cannot listen on tcp://127.*:{port} "):
            async with simulate(site):
                pass


async def test_a_recording_that_is_none_is_told(
    simulate: Simulate, site_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecordingError, match=r"online\.CSV:1:1: cannot be read"):
        async with simulate(load_site(site_file), replay=tmp_path):
            pass


async def test_a_device_that_the_recording_cannot_feed_is_told(
    simulate: Simulate, changed_site: ChangedSite, tmp_path: Path
) -> None:
    recorded = "PDatTime;Age;pH\n;;Value\n;(h);(pH)\nx;0;7,0\nx;1;7,1\n"
    (tmp_path / "online.CSV").write_text(recorded)
    site = load_site(changed_site("Example Bio", "Example"))
    with pytest.raises(
        SimulationError, match=r"FIC101 \(alicat/mfc\) cannot be simulated: .*mass_flow"
    ):
        async with simulate(site, replay=tmp_path):
            pass
