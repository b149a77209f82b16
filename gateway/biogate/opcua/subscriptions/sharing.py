"""Which layouts there are, and how Subscriptions come to share one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from biogate.opcua.subscriptions.layout import Columns, Feed, Layout
from biogate.opcua.subscriptions.members import Members
from biogate.opcua.subscriptions.monitored_item import MonitoredItem
from biogate.opcua.subscriptions.rings import RingStore, Slots

MAX_LAYOUTS = 32
"""Each costs some microseconds per change; where there are more, too few Subscriptions are alike
for that to be worth it."""

_KEY_COLUMNS = ("tag", "wire", "timestamps", "trigger", "capacity", "discard_oldest")
_LAYOUT_COLUMNS = ("wire", "timestamps", "capacity", "discard_oldest")


class Groups(Protocol):
    """Where slots are sampled, by sampling interval."""

    def members(self, interval_ms: float) -> Members:
        """The slots of the group, which has some."""
        ...


@dataclass(slots=True)
class _Place:
    """The rows of a layout that are sampled at one interval."""

    interval_ms: float
    rows: NDArray[np.intp]


@dataclass(slots=True)
class _Shared:
    """A layout with the templates that are sampled for it, and the tags that they show."""

    layout: Layout
    templates: Slots
    tags: NDArray[np.int32]
    places: list[_Place]


class Sharing:
    """The layouts in use."""

    def __init__(self, groups: Groups, store: RingStore) -> None:
        self._groups = groups
        self._store = store
        self._shared: dict[bytes, _Shared] = {}

    def join(self, items: Sequence[MonitoredItem]) -> Feed | None:
        """Let items that are sampled share a layout; None when they cannot, for now or at all.

        They can when they hold numbers, have no deadband and nothing queued, and their filters
        compare with the same values as those of the others in the layout.
        """
        slots = np.array([item.slot for item in items], np.int64)
        (deadband,) = self._store.columns(slots, "deadband")
        if deadband.any() or self._store.available(slots):
            return None
        intervals = np.array([item.settings.sampling_interval_ms for item in items])
        key = self._key(slots, intervals)
        shared = self._shared.get(key)
        if shared is None:
            if len(self._shared) >= MAX_LAYOUTS:
                return None
            shared = self._shared[key] = self._begin(slots, intervals)
        elif not self._store.filter_alike(slots, shared.templates):
            return None
        for place in shared.places:
            self._groups.members(place.interval_ms).discard(slots[place.rows].tolist())
        feed = Feed(shared.layout, self._store, slots, lambda feed: self._left(key, feed))
        for item in items:
            item.feed = feed
        return feed

    def _key(self, slots: Slots, intervals: NDArray[np.float64]) -> bytes:
        digest = blake2b(intervals.tobytes(), digest_size=32)
        for column in self._store.columns(slots, *_KEY_COLUMNS):
            digest.update(column.tobytes())
        return digest.digest()

    def _begin(self, slots: Slots, intervals: NDArray[np.float64]) -> _Shared:
        (tags,) = self._store.columns(slots, "tag")
        columns = Columns(*self._store.columns(slots, *_LAYOUT_COLUMNS))
        layout = Layout(columns, self._store)
        templates = self._store.add_templates(slots, layout.append)
        places = [
            _Place(interval_ms, np.flatnonzero(intervals == interval_ms))
            for interval_ms in np.unique(intervals).tolist()
        ]
        for place in places:
            self._groups.members(place.interval_ms).add_all(templates[place.rows], tags[place.rows])
        return _Shared(layout, templates, tags, places)

    def _left(self, key: bytes, feed: Feed) -> None:
        """The feed's items are sampled by themselves; a layout that nobody shares is gone."""
        shared = self._shared[key]
        self._store.copy_filters(feed.slots, shared.templates)
        is_last = not shared.layout.feeds
        for place in shared.places:
            members = self._groups.members(place.interval_ms)
            members.add_all(feed.slots[place.rows], shared.tags[place.rows])
            if is_last:
                members.discard(shared.templates[place.rows].tolist())
        if is_last:
            self._store.remove_templates(shared.templates)
            del self._shared[key]
