"""The demo site in the address space: LADS functions and signals bound to tags."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from asyncua import ua

from biogate.bioreactor import BuiltSpace, build_address_space
from biogate.declared.variables import DeclaredVariables
from biogate.devices import tag_info
from biogate.opcua.codec import decode_variant
from biogate.opcua.space.values import CallSource, TagSource
from biogate.site import SitePlan, load_site, parse_site, plan_site
from biogate.tags import TagInfo, TagTable
from biogate_adapters import status
from biogate_nodesets import Node, load_model

LADS = "http://opcfoundation.org/UA/LADS/"
FUNCTIONS = {
    "pH": 1000,
    "DO": 1000,
    "Temperature": 1009,
    "Agitation": 1009,
    "GasFlow": 1009,
    "Feed": 1009,
    "Base": 1009,
    "Weight": 1016,
}


@pytest.fixture(scope="module")
def plan(project: Path) -> SitePlan:
    return plan_site(load_site(project / "examples" / "demo-site.yaml"))


@pytest.fixture(scope="module")
def table(plan: SitePlan) -> TagTable:
    table = TagTable()
    for device in plan.devices.values():
        for signal in device.profile.signals:
            table.add(tag_info(device, signal))
    table.add(TagInfo("OUR", unit="M33", description="oxygen uptake rate"))
    return table


@pytest.fixture(scope="module")
def built(plan: SitePlan, table: TagTable, nodeset_cache: Path) -> BuiltSpace:
    model = load_model(cache=nodeset_cache, application_uri="urn:test")
    return build_address_space(model, plan, table, DeclaredVariables(plan.sections, table))


@pytest.fixture(scope="module")
def at(built: BuiltSpace) -> Callable[[str], Node]:
    """The instance node with this string NodeId."""
    namespace = built.space.namespaces.index("urn:example-bio:pilot-plant")

    def at(path: str) -> Node:
        node = built.space.get(ua.NodeId(path, namespace))
        assert node is not None, path
        return node

    return at


def value_of(node: Node) -> object:
    assert node.value is not None
    return decode_variant(node.value).Value


def type_of(node: Node) -> ua.NodeId:
    return next(r.target for r in node.references if r.type == ua.NodeId(40))


def instances(built: BuiltSpace) -> list[Node]:
    last = len(built.space.namespaces) - 1
    return [node for node in built.space.nodes.values() if node.node_id.NamespaceIndex == last]


def test_each_function_has_its_lads_type(built: BuiltSpace, at: Callable[[str], Node]) -> None:
    lads = built.space.namespaces.index(LADS)
    for name, number in FUNCTIONS.items():
        assert type_of(at(f"BR101.Unit.FunctionSet.{name}")) == ua.NodeId(number, lads)
    assert type_of(at("BR101")) == ua.NodeId(1002, lads)
    assert type_of(at("BR101.Unit")) == ua.NodeId(1003, lads)


def test_the_device_is_found_where_lads_clients_look(
    built: BuiltSpace, at: Callable[[str], Node]
) -> None:
    di = built.space.namespaces.index("http://opcfoundation.org/UA/DI/")
    device_set = built.space.get(ua.NodeId(5001, di))
    assert device_set is not None
    assert at("BR101").node_id in {r.target for r in device_set.references if r.forward}


# Part 5, 6.2: a Variable has a value of its DataType; one that never has any is of no use.
def test_every_variable_of_the_site_has_a_value_or_a_source(built: BuiltSpace) -> None:
    empty = [
        node.node_id.to_string()
        for node in instances(built)
        if node.node_class is ua.NodeClass.Variable and built.space.source(node.node_id) is None
    ]
    assert empty == []


def test_every_bound_value_is_a_double_with_unit_and_range(
    built: BuiltSpace, at: Callable[[str], Node]
) -> None:
    for name in FUNCTIONS:
        for value in ("SensorValue", "RawValue", "CurrentValue", "TargetValue"):
            path = f"BR101.Unit.FunctionSet.{name}.{value}"
            node = built.space.get(ua.NodeId(path, at("BR101").node_id.NamespaceIndex))
            if node is None:
                continue
            source = built.space.source(node.node_id)
            assert isinstance(source, TagSource)
            assert source.projection is ua.VariantType.Double
            limits, unit = value_of(at(f"{path}.EURange")), value_of(at(f"{path}.EngineeringUnits"))
            assert isinstance(limits, ua.Range)
            assert limits.Low < limits.High
            assert isinstance(unit, ua.EUInformation)
            assert unit.NamespaceUri == "http://www.opcfoundation.org/UA/units/un/cefact"


def test_the_range_of_a_function_is_the_one_in_the_site_file(at: Callable[[str], Node]) -> None:
    assert value_of(at("BR101.Unit.FunctionSet.pH.SensorValue.EURange")) == ua.Range(0.0, 14.0)
    unit = value_of(at("BR101.Unit.FunctionSet.pH.SensorValue.EngineeringUnits"))
    assert isinstance(unit, ua.EUInformation)
    assert unit.UnitId == 5321520  # Q30


def test_only_set_points_can_be_written(built: BuiltSpace) -> None:
    for node in instances(built):
        source = built.space.source(node.node_id)
        if isinstance(source, TagSource):
            assert bool(node.access_level & 2) == source.writable
            assert source.writable == source.name.endswith("_setpoint")
        elif node.node_class is ua.NodeClass.Variable:
            assert not node.access_level & 2, node.node_id.to_string()


def test_all_views_of_a_value_show_the_same_tag(
    built: BuiltSpace, at: Callable[[str], Node], table: TagTable
) -> None:
    tags = {
        source.tag
        for path in ("BR101.Unit.FunctionSet.pH.SensorValue", "Signals.AE101.ph")
        if isinstance(source := built.space.source(at(path).node_id), TagSource)
    }
    assert tags == {table.index("AE101.ph")}


def test_a_control_function_runs_as_long_as_its_device_answers(
    built: BuiltSpace, at: Callable[[str], Node], table: TagTable
) -> None:
    node = at("BR101.Unit.FunctionSet.Feed.ControlFunctionState.CurrentState")
    source = built.space.source(node.node_id)
    assert isinstance(source, CallSource)
    assert source.read().StatusCode.value == status.BAD_WAITING_FOR_INITIAL_DATA
    table.apply(
        np.array([table.index("RC101.feed_rate")], np.int32),
        np.array([1.0]),
        np.array([0], np.uint32),
        np.array([5]),
        6,
    )
    assert source.read().Value.Value.Text == "Running"
    assert source.read().StatusCode.value == status.GOOD


def test_computed_tags_have_a_folder_of_their_own(at: Callable[[str], Node]) -> None:
    assert at("Computed.OUR").browse_name.Name == "OUR"
    unit = value_of(at("Computed.OUR.EngineeringUnits"))
    assert isinstance(unit, ua.EUInformation)
    assert unit.DisplayName.Text == "mmol/l"


def test_declared_nodes_follow_the_plants_own_in_a_namespace_of_theirs(
    project: Path, nodeset_cache: Path
) -> None:
    demo = (project / "examples" / "demo-site.yaml").read_text(encoding="utf-8")
    demo += "nodes: {skid: {namespace: 'urn:acme:skid', objects: {Skid: {variables: "
    demo += "{Level: {type: Double, value: 1}}}}}}\n"
    both = plan_site(parse_site(demo.encode(), "site.yaml", folder=project))
    table = TagTable()
    for device in both.devices.values():
        for signal in device.profile.signals:
            table.add(tag_info(device, signal))
    declared = DeclaredVariables(both.sections, table)
    model = load_model(cache=nodeset_cache, application_uri="urn:test")

    built = build_address_space(model, both, table, declared)

    assert built.space.namespaces[-2:] == ["urn:example-bio:pilot-plant", "urn:acme:skid"]
    skid = len(built.space.namespaces) - 1
    assert built.variables["skid.Level"] == (f"ns={skid};s=Level",)
    assert built.space.get(ua.NodeId("Computed", skid - 1)) is None
    assert built.space.get(ua.NodeId("BR101", skid - 1)) is not None
