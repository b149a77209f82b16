"""Oxygen in water: solubility and what a probe calibrated in air shows.

Solubility: Benson and Krause's equation as used by APHA and the USGS (DOTABLES), fresh water
under moist air at 1 atm. Water vapour: Antoine. A probe sees partial pressure, not
concentration, so that its 100 % stays where it was calibrated when the temperature changes.
"""

from __future__ import annotations

import math
from functools import lru_cache

ATMOSPHERE_PA = 101_325.0
_PA_PER_MMHG = 133.322368


def solubility_mg_per_l(temperature_degc: float) -> float:
    """Oxygen in fresh water under moist air at 1 atm, in mg/L (made for 0 to 40 °C)."""
    t = temperature_degc + 273.15
    return math.exp(
        -139.34411 + 1.575701e5 / t - 6.642308e7 / t**2 + 1.243800e10 / t**3 - 8.621949e11 / t**4
    )


def water_vapour_pa(temperature_degc: float) -> float:
    """Vapour pressure of water in Pa (Antoine constants for 1 to 100 °C)."""
    return float(10.0 ** (8.07131 - 1730.63 / (233.426 + temperature_degc)) * _PA_PER_MMHG)


@lru_cache(maxsize=512)
def relative_oxygen(temperature_degc: float, reference_degc: float) -> tuple[float, float]:
    """How oxygen differs from the reference temperature, both ratios dimensionless at 1 atm.

    First: partial pressure over water saturated with air. Second: concentration that belongs to
    one partial pressure (Henry).
    """
    dry = ATMOSPHERE_PA - water_vapour_pa(temperature_degc)
    dry_reference = ATMOSPHERE_PA - water_vapour_pa(reference_degc)
    saturated = solubility_mg_per_l(temperature_degc) / solubility_mg_per_l(reference_degc)
    return dry / dry_reference, saturated * dry_reference / dry
