"""What Subscriptions of the same items have in common: samples are taken and encoded once.

Subscriptions whose numbers are the same tags in the same order, shown, sampled, filtered and
queued the same way, have one *layout*. Its templates are sampled in their place, and what passes
goes into a short log of batches. Each Subscription has a place in that log, its *feed*: when it
publishes, the notifications since its place are made once for all that stand there, but for the
client handles. A feed whose Subscription does not come along has its batches pushed into the
queues of its own items, before the log forgets them; from there everything goes on as for items
that share nothing. So sharing shows in nothing but time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biogate.opcua.codec.columns import (
    EncodedNotifications,
    Notifications,
    data_change_notification,
)
from biogate.opcua.subscriptions.rings import OVERFLOW, RingStore, Samples, Slots

MAX_BATCHES = 64
MAX_ROWS_PER_ITEM = 8
_ROWS_ANYWAY = 1024
_PUSHED_TOGETHER = 4096


class Batch(NamedTuple):
    """Samples that passed together; `rows` are places in the layout, each at most once."""

    rows: NDArray[np.int64]
    samples: Samples


class Columns(NamedTuple):
    """The settings of a layout's items that matter for their queues, see `ItemSettings`."""

    wire: NDArray[np.uint8]
    timestamps: NDArray[np.uint8]
    capacity: NDArray[np.int64]
    discard_oldest: NDArray[np.bool_]


class DataChanges(NamedTuple):
    """`number` notifications one after the other, and the DataChangeNotification of them."""

    number: int
    notifications: bytes
    encoded: bytes


class _Pending:
    """What those have to say who stand at one place of the log; bytes by client handles."""

    def __init__(
        self, rows: NDArray[np.int64], notifications: EncodedNotifications, lost: int
    ) -> None:
        self.rows = rows
        self.notifications = notifications
        self.lost = lost
        self._made: dict[bytes, DataChanges] = {}

    def for_handles(self, feed: Feed) -> DataChanges:
        made = self._made.get(feed.handles_key)
        if made is None:
            notifications = self.notifications
            encoded = notifications.with_handles(feed.handles[self.rows])
            number = notifications.count
            changes = data_change_notification(number, encoded)
            made = self._made[feed.handles_key] = DataChanges(number, encoded, changes)
        return made


