"""The plant's clock and its line (docs/architecture.md, decision 9)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biogate.sim.clock import ProcessClock
from biogate_adapters import filetime

START = filetime.from_datetime(datetime(2026, 11, 24, 20, 26, 1, 250_000, tzinfo=UTC))
SECOND = filetime.TICKS_PER_SECOND


class Wall:
    """A wall clock that tests set."""

    def __init__(self) -> None:
        self.ticks = START

    def now(self) -> int:
        return self.ticks


def test_plant_time_runs_at_the_rate_from_its_start() -> None:
    wall = Wall()
    clock = ProcessClock(START, 100.0, 60.0, wall_now=wall.now)
    assert clock.now_s() == 100.0
    wall.ticks += 2 * SECOND
    assert clock.now_s() == 220.0


def test_plant_time_stands_still_while_the_wall_clock_is_set_back() -> None:
    wall = Wall()
    clock = ProcessClock(START, 0.0, 10.0, wall_now=wall.now)
    wall.ticks += 5 * SECOND
    assert clock.now_s() == 50.0
    wall.ticks -= 3 * SECOND
    assert clock.now_s() == 50.0
    wall.ticks += 4 * SECOND
    assert clock.now_s() == 60.0


def test_the_line_is_what_the_simulator_promises() -> None:
    line = ProcessClock(START + 7, 0.0, 60.0).line()
    assert line == "clock wall_start=2026-11-24T20:26:01.250000Z plant_start_s=0.0 rate=60.0"


@given(
    st.integers(filetime.UNIX_EPOCH_TICKS, filetime.UNIX_EPOCH_TICKS + 4_000_000_000 * SECOND),
    st.floats(0.0, 1e9),
    st.floats(1e-3, 1e4),
)
def test_the_line_carries_the_whole_clock(wall_start: int, plant_start: float, rate: float) -> None:
    clock = ProcessClock(wall_start, plant_start, rate)
    copy = ProcessClock.parse(clock.line() + "\n")
    assert (copy.wall_start, copy.plant_start_s, copy.rate) == (
        clock.wall_start,
        plant_start,
        rate,
    )
    assert wall_start - clock.wall_start in range(10)


@given(st.floats(0.0, 1e7), st.floats(0.1, 3600.0))
def test_both_directions_of_the_mapping_agree(plant_s: float, rate: float) -> None:
    clock = ProcessClock(START, 50.0, rate)
    assert clock.plant_time_s(clock.wall_ticks(plant_s)) == pytest.approx(
        plant_s, abs=rate * 1e-7 + 1e-9 * plant_s
    )


@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf"), float("nan")])
def test_a_rate_must_be_positive(rate: float) -> None:
    with pytest.raises(ValueError, match="a rate above 0"):
        ProcessClock(START, rate=rate)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ready",
        "clock wall_start=2026-11-24T20:26:01.250000 plant_start_s=0.0 rate=60.0",
        "clock wall_start=2026-11-24T20:26:01.250000Z plant_start_s=0.0 rate=fast",
        "clock wall_start=2026-11-24T20:26:01.250000Z plant_start_s=0.0",
    ],
)
def test_another_line_is_no_clock(line: str) -> None:
    with pytest.raises(ValueError, match="no clock line"):
        ProcessClock.parse(line)


def test_a_line_with_an_impossible_rate_or_date_is_refused() -> None:
    with pytest.raises(ValueError, match="rate above 0"):
        ProcessClock.parse("clock wall_start=2026-11-24T20:26:01.250000Z plant_start_s=0.0 rate=0")
    with pytest.raises(ValueError, match="month"):
        ProcessClock.parse("clock wall_start=2026-13-24T20:26:01.250000Z plant_start_s=0.0 rate=1")
