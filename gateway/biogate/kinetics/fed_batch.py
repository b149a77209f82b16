"""The equations of a fed-batch E. coli fermenter: culture, gas transfer, pH, heat, pumps.

Culture: Anane et al. 2017 (`culture`); around it oxygen transfer (`transfer`), solubility
(`oxygen`), pH (`acidity`), equipment and local loops (`bench`).

Assumed, and not in the paper:
- the oxygen constants of the paper (H = 14 000 % L/g, DOT* = 99 %) hold at 37 °C and follow
  temperature as water does; growth does not follow temperature (the model knows none);
- uptake stops outside about pH 4.8 to 9.3 by 1 / (1 + (H/K1)² + (K2/H)²), at pH 7 a loss of 1e-4;
- cells take up 9.8 mmol ammonium per g biomass (C:N of CH1.77O0.49N0.24 with 0.488 gC/g), each
  leaving one proton, and give none back when they starve; acetate acts as a weak acid; base adds
  one strong cation per mol;
- broth follows the jacket with one time constant, and the jacket's own controller compensates
  the metabolic heat of 460 kJ per mol oxygen;
- no evaporation, no sampling, no mass exchanged with the gas: the vessel gains what the bottles
  lose; a line runs dry over the bottle's last 0.2 ml.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from biogate.kinetics.acidity import Buffer
from biogate.kinetics.bench import Bottle, Equipment, FeedProgramme, PhLoop, Start
from biogate.kinetics.culture import Parameters, Rates, specific_rates
from biogate.kinetics.oxygen import relative_oxygen

_DOT_PER_OXYGEN = 14_000.0
_DOT_SATURATION = 99.0
_REFERENCE_DEGC = 37.0
_AMMONIUM_MMOL_PER_G = 9.8
_HEAT_KJ_PER_MOL = 460.0
_OXYGEN_G_PER_MOL = 32.0
_BROTH_KJ_PER_L_K = 4.18
_DRY_LINE_L = 0.0002
_ACID_LIMIT_PH = 4.8
_ALKALINE_LIMIT_PH = 9.3


class Broth(NamedTuple):
    """The model's state: concentrations in g/L, DOT in % air saturation, strong ions in mmol/L.

    `probe` is what the oxygen probe shows of `dot`; `fed_l` and `base_l` are pumped in since the
    start; the rest is the actual stirrer speed (rpm), gas flow (L/min) and temperatures (°C).
    """

    biomass: float
    glucose: float
    acetate: float
    dot: float
    probe: float
    strong_ions: float
    fed_l: float
    base_l: float
    stirrer: float
    gas_flow: float
    jacket: float
    temperature: float


TOLERANCES = Broth(1e-7, 1e-7, 1e-8, 1e-6, 1e-6, 1e-6, 1e-9, 1e-9, 1e-4, 1e-7, 1e-6, 1e-6)
"""Absolute error that an integration may make in each state."""


@dataclass(slots=True)
class Setpoints:
    """What the drives are asked to do. A pump on None runs by the controller's own loop."""

    stirrer_rpm: float
    temperature_degc: float
    gas_flow_l_per_min: float
    feed_ml_per_h: float | None = None
    base_ml_per_h: float | None = None


