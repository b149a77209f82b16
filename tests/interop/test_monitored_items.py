"""MonitoredItems: creation, modes, queues, filters, triggers and links, with two clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from interop.asking import (
    BOTH,
    DISABLED,
    DISPLAY_NAME,
    NEITHER,
    OBJECTS,
    REPORTING,
    SAMPLING,
    SERVER,
    SOURCE,
    UNKNOWN,
    S,
    Subscription,
    clause,
    value_id,
    value_of,
    write,
)
from interop.wire import Message, Wire, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

OVERFLOW = 0x480
STATUS, STATUS_VALUE, STATUS_VALUE_TIMESTAMP = 0, 1, 2
NONE, ABSOLUTE, PERCENT = 0, 1, 2


@pytest_asyncio.fixture(loop_scope="session")
async def subscription(wire: Wire) -> AsyncIterator[Subscription]:
    """A Subscription of each client, deleted after the check."""
    subscription = await Subscription.create(wire)
    yield subscription
    await subscription.delete()


def change_filter(trigger: int = STATUS_VALUE, deadband: int = NONE, value: float = 0.0) -> Message:
    return {
        "$": "DataChangeFilter",
        "Trigger": trigger,
        "DeadbandType": deadband,
        "DeadbandValue": value,
    }


async def publishing(wire: Wire, subscription: Subscription, *, enabled: bool) -> None:
    await wire.ask(
        "SetPublishingMode", PublishingEnabled=enabled, SubscriptionIds=[subscription.id]
    )


async def written(
    wire: Wire, subscription: Subscription, node: str, values: list[Any], kind: str = "Int32"
) -> list[Message]:
    """What is reported after the values were written one after the other in between."""
    await publishing(wire, subscription, enabled=False)
    for value in values:
        assert await write(wire, node, [kind, value]) == S.Good
    await publishing(wire, subscription, enabled=True)
    return [change["Value"] for change in await subscription.changes()]


def contents(values: list[Message]) -> list[Any]:
    return [value["Value"][1] for value in values]


@clause("Part 4, 5.13.2.1")
async def test_an_item_reports_its_value_first(subscription, server):
    (item,) = await subscription.monitor(server.id("Int32RO"))
    assert item["StatusCode"] == S.Good
    assert item["MonitoredItemId"] > 0
    (change,) = await subscription.changes()
    assert change["ClientHandle"] == 1
    assert change["Value"]["Value"] == ["Int32", 42]


@clause("Part 4, 5.13.2.4")
async def test_each_item_has_its_own_result(subscription, server):
    good, unknown, no_value = await subscription.monitor(server.id("Int32RO"), UNKNOWN, OBJECTS)
    (no_attribute,) = await subscription.monitor(server.id("Int32RO"), attribute=99)
    assert good["StatusCode"] == S.Good
    assert unknown["StatusCode"] == S.BadNodeIdUnknown
    assert no_value["StatusCode"] == S.BadAttributeIdInvalid
    assert no_attribute["StatusCode"] == S.BadAttributeIdInvalid


@clause("Part 4, 5.13.2.4")
async def test_a_malformed_index_range_is_no_item(subscription, server):
    (item,) = await subscription.monitor(server.id("Int32Array"), index_range="5:2")
    assert item["StatusCode"] == S.BadIndexRangeInvalid


@clause("Part 4, 5.13.2.3")
async def test_requests_without_a_subscription_or_items_are_refused(subscription, server, wire):
    items = [{"ItemToMonitor": value_id(server.id("Int32RO")), "MonitoringMode": REPORTING}]
    unknown = {"SubscriptionId": 999_999, "TimestampsToReturn": BOTH, "ItemsToCreate": items}
    timeless = unknown | {"SubscriptionId": subscription.id, "TimestampsToReturn": 7}
    empty = unknown | {"SubscriptionId": subscription.id, "ItemsToCreate": []}
    create = "CreateMonitoredItems"
    assert await refused(wire, create, **unknown) == S.BadSubscriptionIdInvalid
    assert await refused(wire, create, **timeless) == S.BadTimestampsToReturnInvalid
    assert await refused(wire, create, **empty) == S.BadNothingToDo


@clause("Part 4, 7.39")
@pytest.mark.parametrize(
    ("timestamps", "source", "server_time"),
    [(SOURCE, True, False), (SERVER, False, True), (BOTH, True, True), (NEITHER, False, False)],
)
async def test_timestamps_are_those_that_were_asked_for(
    subscription, server, timestamps, source, server_time
):
    await subscription.monitor(server.id("Shared"), timestamps=timestamps)
    (change, *_) = await subscription.changes()
    assert (change["Value"]["SourceTimestamp"] is not None) == source
    assert (change["Value"]["ServerTimestamp"] is not None) == server_time


@clause("Part 4, 5.13.1.2")
@pytest.mark.parametrize("interval", [-1, 0, 0.5, 100, 1e9])
async def test_the_sampling_interval_is_revised(subscription, server, interval):
    (item,) = await subscription.monitor(server.id("Shared"), SamplingInterval=interval)
    assert item["StatusCode"] == S.Good
    assert item["RevisedSamplingInterval"] >= 0
    if interval == -1:
        assert item["RevisedSamplingInterval"] == subscription.answer["RevisedPublishingInterval"]


@clause("Part 4, 5.13.1.5")
@pytest.mark.parametrize("size", [0, 1, 5, 4_000_000_000])
async def test_the_queue_size_is_revised(subscription, server, size):
    (item,) = await subscription.monitor(server.id("Int32RW"), QueueSize=size)
    assert item["RevisedQueueSize"] >= 1
    assert item["RevisedQueueSize"] == max(size, 1) or size > 1_000_000


@clause("Part 4, 5.13.1.2")
async def test_other_attributes_can_be_monitored(subscription, server):
    (item,) = await subscription.monitor(server.id("Int32RW"), attribute=DISPLAY_NAME)
    assert item["StatusCode"] == S.Good
    (change,) = await subscription.changes()
    assert change["Value"]["Value"] == ["LocalizedText", "Int32RW"]


@clause("Part 4, 7.27")
async def test_part_of_an_array_is_monitored(subscription, server, wire):
    node = server.id("Int32Array")
    await write(wire, node, ["Int32", [1, 2, 3, 4, 5]])
    await subscription.monitor(node, index_range="1:2")
    assert await subscription.values(1) == [[2, 3]]
    await write(wire, node, ["Int32", [1, 2, 9, 4, 5]])
    assert await subscription.values(1) == [[2, 9]]


@clause("Part 4, 5.13.1.5")
async def test_a_full_queue_drops_the_oldest_and_says_so(subscription, server, wire):
    node = server.id("Int32RW")
    await write(wire, node, ["Int32", 0])
    await subscription.monitor(node, QueueSize=3, DiscardOldest=True)
    await subscription.values(1)
    values = await written(wire, subscription, node, [1, 2, 3, 4, 5, 6])
    assert contents(values) == [4, 5, 6]
    assert [value["StatusCode"] for value in values] == [OVERFLOW, 0, 0]


@clause("Part 4, 5.13.1.5")
async def test_a_full_queue_drops_the_newest_and_says_so(subscription, server, wire):
    node = server.id("Int32RW")
    await write(wire, node, ["Int32", 0])
    await subscription.monitor(node, QueueSize=3, DiscardOldest=False)
    await subscription.values(1)
    values = await written(wire, subscription, node, [1, 2, 3, 4, 5, 6])
    assert contents(values) == [1, 2, 6]
    assert [value["StatusCode"] for value in values] == [0, 0, OVERFLOW]


@clause("Part 4, 5.13.1.5")
@pytest.mark.parametrize("oldest", [True, False])
async def test_a_queue_of_one_holds_the_newest_without_a_bit(subscription, server, wire, oldest):
    node = server.id("Int32RW")
    await write(wire, node, ["Int32", 0])
    await subscription.monitor(node, QueueSize=1, DiscardOldest=oldest)
    await subscription.values(1)
    values = await written(wire, subscription, node, [1, 2, 3])
    assert contents(values) == [3]
    assert values[0]["StatusCode"] == S.Good


@clause("Part 4, 5.13.1.3")
async def test_a_disabled_item_is_silent(subscription, server, wire):
    (item,) = await subscription.monitor(server.id("Shared"), mode=DISABLED)
    quiet = await subscription.publish()
    assert quiet["NotificationMessage"]["NotificationData"] == []
    answer = await wire.ask(
        "SetMonitoringMode",
        SubscriptionId=subscription.id,
        MonitoringMode=REPORTING,
        MonitoredItemIds=[item["MonitoredItemId"], 999_999],
    )
    assert answer["Results"] == [S.Good, S.BadMonitoredItemIdInvalid]
    assert await subscription.values(1)


@clause("Part 4, 5.13.4.3")
async def test_modes_of_nothing_or_nowhere_are_refused(subscription, wire):
    fields: Message = {"MonitoringMode": REPORTING, "MonitoredItemIds": []}
    mode = "SetMonitoringMode"
    assert await refused(wire, mode, SubscriptionId=subscription.id, **fields) == S.BadNothingToDo
    fields["MonitoredItemIds"] = [1]
    status = await refused(wire, mode, SubscriptionId=999_999, **fields)
    assert status == S.BadSubscriptionIdInvalid


@clause("Part 4, 5.13.3.1")
async def test_an_item_is_modified(subscription, server, wire):
    (item,) = await subscription.monitor(server.id("Int32RW"), QueueSize=2)
    await subscription.changes()
    modify = {
        "MonitoredItemId": item["MonitoredItemId"],
        "RequestedParameters": {
            "ClientHandle": 77,
            "SamplingInterval": 200,
            "Filter": None,
            "QueueSize": 7,
            "DiscardOldest": True,
        },
    }
    answer = await wire.ask(
        "ModifyMonitoredItems",
        SubscriptionId=subscription.id,
        TimestampsToReturn=BOTH,
        ItemsToModify=[modify, modify | {"MonitoredItemId": 999_999}],
    )
    changed, unknown = answer["Results"]
    assert changed["RevisedQueueSize"] == 7
    assert changed["RevisedSamplingInterval"] == 200
    assert unknown["StatusCode"] == S.BadMonitoredItemIdInvalid
    await write(wire, server.id("Int32RW"), ["Int32", 12])
    await write(wire, server.id("Int32RW"), ["Int32", 13])
    changes = await subscription.changes()
    assert {change["ClientHandle"] for change in changes} == {77}


@clause("Part 4, 5.13.6.2")
async def test_deleted_items_are_gone(subscription, server, wire):
    (item,) = await subscription.monitor(server.id("Shared"))
    identifiers = [item["MonitoredItemId"], 999_999, item["MonitoredItemId"]]
    answer = await wire.ask(
        "DeleteMonitoredItems", SubscriptionId=subscription.id, MonitoredItemIds=identifiers
    )
    assert answer["Results"] == [
        S.Good,
        S.BadMonitoredItemIdInvalid,
        S.BadMonitoredItemIdInvalid,
    ]
    await subscription.publish()
    quiet = await subscription.publish()
    assert quiet["NotificationMessage"]["NotificationData"] == []


@clause("Part 4, 5.13.6.3")
@pytest.mark.parametrize("service", ["DeleteMonitoredItems", "ModifyMonitoredItems"])
async def test_no_items_are_nothing_to_do(subscription, wire, service):
    name = "MonitoredItemIds" if service == "DeleteMonitoredItems" else "ItemsToModify"
    fields = {"SubscriptionId": subscription.id, name: []}
    assert await refused(wire, service, **fields) == S.BadNothingToDo


# -- filters ---------------------------------------------------------------------------------------


@clause("Part 4, 7.22.2")
async def test_an_absolute_deadband_counts_from_the_last_value_of_the_queue(
    subscription, server, wire
):
    node = server.id("DoubleRW")
    await write(wire, node, ["Double", 0.0])
    (item,) = await subscription.monitor(node, Filter=change_filter(deadband=ABSOLUTE, value=2.0))
    assert item["StatusCode"] == S.Good
    await subscription.values(1)
    values = await written(wire, subscription, node, [1.0, 2.0, 3.0, 4.0, 5.5], "Double")
    assert contents(values) == [3.0, 5.5]


@clause("Part 8, 7.2")
async def test_a_percent_deadband_is_a_part_of_the_range(subscription, server, wire):
    node = server.id("AnalogRW")
    await write(wire, node, ["Double", 50.0])
    (item,) = await subscription.monitor(node, Filter=change_filter(deadband=PERCENT, value=10.0))
    assert item["StatusCode"] == S.Good
    await subscription.values(1)
    values = await written(wire, subscription, node, [59.0, 61.0, 52.0, 50.0], "Double")
    assert contents(values) == [61.0, 50.0]


@clause("Part 4, 5.13.2.4")
@pytest.mark.parametrize("percent", [-1.0, 125.0])
async def test_a_percentage_is_0_to_100(subscription, server, percent):
    (item,) = await subscription.monitor(
        server.id("AnalogRW"), Filter=change_filter(deadband=PERCENT, value=percent)
    )
    assert item["StatusCode"] == S.BadDeadbandFilterInvalid


@clause("Part 8, 7.2")
async def test_without_a_range_there_is_no_percentage(subscription, server):
    (item,) = await subscription.monitor(
        server.id("DoubleRW"), Filter=change_filter(deadband=PERCENT, value=10.0)
    )
    assert item["StatusCode"] in (
        S.BadFilterNotAllowed,
        S.BadMonitoredItemFilterUnsupported,
        S.BadDeadbandFilterInvalid,
    )


@clause("Part 4, 7.22.2")
async def test_text_has_no_deadband(subscription, server):
    (item,) = await subscription.monitor(
        server.id("StringRW"), Filter=change_filter(deadband=ABSOLUTE, value=1.0)
    )
    assert item["StatusCode"] in (S.BadFilterNotAllowed, S.BadDeadbandFilterInvalid)


@clause("Part 4, 7.22.1")
async def test_attributes_that_are_no_values_have_no_filter(subscription, server):
    (item,) = await subscription.monitor(
        server.id("Int32RW"), attribute=DISPLAY_NAME, Filter=change_filter()
    )
    assert item["StatusCode"] == S.BadFilterNotAllowed


@clause("Part 4, 7.22.3")
async def test_a_value_has_no_event_filter(subscription, server):
    (item,) = await subscription.monitor(
        server.id("Int32RW"),
        Filter={"$": "EventFilter", "SelectClauses": [], "WhereClause": {"Elements": []}},
    )
    assert item["StatusCode"] in (S.BadFilterNotAllowed, S.BadMonitoredItemFilterInvalid)


@clause("Part 4, 7.10")
async def test_a_status_trigger_ignores_values(subscription, server, wire):
    node = server.id("DoubleRW")
    await write(wire, node, ["Double", 1.0])
    await subscription.monitor(node, Filter=change_filter(STATUS))
    await subscription.values(1)
    await publishing(wire, subscription, enabled=False)
    await write(wire, node, ["Double", 2.0])
    await write(wire, node, ["Double", 3.0], StatusCode=S.UncertainInitialValue)
    await publishing(wire, subscription, enabled=True)
    changes = [change["Value"] for change in await subscription.changes()]
    assert [(c["Value"][1], c["StatusCode"]) for c in changes] == [(3.0, S.UncertainInitialValue)]
    await write(wire, node, ["Double", 0.0])


@clause("Part 4, 7.10")
@pytest.mark.parametrize(("trigger", "reported"), [(STATUS_VALUE, 1), (STATUS_VALUE_TIMESTAMP, 3)])
async def test_a_new_time_of_the_same_value_counts_for_its_trigger_only(
    subscription, server, wire, trigger, reported
):
    node = server.id("DoubleRW")
    await write(wire, node, ["Double", 6.0])
    await subscription.monitor(node, Filter=change_filter(trigger))
    await subscription.values(1)
    values = await written(wire, subscription, node, [7.0, 7.0, 7.0], "Double")
    assert contents(values) == [7.0] * reported


@clause("Part 4, 7.22.2")
async def test_a_deadband_of_an_array_looks_at_each_element(subscription, server, wire):
    node = server.id("Int32Array")
    await write(wire, node, ["Int32", [1, 2, 3, 4, 5]])
    (item,) = await subscription.monitor(node, Filter=change_filter(deadband=ABSOLUTE, value=5.0))
    assert item["StatusCode"] == S.Good
    await subscription.values(1)
    steps = [[2, 3, 4, 5, 6], [1, 2, 3, 4, 11], [1, 2, 3, 4]]
    values = await written(wire, subscription, node, steps)
    assert contents(values) == [[1, 2, 3, 4, 11], [1, 2, 3, 4]]
    await write(wire, node, ["Int32", [1, 2, 3, 4, 5]])


@clause("Part 4, 7.22.2")
async def test_a_status_change_passes_every_deadband(subscription, server, wire):
    node = server.id("DoubleRW")
    await write(wire, node, ["Double", 0.0])
    await subscription.monitor(node, Filter=change_filter(deadband=ABSOLUTE, value=100.0))
    await subscription.values(1)
    await publishing(wire, subscription, enabled=False)
    await write(wire, node, ["Double", 1.0])
    await write(wire, node, ["Double", 1.0], StatusCode=S.UncertainInitialValue)
    await publishing(wire, subscription, enabled=True)
    changes = [change["Value"] for change in await subscription.changes()]
    assert [change["StatusCode"] for change in changes] == [S.UncertainInitialValue]
    await write(wire, node, ["Double", 0.0])


@clause("Part 4, 7.22.2")
async def test_with_a_deadband_a_new_time_alone_does_not_count(subscription, server, wire):
    node = server.id("DoubleRW")
    await write(wire, node, ["Double", 0.0])
    await subscription.monitor(
        node, Filter=change_filter(STATUS_VALUE_TIMESTAMP, deadband=ABSOLUTE, value=2.0)
    )
    await subscription.values(1)
    values = await written(wire, subscription, node, [0.0, 1.0, 5.0], "Double")
    assert contents(values) == [5.0]


@clause("Part 4, 5.13.2.4")
@pytest.mark.parametrize("encoding", ["0:Default XML", "0:Nothing"])
async def test_no_item_has_an_unknown_encoding(subscription, server, wire, encoding):
    item = {
        "ItemToMonitor": value_id("ns=0;i=2256", encoding=encoding),
        "MonitoringMode": REPORTING,
        "RequestedParameters": {"ClientHandle": 1, "SamplingInterval": 100.0, "QueueSize": 1},
    }
    answer = await wire.ask(
        "CreateMonitoredItems",
        SubscriptionId=subscription.id,
        TimestampsToReturn=BOTH,
        ItemsToCreate=[item],
    )
    assert answer["Results"][0]["StatusCode"] in (
        S.BadDataEncodingUnsupported,
        S.BadDataEncodingInvalid,
    )


@clause("Part 4, 7.27")
async def test_a_part_that_is_not_there_is_reported_as_such(subscription, server, wire):
    node = server.id("Int32Array")
    await write(wire, node, ["Int32", [1, 2, 3, 4, 5]])
    (item,) = await subscription.monitor(node, index_range="7:9")
    if item["StatusCode"] == S.Good:
        (change,) = await subscription.changes()
        assert change["Value"]["StatusCode"] == S.BadIndexRangeNoData
    else:
        assert item["StatusCode"] == S.BadIndexRangeNoData


@clause("Part 4, 5.13.3.3")
async def test_items_are_modified_with_valid_timestamps_only(subscription, wire):
    modify = {"MonitoredItemId": 1, "RequestedParameters": {"ClientHandle": 1}}
    status = await refused(
        wire,
        "ModifyMonitoredItems",
        SubscriptionId=subscription.id,
        TimestampsToReturn=4,
        ItemsToModify=[modify],
    )
    assert status == S.BadTimestampsToReturnInvalid


@clause("Part 4, 5.13.1.3")
async def test_a_sampling_item_keeps_its_queue_until_it_reports(subscription, server, wire):
    node = server.id("Int32RW")
    await write(wire, node, ["Int32", 0])
    (item,) = await subscription.monitor(node, mode=SAMPLING, QueueSize=10)
    for value in (1, 2):
        await write(wire, node, ["Int32", value])
    quiet = await subscription.publish()
    assert quiet["NotificationMessage"]["NotificationData"] == []
    await wire.ask(
        "SetMonitoringMode",
        SubscriptionId=subscription.id,
        MonitoringMode=REPORTING,
        MonitoredItemIds=[item["MonitoredItemId"]],
    )
    assert await subscription.values(3) == [0, 1, 2]


@clause("Part 4, 5.13.1.3")
async def test_disabling_an_item_empties_its_queue(subscription, server, wire):
    node = server.id("Int32RW")
    await write(wire, node, ["Int32", 0])
    (item,) = await subscription.monitor(node, mode=SAMPLING, QueueSize=10)
    for mode in (DISABLED, REPORTING):
        await write(wire, node, ["Int32", mode + 10])
        await wire.ask(
            "SetMonitoringMode",
            SubscriptionId=subscription.id,
            MonitoringMode=mode,
            MonitoredItemIds=[item["MonitoredItemId"]],
        )
    assert await subscription.values(1) == [12]


# -- triggering ------------------------------------------------------------------------------------


@clause("Part 4, 5.13.5.1")
async def test_a_sampling_item_reports_with_its_trigger(subscription, server, wire):
    trigger_node, linked_node = server.id("Int32RW"), server.id("DoubleRW")
    await write(wire, trigger_node, ["Int32", 0])
    await write(wire, linked_node, ["Double", 0.0])
    (trigger,) = await subscription.monitor(trigger_node)
    (linked,) = await subscription.monitor(linked_node, mode=SAMPLING, first_handle=2)
    await subscription.values(1)
    answer = await wire.ask(
        "SetTriggering",
        SubscriptionId=subscription.id,
        TriggeringItemId=trigger["MonitoredItemId"],
        LinksToAdd=[linked["MonitoredItemId"], 999_999],
        LinksToRemove=[],
    )
    assert answer["AddResults"] == [S.Good, S.BadMonitoredItemIdInvalid]
    await publishing(wire, subscription, enabled=False)
    await write(wire, linked_node, ["Double", 8.5])
    await write(wire, trigger_node, ["Int32", 1])
    await publishing(wire, subscription, enabled=True)
    changes = []
    while len(changes) < 2:
        changes += await subscription.changes()
    seen = {change["ClientHandle"]: change["Value"]["Value"][1] for change in changes}
    assert seen == {1: 1, 2: 8.5}


@clause("Part 4, 5.13.5.1")
async def test_a_removed_link_triggers_nothing(subscription, server, wire):
    (trigger,) = await subscription.monitor(server.id("Int32RW"))
    (linked,) = await subscription.monitor(server.id("DoubleRW"), mode=SAMPLING, first_handle=2)
    link = {"SubscriptionId": subscription.id, "TriggeringItemId": trigger["MonitoredItemId"]}
    number = linked["MonitoredItemId"]
    await wire.ask("SetTriggering", **link, LinksToAdd=[number], LinksToRemove=[])
    removed = await wire.ask("SetTriggering", **link, LinksToAdd=[], LinksToRemove=[number, number])
    assert removed["RemoveResults"] == [S.Good, S.BadMonitoredItemIdInvalid]
    await subscription.changes()
    await write(wire, server.id("DoubleRW"), ["Double", 1.25])
    await write(wire, server.id("Int32RW"), ["Int32", 99])
    handles = {change["ClientHandle"] for change in await subscription.changes()}
    assert handles == {1}


@clause("Part 4, 5.13.5.3")
async def test_triggering_by_nothing_is_refused(subscription, server, wire):
    (trigger,) = await subscription.monitor(server.id("Int32RW"))
    number = trigger["MonitoredItemId"]
    own = {"SubscriptionId": subscription.id}
    links = {"LinksToAdd": [number], "LinksToRemove": []}
    none = {"LinksToAdd": [], "LinksToRemove": []}
    set_triggering = "SetTriggering"
    statuses = [
        await refused(wire, set_triggering, **own, TriggeringItemId=number, **none),
        await refused(wire, set_triggering, **own, TriggeringItemId=999_999, **links),
        await refused(
            wire, set_triggering, SubscriptionId=999_999, TriggeringItemId=number, **links
        ),
    ]
    assert statuses == [
        S.BadNothingToDo,
        S.BadMonitoredItemIdInvalid,
        S.BadSubscriptionIdInvalid,
    ]


# -- numbers ---------------------------------------------------------------------------------------


@clause("Part 7, 6.6.58")
async def test_1000_items_are_monitored_and_one_bad_one_takes_none_with_it(
    subscription, server, wire
):
    nodes = [server.id(f"Big.Var{number}") for number in range(1, 1001)]
    known = {node for node in nodes if await _exists(wire, node)}
    nodes = [node for node in nodes if node in known] or [server.id("Int32RO")] * 1000
    nodes[len(nodes) // 2] = UNKNOWN
    items = await subscription.monitor(*nodes)
    bad = [item["StatusCode"] for item in items if item["StatusCode"] != S.Good]
    assert bad == [S.BadNodeIdUnknown]
    assert len(await subscription.changes()) > 0


async def _exists(wire: Wire, node: str) -> bool:
    answer = await wire.ask(
        "Read", MaxAge=0, TimestampsToReturn=NEITHER, NodesToRead=[value_id(node, 1)]
    )
    return bool(answer["Results"][0]["StatusCode"] == S.Good)


@clause("Part 5, 6.3.2")
async def test_no_queue_is_longer_than_promised(subscription, server, wire):
    maximum = await value_of(wire, "ns=0;i=31916")
    (fitting,) = await subscription.monitor(server.id("Int32RW"), QueueSize=maximum)
    (longer,) = await subscription.monitor(server.id("Int32RW"), QueueSize=maximum + 1)
    assert fitting["RevisedQueueSize"] == maximum
    assert longer["RevisedQueueSize"] <= maximum


@clause("Part 5, 6.3.2")
async def test_nothing_is_sampled_faster_than_promised(subscription, server, wire):
    fastest = await value_of(wire, "ns=0;i=2272")
    for interval in (fastest / 2, fastest, fastest * 2):
        (item,) = await subscription.monitor(server.id("Shared"), SamplingInterval=interval)
        assert item["RevisedSamplingInterval"] >= max(fastest, interval)


@clause("Part 5, 6.3.11")
async def test_more_than_max_items_per_call_is_too_many_operations(subscription, server, wire):
    limit = await value_of(wire, "ns=0;i=11714")
    item = {"ItemToMonitor": value_id(server.id("Int32RO")), "MonitoringMode": REPORTING}
    assert limit > 0
    status = await refused(
        wire,
        "CreateMonitoredItems",
        SubscriptionId=subscription.id,
        TimestampsToReturn=BOTH,
        ItemsToCreate=[item] * (limit + 1),
    )
    assert status == S.BadTooManyOperations
