"""The parts of a site that can be asked for: their names in the site file, and their NodeIds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from biogate.bioreactor.functions import FUNCTION_TYPES
from biogate.bioreactor.unit import FUNCTIONAL_UNIT
from biogate.site import SectionPlan, SitePlan


class Kind(StrEnum):
    """What can be asked of a part."""

    OBJECT = "object"
    VALUE = "value"
    SETPOINT = "set-point"
    VARIABLE = "variable"
    METHOD = "method"


@dataclass(frozen=True, slots=True)
class Part:
    """A part: `name` as rules name it (unit/function/value, device/signal, section/key).

    `node` is `NamespaceUri;identifier` (a string identifier). `member` is the device, unit or
    section that a zone has or has not. `notifier` is where the events of the part are heard, as
    a node; "" for none. `owner` is the Object that a Method is called on. `low`/`high` are the
    engineering range.
    """

    name: str
    node: str
    kind: Kind
    member: str
    owner: str = ""
    inputs: int = 0
    low: float | None = None
    high: float | None = None

    @property
    def writable(self) -> bool:
        """True where clients may write its value, if they have the right."""
        return self.kind in (Kind.SETPOINT, Kind.VARIABLE)


def parts_of(plan: SitePlan) -> tuple[Part, ...]:
    """Every part that has a node of its own, in file order."""
    return tuple([*_units(plan), *_devices(plan), *(p for s in plan.sections for p in _section(s))])


def _units(plan: SitePlan) -> Iterator[Part]:
    uri = plan.site.namespace_uri
    for unit in plan.units.values():
        yield Part(unit.name, f"{uri};{unit.name}", Kind.OBJECT, unit.name)
        for function in unit.functions:
            path = f"{unit.name}.{FUNCTIONAL_UNIT}.FunctionSet.{function.name}"
            for value, role in FUNCTION_TYPES[function.kind].values.items():
                signal = function.bindings[role].signal
                yield Part(
                    f"{unit.name}/{function.name}/{value}",
                    f"{uri};{path}.{value}",
                    Kind.SETPOINT if role == "target" else Kind.VALUE,
                    unit.name,
                    low=signal.low,
                    high=signal.high,
                )


def _devices(plan: SitePlan) -> Iterator[Part]:
    uri = plan.site.namespace_uri
    for device in plan.devices.values():
        yield Part(device.name, f"{uri};Signals.{device.name}", Kind.OBJECT, device.name)
        for signal in device.profile.signals:
            yield Part(
                f"{device.name}/{signal.name}",
                f"{uri};Signals.{device.name}.{signal.name}",
                Kind.SETPOINT if signal.writable else Kind.VALUE,
                device.name,
                low=signal.low,
                high=signal.high,
            )


def _section(section: SectionPlan) -> Iterator[Part]:
    for each in section.objects:
        node = f"{section.namespace};{each.key}"
        yield Part(f"{section.name}/{each.key}", node, Kind.OBJECT, section.name)
    for variable in section.variables:
        yield Part(
            f"{section.name}/{variable.key}",
            f"{section.namespace};{variable.key}",
            Kind.VARIABLE if variable.config.writable else Kind.VALUE,
            section.name,
        )
    for method in section.methods:
        yield Part(
            f"{section.name}/{method.key}",
            f"{section.namespace};{method.key}",
            Kind.METHOD,
            section.name,
            owner=f"{section.namespace};{method.parent}",
            inputs=len(method.inputs),
        )
