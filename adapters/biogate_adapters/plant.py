"""The plant behind simulated devices: a small protocol that any model or recording can play.

Quantities are named with their unit (`QUANTITIES`). A device profile names the quantity that
feeds each signal, and the actuator quantity that a written set-point drives; a plant that does
not have a quantity says so when the devices are built, not at the first poll.
"""

from __future__ import annotations

from typing import Protocol

QUANTITIES: dict[str, str] = {
    "ph": "pH of the broth",
    "temperature_degc": "broth temperature",
    "do_percent_sat": "dissolved oxygen as the probe shows it (with lag), % air saturation",
    "jacket_temperature_degc": "jacket temperature",
    "stirrer_speed_rpm": "agitator speed",
    "gas_flow_l_per_min": "gas flow into the vessel, standard litres per minute",
    "gas_pressure_bar": "absolute pressure at the gas inlet",
    "gas_temperature_degc": "gas temperature at the mass flow controller",
    "feed_rate_ml_per_h": "feed pump rate",
    "base_rate_ml_per_h": "base pump rate",
    "vessel_weight_kg": "weight of the vessel's content",
    "feed_bottle_weight_kg": "weight of the feed bottle",
    "stirrer_speed_setpoint_rpm": "actuator: agitator set-point",
    "temperature_setpoint_degc": "actuator: broth temperature set-point of the jacket loop",
    "gas_flow_setpoint_l_per_min": "actuator: gas flow set-point",
    "feed_rate_setpoint_ml_per_h": "actuator: feed pump set-point",
    "base_rate_setpoint_ml_per_h": "actuator: base pump set-point",
}


class Plant(Protocol):
    """One bioreactor as its instruments see it. Time is plant time in seconds since its start."""

    @property
    def time_s(self) -> float:
        """Plant time of the present outputs."""
        ...

    def advance(self, to_s: float) -> None:
        """Bring the outputs to plant time `to_s` (never backwards: ValueError)."""
        ...

    def quantities(self) -> frozenset[str]:
        """The names that `read` answers."""
        ...

    def read(self, quantity: str) -> float:
        """The quantity's present value; NaN when it has none now. Raises KeyError if unknown."""
        ...

    def actuators(self) -> frozenset[str]:
        """The names that `write` accepts."""
        ...

    def write(self, actuator: str, value: float) -> None:
        """Set an actuator from now on. Raises KeyError if unknown, ValueError if not finite."""
        ...
