"""A recorded run that plays the plant, and what is said of a recording that is not one."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from biogate.sim.mfcs import RecordingError
from biogate.sim.replay import RecordedPlant
from biogate_adapters.plant import QUANTITIES, Plant

MINUTE = 60.0
HEADER = "PDatTime;Age;pH\n;;Value\n;(h);(pH)"
Write = Callable[[Sequence[str], str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes rows below a header as a recording."""

    def _write(rows: Sequence[str], header: str = HEADER) -> Path:
        text = "\n".join((header, *rows)) + "\n"
        (tmp_path / "online.CSV").write_text(text, encoding="latin-1")
        return tmp_path

    return _write


def problems(folder: Path) -> list[str]:
    with pytest.raises(RecordingError) as caught:
        RecordedPlant(folder)
    prefix = str(folder / "online.CSV")
    found = [str(problem) for problem in caught.value.problems]
    assert all(problem.startswith(prefix + ":") for problem in found)
    return [problem.removeprefix(prefix + ":") for problem in found]


def test_rows_are_shown_at_their_time_and_interpolated_in_between(recording: Path) -> None:
    plant: Plant = RecordedPlant(recording)
    assert plant.time_s == 0.0
    assert plant.read("ph") == 7.0
    plant.advance(3 * MINUTE)
    assert plant.read("ph") == pytest.approx(6.95)
    assert plant.read("do_percent_sat") == pytest.approx(85.0)
    assert plant.read("temperature_degc") == pytest.approx(30.25)
    plant.advance(12 * MINUTE)
    assert plant.read("do_percent_sat") == 70.5
    assert plant.read("gas_flow_l_per_min") == 0.6
    assert plant.read("stirrer_speed_rpm") == 720.0


def test_only_what_was_recorded_is_among_the_quantities(recording: Path) -> None:
    plant = RecordedPlant(recording)
    assert plant.quantities() == {
        "ph",
        "temperature_degc",
        "do_percent_sat",
        "jacket_temperature_degc",
        "stirrer_speed_rpm",
        "gas_flow_l_per_min",
        "base_rate_ml_per_h",
        "feed_rate_ml_per_h",
    }
    assert plant.quantities() < QUANTITIES.keys()
    with pytest.raises(KeyError):
        plant.read("vessel_weight_kg")


def test_the_past_has_no_actuators(recording: Path) -> None:
    plant = RecordedPlant(recording)
    assert plant.actuators() == frozenset()
    with pytest.raises(KeyError, match="no actuator"):
        plant.write("stirrer_speed_setpoint_rpm", 500.0)


def test_pump_counters_become_rates(recording: Path) -> None:
    plant = RecordedPlant(recording)
    plant.advance(1 * MINUTE)
    assert plant.read("base_rate_ml_per_h") == pytest.approx(10.0)  # 1 ml in 0.1 h
    plant.advance(7 * MINUTE)
    assert plant.read("base_rate_ml_per_h") == 0.0
    assert plant.read("feed_rate_ml_per_h") == pytest.approx(25.0)


def test_an_empty_cell_has_no_value_on_both_sides(recording: Path) -> None:
    plant = RecordedPlant(recording)
    plant.advance(12 * MINUTE)
    assert plant.read("temperature_degc") == 31.0
    for minutes in (12.1, 18.0, 23.9):
        plant.advance(minutes * MINUTE)
        assert math.isnan(plant.read("temperature_degc"))
        assert math.isfinite(plant.read("ph"))
    plant.advance(24 * MINUTE)
    assert plant.read("temperature_degc") == 31.0


def test_nothing_is_known_after_the_last_row(recording: Path) -> None:
    plant = RecordedPlant(recording)
    plant.advance(plant.end_s)
    assert plant.read("ph") == 6.9
    plant.advance(plant.end_s + 1.0)
    assert all(math.isnan(plant.read(quantity)) for quantity in plant.quantities())


def test_recorded_time_never_runs_backwards(recording: Path) -> None:
    plant = RecordedPlant(recording)
    plant.advance(10.0)
    for moment in (9.0, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"from 10\.0 s onwards"):
            plant.advance(moment)


def test_columns_may_be_missing_or_in_any_order(write: Write) -> None:
    header = "pO2;Age;EXTRA\nValue;;Value\n(%sat);(h);(x)"
    plant = RecordedPlant(write(["50,5;1,0;-", "60,5;2,0;-"], header))
    assert plant.quantities() == {"do_percent_sat"}
    assert plant.time_s == 3600.0
    plant.advance(5400.0)
    assert plant.read("do_percent_sat") == pytest.approx(55.5)


def test_a_missing_export_is_told_with_what_was_expected(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path)
    assert "cannot be read (No such file or directory)" in problem
    assert "a folder with an MFCS export named online.CSV" in problem


def test_every_mistake_is_told_at_its_place(write: Write) -> None:
    rows = ["x;0;7,0", "x;0,1;7.1", "x;0,1;7,2", "x;0,2;7,3;9", "x;;7,4", "x;1E999;-"]
    assert problems(write(rows, HEADER)) == [
        "5:7: pH: '7.1' is no number; numbers have a decimal comma",
        "6:3: Age must rise from row to row; before: 0.1 h",
        "7:1: 4 cells; expected 3 cells, one per name",
        "8:3: Age: '' is no number",
        "9:3: Age: '1E999' is no number",
        "9:9: pH: '-' is no number",
    ]


def test_many_mistakes_do_not_flood(write: Write) -> None:
    folder = write([f"x;{row};oops" for row in range(40)], HEADER)
    with pytest.raises(RecordingError) as caught:
        RecordedPlant(folder)
    assert len(caught.value.problems) == 40
    assert str(caught.value).count("\n") == 10
    assert str(caught.value).endswith("and 30 more")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "2:1: expected lines of names, kinds and units"),
        ("Time;pH\n;Value\n;(pH)", "1:1: no column named Age (hours since the start of the run)"),
        ("Age;X\n;Value\n(h);(pH)", "1:1: no column that can be replayed; known: TEMP, JTEMP"),
        ("Age;TEMP\n;Value\n(h);(K)", "3:5: TEMP must be in (°C), not (K)"),
        ("Age;TEMP\n;Value\n(h)", "3:5: TEMP must be in (°C), not nothing"),
        ("Age;pH;pH\n;;\n(h);(pH);(pH)", "1:8: a second column named pH"),
    ],
)
def test_a_header_that_is_none_is_told(write: Write, header: str, expected: str) -> None:
    assert problems(write([], header))[0].startswith(expected)


def test_a_recording_of_one_row_is_too_short(write: Write) -> None:
    assert problems(write(["x;0;7,0"], HEADER)) == [
        "5:1: the recording ends here; it needs two rows or more"
    ]


def test_the_real_fermentation_is_read_row_by_row(real_recording: Path) -> None:
    """Oracle: the csv module on the same file, cell by cell."""
    with (real_recording / "online.CSV").open(encoding="latin-1", newline="") as file:
        names, _, _, *rows = csv.reader(file, delimiter=";")
    plant = RecordedPlant(real_recording)
    columns = {"ph": "pH", "do_percent_sat": "pO2", "gas_flow_l_per_min": "AIRSP"}
    for row in rows[:-1]:
        cells = dict(zip(names, row, strict=True))
        plant.advance(float(cells["Age"].replace(",", ".")) * 3600.0)
        for quantity, name in columns.items():
            assert plant.read(quantity) == float(cells[name].replace(",", "."))
    assert len(rows) == 313
    assert plant.read("ph") == 5.16952538071066
