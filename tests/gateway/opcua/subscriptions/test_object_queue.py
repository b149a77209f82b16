"""Queues of objects keep the same rules as the rings of numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary
from hypothesis import given
from hypothesis import strategies as st

from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.codec.encoded import EncodedVariant
from biogate.opcua.subscriptions.filters import DEFAULT_FILTER, DataFilter
from biogate.opcua.subscriptions.monitored_item import NumberSource, ObjectSource
from biogate.opcua.subscriptions.object_queue import ObjectQueue, encode_object_notification
from biogate.opcua.subscriptions.rings import OVERFLOW


def value(content, code=0, time=None) -> ua.DataValue:
    return ua.DataValue(ua.Variant(content), ua.StatusCode(code), time)


def new_queue(capacity, filter_, budget=None, *, discard_oldest=True) -> ObjectQueue:
    budget = budget or ByteBudget(1 << 30)
    return ObjectQueue(capacity, filter_, budget, discard_oldest=discard_oldest)


def taken(queue: ObjectQueue) -> list[tuple[object, int]]:
    values = [queue.take() for _ in range(len(queue))]
    return [(v.Value.Value, v.StatusCode.value) for v in values]


@pytest.mark.parametrize(
    ("discard_oldest", "left"),
    [(True, [("d", OVERFLOW), ("e", 0), ("f", 0)]), (False, [("a", 0), ("b", 0), ("f", OVERFLOW)])],
)
def test_overflow_is_marked_where_values_were_lost(discard_oldest, left):
    queue = new_queue(3, DEFAULT_FILTER, discard_oldest=discard_oldest)
    for text in "abcdef":
        queue.offer(value(text))
    assert taken(queue) == left


def test_a_queue_of_one_holds_the_newest_without_a_mark():
    queue = new_queue(1, DEFAULT_FILTER, discard_oldest=False)
    for text in "abc":
        queue.offer(value(text))
    assert taken(queue) == [("c", 0)]


def test_shrinking_loses_by_the_same_policy():
    queue = new_queue(4, DEFAULT_FILTER, discard_oldest=True)
    for text in "abcd":
        queue.offer(value(text))
    queue.configure(2, DEFAULT_FILTER, discard_oldest=True)
    assert taken(queue) == [("c", OVERFLOW), ("d", 0)]


@pytest.mark.parametrize(
    ("filter_", "before", "after", "passes"),
    [
        (DEFAULT_FILTER, "a", "a", False),
        (DEFAULT_FILTER, [1, 2], [1, 3], True),
        (DEFAULT_FILTER, math.nan, math.nan, False),
        (DEFAULT_FILTER, 1.0, math.nan, True),
        (DEFAULT_FILTER, EncodedVariant(b"\x06\0\0\0\0"), EncodedVariant(b"\x06\0\0\0\0"), False),
        (DataFilter(1, 1.0), 1.0, 2.0, False),
        (DataFilter(1, 1.0), 1.0, 2.5, True),
        (DataFilter(1, 1.0), [1.0, 5.0], [1.5, 5.5], False),
        (DataFilter(1, 1.0), [1.0, 5.0], [1.5, 7.0], True),
        (DataFilter(1, 1.0), [1.0], [1.0, 1.0], True),
        (DataFilter(1, 1.0), 1.0, "text", True),
        (DataFilter(0), "a", "b", False),
    ],
)
def test_a_filter_compares_contents(filter_, before, after, passes):
    queue = new_queue(9, filter_, discard_oldest=True)
    queue.offer(value(before))
    queue.offer(value(after))
    assert len(queue) == 1 + passes


def test_a_new_status_always_passes_and_a_new_source_time_when_asked_for():
    early, late = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 2, tzinfo=UTC)
    for trigger, length in ((0, 2), (1, 2), (2, 3)):
        queue = new_queue(9, DataFilter(trigger), discard_oldest=True)
        queue.offer(value("a", 0, early))
        queue.offer(value("a", 0, late))
        queue.offer(value("a", 0x40900000, late))
        assert len(queue) == length


@given(st.integers(0, 3), st.text(max_size=5))
def test_a_notification_shows_the_times_that_were_asked_for(timestamps, text):
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    told = ua.DataValue(ua.Variant(text), ua.StatusCode(0), moment, moment)
    encoded = Buffer(encode_object_notification(7, told, timestamps))
    item = struct_from_binary(ua.MonitoredItemNotification, encoded)
    assert (item.ClientHandle, item.Value.Value.Value) == (7, text)
    assert (item.Value.SourceTimestamp is not None) == (timestamps in (0, 2))
    assert (item.Value.ServerTimestamp is not None) == (timestamps in (1, 2))


def test_a_value_that_cannot_be_encoded_is_told_as_bad_and_takes_no_other_along(
    server, client, caplog
):
    subscription = server.subscribe(client)
    good = server.tag()
    server.update((good, 1.0))
    bad = ua.DataValue(ua.Variant(object(), ua.VariantType.Int32))
    server.monitor(subscription, ObjectSource(lambda: bad), handle=1, interval_ms=100)
    server.monitor(subscription, NumberSource(good, 11), handle=2)
    client.publish()
    server.advance(0.1)
    (change,) = client.take().NotificationMessage.NotificationData
    assert {(i.ClientHandle, i.Value.StatusCode.value) for i in change.MonitoredItems} == {
        (1, ua.StatusCodes.BadEncodingError),
        (2, 0),
    }
    assert "cannot be sent" in caplog.text


# -- memory ----------------------------------------------------------------------------------------


def test_a_large_value_without_room_is_told_once_and_holds_nothing():
    budget = ByteBudget(1000)
    queue = new_queue(9, DEFAULT_FILTER, budget)
    queue.offer(value("x" * 900))
    for character in "abc":
        queue.offer(value(character * 900))
    assert taken(queue) == [("x" * 900, 0), (None, ua.StatusCodes.BadOutOfMemory)]
    queue.offer(value("small"))
    queue.offer(value("y" * 900))
    assert [content for content, _ in taken(queue)] == ["small", "y" * 900]


@pytest.mark.parametrize(
    "content",
    [
        ua.ExtensionObject(Body=b"x" * 900),
        ua.LocalizedText("x" * 900),
        ua.QualifiedName("x" * 900),
        ua.NodeId("x" * 900),
        ua.BuildInfo(ProductName="x" * 900),
        [ua.Variant("x" * 450)] * 2,
    ],
)
def test_what_is_within_structures_is_counted_too(content):
    budget = ByteBudget(5000)
    queue = new_queue(9, DEFAULT_FILTER, budget)
    queue.push(value(content))
    assert 900 < budget.used < 5000
    queue.push(value("small"))
    queue.take()
    assert budget.used == 0


@given(
    st.lists(st.sampled_from(["offer", "push", "take", "clear", "shrink", "grow"])),
    st.booleans(),
)
def test_the_bytes_that_are_counted_are_those_of_the_values_that_are_held(steps, oldest):
    budget = ByteBudget(20_000)  # for three, the one compared with, and one that comes
    queue = new_queue(3, DEFAULT_FILTER, budget, discard_oldest=oldest)
    for number, step in enumerate(steps):
        big = ua.DataValue(ua.Variant([number] * 100 if number % 2 else b"x" * (300 + number)))
        if step in ("offer", "push"):
            getattr(queue, step)(big)
        elif step == "take" and len(queue):
            queue.take()
        elif step == "clear":
            queue.clear()
            assert budget.used == 0
        elif step in ("shrink", "grow"):
            queue.configure(1 if step == "shrink" else 3, DEFAULT_FILTER, discard_oldest=oldest)
        assert budget.used <= (len(queue) + 1) * 3700
        assert not len(queue) or budget.used
    queue.clear()
    assert budget.used == 0


def test_queues_of_objects_share_a_number_of_places(server, client):
    subscription = server.subscribe(client)
    source = ObjectSource(lambda: value("x"))
    left = server.manager.items.places_left(source)
    items = [server.monitor(subscription, source, queue_size=40) for _ in range(2)]
    assert server.manager.items.places_left(source) == left - 80
    server.manager.items.modify(
        subscription.items, items[0], replace(items[0].settings, queue_size=10)
    )
    assert server.manager.items.places_left(source) == left - 50
    server.manager.delete(client, subscription.id)
    assert server.manager.items.places_left(source) == left
    assert server.manager.items.places_left(NumberSource(0, 11)) > left
