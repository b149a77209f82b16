"""Instances have what their types demand, no more, and shared nodes stay shared (Part 3, 6)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import variant_from_binary

from biogate_nodesets import CATALOGUE, Instance, Instantiator, MemberSpec, Model, Reference
from biogate_nodesets.model import HAS_TYPE_DEFINITION, make_node_id, ns0

OBJECTS, ORGANIZES, HAS_COMPONENT = ns0("ObjectsFolder"), ns0("Organizes"), ns0("HasComponent")
HAS_DICTIONARY_ENTRY, HAS_INTERFACE = ns0("HasDictionaryEntry"), ns0("HasInterface")
PLANT = 11
SHORT = {"0": "ns0", "MACH": "Machinery"}

FreshModel = Callable[[], Model]


@dataclass
class Demand:
    """What mandatory-paths.md says of one type."""

    type_name: str
    nodeset: str
    identifier: int
    paths: list[str] = field(default_factory=list)
    shared: list[tuple[str, str]] = field(default_factory=list)


def read_demands(text: str) -> dict[str, Demand]:
    demands: dict[str, Demand] = {}
    current = Demand("", "", 0)
    for line in text.splitlines():
        if match := re.match(r"## (\S+) \((\w+);i=(\d+)\)", line):
            current = Demand(match[1], SHORT.get(match[2], match[2]), int(match[3]))
            demands[match[1]] = current
        elif match := re.match(r"- \(shared\) (\S+) --Organizes--> (\S+)", line):
            current.shared.append((match[1], match[2]))
        elif match := re.match(r"- (\S+)  \[", line):
            current.paths.append(match[1])
    return demands


DEMANDS = read_demands(
    (Path(__file__).parent / "data" / "mandatory-paths.md").read_text(encoding="utf-8")
)


class Bench:
    """A model to make instances in, and questions about them."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.instantiator = Instantiator(model)

    def type(self, nodeset: str, identifier: int) -> ua.NodeId:
        return make_node_id(identifier, self.model.namespace(CATALOGUE[nodeset].uri))

    def make(self, nodeset: str, identifier: int, name: str = "X", **options: object) -> Instance:
        arguments = {
            "node_id": make_node_id(name, PLANT),
            "browse_name": ua.QualifiedName(name, PLANT),
            "parent": OBJECTS,
            "reference": HAS_COMPONENT,
            **options,
        }
        return self.instantiator.instantiate(self.type(nodeset, identifier), **arguments)

    def children(self, node_id: ua.NodeId) -> dict[tuple[str, str | None], ua.NodeId]:
        """Hierarchical children by (nodeset, browse name), as a browsing client finds them."""
        names = {entry.uri: name for name, entry in CATALOGUE.items()}
        hierarchical = ns0("HierarchicalReferences")
        found = {}
        for reference in self.model.nodes[node_id].references:
            if reference.forward and self.model.is_subtype(reference.type, hierarchical):
                name = self.model.nodes[reference.target].browse_name
                nodeset = names.get(self.model.namespaces[name.NamespaceIndex], "plant")
                found[nodeset, name.Name] = reference.target
        return found

    def browse(self, start: ua.NodeId, path: str) -> ua.NodeId | None:
        """Follow a path such as `LADS:CurrentValue/0:EURange` by references alone."""
        current: ua.NodeId | None = start
        for step in path.split("/"):
            nodeset, _, name = step.rpartition(":")
            if current is not None:
                current = self.children(current).get((SHORT.get(nodeset, nodeset), name))
        return current


@pytest.fixture
def bench(fresh_model: FreshModel) -> Bench:
    return Bench(fresh_model())


@pytest.fixture(scope="module")
def all_types(nodeset_cache: Path, compiled_cache: Path) -> tuple[Bench, dict[str, Instance]]:
    """One instance of each type of the oracle that is not abstract, in one model."""
    from biogate_nodesets import load_model

    model = load_model(folder=nodeset_cache, cache=compiled_cache, application_uri="urn:test")
    model.namespaces.append("urn:test:plant")
    bench = Bench(model)
    concrete = {
        name: demand
        for name, demand in DEMANDS.items()
        if not model.nodes[bench.type(demand.nodeset, demand.identifier)].is_abstract
    }
    category = MemberSpec(type_definition=bench.type("IA", 1017))
    members = {"CalibrationTargetType": {"CalibrationTargetCategory": category}}
    return bench, {
        name: bench.make(demand.nodeset, demand.identifier, name, members=members.get(name))
        for name, demand in concrete.items()
    }


