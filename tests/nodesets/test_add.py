"""Single nodes are added with references on both ends, or not at all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import variant_from_binary

from biogate_nodesets import Model, Node, Reference, add_nodes, add_object, add_property
from biogate_nodesets.add import HAS_COMPONENT, HAS_PROPERTY
from biogate_nodesets.model import HAS_TYPE_DEFINITION, make_node_id, ns0

OBJECTS = ns0("ObjectsFolder")
AREA = make_node_id("Area", 11)


@pytest.fixture
def model(fresh_model: Callable[[], Model]) -> Model:
    return fresh_model()


def test_an_object_stands_below_its_parent(model: Model) -> None:
    node = add_object(model, AREA, ua.QualifiedName("Area", 11), parent=OBJECTS)
    assert model.nodes[AREA] is node
    assert Reference(HAS_COMPONENT, AREA, forward=True) in model.nodes[OBJECTS].references
    assert Reference(HAS_COMPONENT, OBJECTS, forward=False) in node.references
    assert list(node.targets(HAS_TYPE_DEFINITION)) == [ns0("BaseObjectType")]
    assert Reference(HAS_TYPE_DEFINITION, AREA, forward=False) in (
        model.nodes[ns0("BaseObjectType")].references
    )


def test_a_property_has_its_value_and_type(model: Model) -> None:
    add_object(model, AREA, ua.QualifiedName("Area", 11), parent=OBJECTS)
    node = add_property(
        model,
        make_node_id("Area.Name", 11),
        ua.QualifiedName("Name", 11),
        parent=AREA,
        data_type=ns0("String"),
        value=ua.Variant(["a", "b"], ua.VariantType.String),
        value_rank=1,
    )
    assert list(model.nodes[AREA].targets(HAS_PROPERTY)) == [node.node_id]
    assert (node.data_type, node.array_dimensions) == (ns0("String"), (0,))
    assert node.value is not None
    assert variant_from_binary(Buffer(node.value)).Value == ["a", "b"]


def test_a_reference_between_two_new_nodes_stands_on_each_end_once(model: Model) -> None:
    other = make_node_id("Other", 11)
    first, second = (
        Node(key, ua.NodeClass.Object, ua.QualifiedName("n", 11), ua.LocalizedText("n"))
        for key in (AREA, other)
    )
    first.references = [Reference(HAS_COMPONENT, other, forward=True)]
    second.references = [Reference(HAS_COMPONENT, OBJECTS, forward=False)]
    add_nodes(model, [first, second])
    assert first.references == [Reference(HAS_COMPONENT, other, forward=True)]
    assert second.references == [
        Reference(HAS_COMPONENT, OBJECTS, forward=False),
        Reference(HAS_COMPONENT, AREA, forward=False),
    ]


@pytest.mark.parametrize(
    ("node_id", "parent", "message"),
    [
        (OBJECTS, OBJECTS, "the NodeId i=85 is in use"),
        (AREA, make_node_id("no", 11), "refers to ns=11;s=no, which is not in the model"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    node_id: ua.NodeId, parent: ua.NodeId, message: str, model: Model
) -> None:
    count, references = len(model.nodes), len(model.nodes[OBJECTS].references)
    with pytest.raises(ValueError, match=message):
        add_object(model, node_id, ua.QualifiedName("Area", 11), parent=parent)
    assert (len(model.nodes), len(model.nodes[OBJECTS].references)) == (count, references)


def test_two_new_nodes_with_one_id_are_refused(model: Model) -> None:
    nodes = [
        Node(AREA, ua.NodeClass.Object, ua.QualifiedName("n", 11), ua.LocalizedText("n"))
        for _ in range(2)
    ]
    with pytest.raises(ValueError, match="is in use"):
        add_nodes(model, nodes)
    assert AREA not in model.nodes
