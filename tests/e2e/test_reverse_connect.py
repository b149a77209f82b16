"""A client that is reached through Reverse Connect only: node-opcua's, against `biogate run`."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from e2e.driving import NODE_CLIENT, started_programs
from e2e.sites import NAMESPACE, write_site

ROUNDS = 3


async def lines_of(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout
    while True:
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        if not line:
            return
        if line.startswith(b"{"):
            yield json.loads(line)


@pytest.mark.parametrize(
    ("mode", "policy"), [("None", "None"), ("SignAndEncrypt", "Basic256Sha256")]
)
async def test_a_server_without_a_port_is_reached_by_a_client_that_it_calls(
    tmp_path: Path, nodeset_cache: Path, mode: str, policy: str
) -> None:
    """Part 6, 7.1.3; a client that has left is offered the next connection."""
    process = await asyncio.create_subprocess_exec(
        *("node", "reverse.mjs", "0", f"{NAMESPACE}:gateway", mode, policy),
        *(str(tmp_path / "client-pki"), str(ROUNDS)),
        cwd=NODE_CLIENT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ},
    )
    said = lines_of(process)
    try:
        url = f"opc.tcp://127.0.0.1:{(await anext(said))['listening']}"
        site = write_site(tmp_path / "site.yaml")
        content = json.loads(site.read_text())
        content["opcua"] |= {
            "security_policies": [policy],
            "trust_any_client": True,
            "listen": False,
            "reverse_connect": [url],
        }
        site.write_text(json.dumps(content))
        data = tmp_path / "data"
        data.mkdir()
        (data / "nodesets").symlink_to(nodeset_cache)
        async with started_programs() as start:
            program = await start("run", str(site), "--quiet", "--data", str(data))
            await program.line("endpoint")
            (certificate,) = (data / "pki" / "own" / "certs").glob("*.der")
            assert process.stdin
            process.stdin.write(f"{certificate}\n".encode())
            states = [line async for line in said]
            assert states == [{"state": 0, "status": "Good"}] * ROUNDS
            assert await process.wait() == 0
            assert not [line for line in program.errors if "Traceback" in line]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
