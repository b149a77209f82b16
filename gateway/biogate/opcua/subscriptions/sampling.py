"""Sampling groups: from changed tags to the queues of the items that show them.

Items that are sampled at one interval form a group and are sampled together: the tags that
changed are found by column, mapped to slots by indexing, and offered to the ring store at once.
Filter and TimestampsToReturn are columns of the ring store, not part of the group, so that the
number of groups is that of the intervals and no client's choice of deadbands adds one.

Two kinds of group. At an interval above zero the *latest* value at the sampling instant counts,
which the table itself holds; versions say which tags changed. A tag that changes as regularly as
it is sampled is not missed where the two come around the same moment (`_make_up`). At
interval zero *every change* counts, which only the journal holds; the group's cursor is drained
before each publishing and at least every `DRAIN_S`.

Values that are no columns are read one by one. However many there are, a tick reads for `SLICE_S`
and goes on at the next: they are sampled late rather than hold everything else up.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from biogate.opcua.ports import TagReader
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.subscriptions.grid import TOLERANCE_S, first_instant, next_instant
from biogate.opcua.subscriptions.members import Members, rounds
from biogate.opcua.subscriptions.monitored_item import (
    EVERY_CHANGE_MS,
    MonitoredItem,
    NumberSource,
    ObjectSource,
)
from biogate.opcua.subscriptions.object_queue import ObjectQueue
from biogate.opcua.subscriptions.projection import DOUBLE, project_columns
from biogate.opcua.subscriptions.rings import RingStore, Samples
from biogate.opcua.subscriptions.sharing import Sharing
from biogate.tags.journal import Journal, JournalBatch
from biogate_security.log_budget import LogBudget

_log = logging.getLogger(__name__)
_DONE = object()

DRAIN_S = 0.25
MAKE_UP_ROWS = 10_000
"""Where more has changed since the last instant, looking for what was missed takes too long."""

SLICE_S = 0.005


class SampledTags(TagReader, Protocol):
    """The tag table as sampling needs it."""

    @property
    def journal(self) -> Journal: ...

    @property
    def version(self) -> NDArray[np.int64]:
        """Per tag, a number that rises with each update."""
        ...


class Sampler:
    """All sampling groups. `wall_clock` gives FILETIME ticks, `work_clock` working seconds."""

    def __init__(
        self,
        tags: SampledTags,
        store: RingStore,
        wall_clock: Callable[[], int],
        work_clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._tags = tags
        self._store = store
        self.wall_clock = wall_clock
        self.work_clock = work_clock
        self._polls: deque[Iterator[None]] = deque()
        self._changes = _ChangeGroup(self)
        self._intervals: dict[float, _IntervalGroup] = {}
        self.sharing = Sharing(self, store)

    @property
    def lost_rows(self) -> int:
        """Rows of the journal that went by before they were sampled."""
        return self._changes.cursor.lost_rows

    @property
    def next_deadline_s(self) -> float:
        """When `tick` next has something to do; infinity when it has nothing."""
        if self._polls:
            return float("-inf")
        due = [group.next_s for group in (self._changes, *self._intervals.values()) if group]
        return min(due, default=float("inf"))

    def tick(self, now_s: float) -> None:
        """Sample the groups whose instant has come."""
        for group in (self._changes, *self._intervals.values()):
            if group and group.next_s <= now_s + TOLERANCE_S:
                group.sample()
                group.advance(now_s)
        self._poll()

    def _poll(self) -> None:
        """Read objects for a slice of time, one group of them after the other."""
        ends_s = self.work_clock() + SLICE_S
        while self._polls and self.work_clock() < ends_s:
            if next(self._polls[0], _DONE) is _DONE:
                self._polls.popleft()
        self._polls.rotate(-1)

    def start_poll(self, poll: Iterator[None]) -> None:
        """Step through `poll` in this tick and, when it takes long, in those that follow."""
        self._polls.append(poll)

    def sample_changes(self) -> None:
        """Queue all changes up to now for the items that want every one."""
        if self._changes:
            self._changes.sample()

    def add(self, items: Sequence[MonitoredItem], now_s: float) -> None:
        """Sample `items` from now on; their present values are queued at once."""
        self.sample_changes()  # what comes before is not these items'
        for item in items:
            self._group(item, now_s).add(item)
        self.queue_present(items)

    def resume(self, item: MonitoredItem, now_s: float) -> None:
        """Sample `item` at its new interval; nothing is queued unless its value changed."""
        self.sample_changes()
        self._group(item, now_s).add(item)

    def remove(self, items: Sequence[MonitoredItem]) -> None:
        """Sample `items` no more; their queues stay. Harmless for what was not sampled."""
        by_interval: dict[float, list[MonitoredItem]] = {}
        for item in items:
            self.unshare(item)
            by_interval.setdefault(item.settings.sampling_interval_ms, []).append(item)
        self.sample_changes()
        for interval_ms, some in by_interval.items():
            group = self._group_at(interval_ms)
            if group is not None:
                group.discard(some)
                if not group:
                    self._intervals.pop(interval_ms, None)

    def unshare(self, item: MonitoredItem) -> None:
        """Let the item's queue hold what it has to say, and sample it by itself."""
        if item.feed is not None:
            item.feed.leave()
            item.feed = None

    def members(self, interval_ms: float) -> Members:
        """The slots that are sampled at an interval, of which there are some."""
        group = self._group_at(interval_ms)
        assert group is not None
        return group.members

    def _group_at(self, interval_ms: float) -> _Group | None:
        return self._changes if interval_ms == EVERY_CHANGE_MS else self._intervals.get(interval_ms)

    def _group(self, item: MonitoredItem, now_s: float) -> _Group:
        interval_ms = item.settings.sampling_interval_ms
        if interval_ms == EVERY_CHANGE_MS:
            if not self._changes:
                self._changes.start(now_s)
            return self._changes
        group = self._intervals.get(interval_ms)
        if group is None:
            group = self._intervals[interval_ms] = _IntervalGroup(self, interval_ms / 1000)
            group.next_s = first_instant(now_s, group.interval_s)
        return group

    def queue_present(self, items: Sequence[MonitoredItem]) -> None:
        """Queue the items' values as they are now, whatever their filters say."""
        for item in items:
            self.unshare(item)
        numbers = [(i.slot, i.source.tag) for i in items if isinstance(i.source, NumberSource)]
        if numbers:
            slots, tags = np.array(numbers).T
            self._store.push(slots, self.shown(slots, self.snapshot(tags)))
        for item in items:
            if isinstance(item.source, ObjectSource) and isinstance(item.queue, ObjectQueue):
                item.seen_stamp = item.source.stamp() if item.source.stamp else None
                item.queue.push(_read(item, item.source))

    def queue_again(self, items: Sequence[MonitoredItem]) -> None:
        """`queue_present` for items that are sampled already; nothing older comes after it."""
        self.queue_present(items)
        tags: dict[float, list[int]] = {}
        for item in items:
            if isinstance(item.source, NumberSource):
                tags.setdefault(item.settings.sampling_interval_ms, []).append(item.source.tag)
        for interval_ms, some in tags.items():
            group = self._intervals.get(interval_ms)
            if group is not None:
                group.make_up_for_none(np.array(some, np.int32))

    def snapshot(self, tags: NDArray[np.int32] | Sequence[int]) -> Samples:
        """The tags as they are now."""
        return Samples(*self._tags.snapshot(tags))

    def shown(self, slots: NDArray[np.int64], samples: Samples) -> Samples:
        """Samples in the types of the slots' Variables; a missing server time is now."""
        wire = self._store.wire_types(slots)
        value, status, source_time, server_time = samples
        if (wire != DOUBLE).any():
            value, status = project_columns(wire, value, status)
        if not server_time.all():
            server_time = np.where(server_time == 0, self.wall_clock(), server_time)
        return Samples(value, status, source_time, server_time)

    def offer(self, slots: NDArray[np.int64], samples: Samples) -> None:
        """Project and queue, where filters let it pass."""
        self._store.offer(slots, self.shown(slots, samples))


