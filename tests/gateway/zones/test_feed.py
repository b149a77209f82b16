"""What a zone that does not read loses: counted updates, and never the present values."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from typing import Any

import numpy as np
import pytest

from biogate.opcua.codec import encode_variant
from biogate.opcua.events import Event
from biogate.opcua.events.journal import Emitted
from biogate.opcua.stack import node_id, ua
from biogate.tags import Journal, TagInfo, TagTable
from biogate.zones.columns import from_rows
from biogate.zones.extract import Extract
from biogate.zones.feed import Feed
from biogate.zones.framing import frame
from biogate.zones.link import HIGH_WATER_BYTES, SocketLink
from biogate.zones.messages import (
    Batches,
    EventOf,
    EventsLost,
    Message,
    Ping,
    Snapshot,
    decode_from_core,
    encode,
)
from biogate.zones.tag_map import TagMap


class FakeLink:
    """Takes messages, and is congested when told so."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.congested = False
        self.unsent = 0

    def send(self, message: Message) -> None:
        self.sent.append(message)

    async def uncongested(self) -> None:
        assert not self.congested

    def close(self, reason: str = "") -> None:
        self.sent.clear()


def table_of(count: int, **capacity: int) -> TagTable:
    table = TagTable(Journal(**capacity)) if capacity else TagTable()
    for number in range(count):
        table.add(TagInfo(f"T{number}"))
    table.add(TagInfo("Text", "String"))
    return table


def put(table: TagTable, tags: list[int], value: float, time: int, **objects: Any) -> None:
    size = len(tags)
    table.apply(
        np.array(tags, np.int32),
        np.full(size, value),
        np.zeros(size, np.uint32),
        np.full(size, time),
        time,
        **objects,
    )


def feed_of(table: TagTable, tags: list[int]) -> tuple[Feed, FakeLink]:
    empty: Any = None
    extract = Extract(
        empty,
        TagMap(tags, [True] * len(tags), len(table)),
        {},
        frozenset(),
        np.zeros(len(tags), np.bool_),
        frozenset(),
        {},
        (frozenset({"cell"}),) * len(tags),
    )
    link, is_open = FakeLink(), frozenset({"", "dmz", "cell"})
    feed = Feed("dmz", table, extract, link, Counter(), lambda action, zone, part: True, is_open)
    feed._cursor = table.journal.cursor()
    return feed, link


def rows_of(message: Batches) -> list[tuple[list[int], list[float]]]:
    found = []
    for rows in message.rows:
        columns = from_rows(rows, np.frombuffer(rows.index, np.int32))
        found.append((columns.index.tolist(), columns.value.tolist()))
    return found


async def test_a_zone_gets_its_own_rows_under_its_own_numbers() -> None:
    table = table_of(6)
    feed, link = feed_of(table, [4, 1])
    put(table, [0, 1, 2, 3, 4, 5], 7.5, 10)
    put(table, [0, 2], 8.5, 11)
    put(table, [1], 9.5, 12)
    feed.forward()
    (batches,) = link.sent
    assert rows_of(batches) == [([1, 0], [7.5, 7.5]), ([1], [9.5])]
    feed.forward()
    assert len(link.sent) == 1


async def test_indices_that_devices_send_again_are_mapped_once() -> None:
    table = table_of(4)
    feed, link = feed_of(table, [3, 2])
    index = np.array([0, 2, 3], np.int32)
    index.flags.writeable = False
    good, time = np.zeros(3, np.uint32), np.zeros(3, np.int64)
    for value in (1.0, 2.0, 3.0):
        table.apply(index, np.full(3, value), good, time, 5)
    feed.forward()
    assert rows_of(link.sent[0]) == [
        ([1, 0], [1.0, 1.0]),
        ([1, 0], [2.0, 2.0]),
        ([1, 0], [3.0, 3.0]),
    ]
    assert len(feed.extract.tags._known) == 1


async def test_texts_and_variants_are_sent_with_their_rows() -> None:
    table = table_of(1)
    feed, link = feed_of(table, [1])
    put(table, [0, 1], 1.0, 5, objects={1: "foam"})
    put(table, [1], float("nan"), 6, objects={0: ua.Variant([1, 2], ua.VariantType.Int32)})
    feed.forward()
    first, second = link.sent[0].rows
    assert first.plain == {0: "foam"}
    assert second.variants == {0: encode_variant(ua.Variant([1, 2], ua.VariantType.Int32))}


async def test_who_does_not_read_loses_rows_in_a_counted_way_and_gets_a_snapshot() -> None:
    table = table_of(3, capacity_rows=10)
    feed, link = feed_of(table, [0, 2])
    link.congested = True
    for value in range(40):
        put(table, [0, 1, 2], float(value), value + 1)
        feed.forward()
    assert not link.sent
    link.congested = False
    feed.forward()
    (snapshot,) = link.sent
    assert isinstance(snapshot, Snapshot)
    columns = from_rows(snapshot.rows, np.frombuffer(snapshot.rows.index, np.int32))
    assert columns.index.tolist() == [0, 1]
    assert columns.value.tolist() == [39.0, 39.0]
    assert snapshot.lost_rows == 120 - 9
    assert feed.counters == {"lost_rows": 111, "snapshots": 1}
    put(table, [2], 50.0, 60)
    feed.forward()
    assert rows_of(link.sent[1]) == [([1], [50.0])]


