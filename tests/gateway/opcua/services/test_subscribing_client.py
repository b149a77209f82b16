"""asyncua's client subscribes over a real socket and sees every value once, in order."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from asyncua import Client, Node, ua

from biogate.opcua.front_end import FrontEnd
from biogate.tags import TagTable

NOW = 134_000_000_000_000_000


class Listener:
    """A subscription handler of asyncua that keeps what it is told."""

    def __init__(self) -> None:
        self.changes: asyncio.Queue[tuple[Node, Any]] = asyncio.Queue()
        self.ends: asyncio.Queue[ua.StatusChangeNotification] = asyncio.Queue()

    def datachange_notification(self, node: Node, value: Any, data: Any) -> None:
        self.changes.put_nowait((node, value))

    def status_change_notification(self, status: ua.StatusChangeNotification) -> None:
        self.ends.put_nowait(status)

    async def values(self, count: int) -> list[Any]:
        async with asyncio.timeout(10):
            return [(await self.changes.get())[1] for _ in range(count)]


@pytest.fixture
async def served(make_bench, plant):
    """The bench of this folder on a real clock, listening."""
    bench = make_bench(port=0, security=("None",))
    context = bench.front_end.context
    front_end = FrontEnd(
        context.config,
        plant.space,
        plant.tags,
        bench.commands,
        bench.policy,
        bench.users,
        bench.pki,
    )
    await front_end.start()
    yield front_end
    await front_end.stop()


async def test_every_change_arrives_once_and_in_order(served, plant):
    plant.set("ph", 0.0)
    listener = Listener()
    async with Client(served.endpoint_url) as client:
        subscription = await client.create_subscription(50, listener)
        nodes = [client.get_node(ua.NodeId(name, 1)) for name in ("pH", "pHFloat")]
        await subscription.subscribe_data_change(nodes, queuesize=100, sampling_interval=0)
        assert await listener.values(2) == [0.0, 0.0]
        for number in range(1, 40):
            plant.set("ph", float(number))
            await asyncio.sleep(0)
        got = await listener.values(2 * 39)
        assert sorted(got) == sorted([float(n) for n in range(1, 40)] * 2)
        await subscription.delete()


async def test_a_thousand_items_are_created_in_one_call_and_all_report(served: FrontEnd, plant):
    tags: TagTable = plant.tags
    listener = Listener()
    async with Client(served.endpoint_url) as client:
        subscription = await client.create_subscription(50, listener)
        node = client.get_node(ua.NodeId("pH", 1))
        await subscription.subscribe_data_change([node] * 1000)
        await listener.values(1000)
        index = np.array([tags.index("ph")], np.int32)
        tags.apply(index, np.array([8.5]), np.zeros(1, np.uint32), np.array([NOW]), NOW)
        assert set(await listener.values(1000)) == {8.5}
