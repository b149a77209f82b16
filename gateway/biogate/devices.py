"""The site's devices: their tags, their supervisors, and the way from a signal to a tag."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biogate.site import DevicePlan, SitePlan
from biogate.tags import TagInfo, TagTable
from biogate_adapters.contract import Adapter, SampleBatch, Signal
from biogate_adapters.factory import create_adapter
from biogate_adapters.filetime import now_ticks
from biogate_adapters.supervisor import DeviceState, DeviceSupervisor


@dataclass(frozen=True, slots=True)
class Device:
    """One device as it runs. `tags[i]` is the tag index of the profile's signal i."""

    plan: DevicePlan
    tags: NDArray[np.int32]
    supervisor: DeviceSupervisor


class Devices:
    """All devices of a site. Building it adds their tags; `start` begins to poll."""

    def __init__(
        self,
        plan: SitePlan,
        table: TagTable,
        addresses: Mapping[str, str],
        *,
        wall_clock: Callable[[], int] = now_ticks,
    ) -> None:
        """`addresses` replaces the site's address of a device (a simulator's port).

        Raises ValueError, naming the device, for an address that cannot be one.
        """
        self._table = table
        self._wall_clock = wall_clock
        self._on_state: Callable[[str, DeviceState], None] | None = None
        self._devices = {
            name: self._build(device, addresses.get(name, device.config.address))
            for name, device in plan.devices.items()
        }

    def __iter__(self) -> Iterator[Device]:
        return iter(self._devices.values())

    def __getitem__(self, name: str) -> Device:
        return self._devices[name]

    def watch(self, on_state: Callable[[str, DeviceState], None]) -> None:
        """Tell of each device's changes of state from now on."""
        self._on_state = on_state

    def start(self) -> None:
        """Begin to poll every device, each in a task of its own."""
        for device in self:
            device.supervisor.start()

    async def stop(self) -> None:
        """Stop polling and close all connections."""
        await asyncio.gather(*(device.supervisor.stop() for device in self))

    def _build(self, plan: DevicePlan, address: str) -> Device:
        infos = [tag_info(plan, signal) for signal in plan.profile.signals]
        tags = np.array([self._table.add(info) for info in infos], np.int32)

        def on_batch(batch: SampleBatch) -> None:
            self._table.apply(
                tags[batch.index],
                batch.value,
                batch.status,
                batch.source_time,
                self._wall_clock(),
                batch.texts,
            )

        def on_state(state: DeviceState) -> None:
            if self._on_state is not None:
                self._on_state(plan.name, state)

        config = plan.config
        supervisor = DeviceSupervisor(
            plan.name,
            _adapter(plan, address),
            poll_interval_s=config.poll_interval_ms / 1000,
            bad_after_s=None if config.bad_after_ms is None else config.bad_after_ms / 1000,
            on_batch=on_batch,
            on_state=on_state,
            address=address,
        )
        return Device(plan, tags, supervisor)


def _adapter(plan: DevicePlan, address: str) -> Adapter:
    config = plan.config
    try:
        return create_adapter(
            plan.profile,
            address,
            name=plan.name,
            unit_id=1 if config.unit_id is None else config.unit_id,
            unit=config.unit_letter or "A",
        )
    except ValueError as error:
        hint = (
            "; it is simulated: give the address that `biogate sim site` prints"
            if config.simulated
            else ""
        )
        raise ValueError(f"device {plan.name}: {error}{hint}") from error


def tag_info(device: DevicePlan, signal: Signal) -> TagInfo:
    """The tag of a device's signal; its name is `DEVICE.signal`."""
    return TagInfo(
        name=device.tag(signal),
        data_type=signal.data_type,
        unit=signal.unit,
        low=signal.low,
        high=signal.high,
        instrument_low=signal.instrument_low,
        instrument_high=signal.instrument_high,
        writable=signal.writable,
        description=signal.description,
    )
