"""From the journal of events to the queues of the items that listen.

Each event is filtered and encoded once for all items with the same filter. However many listen,
a tick works for `SLICE_S` and goes on at the next; what the journal loses meanwhile is said by an
overflow event in the queues.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator, Sequence
from weakref import WeakSet

from biogate.opcua.events.event import Event
from biogate.opcua.events.event_filter import EventFilter
from biogate.opcua.events.journal import Emitted, EventJournal
from biogate.opcua.events.queue import EventQueue, Origin
from biogate.opcua.space.ids import SERVER
from biogate.opcua.stack import ObjectIds, node_id, ua
from biogate.opcua.subscriptions.monitored_item import EventSource, MonitoredItem
from biogate_security.log_budget import LogBudget

_log = logging.getLogger(__name__)

SLICE_S = 0.005
_OVERFLOW = node_id(ObjectIds.EventQueueOverflowEventType)
_OVERFLOW_SOURCE = "Internal/EventQueueOverflow"
_OVERFLOW_SEVERITY = 500
_COUNT = struct.Struct("<i")
_DONE = object()


class EventDelivery:
    """The items that listen. `wall_clock` gives FILETIME ticks, `work_clock` working seconds.

    `lost` counts events that left the journal before they were delivered, `failures` those that
    a filter failed on.
    """

    def __init__(
        self,
        journal: EventJournal,
        wall_clock: Callable[[], int],
        work_clock: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._wall_clock = wall_clock
        self._work_clock = work_clock
        self._items: dict[ua.NodeId, dict[MonitoredItem, int]] = {}
        self._cursor = 0
        self._work: Iterator[None] | None = None
        self._failing: WeakSet[EventFilter] = WeakSet()
        self._lines = LogBudget(1)
        self.lost = self.failures = 0

    @property
    def pending(self) -> bool:
        """True when `tick` has something to do."""
        return self._work is not None or (bool(self._items) and self._cursor < self._journal.count)

    def add(self, items: Sequence[MonitoredItem]) -> None:
        """Let items hear what is emitted from now on."""
        now = self._journal.count
        if not self._items and self._work is None:
            self._cursor = now
        for item in items:
            if isinstance(item.source, EventSource):
                self._items.setdefault(item.source.notifier, {})[item] = now
        self._journal.listened = bool(self._items)

    def remove(self, item: MonitoredItem) -> None:
        """Let an item hear nothing more. Harmless when it did not listen."""
        if not isinstance(item.source, EventSource):
            return
        notifier = item.source.notifier
        listening = self._items.get(notifier, {})
        listening.pop(item, None)
        if not listening:
            self._items.pop(notifier, None)
        self._journal.listened = bool(self._items)

    def tick(self) -> None:
        """Deliver what has been emitted, for a slice of time."""
        if not self.pending:
            return
        ends_s = self._work_clock() + SLICE_S
        if self._work is None:
            self._work = self._deliver()
        while self._work_clock() < ends_s:
            if next(self._work, _DONE) is _DONE:
                self._work = None
                return

    def _deliver(self) -> Iterator[None]:
        while self._items and (found := self._journal.read(self._cursor)) is not None:
            number, emitted = found
            if number > self._cursor:
                self._lose(self._cursor, number)
            self._cursor = number + 1
            yield from self._deliver_one(number, emitted)

    def _deliver_one(self, number: int, emitted: Emitted) -> Iterator[None]:
        encoded: dict[EventFilter, bytes | None] = {}
        for notifier in emitted.notifiers:
            listening = self._items.get(notifier, {})
            for item in list(listening):
                if listening.get(item, number + 1) <= number:
                    self._offer(item, emitted.event, encoded)
                yield

    def _offer(
        self, item: MonitoredItem, event: Event, encoded: dict[EventFilter, bytes | None]
    ) -> None:
        filter_, queue, source = item.settings.filter, item.queue, item.source
        assert isinstance(filter_, EventFilter)
        assert isinstance(queue, EventQueue)
        assert isinstance(source, EventSource)
        origin = Origin(event.source_node, event.type, event.place)
        if not source.hears(origin):
            return
        if filter_ not in encoded:
            encoded[filter_] = self._filtered(filter_, event)
        fields = encoded[filter_]
        if fields is not None:
            queue.push(fields, origin, overflow_of(item, self._wall_clock))

    def _filtered(self, filter_: EventFilter, event: Event) -> bytes | None:
        """The selected fields, None for an event that does not pass.

        A filter that fails takes no other with it, and is logged once until it works again.
        """
        try:
            fields = _fields(filter_, event) if filter_.passes(event) else None
        except Exception:  # noqa: BLE001  logged once, and counted
            self.failures += 1
            if filter_ not in self._failing:
                self._failing.add(filter_)
                _log.exception("an event could not be filtered")
            return None
        self._failing.discard(filter_)
        return fields

    def _lose(self, first: int, end: int) -> None:
        self.lost += end - first
        left_out = self._lines.spend(self._work_clock())
        if left_out is not None:
            context = {"events": end - first, "lines_left_out": left_out}
            _log.warning("events were lost before they were delivered", extra=context)
        for listening in self._items.values():
            for item, since in listening.items():
                if since < end and isinstance(item.queue, EventQueue):
                    item.queue.lose(overflow_of(item, self._wall_clock), end - max(first, since))


def _fields(filter_: EventFilter, event: Event) -> bytes:
    """The selected fields as an encoded array of Variants."""
    fields = filter_.select(event)
    return b"".join((_COUNT.pack(len(fields)), *fields))


def overflow_of(item: MonitoredItem, wall_clock: Callable[[], int]) -> Callable[[], bytes]:
    """Encodes the event that tells this item that others were lost now (Part 5, 6.4.34).

    Its where clause has no say in that (Part 4, 7.22.3).
    """
    filter_, now = item.settings.filter, wall_clock()
    assert isinstance(filter_, EventFilter)

    def make() -> bytes:
        return _fields(
            filter_,
            Event(
                SERVER,
                _OVERFLOW_SEVERITY,
                ua.LocalizedText("Events were lost: the queue of the monitored item is full."),
                _OVERFLOW,
                _OVERFLOW_SOURCE,
                now,
                now,
            ),
        )

    return make
