"""The whole front end over loopback, with asyncua's client: a client that we did not write."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.ua.uaerrors import BadUserAccessDenied

from biogate_security.pki import Pki

S = ua.StatusCodes
CLIENT_URI = "urn:test:asyncua-client"
SIGN, ENCRYPT = ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt


@pytest.fixture(scope="module")
def client_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key files of the client application."""
    folder = tmp_path_factory.mktemp("client")
    Pki.open(folder, CLIENT_URI, ["127.0.0.1"])
    (certificate,) = (folder / "own" / "certs").glob("*.der")
    (key,) = (folder / "own" / "private").glob("*")
    return certificate, key


@pytest.fixture
async def bench(make_bench: Callable[..., Any], plant: Any) -> AsyncIterator[Any]:
    """A front end that listens on a free port of loopback."""
    bench = make_bench(port=0, clock=time.monotonic)
    plant.set("ph", 7.25)
    await bench.front_end.start()
    yield bench
    await bench.front_end.stop()


async def connected(
    bench: Any,
    files: tuple[Path, Path],
    mode: ua.MessageSecurityMode | None,
    user: tuple[str, str] | None,
) -> Client:
    client = Client(bench.front_end.endpoint_url, timeout=10)
    client.application_uri = CLIENT_URI
    if user is not None:
        client.set_user(user[0])
        client.set_password(user[1])
    if mode is not None:
        await client.set_security(SecurityPolicyBasic256Sha256, *files, mode=mode)
    await client.connect()
    return client


@pytest.mark.parametrize("user", [None, ("operator", "correct horse")])
@pytest.mark.parametrize("mode", [None, SIGN, ENCRYPT])
async def test_browse_read_write_translate_and_call(
    bench: Any,
    client_files: tuple[Path, Path],
    mode: ua.MessageSecurityMode | None,
    user: tuple[str, str] | None,
) -> None:
    client = await connected(bench, client_files, mode, user)
    async with asyncio.timeout(20):
        reactor = await client.nodes.objects.get_child(["1:Reactor"])
        names = [(await child.read_browse_name()).Name for child in await reactor.get_children()]
        assert {"pH", "SetPoint", "Start"} <= set(names)
        value = await (await reactor.get_child("1:pH")).read_data_value()
        assert (value.Value.Value, value.SourceTimestamp.year) == (7.25, 2025)
        set_point = client.get_node("ns=1;s=SetPoint")
        await set_point.write_value(37.5, ua.VariantType.Float)
        ((subject, _, _, written, _),) = bench.commands.writes
        assert written == 37.5
        assert subject.user == (user[0] if user else None)
        assert subject.security_mode == (mode.name if mode else "None")
        doubled = await reactor.call_method("1:Start", 2.5, ua.Variant([1], ua.VariantType.UInt16))
        assert doubled == 5.0
        await client.disconnect()


@pytest.mark.parametrize("mode", [None, ENCRYPT])
async def test_a_wrong_password_opens_no_session(
    bench: Any, client_files: tuple[Path, Path], mode: ua.MessageSecurityMode | None
) -> None:
    with pytest.raises(BadUserAccessDenied):
        await connected(bench, client_files, mode, ("operator", "wrong"))


async def test_the_server_status_is_that_of_a_running_server(
    bench: Any, client_files: tuple[Path, Path]
) -> None:
    client = await connected(bench, client_files, None, None)
    status = await client.get_node(ua.ObjectIds.Server_ServerStatus).read_value()
    assert isinstance(status, ua.ServerStatusDataType)
    assert status.State == ua.ServerState.Running
    assert (await client.get_namespace_array())[1] == "urn:test:biogate"
    await client.disconnect()


async def test_a_client_finds_its_monitored_items_again(
    bench: Any, client_files: tuple[Path, Path], plant: Any
) -> None:
    class Handler:
        def __init__(self) -> None:
            self.values: asyncio.Queue[float] = asyncio.Queue()

        def datachange_notification(self, _node: Any, value: float, _data: Any) -> None:
            self.values.put_nowait(value)

    client = await connected(bench, client_files, None, None)
    handler = Handler()
    subscription = await client.create_subscription(50, handler)
    await subscription.subscribe_data_change(client.get_node("ns=1;s=pH"))
    async with asyncio.timeout(10):
        assert await handler.values.get() == 7.25
        plant.set("ph", 7.5)
        assert await handler.values.get() == 7.5
        handles = await client.nodes.server.call_method(
            client.get_node(ua.ObjectIds.Server_GetMonitoredItems),
            ua.Variant(subscription.subscription_id, ua.VariantType.UInt32),
        )
        assert [len(numbers) for numbers in handles] == [1, 1]
        await subscription.delete()
        await client.disconnect()


async def test_the_front_end_stops_within_a_second_with_a_write_under_way(
    bench: Any, client_files: tuple[Path, Path]
) -> None:
    client = await connected(bench, client_files, None, None)
    bench.commands.gate = asyncio.Event()
    node = client.get_node("ns=1;s=SetPoint")
    write = asyncio.create_task(node.write_value(1.0, ua.VariantType.Float))
    await bench.commands.seen(1)
    before = time.monotonic()
    await bench.front_end.stop()
    assert time.monotonic() - before < 1.0
    with pytest.raises((ua.UaError, ConnectionError)):
        await write
    await asyncio.gather(client.disconnect(), return_exceptions=True)
