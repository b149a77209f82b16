"""The parts of a site that rules can name: what they are called, and what is behind each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from biogate.site.membership import Membership
from biogate.site.model import Site
from biogate.site.node_model import ObjectConfig
from biogate.site.node_plan import browse_name, repeated
from biogate.site.parts import FUNCTION_VALUES
from biogate_adapters.contract import Signal

_TEXT = ("String", "Boolean")


@dataclass(frozen=True, slots=True)
class SitePart:
    """A part and its zone. `tag` is the value that it shows, "" for an object or a method.

    `low` and `high` are what may be written to a `writable` one; None: any. `is_number`: bounds
    can be set on it.
    """

    name: str
    zone: str
    tag: str = ""
    device: str = ""
    is_method: bool = False
    writable: bool = False
    is_number: bool = False
    low: float | None = None
    high: float | None = None


def list_parts(site: Site, signals: Mapping[str, Mapping[str, Signal]]) -> Iterator[SitePart]:
    """All parts that the site file names; computed tags are not among them.

    `signals`: device → signals by name, as the device is set up. One that is missing there is
    left out.
    """
    zones = Membership(site)
    for device in site.devices:
        zone = zones.device(device)
        yield SitePart(device, zone)
        for signal in signals.get(device, {}).values():
            yield _of_signal(f"{device}/{signal.name}", zone, device, signal, signal.writable)
    for unit, config in site.units.items():
        zone = zones.unit(unit)
        yield SitePart(unit, zone)
        for name, function in config.functions.items():
            yield SitePart(f"{unit}/{name}", zone)
            bindings = function.bindings
            for value, role in FUNCTION_VALUES[function.kind].items():
                device, _, signal_name = bindings[role].partition(".")
                found = signals.get(device, {}).get(signal_name)
                if found is not None:
                    part = f"{unit}/{name}/{value}"
                    yield _of_signal(part, zone, device, found, role in function.TARGETS)
    for section, nodes in site.nodes.items():
        zone = zones.section(section)
        yield SitePart(section, zone)
        yield from _of_objects(section, section, zone, nodes.objects)


def faces(parts: Iterator[SitePart]) -> dict[tuple[str, str], tuple[str, ...]]:
    """(zone, part) → the other parts of the zone that show the same value (`ZoneTable.faces`)."""
    shown: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for part in parts:
        if part.tag:
            shown[part.zone, part.tag].append(part.name)
    return {
        (zone, name): tuple(other for other in names if other != name)
        for (zone, _), names in shown.items()
        if len(names) > 1
        for name in names
    }


def _of_signal(part: str, zone: str, device: str, signal: Signal, writable: bool) -> SitePart:
    return SitePart(
        part,
        zone,
        f"{device}.{signal.name}",
        device,
        writable=writable,
        is_number=signal.data_type not in _TEXT,
        low=signal.low if signal.write_low is None else signal.write_low,
        high=signal.high if signal.write_high is None else signal.write_high,
    )


def _of_objects(
    section: str, above: str, zone: str, objects: Mapping[str, ObjectConfig]
) -> Iterator[SitePart]:
    for key, config in objects.items():
        part = f"{above}/{browse_name(key, config)}"
        yield SitePart(part, zone)
        for variable_key, variable in config.variables.items():
            low, high = variable.write_range or (None, None)
            is_number = variable.type not in _TEXT and not variable.dimensions
            name = browse_name(variable_key, variable)
            for full, number in repeated(variable_key, variable):
                shown = name if number is None else f"{name}{number}"
                yield SitePart(
                    f"{part}/{shown}",
                    zone,
                    f"{section}.{full}",
                    writable=variable.writable,
                    is_number=is_number,
                    low=low,
                    high=high,
                )
        for method_key, method in config.methods.items():
            yield SitePart(f"{part}/{browse_name(method_key, method)}", zone, is_method=True)
        yield from _of_objects(section, part, zone, config.objects)
