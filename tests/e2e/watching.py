"""A client that keeps every sample which its Subscription delivers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from asyncua import Client, Node, ua
from asyncua.common.subscription import DataChangeNotif
from e2e.sites import NAMESPACE

PUBLISHING_INTERVAL_MS = 100
QUEUE_SIZE = 1000


class Watch:
    """`samples[tag]`: all that was delivered for a tag so far, in the order of its coming.

    Items trigger on the timestamp too, so that every poll of a device is a sample (Part 4,
    7.22.2).
    """

    def __init__(self, tags: Iterable[str]) -> None:
        self.samples: dict[str, list[ua.DataValue]] = {tag: [] for tag in tags}
        self._came = asyncio.Event()

    def datachange_notification(self, node: Node, _value: object, data: DataChangeNotif) -> None:
        """Called by asyncua for every value."""
        tag = str(node.nodeid.Identifier).removeprefix("Signals.")
        self.samples[tag].append(data.monitored_item.Value)
        self._came.set()

    def last(self, tag: str) -> ua.DataValue:
        """The newest sample."""
        return self.samples[tag][-1]

    async def until(self, wanted: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Wait for samples until `wanted()`. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not wanted():
                self._came.clear()
                await self._came.wait()

    async def until_status(self, tag: str, code: int, timeout_s: float = 20.0) -> ua.DataValue:
        """Wait until the newest sample of `tag` has this status; that sample."""
        await self.until(
            lambda: bool(self.samples[tag]) and self.last(tag).StatusCode.value == code, timeout_s
        )
        return self.last(tag)


@asynccontextmanager
async def watching(url: str, tags: Iterable[str]) -> AsyncIterator[Watch]:
    """A client of its own that subscribes to the tags (`DEVICE.signal`)."""
    watch = Watch(tags)
    async with Client(url) as client:
        namespace = await client.get_namespace_index(NAMESPACE)
        subscription = await client.create_subscription(PUBLISHING_INTERVAL_MS, watch)
        items = [
            _item(ua.NodeId(f"Signals.{tag}", namespace), handle)
            for handle, tag in enumerate(watch.samples, start=1)
        ]
        created = await subscription.create_monitored_items(items)
        assert all(isinstance(item, int) for item in created), created
        yield watch
        await subscription.delete()


def _item(node: ua.NodeId, handle: int) -> ua.MonitoredItemCreateRequest:
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=handle,
            SamplingInterval=0.0,
            Filter=ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp),
            QueueSize=QUEUE_SIZE,
            DiscardOldest=True,
        ),
    )
