"""The monitored items of one Subscription, and what they have to say."""

from __future__ import annotations

import logging
import struct
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from biogate.opcua.codec.columns import (
    data_change_notification,
    encode_notifications,
    event_notification_list,
)
from biogate.opcua.codec.limits import EncodeError
from biogate.opcua.events.event_filter import status_field
from biogate.opcua.events.queue import EventQueue
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.subscriptions.layout import DataChanges, Feed
from biogate.opcua.subscriptions.monitored_item import REPORTING, SAMPLING, MonitoredItem
from biogate.opcua.subscriptions.object_queue import ObjectQueue, encode_object_notification
from biogate.opcua.subscriptions.rings import RingStore
from biogate.opcua.subscriptions.sharing import Sharing
from biogate.opcua.subscriptions.triggers import Triggers

_log = logging.getLogger(__name__)

MAX_OBJECT_BYTES = 262_144
MAX_OBJECTS = 500
"""Where a message takes no more values that are objects; the rest comes with the next one, at the
next tick: they are encoded one by one."""


_SETTLING_CYCLES = 2
"""Items that did not change for so many publishing cycles may share their sampling."""

_MOST_SETTLING_CYCLES = 16
"""After how many it is tried again when they could not, each time twice as many."""


class Taken(NamedTuple):
    """`changes` of values and `events`, and the encoded notifications of them: a
    DataChangeNotification, an EventNotificationList, or both; `cut` when there were too many
    objects for one message."""

    changes: int
    events: int
    notifications: list[bytes]
    cut: bool


_NUMBER_BYTES = 34
"""The most that a notification of a number takes (Part 6, 5.2.2.17)."""