class _Group(ABC):
    """Items that are sampled together: slots of the ring store, and items that hold objects."""

    def __init__(self, sampler: Sampler, interval_s: float) -> None:
        self.sampler = sampler
        self.tags = sampler._tags
        self.interval_s = interval_s
        self.next_s = float("-inf")
        self.members = Members()
        self.objects: dict[MonitoredItem, ObjectSource] = {}
        self.polling = False

    def __bool__(self) -> bool:
        return bool(self.members) or bool(self.objects)

    def add(self, item: MonitoredItem) -> None:
        if isinstance(item.source, NumberSource):
            self.members.add(item.slot, item.source.tag)
        elif isinstance(item.source, ObjectSource):
            self.objects[item] = item.source

    def discard(self, items: Sequence[MonitoredItem]) -> None:
        self.members.discard([item.slot for item in items if item.queue is None])
        for item in items if self.objects else ():
            self.objects.pop(item, None)

    def advance(self, now_s: float) -> None:
        """Set the next instant; instants that went by are not made up for."""
        self.next_s = next_instant(self.next_s, now_s, self.interval_s)

    @abstractmethod
    def sample(self) -> None:
        """Queue what the items shall show of this instant."""

    def poll(self) -> Iterator[None]:
        """Read the objects that may have changed, a step for each."""
        try:
            for item, source in list(self.objects.items()):
                if self.objects.get(item) is source and isinstance(item.queue, ObjectQueue):
                    stamp = source.stamp() if source.stamp else None
                    if stamp is None or stamp != item.seen_stamp:
                        item.seen_stamp = stamp
                        item.queue.offer(_read(item, source))
                yield
        finally:
            self.polling = False


