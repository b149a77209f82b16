"""The monitored items of all subscriptions: their number, their queues, and their sampling."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.errors import StatusError
from biogate.opcua.events.delivery import EventDelivery, overflow_of
from biogate.opcua.events.journal import EventJournal
from biogate.opcua.events.queue import EventQueue
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.subscriptions.filters import DataFilter
from biogate.opcua.subscriptions.item_set import ItemSet
from biogate.opcua.subscriptions.limits import SubscriptionLimits
from biogate.opcua.subscriptions.monitored_item import (
    DISABLED,
    REPORTING,
    EventSource,
    MonitoredItem,
    NumberSource,
    Settings,
    Source,
)
from biogate.opcua.subscriptions.object_queue import ObjectQueue
from biogate.opcua.subscriptions.rings import RingStore, Samples
from biogate.opcua.subscriptions.sampling import SampledTags, Sampler

_RESENT_TOGETHER = 500
_REMOVED_TOGETHER = 500


class ItemPool:
    """Makes, changes and ends items. `clock` is monotonic seconds, `wall_clock` FILETIME ticks.

    `give_way` ends a subscription that nobody uses and is False when there is none.
    """

    def __init__(
        self,
        limits: SubscriptionLimits,
        tags: SampledTags,
        journal: EventJournal,
        give_way: Callable[[], bool],
        clock: Callable[[], float],
        wall_clock: Callable[[], int],
        work_clock: Callable[[], float],
    ) -> None:
        self._limits = limits
        self._give_way = give_way
        self._clock = clock
        self._wall_clock = wall_clock
        self._store = RingStore()
        self._object_places = 0
        self._object_bytes = ByteBudget(limits.max_object_bytes)
        self.sampler = Sampler(tags, self._store, wall_clock, work_clock)
        self.events = EventDelivery(journal, wall_clock, work_clock)
        self._last_item = 0
        self._count = 0
        self._links = 0
        self._percent: dict[MonitoredItem, ItemSet] = {}
        self._retired: deque[tuple[ItemSet, deque[MonitoredItem]]] = deque()

    def __len__(self) -> int:
        return self._count

    def new_set(self) -> ItemSet:
        """The items of a new subscription: none yet."""
        return ItemSet(self._store, self.sampler.sharing)

    def places_left(self, source: Source) -> int:
        """How many more values the queues of numbers, or those of all else, may hold."""
        if isinstance(source, NumberSource):
            return self._limits.max_queued_values - self._store.places
        return self._limits.max_queued_objects - self._object_places

    def make_room(self, source: Source, places: int) -> int:
        """Like `places_left`, after subscriptions that nobody uses have given way to so many."""
        while self.places_left(source) < places and (self.clear_up() or self._give_way()):
            pass
        return self.places_left(source)

    def add(
        self,
        items: ItemSet,
        read: ua.ReadValueId,
        source: Source,
        settings: Settings,
        mode: int,
    ) -> MonitoredItem:
        """A new item, not sampled before `start`. Raises StatusError Bad_TooManyMonitoredItems."""
        limits = self._limits.published
        while self._count >= limits.max_monitored_items and (self.clear_up() or self._give_way()):
            pass
        if (
            self._count >= limits.max_monitored_items
            or len(items) >= limits.max_monitored_items_per_subscription
        ):
            raise StatusError(StatusCodes.BadTooManyMonitoredItems)
        self._last_item += 1
        self._count += 1
        item = MonitoredItem(self._last_item, read, source, settings, mode)
        self._make_queue(item)
        items.add(item)
        items.places += settings.queue_size
        self._note_percent(items, item)
        return item

    def start(self, items: Sequence[MonitoredItem]) -> None:
        """Sample the items whose mode asks for it; their present values are queued."""
        sampled = [item for item in items if item.sampled]
        self.events.add([item for item in sampled if isinstance(item.source, EventSource)])
        sampled = [item for item in sampled if not isinstance(item.source, EventSource)]
        if sampled:
            self.sampler.add(sampled, self._clock())

    def _stop(self, items: Sequence[MonitoredItem]) -> None:
        """Put nothing more into the items' queues."""
        for item in items:
            if isinstance(item.source, EventSource):
                self.events.remove(item)
        self.sampler.remove([i for i in items if not isinstance(i.source, EventSource)])

    def modify(self, item_set: ItemSet, item: MonitoredItem, settings: Settings) -> None:
        """New settings; queued values stay. A new filter starts from the present value."""
        self.sampler.unshare(item)
        resample = settings.sampling_interval_ms != item.settings.sampling_interval_ms
        if resample:
            self.sampler.remove([item])
        item_set.places += settings.queue_size - item.settings.queue_size
        item.settings = settings
        self._note_percent(item_set, item)
        if item.queue is not None:
            self._object_places += settings.queue_size - item.queue.capacity
            self._configure(item, item.queue)
        elif isinstance(item.source, NumberSource):
            self._store.configure(item.slot, item.ring_settings(item.source))
        if resample and item.sampled:
            self.sampler.resume(item, self._clock())

    def set_mode(self, item_set: ItemSet, items: Sequence[MonitoredItem], mode: int) -> None:
        """Set the MonitoringMode; disabling empties the queue, enabling queues the present value
        (Part 4, 5.13.4)."""
        started = []
        if mode == DISABLED:
            self._stop(items)
            for item in items:
                self._clear(item)
        for item in items:
            before = item.sampled
            item.mode = mode
            item.released = False
            if item.sampled and not before:
                started.append(item)
        item_set.rearrange()
        self.start(started)

    def remove(self, item_set: ItemSet, items: Sequence[MonitoredItem]) -> None:
        """Delete items with their queues and links."""
        self._stop(items)
        if item_set.triggers:
            self._links -= sum(map(item_set.triggers.forget, items))
        item_set.remove(items)
        item_set.places -= sum(item.settings.queue_size for item in items)
        self._drop_queues(items)
        for item in items if self._percent else ():
            self._percent.pop(item, None)
        self._count -= len(items)

    def retire(self, item_set: ItemSet) -> None:
        """Delete all items of a subscription that is gone: in time, since they may be many."""
        item_set.rearrange()
        self._retired.append((item_set, deque(item_set)))
        self.clear_up()

    def clear_up(self) -> bool:
        """Delete some retired items; False when there are none."""
        if not self._retired:
            return False
        item_set, items = self._retired[0]
        some = [items.popleft() for _ in range(min(len(items), _REMOVED_TOGETHER))]
        if some:
            self.remove(item_set, some)
        if not items:
            self._retired.popleft()
        return True

    @property
    def has_retired(self) -> bool:
        """True when `clear_up` has something to do."""
        return bool(self._retired)

    def rebind(self, item_set: ItemSet, item: MonitoredItem, source: Source) -> None:
        """Sample the item from another source; what waited in its queue is let go."""
        self._stop([item])
        item_set.keep_count([item])
        self._drop_queues([item])
        item.source = source
        self._make_queue(item)
        item_set.triggers.watch(item)
        item_set.rearrange()
        self.start([item])

    def resend(self, item_set: ItemSet) -> Iterator[None]:
        """Queue the present values of reporting items that have none queued, some at a time
        (Part 4, 5.14.7.2; Part 5, 9.2)."""
        items = [item for item in item_set if item.mode == REPORTING]
        for first in range(0, len(items), _RESENT_TOGETHER):
            some = [i for i in items[first : first + _RESENT_TOGETHER] if item_set.get(i.id) is i]
            for item in some:
                self.sampler.unshare(item)
            self.sampler.sample_changes()  # what has come before the present values
            holding = set(item_set.holding(some))
            self.sampler.queue_again([i for i in some if i.sampled and i not in holding])
            yield

    # -- links ----------------------------------------------------------------------------------

    def link(self, item_set: ItemSet, trigger: MonitoredItem, item: MonitoredItem) -> None:
        """Let `item` report when `trigger` does. Raises StatusError Bad_OutOfMemory when there are
        too many links."""
        triggers = item_set.triggers
        if triggers.linked(trigger, item):
            return
        limits = self._limits
        if self._links >= limits.max_links or len(triggers) >= limits.max_links_per_subscription:
            raise StatusError(StatusCodes.BadOutOfMemory)
        item_set.rearrange()
        triggers.add(trigger, item)
        self._links += 1

    def unlink(self, item_set: ItemSet, trigger: MonitoredItem, item: MonitoredItem) -> None:
        """Raises StatusError Bad_MonitoredItemIdInvalid for items that are not linked."""
        if not item_set.triggers.linked(trigger, item):
            raise StatusError(StatusCodes.BadMonitoredItemIdInvalid)
        item_set.triggers.remove(trigger, item)
        self._links -= 1

    # -- percent deadbands ----------------------------------------------------------------------

    def renew_deadbands(self, span: Callable[[ua.NodeId], float | None]) -> Iterator[None]:
        """Take the present spans of EURanges into account, item by item; without one, every
        change passes."""
        spans: dict[ua.NodeId, float] = {}
        for item, item_set in list(self._percent.items()):
            if item in self._percent:
                before, node_id = item.settings.filter, item.read.NodeId
                assert isinstance(before, DataFilter)
                if node_id not in spans:
                    spans[node_id] = span(node_id) or 0.0
                filter_ = before.over(spans[node_id])
                if filter_ != before:
                    self.modify(item_set, item, replace(item.settings, filter=filter_))
            yield

    @property
    def has_percent(self) -> bool:
        """True when some item has a percent deadband."""
        return bool(self._percent)

    def _note_percent(self, item_set: ItemSet, item: MonitoredItem) -> None:
        filter_ = item.settings.filter
        if isinstance(filter_, DataFilter) and filter_.percent is not None:
            self._percent[item] = item_set
        else:
            self._percent.pop(item, None)

    # -- queues ---------------------------------------------------------------------------------

    def _make_queue(self, item: MonitoredItem) -> None:
        settings = item.settings
        if isinstance(item.source, NumberSource):
            item.slot = self._store.add(item.ring_settings(item.source))
        else:
            self._object_places += settings.queue_size
            item.queue = self._object_queue(settings)

    def _object_queue(self, settings: Settings) -> ObjectQueue | EventQueue:
        size, discard_oldest = settings.queue_size, settings.discard_oldest
        if isinstance(settings.filter, DataFilter):
            return ObjectQueue(
                size, settings.filter, self._object_bytes, discard_oldest=discard_oldest
            )
        return EventQueue(size, self._object_bytes, discard_oldest=discard_oldest)

    def _configure(self, item: MonitoredItem, queue: ObjectQueue | EventQueue) -> None:
        settings = item.settings
        size, discard_oldest = settings.queue_size, settings.discard_oldest
        if isinstance(queue, EventQueue):
            queue.configure(
                size, overflow_of(item, self._wall_clock), discard_oldest=discard_oldest
            )
        elif isinstance(settings.filter, DataFilter):
            queue.configure(size, settings.filter, discard_oldest=discard_oldest)

    def _drop_queues(self, items: Sequence[MonitoredItem]) -> None:
        slots = [item.slot for item in items if item.queue is None]
        if slots:
            self._store.remove(np.array(slots))
        for item in items:
            if item.queue is not None:
                self._object_places -= item.queue.capacity
                item.queue.clear()
            item.slot, item.queue = -1, None

    def _clear(self, item: MonitoredItem) -> None:
        if item.queue is None:
            self._store.clear(item.slot)
        else:
            item.queue.clear()

    # -- rights ---------------------------------------------------------------------------------

    def end(self, item: MonitoredItem, status: int) -> None:
        """Say why, once, and sample no more; nothing that waited in the queue gets out.

        There is no way to say it among events.
        """
        self._stop([item])
        self._clear(item)
        was_sampled, item.ended = item.sampled, True
        if not was_sampled:
            return
        now = self._wall_clock()
        if item.queue is None:
            last = Samples(
                np.array([np.nan]),
                np.array([status], np.uint32),
                np.array([now], np.int64),
                np.array([now], np.int64),
            )
            self._store.push(np.array([item.slot]), last)
        elif isinstance(item.queue, ObjectQueue):
            code: Any = ua.StatusCode(ua.UInt32(status))
            item.queue.push(ua.DataValue(ua.Variant(), code, _ticks(now), _ticks(now)))

    def withhold(self, item: MonitoredItem) -> None:
        """Rights have changed: let go of queued events that their owner may not receive now."""
        if isinstance(item.source, EventSource) and isinstance(item.queue, EventQueue):
            item.queue.withhold(item.source.hears)

    def revive(self, item: MonitoredItem) -> None:
        """Sample an item again that had ended."""
        item.ended = False
        self.start([item])


def _ticks(now: int) -> Any:
    """asyncua's DataValue wants a datetime; our writer takes FILETIME ticks in its place."""
    return now