@dataclass(slots=True)
class _Message:
    """What is being put together, and how much more may come."""

    limit: int
    room: int
    number: int = 0
    size: int = 0
    parts: list[bytes] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    shared: DataChanges | None = None
    is_full: bool = False
    is_cut: bool = False

    @property
    def taken(self) -> Taken:
        """The message as it is."""
        changes = self.number - len(self.events)
        notifications = [self._changes(changes)] if changes else []
        if self.events:
            notifications.append(event_notification_list(self.events))
        return Taken(changes, len(self.events), notifications, self.is_cut)

    def _changes(self, number: int) -> bytes:
        shared = self.shared
        if shared is None:
            return data_change_notification(number, *self.parts)
        if self.parts:
            return data_change_notification(number, shared.notifications, *self.parts)
        return shared.encoded

    @property
    def numbers_left(self) -> int:
        """How many notifications of numbers may come."""
        fitting = max((self.room - self.size) // _NUMBER_BYTES, self.number == 0)
        return min(self.limit - self.number, fitting)

    def has_room(self, size: int) -> bool:
        """Whether a notification of that size may come; the message is full if not."""
        fits = self.number == 0 or self.size + size <= self.room
        self.is_full = self.is_full or not (fits and self.number < self.limit)
        return not self.is_full

    def share(self, changes: DataChanges) -> None:
        self.shared = changes
        self.size += len(changes.notifications)
        self.number += changes.number

    def add(self, part: bytes, number: int) -> None:
        self.parts.append(part)
        self.size += len(part)
        self.number += number

    def add_event(self, part: bytes) -> None:
        self.events.append(part)
        self.size += len(part)
        self.number += 1


class ItemSet:
    """Items by id. Call `rearrange` after an item's mode or the links in `triggers` changed.

    `places`: how many values the items' queues may hold together. `removed`: how many items there
    were that are gone.
    """

    def __init__(self, store: RingStore, sharing: Sharing) -> None:
        self._store = store
        self._sharing = sharing
        self._feed: Feed | None = None
        self._apart = np.empty(0, np.int64)  # reporting slots that are not the feed's
        self._settles_in = self._patience = _SETTLING_CYCLES
        self.triggers = Triggers(store)
        self.places = 0
        self.removed = 0
        self._released: list[MonitoredItem] = []
        self._lost_values = self._lost_events = 0
        self._items: dict[int, MonitoredItem] = {}
        self._stale = False
        self._slots = np.empty(0, np.int64)
        self._objects: deque[MonitoredItem] = deque()
        self._events: deque[MonitoredItem] = deque()
        self._first = 0
        # Functions, since bound methods would keep the set alive until garbage is collected.
        self._kinds = deque((ItemSet._take_numbers, ItemSet._take_objects, ItemSet._take_events))

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
        self.rearrange()

    def remove(self, items: Sequence[MonitoredItem]) -> None:
        """Let items go, whose queues are still there."""
        self.rearrange()
        self.keep_count(items)
        self.removed += len(items)
        for item in items:
            del self._items[item.id]

    def rearrange(self) -> None:
        """Look again at which items report; each is sampled by itself for now."""
        self._stale = True
        self._settles_in = self._patience = _SETTLING_CYCLES
        if self._feed is not None:
            self._feed.leave()
            self._drop_feed()

    def _drop_feed(self) -> None:
        if self._feed is not None:
            self._lost_values += self._feed.lost
            self._feed = None

    def settle(self) -> None:
        """A publishing cycle is over: share sampling and encoding with sets of the same kind."""
        if self._feed is not None and self._feed.joined:
            return
        self._drop_feed()
        self._settles_in -= 1
        if self._settles_in > 0 or self.triggers:
            return
        self._patience = min(2 * self._patience, _MOST_SETTLING_CYCLES)
        self._settles_in = self._patience
        numbers = [item for item in self._items.values() if item.queue is None and item.sampled]
        if numbers and all(item.mode == REPORTING for item in numbers):
            self._feed = self._sharing.join(numbers)
        if self._feed is not None:
            self._settles_in = self._patience = _SETTLING_CYCLES
            self._arrange()
            self._apart = np.setdiff1d(self._slots, self._feed.slots)

    @property
    def available(self) -> bool:
        """True when a reporting item has something queued."""
        if self.triggers:
            self._release()
        self._arrange()
        if self._numbers_available:
            return True
        return any(i.queue for i in self._objects) or any(i.queue for i in self._events)

    @property
    def _numbers_available(self) -> bool:
        if self._feed is not None and self._feed.joined:
            return self._feed.available or self._store.available(self._apart)
        return self._store.available(self._slots)

    def take(self, limit: int, room: int) -> Taken:
        """Up to `limit` notifications of up to `room` bytes together, but at least one.

        Who comes first changes when a limit is reached, so that it starves no item.
        """
        self._arrange()
        message = _Message(limit, room)
        for take in self._kinds:
            take(self, message)
        if message.is_full:
            self._kinds.rotate(-1)
        if self._released:
            self._hold_back()
        return message.taken

    def _release(self) -> None:
        """Let those sampled items report what they hold whose trigger has fired."""
        fired = dict.fromkeys(self.triggers.fired())
        waiting = [item for item in fired if item.mode == SAMPLING and not item.released]
        for item in self.holding(waiting):
            item.released = self._stale = True
            self._released.append(item)

    def _hold_back(self) -> None:
        """Released items that have said all wait for their trigger again."""
        left = [item for item in self._released if item.released and item.id in self._items]
        left = self.holding(left)
        self._stale = self._stale or len(left) < len(self._released)
        for item in self._released:
            item.released = False
        for item in left:
            item.released = True
        self._released = left

    def holding(self, items: Sequence[MonitoredItem]) -> list[MonitoredItem]:
        """Those of the items that have something in queues of their own."""
        slots = np.array([item.slot for item in items if item.queue is None], np.int64)
        (counts,) = self._store.columns(slots, "count")
        count = iter(counts.tolist())
        return [item for item in items if (next(count) if item.queue is None else item.queue)]

    # -- counts ---------------------------------------------------------------------------------

    @property
    def lost_values(self) -> int:
        """How many values the queues had no room for, of items that are gone too."""
        feed = self._feed.lost if self._feed is not None else 0
        return self._lost_values + feed + self._lost_values_of(self._items.values())

    @property
    def lost_events(self) -> int:
        """How many events the queues had no room for, of items that are gone too."""
        return self._lost_events + _lost_of(EventQueue, self._items.values())

    def keep_count(self, items: Collection[MonitoredItem]) -> None:
        """The items' queues are about to go: remember what they lost."""
        self._lost_values += self._lost_values_of(items)
        self._lost_events += _lost_of(EventQueue, items)

    def _lost_values_of(self, items: Collection[MonitoredItem]) -> int:
        slots = np.array([item.slot for item in items if item.queue is None], np.int64)
        return self._store.lost(slots) + _lost_of(ObjectQueue, items)

    # -- messages -------------------------------------------------------------------------------

    def _take_numbers(self, message: _Message) -> None:
        feed = self._feed if self._feed is not None and self._feed.joined else None
        if feed is not None:
            most = message.numbers_left
            changes = feed.take(most)
            if changes is not None:
                message.share(changes)
                if changes.number == most:
                    self._filled(message)
            if not (feed.has_queued or self._store.available(self._apart)):
                return
        self._take_queued(message)
        if feed is not None:
            feed.taken()

    def _take_queued(self, message: _Message) -> None:
        slots = np.roll(self._slots, -self._first) if self._first else self._slots
        most = message.numbers_left
        rows = self._store.take(slots, most)
        message.add(encode_notifications(rows), len(rows.value))
        if len(rows.value) == most and len(self._slots):
            self._filled(message)

    def _filled(self, message: _Message) -> None:
        """No more numbers fit: let another item come first in the next message."""
        message.is_full = True
        self._first = (self._first + 1) % len(self._slots)

    def _take_objects(self, message: _Message) -> None:
        objects = size = 0
        for _ in range(len(self._objects)):
            item, before = self._objects[0], message.number
            while isinstance(item.queue, ObjectQueue) and item.queue and not message.is_cut:
                part = _encoded(item, item.queue.peek(), message.room)
                if not message.has_room(len(part)):
                    break
                item.queue.take()
                message.add(part, 1)
                objects, size = objects + 1, size + len(part)
                message.is_cut = objects >= MAX_OBJECTS or size >= MAX_OBJECT_BYTES
            if message.number > before or not item.queue:
                self._objects.rotate(-1)  # it has had its turn
            if message.is_full or message.is_cut:
                return

    def _take_events(self, message: _Message) -> None:
        for _ in range(len(self._events)):
            item, before = self._events[0], message.number
            while isinstance(item.queue, EventQueue) and item.queue:
                part = _encoded_event(item, item.queue.peek(), message.room)
                if not message.has_room(len(part)):
                    break
                item.queue.take()
                message.add_event(part)
            if message.number > before or not item.queue:
                self._events.rotate(-1)
            if message.is_full:
                return

    def _arrange(self) -> None:
        if not self._stale:
            return
        self._stale = False
        reporting = [item for item in self._items.values() if item.reports]
        slots = [item.slot for item in reporting if item.queue is None]
        self._slots = np.array(slots, np.int64)
        others = [item for item in reporting if item.queue is not None]
        self._objects = deque(item for item in others if isinstance(item.queue, ObjectQueue))
        self._events = deque(item for item in others if isinstance(item.queue, EventQueue))
        self._first = 0


def _lost_of(kind: type[ObjectQueue] | type[EventQueue], items: Collection[MonitoredItem]) -> int:
    return sum(item.queue.lost for item in items if isinstance(item.queue, kind))


def _encoded(item: MonitoredItem, value: ua.DataValue, room: int) -> bytes:
    """The notification, or one that says why the value is not in it."""
    handle, timestamps = item.settings.client_handle, item.settings.timestamps
    try:
        encoded = encode_object_notification(handle, value, timestamps)
        status, why = StatusCodes.BadEncodingLimitsExceeded, "larger than the client takes"
    except EncodeError as error:
        encoded = b""
        status, why = StatusCodes.BadEncodingError, str(error)
    if encoded and len(encoded) <= room:
        item.unsendable = False
        return encoded
    if not item.unsendable:
        node = item.read.NodeId.to_string()
        _log.warning("a value cannot be sent", extra={"node": node, "why": why})
    item.unsendable = True
    failed = ua.DataValue(
        ua.Variant(),
        ua.StatusCode(ua.UInt32(status)),
        value.SourceTimestamp,
        value.ServerTimestamp,
    )
    return encode_object_notification(handle, failed, timestamps)


_HANDLE = struct.Struct("<I")
_COUNT = struct.Struct("<i")
_UNSENDABLE = status_field(StatusCodes.BadEncodingLimitsExceeded)


def _encoded_event(item: MonitoredItem, fields: bytes, room: int) -> bytes:
    """An EventFieldList (Part 4, 7.25.3), or one that says why its fields are not in it."""
    handle = _HANDLE.pack(item.settings.client_handle)
    if len(handle) + len(fields) <= room:
        item.unsendable = False
        return handle + fields
    if not item.unsendable:
        node = item.read.NodeId.to_string()
        why = "larger than the client takes"
        _log.warning("an event cannot be sent", extra={"node": node, "why": why})
    item.unsendable = True
    count = fields[: _COUNT.size]
    return b"".join((handle, count, _UNSENDABLE * int.from_bytes(count, "little")))
