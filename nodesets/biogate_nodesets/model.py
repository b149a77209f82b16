"""The plain model of an address space: nodes, references, namespaces (Part 3, 5; Part 6 Annex F).

Types of values, NodeIds and names are asyncua's; nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast
from uuid import UUID

from asyncua import ua
from asyncua.ua.object_ids import ObjectIds


def make_node_id(identifier: int | str | bytes | UUID, namespace: int = 0) -> ua.NodeId:
    """Return a NodeId; asyncua's own type hints take neither int nor str."""
    return ua.NodeId(cast(Any, identifier), cast(ua.Int16, namespace))


def ns0(name: str) -> ua.NodeId:
    """Return the NodeId of a node of the base nodeset by its symbolic name, `HasComponent`."""
    return make_node_id(getattr(ObjectIds, name))


HAS_ENCODING = ns0("HasEncoding")
HAS_SUBTYPE = ns0("HasSubtype")
HAS_TYPE_DEFINITION = ns0("HasTypeDefinition")


class Reference(NamedTuple):
    """One reference of a node. `forward` False: the node is the target (inverse reference)."""

    type: ua.NodeId
    target: ua.NodeId
    forward: bool


class RolePermission(NamedTuple):
    """What a role may do with a node: `permissions` is a PermissionType mask (Part 3, 8.55)."""

    role: ua.NodeId
    permissions: int


@dataclass(slots=True)
class Node:
    """One node with all its attributes; those that its NodeClass lacks keep their defaults.

    `value` is the Value attribute as an encoded Variant (Part 6, 5.2.2.16), None where the
    nodeset gives none; `data_type_definition` is a StructureDefinition or EnumDefinition.
    `access_level` is AccessLevelEx (its low byte is AccessLevel). `role_permissions` and
    `access_restrictions` are None where the namespace's defaults hold (Part 3, 5.2.9-5.2.11).
    `method_declaration` is the type's Method that a Method node stands for (Part 6, F.9).
    NodeIds, names and texts may be shared between nodes: replace them, never change them.
    """

    node_id: ua.NodeId
    node_class: ua.NodeClass
    browse_name: ua.QualifiedName
    display_name: ua.LocalizedText
    description: ua.LocalizedText | None = None
    references: list[Reference] = field(default_factory=list)
    write_mask: int = 0
    is_abstract: bool = False
    symmetric: bool = False
    inverse_name: ua.LocalizedText | None = None
    contains_no_loops: bool = False
    event_notifier: int = 0
    data_type: ua.NodeId | None = None
    value_rank: int = -1
    array_dimensions: tuple[int, ...] | None = None
    access_level: int = 1
    user_access_level: int = 1
    minimum_sampling_interval: float | None = None
    historizing: bool = False
    executable: bool = True
    user_executable: bool = True
    data_type_definition: ua.StructureDefinition | ua.EnumDefinition | None = None
    value: bytes | None = None
    role_permissions: tuple[RolePermission, ...] | None = None
    access_restrictions: int | None = None
    method_declaration: ua.NodeId | None = None

    def add_reference(self, type_: ua.NodeId, target: ua.NodeId, *, forward: bool) -> None:
        """Add a reference unless it is there already."""
        reference = Reference(type_, target, forward)
        if reference not in self.references:
            self.references.append(reference)

    def targets(self, type_: ua.NodeId, *, forward: bool = True) -> Iterator[ua.NodeId]:
        """Yield the nodes at the other end of references of exactly this type."""
        for reference in self.references:
            if reference.forward == forward and reference.type == type_:
                yield reference.target


@dataclass(slots=True)
class Model:
    """Linked nodes of several nodesets: every index means the same namespace everywhere.

    `namespaces[0]` is ns0; index 1 is kept for the server's ApplicationUri (Part 5, 6.3.2).
    Every reference stands on both ends.
    """

    namespaces: list[str]
    nodes: dict[ua.NodeId, Node]

    def namespace(self, uri: str) -> int:
        """Return the index of a namespace; raise KeyError when it is not loaded."""
        try:
            return self.namespaces.index(uri)
        except ValueError:
            raise KeyError(f"namespace {uri} is not loaded") from None

    def supertype(self, type_: ua.NodeId) -> ua.NodeId | None:
        """Return the type that this type is derived from, None for a root."""
        return next(self.nodes[type_].targets(HAS_SUBTYPE, forward=False), None)

    def supertypes(self, type_: ua.NodeId) -> Iterator[ua.NodeId]:
        """Yield the type itself and all types it is derived from, most derived first."""
        current: ua.NodeId | None = type_
        while current is not None:
            yield current
            current = self.supertype(current)

    def is_subtype(self, type_: ua.NodeId, base: ua.NodeId) -> bool:
        """Tell whether a type is `base` or derived from it."""
        return any(ancestor == base for ancestor in self.supertypes(type_))

    def type_definition(self, node: ua.NodeId) -> ua.NodeId | None:
        """Return the TypeDefinition of an Object or Variable."""
        return next(self.nodes[node].targets(HAS_TYPE_DEFINITION), None)

    def binary_encoding(self, data_type: ua.NodeId) -> ua.NodeId | None:
        """Return the NodeId that stands before a value of this structure on the wire.

        It is the "Default Binary" encoding of the DataType (Part 6, 5.2.2.15), never the XML or
        JSON one; None for a type without encodings.
        """
        for encoding in self.nodes[data_type].targets(HAS_ENCODING):
            if self.nodes[encoding].browse_name.Name == "Default Binary":
                return encoding
        return None
