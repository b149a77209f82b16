"""asyncua's client loses its connection and comes back to its session, secured and not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

from biogate_security.pki import Pki

S = ua.StatusCodes
URI = "urn:test:returning-client"
Files = tuple[Path, Path]


def make_files(folder: Path) -> Files:
    """Certificate and key of an application that claims to be `URI`."""
    Pki.open(folder, URI, ["127.0.0.1"])
    (certificate,) = (folder / "own" / "certs").glob("*.der")
    (key,) = (folder / "own" / "private").glob("*")
    return certificate, key


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("returning"))


@pytest.fixture
async def bench(make_bench: Callable[..., Any], plant: Any) -> AsyncIterator[Any]:
    bench = make_bench(port=0, clock=time.monotonic)
    plant.set("ph", 7.0)
    await bench.front_end.start()
    yield bench
    await bench.front_end.stop()


@pytest.fixture
async def connect(bench: Any, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Client]]]:
    """Connects, to the session of the one before when there is its state."""
    clients: list[Client] = []

    async def start(files: Files | None, state: str = "state") -> Client:
        client = Client(bench.front_end.endpoint_url, timeout=10)
        client.application_uri = URI
        client.session_state_path = tmp_path / state
        if files is not None:
            mode = ua.MessageSecurityMode.SignAndEncrypt
            await client.set_security(SecurityPolicyBasic256Sha256, *files, mode=mode)
        if clients:  # it keeps the token of its session, but not the policies of the endpoint
            client._policy_ids = clients[0]._policy_ids
        await client.connect()
        clients.append(client)
        return client

    yield start
    for client in clients:
        await client.disconnect()


class Listener:
    """Keeps the values that are told."""

    def __init__(self) -> None:
        self.values: asyncio.Queue[float] = asyncio.Queue()

    def datachange_notification(self, node: Any, value: float, data: Any) -> None:
        self.values.put_nowait(value)


async def subscribed(client: Client) -> int:
    """A subscription to every change of one value, the first of which is there."""
    listener = Listener()
    subscription = await client.create_subscription(50, listener)
    node = client.get_node(ua.NodeId("pH", 1))
    await subscription.subscribe_data_change(node, queuesize=100, sampling_interval=0)
    async with asyncio.timeout(5):
        assert await listener.values.get() == 7.0
    return int(subscription.subscription_id)


async def cut(bench: Any, client: Client) -> None:
    """Pull the plug, and wait until both sides have seen it."""
    client.uaclient.protocol.transport.abort()
    async with asyncio.timeout(5):
        while len(bench.front_end.listener._connections):  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0)


async def next_values(client: Client) -> list[float]:
    async with asyncio.timeout(5):
        response = await client.uaclient.publish([])
    return [
        item.Value.Value.Value
        for change in response.Parameters.NotificationMessage.NotificationData
        for item in change.MonitoredItems
    ]


# Part 4, 5.7.3.1 and 6.7: the same certificate and user on a new channel.
@pytest.mark.parametrize("secured", [False, True])
async def test_a_client_comes_back_to_its_session_and_misses_nothing(
    bench: Any, connect: Any, files: Files, plant: Any, secured: bool
) -> None:
    first = await connect(files if secured else None)
    token = first.uaclient.session.authentication_token
    await subscribed(first)
    await cut(bench, first)
    for ph in (7.1, 7.2, 7.3):
        plant.set("ph", ph)
    again = await connect(files if secured else None)
    assert again.uaclient.session.authentication_token == token
    assert len(bench.front_end.context.sessions) == 1
    assert await next_values(again) == [7.1, 7.2, 7.3]


# Part 4, 5.7.3.1: whoever has the token but another certificate gets nothing.
async def test_a_stolen_token_is_worth_nothing_with_another_certificate(
    bench: Any, connect: Any, files: Files, tmp_path: Path
) -> None:
    first = await connect(files)
    token = first.uaclient.session.authentication_token
    await cut(bench, first)
    thief = await connect(make_files(tmp_path / "thief"))
    assert thief.uaclient.session.authentication_token != token
    assert len(bench.front_end.context.sessions) == 2


# Part 4, 5.14.7.1: anonymous, but the same application on signed channels.
async def test_a_restarted_application_takes_its_subscription_over(
    bench: Any, connect: Any, files: Files, plant: Any
) -> None:
    first = await connect(files)
    subscription = await subscribed(first)
    await cut(bench, first)
    plant.set("ph", 7.1)
    again = await connect(files, "another state")
    parameters = ua.TransferSubscriptionsParameters([subscription], False)
    (result,) = await again.uaclient.transfer_subscriptions(parameters)
    assert result.StatusCode.value == S.Good
    assert await next_values(again) == [7.1]
