"""A recorded run, played by simulated devices through their protocols, as an OPC UA client sees it.

The client's values are compared with the recording at the plant time of their SourceTimestamp, by
the clock line that the simulators print. The recording is read here with the csv module, not with
the code that plays it.
"""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from asyncua import ua
from e2e.driving import Start
from e2e.sites import POLL_INTERVAL_S, addresses_of, endpoint_of, write_site
from e2e.watching import Watch, watching
from numpy.typing import NDArray

from biogate_adapters import status

PROJECT = Path(__file__).parents[2]
RECORDINGS = {
    "synthetic": Path(__file__).parent / "recording",
    "F4": PROJECT.parent / "shared" / "data" / "yeast-mfcs" / "F4",
}
# Plant seconds per second: two hours in 20 s, and 26 hours in 26 s.
SPEEDS = {"synthetic": 360.0, "F4": 3600.0}

# The devices read the plant when a request comes, and the gateway stamps a value when it has the
# answer: milliseconds later on loopback, more on a machine that has other things to do.
LONGEST_WAY_S = 0.05
ON_TIME = 0.95
SHIFT_S = 300.0


@dataclass(frozen=True)
class Recorded:
    """What a tag must show: a column, and the error that the device's number format brings."""

    column: str
    resolution: float


SIGNALS = {
    "AE101.ph": Recorded("pH", 1e-6),  # float32 below 8: half a step is 2.4e-7
    "AE102.do": Recorded("pO2", 1e-5),  # float32 below 128: 3.8e-6
    "RC101.temperature": Recorded("TEMP", 0.005 + 1e-5),  # int16 of 0.01 degC, then Float
    "FIC101.mass_flow": Recorded("AIRSP", 0.0005 + 1e-6),  # "+08.3f", then Float
}
# In the real run the temperature is controlled to 0.01 degC and the gas flow is constant.
MOVING = {"synthetic": tuple(SIGNALS), "F4": ("AE101.ph", "AE102.do")}


