"""A recorded run that plays the plant behind simulated devices.

Between two rows of the recording a measured value is linear in time. Where a row has no value, so
have the intervals on both its sides; neither is there any before the first row or after the last.
The counters of pumped base and feed become pump rates, constant from row to row.

The recording's `SUBST_A` counter and the nominal feed rate of its run can differ (in the yeast
data by a factor of about 1.8, and nothing says which is right): the feed rate is what the
controller counted, no more. What a recording lacks (weights, set-points, gas pressure) is not
among `quantities()`, and nobody can act on the past: there are no actuators.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from pathlib import Path
from typing import NoReturn

from biogate.sim.mfcs import read_recording

_MEASURED = {
    "ph": "pH",
    "temperature_degc": "TEMP",
    "do_percent_sat": "pO2",
    "jacket_temperature_degc": "JTEMP",
    "stirrer_speed_rpm": "STIRR",
    "gas_flow_l_per_min": "AIRSP",
}
_COUNTED = {"base_rate_ml_per_h": "BASET", "feed_rate_ml_per_h": "SUBST_A"}


class RecordedPlant:
    """An MFCS export (see `mfcs`) as its instruments showed it (the `Plant` protocol).

    Raises RecordingError, with every mistake as file:line:column, when `folder` holds none.
    """

    def __init__(self, folder: Path) -> None:
        recording = read_recording(folder)
        self._rows = recording.time_s
        columns = recording.columns
        self._measured = {
            quantity: columns[name] for quantity, name in _MEASURED.items() if name in columns
        }
        self._rates = {
            quantity: _slopes_per_h(self._rows, columns[name])
            for quantity, name in _COUNTED.items()
            if name in columns
        }
        self._time_s = self._rows[0]
        self._advance_to(self._time_s)

    @property
    def time_s(self) -> float:
        """Plant time of the present outputs: `Age` in the recording, in seconds."""
        return self._time_s

    @property
    def end_s(self) -> float:
        """Plant time of the last row."""
        return self._rows[-1]

    def advance(self, to_s: float) -> None:
        """Bring the outputs to plant time `to_s`. Raises ValueError when that is in the past."""
        if not self._time_s <= to_s < math.inf:
            raise ValueError(f"plant time goes from {self._time_s} s onwards, not to {to_s} s")
        self._advance_to(to_s)

    def quantities(self) -> frozenset[str]:
        """What the recording holds."""
        return frozenset(self._measured) | frozenset(self._rates)

    def read(self, quantity: str) -> float:
        """The recorded value now; NaN where the recording has none. Raises KeyError if unknown."""
        if quantity in self._rates:
            return self._within(self._rates[quantity])
        return self._between(self._measured[quantity])

    def actuators(self) -> frozenset[str]:
        """None: the past cannot be changed."""
        return frozenset()

    def write(self, actuator: str, value: float) -> NoReturn:
        """Raises KeyError: a recording has no actuators."""
        raise KeyError(f"a recording has no actuator {actuator} to set to {value}")

    def _advance_to(self, to_s: float) -> None:
        self._time_s = to_s
        self._row = bisect_right(self._rows, to_s) - 1

    def _between(self, column: list[float]) -> float:
        row = self._row
        if self._rows[row] == self._time_s:
            return column[row]
        if row + 1 == len(self._rows):
            return math.nan
        share = (self._time_s - self._rows[row]) / (self._rows[row + 1] - self._rows[row])
        return column[row] + share * (column[row + 1] - column[row])

    def _within(self, rates: list[float]) -> float:
        return rates[self._row] if self._row < len(rates) else math.nan


def _slopes_per_h(time_s: list[float], counter: list[float]) -> list[float]:
    """Rise of a counter per hour, one for each interval between rows."""
    return [
        (counter[row + 1] - counter[row]) / (time_s[row + 1] - time_s[row]) * 3600.0
        for row in range(len(time_s) - 1)
    ]
