"""The parts of a site that can be asked for: their names in the site file, and their NodeIds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from biogate.bioreactor.functions import FUNCTION_TYPES
from biogate.site import SectionPlan, SitePlan
from biogate.site.parts import FUNCTIONAL_UNIT


class Kind(StrEnum):
    """What can be asked of a part."""

    OBJECT = "object"
    VALUE = "value"
    SETPOINT = "set-point"
    VARIABLE = "variable"
    METHOD = "method"


@dataclass(frozen=True, slots=True)
class Part:
    """A part: `name` as rules name it (unit/function/value, device/signal, section/object/...).

    `node` is `NamespaceUri;identifier` (a string identifier). `member` is the device, unit or
    section that a zone has or has not. Parts of one `tag` show one value. `notifies` where events
    are heard. `owner` is the Object that a Method is called on, with as many `inputs`.
    """

    name: str
    node: str
    kind: Kind
    member: str
    notifies: bool = False
    owner: str = ""
    inputs: int = 0
    tag: str = ""

    @property
    def writable(self) -> bool:
        """True where clients may write its value, if they have the right."""
        return self.kind in (Kind.SETPOINT, Kind.VARIABLE)


def parts_of(plan: SitePlan) -> tuple[Part, ...]:
    """Every part that has a node of its own, in file order."""
    return (*_units(plan), *_devices(plan), *(p for s in plan.sections for p in _section(s)))


def _units(plan: SitePlan) -> Iterator[Part]:
    uri = plan.site.namespace_uri
    for unit in plan.units.values():
        yield Part(unit.name, f"{uri};{unit.name}", Kind.OBJECT, unit.name)
        for function in unit.functions:
            path = f"{unit.name}.{FUNCTIONAL_UNIT}.FunctionSet.{function.name}"
            for value, role in FUNCTION_TYPES[function.kind].values.items():
                yield Part(
                    f"{unit.name}/{function.name}/{value}",
                    f"{uri};{path}.{value}",
                    Kind.SETPOINT if role == "target" else Kind.VALUE,
                    unit.name,
                    tag=function.bindings[role].tag,
                )


def _devices(plan: SitePlan) -> Iterator[Part]:
    uri = plan.site.namespace_uri
    for device in plan.devices.values():
        yield Part(
            device.name, f"{uri};Signals.{device.name}", Kind.OBJECT, device.name, notifies=True
        )
        for signal in device.profile.signals:
            yield Part(
                f"{device.name}/{signal.name}",
                f"{uri};Signals.{device.name}.{signal.name}",
                Kind.SETPOINT if signal.writable else Kind.VALUE,
                device.name,
                tag=device.tag(signal),
            )


def _section(section: SectionPlan) -> Iterator[Part]:
    paths = {"": section.name}
    for each in section.objects:
        paths[each.key] = f"{paths[each.parent]}/{each.name}"
        yield Part(paths[each.key], f"{section.namespace};{each.key}", Kind.OBJECT, section.name)
    for variable in section.variables:
        yield Part(
            f"{paths[variable.parent]}/{variable.name}",
            f"{section.namespace};{variable.key}",
            Kind.VARIABLE if variable.config.writable else Kind.VALUE,
            section.name,
            tag=variable.tag,
        )
    for method in section.methods:
        yield Part(
            f"{paths[method.parent]}/{method.name}",
            f"{section.namespace};{method.key}",
            Kind.METHOD,
            section.name,
            owner=f"{section.namespace};{method.parent}",
            inputs=len(method.inputs),
        )
