"""Warm start: from starting the process to the first activated session, ours and asyncua's.

Both servers load the same ten official nodesets from files, ours from its compiled cache (made by
a first, cold start), asyncua 2.1.0 by `import_xml` with `strict_mode=False`, which some of them
need. The same client waits for both. Memory is each server's resident set after that session.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
from asyncua import Client, Server

from biogate_nodesets import CATALOGUE

ROUNDS = 9
NODESETS = Path("biogate-data/nodesets")
SITE = """\
biogate: 1
enterprise: Bench
site: Bench
area: Bench
process_cell: Bench
opcua: {port: 0, security_policies: [None], anonymous: read}
devices:
  AE101: {profile: hamilton/arc-ph, address: "tcp://127.0.0.1:9"}
units:
  BR101:
    functions:
      pH: {kind: sensor, value: AE101.ph, range: [0, 14]}
"""


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def first_session(url: str, process: asyncio.subprocess.Process) -> None:
    """Return when a session is activated; raises RuntimeError when the server ended instead."""
    host, port = "127.0.0.1", int(url.rsplit(":", 1)[1].rstrip("/"))
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
            break
        except ConnectionRefusedError:
            if process.returncode is not None:
                raise RuntimeError(f"the server ended with {process.returncode}") from None
            await asyncio.sleep(0.005)
    writer.close()
    await writer.wait_closed()
    async with Client(url, timeout=60):
        pass


def _environment() -> dict[str, str]:
    """Ours, with the cache of compiled modules that every installed package has."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


async def measure(command: Sequence[str], port: int) -> tuple[float, float]:
    """Seconds to the first session and MiB resident after it, of one start."""
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(),
    )
    try:
        await first_session(f"opc.tcp://127.0.0.1:{port}", process)
        seconds = time.perf_counter() - started
        resident = psutil.Process(process.pid).memory_info().rss / 2**20
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
    return seconds, resident


def _importable(nodeset: str) -> str:
    """asyncua raises KeyError for a RequiredModel without a version and a date (ISA-95)."""
    return nodeset.replace(
        '<RequiredModel ModelUri="http://opcfoundation.org/UA/" />',
        '<RequiredModel ModelUri="http://opcfoundation.org/UA/" Version="1.00" '
        'PublicationDate="2000-01-01T00:00:00Z" />',
    )


async def serve_with_asyncua(port: int) -> None:
    """The peer: asyncua's server with the same nodesets (ns0 is built into it)."""
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    for entry in CATALOGUE.values():
        if entry.name != "ns0":
            text = (NODESETS / entry.file).read_text(encoding="utf-8-sig")
            await server.import_xml(xmlstring=_importable(text), strict_mode=False)
    async with server:
        await asyncio.Event().wait()


def _report(name: str, rounds: list[tuple[float, float]]) -> float:
    seconds = statistics.median(second for second, _ in rounds)
    resident = statistics.median(mib for _, mib in rounds)
    print(f"  {name:8} {seconds:6.2f} s to the first session   {resident:6.0f} MiB resident")
    return seconds


async def run(folder: Path) -> None:
    """Print both and their ratio (median of ROUNDS starts each, taken in turns)."""
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    for number in range(ROUNDS + 1):
        port = free_port()
        ours.append(
            await measure(
                [sys.executable, "-m", "biogate", "run", str(folder / "site.yaml"), "--quiet",
                 "--data", str(folder / "data"), "--nodesets", str(NODESETS),
                 "--port", str(port)],
                port,
            )
        )  # fmt: skip
        port = free_port()
        theirs.append(await measure([sys.executable, "-m", __name__, str(port)], port))
        if number == 0:
            print(f"  cold start of biogate (compiles the nodesets): {ours[0][0]:.2f} s")
            ours.clear()
            theirs.clear()
    ratio = _report("asyncua", theirs) / _report("biogate", ours)
    print(f"  biogate starts {ratio:.1f} times faster")


def main() -> None:
    """Run the benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "site.yaml").write_text(SITE)
        asyncio.run(run(Path(folder)))


if __name__ == "__main__":
    asyncio.run(serve_with_asyncua(int(sys.argv[1])))
