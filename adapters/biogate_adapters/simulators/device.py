"""One simulated device on a socket of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from biogate_adapters.plant import Plant
from biogate_adapters.profile import Profile
from biogate_adapters.schema_line import LineProfile
from biogate_adapters.schema_modbus import ModbusProfile
from biogate_adapters.simulators.faults import Faults
from biogate_adapters.simulators.values import DeviceValues


class _Server(Protocol):
    async def start(self, host: str, port: int) -> tuple[str, int]: ...

    async def stop(self) -> None: ...


class SimulatedDevice:
    """Answers as the profile's device does, with the plant's values at the time of each request.

    `plant_now` is called before each answer and brings the plant to the present. `unit_id` (Modbus)
    or `unit` (line protocols) is the device's own address; `rtu` makes a Modbus device speak RTU
    frames on its socket instead of Modbus TCP. Raises ValueError for a plant that lacks what the
    device cannot do without.
    """

    def __init__(
        self,
        profile: Profile,
        plant: Plant,
        *,
        name: str = "",
        plant_now: Callable[[], object],
        unit_id: int = 1,
        unit: str = "A",
        rtu: bool = False,
    ) -> None:
        self.name = name or profile.name
        self.faults = Faults()
        self.values = DeviceValues(profile, plant, plant_now, name=self.name)
        self._server = self._make_server(profile.facts, unit_id, unit, rtu=rtu)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Listen; the address that clients can connect to. Raises OSError when it is taken."""
        return await self._server.start(host, port)

    async def stop(self) -> None:
        """Close the listener and all connections. Safe to call twice."""
        await self._server.stop()

    def show(self, signal: str, value: float | str | None) -> None:
        """Make a signal show `value` whatever the plant says; None lets the plant speak again."""
        self.values.show(signal, value)

    def _make_server(
        self, facts: ModbusProfile | LineProfile, unit_id: int, unit: str, *, rtu: bool
    ) -> _Server:
        if isinstance(facts, ModbusProfile):
            from biogate_adapters.simulators.modbus_server import ModbusDeviceServer

            return ModbusDeviceServer(
                facts, self.values, self.faults, name=self.name, unit_id=unit_id, rtu=rtu
            )
        from biogate_adapters.simulators.line_server import LineDeviceServer

        return LineDeviceServer(facts, self.values, self.faults, name=self.name, unit=unit)
