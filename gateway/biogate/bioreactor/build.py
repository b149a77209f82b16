"""From a site plan to the address space that is served."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from biogate.bioreactor.signals import build_signals
from biogate.bioreactor.unit import build_unit
from biogate.builder import Builder
from biogate.declared.space import build_section
from biogate.declared.variables import DeclaredVariables
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.stack import ua
from biogate.site import SitePlan
from biogate.tags import TagTable
from biogate_nodesets import Model


@dataclass(frozen=True, slots=True)
class BuiltSpace:
    """The address space, for each tag the NodeIds (as text) of the Variables that show it, and
    for each device its Object, where its events are heard."""

    space: AddressSpace
    variables: Mapping[str, tuple[str, ...]]
    devices: Mapping[str, ua.NodeId]


def build_address_space(
    model: Model, plan: SitePlan, table: TagTable, declared: DeclaredVariables
) -> BuiltSpace:
    """Add the site's instances to `model`, in namespaces of their own, and bind them to tags.

    Tags of `table` that belong to no device and are not `declared` are shown as computed tags.
    """
    devices = list(plan.devices.values())
    known = {device.tag(signal) for device in devices for signal in device.profile.signals}
    others = [name for name in table.names if name not in known and name not in declared]
    builders = []
    objects: Mapping[str, ua.NodeId] = {}
    if plan.units or devices or others:
        builder = _add_namespace(model, plan.site.namespace_uri, table)
        for unit in plan.units.values():
            product_uri = f"{plan.site.namespace_uri}:{unit.name}"
            build_unit(builder, unit, product_uri, plan.zones.unit(unit.name))
        objects = build_signals(
            builder, devices, [table.info(table.index(name)) for name in others], plan.zones
        )
        builders.append(builder)
    for section in plan.sections:
        builders.append(_add_namespace(model, section.namespace, table))
        build_section(builders[-1], section, declared, plan.zones.section(section.name))
    space = AddressSpace(model)
    for builder in builders:
        builder.bind(space)
    for device in objects.values():
        space.add_notifier(device)
    return BuiltSpace(space, {t: v for builder in builders for t, v in _shown(builder)}, objects)


def _add_namespace(model: Model, uri: str, table: TagTable) -> Builder:
    model.namespaces.append(uri)
    return Builder(model, table, len(model.namespaces) - 1)


def _shown(builder: Builder) -> Iterator[tuple[str, tuple[str, ...]]]:
    for tag, variables in builder.variables.items():
        yield tag, tuple(variable.to_string() for variable in variables)
