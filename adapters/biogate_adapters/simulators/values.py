"""A simulated device's signals out of a plant, and its set-points into it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from biogate_adapters.plant import Plant
from biogate_adapters.profile import Profile
from biogate_adapters.schema import IdealGas, SignalFacts, Simulation

_log = logging.getLogger(__name__)
_ZERO_CELSIUS_K = 273.15


class DeviceValues:
    """The values of one simulated device's signals, in the profile's units.

    `plant_now` brings the plant to the present; it is called before each request is answered.
    """

    def __init__(
        self, profile: Profile, plant: Plant, plant_now: Callable[[], object], *, name: str
    ) -> None:
        self._points: dict[str, SignalFacts] = dict(profile.facts.points)
        self._plant = plant
        self.refresh = plant_now
        self._quantities = plant.quantities()
        self._actuators = plant.actuators()
        self._shown: dict[str, float | str] = {}
        self._setpoints = {
            signal: point.simulate.initial
            for signal, point in self._points.items()
            if point.simulate and point.simulate.actuator
        }
        self._report_missing(name)

    def show(self, signal: str, value: float | str | None) -> None:
        """Make a signal show `value`, whatever the plant says; None lets the plant speak again.

        Raises KeyError for a signal that the device does not have.
        """
        if signal not in self._points:
            raise KeyError(signal)
        if value is None:
            self._shown.pop(signal, None)
        else:
            self._shown[signal] = value

    def text(self, signal: str) -> str:
        """What a String signal shows."""
        simulate = self._points[signal].simulate
        return str(self._shown.get(signal, simulate.text if simulate else ""))

    def number(self, signal: str) -> float:
        """What a signal shows; NaN when the device has no value now."""
        shown = self._shown.get(signal)
        if shown is not None:
            return float(shown)
        simulate = self._points[signal].simulate
        if simulate is None:
            return math.nan
        if simulate.constant is not None:
            return simulate.constant
        if simulate.actuator:
            return self._setpoint(signal, simulate, simulate.actuator)
        return self._measured(simulate, simulate.quantity or "")

    def write(self, signal: str, value: float) -> None:
        """Set a set-point; it drives the plant's actuator, where the plant has one."""
        self._setpoints[signal] = value
        simulate = self._points[signal].simulate
        if simulate and simulate.actuator in self._actuators:
            self._plant.write(simulate.actuator, (value - simulate.bias) / simulate.gain)

    def has(self, signal: str) -> bool:
        """True when the signal has a source of values in this plant."""
        simulate = self._points[signal].simulate
        if simulate is None:
            return False
        return not simulate.quantity or self._known(simulate)

    def _known(self, simulate: Simulation) -> bool:
        return simulate.quantity in self._quantities or simulate.default is not None

    def _setpoint(self, signal: str, simulate: Simulation, actuator: str) -> float:
        """The plant's own set-point, which a local loop may move; else what was written."""
        if actuator in self._quantities:
            return self._plant.read(actuator) * simulate.gain + simulate.bias
        return self._setpoints[signal]

    def _measured(self, simulate: Simulation, quantity: str) -> float:
        if quantity not in self._quantities:
            return math.nan if simulate.default is None else simulate.default
        value = self._plant.read(quantity)
        if simulate.actual_volume:
            value *= self._expansion(simulate.actual_volume)
        if simulate.above is not None:
            return float(value > simulate.above)
        return value * simulate.gain + simulate.bias

    def _expansion(self, gas: IdealGas) -> float:
        """Volume at the gas's own conditions per volume at reference conditions (ideal gas)."""
        if not {gas.pressure, gas.temperature} <= self._quantities:
            return 1.0
        pressure = gas.reference_pressure_bar / self._plant.read(gas.pressure)
        temperature = self._plant.read(gas.temperature) + _ZERO_CELSIUS_K
        return pressure * temperature / (gas.reference_temperature_degc + _ZERO_CELSIUS_K)

    def _report_missing(self, name: str) -> None:
        missing = [signal for signal in self._points if not self.has(signal)]
        idle = [
            signal
            for signal, point in self._points.items()
            if point.simulate
            and point.simulate.actuator
            and point.simulate.actuator not in self._actuators
        ]
        if missing:
            context = {"device": name, "signals": missing}
            _log.warning("signals have no value: the plant lacks them", extra=context)
        if idle:
            context = {"device": name, "signals": idle}
            _log.warning("writing these signals moves nothing in this plant", extra=context)
