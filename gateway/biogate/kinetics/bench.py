"""The bench-top fermenter around the culture: its equipment, media and local loops, as data.

All figures here are assumptions of ours (a 3 L vessel as sold by many makers), except where a
docstring cites a source. They are constructor arguments of the plant, not constants of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from biogate.kinetics.transfer import StirredTank

_TANK = StirredTank()


@dataclass(frozen=True, slots=True)
class Equipment:
    """The vessel, its drives and instruments. Lags are first-order time constants."""

    tank: StirredTank = _TANK
    kla_per_h: float | None = None
    """Fixed kLa in 1/h; None: from stirrer speed and gas flow."""
    probe_lag_s: float = 35.0
    """Oxygen probe (Anane 2017)."""
    stirrer_lag_s: float = 3.0
    gas_flow_lag_s: float = 1.5
    jacket_lag_s: float = 60.0
    broth_lag_s: float = 300.0
    stirrer_max_rpm: float = 1500.0
    gas_flow_max_l_per_min: float = 10.0
    feed_max_ml_per_h: float = 500.0
    base_max_ml_per_h: float = 500.0
    jacket_low_degc: float = 4.0
    jacket_high_degc: float = 80.0
    gas_pressure_bar: float = 2.0
    gas_temperature_degc: float = 22.0


@dataclass(frozen=True, slots=True)
class Bottle:
    """A bottle on a pump: what is in it and how heavy that is.

    Densities are textbook figures: glucose feed between water and 1.19 kg/L at 500 g/L, sodium
    hydroxide of 5 mol/L 1.17 kg/L.
    """

    volume_l: float
    density_kg_per_l: float
    concentration: float
    """Feed: g glucose per L. Base: mol strong base per L."""


@dataclass(frozen=True, slots=True)
class Start:
    """What the vessel holds, and where the set-points stand, at plant time 0."""

    volume_l: float = 2.0
    density_kg_per_l: float = 1.0
    biomass_g_per_l: float = 1.0
    glucose_g_per_l: float = 5.0
    acetate_g_per_l: float = 0.0129
    dot_percent: float = 98.0
    ph: float = 7.0
    phosphate_mmol_per_l: float = 50.0
    temperature_degc: float = 37.0
    stirrer_rpm: float = 1000.0
    gas_flow_l_per_min: float = 3.0


@dataclass(frozen=True, slots=True)
class FeedProgramme:
    """The reactor controller's own feed: exponential from `start_h`, then held at the highest.

    It runs until somebody writes the feed set-point. A rate of 0 is no feed.
    """

    start_h: float = 3.5
    initial_ml_per_h: float = 5.0
    growth_per_h: float = 0.15
    highest_ml_per_h: float = 12.0

    def rate_ml_per_h(self, time_h: float) -> float:
        """The pump's set-point at plant time `time_h`."""
        if time_h < self.start_h or self.initial_ml_per_h <= 0.0:
            return 0.0
        ceiling = math.log(self.highest_ml_per_h / self.initial_ml_per_h)
        exponent = min(self.growth_per_h * (time_h - self.start_h), ceiling)
        return self.initial_ml_per_h * math.exp(exponent)


@dataclass(frozen=True, slots=True)
class PhLoop:
    """The reactor controller's own pH loop: proportional, base only.

    It runs until somebody writes the base set-point. A gain of 0 is no base.
    """

    target: float = 7.0
    gain_ml_per_h: float = 100.0
    """Base pump rate per pH below the target."""

    def rate_ml_per_h(self, ph: float) -> float:
        """The pump's set-point at this pH."""
        return max(self.gain_ml_per_h * (self.target - ph), 0.0)


EQUIPMENT = Equipment()
START = Start()
FEED = Bottle(volume_l=0.5, density_kg_per_l=1.114, concentration=300.0)
BASE = Bottle(volume_l=0.25, density_kg_per_l=1.17, concentration=5.0)
FEED_PROGRAMME = FeedProgramme()
PH_LOOP = PhLoop()
NO_FEED = FeedProgramme(initial_ml_per_h=0.0)
NO_PH_LOOP = PhLoop(gain_ml_per_h=0.0)
