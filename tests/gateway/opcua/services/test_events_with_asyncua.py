"""Events and history through asyncua's client, which we did not write (Part 4, 5.11.3, 7.22.3)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from asyncua import Client, ua
from asyncua.common.events import Event as ClientEvent
from asyncua.ua.uaerrors import BadHistoryOperationUnsupported

from biogate.opcua.codec.datetimes import from_ticks
from biogate.opcua.events import Event, field_path
from biogate.opcua.ports import RawPage, RawQuery

IDS = ua.ObjectIds
SERVER = ua.NodeId(IDS.Server)
T0 = 134_000_000_000_000_000


@pytest.fixture
async def bench(make_bench: Callable[..., Any]) -> AsyncIterator[Any]:
    """A front end that listens on a free port of loopback."""
    bench = make_bench(port=0, clock=time.monotonic)
    await bench.front_end.start()
    yield bench
    await bench.front_end.stop()


class Heard:
    """Keeps the events that a subscription brings."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[ClientEvent] = asyncio.Queue()

    def event_notification(self, event: ClientEvent) -> None:
        self.events.put_nowait(event)


# asyncua asks for all fields of the types and lists all subtypes in the where clause.
async def test_events_arrive_with_all_fields_of_their_type(bench: Any) -> None:
    progress = ua.NodeId(IDS.ProgressEventType)
    heard = Heard()
    async with asyncio.timeout(20), Client(bench.front_end.endpoint_url) as client:
        subscription = await client.create_subscription(50, heard)
        await subscription.subscribe_events(SERVER, [progress])
        emit = bench.front_end.events.emit
        emit(Event(SERVER, 1, ua.LocalizedText("not this one")))
        fields = {field_path("Progress"): ua.Variant(40, ua.VariantType.UInt16)}
        emit(Event(SERVER, 900, ua.LocalizedText("this"), progress, "pump", fields=fields))
        event = await heard.events.get()
    assert (event.EventType, event.SourceNode, event.SourceName) == (progress, SERVER, "pump")
    assert (event.Severity, event.Message.Text) == (900, "this")
    assert (event.Progress, event.Context) == (40, None)
    assert heard.events.empty()


async def test_all_events_arrive_where_no_type_is_asked_for(bench: Any) -> None:
    heard = Heard()
    async with asyncio.timeout(20), Client(bench.front_end.endpoint_url) as client:
        subscription = await client.create_subscription(50, heard)
        await subscription.subscribe_events()
        for severity, type_ in ((1, IDS.BaseEventType), (2, IDS.DeviceFailureEventType)):
            event = Event(SERVER, severity, ua.LocalizedText("x"), ua.NodeId(type_))
            bench.front_end.events.emit(event)
        assert [(await heard.events.get()).Severity for _ in range(2)] == [1, 2]


class OneValue:
    """A history of one value of one tag."""

    def has_history(self, tag: str) -> bool:
        return tag == "ph"

    async def read_raw(self, query: RawQuery, most: int) -> RawPage:
        assert query.tag == "ph"
        times = np.array([T0])
        return RawPage((np.array([7.5]), np.array([0], np.uint32), times, times), {})


async def test_raw_history_is_read_where_there_is_one(bench: Any) -> None:
    bench.front_end.context.history = OneValue()
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    async with asyncio.timeout(20), Client(bench.front_end.endpoint_url) as client:
        node = client.get_node("ns=1;s=pH")
        (value,) = await node.read_raw_history(start, end)
        assert (value.Value.Value, value.SourceTimestamp) == (7.5, from_ticks(T0))
        with pytest.raises(BadHistoryOperationUnsupported):
            await client.get_node("ns=1;s=Gas").read_raw_history(start, end)