class Layout:
    """The log of one layout. `append` takes what the templates' filters let pass."""

    def __init__(self, columns: Columns, store: RingStore) -> None:
        self.columns = columns
        self._store = store
        self.feeds: set[Feed] = set()
        self.end = 0
        self._first = 0
        self._rows = 0
        self._least_capacity = int(columns.capacity.min(initial=1 << 31))
        self._max_rows = _ROWS_ANYWAY + MAX_ROWS_PER_ITEM * len(columns.wire)
        self._log: deque[Batch] = deque()
        self._pending: dict[int, _Pending] = {}

    def append(self, rows: NDArray[np.int64], samples: Samples) -> None:
        """One more batch; what everybody has taken or can take no more is forgotten."""
        self._pending.clear()
        self._log.append(Batch(rows, samples))
        self._rows += len(rows)
        self.end += 1
        self._forget(min((feed.place for feed in self.feeds), default=self.end))
        while len(self._log) > MAX_BATCHES or self._rows > self._max_rows:
            self._queue_oldest()

    def _queue_oldest(self) -> None:
        """Push the oldest batch into the queues of those that stand before it, many at once:
        there may be hundreds that do not come along."""
        rows, samples = self._log[0]
        behind = [feed for feed in self.feeds if feed.place == self._first]
        together = max(1, _PUSHED_TOGETHER // len(rows))
        for first in range(0, len(behind), together):
            some = behind[first : first + together]
            slots = np.concatenate([feed.slots[rows] for feed in some])
            self._store.push(slots, samples.rows(np.tile(np.arange(len(rows)), len(some))))
        for feed in behind:
            feed.place += 1
            feed.has_queued = True
        self._forget(self._first + 1)

    def _forget(self, place: int) -> None:
        while self._first < place:
            self._rows -= len(self._log.popleft().rows)
            self._first += 1

    def since(self, place: int) -> Sequence[Batch]:
        """The batches from `place` to the end."""
        return list(islice(self._log, place - self._first, None))

    def pending(self, place: int) -> _Pending:
        """The notifications since `place`, which is before the end."""
        pending = self._pending.get(place)
        if pending is None:
            pending = self._pending[place] = self._encode(self.since(place))
        return pending

    def _encode(self, batches: Sequence[Batch]) -> _Pending:
        rows, samples = batches[0]
        if len(batches) > 1:
            rows = np.concatenate([batch.rows for batch in batches])
            samples = Samples(
                *(np.concatenate(c) for c in zip(*(b.samples for b in batches), strict=True))
            )
        lost = 0
        if not (rows[1:] > rows[:-1]).all():
            order = np.argsort(rows, kind="stable")
            rows, samples = rows[order], samples.rows(order)
            # As many as there are batches is the most that one item may have to say.
            if len(batches) > self._least_capacity and (rows[1:] == rows[:-1]).any():
                all_rows = rows
                rows, samples = _queued(all_rows, samples, self.columns)
                lost = _lost(all_rows, rows, self.columns)
        wire, timestamps = self.columns.wire[rows], self.columns.timestamps[rows]
        handles = np.zeros(len(rows), np.uint32)
        notifications = Notifications(handles, wire, *samples, timestamps)
        return _Pending(rows, EncodedNotifications(notifications), lost)


def _lost(rows: NDArray[np.int64], kept: NDArray[np.int64], columns: Columns) -> int:
    """How many of the values in `rows` queues had no room for; a queue of one has no loss."""
    counted = columns.capacity > 1
    return int(np.count_nonzero(counted[rows]) - np.count_nonzero(counted[kept]))


def _queued(
    rows: NDArray[np.int64], samples: Samples, columns: Columns
) -> tuple[NDArray[np.int64], Samples]:
    """What queues hold when these samples are pushed into them, empty before.

    `rows` ascend, equal ones in the order of their coming. The rules are those of
    `RingStore.push`.
    """
    starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
    counts = np.diff(np.r_[starts, len(rows)])
    number = np.arange(len(rows)) - np.repeat(starts, counts)
    left = np.repeat(counts, counts) - number
    capacity, oldest_goes = columns.capacity[rows], columns.discard_oldest[rows]
    full = np.repeat(counts, counts) > capacity
    kept = np.where(oldest_goes, left <= capacity, (number < capacity - 1) | (left == 1))
    marked = full & (capacity > 1) & np.where(oldest_goes, left == capacity, left == 1)
    status = np.where(marked, samples.status | np.uint32(OVERFLOW), samples.status)
    places = np.flatnonzero(kept)
    return rows[places], samples._replace(status=status).rows(places)


class Feed:
    """One Subscription's place in a layout, and the slots of its items in the layout's order.

    `on_leave` is called when they are to be sampled by themselves again. `lost` counts values that
    the queues would not have had room for, beside those that they have counted.
    """

    def __init__(
        self, layout: Layout, store: RingStore, slots: Slots, on_leave: Callable[[Feed], None]
    ) -> None:
        self.layout = layout
        self.slots = slots
        (self.handles,) = store.columns(slots, "handle")
        self.handles_key = self.handles.tobytes()
        self.place = layout.end
        self.joined = True
        self.has_queued = False
        self.lost = 0
        self._store = store
        self._on_leave = on_leave
        layout.feeds.add(self)

    @property
    def available(self) -> bool:
        """True when there is something to say."""
        return self.place < self.layout.end or self.has_queued

    def queue(self) -> None:
        """Push what came since its place into the queues of the items."""
        for rows, samples in self.layout.since(self.place):
            self._store.push(self.slots[rows], samples)
            self.has_queued = True
        self.place = self.layout.end

    def take(self, most: int) -> DataChanges | None:
        """All that there is to say, or None after what there is was pushed into the queues: when
        these hold something, or it is more than the `most` that may be said."""
        layout = self.layout
        if self.place == layout.end:
            return None
        if not self.has_queued:
            pending = layout.pending(self.place)
            if pending.notifications.count <= most:
                self.place = layout.end
                self.lost += pending.lost
                return pending.for_handles(self)
        self.queue()
        return None

    def taken(self) -> None:
        """Something was taken out of the queues."""
        self.has_queued = self._store.available(self.slots)

    def leave(self) -> None:
        """Go on without the layout; nothing is lost. Harmless when done already."""
        if self.joined:
            self.queue()
            self.joined = False
            self.layout.feeds.discard(self)
            self._on_leave(self)
