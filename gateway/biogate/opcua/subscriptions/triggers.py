"""Triggering links: items that report when another one of their subscription does (Part 4, 5.13.5).

What an item is linked to never triggers in its turn: only values that are put into a trigger's
own queue count.
"""

from __future__ import annotations

from collections.abc import Iterator

from biogate.opcua.subscriptions.monitored_item import MonitoredItem
from biogate.opcua.subscriptions.rings import RingStore


class Triggers:
    """The links of one subscription. True while there are any."""

    def __init__(self, store: RingStore) -> None:
        self._store = store
        self._reported_by: dict[MonitoredItem, dict[MonitoredItem, None]] = {}
        self._triggers_of: dict[MonitoredItem, dict[MonitoredItem, None]] = {}
        self._seen: dict[MonitoredItem, int] = {}

    def __bool__(self) -> bool:
        return bool(self._reported_by)

    def __len__(self) -> int:
        return sum(map(len, self._reported_by.values()))

    def linked(self, trigger: MonitoredItem, item: MonitoredItem) -> bool:
        """True when `item` reports when `trigger` does."""
        return item in self._reported_by.get(trigger, ())

    def add(self, trigger: MonitoredItem, item: MonitoredItem) -> None:
        """Link `item` to `trigger`; what the trigger has queued before does not count."""
        if trigger not in self._reported_by:
            self._reported_by[trigger] = {}
            self.watch(trigger)
        self._reported_by[trigger][item] = None
        self._triggers_of.setdefault(item, {})[trigger] = None

    def remove(self, trigger: MonitoredItem, item: MonitoredItem) -> None:
        """Unlink `item` from `trigger`, which it is linked to."""
        del self._reported_by[trigger][item]
        del self._triggers_of[item][trigger]
        if not self._triggers_of[item]:
            del self._triggers_of[item]
        if not self._reported_by[trigger]:
            del self._reported_by[trigger], self._seen[trigger]
            if trigger.queue is None:
                self._store.unwatch(trigger.slot)

    def forget(self, item: MonitoredItem) -> int:
        """Remove the links from and to an item that is going; how many there were."""
        links = [(item, reported) for reported in self._reported_by.get(item, ())]
        links += [(trigger, item) for trigger in self._triggers_of.get(item, ()) if trigger != item]
        for trigger, reported in links:
            self.remove(trigger, reported)
        return len(links)

    def watch(self, item: MonitoredItem) -> None:
        """Count what is queued from now on, also in a queue that is new; harmless for an item
        that triggers nothing."""
        if item in self._reported_by:
            if item.queue is None:
                self._store.watch(item.slot)
            self._seen[item] = self._queued(item)

    def fired(self) -> Iterator[MonitoredItem]:
        """The items whose triggers have queued something since this was last asked."""
        for trigger, reported in self._reported_by.items():
            queued = self._queued(trigger)
            if queued != self._seen[trigger]:
                self._seen[trigger] = queued
                yield from reported

    def _queued(self, item: MonitoredItem) -> int:
        return self._store.pushes(item.slot) if item.queue is None else item.queue.pushes
