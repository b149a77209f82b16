"""Where nodes belong: declared where something begins, and found from there."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.space.places import NOWHERE, Place

COMPONENT, PROPERTY = ua.ObjectIds.HasComponent, ua.ObjectIds.HasProperty
ORGANIZES = ua.ObjectIds.Organizes


@pytest.fixture
def space(make: Any, node_id: Any) -> Any:
    make.node("plant")
    make.node("unit", inverse=[(ORGANIZES, "plant")])
    make.node("set", inverse=[(COMPONENT, "unit")])
    make.node("pH", inverse=[(COMPONENT, "set")])
    make.node("value", "Variable", inverse=[(COMPONENT, "pH")])
    make.node("range", "Variable", inverse=[(PROPERTY, "value")])
    make.node("other", inverse=[(COMPONENT, "unit")])
    make.node("typed", inverse=[(ua.ObjectIds.HasTypeDefinition, "unit")])
    make.node(2253)
    make.type(ua.ObjectIds.Aggregates, None, "ReferenceType")
    make.type(COMPONENT, ua.ObjectIds.Aggregates, "ReferenceType")
    make.type(PROPERTY, ua.ObjectIds.Aggregates, "ReferenceType")
    made = make.space()
    made.declare_place(node_id("unit"), Place("cell", "U"))
    made.declare_place(node_id("set"), Place("cell", "U"))
    return made


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("unit", Place("cell", "U")),
        ("set", Place("cell", "U")),
        ("pH", Place("cell", "U/pH")),
        ("value", Place("cell", "U/pH/value")),
        ("range", Place("cell", "U/pH/value")),
        ("other", Place("cell", "U/other")),
        ("plant", NOWHERE),
        ("typed", NOWHERE),
        (2253, NOWHERE),
    ],
)
def test_what_is_below_has_the_zone_and_its_name(
    space: Any, node_id: Any, name: Any, place: Place
) -> None:
    found = space.place(ua.NodeId(name) if isinstance(name, int) else node_id(name))
    assert found == place


def test_a_space_is_zoned_once_something_is_in_a_zone(make: Any, node_id: Any) -> None:
    make.node("a")
    space = make.space()
    assert not space.places.zoned
    before = space.epoch
    space.declare_place(node_id("a"), Place("", "a"))
    assert not space.places.zoned
    assert space.epoch != before
    space.declare_place(node_id("a"), Place("cell", "a"))
    assert space.places.zoned


def test_a_node_that_is_gone_is_nowhere(space: Any, node_id: Any) -> None:
    space.remove_nodes([node_id("set")])
    assert space.place(node_id("set")) == NOWHERE
    assert space.place(node_id("pH")) == NOWHERE


def test_nodes_that_hold_each_other_are_nowhere(make: Any, node_id: Any) -> None:
    make.node("a", inverse=[(ORGANIZES, "b")])
    make.node("b", inverse=[(ORGANIZES, "a")])
    make.node("c")
    space = make.space()
    space.declare_place(node_id("c"), Place("cell", "c"))
    assert space.place(node_id("a")) == NOWHERE