@dataclass(frozen=True, slots=True)
class FedBatch:
    """The fermenter's right-hand side and algebraic outputs. Time in hours, volumes in litres."""

    start: Start
    equipment: Equipment
    feed: Bottle
    base: Bottle
    feed_programme: FeedProgramme
    ph_loop: PhLoop
    parameters: Parameters

    def initial(self) -> Broth:
        """The state at plant time 0."""
        start = self.start
        buffer = Buffer(start.phosphate_mmol_per_l, start.acetate_g_per_l)
        return Broth(
            biomass=start.biomass_g_per_l,
            glucose=start.glucose_g_per_l,
            acetate=start.acetate_g_per_l,
            dot=start.dot_percent,
            probe=start.dot_percent,
            strong_ions=buffer.anions(start.ph),
            fed_l=0.0,
            base_l=0.0,
            stirrer=start.stirrer_rpm,
            gas_flow=start.gas_flow_l_per_min,
            jacket=start.temperature_degc,
            temperature=start.temperature_degc,
        )

    def derivatives(self, time_h: float, broth: Broth, setpoints: Setpoints) -> list[float]:
        """Rates of change of all states, per hour, in the order of `Broth`."""
        ph = self.ph(broth)
        rates = specific_rates(
            broth.glucose, broth.acetate, broth.dot, self.parameters, activity=_activity(ph)
        )
        volume = self.volume_l(broth)
        feed = self.feed_l_per_h(time_h, broth, setpoints)
        base = self.base_l_per_h(ph, broth, setpoints)
        dilution = (feed + base) / volume
        biomass = max(broth.biomass, 0.0)
        protons = _AMMONIUM_MMOL_PER_G * max(rates.growth, 0.0) * biomass
        cations = 1000.0 * self.base.concentration * base / volume
        return [
            (rates.growth - dilution) * biomass,
            self.feed.concentration * feed / volume
            - dilution * broth.glucose
            - rates.glucose * biomass,
            rates.acetate * biomass - dilution * broth.acetate,
            *self._oxygen(broth, volume, rates.oxygen * biomass),
            cations - protons - dilution * broth.strong_ions,
            feed,
            base,
            *self._drives(broth, setpoints),
            *self._heat(broth, setpoints, rates, biomass),
        ]

    def volume_l(self, broth: Broth) -> float:
        """Liquid volume of the vessel."""
        return self.start.volume_l + broth.fed_l + broth.base_l

    def vessel_weight_kg(self, broth: Broth) -> float:
        """Weight of the vessel's content."""
        fed = self.feed.density_kg_per_l * broth.fed_l + self.base.density_kg_per_l * broth.base_l
        return self.start.density_kg_per_l * self.start.volume_l + fed

    def feed_weight_kg(self, broth: Broth) -> float:
        """Weight of the feed bottle's content."""
        return self.feed.density_kg_per_l * max(self.feed.volume_l - broth.fed_l, 0.0)

    def ph(self, broth: Broth) -> float:
        """pH of the broth."""
        phosphate = self.start.phosphate_mmol_per_l * self.start.volume_l / self.volume_l(broth)
        return Buffer(phosphate, broth.acetate).ph(broth.strong_ions)

    def feed_demand_ml_per_h(self, time_h: float, setpoints: Setpoints) -> float:
        """The feed pump's set-point: the written one, else the feed programme's."""
        if setpoints.feed_ml_per_h is None:
            return self.feed_programme.rate_ml_per_h(time_h)
        return setpoints.feed_ml_per_h

    def base_demand_ml_per_h(self, ph: float, setpoints: Setpoints) -> float:
        """The base pump's set-point: the written one, else the pH loop's."""
        if setpoints.base_ml_per_h is None:
            return self.ph_loop.rate_ml_per_h(ph)
        return setpoints.base_ml_per_h

    def feed_l_per_h(self, time_h: float, broth: Broth, setpoints: Setpoints) -> float:
        """What the feed pump delivers, within its range and while the bottle holds anything."""
        demand = _within(
            self.feed_demand_ml_per_h(time_h, setpoints), 0.0, self.equipment.feed_max_ml_per_h
        )
        return demand / 1000.0 * _wet(self.feed.volume_l - broth.fed_l)

    def base_l_per_h(self, ph: float, broth: Broth, setpoints: Setpoints) -> float:
        """What the base pump delivers, within its range and while the bottle holds anything."""
        demand = _within(
            self.base_demand_ml_per_h(ph, setpoints), 0.0, self.equipment.base_max_ml_per_h
        )
        return demand / 1000.0 * _wet(self.base.volume_l - broth.base_l)

    def _oxygen(self, broth: Broth, volume: float, uptake_g_per_l_h: float) -> tuple[float, float]:
        equipment = self.equipment
        pressure, concentration = relative_oxygen(broth.temperature, _REFERENCE_DEGC)
        kla = equipment.kla_per_h
        if kla is None:
            kla = equipment.tank.kla_per_h(broth.stirrer, broth.gas_flow, volume)
        dot = kla * (_DOT_SATURATION * pressure - broth.dot)
        dot -= _DOT_PER_OXYGEN / concentration * uptake_g_per_l_h
        return dot, (broth.dot - broth.probe) * 3600.0 / equipment.probe_lag_s

    def _drives(self, broth: Broth, setpoints: Setpoints) -> tuple[float, float]:
        equipment = self.equipment
        stirrer = _within(setpoints.stirrer_rpm, 0.0, equipment.stirrer_max_rpm)
        gas = _within(setpoints.gas_flow_l_per_min, 0.0, equipment.gas_flow_max_l_per_min)
        return (
            (stirrer - broth.stirrer) * 3600.0 / equipment.stirrer_lag_s,
            (gas - broth.gas_flow) * 3600.0 / equipment.gas_flow_lag_s,
        )

    def _heat(
        self, broth: Broth, setpoints: Setpoints, rates: Rates, biomass: float
    ) -> tuple[float, float]:
        equipment = self.equipment
        oxygen_mol_per_l_h = rates.oxygen * biomass / _OXYGEN_G_PER_MOL
        heating = _HEAT_KJ_PER_MOL * oxygen_mol_per_l_h / _BROTH_KJ_PER_L_K
        demand = setpoints.temperature_degc - heating * equipment.broth_lag_s / 3600.0
        demand = _within(demand, equipment.jacket_low_degc, equipment.jacket_high_degc)
        return (
            (demand - broth.jacket) * 3600.0 / equipment.jacket_lag_s,
            (broth.jacket - broth.temperature) * 3600.0 / equipment.broth_lag_s + heating,
        )


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _wet(left_l: float) -> float:
    """1 while the bottle holds liquid, falling to 0 over its last drops."""
    return _within(left_l / _DRY_LINE_L, 0.0, 1.0)


def _activity(ph: float) -> float:
    """What a pH far from neutral leaves of the cells' uptake, 0 to 1."""
    acid, alkaline = 10.0 ** (_ACID_LIMIT_PH - ph), 10.0 ** (ph - _ALKALINE_LIMIT_PH)
    return float(1.0 / (1.0 + acid**2 + alkaline**2))
