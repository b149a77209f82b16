"""The plain model of an address space: nodes, references, namespaces (Part 3, 5; Part 6 Annex F).

Types of values, NodeIds and names are asyncua's; nothing here does I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from asyncua import ua


class Reference(NamedTuple):
    """One reference of a node. `forward` False: the node is the target (inverse reference)."""

    type: ua.NodeId
    target: ua.NodeId
    forward: bool


@dataclass(slots=True)
class Node:
    """One node with all its attributes; those that its NodeClass lacks keep their defaults.

    `value` is the Value attribute as an encoded Variant (Part 6, 5.2.2.16), None where the
    nodeset gives none; `data_type_definition` is a StructureDefinition or EnumDefinition.
    `access_level` is AccessLevelEx (its low byte is AccessLevel).
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

    def add_reference(self, type_: ua.NodeId, target: ua.NodeId, *, forward: bool) -> None:
        """Add a reference unless it is there already."""
        reference = Reference(type_, target, forward)
        if reference not in self.references:
            self.references.append(reference)


@dataclass(slots=True)
class Model:
    """Linked nodes of several nodesets: every index means the same namespace everywhere.

    `namespaces[0]` is ns0; index 1 is kept for the server's ApplicationUri (Part 5, 6.3.2).
    Every reference stands on both ends.
    """

    namespaces: list[str]
    nodes: dict[ua.NodeId, Node]
