"""`biogate run` with zones: the real program, its zones' processes, and clients of each."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import textwrap
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from asyncua import Client, ua
from e2e.driving import Program, Start

SITE = """
biogate: 1
enterprise: Acme
site: Hall 4
area: USP
process_cell: Train 1
users: {op: {roles: [Operator]}}
opcua: {security_policies: ["None", Basic256Sha256], anonymous: read, trust_any_client: true}
nodes:
  cell:
    namespace: urn:test:cell
    objects:
      Cell:
        variables:
          Shared: {type: Double, value: 1, writable: true}
          Secret: {type: Double, value: 2, writable: true}
zones:
  cell: {sections: [cell], opcua: {port: 0}}
  dmz: {opcua: {port: 0}}
conduits:
  dmz-to-cell:
    {from: dmz, to: cell, allow: [{actions: [browse, read, subscribe], on: [cell/Cell/Shared]}]}
"""
PASSWORD = "nine-quiet-herons-wade"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(textwrap.dedent(SITE), encoding="utf-8")
    return path


async def urls(program: Program) -> dict[str, str]:
    """The endpoint of each zone, as the program prints them."""
    found = {}
    for zone in ("cell", "dmz"):
        match = await program.line(rf"OPC UA endpoint of zone {zone}: (opc\.tcp://\S+)")
        found[zone] = match[1]
    return found


def zone_processes(program: Program) -> list[psutil.Process]:
    children = psutil.Process(program.process.pid).children()
    return [each for each in children if "biogate.zones" in each.cmdline()]


async def gone(processes: list[psutil.Process]) -> None:
    """Return once none of them runs (whoever adopted them may not have buried them yet)."""
    async with asyncio.timeout(10):
        for process in processes:
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_each_zone_serves_its_own_view_of_the_plant(
    programs: Start, new_data: Callable[[], Path], site: Path
) -> None:
    program = await programs(
        "run", str(site), "--data", str(new_data()), env={"BIOGATE_PASSWORD_OP": PASSWORD}
    )
    found = await urls(program)
    operator = Client(found["cell"])
    operator.set_user("op")
    operator.set_password(PASSWORD)
    async with operator, Client(found["dmz"]) as outside:
        shared, secret = (outside.get_node(f"ns=2;s={name}") for name in ("Shared", "Secret"))
        await operator.get_node("ns=2;s=Shared").write_value(4.5)
        async with asyncio.timeout(5):
            while await shared.read_value() != 4.5:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        with pytest.raises(ua.UaStatusCodeError) as refused:
            await secret.read_value()
        assert refused.value.code == ua.StatusCodes.BadNodeIdUnknown
        with pytest.raises(ua.UaStatusCodeError) as refused:
            await shared.write_value(5.0)
        assert refused.value.code == ua.StatusCodes.BadUserAccessDenied
    processes = zone_processes(program)
    assert len(processes) == 2
    assert await program.stop() == 0
    await gone(processes)
    assert "Traceback" not in "\n".join(program.errors)


async def test_when_the_core_is_killed_the_zones_end_by_themselves(
    programs: Start, new_data: Callable[[], Path], site: Path
) -> None:
    program = await programs("run", str(site), "--data", str(new_data()))
    await program.line("Ctrl-C stops everything")
    processes = zone_processes(program)
    assert len(processes) == 2
    await program.stop(signal.SIGKILL)
    await gone(processes)


async def test_a_killed_zone_is_a_line_in_the_log_and_comes_back(
    programs: Start, new_data: Callable[[], Path], site: Path
) -> None:
    program = await programs("run", str(site), "--data", str(new_data()), "--log-json")
    found = await urls(program)
    (victim,) = (
        each
        for each in zone_processes(program)
        if any(c.laddr.port == int(found["dmz"].rpartition(":")[2]) for c in each.net_connections())
    )
    os.kill(victim.pid, signal.SIGKILL)
    line = await program.line("started again", errors=True)
    event = json.loads(line.string)
    assert event["level"] == "ERROR"
    assert event["context"]["zone"] == "dmz"
    async with asyncio.timeout(20):
        while True:
            client = Client(found["dmz"])
            try:
                await client.connect()
            except OSError:
                await asyncio.sleep(0.1)
            else:
                break
    assert await client.get_node("ns=2;s=Shared").read_value() == 1.0
    await client.disconnect()


async def test_a_port_on_the_command_line_is_not_for_several_zones(
    programs: Start, new_data: Callable[[], Path], site: Path
) -> None:
    program = await programs("run", str(site), "--data", str(new_data()), "--port", "4841")
    await program.line("port 4841 cannot be that of every zone", errors=True)
    assert await program.ended() == 2