def test_the_oracle_is_read_completely() -> None:
    assert len(DEMANDS) == 56
    assert sum(len(demand.paths) for demand in DEMANDS.values()) > 300
    assert sum(len(demand.shared) for demand in DEMANDS.values()) > 20


@pytest.mark.parametrize("name", DEMANDS)
def test_every_mandatory_path_exists(
    name: str, all_types: tuple[Bench, dict[str, Instance]]
) -> None:
    bench, instances = all_types
    if name not in instances:
        pytest.skip(f"{name} is abstract")
    start = instances[name].node_id
    missing = [path for path in DEMANDS[name].paths if bench.browse(start, path) is None]
    assert missing == []


@pytest.mark.parametrize("name", [name for name, demand in DEMANDS.items() if demand.shared])
def test_a_functional_group_organises_the_very_node_of_the_function(
    name: str, all_types: tuple[Bench, dict[str, Instance]]
) -> None:
    bench, instances = all_types
    instance = instances[name]
    for group, path in DEMANDS[name].shared:
        leaf = path.rpartition("/")[2]
        assert instance.paths[f"{group}/{leaf}"] == instance.paths[path]
        organised = set(bench.model.nodes[instance.paths[group]].targets(ORGANIZES))
        assert instance.paths[path] in organised


def test_every_reference_of_an_instance_stands_on_both_ends_once(
    all_types: tuple[Bench, dict[str, Instance]],
) -> None:
    bench, instances = all_types
    nodes = bench.model.nodes
    for instance in instances.values():
        for node in instance.nodes:
            for reference, count in Counter(node.references).items():
                assert count == 1, (node.node_id, reference)
                back = Reference(reference.type, node.node_id, not reference.forward)
                assert nodes[reference.target].references.count(back) == 1


def test_every_node_of_an_instance_has_one_owner_and_the_type_that_was_declared(
    all_types: tuple[Bench, dict[str, Instance]],
) -> None:
    bench, instances = all_types
    for instance in instances.values():
        for node in instance.nodes:
            types = list(node.targets(HAS_TYPE_DEFINITION))
            assert len(types) == (node.node_class is not ua.NodeClass.Method)
            assert any(
                not r.forward and bench.model.is_subtype(r.type, ns0("HierarchicalReferences"))
                for r in node.references
            )


# LADS;i=6009 and its like: the device and its Identification hold one node by HasProperty.
def test_the_nameplate_of_a_device_is_shared_with_its_identification(bench: Bench) -> None:
    device = bench.make("LADS", 1002)
    assert device.paths["Manufacturer"] == device.paths["Identification/Manufacturer"]
    owners = [r for r in device["Manufacturer"].references if not r.forward]
    assert {r.type for r in owners} == {ns0("HasProperty")}
    assert {r.target for r in owners} == {device.node_id, device.paths["Identification"]}


def test_declarations_of_a_member_s_type_are_not_shared_between_members(bench: Bench) -> None:
    function = bench.make("LADS", 1009)
    assert function.paths["CurrentValue/EURange"] != function.paths["TargetValue/EURange"]


def test_node_ids_are_the_root_s_with_the_owner_s_path(bench: Bench) -> None:
    function = bench.make("LADS", 1009, "BR101.Agitation")
    assert function["ControlFunctionState/CurrentState/Id"].node_id == make_node_id(
        "BR101.Agitation.ControlFunctionState.CurrentState.Id", PLANT
    )
    assert function.paths["Operational/CurrentState"] == make_node_id(
        "BR101.Agitation.ControlFunctionState.CurrentState", PLANT
    )
    assert function["Operational"].browse_name == ua.QualifiedName("Operational", 6)


