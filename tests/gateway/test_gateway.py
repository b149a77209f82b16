"""The embedding API: `from biogate import Gateway`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from asyncua import Client

from biogate import Gateway, SiteError, WriteRefusedError
from biogate.sim.process import SimProcess
from biogate_adapters import status
from biogate_adapters.supervisor import DeviceState
from biogate_security.folder_lock import LockHeldError
from biogate_security.policy import Subject

FEED = ["RC101.feed_setpoint", "RC101.feed_rate"]


@pytest.fixture
def gateway(
    demo_site: Path, simulators: SimProcess, nodeset_cache: Path, tmp_path: Path
) -> Gateway:
    """A gateway for the simulated devices, not started."""
    return Gateway.from_file(
        demo_site,
        data=tmp_path,
        port=0,
        addresses=simulators.addresses,
        nodesets=nodeset_cache,
    )


@pytest.fixture
async def running(gateway: Gateway) -> AsyncIterator[Gateway]:
    """The same, started and with its first values."""
    async with gateway:
        await gateway.wait_for_first_values([info.name for info in gateway.tags])
        yield gateway


async def test_every_tag_of_the_demo_is_good(running: Gateway) -> None:
    bad = {i.name: v for i in running.tags if (v := running.read(i.name)).status != status.GOOD}
    assert bad == {}


async def test_a_written_set_point_reaches_the_device_and_comes_back(running: Gateway) -> None:
    updates = running.updates(FEED)
    await running.write("RC101.feed_setpoint", 40.0)
    assert running.read("RC101.feed_setpoint").value == 40.0
    seen: dict[str, object] = {}
    async with asyncio.timeout(20):
        while not (isinstance(rate := seen.get("RC101.feed_rate"), float) and rate > 39.0):
            seen.update((update.tag, update.value.value) for update in await anext(updates))
    assert updates.lost_rows == 0


@pytest.mark.parametrize("value", [-1.0, 1e9, float("nan")])
async def test_a_value_beyond_the_limits_is_refused(running: Gateway, value: float) -> None:
    before = running.read("RC101.feed_setpoint").value
    with pytest.raises(WriteRefusedError, match="BadOutOfRange"):
        await running.write("RC101.feed_setpoint", value)
    assert running.read("RC101.feed_setpoint").value == before


async def test_who_has_no_right_to_write_is_refused(running: Gateway) -> None:
    observer = Subject("eve", frozenset({"Observer"}))
    with pytest.raises(WriteRefusedError, match="BadUserAccessDenied"):
        await running.write("RC101.feed_setpoint", 1.0, subject=observer)
    with pytest.raises(WriteRefusedError, match="BadNotWritable"):
        await running.write("AE101.ph", 7.0)


async def test_what_happens_is_counted(running: Gateway) -> None:
    await running.write("RC101.feed_setpoint", 5.0)
    with pytest.raises(WriteRefusedError):
        await running.write("RC101.feed_setpoint", -5.0)
    async with Client(running.endpoint_url) as client:
        await client.nodes.server_state.read_value()
    diagnostics = running.diagnostics()
    counters = diagnostics.counters
    assert counters["writes"] == {"written": 1, "out_of_range": 1}
    # Two of the start, intention and outcome, the refusal; a session and its channel.
    assert counters["audit"]["records"] >= 5 + 3
    assert counters["connections"]["accepted"] >= 1
    assert counters["requests"]["requests"] >= 1
    assert counters["tags"] == {"rejected_rows": 0}
    assert diagnostics.devices["RC101"].writes == 1


async def test_a_computed_tag_is_served_to_opc_ua_clients(gateway: Gateway) -> None:
    gateway.add_computed_tag(
        "FeedPerKilogram", lambda rate, kg: rate / kg, ["RC101.feed_rate", "RC101.vessel_weight"]
    )
    async with gateway:
        await gateway.wait_for_first_values(["FeedPerKilogram"])
        (node,) = gateway.node_ids("FeedPerKilogram")
        async with Client(gateway.endpoint_url) as client:
            value = await client.get_node(node).read_value()
    assert value == gateway.read("FeedPerKilogram").value


async def test_a_computed_tag_is_not_added_while_clients_look(running: Gateway) -> None:
    with pytest.raises(ValueError, match="before the gateway starts"):
        running.add_computed_tag("late", lambda x: x, ["AE101.ph"])


async def test_a_second_gateway_on_the_same_data_folder_is_refused(
    running: Gateway, demo_site: Path, simulators: SimProcess, tmp_path: Path
) -> None:
    second = Gateway.from_file(demo_site, data=tmp_path, port=0, addresses=simulators.addresses)
    with pytest.raises(LockHeldError, match=str(os.getpid())):
        await second.start()


async def test_a_failed_start_leaves_nothing_behind(
    running: Gateway,
    demo_site: Path,
    simulators: SimProcess,
    nodeset_cache: Path,
    tmp_path: Path,
) -> None:
    """The port is taken: the second gateway gives its own data folder back."""
    port = int(running.endpoint_url.rsplit(":", 1)[1])
    for _ in range(2):
        second = Gateway.from_file(
            demo_site,
            data=tmp_path / "second",
            port=port,
            addresses=simulators.addresses,
            nodesets=nodeset_cache,
        )
        with pytest.raises(OSError, match=str(port)):
            await second.start()


async def test_the_password_that_a_failed_start_could_not_tell_is_told_by_the_next(
    running: Gateway,
    demo_site: Path,
    simulators: SimProcess,
    nodeset_cache: Path,
    tmp_path: Path,
) -> None:
    taken = int(running.endpoint_url.rsplit(":", 1)[1])

    def second(port: int) -> Gateway:
        return Gateway.from_file(
            demo_site,
            data=tmp_path / "second",
            port=port,
            addresses=simulators.addresses,
            nodesets=nodeset_cache,
        )

    with pytest.raises(OSError, match=str(taken)):
        await second(taken).start()
    async with second(0) as gateway:
        assert list(gateway.first_passwords) == ["operator", "administrator"]
    async with second(0) as gateway:
        assert gateway.first_passwords == {}


async def test_a_device_that_dies_takes_no_other_with_it(
    gateway: Gateway, simulators: SimProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    async with gateway:
        await gateway.wait_for_first_values([info.name for info in gateway.tags])
        assert {d.state for d in gateway.diagnostics().devices.values()} == {DeviceState.ONLINE}
        updates = gateway.updates(["AE101.ph"])
        await simulators.stop()
        async with asyncio.timeout(20):
            while status.is_good(gateway.read("AE101.ph").status):
                await anext(updates)
        last = gateway.read("AE101.ph")
        assert last.status == status.UNCERTAIN_NO_COMMUNICATION_LAST_USABLE
        assert last.value is not None


async def test_a_site_file_with_mistakes_names_them_all(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("biogate: 2\ndevices: {}\n")
    with pytest.raises(SiteError) as caught:
        Gateway.from_file(site)
    assert len(caught.value.problems) > 3


def test_a_simulated_device_without_an_address_is_named(demo_site: Path) -> None:
    with pytest.raises(ValueError, match=r"AE101.*biogate sim site"):
        Gateway.from_file(demo_site)


async def test_after_the_stop_nothing_is_written_and_it_can_start_again(gateway: Gateway) -> None:
    async with gateway:
        await gateway.wait_for_first_values(FEED)
    with pytest.raises(RuntimeError, match="not running"):
        await gateway.write("RC101.feed_setpoint", 1.0)
    async with gateway:
        await gateway.wait_for_first_values(FEED)
        async with asyncio.timeout(20):
            updates = gateway.updates(FEED)
            while not status.is_good(gateway.read("RC101.feed_setpoint").status):
                await anext(updates)
        await gateway.write("RC101.feed_setpoint", 2.0)


async def test_before_the_start_there_is_no_endpoint(gateway: Gateway) -> None:
    with pytest.raises(RuntimeError, match="not running"):
        _ = gateway.endpoint_url


async def test_the_embedding_example_does_what_it_says(
    project: Path, demo_site: Path, simulators: SimProcess, nodeset_cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "biogate-data").mkdir()
    (tmp_path / "biogate-data" / "nodesets").symlink_to(nodeset_cache)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-X",
        "faulthandler",
        str(project / "examples" / "embed.py"),
        str(demo_site),
        *(f"{device}={address}" for device, address in simulators.addresses.items()),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    # One that hangs tells where: faulthandler prints the stacks on SIGABRT.
    timer = asyncio.get_running_loop().call_later(45, process.send_signal, signal.SIGABRT)
    output, errors = await process.communicate()
    timer.cancel()
    lines = output.decode().splitlines()
    assert process.returncode == 0, errors.decode()
    assert lines[0].startswith("OPC UA clients connect to opc.tcp://127.0.0.1:")
    assert lines[1] == "set-point now 12.5 ml/h"
    assert len([line for line in lines if line.startswith("SpecificFeed ")]) >= 3
