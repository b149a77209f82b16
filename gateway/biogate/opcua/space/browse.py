"""References of a node, filtered and encoded as Browse returns them (Part 4, 5.9.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from biogate.opcua.codec.writer import Writer
from biogate.opcua.errors import StatusError
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.ids import HAS_TYPE_DEFINITION
from biogate.opcua.space.rights import RightsView
from biogate.opcua.space.work_budget import WorkBudget
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.turns import Work
from biogate_nodesets.model import Node, Reference

_FORWARD = (ua.BrowseDirection.Forward, ua.BrowseDirection.Both)
_INVERSE = (ua.BrowseDirection.Inverse, ua.BrowseDirection.Both)
_DIRECTIONS = frozenset((*_FORWARD, *_INVERSE))
_TYPED = (ua.NodeClass.Object, ua.NodeClass.Variable)
_NO_NAME, _NO_TEXT = ua.QualifiedName(), ua.LocalizedText()


@dataclass(frozen=True, slots=True)
class Page:
    """`count` ReferenceDescriptions, encoded, and the references that did not fit in."""

    count: int
    body: bytes
    rest: Sequence[Reference] = ()


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


def first_page(
    space: AddressSpace,
    rights: RightsView,
    wanted: ua.BrowseDescription,
    size: int,
    budget: WorkBudget,
) -> Work[tuple[Page, tuple[int, int, int]]]:
    """The first `size` references that the user asks for and may see, in the order of the model,
    and the `rights.key` under which that holds; a step for each reference.

    Raises StatusError (5.9.2.4), also Bad_QueryTooComplex when the budget is used up.
    """
    while True:
        key = rights.key
        found = yield from _matching(space, rights, wanted, budget)
        page = yield from encode_page(space, found, size, int(wanted.ResultMask))
        if rights.key == key:
            return page, key


def _matching(
    space: AddressSpace, rights: RightsView, wanted: ua.BrowseDescription, budget: WorkBudget
) -> Work[list[Reference]]:
    node = rights.require_visible(wanted.NodeId)
    if wanted.BrowseDirection not in _DIRECTIONS:
        raise StatusError(StatusCodes.BadBrowseDirectionInvalid)
    types = reference_filter(space, wanted.ReferenceTypeId, wanted.IncludeSubtypes)
    forward, inverse = wanted.BrowseDirection in _FORWARD, wanted.BrowseDirection in _INVERSE
    classes = int(wanted.NodeClassMask)
    budget.spend(len(node.references))
    result = []
    for reference in tuple(node.references):
        yield
        if not (forward if reference.forward else inverse):
            continue
        if types is not None and reference.type not in types:
            continue
        target = rights.visible(reference.target)
        if target is not None and (not classes or classes & target.node_class):
            result.append(reference)
    return result


def encode_page(
    space: AddressSpace, found: Sequence[Reference], size: int, result_mask: int
) -> Work[Page]:
    """The first `size` references with the fields that `result_mask` asks for, but those whose
    target has gone meanwhile; a step for each."""
    writer, count = Writer(), 0
    for reference in found[:size]:
        target = space.get(reference.target)
        if target is not None:
            _encode(writer, reference, target, result_mask)
            count += 1
        yield
    return Page(count, bytes(writer.buffer), found[size:])


def _encode(writer: Writer, reference: Reference, target: Node, mask: int) -> None:
    """One ReferenceDescription (7.30); fields that are not asked for are null."""
    writer.node_id(reference.type if mask & _Mask.ReferenceTypeId else None)
    writer.buffer.append(1 if mask & _Mask.IsForward and reference.forward else 0)
    writer.expanded_node_id(reference.target)
    writer.qualified_name(target.browse_name if mask & _Mask.BrowseName else _NO_NAME)
    writer.localized_text(target.display_name if mask & _Mask.DisplayName else _NO_TEXT)
    writer.uint32(target.node_class if mask & _Mask.NodeClass else 0)
    typed = mask & _Mask.TypeDefinition and target.node_class in _TYPED
    writer.expanded_node_id(_type_definition(target) if typed else None)


def expanded(node_id: ua.NodeId) -> ua.ExpandedNodeId:
    """`node_id` as the ExpandedNodeId of a node of this server."""
    return ua.ExpandedNodeId(node_id.Identifier, node_id.NamespaceIndex, node_id.NodeIdType)


def _type_definition(node: Node) -> ua.NodeId | None:
    for reference in node.references:
        if reference.forward and reference.type == HAS_TYPE_DEFINITION:
            return reference.target
    return None


_Mask = ua.BrowseResultMask
