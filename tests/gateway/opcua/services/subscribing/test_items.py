"""What monitored items show of arrays, encodings, states and queues (Part 4, 5.13 and 7.22.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from asyncua import ua

S = ua.StatusCodes
T = ua.VariantType
NOW = 134_000_000_000_000_000
OVERFLOW = 0x480
DISABLED, SAMPLING, REPORTING = 0, 1, 2
STATUS_VALUE_TIMESTAMP = 2


def store(plant: Any, name: str, value: ua.Variant) -> None:
    """Give a stored Variable a value, as a write does."""
    index = np.array([plant.tags.index(name)], np.int32)
    none, good, now = np.array([np.nan]), np.zeros(1, np.uint32), np.array([NOW])
    plant.tags.apply(index, none, good, now, NOW, {0: value})


def row(*numbers: int) -> ua.Variant:
    return ua.Variant(list(numbers), T.Int32, is_array=True)


def set_mode(subscriber: Any, subscription: int, mode: int, *items: int) -> list[int]:
    request = ua.SetMonitoringModeRequest()
    request.Parameters = ua.SetMonitoringModeParameters(subscription, mode, list(items))
    return [code.value for code in subscriber.ask(request).Parameters.Results]


def modify(subscriber: Any, subscription: int, item: int, **parameters: Any) -> int:
    request = ua.ModifyMonitoredItemsRequest()
    request.Parameters.SubscriptionId = subscription
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    request.Parameters.ItemsToModify = [
        ua.MonitoredItemModifyRequest(item, ua.MonitoringParameters(**parameters))
    ]
    return subscriber.ask(request).Results[0].StatusCode.value


def statuses(subscriber: Any, seconds: float = 0.1) -> list[tuple[Any, int]]:
    return [
        (item.Value.Value.Value, item.Value.StatusCode.value)
        for result in subscriber.messages(seconds)
        for change in result.NotificationMessage.NotificationData or ()
        for item in change.MonitoredItems
    ]


# -- index ranges -------------------------------------------------------------------------------


# 5.13.1.1, 7.27: the item is the elements within the range; others are none of its business.
async def test_an_item_with_an_index_range_tells_of_its_elements_only(
    subscriber: Any, plant: Any
) -> None:
    store(plant, "StoredArray", row(1, 2, 3, 4, 5))
    subscription = subscriber.subscribe()
    subscriber.monitor(subscription, "StoredArray", 1, index_range="1:2")
    subscriber.monitor(subscription, "StoredArray", 2)
    assert sorted(subscriber.values()) == [(1, [2, 3]), (2, [1, 2, 3, 4, 5])]
    store(plant, "StoredArray", row(9, 2, 3, 9, 9))
    assert subscriber.values(0.2) == [(2, [9, 2, 3, 9, 9])]
    store(plant, "StoredArray", row(9, 2, 8, 9, 9))
    assert sorted(subscriber.values(0.2)) == [(1, [2, 8]), (2, [9, 2, 8, 9, 9])]


# 5.13.2.4: Bad_IndexRangeNoData at once where the length is fixed, in a notification where not.
async def test_a_range_without_data_is_refused_where_it_can_never_have_any(
    subscriber: Any, plant: Any, item: Any
) -> None:
    store(plant, "StoredMatrix", ua.Variant([[1.0, 2.0]], T.Double, is_array=True))
    subscription = subscriber.subscribe()
    fixed, malformed, dynamic = subscriber.create(
        subscription,
        item("StoredArray", index_range="5"),
        item("StoredArray", index_range="3:1"),
        item("StoredMatrix", 7, index_range="3,0"),
    ).Results
    assert fixed.StatusCode.value == S.BadIndexRangeNoData
    assert malformed.StatusCode.value == S.BadIndexRangeInvalid
    assert dynamic.StatusCode.value == S.Good
    assert statuses(subscriber) == [(None, S.BadIndexRangeNoData)]
    store(plant, "StoredMatrix", ua.Variant([[1.0], [2.0], [3.0], [4.0]], T.Double, is_array=True))
    assert statuses(subscriber, 0.2) == [([[4.0]], S.Good)]


async def test_a_part_of_a_text_can_be_monitored(subscriber: Any, plant: Any) -> None:
    plant.set_text("gas", "nitrogen")
    subscription = subscriber.subscribe()
    subscriber.monitor(subscription, "Gas", 1, index_range="0:4")
    assert subscriber.values() == [(1, "nitro")]
    plant.set_text("gas", "nitro!")
    assert subscriber.values(0.2) == []


# -- encodings ----------------------------------------------------------------------------------


# 5.13.2.4: data encodings are for the Value of structures; ours has the binary one.
@pytest.mark.parametrize(
    ("encoding", "attribute", "status"),
    [
        ("Default Binary", 13, S.Good),
        ("Default XML", 13, S.BadDataEncodingUnsupported),
        ("Default JSON", 13, S.BadDataEncodingUnsupported),
        ("Default Morse", 13, S.BadDataEncodingInvalid),
        ("Default Binary", 4, S.BadDataEncodingInvalid),
    ],
)
async def test_an_item_has_an_encoding_that_there_is(
    subscriber: Any, item: Any, encoding: str, attribute: int, status: int
) -> None:
    subscription = subscriber.subscribe()
    wanted = item("Info", attribute=attribute)
    wanted.ItemToMonitor.DataEncoding = ua.QualifiedName(encoding)
    (result,) = subscriber.create(subscription, wanted).Results
    assert result.StatusCode.value == status


# -- modes --------------------------------------------------------------------------------------


# 5.13.4.1: what was sampled is reported when the mode changes to reporting.
async def test_what_was_sampled_comes_when_it_may_be_reported(subscriber: Any, plant: Any) -> None:
    plant.set("ph", 7.0)
    subscription = subscriber.subscribe()
    item = subscriber.monitor(subscription, "pH", 1, SAMPLING, QueueSize=3)
    for ph in (7.1, 7.2, 7.3):
        plant.set("ph", ph)
    assert subscriber.values() == []
    assert set_mode(subscriber, subscription, REPORTING, item, 99) == [
        S.Good,
        S.BadMonitoredItemIdInvalid,
    ]
    assert statuses(subscriber) == [(7.1, OVERFLOW), (7.2, 0), (7.3, 0)]


# 5.13.4.1: disabling lets the queue go, enabling begins with the present value.
@pytest.mark.parametrize("name", ["pH", "Text"])
async def test_a_disabled_item_forgets_and_begins_again(
    subscriber: Any, plant: Any, name: str
) -> None:
    plant.set("ph", 7.0)
    subscription = subscriber.subscribe()
    item = subscriber.monitor(subscription, name, 1, QueueSize=5)
    (first,) = subscriber.values()
    set_mode(subscriber, subscription, DISABLED, item)
    set_mode(subscriber, subscription, REPORTING, item)
    assert subscriber.values() == [first]
    assert subscriber.values() == []


# 5.13.3: an item that is disabled can be modified, and is so when it is enabled again.
async def test_a_disabled_item_can_be_modified(subscriber: Any, plant: Any) -> None:
    plant.set("ph", 7.0)
    subscription = subscriber.subscribe()
    item = subscriber.monitor(subscription, "pH", 1, DISABLED)
    changed = modify(subscriber, subscription, item, ClientHandle=8, SamplingInterval=0.0,
                     QueueSize=4, DiscardOldest=True)  # fmt: skip
    assert changed == S.Good
    set_mode(subscriber, subscription, REPORTING, item)
    plant.set("ph", 7.1)
    assert subscriber.values() == [(8, 7.0), (8, 7.1)]


# 5.13.6.3: an id that is there twice is unknown the second time.
async def test_an_item_is_deleted_once(bench: Any, subscriber: Any, plant: Any) -> None:
    plant.set("ph", 7.0)
    subscription = subscriber.subscribe()
    first = subscriber.monitor(subscription, "pH", 1)
    second = subscriber.monitor(subscription, "Text", 2)
    kept = subscriber.monitor(subscription, "pH", 3)
    assert subscriber.delete(subscription, first, second, first, 99) == [
        S.Good,
        S.Good,
        S.BadMonitoredItemIdInvalid,
        S.BadMonitoredItemIdInvalid,
    ]
    assert subscriber.values() == [(3, 7.0)]
    assert subscriber.delete(subscription, kept) == [S.Good]
    assert len(bench.front_end.subscriptions.manager.items) == 0


# -- changes ------------------------------------------------------------------------------------


# 7.22.2: for floating point a single notification with NaN when the value becomes NaN.
@pytest.mark.parametrize("deadband", [0.0, 0.5])
async def test_nan_is_told_once(subscriber: Any, plant: Any, deadband: float) -> None:
    plant.set("ph", 7.0)
    subscription = subscriber.subscribe()
    kind = ua.DeadbandType.Absolute if deadband else ua.DeadbandType.None_
    data_filter = ua.DataChangeFilter(1, kind, deadband)
    subscriber.monitor(subscription, "pH", 1, QueueSize=10, Filter=data_filter)
    subscriber.values()
    plant.set("ph", float("nan"))
    plant.set("ph", float("nan"))
    ((handle, value),) = subscriber.values()
    assert (handle, value != value) == (1, True)
    plant.set("ph", 7.0)
    assert subscriber.values() == [(1, 7.0)]


# 7.22.2: STATUS_VALUE_TIMESTAMP reports a new SourceTimestamp, whatever the type.
@pytest.mark.parametrize("name", ["pH", "StoredArray"])
async def test_a_new_source_time_is_a_change_for_who_asks(
    subscriber: Any, plant: Any, name: str
) -> None:
    tag = {"pH": "ph"}.get(name, name)
    held = {0: row(1, 2)} if name == "StoredArray" else {}
    index, good = np.array([plant.tags.index(tag)], np.int32), np.zeros(1, np.uint32)

    def same_value_at(time: int) -> None:
        number = np.array([np.nan if held else 7.0])
        plant.tags.apply(index, number, good, np.array([time]), NOW, held)

    same_value_at(NOW)
    subscription = subscriber.subscribe()
    subscriber.monitor(subscription, name, 1)
    subscriber.monitor(
        subscription, name, 2, Filter=ua.DataChangeFilter(STATUS_VALUE_TIMESTAMP, 0, 0.0)
    )
    assert len(subscriber.values()) == 2
    same_value_at(NOW + 10_000_000)
    assert [handle for handle, _ in subscriber.values()] == [2]


# 5.13.3: values that wait stay when an item is modified.
async def test_the_queue_outlasts_a_new_sampling_interval_and_filter(
    subscriber: Any, plant: Any
) -> None:
    plant.set("ph", 7.0)
    subscription = subscriber.subscribe()
    item = subscriber.monitor(subscription, "pH", 1, QueueSize=5)
    subscriber.values()
    plant.set("ph", 7.1)
    plant.set("ph", 7.2)
    deadband = ua.DataChangeFilter(1, ua.DeadbandType.Absolute, 0.5)
    changed = modify(subscriber, subscription, item, ClientHandle=1, SamplingInterval=50.0,
                     Filter=deadband, QueueSize=5, DiscardOldest=True)  # fmt: skip
    assert changed == S.Good
    plant.set("ph", 7.3)
    plant.set("ph", 7.9)
    assert subscriber.values() == [(1, 7.1), (1, 7.2), (1, 7.9)]
