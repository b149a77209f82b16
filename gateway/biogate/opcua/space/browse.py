"""References of a node, filtered and described as Browse returns them (Part 4, 5.9.2)."""

from __future__ import annotations

from collections.abc import Callable

from biogate.opcua.errors import StatusError
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.ids import HAS_TYPE_DEFINITION
from biogate.opcua.space.rights import RightsView
from biogate.opcua.space.work_budget import WorkBudget
from biogate.opcua.stack import StatusCodes, ua
from biogate_nodesets.model import Node, Reference

_FORWARD = (ua.BrowseDirection.Forward, ua.BrowseDirection.Both)
_INVERSE = (ua.BrowseDirection.Inverse, ua.BrowseDirection.Both)
_DIRECTIONS = frozenset((*_FORWARD, *_INVERSE))
_TYPED = (ua.NodeClass.Object, ua.NodeClass.Variable)


def reference_filter(
    space: AddressSpace, type_id: ua.NodeId, include_subtypes: bool
) -> frozenset[ua.NodeId] | None:
    """The reference types to follow; None stands for all.

    Raises StatusError Bad_ReferenceTypeIdInvalid.
    """
    if type_id.is_null():
        return None
    node = space.get(type_id)
    if node is None or node.node_class is not ua.NodeClass.ReferenceType:
        raise StatusError(StatusCodes.BadReferenceTypeIdInvalid)
    return space.types.with_subtypes(type_id) if include_subtypes else frozenset((type_id,))


def matching_references(
    space: AddressSpace, rights: RightsView, wanted: ua.BrowseDescription, budget: WorkBudget
) -> list[Reference]:
    """The references that the user may see and asks for, in the order of the model.

    Raises StatusError (5.9.2.4), also Bad_QueryTooComplex when the budget is used up.
    """
    node = rights.require_visible(wanted.NodeId)
    if wanted.BrowseDirection not in _DIRECTIONS:
        raise StatusError(StatusCodes.BadBrowseDirectionInvalid)
    types = reference_filter(space, wanted.ReferenceTypeId, wanted.IncludeSubtypes)
    forward, inverse = wanted.BrowseDirection in _FORWARD, wanted.BrowseDirection in _INVERSE
    classes = int(wanted.NodeClassMask)
    budget.spend(len(node.references))
    result = []
    for reference in node.references:
        if not (forward if reference.forward else inverse):
            continue
        if types is not None and reference.type not in types:
            continue
        target = rights.visible(reference.target)
        if target is not None and (not classes or classes & target.node_class):
            result.append(reference)
    return result


def describe(
    space: AddressSpace, reference: Reference, result_mask: int
) -> ua.ReferenceDescription:
    """The fields that `result_mask` asks for; the others keep their defaults.

    Raises KeyError when the target has left the address space.
    """
    target = space.nodes[reference.target]
    description = ua.ReferenceDescription(NodeId=expanded(reference.target))
    description.IsForward = False
    for bit, name, get in _FIELDS:
        if result_mask & bit:
            setattr(description, name, get(reference, target))
    return description


def expanded(node_id: ua.NodeId) -> ua.ExpandedNodeId:
    """`node_id` as the ExpandedNodeId of a node of this server."""
    return ua.ExpandedNodeId(node_id.Identifier, node_id.NamespaceIndex, node_id.NodeIdType)


def type_definition(node: Node) -> ua.NodeId | None:
    """The type of an Object or Variable."""
    for reference in node.references:
        if reference.forward and reference.type == HAS_TYPE_DEFINITION:
            return reference.target
    return None


def _type_definition(_reference: Reference, target: Node) -> ua.ExpandedNodeId:
    type_id = type_definition(target) if target.node_class in _TYPED else None
    return ua.ExpandedNodeId() if type_id is None else expanded(type_id)


_Mask = ua.BrowseResultMask
_FIELDS: tuple[tuple[int, str, Callable[[Reference, Node], object]], ...] = (
    (_Mask.ReferenceTypeId, "ReferenceTypeId", lambda reference, _: reference.type),
    (_Mask.IsForward, "IsForward", lambda reference, _: reference.forward),
    (_Mask.NodeClass, "NodeClass", lambda _, target: target.node_class),
    (_Mask.BrowseName, "BrowseName", lambda _, target: target.browse_name),
    (_Mask.DisplayName, "DisplayName", lambda _, target: target.display_name),
    (_Mask.TypeDefinition, "TypeDefinition", _type_definition),
)
