"""The zones and conduits that one zone's front end needs to know: its own, and where they lead."""

from __future__ import annotations

from biogate_security.policy import Action
from biogate_security.zones import Zone, ZonePolicy, ZoneTable
from biogate_security.zones.model import Conduit


def conduits_of(table: ZoneTable, zone: str) -> tuple[Conduit, ...]:
    """The conduits that lead out of a zone."""
    return tuple(each for each in table.conduits if each.source == zone)


def pruned(policy: ZonePolicy, name: str) -> ZoneTable:
    """The table with one zone, its conduits, and of the zones that they lead to the levels.

    Raises KeyError for a zone that there is not.
    """
    table, own = policy.table, policy.table.zone(name)
    if own is None:
        raise KeyError(name)
    conduits = conduits_of(table, name)
    ends = {each.destination for each in conduits}
    others = (Zone(each.name, target=each.target) for each in table.zones if each.name in ends)
    faces = {
        place: parts
        for place, parts in table.faces.items()
        if policy.reaches(name, Action.BROWSE, *place)
    }
    return ZoneTable((own, *others), conduits, faces)
