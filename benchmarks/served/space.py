"""The benchmark's address space: Doubles below a folder, and a tree to browse."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np

from benchmarks.layout import (
    APPLICATION_URI,
    FOLDERS,
    NAMESPACE,
    VARIABLES_PER_FOLDER,
    slices,
)
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.values import TagSource
from biogate.opcua.stack import ObjectIds, node_id, ua
from biogate.tags import TagInfo, TagTable
from biogate_adapters.filetime import now_ticks
from biogate_nodesets.cache import load_model
from biogate_nodesets.model import Node

NODESETS = Path("biogate-data/nodesets")
_READ_WRITE = 3


class _Part:
    """Variables that change together, and columns for them that are the same each time."""

    def __init__(self, rows: range) -> None:
        self.rows = np.array(rows, np.int32)
        self.rows.flags.writeable = False  # the table looks at such indices only once
        self.first = self.rows.astype(np.float64)
        self.good = np.zeros(len(rows), np.uint32)
        self.no_time = np.zeros(len(rows), np.int64)


class BenchSpace:
    """`space` and `table`: `variables` Doubles below the folder Vars and, with `tree`, the
    folders below Tree."""

    def __init__(self, variables: int, *, tree: bool) -> None:
        model = load_model(["ns0"], cache=NODESETS, application_uri=APPLICATION_URI)
        model.namespaces.append(NAMESPACE)
        self.namespace = len(model.namespaces) - 1
        self.space = AddressSpace(model)
        self.table = TagTable()
        self.variables = variables
        nodes = [self._folder("Vars", node_id(ObjectIds.ObjectsFolder))]
        nodes += self._variables("Vars", [f"Var{n}" for n in range(variables)])
        if tree:
            nodes += self._tree()
        self.space.add_nodes(nodes)
        for node in nodes:
            if node.node_class is ua.NodeClass.Variable:
                self._bind(node)
        every, now = _Part(range(len(self.table))), now_ticks()
        self.table.apply(every.rows, every.first, every.good, every.no_time + now, now)

    async def keep_changing(self, sim_hz: float) -> None:
        """Give every variable its next number `sim_hz` times a second, a tenth of them at a time.

        Var7 starts at 7 and counts up by one, so that a client sees what it has missed. A process
        that gets no time for a slice catches up with it. At 0 nothing changes.
        """
        if sim_hz <= 0:
            return
        parts = [_Part(part) for part in slices(self.variables)]
        turns = ((float(number), part) for number in count(1) for part in parts)
        loop = asyncio.get_running_loop()
        next_s, handle = loop.time(), None

        def change() -> None:
            nonlocal next_s, handle
            (number, part), now = next(turns), now_ticks()
            self.table.apply(part.rows, part.first + number, part.good, part.no_time + now, now)
            next_s += 1 / sim_hz / len(parts)
            handle = loop.call_later(max(0.0, next_s - loop.time()), change)

        change()
        try:
            await loop.create_future()
        finally:
            if handle is not None:
                handle.cancel()

    def _tree(self) -> Iterator[Node]:
        yield self._folder("Tree", node_id(ObjectIds.ObjectsFolder))
        for number in range(FOLDERS):
            name = f"Tree.F{number}"
            yield self._folder(name, self._id("Tree"))
            yield from self._variables(name, [f"{name}.V{n}" for n in range(VARIABLES_PER_FOLDER)])

    def _id(self, name: str) -> ua.NodeId:
        return node_id(name, self.namespace)

    def _node(self, name: str, kind: ua.NodeClass, parent: ua.NodeId, definition: int) -> Node:
        short = name.rpartition(".")[2]
        text = ua.QualifiedName(short, self.namespace), ua.LocalizedText(short)
        node = Node(self._id(name), kind, *text)
        node.add_reference(node_id(ObjectIds.Organizes), parent, forward=False)
        node.add_reference(node_id(ObjectIds.HasTypeDefinition), node_id(definition), forward=True)
        return node

    def _folder(self, name: str, parent: ua.NodeId) -> Node:
        return self._node(name, ua.NodeClass.Object, parent, ObjectIds.FolderType)

    def _variables(self, folder: str, names: list[str]) -> Iterator[Node]:
        for name in names:
            definition = ObjectIds.BaseDataVariableType
            node = self._node(name, ua.NodeClass.Variable, self._id(folder), definition)
            node.data_type = node_id(ObjectIds.Double)
            node.access_level = node.user_access_level = _READ_WRITE
            yield node

    def _bind(self, node: Node) -> None:
        name = str(node.node_id.Identifier)
        tag = self.table.add(TagInfo(name, writable=True))
        source = TagSource(
            tag, ua.VariantType.Double, name, writable=True, stored=True, unaudited=True
        )
        self.space.bind(node.node_id, source)
