"""Many clients, one after another, and many items: memory and tables go back to where they were."""

from __future__ import annotations

import gc
import os
from collections import Counter
from typing import Any

import psutil
import pytest
from asyncua import ua

from biogate.opcua.session import Session
from biogate.opcua.subscriptions.monitored_item import MonitoredItem
from biogate.opcua.subscriptions.subscription import Subscription
from biogate.opcua.transport.connection import ServerConnection
from biogate.opcua.transport.stream import Stream

S = ua.StatusCodes
_CONNECTS = 2_100
_WARM_UP = 100
_MAX_GROWTH_BYTES = 8 << 20
_KINDS = (Session, Subscription, MonitoredItem, ServerConnection, Stream)


def live_objects() -> Counter[str]:
    """How many objects there are of what is made for each client."""
    gc.collect()
    return Counter(type(o).__name__ for o in gc.get_objects() if isinstance(o, _KINDS))


async def visit(site: Any, number: int) -> None:
    """Connect, subscribe, and leave in one of several ways."""
    wire = await site.connect()
    site.wires.remove(wire)
    await wire.log_in(site.bench)
    if number % 10 == 0:
        subscription = await wire.subscribe(1000, lifetime=30)
        assert await wire.monitor(subscription, "pH", "Gas", queue_size=10) == [S.Good] * 2
        wire.publish()
    if number % 3:
        await wire.log_out()
    if number % 2:
        await wire.close()
    else:
        await wire.cut()


async def settled(site: Any) -> None:
    """Everybody has gone: sessions time out, then what they left behind ends."""
    await site.until(lambda: site.connections == 0)
    await site.run(61 + 31, 1.0)


# What stays of clients that log out, and of those that just vanish until their timeout.
async def test_2100_connects_in_a_row_leave_nothing_behind(site: Any, plant: Any) -> None:
    plant.set("ph", 7.0)
    process = psutil.Process(os.getpid())
    for number in range(_WARM_UP):
        await visit(site, number)
    await settled(site)
    before, memory = live_objects(), process.memory_info().rss
    for number in range(_CONNECTS):
        await visit(site, number)
        if number % 50 == 0:
            await site.run(61, 30.0)
    await settled(site)
    assert set(site.tables.values()) == {0}
    assert live_objects() == before
    assert process.memory_info().rss - memory < _MAX_GROWTH_BYTES


# 5.13.2.4: one bad item takes no other with it, and all others report.
@pytest.mark.parametrize("bad", [0, 517, 999])
async def test_one_bad_item_among_a_thousand(site: Any, plant: Any, bad: int) -> None:
    plant.set("ph", 7.0)
    wire = await site.connect()
    await wire.log_in(site.bench)
    subscription = await wire.subscribe(100)
    names = ["pH"] * 1000
    names[bad] = "Missing"
    statuses = await wire.monitor(subscription, *names)
    assert statuses[bad] == S.BadNodeIdUnknown
    assert statuses.count(S.Good) == 999
    request = wire.publish()
    await site.run(0.1)
    response = await wire.answer(request)
    (change,) = response.Parameters.NotificationMessage.NotificationData
    handles = {item.ClientHandle for item in change.MonitoredItems}
    assert handles == set(range(1000)) - {bad}
    assert all(item.Value.Value.Value == 7.0 for item in change.MonitoredItems)
