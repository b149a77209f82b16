"""A plant, a clock and a scripted device for the adapters' tests."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Callable

import pytest

from biogate_adapters.profile import Profile
from biogate_adapters.simulators import SimulatedDevice

WALL_START = 133_000_000_000_000_000


class SteadyPlant:
    """A plant whose quantities stay as they are set; it notes what was written to it."""

    def __init__(self) -> None:
        self.time_s = 0.0
        self.values = {
            "ph": 7.02,
            "temperature_degc": 36.98,
            "do_percent_sat": 41.5,
            "jacket_temperature_degc": 38.25,
            "stirrer_speed_rpm": 812.5,
            "gas_flow_l_per_min": 3.25,
            "gas_pressure_bar": 2.0,
            "gas_temperature_degc": 22.0,
            "feed_rate_ml_per_h": 12.5,
            "base_rate_ml_per_h": 0.0,
            "vessel_weight_kg": 2.125,
            "feed_bottle_weight_kg": 0.5571,
        }
        self.setpoints = {
            "stirrer_speed_setpoint_rpm": 800.0,
            "temperature_setpoint_degc": 37.0,
            "gas_flow_setpoint_l_per_min": 3.0,
            "feed_rate_setpoint_ml_per_h": 12.5,
            "base_rate_setpoint_ml_per_h": 0.0,
        }
        self.written: list[tuple[str, float]] = []

    def advance(self, to_s: float) -> None:
        self.time_s = to_s

    def quantities(self) -> frozenset[str]:
        return frozenset(self.values) | frozenset(self.setpoints)

    def read(self, quantity: str) -> float:
        return {**self.values, **self.setpoints}[quantity]

    def actuators(self) -> frozenset[str]:
        return frozenset(self.setpoints)

    def write(self, actuator: str, value: float) -> None:
        self.setpoints[actuator] = value
        self.written.append((actuator, value))


class ScriptedDevice:
    """A TCP server that answers known request bytes with given reply bytes, and notes all it gets.

    A request is what arrives in one piece. `answers` maps a request to one reply, or to a list of
    replies that are used up one by one; a reply (seconds, bytes) comes late; None and unknown
    requests get silence.
    """

    def __init__(self) -> None:
        self.answers: dict[bytes, bytes | list[bytes | None] | None] = {}
        self.requests: list[bytes] = []
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            self.hang_up()
            await self._server.wait_closed()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        while request := await reader.read(4096):
            self.requests.append(request)
            reply = self.answers.get(request)
            if isinstance(reply, list):
                reply = reply.pop(0) if reply else None
            if reply == b"hang up":
                writer.close()
                return
            if isinstance(reply, tuple):
                asyncio.get_running_loop().call_later(reply[0], writer.write, reply[1])
            elif reply:
                writer.write(reply)
        writer.close()


class ManualClock:
    """A clock that a test moves. `advance` runs the timers on the way, in order."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self._timers: list[tuple[float, int, _ManualTimer]] = []
        self._order = itertools.count()

    def monotonic(self) -> float:
        return self.now_s

    def now_ticks(self) -> int:
        return WALL_START + round((self.now_s - 1000.0) * 10_000_000)

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> _ManualTimer:
        timer = _ManualTimer(callback)
        heapq.heappush(self._timers, (self.now_s + delay_s, next(self._order), timer))
        return timer

    async def settle(self) -> None:
        """Let every task run until it waits for the clock."""
        for _ in range(30):
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        await self.settle()
        end = self.now_s + seconds
        while self._timers and self._timers[0][0] <= end:
            at, _, timer = heapq.heappop(self._timers)
            if timer.cancelled:
                continue
            self.now_s = max(self.now_s, at)
            timer.callback()
            await self.settle()
        self.now_s = end
        await self.settle()


class _ManualTimer:
    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


@pytest.fixture
def plant() -> SteadyPlant:
    return SteadyPlant()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def scripted() -> AsyncIterator[Callable]:
    """Start scripted devices: `device, port = await scripted()`."""
    devices: list[ScriptedDevice] = []

    async def start() -> tuple[ScriptedDevice, int]:
        device = ScriptedDevice()
        devices.append(device)
        return device, await device.start()

    yield start
    for device in devices:
        await device.stop()


@pytest.fixture
async def simulate(plant: SteadyPlant) -> AsyncIterator[Callable]:
    """Start simulated devices: `device, port = await simulate(profile, **options)`."""
    devices: list[SimulatedDevice] = []

    async def start(profile: Profile, **options) -> tuple[SimulatedDevice, int]:
        options = {"plant": plant, "plant_now": lambda: None, **options}
        device = SimulatedDevice(profile, options.pop("plant"), **options)
        devices.append(device)
        _, port = await device.start()
        return device, port

    yield start
    for device in devices:
        await device.stop()


@pytest.fixture
async def converse() -> AsyncIterator[Callable]:
    """Send raw bytes: `reply = await converse(port, request, size)`; b"" after 0.2 s of silence."""
    writers: list[asyncio.StreamWriter] = []

    async def exchange(port: int, request: bytes, size: int = 1) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        writer.write(request)
        try:
            async with asyncio.timeout(0.2 if size == 0 else 5):
                return await reader.readexactly(max(size, 1))
        except TimeoutError:
            return b""

    yield exchange
    for writer in writers:
        writer.close()
        await writer.wait_closed()
