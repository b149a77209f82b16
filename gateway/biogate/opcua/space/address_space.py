"""The address space that is served: a model's nodes, their value sources, and an epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from biogate.opcua.space.methods import MethodTable
from biogate.opcua.space.notifiers import Notifiers
from biogate.opcua.space.places import Place, Places
from biogate.opcua.space.types import TypeTree
from biogate.opcua.space.values import StaticSource, ValueSource
from biogate.opcua.stack import ua
from biogate_nodesets.model import Model, Node, Reference


class AddressSpace:
    """Nodes by NodeId and the source of each Variable's value.

    `epoch` grows with every change of nodes; whatever was made from an older one is stale.
    `types` is the type hierarchy, `methods` what Methods run, `notifiers` where events are heard,
    `places` where nodes belong.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._sources: dict[ua.NodeId, ValueSource] = {}
        self.types = TypeTree(model)
        self.methods = MethodTable(model.nodes, self.types)
        self.notifiers = Notifiers(model.nodes, self.types)
        self.places = Places(model.nodes, self.types)
        self.epoch = 1

    @property
    def namespaces(self) -> list[str]:
        """The NamespaceArray."""
        return self._model.namespaces

    @property
    def nodes(self) -> Mapping[ua.NodeId, Node]:
        """All nodes. Change them only through this class."""
        return self._model.nodes

    def get(self, node_id: ua.NodeId) -> Node | None:
        """The node, or None."""
        return self._model.nodes.get(node_id)

    def add_nodes(self, nodes: Iterable[Node]) -> None:
        """Add nodes that carry their references, and the other end of each reference.

        Raises ValueError for a NodeId that is taken (by another node).
        """
        added = list(nodes)
        for node in added:
            if self._model.nodes.setdefault(node.node_id, node) is not node:
                raise ValueError(f"{node.node_id.to_string()} is in the address space already")
        self._complete(added)
        self.types.add(added)
        self.epoch += 1

    def _complete(self, nodes: Iterable[Node]) -> None:
        """Give every reference of `nodes` its other end.

        Type nodes have thousands of references, so each other node is looked through once.
        """
        ends: dict[ua.NodeId, dict[Reference, None]] = {}
        for node in nodes:
            for type_id, target, forward in node.references:
                end = Reference(type_id, node.node_id, not forward)
                ends.setdefault(target, {})[end] = None
        for target, wanted in ends.items():
            other = self._model.nodes.get(target)
            if other is not None:
                present = set(other.references)
                other.references += [end for end in wanted if end not in present]

    def remove_nodes(self, node_ids: Iterable[ua.NodeId]) -> None:
        """Remove nodes, their sources, and every reference to them."""
        gone = {node_id for node_id in node_ids if node_id in self._model.nodes}
        neighbours: set[ua.NodeId] = set()
        for node_id in gone:
            node = self._model.nodes.pop(node_id)
            self._sources.pop(node_id, None)
            neighbours.update(reference.target for reference in node.references)
        for node_id in neighbours - gone:
            other = self._model.nodes.get(node_id)
            if other is not None:
                other.references = [r for r in other.references if r.target not in gone]
        self.notifiers.forget(gone)
        self.places.forget(gone)
        self.epoch += 1

    def add_notifier(self, node_id: ua.NodeId) -> None:
        """Let clients subscribe to events of an Object. Raises KeyError when there is none."""
        self.notifiers.declare(node_id)
        self.epoch += 1

    def declare_place(self, node_id: ua.NodeId, place: Place) -> None:
        """Say where a node and what is below it belongs."""
        self.places.declare(node_id, place)
        self.epoch += 1

    def place(self, node_id: ua.NodeId) -> Place:
        """The zone and the part of the model that a node belongs to."""
        return self.places.of(node_id)

    def bind(self, node_id: ua.NodeId, source: ValueSource) -> None:
        """Give a Variable the source of its value.

        Raises KeyError when there is no such node.
        """
        if node_id not in self._model.nodes:
            raise KeyError(f"{node_id.to_string()} is not in the address space")
        self._sources[node_id] = source
        self.epoch += 1

    def source(self, node_id: ua.NodeId) -> ValueSource | None:
        """Where the Variable's value comes from; None for a node without a value."""
        source = self._sources.get(node_id)
        if source is not None:
            return source
        node = self._model.nodes.get(node_id)
        if node is None or node.value is None:
            return None
        return StaticSource(node.value)
