"""Nodes into a model, with their references on both ends."""

from __future__ import annotations

from collections.abc import Collection

from asyncua import ua
from asyncua.ua.ua_binary import variant_to_binary

from biogate_nodesets.model import HAS_TYPE_DEFINITION, Model, Node, Reference, ns0

Value = ua.Variant | bytes

HAS_COMPONENT = ns0("HasComponent")
HAS_PROPERTY = ns0("HasProperty")
_BASE_OBJECT_TYPE = ns0("BaseObjectType")
_BASE_DATA_VARIABLE_TYPE = ns0("BaseDataVariableType")
_PROPERTY_TYPE = ns0("PropertyType")


def encode(value: Value) -> bytes:
    """Return an encoded Variant; bytes are one already."""
    return value if isinstance(value, bytes) else bytes(variant_to_binary(value))


def add_nodes(model: Model, nodes: Collection[Node]) -> None:
    """Add nodes to a model and their references to the other ends.

    Raises ValueError, before anything is added, when a NodeId is in use or a target is missing.
    """
    fresh = {node.node_id: node for node in nodes}
    for node in nodes:
        if node.node_id in model.nodes or fresh[node.node_id] is not node:
            raise ValueError(f"the NodeId {node.node_id.to_string()} is in use")
        for reference in node.references:
            if reference.target not in model.nodes and reference.target not in fresh:
                raise ValueError(
                    f"{node.node_id.to_string()} refers to {reference.target.to_string()}, "
                    "which is not in the model"
                )
    model.nodes.update(fresh)
    # Written before any inverse is added, so that a reference between two new nodes counts once.
    written = [(node, tuple(node.references)) for node in nodes]
    for node, references in written:
        for type_, target, forward in references:
            # Lists of inverse references grow long at types: no search for what cannot be there.
            model.nodes[target].references.append(Reference(type_, node.node_id, not forward))


def add_object(
    model: Model,
    node_id: ua.NodeId,
    browse_name: ua.QualifiedName,
    *,
    parent: ua.NodeId,
    reference: ua.NodeId = HAS_COMPONENT,
    type_definition: ua.NodeId = _BASE_OBJECT_TYPE,
    description: ua.LocalizedText | None = None,
) -> Node:
    """Add one Object, without members, below `parent`. Raises ValueError as `add_nodes` does."""
    node = _node(node_id, ua.NodeClass.Object, browse_name, description)
    return _add(model, node, parent, reference, type_definition)


def add_variable(
    model: Model,
    node_id: ua.NodeId,
    browse_name: ua.QualifiedName,
    *,
    parent: ua.NodeId,
    data_type: ua.NodeId,
    value: Value | None = None,
    value_rank: int = -1,
    access_level: int = 1,
    reference: ua.NodeId = HAS_COMPONENT,
    type_definition: ua.NodeId = _BASE_DATA_VARIABLE_TYPE,
    description: ua.LocalizedText | None = None,
) -> Node:
    """Add one Variable, without members, below `parent`. Raises ValueError as `add_nodes` does."""
    node = _node(node_id, ua.NodeClass.Variable, browse_name, description)
    node.data_type, node.value_rank = data_type, value_rank
    node.array_dimensions = (0,) * value_rank if value_rank > 0 else None
    node.access_level = node.user_access_level = access_level
    node.value = None if value is None else encode(value)
    return _add(model, node, parent, reference, type_definition)


def add_property(
    model: Model,
    node_id: ua.NodeId,
    browse_name: ua.QualifiedName,
    *,
    parent: ua.NodeId,
    data_type: ua.NodeId,
    value: Value | None = None,
    value_rank: int = -1,
    access_level: int = 1,
    description: ua.LocalizedText | None = None,
) -> Node:
    """Add one Property to `parent`. Raises ValueError as `add_nodes` does."""
    return add_variable(
        model,
        node_id,
        browse_name,
        parent=parent,
        data_type=data_type,
        value=value,
        value_rank=value_rank,
        access_level=access_level,
        reference=HAS_PROPERTY,
        type_definition=_PROPERTY_TYPE,
        description=description,
    )


def _node(
    node_id: ua.NodeId,
    node_class: ua.NodeClass,
    browse_name: ua.QualifiedName,
    description: ua.LocalizedText | None,
) -> Node:
    return Node(node_id, node_class, browse_name, ua.LocalizedText(browse_name.Name), description)


def _add(
    model: Model, node: Node, parent: ua.NodeId, reference: ua.NodeId, type_: ua.NodeId
) -> Node:
    node.references = [
        Reference(HAS_TYPE_DEFINITION, type_, forward=True),
        Reference(reference, parent, forward=False),
    ]
    add_nodes(model, [node])
    return node
