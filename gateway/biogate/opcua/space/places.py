"""Where a node belongs: its security zone, and which part of the site's model it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from biogate.opcua.space.ids import AGGREGATES, ORGANIZES
from biogate.opcua.space.types import TypeTree
from biogate.opcua.stack import ua
from biogate_nodesets.model import Node

_MOST_LEVELS = 20


class Place(NamedTuple):
    """A zone and a part, as `Resource` has them; both "" for what belongs to no zone."""

    zone: str = ""
    part: str = ""


NOWHERE = Place()


class Places:
    """Places of the nodes of an address space.

    Builders declare the places of what they begin with; what lies below has the same zone. Below
    an Object each level adds its BrowseName to the part; below a Variable or a Method all is of
    the same part.
    """

    def __init__(self, nodes: Mapping[ua.NodeId, Node], types: TypeTree) -> None:
        self._nodes = nodes
        self._types = types
        self._declared: dict[ua.NodeId, Place] = {}
        self._namespaces: set[int] = set()
        self.zoned = False
        """True where any node belongs to a zone."""

    def declare(self, node_id: ua.NodeId, place: Place) -> None:
        """Say where a node, and what is below it, belongs."""
        self._declared[node_id] = place
        self._namespaces.add(node_id.NamespaceIndex)
        self.zoned = self.zoned or place.zone != ""

    def of(self, node_id: ua.NodeId) -> Place:
        """The place of a node; `NOWHERE` for what lies below no declared one."""
        if node_id.NamespaceIndex not in self._namespaces:
            return NOWHERE
        return self._find(node_id, _MOST_LEVELS)

    def forget(self, node_ids: Iterable[ua.NodeId]) -> None:
        """These nodes are gone."""
        for node_id in node_ids:
            self._declared.pop(node_id, None)

    def _find(self, node_id: ua.NodeId, levels: int) -> Place:
        place = self._declared.get(node_id)
        if place is not None:
            return place
        node = self._nodes.get(node_id)
        if node is None or not levels:
            return NOWHERE
        for parent in self._parents(node):
            above = self._find(parent.node_id, levels - 1)
            if above is not NOWHERE:
                if parent.node_class != ua.NodeClass.Object:
                    return above
                return Place(above.zone, f"{above.part}/{node.browse_name.Name}")
        return NOWHERE

    def _parents(self, node: Node) -> Iterable[Node]:
        types = self._types.with_subtypes(AGGREGATES) | {ORGANIZES}
        for reference in node.references:
            if not reference.forward and reference.type in types:
                parent = self._nodes.get(reference.target)
                if parent is not None:
                    yield parent