def test_members_keep_the_attributes_of_their_declaration(bench: Bench) -> None:
    function = bench.make("LADS", 1009)
    declared = bench.model.nodes[bench.type("LADS", 6006)]
    target = function["TargetValue"]
    assert target.description == declared.description
    assert target.description is not None
    assert (target.data_type, target.value_rank) == (ns0("Double"), -1)
    assert target.access_level == declared.access_level == target.user_access_level
    assert next(target.targets(HAS_TYPE_DEFINITION)) == ns0("AnalogUnitRangeType")


# LADSComponentType has the interface DI:IDeviceHealthType.
def test_members_of_interfaces_are_there_and_the_interface_is_named(bench: Bench) -> None:
    component = bench.make("LADS", 1024, optional=["DeviceHealth"])
    assert component["DeviceHealth"].node_class is ua.NodeClass.Variable
    interfaces = set(component.nodes[0].targets(HAS_INTERFACE))
    assert bench.type("DI", 15051) in interfaces


def test_dictionary_entries_are_kept_but_for_placeholders(bench: Bench) -> None:
    meter = bench.make("PADIM", 1089)
    entries = {
        bench.model.nodes[target].browse_name.Name
        for node in meter.nodes
        for target in node.targets(HAS_DICTIONARY_ENTRY)
    }
    assert "0112/2///61987#ABP440#002" in entries
    assert not any(str(entry).startswith("<") for entry in entries)


# LADS;i=7028 hangs on Operational alone, see `homonyms`.
def test_the_stop_of_a_functional_group_is_that_of_the_state_machine(bench: Bench) -> None:
    function = bench.make("LADS", 1009)
    stop = function.paths["Operational/Stop"]
    assert stop == function.paths["ControlFunctionState/Stop"]
    owners = [
        r.target
        for r in function["Operational/Stop"].references
        if not r.forward and r.type == HAS_COMPONENT
    ]
    assert owners == [function.paths["ControlFunctionState"]]


# LADS;i=7046 and 7010 have the same arguments in different order; clients use 7010.
def test_start_program_has_the_arguments_that_clients_send(bench: Bench) -> None:
    unit = bench.make("LADS", 1003, optional=["Operational/StartProgram"])
    assert unit.paths["Operational/StartProgram"] == unit.paths["FunctionalUnitState/StartProgram"]
    value = unit["FunctionalUnitState/StartProgram/InputArguments"].value
    assert value is not None
    assert [argument.Name for argument in variant_from_binary(Buffer(value)).Value] == [
        "ProgramTemplateId",
        "Properties",
        "SupervisoryJobId",
        "SupervisoryTaskId",
        "Samples",
    ]
    method = unit["FunctionalUnitState/StartProgram"]
    assert method.method_declaration == bench.type("LADS", 7010)


def test_optional_members_come_with_their_parents_and_only_when_listed(bench: Bench) -> None:
    plain = bench.make("LADS", 1009, "A")
    assert "AlarmMonitor" not in plain.paths
    full = bench.make("LADS", 1009, "B", optional=["AlarmMonitor/HighLimit"])
    assert {"AlarmMonitor", "AlarmMonitor/HighLimit", "AlarmMonitor/EventId"} <= set(full.paths)


def test_an_optional_member_may_be_named_by_any_of_its_paths(bench: Bench) -> None:
    path = "MachineryBuildingBlocks/Identification/YearOfConstruction"
    device = bench.make("LADS", 1002, optional=[path])
    assert device.paths[path] == device.paths["Identification/YearOfConstruction"]


def test_members_can_be_given_values_types_and_texts(bench: Bench) -> None:
    function = bench.make(
        "LADS",
        1016,
        members={
            "SensorValue/EURange": ua.Variant(ua.Range(0, 14)),
            "SensorValue": MemberSpec(
                display_name=ua.LocalizedText("pH"),
                description=ua.LocalizedText("of the broth"),
                access_level=5,
            ),
            "AlarmMonitor": MemberSpec(type_definition=ns0("ExclusiveLevelAlarmType")),
        },
    )
    value = function["SensorValue/EURange"].value
    assert value is not None
    assert variant_from_binary(Buffer(value)).Value == ua.Range(0, 14)
    sensor = function["SensorValue"]
    assert (sensor.display_name.Text, sensor.access_level) == ("pH", 5)
    assert sensor.description == ua.LocalizedText("of the broth")
    assert bench.model.nodes[bench.type("LADS", 6033)].display_name.Text == "SensorValue"


