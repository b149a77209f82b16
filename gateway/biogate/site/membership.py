"""Which zone the parts of a site belong to."""

from __future__ import annotations

from collections.abc import Iterable

from biogate.site.model import Site
from biogate_security.zones.model import NO_ZONE


class Membership:
    """Zones by device, unit and section: "" on a site without zones, NO_ZONE for what is in none.

    Where a part stands in two zones (which `load_site` refuses) the first has it.
    """

    def __init__(self, site: Site) -> None:
        zones = site.zones
        self._elsewhere = NO_ZONE if zones else ""
        self._devices = _first((name, zone.devices) for name, zone in zones.items())
        self._units = _first((name, zone.units) for name, zone in zones.items())
        self._sections = _first((name, zone.sections) for name, zone in zones.items())
        self._written = {
            conduit.to
            for conduit in site.conduits.values()
            if any("write" in rule.actions for rule in conduit.allow)
        }
        computed = (name for name, zone in zones.items() if zone.computed)
        self.computed = next(computed, self._elsewhere)
        """The zone of the computed tags."""

    def device(self, name: str) -> str:
        """The zone of a device."""
        return self._devices.get(name, self._elsewhere)

    def unit(self, name: str) -> str:
        """The zone of a unit."""
        return self._units.get(name, self._elsewhere)

    def section(self, name: str) -> str:
        """The zone of a section of declared nodes."""
        return self._sections.get(name, self._elsewhere)

    def is_written_across(self, section: str) -> bool:
        """Whether a conduit may let writes of another zone into the section."""
        return self.section(section) in self._written


def _first(members: Iterable[tuple[str, Iterable[str]]]) -> dict[str, str]:
    zones: dict[str, str] = {}
    for zone, names in members:
        for name in names:
            zones.setdefault(name, zone)
    return zones
