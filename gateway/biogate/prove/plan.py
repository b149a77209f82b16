"""Which attempts are worth making: a sample of what should be let and of what should not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from biogate.prove.attempt import Attempt, Expected
from biogate.prove.parts import Kind, Part
from biogate.prove.reading import ACTIONS, Asked, Asker, Reading, SiteRules

_VALUES = frozenset({Kind.VALUE, Kind.SETPOINT, Kind.VARIABLE})


@dataclass(frozen=True, slots=True)
class Planned:
    """An attempt, the part that it is about, what the site file says, and if the part is seen."""

    attempt: Attempt
    part: Part
    reading: Reading
    visible: bool


class Planner:
    """Plans attempts for the parts of one site."""

    def __init__(self, rules: SiteRules, parts: Sequence[Part], sample: int) -> None:
        """`sample` is how many parts are tried of each sort; 0: all of them."""
        self._rules = rules
        self.sample = sample
        self._faces: defaultdict[str, list[str]] = defaultdict(list)
        self._in_zone: defaultdict[str, list[Part]] = defaultdict(list)
        for part in parts:
            self._in_zone[rules.zone_of(part.member)].append(part)
            if part.tag:
                self._faces[part.tag].append(part.name)

    def asked(self, part: Part) -> Asked:
        """The part as the rules see it."""
        faces = tuple(name for name in self._faces[part.tag] if name != part.name)
        zone = self._rules.zone_of(part.member)
        return Asked(part.name, zone, part.kind is Kind.SETPOINT, faces if part.tag else ())

    def parts_in(self, zone: str) -> Sequence[Part]:
        """The parts of a zone."""
        return self._in_zone[zone]

    def hidden(self, asker: Asker, now: datetime) -> dict[str, Part]:
        """Node → part, of all that the asker may not even browse."""
        return {
            part.node: part
            for parts in self._in_zone.values()
            for part in parts
            if self.read(asker, "browse", part, now).expected is Expected.REFUSED
        }

    def read(self, asker: Asker, action: str, part: Part, now: datetime) -> Reading:
        """What the site file says of an action on a part."""
        return self._rules.read(asker, action, self.asked(part), now)

    def crossings(self, asker: Asker, target: str, now: datetime) -> Iterator[Planned]:
        """Attempts of every action on some parts of `target`: some to be let, some refused."""
        for action in ACTIONS:
            sorts: defaultdict[tuple[Expected, str], list[Planned]] = defaultdict(list)
            for part in self._in_zone[target]:
                if fits(action, part):
                    planned = self.plan(asker, action, part, now)
                    # Each rule that decides is a sort of its own, so that all of them are tried.
                    key = (planned.attempt.expected, planned.attempt.because)
                    sorts[key].append(planned)
            for found in sorts.values():
                yield from _spread(found, self.sample)

    def plan(self, asker: Asker, action: str, part: Part, now: datetime) -> Planned:
        """One attempt."""
        reading = self.read(asker, action, part, now)
        seen = self.read(asker, "browse", part, now).expected is Expected.LET
        zone = self._rules.zone_of(part.member)
        kind = reading.sort or ("within" if zone == asker.zone else "conduit")
        attempt = Attempt(
            kind, asker.zone, zone, asker.name, action, part.name, reading.expected, reading.because
        )
        return Planned(attempt, part, reading, seen)


def fits(action: str, part: Part) -> bool:
    """Whether an action can be asked of such a part at all."""
    match action:
        case "browse":
            return True
        case "write":
            return part.writable
        case "call":
            return part.kind is Kind.METHOD
        case "events":
            return part.notifies
        case _:
            return part.kind in _VALUES


def _spread(found: Sequence[Planned], most: int) -> Sequence[Planned]:
    """At most `most` of them, from all over the list."""
    if not most or len(found) <= most:
        return found
    return [found[i * (len(found) - 1) // max(most - 1, 1)] for i in range(most)]
