"""The parts of a site that rules can name: what they are called, and what is behind each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from biogate.site.membership import Membership
from biogate.site.model import Site
from biogate.site.node_model import NodeSection, ObjectConfig
from biogate.site.node_plan import browse_name, repeated
from biogate.site.parts import FUNCTION_VALUES, FUNCTIONAL_UNIT
from biogate_adapters.contract import Signal

_NO_NUMBERS = (
    "String", "Boolean", "DateTime", "Guid", "ByteString", "XmlElement", "NodeId",
    "ExpandedNodeId", "StatusCode", "QualifiedName", "LocalizedText",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SitePart:
    """A part, its zone, and the string of its NodeId in a namespace.

    `tag` is the value that it shows, "" for an object or a method. `low` and `high` are what may
    be written to a `writable` one; None: any. `is_number`: bounds can be set on it.
    """

    name: str
    zone: str
    namespace: str
    node: str
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
    namespace = site.namespace_uri
    for device in site.devices:
        zone = zones.device(device)
        yield SitePart(device, zone, namespace, f"Signals.{device}")
        for signal in signals.get(device, {}).values():
            names = (f"{device}/{signal.name}", zone, namespace, f"Signals.{device}.{signal.name}")
            yield _of_signal(names, device, signal, writable=signal.writable)
    for unit in site.units:
        yield from _of_unit(site, unit, zones.unit(unit), signals)
    for section, nodes in site.nodes.items():
        zone = zones.section(section)
        yield SitePart(section, zone, nodes.namespace, "")
        yield from _of_objects(section, nodes, section, zone, nodes.objects)


def faces(parts: Iterable[SitePart]) -> dict[tuple[str, str], tuple[str, ...]]:
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


def _of_signal(
    names: tuple[str, str, str, str], device: str, signal: Signal, *, writable: bool
) -> SitePart:
    return SitePart(
        *names,
        f"{device}.{signal.name}",
        device,
        writable=writable,
        is_number=signal.data_type not in _NO_NUMBERS,
        low=signal.low if signal.write_low is None else signal.write_low,
        high=signal.high if signal.write_high is None else signal.write_high,
    )


def _of_unit(
    site: Site, unit: str, zone: str, signals: Mapping[str, Mapping[str, Signal]]
) -> Iterator[SitePart]:
    namespace = site.namespace_uri
    yield SitePart(unit, zone, namespace, unit)
    for name, function in site.units[unit].functions.items():
        node = f"{unit}.{FUNCTIONAL_UNIT}.FunctionSet.{name}"
        yield SitePart(f"{unit}/{name}", zone, namespace, node)
        bindings = function.bindings
        for value, role in FUNCTION_VALUES[function.kind].items():
            device, _, signal_name = bindings[role].partition(".")
            found = signals.get(device, {}).get(signal_name)
            if found is not None:
                names = (f"{unit}/{name}/{value}", zone, namespace, f"{node}.{value}")
                yield _of_signal(names, device, found, writable=role in function.TARGETS)


def _of_objects(
    section: str,
    nodes: NodeSection,
    above: str,
    zone: str,
    objects: Mapping[str, ObjectConfig],
) -> Iterator[SitePart]:
    for key, config in objects.items():
        part = f"{above}/{browse_name(key, config)}"
        yield SitePart(part, zone, nodes.namespace, key)
        for variable_key, variable in config.variables.items():
            low, high = variable.write_range or (None, None)
            name = browse_name(variable_key, variable)
            for full, number in repeated(variable_key, variable):
                shown = name if number is None else f"{name}{number}"
                yield SitePart(
                    f"{part}/{shown}",
                    zone,
                    nodes.namespace,
                    full,
                    f"{section}.{full}",
                    writable=variable.writable,
                    is_number=variable.type not in _NO_NUMBERS,
                    low=low,
                    high=high,
                )
        for key_of_method, method in config.methods.items():
            name = f"{part}/{browse_name(key_of_method, method)}"
            yield SitePart(name, zone, nodes.namespace, key_of_method, is_method=True)
        yield from _of_objects(section, nodes, part, zone, config.objects)
