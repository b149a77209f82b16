"""The type hierarchy: HasSubtype references as parents, asked thousands of times a second."""

from __future__ import annotations

from collections.abc import Iterable

from biogate.opcua.space.ids import ENUMERATION, HAS_SUBTYPE
from biogate.opcua.stack import ua
from biogate_nodesets.model import Model, Node

# Part 6, 5.1.2: the identifiers 1 to 25 are the built-in types; 24 (BaseDataType) is abstract.
_BUILT_IN = {number: ua.VariantType(number) for number in (*range(1, 24), 25)}


class TypeTree:
    """Supertypes of every ObjectType, VariableType, DataType and ReferenceType of a model."""

    def __init__(self, model: Model) -> None:
        self._parent: dict[ua.NodeId, ua.NodeId] = {}
        self._subtypes: dict[ua.NodeId, frozenset[ua.NodeId]] = {}
        self.add(model.nodes.values())

    def add(self, nodes: Iterable[Node]) -> None:
        """Learn the supertypes of more nodes."""
        for node in nodes:
            for reference in node.references:
                if not reference.forward and reference.type == HAS_SUBTYPE:
                    self._parent[node.node_id] = reference.target
        self._subtypes.clear()

    def is_subtype(self, type_id: ua.NodeId, of: ua.NodeId) -> bool:
        """True when `type_id` is `of` or inherits from it."""
        current: ua.NodeId | None = type_id
        for _ in range(len(self._parent) + 1):
            if current is None:
                return False
            if current == of:
                return True
            current = self._parent.get(current)
        return False

    def with_subtypes(self, type_id: ua.NodeId) -> frozenset[ua.NodeId]:
        """`type_id` and all types below it."""
        known = self._subtypes.get(type_id)
        if known is None:
            below = (child for child in self._parent if self.is_subtype(child, type_id))
            known = self._subtypes[type_id] = frozenset((type_id, *below))
        return known

    def built_in(self, data_type: ua.NodeId) -> ua.VariantType | None:
        """The built-in type that encodes `data_type` (Part 6, 5.1.2).

        None for the abstract BaseDataType, Number, Integer and UInteger, which several do.
        """
        current: ua.NodeId | None = data_type
        for _ in range(len(self._parent) + 1):
            if current is None:
                return None
            if current == ENUMERATION:
                return ua.VariantType.Int32
            if current.NamespaceIndex == 0 and current.Identifier in _BUILT_IN:
                return _BUILT_IN[current.Identifier]
            current = self._parent.get(current)
        return None