async def test_nothing_of_a_zone_is_sent_while_the_conduit_to_it_is_closed() -> None:
    table = table_of(2)
    feed, link = feed_of(table, [0, 1])
    feed.conduits_changed(frozenset({"", "dmz"}))
    put(table, [0, 1], 1.5, 5)
    feed.forward()
    feed.event(emitted("of the cell"), "cell", "")
    assert not link.sent
    feed.conduits_changed(frozenset({"", "dmz", "cell"}))
    (snapshot,) = link.sent
    assert np.frombuffer(snapshot.rows.value).tolist() == [1.5, 1.5]
    put(table, [1], 2.5, 6)
    feed.forward()
    assert rows_of(link.sent[1]) == [([1], [2.5])]


async def test_what_came_before_a_snapshot_is_sent_before_it() -> None:
    table = table_of(2)
    feed, link = feed_of(table, [0, 1])
    put(table, [0], 1.5, 5)
    feed.conduits_changed(frozenset())
    put(table, [0], 2.5, 6)
    feed.conduits_changed(frozenset({"cell"}))
    assert [type(each) for each in link.sent] == [Batches, Snapshot]
    feed.forward()
    assert len(link.sent) == 2


async def test_the_snapshot_has_only_what_may_be_shown() -> None:
    table = table_of(3)
    tags = TagMap([2, 0], [False, True], len(table))
    put(table, [0, 1, 2], 4.5, 9)
    snapshot = tags.snapshot(table, 0)
    assert np.frombuffer(snapshot.rows.index, np.int32).tolist() == [1]
    assert tags.core_tag(0) == 2  # it may be written, and is not shown
    assert tags.core_tag(2) is None
    assert tags.core_tag(-1) is None
    assert tags.core_tags(np.array([0, 2], np.int32)) is None


async def test_tags_that_come_later_are_not_the_zones() -> None:
    table = table_of(1)
    feed, link = feed_of(table, [0])
    late = table.add(TagInfo("Late"))
    put(table, [0, late], 2.0, 3)
    feed.forward()
    assert rows_of(link.sent[0]) == [([0], [2.0])]


def emitted(text: str) -> Emitted:
    return Emitted(Event(node_id(2253), 500, ua.LocalizedText(text), time=1), frozenset())


async def test_events_that_a_zone_did_not_read_are_counted_and_told() -> None:
    feed, link = feed_of(table_of(1), [0])
    feed.event(emitted("one"), "cell", "")
    feed.event(emitted("of another zone"), "vault", "")
    link.congested = True
    feed.event(emitted("two"), "cell", "")
    feed.event(emitted("three"), "cell", "")
    link.congested = False
    feed.event(emitted("four"), "cell", "")
    kinds = [type(each) for each in link.sent]
    assert kinds == [EventOf, EventsLost, EventOf]
    assert link.sent[1].count == 2
    assert feed.counters["lost_events"] == 2


class _Nobody:
    def received(self, message: Any) -> None:
        raise AssertionError(message)

    def ended(self, reason: str) -> None:
        self.reason = reason


async def test_a_socket_that_is_not_read_counts_as_congested_until_it_is() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    receiver = _Nobody()
    link = await SocketLink.over(ours, receiver, decode_from_core, 1000)
    assert not link.congested
    while not link.congested:
        link.send(Batches((table_rows(),)))
    assert link.unsent > HIGH_WATER_BYTES
    waiting = asyncio.create_task(link.uncongested())
    reader, writer = await asyncio.open_connection(sock=theirs)
    while not waiting.done():
        await reader.read(1 << 20)
    assert not link.congested
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(5):
        while not hasattr(receiver, "reason"):
            link.send(Ping(1))
            await asyncio.sleep(0.01)
    assert receiver.reason == "the other side is gone"


def table_rows() -> Any:
    table = table_of(4000)
    put(table, list(range(4000)), 1.0, 2)
    return TagMap(list(range(4000)), [True] * 4000, len(table)).snapshot(table, 0).rows


async def test_a_flood_leaves_half_of_the_time_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []

    class Slow:
        def received(self, message: Any) -> None:
            heard.append(message.number)
            clock.now += 0.003

        def ended(self, reason: str) -> None: ...

    class Clock:
        now = 0.0

    clock = Clock()
    monkeypatch.setattr("biogate.zones.link.perf_counter", lambda: clock.now)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    link = await SocketLink.over(ours, Slow(), decode_from_core, 1000)
    _, writer = await asyncio.open_connection(sock=theirs)
    for number in range(20):
        writer.write(frame(encode(Ping(number))))
    seen = set()
    async with asyncio.timeout(5):
        while len(heard) < 20:
            seen.add(len(heard))
            await asyncio.sleep(0)
    assert heard == list(range(20))
    assert {2, 4, 6} <= seen  # two at a time, since each takes 3 of 5 ms
    link.close()
    writer.close()
