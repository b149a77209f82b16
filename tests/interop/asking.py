"""The questions that checks ask again and again, in the words of `interop.wire`."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua
from interop.wire import Message, Wire

S = ua.StatusCodes
clause = pytest.mark.clause
"""`@clause("Part 4, 5.11.2")`: what the check below proves."""

NODE_ID, NODE_CLASS, BROWSE_NAME, DISPLAY_NAME, DESCRIPTION, WRITE_MASK = 1, 2, 3, 4, 5, 6
EVENT_NOTIFIER, VALUE, DATA_TYPE, VALUE_RANK, ACCESS_LEVEL = 12, 13, 14, 15, 17
SOURCE, SERVER, BOTH, NEITHER = 0, 1, 2, 3
DISABLED, SAMPLING, REPORTING = 0, 1, 2

ROOT, OBJECTS, TYPES, VIEWS = "ns=0;i=84", "ns=0;i=85", "ns=0;i=86", "ns=0;i=87"
SERVER_OBJECT, SERVER_STATUS, CURRENT_TIME = "ns=0;i=2253", "ns=0;i=2256", "ns=0;i=2258"
ORGANIZES, HIERARCHICAL, HAS_PROPERTY = "ns=0;i=35", "ns=0;i=33", "ns=0;i=46"
HAS_COMPONENT, HAS_TYPE_DEFINITION = "ns=0;i=47", "ns=0;i=40"
UNKNOWN = "ns=1;s=there is no such node"


def value_id(
    node: str, attribute: int = VALUE, index_range: str | None = None, encoding: str | None = None
) -> Message:
    """A ReadValueId."""
    return {
        "NodeId": node,
        "AttributeId": attribute,
        "IndexRange": index_range,
        "DataEncoding": encoding,
    }


async def read_all(
    wire: Wire, items: list[Message], *, timestamps: int = NEITHER, max_age: float = 0
) -> list[Message]:
    """The DataValues of one Read."""
    answer = await wire.ask(
        "Read", MaxAge=max_age, TimestampsToReturn=timestamps, NodesToRead=items
    )
    results: list[Message] = answer["Results"]
    return results


async def read(
    wire: Wire,
    node: str,
    attribute: int = VALUE,
    index_range: str | None = None,
    encoding: str | None = None,
    **options: Any,
) -> Message:
    """One DataValue."""
    (result,) = await read_all(wire, [value_id(node, attribute, index_range, encoding)], **options)
    return result


async def value_of(wire: Wire, node: str) -> Any:
    """The content of a Good value."""
    result = await read(wire, node)
    assert result["StatusCode"] == S.Good
    return result["Value"][1]


async def write(
    wire: Wire, node: str, value: list[Any] | None, attribute: int = VALUE, **options: Any
) -> int:
    """The status of one Write; options: IndexRange, StatusCode, SourceTimestamp..."""
    index_range = options.pop("IndexRange", None)
    item = {
        "NodeId": node,
        "AttributeId": attribute,
        "IndexRange": index_range,
        "Value": {"Value": value, **options},
    }
    answer = await wire.ask("Write", NodesToWrite=[item])
    (status,) = answer["Results"]
    return int(status)


def description(node: str, **fields: Any) -> Message:
    """A BrowseDescription: forward, hierarchical, all classes, all results."""
    return {
        "NodeId": node,
        "BrowseDirection": 0,
        "ReferenceTypeId": HIERARCHICAL,
        "IncludeSubtypes": True,
        "NodeClassMask": 0,
        "ResultMask": 63,
    } | fields


async def browse(
    wire: Wire, *descriptions: Message, maximum: int = 0, view: Message | None = None
) -> list[Message]:
    """The BrowseResults of one Browse."""
    answer = await wire.ask(
        "Browse",
        View=view or {"ViewId": ""},
        RequestedMaxReferencesPerNode=maximum,
        NodesToBrowse=list(descriptions),
    )
    results: list[Message] = answer["Results"]
    return results


async def call(wire: Wire, obj: str, method: str, *arguments: list[Any]) -> Message:
    """The CallMethodResult of one Call."""
    request = {"ObjectId": obj, "MethodId": method, "InputArguments": list(arguments)}
    answer = await wire.ask("Call", MethodsToCall=[request])
    (result,) = answer["Results"]
    return dict(result)


async def time_passes(wire: Wire, duration_ms: int) -> None:
    """Wait until the server's own clock has gone on."""
    start = await value_of(wire, CURRENT_TIME)
    while await value_of(wire, CURRENT_TIME) < start + duration_ms:
        pass


class Subscription:
    """A Subscription that is published by hand."""

    def __init__(self, wire: Wire, answer: Message) -> None:
        self.wire = wire
        self.id: int = answer["SubscriptionId"]
        self.answer = answer

    @classmethod
    async def create(cls, wire: Wire, **fields: Any) -> Subscription:
        requested = {
            "RequestedPublishingInterval": 50,
            "RequestedLifetimeCount": 1000,
            "RequestedMaxKeepAliveCount": 5,
            "MaxNotificationsPerPublish": 0,
            "PublishingEnabled": True,
            "Priority": 0,
        } | fields
        return cls(wire, await wire.ask("CreateSubscription", **requested))

    async def monitor(
        self, *nodes: str, timestamps: int = BOTH, attribute: int = VALUE, **parameters: Any
    ) -> list[Message]:
        """MonitoredItemCreateResults; client handles are 1, 2, 3..."""
        mode = parameters.pop("mode", REPORTING)
        index_range = parameters.pop("index_range", None)
        first = parameters.pop("first_handle", 1)
        items = [
            {
                "ItemToMonitor": value_id(node, attribute, index_range),
                "MonitoringMode": mode,
                "RequestedParameters": {
                    "ClientHandle": handle,
                    "SamplingInterval": 0,
                    "Filter": None,
                    "QueueSize": 10,
                    "DiscardOldest": True,
                }
                | parameters,
            }
            for handle, node in enumerate(nodes, start=first)
        ]
        answer = await self.wire.ask(
            "CreateMonitoredItems",
            SubscriptionId=self.id,
            TimestampsToReturn=timestamps,
            ItemsToCreate=items,
        )
        results: list[Message] = answer["Results"]
        return results

    async def publish(self, *acknowledge: int) -> Message:
        """One PublishResponse."""
        answer = await self.wire.ask(
            "Publish",
            SubscriptionAcknowledgements=[
                {"SubscriptionId": self.id, "SequenceNumber": number} for number in acknowledge
            ],
        )
        assert answer["SubscriptionId"] == self.id
        return answer

    async def message(self, *acknowledge: int) -> Message:
        """The next PublishResponse that is no keep-alive."""
        answer = await self.publish(*acknowledge)
        while not answer["NotificationMessage"]["NotificationData"]:
            answer = await self.publish()
        return answer

    async def changes(self) -> list[Message]:
        """The MonitoredItemNotifications of the next message that has some."""
        answer = await self.message()
        return [
            item
            for notification in answer["NotificationMessage"]["NotificationData"]
            if notification["$"] == "DataChangeNotification"
            for item in notification["MonitoredItems"]
        ]

    async def values(self, count: int) -> list[Any]:
        """The contents of the next `count` changes."""
        seen: list[Any] = []
        while len(seen) < count:
            seen += [change["Value"]["Value"][1] for change in await self.changes()]
        return seen

    async def delete(self) -> None:
        await self.wire.ask("DeleteSubscriptions", SubscriptionIds=[self.id])
