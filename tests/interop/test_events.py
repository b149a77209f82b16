"""Events: select and where clauses, refused filters, with two clients."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from interop.asking import (
    OBJECTS,
    SERVER_OBJECT,
    UNKNOWN,
    S,
    Subscription,
    clause,
    read,
    time_passes,
    write,
)
from interop.wire import Message, Wire

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVENT_NOTIFIER = 12
BASE_EVENT, AUDIT_EVENT, OVERFLOW_EVENT = "ns=0;i=2041", "ns=0;i=2052", "ns=0;i=3035"
EQUALS, GREATER_OR_EQUAL, LIKE, NOT, BETWEEN, IN_LIST, AND, OR, OF_TYPE = (
    0,
    4,
    6,
    7,
    8,
    9,
    10,
    11,
    14,
)
FIELDS = (
    "EventId",
    "EventType",
    "SourceNode",
    "SourceName",
    "Time",
    "ReceiveTime",
    "Message",
    "Severity",
)


def field(*path: str, event_type: str = BASE_EVENT) -> Message:
    return {
        "TypeDefinitionId": event_type,
        "BrowsePath": [f"0:{name}" for name in path],
        "AttributeId": 13,
        "IndexRange": None,
    }


def operand(name: str) -> Message:
    return {"$": "SimpleAttributeOperand", **field(name)}


def literal(kind: str, value: Any) -> Message:
    return {"$": "LiteralOperand", "Value": [kind, value]}


def element(operator: int, *operands: Message) -> Message:
    return {"FilterOperator": operator, "FilterOperands": list(operands)}


def number(index: int) -> Message:
    return {"$": "ElementOperand", "Index": index}


def event_filter(*where: Message, select: tuple[Message, ...] | None = None) -> Message:
    return {
        "$": "EventFilter",
        "SelectClauses": list(select or [field(name) for name in FIELDS]),
        "WhereClause": {"Elements": list(where)},
    }


@pytest_asyncio.fixture(loop_scope="session")
async def subscription(wire: Wire) -> AsyncIterator[Subscription]:
    """A Subscription of each client, deleted after the check."""
    subscription = await Subscription.create(wire)
    yield subscription
    await subscription.delete()


async def listen(subscription: Subscription, *where: Message, **options: Any) -> Message:
    (item,) = await subscription.monitor(
        SERVER_OBJECT, attribute=EVENT_NOTIFIER, Filter=event_filter(*where, **options)
    )
    return item


async def next_events(subscription: Subscription, count: int) -> list[list[Any]]:
    """The fields of the next `count` events."""
    seen: list[list[Any]] = []
    while len(seen) < count:
        answer = await subscription.publish()
        for notification in answer["NotificationMessage"]["NotificationData"]:
            assert notification["$"] == "EventNotificationList"
            seen += [event["EventFields"] for event in notification["Events"]]
    return seen


async def trigger(wire: Wire, server: Any, *severities: int) -> None:
    for severity in severities:
        assert await write(wire, server.id("TriggerRW"), ["Int32", severity]) == S.Good


@clause("Part 4, 7.22.3")
async def test_an_event_has_the_fields_in_order_and_type(subscription, server, wire):
    item = await listen(subscription)
    assert item["StatusCode"] == S.Good
    await trigger(wire, server, 321)
    (
        (event_id, event_type, source, name, moment, received, message, severity),
    ) = await next_events(subscription, 1)
    assert event_id[0] == "ByteString"
    assert len(event_id[1]) > 0
    assert event_type[0] == "NodeId"
    assert source == ["NodeId", SERVER_OBJECT]
    assert name == ["String", "Server"]
    assert moment[0] == received[0] == "DateTime"
    assert abs(moment[1] / 1000 - time.time()) < 10
    assert message == ["LocalizedText", "TriggerRW was written"]
    assert severity == ["UInt16", 321]


@clause("Part 5, 6.4.2")
async def test_each_event_has_an_id_of_its_own(subscription, server, wire):
    await listen(subscription, select=(field("EventId"),))
    await trigger(wire, server, 1, 2, 3)
    events = await next_events(subscription, 3)
    assert len({event[0][1] for event in events}) == 3


@clause("Part 4, 5.13.1.5")
async def test_events_come_in_order(subscription, server, wire):
    await listen(subscription, select=(field("Severity"),))
    await trigger(wire, server, 10, 30, 20)
    events = await next_events(subscription, 3)
    assert [event[0][1] for event in events] == [10, 30, 20]


@clause("Part 4, 7.7.3")
@pytest.mark.parametrize(
    ("where", "passing"),
    [
        ([element(GREATER_OR_EQUAL, operand("Severity"), literal("UInt16", 500))], [500, 900]),
        ([element(EQUALS, operand("Severity"), literal("UInt16", 500))], [500]),
        (
            [element(BETWEEN, operand("Severity"), literal("UInt16", 50), literal("UInt16", 600))],
            [100, 500],
        ),
        (
            [element(IN_LIST, operand("Severity"), literal("UInt16", 100), literal("UInt16", 900))],
            [100, 900],
        ),
        (
            [element(NOT, number(1)), element(EQUALS, operand("Severity"), literal("UInt16", 500))],
            [100, 900],
        ),
        (
            [
                element(OR, number(1), number(2)),
                element(EQUALS, operand("Severity"), literal("UInt16", 100)),
                element(EQUALS, operand("Severity"), literal("UInt16", 900)),
            ],
            [100, 900],
        ),
        (
            [
                element(AND, number(1), number(2)),
                element(OF_TYPE, literal("NodeId", BASE_EVENT)),
                element(LIKE, operand("SourceName"), literal("String", "Ser%")),
            ],
            [100, 500, 900],
        ),
    ],
    ids=["GreaterThanOrEqual", "Equals", "Between", "InList", "Not", "Or", "And-OfType-Like"],
)
async def test_a_where_clause_filters(subscription, server, wire, where, passing):
    item = await listen(subscription, *where, select=(field("Severity"),))
    assert item["StatusCode"] == S.Good
    await trigger(wire, server, 100, 500, 900)
    events = await next_events(subscription, len(passing))
    assert [event[0][1] for event in events] == passing


@clause("Part 4, 7.7.3")
async def test_events_of_another_type_do_not_pass(subscription, server, wire):
    await listen(
        subscription,
        element(OF_TYPE, literal("NodeId", AUDIT_EVENT)),
        select=(field("Severity"),),
    )
    await trigger(wire, server, 100)
    quiet = await subscription.publish()
    assert quiet["NotificationMessage"]["NotificationData"] == []


@clause("Part 4, 7.22.3")
async def test_an_unknown_field_is_named_and_null(subscription):
    item = await listen(subscription, select=(field("Severity"), field("NoSuchField")))
    result = item["FilterResult"]
    if item["StatusCode"] == S.Good and result is None:
        return  # a field that other event types may have: null in those that lack it
    assert result["SelectClauseResults"][0] == S.Good
    assert result["SelectClauseResults"][1] != S.Good


@clause("Part 4, 7.22.3")
async def test_a_field_of_an_unknown_type_is_named(subscription):
    item = await listen(
        subscription, select=(field("Severity"), field("Severity", event_type=UNKNOWN))
    )
    results = item["FilterResult"]["SelectClauseResults"]
    assert results == [S.Good, S.BadNodeIdUnknown] or results[1] == S.BadTypeDefinitionInvalid


@clause("Part 4, 7.22.3")
async def test_a_filter_without_select_clauses_is_invalid(subscription):
    (item,) = await subscription.monitor(
        SERVER_OBJECT,
        attribute=EVENT_NOTIFIER,
        Filter={"$": "EventFilter", "SelectClauses": [], "WhereClause": {"Elements": []}},
    )
    assert item["StatusCode"] in (S.BadEventFilterInvalid, S.BadMonitoredItemFilterInvalid)


@clause("Part 4, 7.7.2")
@pytest.mark.parametrize(
    "where",
    [
        [element(NOT, number(5))],
        [element(EQUALS, operand("Severity"))],
        [element(15, literal("UInt16", 1))],
        [element(99, literal("UInt16", 1), literal("UInt16", 1))],
        [element(NOT, number(0))],
    ],
    ids=["index", "operand missing", "InView", "unknown operator", "loop"],
)
async def test_a_wrong_where_clause_is_invalid(subscription, where):
    item = await listen(subscription, *where)
    assert item["StatusCode"] in (
        S.BadEventFilterInvalid,
        S.BadMonitoredItemFilterInvalid,
        S.BadMonitoredItemFilterUnsupported,
    )


@clause("Part 4, 7.22.1")
async def test_events_take_no_data_change_filter(subscription):
    (item,) = await subscription.monitor(
        SERVER_OBJECT,
        attribute=EVENT_NOTIFIER,
        Filter={"$": "DataChangeFilter", "Trigger": 1, "DeadbandType": 0, "DeadbandValue": 0},
    )
    assert item["StatusCode"] in (S.BadFilterNotAllowed, S.BadMonitoredItemFilterInvalid)


@clause("Part 4, 5.13.2.4")
async def test_a_variable_notifies_no_events(subscription, server):
    (item,) = await subscription.monitor(
        server.id("Int32RW"), attribute=EVENT_NOTIFIER, Filter=event_filter()
    )
    assert item["StatusCode"] == S.BadAttributeIdInvalid


@clause("Part 3, 8.59")
async def test_the_server_object_says_that_it_notifies(wire):
    assert (await read(wire, SERVER_OBJECT, EVENT_NOTIFIER))["Value"][1] & 1
    assert (await read(wire, OBJECTS, EVENT_NOTIFIER))["Value"][0] == "Byte"


@clause("Part 4, 5.13.1.5")
async def test_lost_events_are_told_by_an_event(subscription, server, wire):
    (item,) = await subscription.monitor(
        SERVER_OBJECT,
        attribute=EVENT_NOTIFIER,
        QueueSize=2,
        Filter=event_filter(select=(field("EventType"), field("Severity"))),
    )
    assert item["RevisedQueueSize"] == 2
    mode = {"SubscriptionIds": [subscription.id]}
    await wire.ask("SetPublishingMode", PublishingEnabled=False, **mode)
    await trigger(wire, server, 1, 2, 3, 4)
    await time_passes(wire, 300)  # all of them have come to the queue
    await wire.ask("SetPublishingMode", PublishingEnabled=True, **mode)
    events = await next_events(subscription, 3)
    assert [event[0][1] for event in events].count(OVERFLOW_EVENT) == 1
    assert [event[1][1] for event in events if event[0][1] != OVERFLOW_EVENT] == [3, 4]
