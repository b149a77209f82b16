"""E. coli with overflow metabolism: the specific rates of Anane et al. 2017.

Source: Anane, López C., Neubauer, Cruz Bournazou, Biochem. Eng. J. 125 (2017) 23-30 ("acetate
cycling"). Parameter set A; a second set with Kap 0.5052 circulates and deviates by 0.03 g/L in
biomass. The model knows no temperature, no pH and no inhibition by anything but acetate.

One guard is ours: every path that uses oxygen (maintenance and acetate too, not only glucose)
is limited by DOT/(DOT + Ko). As published, an unaerated culture goes on taking up oxygen and its
DOT falls without bound; above 10 % DOT the two forms differ by less than 1e-5.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parameters:
    """Anane 2017, Table of parameters. Uptake rates in g/(g h), affinities in g/L, yields in g/g.

    `affinity_oxygen` is in % air saturation; `carbon_*` in g carbon per g.
    """

    qs_max: float = 0.6350
    affinity_glucose: float = 0.0381
    inhibition_by_acetate: float = 1.2602
    pa_max: float = 0.2286
    affinity_overflow: float = 0.5088
    affinity_oxygen: float = 1e-4
    maintenance: float = 0.0133
    yield_biomass_oxidative: float = 0.5321
    yield_oxygen_glucose: float = 1.5722
    yield_acetate_overflow: float = 0.8938
    qa_max: float = 0.1148
    affinity_acetate: float = 0.0128
    inhibition_by_glucose_uptake: float = 1.8383
    yield_oxygen_acetate: float = 0.5221
    yield_biomass_acetate: float = 0.5794
    yield_biomass_overflow: float = 0.2290
    carbon_glucose: float = 0.391
    carbon_biomass: float = 0.488


SET_A = Parameters()


@dataclass(frozen=True, slots=True)
class Rates:
    """Specific rates: growth in 1/h, the others in g per g biomass and hour (uptake positive)."""

    growth: float
    glucose: float
    acetate: float
    oxygen: float


def specific_rates(
    glucose_g_per_l: float,
    acetate_g_per_l: float,
    dot_percent: float,
    p: Parameters = SET_A,
    *,
    activity: float = 1.0,
) -> Rates:
    """The culture's rates at these concentrations; negative ones count as zero.

    `Rates.acetate` is net production (overflow less re-uptake). `activity` (0 to 1) scales the
    uptake capacities, for conditions that the paper does not cover.
    """
    s, a, dot = max(glucose_g_per_l, 0.0), max(acetate_g_per_l, 0.0), max(dot_percent, 0.0)
    aerobic = dot / (dot + p.affinity_oxygen)
    uptake = (
        activity * p.qs_max / (1.0 + a / p.inhibition_by_acetate) * s / (s + p.affinity_glucose)
    )
    overflow = p.pa_max * uptake / (uptake + p.affinity_overflow)
    oxidised = (uptake - overflow) * aerobic
    anabolic = (
        (oxidised - p.maintenance) * p.yield_biomass_oxidative * p.carbon_biomass / p.carbon_glucose
    )
    reuptake = (
        activity
        * p.qa_max
        / (1.0 + uptake / p.inhibition_by_glucose_uptake)
        * a
        / (a + p.affinity_acetate)
        * aerobic
    )
    burnt = (oxidised - anabolic) * p.yield_oxygen_glucose
    return Rates(
        growth=(oxidised - p.maintenance) * p.yield_biomass_oxidative
        + overflow * p.yield_biomass_overflow
        + reuptake * p.yield_biomass_acetate,
        glucose=uptake,
        acetate=overflow * p.yield_acetate_overflow - reuptake,
        oxygen=burnt * aerobic + reuptake * p.yield_oxygen_acetate,
    )
