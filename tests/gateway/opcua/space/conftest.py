"""Small hand-made models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.codec import encode_variant
from biogate.opcua.space.address_space import AddressSpace
from biogate_nodesets.model import Model, Node

Ref = tuple[int, str | int, bool]


def nid(name: str | int) -> ua.NodeId:
    """`ns=1;s=name`, or `i=name` for a number."""
    return ua.NodeId(name) if isinstance(name, int) else ua.NodeId(name, 1)


class Maker:
    """Makes nodes with references to nodes that may come later."""

    def __init__(self) -> None:
        self.nodes: dict[ua.NodeId, Node] = {}

    def node(
        self,
        name: str | int,
        node_class: str = "Object",
        *references: tuple[int, str | int],
        inverse: Sequence[tuple[int, str | int]] = (),
        browse_name: ua.QualifiedName | None = None,
        **attributes: Any,
    ) -> Node:
        """A node; `references` are (reference type, target), `inverse` (type, source)."""
        made = Node(
            nid(name),
            ua.NodeClass[node_class],
            browse_name or ua.QualifiedName(str(name), 1),
            ua.LocalizedText(str(name)),
            **attributes,
        )
        for type_id, target in references:
            made.add_reference(ua.NodeId(type_id), nid(target), forward=True)
        for type_id, source in inverse:
            made.add_reference(ua.NodeId(type_id), nid(source), forward=False)
        self.nodes[made.node_id] = made
        return made

    def type(self, name: str | int, parent: str | int | None, node_class: str) -> Node:
        """A type below `parent`."""
        above = [] if parent is None else [(ua.ObjectIds.HasSubtype, parent)]
        return self.node(name, node_class, inverse=above)

    def method(self, name: str, owner: str, *arguments: ua.Argument, called: str = "") -> Node:
        """A Method of `owner` with the BrowseName `called` (default: its own name)."""
        made = self.node(
            name,
            "Method",
            inverse=[(ua.ObjectIds.HasComponent, owner)],
            browse_name=ua.QualifiedName(called or name, 1),
        )
        if arguments:
            value = ua.Variant(list(arguments), ua.VariantType.ExtensionObject)
            self.node(
                f"{name}.InputArguments",
                "Variable",
                inverse=[(ua.ObjectIds.HasProperty, name)],
                browse_name=ua.QualifiedName("InputArguments", 0),
                value=encode_variant(value),
            )
        return made

    def space(self) -> AddressSpace:
        """Everything made so far, with both ends of every reference."""
        nodes = list(self.nodes.values())
        space = AddressSpace(Model(["http://opcfoundation.org/UA/", "urn:test"], {}))
        space.add_nodes(nodes)
        return space


@pytest.fixture
def make() -> Maker:
    """A maker with the reference types of namespace 0 that the others stand on."""
    maker = Maker()
    i = ua.ObjectIds
    maker.type(i.References, None, "ReferenceType")
    maker.type(i.HierarchicalReferences, i.References, "ReferenceType")
    maker.type(i.HasComponent, i.HierarchicalReferences, "ReferenceType")
    maker.type(i.HasOrderedComponent, i.HasComponent, "ReferenceType")
    maker.type(i.Organizes, i.HierarchicalReferences, "ReferenceType")
    return maker


@pytest.fixture
def node_id() -> Callable[[str | int], ua.NodeId]:
    """`ns=1;s=name`, or `i=number`."""
    return nid
