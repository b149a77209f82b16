"""Nodes, sources and types of the address space that is served."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.codec import encode_variant
from biogate.opcua.space.values import StaticSource, TagSource

I = ua.ObjectIds  # noqa: E741


def test_added_nodes_are_referenced_from_the_other_end(make: Any, node_id: Any) -> None:
    make.node("parent")
    space = make.space()
    make.nodes.clear()
    child = make.node("child", inverse=[(I.HasComponent, "parent")])
    before = space.epoch
    space.add_nodes([child])
    (reference,) = space.nodes[node_id("parent")].references
    assert (reference.target, reference.forward) == (child.node_id, True)
    assert space.epoch > before


def test_a_taken_node_id_is_refused(make: Any) -> None:
    node = make.node("one")
    space = make.space()
    space.add_nodes([node])  # the same node again is no other node
    with pytest.raises(ValueError, match="ns=1;s=one is in the address space already"):
        space.add_nodes([make.node("one")])


def test_removed_nodes_leave_no_references_and_no_source(make: Any, node_id: Any) -> None:
    make.node("parent")
    make.node("child", "Variable", inverse=[(I.HasComponent, "parent")])
    space = make.space()
    space.bind(node_id("child"), TagSource(0, ua.VariantType.Double))
    before = space.epoch
    space.remove_nodes([node_id("child"), node_id("never existed")])
    assert space.get(node_id("child")) is None
    assert space.source(node_id("child")) is None
    assert space.nodes[node_id("parent")].references == []
    assert space.epoch > before


def test_a_source_needs_a_node(make: Any, node_id: Any) -> None:
    with pytest.raises(KeyError, match="ns=1;s=absent is not in the address space"):
        make.space().bind(node_id("absent"), StaticSource(b""))


def test_a_value_comes_from_the_nodeset_until_it_is_bound(make: Any, node_id: Any) -> None:
    value = encode_variant(ua.Variant(1, ua.VariantType.Int32))
    make.node("constant", "Variable", value=value)
    make.node("empty", "Variable")
    space = make.space()
    assert space.source(node_id("constant")) == StaticSource(value)
    assert space.source(node_id("empty")) is None
    bound = TagSource(3, ua.VariantType.Int32)
    space.bind(node_id("constant"), bound)
    assert space.source(node_id("constant")) is bound


def test_types_know_their_supertypes(make: Any, node_id: Any) -> None:
    types = make.space().types
    ordered, component = ua.NodeId(I.HasOrderedComponent), ua.NodeId(I.HasComponent)
    assert types.is_subtype(ordered, ua.NodeId(I.References))
    assert types.is_subtype(ordered, ordered)
    assert not types.is_subtype(component, ordered)
    assert not types.is_subtype(ua.NodeId(I.Organizes), component)
    assert types.with_subtypes(component) == {component, ordered}


def test_types_added_later_are_known(make: Any, node_id: Any) -> None:
    space = make.space()
    component = ua.NodeId(I.HasComponent)
    assert len(space.types.with_subtypes(component)) == 2
    make.nodes.clear()
    space.add_nodes([make.type("Own", I.HasComponent, "ReferenceType")])
    assert node_id("Own") in space.types.with_subtypes(component)


def test_a_loop_of_types_ends(make: Any, node_id: Any) -> None:
    make.node("A", "ObjectType", inverse=[(I.HasSubtype, "B")])
    make.node("B", "ObjectType", inverse=[(I.HasSubtype, "A")])
    types = make.space().types
    assert not types.is_subtype(node_id("A"), ua.NodeId(I.BaseObjectType))
    assert types.built_in(node_id("A")) is None


@pytest.mark.parametrize(
    ("data_type", "built_in"),
    [
        (I.Double, ua.VariantType.Double),
        (I.Duration, ua.VariantType.Double),
        (I.UtcTime, ua.VariantType.DateTime),
        (I.ServerState, ua.VariantType.Int32),
        (I.BuildInfo, ua.VariantType.ExtensionObject),
        (I.Number, None),
        (I.BaseDataType, None),
    ],
)
def test_data_types_have_the_built_in_type_that_encodes_them(
    make: Any, data_type: int, built_in: ua.VariantType | None
) -> None:
    make.type(I.Number, I.BaseDataType, "DataType")
    make.type(I.Double, I.Number, "DataType")
    make.type(I.Duration, I.Double, "DataType")
    make.type(I.UtcTime, I.DateTime, "DataType")
    make.type(I.Enumeration, I.BaseDataType, "DataType")
    make.type(I.ServerState, I.Enumeration, "DataType")
    make.type(I.Structure, I.BaseDataType, "DataType")
    make.type(I.BuildInfo, I.Structure, "DataType")
    assert make.space().types.built_in(ua.NodeId(data_type)) == built_in
