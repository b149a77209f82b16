"""The monitored items of one Subscription, and what they have to say."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from biogate.opcua.codec.columns import encode_notifications
from biogate.opcua.codec.limits import EncodeError
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.subscriptions.monitored_item import REPORTING, MonitoredItem
from biogate.opcua.subscriptions.object_queue import encode_object_notification
from biogate.opcua.subscriptions.rings import RingStore

_log = logging.getLogger(__name__)

MAX_OBJECT_BYTES = 262_144
MAX_OBJECTS = 500
"""Where a message takes no more values that are objects; the rest comes with the next one, at the
next tick: they are encoded one by one."""


class Taken(NamedTuple):
    """`number` notifications, encoded; `cut` when there were too many objects for one message."""

    number: int
    parts: list[bytes]
    cut: bool


class ItemSet:
    """Items by id. Call `rearrange` after an item's mode changed."""

    def __init__(self, store: RingStore) -> None:
        self._store = store
        self._items: dict[int, MonitoredItem] = {}
        self._stale = False
        self._slots = np.empty(0, np.int64)
        self._objects: deque[MonitoredItem] = deque()
        self._first = 0
        self._numbers_first = True
        self._cut = False

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[MonitoredItem]:
        return iter(list(self._items.values()))

    def get(self, item_id: int) -> MonitoredItem | None:
        """The item, or None."""
        return self._items.get(item_id)

    def add(self, item: MonitoredItem) -> None:
        """Take an item in."""
        self._items[item.id] = item
        self._stale = True

    def remove(self, item: MonitoredItem) -> None:
        """Let an item go."""
        del self._items[item.id]
        self._stale = True

    def rearrange(self) -> None:
        """Look again at which items report."""
        self._stale = True

    @property
    def available(self) -> bool:
        """True when a reporting item has something queued."""
        self._arrange()
        return self._store.available(self._slots) or any(i.queue for i in self._objects)

    def take(self, limit: int) -> Taken:
        """Up to `limit` notifications.

        Who comes first changes when the limit is reached, so that it starves no item.
        """
        self._arrange()
        self._cut = False
        count = 0
        parts: list[bytes] = []
        kinds = (self._take_numbers, self._take_objects)
        for take in kinds if self._numbers_first else reversed(kinds):
            count += take(limit - count, parts)
        if count == limit:
            self._numbers_first = not self._numbers_first
        return Taken(count, parts, self._cut)

    def _take_numbers(self, limit: int, parts: list[bytes]) -> int:
        slots = np.roll(self._slots, -self._first) if self._first else self._slots
        rows = self._store.take(slots, limit)
        parts.append(encode_notifications(rows))
        if len(rows.value) == limit and len(self._slots):
            self._first = (self._first + 1) % len(self._slots)
        return len(rows.value)

    def _take_objects(self, limit: int, parts: list[bytes]) -> int:
        count = size = 0
        for _ in range(len(self._objects)):
            item = self._objects[0]
            while item.queue and count < limit and not self._cut:
                parts.append(_encoded(item, item.queue.take()))
                size += len(parts[-1])
                count += 1
                self._cut = count >= MAX_OBJECTS or size >= MAX_OBJECT_BYTES
            if item.queue:
                break
            self._objects.rotate(-1)
        return count

    def _arrange(self) -> None:
        if not self._stale:
            return
        self._stale = False
        reporting = [item for item in self._items.values() if item.mode == REPORTING]
        slots = [item.slot for item in reporting if item.queue is None]
        self._slots = np.array(slots, np.int64)
        self._objects = deque(item for item in reporting if item.queue is not None)
        self._first = 0


def _encoded(item: MonitoredItem, value: ua.DataValue) -> bytes:
    settings = item.settings
    try:
        return encode_object_notification(settings.client_handle, value, settings.timestamps)
    except EncodeError as error:
        _log.warning(
            "a value cannot be encoded", extra={"node": item.read.NodeId.to_string(), "why": error}
        )
        failed = ua.DataValue(
            ua.Variant(),
            ua.StatusCode(ua.UInt32(StatusCodes.BadEncodingError)),
            value.SourceTimestamp,
            value.ServerTimestamp,
        )
        return encode_object_notification(settings.client_handle, failed, settings.timestamps)
