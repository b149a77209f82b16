"""A zone's process that dies or hangs is replaced; the core does not notice."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from asyncua import Client

from biogate import Gateway
from biogate.sim.process import SimProcess
from biogate.zones import supervisor
from biogate_security.audit_store.query import query_log

DEVICE = """
devices:
  AE101:
    {profile: hamilton/arc-ph, address: "tcp://127.0.0.1:0", simulated: true, poll_interval_ms: 50,
     plant: BR101}
units:
  BR101: {functions: {pH: {kind: sensor, value: AE101.ph}}}
"""


def changed(site: Path, folder: Path, old: str, new: str, *, also: str = "") -> Path:
    """A site file with something else in it."""
    text = site.read_text(encoding="utf-8")
    assert old in text
    path = folder / "site.yaml"
    path.write_text(text.replace(old, new) + also, encoding="utf-8")
    return path


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def connected(client_of: Callable[..., Client], *who: Any) -> Client:
    """A client that tries until the zone is there again."""
    async with asyncio.timeout(20):
        while True:
            client = client_of(*who)
            try:
                await client.connect()
            except (OSError, TimeoutError):
                await asyncio.sleep(0.1)
            else:
                return client


def counter(gateway: Gateway, zone: str, name: str) -> int:
    return gateway.diagnostics().counters[f"zone {zone}"].get(name, 0)


def restarts(gateway: Gateway, zone: str) -> int:
    return counter(gateway, zone, "restarts")


async def test_a_killed_process_is_replaced_on_the_same_port_with_all_values(
    running: Any, client_of: Callable[..., Client]
) -> None:
    async with running() as gateway:
        url, first = gateway.endpoint_urls["cell"], gateway.zone_processes["cell"]
        async with client_of(gateway, "cell", "op") as client:
            await client.get_node("ns=2;s=Shared").write_value(3.25)
            await client.get_node("ns=2;s=Recipe").write_value("chemostat")
            os.kill(first, signal.SIGKILL)
            await until(lambda: restarts(gateway, "cell") == 1)
        client = await connected(client_of, gateway, "cell", "op")
        assert gateway.endpoint_urls["cell"] == url
        assert gateway.zone_processes["cell"] != first
        assert await client.get_node("ns=2;s=Shared").read_value() == 3.25
        assert await client.get_node("ns=2;s=Recipe").read_value() == "chemostat"
        await client.get_node("ns=2;s=Shared").write_value(3.5)
        assert gateway.read("cell.Shared").value == 3.5
        await client.disconnect()
        assert restarts(gateway, "dmz") == 0
        lost = [each.record for each in query_log(gateway._data / "audit")]
        assert [each.zone for each in lost if each.event == "front-end-lost"] == ["cell"]


async def test_polls_go_on_while_a_process_hangs_and_is_replaced(
    running: Any,
    client_of: Callable[..., Client],
    zones_site: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "HANG_S", 3.0)
    monkeypatch.setattr(supervisor, "PING_S", 0.2)
    members = (
        "cell: {sections: [cell]",
        "cell: {sections: [cell], devices: [AE101], units: [BR101]",
    )
    site = changed(zones_site, tmp_path, *members, also=DEVICE)
    async with (
        await SimProcess.start(site) as simulators,
        running(site=site, addresses=simulators.addresses) as gateway,
    ):
        await gateway.wait_for_first_values(["AE101.ph"])
        hung = gateway.zone_processes["cell"]
        updates = gateway.updates(["AE101.ph"])
        os.kill(hung, signal.SIGSTOP)
        for _ in range(5):  # while it hangs: nothing could be delivered to it
            await asyncio.wait_for(anext(updates), 5)
        assert restarts(gateway, "cell") == 0
        assert gateway.zone_processes["cell"] == hung
        await until(lambda: restarts(gateway, "cell") == 1)
        assert gateway.diagnostics().counters["zone cell"]["hung"] == 1
        assert not psutil.pid_exists(hung)
        client = await connected(client_of, gateway, "cell", "op")
        value = await client.get_node(gateway.node_ids("AE101.ph")[0]).read_value()
        assert value == pytest.approx(gateway.read("AE101.ph").value, abs=0.5)
        await client.disconnect()
        assert updates.lost_rows == 0


async def test_a_port_that_is_taken_is_told_with_the_zone(
    zones_site: Path, nodeset_cache: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        own = f"[mes], opcua: {{port: {port}}}"
        site = changed(zones_site, tmp_path, "[mes], opcua: {port: 0}", own)
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "nodesets").symlink_to(nodeset_cache)
        gateway = Gateway.from_file(site, data=tmp_path / "data")
        with pytest.raises(OSError, match=f"zone dmz: cannot listen on .*:{port}: another program"):
            await gateway.start()
    assert not gateway.zone_processes
    assert not [each for each in psutil.Process().children() if "biogate.zones" in each.cmdline()]


async def test_one_port_is_not_for_all_zones(zones_site: Path) -> None:
    with pytest.raises(ValueError, match="port 4840 cannot be that of every zone"):
        Gateway.from_file(zones_site, port=4840)


async def test_processes_get_no_password_and_end_with_the_gateway(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIOGATE_PASSWORD_OP", "correct-horse-7-battery")
    monkeypatch.setenv("SECRET_OF_ANOTHER_PROGRAM", "token")
    async with running() as gateway:
        pids = list(gateway.zone_processes.values())
        assert len(pids) == 2
        for pid in pids:
            environment = psutil.Process(pid).environ()
            assert "PATH" in environment
            assert not [name for name in environment if name.startswith(("BIOGATE", "SECRET"))]
    assert not any(map(psutil.pid_exists, pids))


async def test_a_process_that_cannot_start_again_is_tried_until_it_can(
    running: Any, client_of: Callable[..., Client]
) -> None:
    async with running() as gateway:
        port = int(gateway.endpoint_urls["dmz"].rpartition(":")[2])
        os.kill(gateway.zone_processes["dmz"], signal.SIGKILL)
        await until(lambda: "dmz" not in gateway.zone_processes)
        with socket.create_server(("127.0.0.1", port)):
            await until(lambda: counter(gateway, "dmz", "failed_starts") >= 1)
            assert counter(gateway, "dmz", "running") == 0
        client = await connected(client_of, gateway, "dmz", "mes")
        await client.disconnect()


async def test_what_a_process_says_outside_of_its_log_makes_up_no_lines(
    running: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    program = "import sys; sys.stderr.write('all is well\\n' * 100_000 + '\\x1b[2Jno port')"
    real = asyncio.create_subprocess_exec

    async def start(*words: str, **how: Any) -> Any:
        return await real(words[0], "-c", program, **how)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    with pytest.raises(OSError, match="zone"):
        async with running():
            pass
    said = [each.getMessage() for each in caplog.records if "process says" in each.getMessage()]
    assert 0 < len(said) <= 1200  # of two zones, in two minutes at most
    assert not [line for line in said if "\x1b" in line or "\n" in line]
