"""Oxygen transfer of a stirred, sparged vessel: kLa from stirrer speed and gas flow.

kLa = 0.026 (P/V)^0.4 vs^0.5 in 1/s: Van't Riet 1979 for coalescing liquids (as confirmed through
Garcia-Ochoa and Gomez 2009). Made for 500 < P/V < 10 000 W/m³ and 0.001 < vs < 0.08 m/s, there
good to about 20 to 40 %; outside it extrapolates. The constants for broth with salts could not be
confirmed in a primary text and are not used; nor is a temperature correction.
Power: ungassed P0 = n Np ρ N³ D⁵, gassed by Michel and Miller,
Pg = 0.706 (P0² N D³ / Fg^0.56)^0.45 in SI units, never more than P0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_DENSITY_KG_PER_M3 = 1000.0
_SECONDS_PER_HOUR = 3600.0


def van_t_riet_kla_per_h(power_w_per_m3: float, superficial_velocity_m_per_s: float) -> float:
    """kLa in 1/h of a coalescing liquid; 0 without stirring or without gas."""
    kla_per_s = 0.026 * power_w_per_m3**0.4 * superficial_velocity_m_per_s**0.5
    return float(kla_per_s * _SECONDS_PER_HOUR)


@dataclass(frozen=True, slots=True)
class StirredTank:
    """The vessel's geometry: two Rushton impellers (power number 5) in a bench-top vessel.

    The dimensions are ours, chosen so that 1000 rpm and 4 L/min into 2 L give about the 220 1/h
    of Anane 2017. Transfer through the surface is left out.
    """

    diameter_m: float = 0.130
    impeller_diameter_m: float = 0.060
    impellers: int = 2
    power_number: float = 5.0

    def gassed_power_w(self, speed_rpm: float, gas_flow_l_per_min: float) -> float:
        """Shaft power into the broth, in W."""
        per_s = max(speed_rpm, 0.0) / 60.0
        flow_m3_per_s = max(gas_flow_l_per_min, 0.0) / 60_000.0
        diameter = self.impeller_diameter_m
        ungassed = self.impellers * self.power_number * _DENSITY_KG_PER_M3
        ungassed *= per_s**3 * diameter**5
        if flow_m3_per_s == 0.0:
            return ungassed
        group = ungassed**2 * per_s * diameter**3 / flow_m3_per_s**0.56
        return float(min(ungassed, 0.706 * group**0.45))

    def kla_per_h(self, speed_rpm: float, gas_flow_l_per_min: float, volume_l: float) -> float:
        """Volumetric oxygen transfer coefficient in 1/h of `volume_l` litres of broth."""
        area_m2 = math.pi / 4.0 * self.diameter_m**2
        velocity = max(gas_flow_l_per_min, 0.0) / 60_000.0 / area_m2
        power = self.gassed_power_w(speed_rpm, gas_flow_l_per_min)
        return van_t_riet_kla_per_h(power / (volume_l / 1000.0), velocity)
