"""From a site plan to the address space that is served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from biogate.bioreactor.builder import Builder
from biogate.bioreactor.signals import build_signals
from biogate.bioreactor.unit import build_unit
from biogate.opcua.space.address_space import AddressSpace
from biogate.site import SitePlan
from biogate.tags import TagTable
from biogate_nodesets import Model


@dataclass(frozen=True, slots=True)
class BuiltSpace:
    """The address space, and for each tag the NodeIds (as text) of the Variables that show it."""

    space: AddressSpace
    variables: Mapping[str, tuple[str, ...]]


def build_address_space(model: Model, plan: SitePlan, table: TagTable) -> BuiltSpace:
    """Add the site's instances to `model`, in a namespace of their own, and bind them to tags.

    Tags of `table` that belong to no device of the plan are shown as computed tags.
    """
    model.namespaces.append(plan.site.namespace_uri)
    builder = Builder(model, table, len(model.namespaces) - 1)
    for unit in plan.units.values():
        build_unit(builder, unit, f"{plan.site.namespace_uri}:{unit.name}")
    devices = list(plan.devices.values())
    measured = {device.tag(signal) for device in devices for signal in device.profile.signals}
    infos = [table.info(table.index(name)) for name in table.names if name not in measured]
    build_signals(builder, devices, infos)
    space = AddressSpace(model)
    builder.bind(space)
    shown = {
        tag: tuple(variable.to_string() for variable in variables)
        for tag, variables in builder.variables.items()
    }
    return BuiltSpace(space, shown)
