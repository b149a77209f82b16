"""The rows of IEC 62443-3-3 and 62443-4-2: numbers and titles, and the levels that ask for them.

The standards are copyrighted: `requirements.json` holds no sentence of them. What a row asks for
is in the standard that its owner bought.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# In the order of an SL vector (62443-1-1).
FOUNDATIONAL = {
    "IAC": "Identification and authentication control",
    "UC": "Use control",
    "SI": "System integrity",
    "DC": "Data confidentiality",
    "RDF": "Restricted data flow",
    "TRE": "Timely response to events",
    "RA": "Resource availability",
}
HIGHEST_LEVEL = 4
OWNER = "S"
"""Responsibility of a row that only who builds or owns the plant can meet."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One row: a system requirement (SR), a component requirement (CR), or both.

    `sr_min_sl` and `cr_min_sl` are the lowest security level that asks for it, None where the
    part of the standard has no such row. `responsibility`: P product, S system, B both.
    """

    id: str
    fr: str
    sr: str
    sr_title: str
    sr_min_sl: int | None
    cr: str
    cr_title: str
    cr_min_sl: int | None
    responsibility: str

    @property
    def title(self) -> str:
        """The title of the SR, else of the CR."""
        return self.sr_title or self.cr_title

    @property
    def refs(self) -> str:
        """Both numbers, as far as there are both."""
        return " / ".join(ref for ref in (self.sr, self.cr) if ref)


@cache
def requirements() -> tuple[Requirement, ...]:
    """All rows, in the order of the standards."""
    text = (Path(__file__).parent / "requirements.json").read_text(encoding="utf-8")
    return tuple(Requirement(**row) for row in json.loads(text))


def component_vector(open_rows: Collection[str]) -> dict[str, int]:
    """SL-C by foundational requirement, by the component's rows (62443-4-2) that are ours."""
    rows = [r for r in requirements() if r.responsibility != OWNER]
    return {fr: _level((r.cr_min_sl, r.id in open_rows) for r in rows if r.fr == fr) for fr in _FR}


def system_vector(open_rows: Collection[str]) -> dict[str, int]:
    """SL-C by foundational requirement, by the system's rows (62443-3-3) that are ours.

    The rows of the asset owner are left out: what the plant reaches is the lower of this and of
    what the owner shows for those.
    """
    rows = [r for r in requirements() if r.responsibility != OWNER]
    return {fr: _level((r.sr_min_sl, r.id in open_rows) for r in rows if r.fr == fr) for fr in _FR}


_FR = tuple(FOUNDATIONAL)


def _level(rows: Iterable[tuple[int | None, bool]]) -> int:
    """The highest n for which no row with a level of n or less is open."""
    lacking = [level for level, is_open in rows if is_open and level is not None]
    return min([HIGHEST_LEVEL, *(level - 1 for level in lacking)])