class Recording:
    """An MFCS export: `age_s` and its columns, NaN where a cell is empty."""

    def __init__(self, folder: Path) -> None:
        with (folder / "online.CSV").open(encoding="latin-1", newline="") as file:
            names, _, _, *rows = csv.reader(file, delimiter=";")
        self._columns = {
            name: np.array([float(row[at].replace(",", ".") or "nan") for row in rows])
            for at, name in enumerate(names)
            if name in {"Age", *(signal.column for signal in SIGNALS.values())}
        }
        self.age_s = self._columns.pop("Age") * 3600.0

    def at(self, column: str, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """A column, linear between its rows; NaN beside an empty cell and outside."""
        return np.interp(time_s, self.age_s, self._columns[column], left=np.nan, right=np.nan)

    def between(self, column: str, from_s: float, to_s: float) -> tuple[float, float]:
        """Lowest and highest value in a span of time; NaN where a part of it has none."""
        rows = self.age_s[(from_s < self.age_s) & (self.age_s < to_s)]
        values = self.at(column, np.array([from_s, *rows, to_s]))
        return float(values.min()), float(values.max())


@dataclass(frozen=True)
class Replayed:
    """A recording, and what a client received while it was played."""

    name: str
    recording: Recording
    samples: dict[str, list[ua.DataValue]]
    wall_start: datetime
    plant_start_s: float
    rate: float

    def plant_s(self, sample: ua.DataValue) -> float:
        """The plant time of a sample, by the simulators' clock line."""
        assert sample.SourceTimestamp
        elapsed = sample.SourceTimestamp.replace(tzinfo=UTC) - self.wall_start
        return self.plant_start_s + elapsed.total_seconds() * self.rate

    def good(self, tag: str) -> list[ua.DataValue]:
        return [each for each in self.samples[tag] if each.StatusCode.value == status.GOOD]

    def on_time(self, tag: str, shift_s: float = 0.0) -> float:
        """The share of good samples that the recording had then, or `LONGEST_WAY_S` before."""
        good = self.good(tag)
        signal = SIGNALS[tag]
        right = 0
        for sample in good:
            to_s = self.plant_s(sample) + shift_s
            from_s = to_s - LONGEST_WAY_S * self.rate
            low, high = self.recording.between(signal.column, from_s, to_s)
            right += low - signal.resolution <= sample.Value.Value <= high + signal.resolution
        return right / len(good)


def _polled(samples: list[ua.DataValue]) -> list[ua.DataValue]:
    """Without the state that a client may see before a device's first poll, which has no time."""
    waiting = status.BAD_WAITING_FOR_INITIAL_DATA
    return [each for each in samples if each.StatusCode.value != waiting]


async def _play(name: str, start: Start, sites: Path, data: Path) -> Replayed:
    """Play a recording from its beginning to its end, and watch."""
    simulators = await start(
        "sim", "site", str(write_site(sites / "simulated.yaml")),
        "--replay", str(RECORDINGS[name]), "--speed", str(SPEEDS[name]),
    )  # fmt: skip
    addresses = await addresses_of([simulators])
    served = write_site(sites / "served.yaml", addresses)
    gateway = await start("run", str(served), "--data", str(data))
    clock = await simulators.line(r"^clock wall_start=(\S+)Z plant_start_s=(\S+) rate=(\S+)$")
    recording = Recording(RECORDINGS[name])
    async with watching(await endpoint_of(gateway), SIGNALS) as watch:
        await _until_all_have_ended(watch, recording.age_s[-1] / float(clock[3]))
    return Replayed(
        name,
        recording,
        {tag: _polled(samples) for tag, samples in watch.samples.items()},
        datetime.fromisoformat(clock[1]).replace(tzinfo=UTC),
        float(clock[2]),
        float(clock[3]),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(
    module_programs: Start,
    new_data: Callable[[], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Replayed]:
    """The recordings that are on this machine, played side by side."""
    names = [name for name, where in RECORDINGS.items() if (where / "online.CSV").exists()]
    runs = (
        _play(name, module_programs, tmp_path_factory.mktemp(name), new_data()) for name in names
    )
    return {run.name: run for run in await asyncio.gather(*runs)}


@pytest.fixture(params=list(RECORDINGS))
def replayed(request: pytest.FixtureRequest, played: dict[str, Replayed]) -> Replayed:
    """One recording after it was played."""
    if request.param == "F4" and request.param not in played:
        pytest.skip(f"the real recording is not on this machine (looked in {RECORDINGS['F4']})")
    return played[request.param]


async def _until_all_have_ended(watch: Watch, duration_s: float) -> None:
    await watch.until(
        lambda: all(
            len(samples) > 2 and samples[-1].StatusCode.value & 0xC0000000
            for samples in watch.samples.values()
        ),
        duration_s + 15.0,
    )


@pytest.mark.parametrize("tag", SIGNALS)
def test_a_client_saw_what_was_recorded_at_that_time(replayed: Replayed, tag: str) -> None:
    assert replayed.rate == SPEEDS[replayed.name]
    assert len(replayed.good(tag)) >= 50
    assert replayed.on_time(tag) >= ON_TIME


@pytest.mark.parametrize("tag", SIGNALS)
def test_no_poll_is_missing_from_the_start_to_the_last_row(replayed: Replayed, tag: str) -> None:
    """A cell without a value is a Bad sample, not a missing one."""
    times = np.array([replayed.plant_s(sample) for sample in replayed.samples[tag]])
    polled = times[(times > 0.0) & (times <= replayed.recording.age_s[-2])]
    end = replayed.recording.age_s[-2]
    assert polled[0] < 0.5 * end, "the gateway starts while the recording runs"
    assert np.diff([*polled, end]).max() < 2.0 * POLL_INTERVAL_S * replayed.rate


@pytest.mark.parametrize("shift_s", [-SHIFT_S, SHIFT_S])
def test_values_at_other_times_would_be_found_out(replayed: Replayed, shift_s: float) -> None:
    """What the comparison is worth: it fails when the times are five minutes off."""
    for tag in MOVING[replayed.name]:
        assert replayed.on_time(tag, shift_s) < 0.75, tag


@pytest.mark.parametrize("tag", SIGNALS)
def test_where_nothing_was_recorded_no_value_is_shown_as_good(replayed: Replayed, tag: str) -> None:
    """Before the last row, which has no values, and beside other empty cells."""
    way_s = LONGEST_WAY_S * replayed.rate
    empty = []
    for sample in replayed.samples[tag]:
        to_s = replayed.plant_s(sample)
        then = replayed.recording.at(SIGNALS[tag].column, np.array([to_s - way_s, to_s]))
        if np.isnan(then).all():
            empty.append(sample)
    assert [sample for sample in empty if sample.StatusCode.value == status.GOOD] == []
    assert replayed.samples[tag][-1].StatusCode.value != status.GOOD
    assert any(each.StatusCode.value & 0x80000000 for each in empty) or tag == "FIC101.mass_flow"
