"""Which Objects clients may subscribe to for events, and whose events they hear (Part 3, 4.7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from biogate.opcua.space.ids import HAS_EVENT_SOURCE, HAS_NOTIFIER, SERVER
from biogate.opcua.space.types import TypeTree
from biogate.opcua.stack import ua
from biogate_nodesets.model import Node


class Notifiers:
    """The notifiers of an address space: the Server object, and those that are declared.

    What a nodeset says of an Object's EventNotifier does not count: it cannot know what raises
    events here.
    """

    def __init__(self, nodes: Mapping[ua.NodeId, Node], types: TypeTree) -> None:
        self._nodes = nodes
        self._types = types
        self._declared = {SERVER}

    def __contains__(self, node_id: ua.NodeId) -> bool:
        return node_id in self._declared

    def __iter__(self) -> Iterator[ua.NodeId]:
        return iter(self._declared)

    def declare(self, node_id: ua.NodeId) -> None:
        """Let clients hear at this Object what it and what is below it has to say.

        Without a notifier above it, it comes below the Server object (Part 3, 7.17). Raises
        KeyError when there is no such node.
        """
        node = self._nodes[node_id]
        if not any(self._parents(node_id)):
            node.add_reference(HAS_NOTIFIER, SERVER, forward=False)
            self._nodes[SERVER].add_reference(HAS_NOTIFIER, node_id, forward=True)
        self._declared.add(node_id)

    def forget(self, node_ids: Iterable[ua.NodeId]) -> None:
        """These nodes are gone."""
        self._declared.difference_update(node_ids)

    def above(self, source: ua.NodeId) -> frozenset[ua.NodeId]:
        """The notifiers at which the events of `source` are heard.

        That is the source, what is above it by HasEventSource and HasNotifier references, and the
        Server object in any case (Part 3, 7.17 and 7.18; Part 5, 8.3.2).
        """
        seen, waiting = {SERVER, source}, [source]
        while waiting:
            parents = self._parents(waiting.pop()) - seen
            seen |= parents
            waiting += parents
        return frozenset(seen & self._declared)

    def _parents(self, node_id: ua.NodeId) -> set[ua.NodeId]:
        node = self._nodes.get(node_id)
        if node is None:
            return set()
        types = self._types.with_subtypes(HAS_EVENT_SOURCE)
        return {r.target for r in node.references if not r.forward and r.type in types}
