"""biogate's front end over a tag table that changes by itself: no devices, no site file."""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from biogate.opcua.front_end import FrontEnd, FrontEndConfig
from biogate.opcua.ports import StoredWrites
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.values import TagSource
from biogate.opcua.stack import ObjectIds, node_id, ua
from biogate.tags import TagInfo, TagTable
from biogate_adapters.filetime import now_ticks
from biogate_nodesets.cache import load_model
from biogate_nodesets.model import Node
from biogate_security.pki import Pki
from biogate_security.role_policy import RolePolicy

APPLICATION_URI = "urn:benchmark"
NODESETS = Path("biogate-data/nodesets")


class _NoCommands:
    """A command port of a plant that nobody may touch."""

    async def write(self, *_: Any, **__: Any) -> int:
        return ua.StatusCodes.BadNotWritable

    async def write_stored(self, *_: Any, **__: Any) -> int:
        return ua.StatusCodes.BadNotWritable

    def write_unaudited(self, writes: StoredWrites) -> None:
        raise NotImplementedError("no Variable of this benchmark is stored")


class _NoUsers:
    """Nobody has a password."""

    async def authenticate(self, name: str, password: str, source: str = "") -> None:
        return None


def _variable(name: str) -> Node:
    node = Node(
        node_id(name, 1),
        ua.NodeClass.Variable,
        ua.QualifiedName(name, 1),
        ua.LocalizedText(name),
        data_type=node_id(ObjectIds.Double),
    )
    node.add_reference(
        node_id(ObjectIds.Organizes), node_id(ObjectIds.ObjectsFolder), forward=False
    )
    definition = node_id(ObjectIds.BaseDataVariableType)
    node.add_reference(node_id(ObjectIds.HasTypeDefinition), definition, forward=True)
    return node


async def may_change() -> None:
    """Say that the server is ready, and wait for the line that lets values change."""
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def serve_with_biogate(port: int, tags: int, rate_hz: float) -> None:
    """Serve Double tags `ns=1;s=t0`, `t1`, ... that all change at `rate_hz` once a line
    comes in, until killed."""
    space = AddressSpace(load_model(["ns0"], cache=NODESETS, application_uri=APPLICATION_URI))
    table = TagTable()
    index = np.array([table.add(TagInfo(f"t{n}")) for n in range(tags)], np.int32)
    space.add_nodes([_variable(f"t{n}") for n in range(tags)])
    for n in range(tags):
        space.bind(node_id(f"t{n}", 1), TagSource(n, ua.VariantType.Double, f"t{n}"))
    with tempfile.TemporaryDirectory() as folder:
        pki = Pki.open(Path(folder), APPLICATION_URI, ["127.0.0.1"])
    front_end = FrontEnd(
        FrontEndConfig(APPLICATION_URI, port=port, security=("None",)),
        space,
        table,
        _NoCommands(),
        RolePolicy(anonymous="read"),
        _NoUsers(),
        pki,
    )
    await front_end.start()
    gc.collect()
    gc.freeze()
    await may_change()
    status = np.zeros(tags, np.uint32)
    loop = asyncio.get_running_loop()
    next_s = loop.time()
    number = 0.0
    while True:
        number += 1
        now = now_ticks()
        table.apply(index, np.full(tags, number), status, np.full(tags, now), now)
        next_s = max(next_s + 1 / rate_hz, loop.time())
        await asyncio.sleep(next_s - loop.time())
