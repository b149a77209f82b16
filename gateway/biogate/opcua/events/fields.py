"""The fields that events can have, by the event types of the address space (Part 4, 7.7.4.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import localtime
from typing import Any

from biogate.opcua.codec.datetimes import from_ticks
from biogate.opcua.errors import StatusError
from biogate.opcua.events.event import BASE_EVENT, Event, FieldPath, field_path
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.ids import HIERARCHICAL
from biogate.opcua.space.index_range import apply_index_range, parse_index_range
from biogate.opcua.space.types import TypeTree
from biogate.opcua.stack import AttributeIds, StatusCodes, ua
from biogate_nodesets.model import Node

_T = ua.VariantType
_SCALAR = -1
_TEXTS = (_T.String, _T.ByteString)


@dataclass(frozen=True, slots=True)
class EventField:
    """One field: of events of `type_id` and its subtypes, the part of it that `ranges` take.

    `type_id` None: of any event. `path` None: no event has it. `may_be_status`: a StatusCode may
    be its value, and not only say why there is none.
    """

    type_id: ua.NodeId | None
    path: FieldPath | None
    ranges: Sequence[slice] | None = None
    may_be_status: bool = False

    def of(self, event: Event, types: TypeTree) -> ua.Variant | None:
        """The field of an event; None where it has none.

        A StatusCode says why a field is not there (Part 4, 7.22.3).
        """
        if self.path is None:
            return None
        if self.type_id is not None and not types.is_subtype(event.type, self.type_id):
            return None
        base = _BASE_FIELDS.get(self.path)
        variant = event.fields.get(self.path) if base is None else base(event)
        if variant is None or self.ranges is None or variant.Value is None:
            return variant
        try:
            return apply_index_range(variant, self.ranges)
        except StatusError as error:
            return ua.Variant(ua.StatusCode(ua.UInt32(error.status)), _T.StatusCode)


NO_FIELD = EventField(None, None)


def _local_time(event: Event) -> ua.Variant:
    """The offset from UTC where the server runs, at the time of the event (Part 3, 8.41)."""
    local = localtime(from_ticks(event.time).timestamp())
    zone = ua.TimeZoneDataType(
        Offset=ua.Int16(local.tm_gmtoff // 60), DaylightSavingInOffset=local.tm_isdst > 0
    )
    return ua.Variant(zone, _T.ExtensionObject)


def _simple(type_: ua.VariantType, get: Callable[[Event], Any]) -> Callable[[Event], ua.Variant]:
    return lambda event: ua.Variant(get(event), type_)


_BASE_FIELDS: Mapping[FieldPath, Callable[[Event], ua.Variant]] = {
    field_path("EventId"): _simple(_T.ByteString, lambda event: event.event_id),
    field_path("EventType"): _simple(_T.NodeId, lambda event: event.type),
    field_path("SourceNode"): _simple(_T.NodeId, lambda event: event.source_node),
    field_path("SourceName"): _simple(_T.String, lambda event: event.source_name),
    field_path("Time"): _simple(_T.DateTime, lambda event: event.time),
    field_path("ReceiveTime"): _simple(_T.DateTime, lambda event: event.receive_time),
    field_path("LocalTime"): _local_time,
    field_path("Message"): _simple(_T.LocalizedText, lambda event: event.message),
    field_path("Severity"): _simple(_T.UInt16, lambda event: event.severity),
}
"""BaseEventType (Part 5, 6.4.2)."""


class EventTypes:
    """What the event types of an address space declare."""

    def __init__(self, space: AddressSpace) -> None:
        self.space = space
        self._known: frozenset[ua.NodeId] = frozenset()
        self._declared: dict[tuple[int, str], list[tuple[ua.NodeId, Node]]] = {}

    def field(
        self,
        type_id: ua.NodeId,
        path: Sequence[ua.QualifiedName],
        attribute: int,
        index_range: str | None,
    ) -> EventField:
        """The field that a SimpleAttributeOperand names.

        Raises StatusError: Bad_TypeDefinitionInvalid for what is no event type,
        Bad_BrowseNameInvalid for a null name, Bad_NodeIdUnknown for a path that no event has,
        Bad_AttributeIdInvalid for an attribute that is never returned, Bad_IndexRangeInvalid.
        """
        if not self.space.types.is_subtype(type_id, BASE_EVENT):
            raise StatusError(StatusCodes.BadTypeDefinitionInvalid)
        if any(not name.Name for name in path):
            raise StatusError(StatusCodes.BadBrowseNameInvalid)
        if not 0 < attribute <= AttributeIds.AccessLevelEx:
            raise StatusError(StatusCodes.BadAttributeIdInvalid)
        ranges = parse_index_range(index_range) if index_range else None
        steps = tuple((int(name.NamespaceIndex), str(name.Name)) for name in path)
        return self._field(type_id, steps, attribute, ranges)

    def _field(
        self, type_id: ua.NodeId, path: FieldPath, attribute: int, ranges: Sequence[slice] | None
    ) -> EventField:
        """What is wrong for every event that may come is an error, nothing else (7.22.3)."""
        wants_node = attribute == AttributeIds.NodeId
        if not path:
            # The NodeId of the event's own node: no event here has one.
            if wants_node:
                return NO_FIELD
            raise StatusError(StatusCodes.BadAttributeIdInvalid)
        declared = list(self._declarations(type_id, path))
        if not declared:
            raise StatusError(StatusCodes.BadNodeIdUnknown)
        if wants_node and any(node.node_class is ua.NodeClass.Object for node in declared):
            return NO_FIELD
        variables = [node for node in declared if node.node_class is ua.NodeClass.Variable]
        if not variables or attribute != AttributeIds.Value:
            raise StatusError(StatusCodes.BadAttributeIdInvalid)
        types = {self._built_in(node) for node in variables}
        if ranges is not None and not any(map(self._has_parts, variables)):
            raise StatusError(StatusCodes.BadIndexRangeInvalid)
        of_type = None if type_id == BASE_EVENT else type_id
        return EventField(of_type, path, ranges, may_be_status=bool(types & {None, _T.StatusCode}))

    def _built_in(self, node: Node) -> ua.VariantType | None:
        return self.space.types.built_in(node.data_type) if node.data_type else None

    def _has_parts(self, node: Node) -> bool:
        return node.value_rank != _SCALAR or self._built_in(node) in (None, *_TEXTS)

    def _declarations(self, type_id: ua.NodeId, path: FieldPath) -> Iterator[Node]:
        """The InstanceDeclarations at the end of a path.

        With BaseEventType, those of every event type (Part 4, 7.22.3).
        """
        types = self.space.types
        for declaring, first in self._first_steps().get(path[0], ()):
            if type_id == BASE_EVENT or types.is_subtype(type_id, declaring):
                node: Node | None = first
                for step in path[1:]:
                    node = None if node is None else self._child(node, step)
                if node is not None:
                    yield node

    def _first_steps(self) -> Mapping[tuple[int, str], list[tuple[ua.NodeId, Node]]]:
        """Children of event types by name, with the type that declares each."""
        known = self.space.types.with_subtypes(BASE_EVENT)
        if known is not self._known:
            self._known = known
            self._declared = {}
            for type_id in known:
                for child in self._children(self.space.nodes.get(type_id)):
                    name = child.browse_name
                    key = (int(name.NamespaceIndex), str(name.Name))
                    self._declared.setdefault(key, []).append((type_id, child))
        return self._declared

    def _child(self, node: Node, step: tuple[int, str]) -> Node | None:
        for child in self._children(node):
            if (child.browse_name.NamespaceIndex, child.browse_name.Name) == step:
                return child
        return None

    def _children(self, node: Node | None) -> list[Node]:
        hierarchical = self.space.types.with_subtypes(HIERARCHICAL)
        targets = [
            self.space.get(reference.target)
            for reference in (node.references if node else ())
            if reference.forward and reference.type in hierarchical
        ]
        return [
            target
            for target in targets
            if target is not None
            and target.node_class in (ua.NodeClass.Object, ua.NodeClass.Variable)
        ]