def test_a_variable_of_a_variable_type_can_be_made(bench: Bench) -> None:
    variable = bench.instantiator.instantiate(
        ns0("AnalogUnitRangeType"),
        node_id=make_node_id("Volume", PLANT),
        browse_name=ua.QualifiedName("Volume", PLANT),
        parent=OBJECTS,
        reference=HAS_COMPONENT,
        optional=["InstrumentRange"],
    )
    assert variable.nodes[0].node_class is ua.NodeClass.Variable
    assert set(variable.paths) == {"", "EngineeringUnits", "EURange", "InstrumentRange"}


@pytest.mark.parametrize(
    ("identifier", "options", "message"),
    [
        (1004, {}, r"FunctionType \(ns=6;i=1004\) is abstract"),
        (4711, {}, "is not an ObjectType or VariableType"),
        (1009, {"parent": make_node_id("no", PLANT)}, "the parent ns=11;s=no is not in the model"),
        (1009, {"reference": OBJECTS}, "i=85 is not a ReferenceType"),
        (1009, {"node_id": OBJECTS}, "the NodeId i=85 is in use"),
        (
            1009,
            {"optional": ["AlarmMonitr"]},
            "declares no member AlarmMonitr; optional members left out here are: .*AlarmMonitor",
        ),
        (
            1009,
            {"members": {"CurrentValue": MemberSpec(type_definition=ns0("PropertyType"))}},
            r"CurrentValue must be of type AnalogUnitRangeType \(i=17570\) or a subtype",
        ),
    ],
)
def test_what_cannot_be_made_is_refused_and_changes_nothing(
    identifier: int, options: dict[str, object], message: str, bench: Bench
) -> None:
    before = {key: list(node.references) for key, node in bench.model.nodes.items()}
    with pytest.raises(ValueError, match=message):
        bench.make("LADS", identifier, **options)
    assert {key: node.references for key, node in bench.model.nodes.items()} == before


def test_a_path_that_an_instance_lacks_is_named(bench: Bench) -> None:
    function = bench.make("LADS", 1009)
    with pytest.raises(KeyError, match=r"no 'SetPoint' in this instance; it has: .*TargetValue"):
        function["SetPoint"]


def test_every_concrete_type_but_three_can_be_instantiated(
    bench: Bench,
) -> None:
    kinds = (ua.NodeClass.ObjectType, ua.NodeClass.VariableType)
    types = [n for n in bench.model.nodes.values() if n.node_class in kinds and not n.is_abstract]
    assert len(types) == 427
    refused = []
    for number, type_ in enumerate(types):
        try:
            bench.instantiator.instantiate(
                type_.node_id,
                node_id=make_node_id(f"T{number}", PLANT),
                browse_name=ua.QualifiedName(f"T{number}", PLANT),
                parent=OBJECTS,
                reference=HAS_COMPONENT,
            )
        except ValueError as error:
            refused.append((type_.browse_name.Name, str(error)))
    # These have a mandatory member of an abstract type: the caller must choose.
    assert {name for name, _ in refused} == {
        "PubSubConnectionType",
        "DatagramConnectionTransportType",
        "CalibrationTargetType",
    }
    assert all("is of the abstract type" in message for _, message in refused)


def test_no_node_has_two_children_of_one_name(
    all_types: tuple[Bench, dict[str, Instance]],
) -> None:
    bench, instances = all_types
    for instance in instances.values():
        for node in instance.nodes:
            names = [
                bench.model.nodes[target].browse_name.Name
                for target in {
                    r.target
                    for r in node.references
                    if r.forward and bench.model.is_subtype(r.type, ns0("HierarchicalReferences"))
                }
            ]
            assert len(names) == len(set(names)), (node.node_id, names)
