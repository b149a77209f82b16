"""The simulated devices of a site: one plant per bioreactor, one clock, one server per device."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from biogate.sim.clock import ProcessClock
from biogate.sim.replay import RecordedPlant
from biogate.site import Site
from biogate.site.address import Address, parse_address
from biogate.site.profiles import InstalledProfiles
from biogate_adapters import filetime
from biogate_adapters.plant import Plant
from biogate_adapters.problems import did_you_mean, listed
from biogate_adapters.simulators import SimulatedDevice

_log = logging.getLogger(__name__)

_STOP_TIMEOUT_S = 0.5
_KEEP_UP_S = 0.5


class SimulationError(ValueError):
    """A simulation that cannot be run as asked; the message says what to change."""


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """How to simulate a site.

    `speed`: plant seconds per second. `replay`: folder with a recording that plays the plant
    instead of the model. `only`: the devices to simulate; all that the site marks, where empty.
    """

    speed: float = 1.0
    replay: Path | None = None
    only: tuple[str, ...] = ()


@dataclass(slots=True)
class PlantHost:
    """A plant that keeps up with the clock."""

    name: str
    plant: Plant
    clock: ProcessClock

    def now(self) -> None:
        """Bring the plant to the present."""
        self.plant.advance(max(self.clock.now_s(), self.plant.time_s))


async def run_site_simulators(
    site: Site,
    options: SimulationOptions,
    *,
    emit: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    """Simulate until `stop` is set; tell clock, addresses and `ready` line by line to `emit`.

    Raises SimulationError for options that do not fit the site or an address that is taken,
    RecordingError for a recording that cannot be replayed, and what a plant raises when it fails.
    """
    names = _devices_to_simulate(site, options)
    plants = {site.plant_of(name): _make_plant(options) for name in names}
    clock = ProcessClock(
        filetime.now_ticks(), max(plant.time_s for plant in plants.values()), options.speed
    )
    hosts = {name: PlantHost(name, plant, clock) for name, plant in plants.items()}
    emit(clock.line())
    devices: list[SimulatedDevice] = []
    try:
        for name in names:
            device, address = await _start_device(site, name, hosts[site.plant_of(name)])
            devices.append(device)
            emit(f"device {name} {address}")
        emit("ready")
        await _keep_up(list(hosts.values()), stop)
    finally:
        await asyncio.gather(*map(_stop_device, devices))


def _devices_to_simulate(site: Site, options: SimulationOptions) -> list[str]:
    simulated = [name for name, device in site.devices.items() if device.simulated]
    for name in options.only:
        if name not in simulated:
            hint = did_you_mean(name, simulated)
            raise SimulationError(
                f"the site has no simulated device {name}; it has {listed(simulated)}"
                + (f"; {hint}" if hint else "")
            )
    if not simulated:
        raise SimulationError("the site has no simulated device: mark one with simulated: true")
    try:
        site.check_speed(options.speed)
    except ValueError as error:
        raise SimulationError(str(error)) from None
    return [name for name in simulated if name in options.only or not options.only]


def _make_plant(options: SimulationOptions) -> Plant:
    if options.replay is not None:
        return RecordedPlant(options.replay)
    from biogate.kinetics.anane2017 import FedBatchPlant

    return FedBatchPlant()


async def _start_device(site: Site, name: str, host: PlantHost) -> tuple[SimulatedDevice, str]:
    """A listening simulator, and the address at which it answers."""
    device, address = _make_device(site, name, host)
    try:
        bound_host, port = await device.start(address.host, address.port)
    except OSError as error:
        raise SimulationError(
            f"{name} cannot listen on {site.devices[name].address} ({error.strerror or error}):"
            " end what listens there, or give port 0 for a free one"
        ) from error
    return device, f"{address.scheme}://{bound_host}:{port}"


def _make_device(site: Site, name: str, host: PlantHost) -> tuple[SimulatedDevice, Address]:
    config = site.devices[name]
    profile = InstalledProfiles().load(config.profile)
    address = parse_address(config.address, profile.protocol)
    try:
        device = SimulatedDevice(
            profile,
            host.plant,
            name=name,
            plant_now=host.now,
            unit_id=1 if config.unit_id is None else config.unit_id,
            unit=config.unit_letter or "A",
            rtu=address.scheme == "rtu+tcp",
        )
    except ValueError as error:
        raise SimulationError(f"{name} ({config.profile}) cannot be simulated: {error}") from error
    return device, address


async def _stop_device(device: SimulatedDevice) -> None:
    try:
        await asyncio.wait_for(device.stop(), _STOP_TIMEOUT_S)
    except TimeoutError:
        _log.warning("the simulator does not stop in time", extra={"device": device.name})


async def _keep_up(hosts: list[PlantHost], stop: asyncio.Event) -> None:
    """Advance the plants now and then, so that no answer has to wait for hours of plant time."""
    running = list(hosts)
    while not stop.is_set():
        for host in list(running):
            host.now()
            if isinstance(host.plant, RecordedPlant) and host.plant.time_s > host.plant.end_s:
                running.remove(host)
                _log.warning(
                    "the recording has ended: its devices answer without values from now on",
                    extra={"plant": host.name, "plant_time_s": host.plant.end_s},
                )
        try:
            await asyncio.wait_for(stop.wait(), _KEEP_UP_S)
        except TimeoutError:
            continue
