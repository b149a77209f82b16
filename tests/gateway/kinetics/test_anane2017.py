"""The fed-batch plant against the authors' own trajectory, and its books."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.kinetics.anane2017 import FedBatchPlant
from biogate.kinetics.bench import BASE, FEED, NO_FEED, NO_PH_LOOP, START, Start
from biogate_adapters.plant import QUANTITIES, Plant

HOUR = 3600.0

# Anane 2017, output of the authors' MATLAB implementation: t h, X, S, A g/L, DOT %, DOTm %.
REFERENCE = (
    (4.0, 0.60386, 4.10758, 0.075016, 87.443, 87.478),
    (6.0, 1.12391, 3.13282, 0.127934, 78.108, 78.166),
    (8.0, 2.04081, 1.43518, 0.202594, 63.052, 63.140),
    (9.25, 2.83337, 0.005767, 0.232357, 81.964, 80.414),
)


@pytest.mark.parametrize(("hours", "biomass", "glucose", "acetate", "dot", "probe"), REFERENCE)
def test_the_batch_follows_the_authors_trajectory(
    reference_batch: FedBatchPlant,
    hours: float,
    biomass: float,
    glucose: float,
    acetate: float,
    dot: float,
    probe: float,
) -> None:
    reference_batch.advance(hours * HOUR)
    broth = reference_batch.broth
    assert broth.biomass == pytest.approx(biomass, abs=0.007)
    assert broth.glucose == pytest.approx(glucose, abs=0.012)
    assert broth.acetate == pytest.approx(acetate, abs=0.003)
    assert broth.dot == pytest.approx(dot, abs=1.5)
    assert reference_batch.read("do_percent_sat") == pytest.approx(probe, abs=1.5)


def test_it_plays_every_quantity_and_actuator_of_the_plant_protocol(plant: FedBatchPlant) -> None:
    fermenter: Plant = plant
    assert fermenter.quantities() == QUANTITIES.keys()
    setpoints = {name for name, meaning in QUANTITIES.items() if meaning.startswith("actuator")}
    assert fermenter.actuators() == setpoints


def test_the_trajectory_does_not_depend_on_how_often_it_is_asked() -> None:
    seldom, often = FedBatchPlant(), FedBatchPlant()
    for step in range(1, 2001):
        often.advance(step * 10.0)
    seldom.advance(20_000.0)
    assert often.broth == seldom.broth


def test_everything_stays_finite_and_physical_until_long_after_the_bottles_are_empty(
    plant: FedBatchPlant,
) -> None:
    for hours in range(1, 121):
        plant.advance(hours * HOUR)
        values = {name: plant.read(name) for name in plant.quantities()}
        assert all(math.isfinite(value) for value in values.values()), values
        assert 0.0 <= values["do_percent_sat"] < 100.0
        assert 4.0 < values["ph"] < 9.0
        assert 36.5 < values["temperature_degc"] < 37.5
    assert values["feed_bottle_weight_kg"] == pytest.approx(0.0, abs=1e-3)
    assert values["feed_rate_ml_per_h"] == pytest.approx(0.0, abs=1e-3)
    assert plant.broth.biomass > 15.0


def test_the_vessel_gains_what_the_feed_bottle_loses() -> None:
    plant = FedBatchPlant(ph_loop=NO_PH_LOOP, feed_programme=NO_FEED)
    plant.write("feed_rate_setpoint_ml_per_h", 20.0)
    vessel, bottle = plant.read("vessel_weight_kg"), plant.read("feed_bottle_weight_kg")
    plant.advance(5 * HOUR)
    lost = bottle - plant.read("feed_bottle_weight_kg")
    assert plant.read("vessel_weight_kg") - vessel == pytest.approx(lost, abs=1e-12)
    assert lost == pytest.approx(5 * 0.020 * FEED.density_kg_per_l, rel=1e-6)


def test_all_glucose_is_accounted_for_while_nothing_grows() -> None:
    sterile = Start(biomass_g_per_l=0.0)
    plant = FedBatchPlant(start=sterile, ph_loop=NO_PH_LOOP, feed_programme=NO_FEED)
    plant.write("feed_rate_setpoint_ml_per_h", 30.0)
    plant.advance(4 * HOUR)
    volume = START.volume_l + 0.120
    expected = (START.glucose_g_per_l * START.volume_l + 0.120 * FEED.concentration) / volume
    assert plant.broth.glucose == pytest.approx(expected, rel=1e-6)
    assert plant.read("do_percent_sat") == pytest.approx(99.0, abs=0.01)


def test_growth_acidifies_the_broth_and_the_base_pump_holds_it() -> None:
    drifting = FedBatchPlant(ph_loop=NO_PH_LOOP)
    held = FedBatchPlant()
    for plant in (drifting, held):
        plant.advance(3 * HOUR)
    assert drifting.read("ph") < 6.7
    assert held.read("ph") == pytest.approx(7.0, abs=0.05)
    assert held.read("base_rate_ml_per_h") > 0.0
    gained = held.read("vessel_weight_kg") - drifting.read("vessel_weight_kg")
    assert gained == pytest.approx(held.broth.base_l * BASE.density_kg_per_l, abs=1e-9)


def test_a_fast_stirrer_and_more_gas_bring_more_oxygen() -> None:
    readings = {}
    for speed, gas in ((700.0, 2.0), (1200.0, 2.0), (1200.0, 5.0)):
        plant = FedBatchPlant()
        plant.write("stirrer_speed_setpoint_rpm", speed)
        plant.write("gas_flow_setpoint_l_per_min", gas)
        plant.advance(2 * HOUR)
        readings[speed, gas] = plant.read("do_percent_sat")
    assert readings[700.0, 2.0] + 5 < readings[1200.0, 2.0] < readings[1200.0, 5.0] - 2


def test_an_unaerated_culture_runs_out_of_oxygen_and_recovers(plant: FedBatchPlant) -> None:
    plant.write("gas_flow_setpoint_l_per_min", 0.0)
    plant.advance(HOUR)
    assert plant.read("do_percent_sat") == pytest.approx(0.0, abs=0.01)
    assert plant.broth.dot > -0.01
    plant.write("gas_flow_setpoint_l_per_min", 4.0)
    plant.advance(1.1 * HOUR)
    assert plant.read("do_percent_sat") > 50.0


def test_the_oxygen_probe_lags_by_35_s(plant: FedBatchPlant) -> None:
    plant.advance(HOUR)
    plant.write("stirrer_speed_setpoint_rpm", 1500.0)
    before = plant.read("do_percent_sat")
    plant.advance(HOUR + 40.0)
    assert before < plant.read("do_percent_sat") < plant.broth.dot - 1.0


def test_the_stirrer_reaches_a_new_setpoint_with_its_lag(plant: FedBatchPlant) -> None:
    plant.advance(100.0)
    plant.write("stirrer_speed_setpoint_rpm", 500.0)
    assert plant.read("stirrer_speed_rpm") == pytest.approx(1000.0)
    assert plant.read("stirrer_speed_setpoint_rpm") == 500.0
    plant.advance(103.0)
    assert plant.read("stirrer_speed_rpm") == pytest.approx(500 + 500 / math.e, abs=0.1)
    plant.advance(160.0)
    assert plant.read("stirrer_speed_rpm") == pytest.approx(500.0, abs=0.01)


def test_the_broth_follows_the_temperature_setpoint_through_the_jacket(
    plant: FedBatchPlant,
) -> None:
    plant.write("temperature_setpoint_degc", 30.0)
    plant.advance(120.0)
    assert plant.read("jacket_temperature_degc") < plant.read("temperature_degc") - 2.0
    plant.advance(HOUR)
    assert plant.read("temperature_degc") == pytest.approx(30.0, abs=0.05)
    assert plant.read("jacket_temperature_degc") < 30.0, "the jacket carries the metabolic heat off"


def test_drives_stop_at_their_limits_whatever_is_written(plant: FedBatchPlant) -> None:
    plant.write("stirrer_speed_setpoint_rpm", 1e6)
    plant.write("feed_rate_setpoint_ml_per_h", -5.0)
    plant.advance(HOUR)
    assert plant.read("stirrer_speed_rpm") == pytest.approx(1500.0)
    assert plant.read("feed_rate_ml_per_h") == 0.0


def test_a_written_feed_takes_over_from_the_programme(plant: FedBatchPlant) -> None:
    plant.advance(5 * HOUR)
    programme = plant.read("feed_rate_ml_per_h")
    assert programme == pytest.approx(5.0 * math.exp(0.15 * 1.5), rel=1e-9)
    plant.write("feed_rate_setpoint_ml_per_h", 2.5)
    plant.advance(6 * HOUR)
    assert plant.read("feed_rate_ml_per_h") == plant.read("feed_rate_setpoint_ml_per_h") == 2.5


def test_the_feed_begins_at_its_moment_and_not_before(plant: FedBatchPlant) -> None:
    plant.advance(3.5 * HOUR - 1.0)
    assert plant.read("feed_rate_ml_per_h") == 0.0
    assert plant.broth.fed_l == 0.0
    plant.advance(3.5 * HOUR + 36.0)
    assert plant.broth.fed_l * 1000 == pytest.approx(0.05, rel=0.01)


def test_time_never_runs_backwards(plant: FedBatchPlant) -> None:
    plant.advance(10.0)
    plant.advance(10.0)
    for moment in (9.0, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"from 10\.0 s onwards"):
            plant.advance(moment)
    assert plant.time_s == 10.0


def test_unknown_names_and_numbers_that_are_none_are_refused(plant: FedBatchPlant) -> None:
    with pytest.raises(KeyError):
        plant.read("biomass")
    with pytest.raises(KeyError):
        plant.write("ph", 7.0)
    with pytest.raises(ValueError, match="stirrer_speed_setpoint_rpm must be a finite number"):
        plant.write("stirrer_speed_setpoint_rpm", math.nan)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(FedBatchPlant().actuators())),
            st.floats(min_value=-10.0, max_value=3000.0),
            st.floats(min_value=0.0, max_value=2 * HOUR),
        ),
        max_size=12,
    )
)
def test_no_sequence_of_writes_breaks_the_plant(writes: list[tuple[str, float, float]]) -> None:
    plant = FedBatchPlant()
    total = plant.read("vessel_weight_kg") + plant.read("feed_bottle_weight_kg")
    for actuator, value, pause_s in writes:
        plant.write(actuator, value)
        plant.advance(plant.time_s + pause_s)
        assert all(math.isfinite(plant.read(name)) for name in plant.quantities())
    base = plant.broth.base_l * BASE.density_kg_per_l
    after = plant.read("vessel_weight_kg") + plant.read("feed_bottle_weight_kg")
    assert after == pytest.approx(total + base, abs=1e-5)
    assert 0.0 <= plant.broth.base_l <= BASE.volume_l + 1e-5