class _IntervalGroup(_Group):
    """The latest value at each instant."""

    def __init__(self, sampler: Sampler, interval_s: float) -> None:
        super().__init__(sampler, interval_s)
        self._generation = -1
        self._seen = np.empty(0, np.int64)
        self._moved = np.empty(0, np.bool_)
        self._spared = np.empty(0, np.bool_)
        self._cursor = self.tags.journal.cursor()

    def sample(self) -> None:
        tags = self.members.tags
        versions = self.tags.version[tags]
        if self.members.generation != self._generation:
            self._generation = self.members.generation
            self._seen = np.full(len(tags), -1)
            self._moved = self._spared = np.zeros(len(tags), np.bool_)
        moved = versions != self._seen
        wanted = moved & self._spared
        if wanted.any() and self._cursor.pending_rows <= MAKE_UP_ROWS:
            self._make_up(wanted, versions)
        self._cursor.skip()
        self._spared = np.where(moved, self._spared, self._moved)
        self._seen, self._moved = versions, moved
        changed = np.flatnonzero(moved)
        if len(changed):
            slots, rows = self.members.expand(changed)
            samples = self.sampler.snapshot(tags[changed])
            self.sampler.offer(slots, samples.rows(rows))
        if self.objects and not self.polling:
            self.polling = True
            self.sampler.start_poll(self.poll())

    def make_up_for_none(self, tags: NDArray[np.int32]) -> None:
        """These tags' present values have been queued since the last instant."""
        positions = self.members.positions(tags)
        if self.members.generation == self._generation:
            self._spared[positions[positions >= 0]] = False

    def _make_up(self, tags: NDArray[np.bool_], versions: NDArray[np.int64]) -> None:
        """Sample tags that have changed twice as they were half an interval ago, too.

        Changes as regular as the instants come around them, now a moment before and now after:
        none at one instant, two at a later one. So a tag that did not change once may do so
        twice, later; not one that rests longer.
        """
        until = self.sampler.wall_clock() - round(self.interval_s * 5_000_000)
        batches = [one for one in self._cursor.read().batches if one.server_time <= until]
        if not batches:
            return
        index, samples = _rows_of(batches)
        batch_ids = np.repeat([one.batch_id for one in batches], [len(one) for one in batches])
        positions = self.members.positions(index)
        rows = np.flatnonzero((positions >= 0) & tags[positions])
        last = np.full(len(tags), -1)
        last[positions[rows]] = rows
        twice = np.flatnonzero((last >= 0) & (batch_ids[last] != versions))
        self._spared[twice] = False
        slots, places = self.members.expand(twice)
        self.sampler.offer(slots, samples.rows(last[twice]).rows(places))


