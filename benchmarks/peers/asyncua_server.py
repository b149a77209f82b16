"""asyncua's server with the benchmark's address space, as quick as its documented API allows.

    python -m benchmarks.peers.asyncua_server --port 4841 --vars 1000 --sim-hz 10 --tree

It takes options of `benchmarks.serve`, with the same meaning.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from benchmarks.layout import (
    APPLICATION_URI,
    FOLDERS,
    NAMESPACE,
    VARIABLES_PER_FOLDER,
    parser,
    slices,
)
from benchmarks.load.asyncua_types import Server, ua
from benchmarks.load.security import identity

_POLICIES = [
    ua.SecurityPolicyType.NoSecurity,
    ua.SecurityPolicyType.Basic256Sha256_Sign,
    ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
]


class PeerServer:
    """The server and the NodeIds of the variables that change."""

    def __init__(self, port: int) -> None:
        self.server = Server()
        self._port = port
        self._nodes: list[ua.NodeId] = []
        self._namespace = 0

    async def build(self, folder: Path, variables: int, *, tree: bool) -> None:
        """Make the address space; the certificate goes into `folder`, as asyncua wants it."""
        server = self.server
        await server.init()
        await server.set_application_uri(APPLICATION_URI)
        server.set_endpoint(f"opc.tcp://127.0.0.1:{self._port}")
        server.set_security_policy(_POLICIES)
        await self._load_certificate(folder)
        self._namespace = await server.register_namespace(NAMESPACE)
        vars_folder = await self._folder(server.nodes.objects, "Vars")
        self._nodes = [
            await self._variable(vars_folder, f"Var{n}", float(n)) for n in range(variables)
        ]
        if tree:
            await self._tree()

    async def _load_certificate(self, folder: Path) -> None:
        own = identity()
        certificate, key = folder / "server.der", folder / "server.pem"
        certificate.write_bytes(own.certificate)
        key.write_bytes(
            own.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        await self.server.load_certificate(str(certificate))
        await self.server.load_private_key(str(key))

    async def _tree(self) -> None:
        top = await self._folder(self.server.nodes.objects, "Tree")
        for number in range(FOLDERS):
            folder = await self._folder(top, f"Tree.F{number}")
            for variable in range(VARIABLES_PER_FOLDER):
                await self._variable(folder, f"Tree.F{number}.V{variable}", 0.0)

    async def _folder(self, parent: Any, name: str) -> Any:
        short = name.rpartition(".")[2]
        return await parent.add_folder(ua.NodeId(name, self._namespace), short)

    async def _variable(self, parent: Any, name: str, value: float) -> ua.NodeId:
        short = name.rpartition(".")[2]
        variable = await parent.add_variable(ua.NodeId(name, self._namespace), short, value)
        await variable.set_writable()
        node_id: ua.NodeId = variable.nodeid
        return node_id

    async def keep_changing(self, sim_hz: float, go: asyncio.Event) -> None:
        """As `BenchSpace.keep_changing`, by the quickest way in: straight to the address space."""
        await go.wait()
        if sim_hz <= 0:
            return
        parts = slices(len(self._nodes))
        loop = asyncio.get_running_loop()
        next_s, number = loop.time(), 0
        while True:
            number += 1
            for rows in parts:
                await self._write(rows, number)
                next_s += 1 / sim_hz / len(parts)
                await asyncio.sleep(max(0.0, next_s - loop.time()))

    async def _write(self, rows: range, number: int) -> None:
        now = datetime.now(UTC)
        for row in rows:
            value = ua.Variant(float(row + number), ua.VariantType.Double)
            data = ua.DataValue(value, SourceTimestamp=now, ServerTimestamp=now)
            await self.server.write_attribute_value(self._nodes[row], data)


async def _run(arguments: Any, folder: Path) -> None:
    peer = PeerServer(arguments.port)
    await peer.build(folder, arguments.vars, tree=arguments.tree)
    stop, go = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, go.set)
    if not arguments.hold:
        go.set()
    async with peer.server:
        gc.collect()
        gc.freeze()
        task = asyncio.create_task(peer.keep_changing(arguments.sim_hz, go))
        print("READY", flush=True)
        await stop.wait()
        task.cancel()


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        options = parser("python -m benchmarks.peers.asyncua_server", __doc__)
        asyncio.run(_run(options.parse_args(), Path(folder)))


if __name__ == "__main__":
    main()
