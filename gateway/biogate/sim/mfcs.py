"""Reading a Sartorius MFCS export (`online.CSV`) into columns of numbers.

The format, as seen in exports of 2020: Latin-1, `;` between cells, decimal comma, a line of names
(`PDatTime;Age;TEMP;...`), a line of kinds (`Value`), a line of units (`(h)`, `(°C)`, `(rpm)`),
then one row per averaging interval. `Age` is hours since the start of the run. A cell without
text has no value, as in the rows before the first and after the last average.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from biogate_adapters.problems import Problem

FILE_NAME = "online.CSV"
AGE = "Age"
UNITS = {
    AGE: "(h)",
    "TEMP": "(°C)",
    "JTEMP": "(°C)",
    "STIRR": "(rpm)",
    "pH": "(pH)",
    "pO2": "(%sat)",
    "AIRSP": "(lpm)",
    "BASET": "(ml)",
    "SUBST_A": "(ml)",
}
"""The columns that are read, and the unit that each must be in."""

_HEADER_LINES = 3
_SHOWN = 10
_NUMBER = re.compile(r"[-+]?\d+(?:,\d+)?(?:[eE][-+]?\d+)?")


class RecordingError(Exception):
    """A recording cannot be replayed; `problems` holds every mistake found in it."""

    def __init__(self, problems: list[Problem]) -> None:
        shown = [str(problem) for problem in problems[:_SHOWN]]
        if len(problems) > _SHOWN:
            shown.append(f"... and {len(problems) - _SHOWN} more")
        super().__init__("\n".join(shown))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Recording:
    """`time_s`: seconds since the start, strictly rising. `columns`: NaN where there is none."""

    time_s: list[float]
    columns: Mapping[str, list[float]]


def read_recording(folder: Path) -> Recording:
    """The recording in `folder`. Raises RecordingError with all mistakes as file:line:column."""
    path = folder / FILE_NAME
    try:
        text = path.read_text(encoding="latin-1")
    except OSError as error:
        hint = f"a recording is a folder with an MFCS export named {FILE_NAME}"
        problem = Problem(str(path), 1, 1, "", f"cannot be read ({error.strerror})", hint=hint)
        raise RecordingError([problem]) from error
    return _Reader(str(path)).read(text.rstrip("\n").split("\n"))


class _Reader:
    """One pass over an export; collects problems instead of stopping at the first."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._problems: list[Problem] = []
        self._names: list[str] = []

    def read(self, lines: list[str]) -> Recording:
        places = self._header(lines)
        self._stop_at_problems()
        values: dict[str, list[float]] = {name: [] for name in places}
        for number, line in enumerate(lines[_HEADER_LINES:], start=_HEADER_LINES + 1):
            self._row(number, line.split(";"), places, values)
        if not self._problems and len(values[AGE]) < 2:
            self._report(len(lines) + 1, 1, "the recording ends here; it needs two rows or more")
        self._stop_at_problems()
        time_s = [age * 3600.0 for age in values.pop(AGE)]
        return Recording(time_s, values)

    def _header(self, lines: list[str]) -> dict[str, int]:
        """Name → position of the columns to read."""
        if len(lines) < _HEADER_LINES:
            self._report(len(lines) + 1, 1, "expected lines of names, kinds and units")
            return {}
        self._names = lines[0].split(";")
        units = lines[2].split(";")
        places = {}
        for position, name in enumerate(self._names):
            column = 1 + sum(len(each) + 1 for each in self._names[:position])
            if name in places:
                self._report(1, column, f"a second column named {name}")
            elif name in UNITS:
                places[name] = position
                self._check_unit(name, position, units)
        if AGE not in places:
            self._report(1, 1, f"no column named {AGE} (hours since the start of the run)")
        elif len(places) == 1:
            expected = ", ".join(name for name in UNITS if name != AGE)
            self._report(1, 1, f"no column that can be replayed; known: {expected}")
        return places

    def _check_unit(self, name: str, position: int, units: list[str]) -> None:
        found = units[position] if position < len(units) else ""
        if found != UNITS[name]:
            column = 1 + sum(len(each) + 1 for each in units[:position])
            self._report(3, column, f"{name} must be in {UNITS[name]}, not {found or 'nothing'}")

    def _row(
        self, number: int, cells: list[str], places: dict[str, int], into: dict[str, list[float]]
    ) -> None:
        if len(cells) != len(self._names):
            expected = f"{len(self._names)} cells, one per name"
            self._report(number, 1, f"{len(cells)} cells; expected {expected}")
            return
        column = 1
        row: dict[str, float] = {}
        for name, cell in zip(self._names, cells, strict=True):
            if name in places:
                row[name] = self._number(number, column, name, cell)
            column += len(cell) + 1
        age, before = row[AGE], into[AGE]
        if before and age <= before[-1]:
            column = 1 + sum(len(each) + 1 for each in cells[: places[AGE]])
            self._report(number, column, f"{AGE} must rise from row to row; before: {before[-1]} h")
        for name, value in row.items():
            into[name].append(value)

    def _number(self, line: int, column: int, name: str, cell: str) -> float:
        if not cell and name != AGE:
            return math.nan
        number = cell.replace(",", ".")
        if _NUMBER.fullmatch(cell) and math.isfinite(float(number)):
            return float(number)
        hint = "; numbers have a decimal comma" if "." in cell else ""
        self._report(line, column, f"{name}: {cell!r} is no number{hint}")
        return math.nan

    def _report(self, line: int, column: int, message: str) -> None:
        self._problems.append(Problem(self._file, line, column, "", message))

    def _stop_at_problems(self) -> None:
        if self._problems:
            raise RecordingError(self._problems)
