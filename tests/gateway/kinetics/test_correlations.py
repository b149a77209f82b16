"""Oxygen transfer, solubility, pH and the culture's rates against figures from their sources."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biogate.kinetics.acidity import Buffer
from biogate.kinetics.culture import specific_rates
from biogate.kinetics.oxygen import relative_oxygen, solubility_mg_per_l, water_vapour_pa
from biogate.kinetics.transfer import StirredTank, van_t_riet_kla_per_h


# Van't Riet 1979, coalescing liquids.
@pytest.mark.parametrize(
    ("power", "velocity", "kla"),
    [(1000, 0.01, 148.34600), (500, 0.005, 79.496655), (3000, 0.02, 325.56623)],
)
def test_kla_is_van_t_riets(power: float, velocity: float, kla: float) -> None:
    assert van_t_riet_kla_per_h(power, velocity) == pytest.approx(kla, rel=1e-6)


# USGS DOTABLES (Benson-Krause) and Antoine.
@pytest.mark.parametrize(
    ("degc", "oxygen_mg_per_l", "vapour_pa"),
    [
        (20, 9.092426, 2329.57),
        (25, 8.263457, 3157.92),
        (30, 7.558796, 4231.66),
        (37, 6.726993, 6259.91),
    ],
)
def test_oxygen_dissolves_as_benson_and_krause_say(
    degc: float, oxygen_mg_per_l: float, vapour_pa: float
) -> None:
    assert solubility_mg_per_l(degc) == pytest.approx(oxygen_mg_per_l, rel=1e-6)
    assert water_vapour_pa(degc) == pytest.approx(vapour_pa, rel=1e-5)


def test_colder_broth_holds_more_oxygen_at_one_reading() -> None:
    assert relative_oxygen(37.0, 37.0) == (1.0, 1.0)
    pressure, concentration = relative_oxygen(30.0, 37.0)
    assert pressure == pytest.approx((101_325 - 4231.66) / (101_325 - 6259.91), rel=1e-5)
    assert pressure * concentration == pytest.approx(7.558796 / 6.726993, rel=1e-6)


def test_the_vessel_reaches_the_kla_of_the_paper_within_the_correlations_validity() -> None:
    tank = StirredTank()
    assert tank.kla_per_h(1000.0, 4.0, 2.0) == pytest.approx(220.0, rel=0.1)
    assert 500 < tank.gassed_power_w(1000.0, 4.0) / 0.002 < 10_000


def test_michel_and_miller_give_the_gassed_power() -> None:
    ungassed = 2 * 5 * 1000 * 10**3 * 0.06**5
    expected = 0.706 * (ungassed**2 * 10 * 0.06**3 / (2 / 60_000) ** 0.56) ** 0.45
    assert StirredTank().gassed_power_w(600.0, 2.0) == pytest.approx(expected)
    assert expected < ungassed == pytest.approx(StirredTank().gassed_power_w(600.0, 0.0))


@pytest.mark.parametrize(("speed", "gas"), [(0.0, 2.0), (800.0, 0.0), (-1.0, 2.0), (800.0, -1.0)])
def test_nothing_is_transferred_without_stirring_or_gas(speed: float, gas: float) -> None:
    assert StirredTank().kla_per_h(speed, gas, 2.0) == 0.0


@given(st.floats(1.0, 13.0), st.floats(1.0, 500.0), st.floats(0.0, 20.0))
def test_ph_and_strong_ions_are_inverse(ph: float, phosphate: float, acetate: float) -> None:
    buffer = Buffer(phosphate, acetate)
    assert buffer.ph(buffer.anions(ph)) == pytest.approx(ph, abs=1e-6)


def test_the_buffer_is_strongest_at_its_pk() -> None:
    buffer = Buffer(50.0)
    # 2.303 C/4 mmol/(L pH) at pH = pK (Van Slyke)
    slope = (buffer.anions(6.81) - buffer.anions(6.79)) / 0.02
    assert slope == pytest.approx(2.302585 * 50.0 / 4, rel=1e-3)


def test_acetic_acid_lowers_the_ph() -> None:
    strong_ions = Buffer(50.0).anions(7.0)
    # 0.6005 g/L are 10 mmol/L, all ionised at pH 7: as 10 mmol/L of a strong acid
    with_acetate = Buffer(50.0, 0.6005).ph(strong_ions)
    assert with_acetate == pytest.approx(Buffer(50.0).ph(strong_ions - 10.0), abs=0.01)


def test_the_unlimited_rates_follow_from_parameter_set_a() -> None:
    rates = specific_rates(1000.0, 0.0, 90.0)
    assert rates.glucose == pytest.approx(0.6350, rel=1e-4)
    overflow = 0.2286 * 0.6350 / (0.6350 + 0.5088)
    assert rates.acetate == pytest.approx(overflow * 0.8938, rel=1e-3)
    oxidised = 0.6350 - overflow
    assert rates.growth == pytest.approx((oxidised - 0.0133) * 0.5321 + overflow * 0.2290, rel=1e-3)
    anabolic = (oxidised - 0.0133) * 0.5321 * 0.488 / 0.391
    assert rates.oxygen == pytest.approx((oxidised - anabolic) * 1.5722, rel=1e-3)


def test_a_starved_culture_eats_its_acetate_then_decays() -> None:
    assert specific_rates(0.0, 0.5, 90.0).acetate < 0.0 < specific_rates(0.0, 0.5, 90.0).growth
    assert specific_rates(0.0, 0.0, 90.0).growth == pytest.approx(-0.0133 * 0.5321)


def test_no_oxygen_is_taken_up_where_there_is_none() -> None:
    assert specific_rates(1.0, 0.5, 0.0).oxygen == 0.0
    assert specific_rates(1.0, 0.5, -0.1).oxygen == 0.0


def test_activity_scales_all_uptake() -> None:
    assert specific_rates(1.0, 0.1, 90.0, activity=0.5).glucose == pytest.approx(
        specific_rates(1.0, 0.1, 90.0).glucose / 2
    )
    assert specific_rates(1.0, 0.1, 90.0, activity=0.0).acetate == 0.0
