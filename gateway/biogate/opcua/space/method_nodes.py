"""Nodes of an Object of our own and of its Methods (Part 3, 5.5 and 5.7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from biogate.opcua.codec import encode_variant
from biogate.opcua.space.ids import HAS_COMPONENT, HAS_PROPERTY, HAS_TYPE_DEFINITION
from biogate.opcua.stack import ObjectIds, node_id, ua
from biogate_nodesets.model import Node

SCALAR, LIST, ANY = -1, 1, -2
"""ValueRanks of arguments."""
ENCRYPTION_REQUIRED = 2
"""AccessRestrictionType (Part 3, 8.56)."""

Arguments = Sequence[tuple[str, int, int, str]]
"""Name, DataType, ValueRank, description."""


def object_node(name: str, namespace: int, parent: ua.NodeId, reference: ua.NodeId) -> Node:
    """An Object that is called like its identifier, below `parent`."""
    node = _node(name, name, namespace, ua.NodeClass.Object)
    node.add_reference(reference, parent, forward=False)
    node.add_reference(HAS_TYPE_DEFINITION, node_id(ObjectIds.BaseObjectType), forward=True)
    return node


def method_nodes(owner: Node, name: str, inputs: Arguments, outputs: Arguments) -> Iterator[Node]:
    """A Method `<owner>.<name>` that is called over encrypted channels only, with its arguments."""
    namespace = int(owner.node_id.NamespaceIndex)
    method = _node(f"{owner.browse_name.Name}.{name}", name, namespace, ua.NodeClass.Method)
    method.access_restrictions = ENCRYPTION_REQUIRED
    method.add_reference(HAS_COMPONENT, owner.node_id, forward=False)
    yield method
    for kind, arguments in (("InputArguments", inputs), ("OutputArguments", outputs)):
        if arguments:
            yield _property(method.node_id, kind, arguments, namespace)


def _node(identifier: str, name: str, namespace: int, node_class: ua.NodeClass) -> Node:
    return Node(
        node_id(identifier, namespace),
        node_class,
        ua.QualifiedName(name, ua.UInt16(namespace)),
        ua.LocalizedText(name),
    )


def _property(method: ua.NodeId, kind: str, arguments: Arguments, namespace: int) -> Node:
    declared = [
        ua.Argument(
            Name=ua.String(name),
            DataType=node_id(data_type),
            ValueRank=ua.Int32(rank),
            ArrayDimensions=[ua.UInt32(0)] if rank == LIST else [],
            Description=ua.LocalizedText(description, "en"),
        )
        for name, data_type, rank, description in arguments
    ]
    node = Node(
        node_id(f"{method.Identifier!s}.{kind}", namespace),
        ua.NodeClass.Variable,
        ua.QualifiedName(kind, ua.UInt16(0)),
        ua.LocalizedText(kind),
        data_type=node_id(ObjectIds.Argument),
        value_rank=1,
        value=encode_variant(ua.Variant(declared, ua.VariantType.ExtensionObject, is_array=True)),
    )
    node.add_reference(HAS_PROPERTY, method, forward=False)
    node.add_reference(HAS_TYPE_DEFINITION, node_id(ObjectIds.PropertyType), forward=True)
    return node
