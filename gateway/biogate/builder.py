"""What builders of nodes share: where instances go, and how tags become Variables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib import metadata

from biogate import units
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.places import Place
from biogate.opcua.space.values import TagSource, ValueSource, follow
from biogate.opcua.stack import ObjectIds, node_id, ua
from biogate.tags import TagInfo, TagTable
from biogate_adapters.contract import Signal
from biogate_nodesets import Instance, Instantiator, MemberSpec, Model

DI_URI = "http://opcfoundation.org/UA/DI/"
LADS_URI = "http://opcfoundation.org/UA/LADS/"

READ_ONLY, READ_WRITE = 1, 3

# Which of EngineeringUnits and EURange a number has → its VariableType (Part 8, 5.3.2).
ANALOG_TYPES = {
    (True, True): ObjectIds.AnalogUnitRangeType,
    (True, False): ObjectIds.AnalogUnitType,
    (False, True): ObjectIds.AnalogItemType,
    (False, False): ObjectIds.BaseDataVariableType,
}

Members = Mapping[str, MemberSpec | ua.Variant]


@dataclass(slots=True)
class Builder:
    """Adds instances to a model; afterwards `bind` gives their Variables their sources.

    `namespace` is the index of the instances' namespace. `variables` maps a tag's name to the
    Variables that show it.
    """

    model: Model
    table: TagTable
    namespace: int
    variables: dict[str, list[ua.NodeId]] = field(default_factory=dict)
    _sources: dict[ua.NodeId, ValueSource] = field(default_factory=dict)
    _places: dict[ua.NodeId, Place] = field(default_factory=dict)
    _instantiator: Instantiator = field(init=False)

    def __post_init__(self) -> None:
        self._instantiator = Instantiator(self.model)

    def id_in(self, uri: str, number: int) -> ua.NodeId:
        """The NodeId of a companion specification's node."""
        return node_id(number, self.model.namespaces.index(uri))

    def instance(
        self,
        type_id: ua.NodeId,
        path: str,
        name: str,
        parent: ua.NodeId,
        *,
        reference: int = ObjectIds.HasComponent,
        optional: Collection[str] = (),
        members: Members | None = None,
        description: str = "",
    ) -> Instance:
        """Add an instance with the NodeId `ns=<instances>;s=<path>` below `parent`."""
        return self._instantiator.instantiate(
            type_id,
            node_id=node_id(path, self.namespace),
            browse_name=ua.QualifiedName(name, ua.UInt16(self.namespace)),
            parent=parent,
            reference=node_id(reference),
            optional=optional,
            members=members,
            description=ua.LocalizedText(description) if description else None,
        )

    def place(self, node: ua.NodeId, zone: str, part: str) -> None:
        """Say which zone and part of the model a node and what is below it belongs to."""
        self._places[node] = Place(zone, part)

    def show(
        self, variable: ua.NodeId, tag: str, device: str, projection: ua.VariantType, *, write: bool
    ) -> None:
        """Let a Variable show a tag, and carry writes to it where `write`."""
        index = self.table.index(tag)
        self.bind_tag(variable, TagSource(index, projection, tag, device, writable=write))

    def bind_tag(self, variable: ua.NodeId, source: TagSource) -> None:
        """Let a Variable show what `source` says."""
        self._sources[variable] = source
        self.variables.setdefault(source.name, []).append(variable)

    def follow(self, variable: ua.NodeId, tag: str, value: ua.Variant) -> None:
        """Let a Variable hold a constant for as long as `tag` is not Bad, with the tag's times."""
        index = self.table.index(tag)
        self._sources[variable] = follow(self.table, index, value)

    def bind(self, space: AddressSpace) -> None:
        """Give all Variables their sources, and all nodes their places."""
        for node, place in self._places.items():
            space.declare_place(node, place)
        for variable, source in self._sources.items():
            space.bind(variable, source)


def engineering_units(code: str) -> ua.Variant:
    """EUInformation of a UNECE code (Part 8, 5.6.3)."""
    return ua.Variant(
        ua.EUInformation(
            NamespaceUri=units.UNECE_NAMESPACE,
            UnitId=units.unit_id(code),
            DisplayName=ua.LocalizedText(units.symbol(code)),
            Description=ua.LocalizedText(units.name(code)),
        )
    )


def value_range(low: float, high: float) -> ua.Variant:
    """A Range (Part 8, 5.6.2)."""
    return ua.Variant(ua.Range(Low=low, High=high))


def analog_properties(signal: Signal | TagInfo, prefix: str = "") -> dict[str, ua.Variant]:
    """EngineeringUnits, EURange and InstrumentRange, as far as the signal has them."""
    properties: dict[str, ua.Variant] = {}
    if signal.unit is not None:
        properties[f"{prefix}EngineeringUnits"] = engineering_units(signal.unit)
    if signal.low is not None and signal.high is not None:
        properties[f"{prefix}EURange"] = value_range(signal.low, signal.high)
    if signal.instrument_low is not None and signal.instrument_high is not None:
        instrument = value_range(signal.instrument_low, signal.instrument_high)
        properties[f"{prefix}InstrumentRange"] = instrument
    return properties


def software_revision() -> str:
    """The version of biogate that runs."""
    return metadata.version("biogate")