class _ChangeGroup(_Group):
    """Every change, in order."""

    def __init__(self, sampler: Sampler) -> None:
        super().__init__(sampler, DRAIN_S)
        self.cursor = self.tags.journal.cursor()
        self._lines = LogBudget(1)
        self._tag_objects: dict[int, dict[MonitoredItem, ObjectSource]] = {}

    def start(self, now_s: float) -> None:
        """Begin with what comes from now on."""
        self.cursor.skip()
        self.next_s = first_instant(now_s, self.interval_s)

    def add(self, item: MonitoredItem) -> None:
        super().add(item)
        if isinstance(item.source, ObjectSource) and item.source.tag is not None:
            self._tag_objects.setdefault(item.source.tag, {})[item] = item.source

    def discard(self, items: Sequence[MonitoredItem]) -> None:
        super().discard(items)
        for item in items if self._tag_objects else ():
            if isinstance(item.source, ObjectSource) and item.source.tag is not None:
                showing = self._tag_objects.get(item.source.tag, {})
                showing.pop(item, None)
                if not showing:
                    self._tag_objects.pop(item.source.tag, None)

    def sample(self) -> None:
        if not self.cursor.pending_rows:
            return
        batches, lost_rows = self.cursor.read()
        if batches:
            self._sample_numbers(batches)
        for batch in batches if self._tag_objects else ():
            self._sample_objects(batch)
        if lost_rows:
            self._catch_up(lost_rows)

    def _sample_numbers(self, batches: list[JournalBatch]) -> None:
        if not self.members:
            return
        index, samples = _rows_of(batches)
        positions = self.members.positions(index)
        wanted = positions >= 0
        if not wanted.all():
            rows = np.flatnonzero(wanted)
            positions, samples = positions[rows], samples.rows(rows)
        for rows in rounds(positions):
            slots, places = self.members.expand(positions[rows])
            self.sampler.offer(slots, samples.rows(rows[places]))

    def _sample_objects(self, batch: JournalBatch) -> None:
        for row, tag in enumerate(batch.index.tolist()):
            showing = self._tag_objects.get(tag)
            if showing:
                self._offer_change(showing, batch, row)

    def _offer_change(
        self, showing: dict[MonitoredItem, ObjectSource], batch: JournalBatch, row: int
    ) -> None:
        """One change of a tag; the value is made once for all that show it alike."""
        change = (
            float(batch.value[row]),
            int(batch.status[row]),
            int(batch.source_time[row]),
            batch.server_time,
            batch.objects.get(row),
        )
        made: dict[object, ua.DataValue] = {}
        for item, source in showing.items():
            show = source.show
            if isinstance(item.queue, ObjectQueue) and show is not None:
                if show not in made:
                    made[show] = show(*change)
                item.queue.offer(made[show])

    def _catch_up(self, lost_rows: int) -> None:
        """The changes in between are lost; at least nobody stays behind with an old value."""
        left_out = self._lines.spend(self.sampler.work_clock())
        if left_out is not None:
            context = {
                "lost_rows": lost_rows,
                "journal_rows": self.tags.journal.capacity_rows,
                "lines_left_out": left_out,
            }
            _log.warning(
                "changes went by before they were sampled: raise the journal's capacity",
                extra=context,
            )
        tags = self.members.tags
        slots, rows = self.members.expand(np.arange(len(tags)))
        self.sampler.offer(slots, self.sampler.snapshot(tags).rows(rows))
        for item, source in self.objects.items():
            if isinstance(item.queue, ObjectQueue):
                item.queue.offer(_read(item, source))


def _read(item: MonitoredItem, source: ObjectSource) -> ua.DataValue:
    """The value, or Bad_InternalError: a source that fails must not hold up the other items."""
    try:
        value = source.read()
    except Exception:  # noqa: BLE001  whatever it is, it is logged and shown
        if not item.failing:
            _log.exception("a value cannot be read", extra={"node": item.read.NodeId.to_string()})
        item.failing = True
        return ua.DataValue(ua.Variant(), ua.StatusCode(ua.UInt32(StatusCodes.BadInternalError)))
    item.failing = False
    return value


def _rows_of(batches: Sequence[JournalBatch]) -> tuple[NDArray[np.int32], Samples]:
    """The tags of all rows, and what they were updated with."""
    return _joined([batch.index for batch in batches]), Samples(
        _joined([batch.value for batch in batches]),
        _joined([batch.status for batch in batches]),
        _joined([batch.source_time for batch in batches]),
        np.repeat([batch.server_time for batch in batches], [len(b) for b in batches]),
    )


def _joined(columns: list[NDArray[Any]]) -> NDArray[Any]:
    return columns[0] if len(columns) == 1 else np.concatenate(columns)
