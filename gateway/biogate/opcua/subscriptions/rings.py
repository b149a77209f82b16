"""The queues of all monitored items that show numbers, as columns of one ring pool.

A monitored item is a *slot*. Its queue is `capacity` neighbouring places of the pool, used as a
ring. All operations take arrays of slots, so that a thousand items cost a few numpy calls; within
one call a slot occurs once.

A *template* is a slot without a ring that stands for the slots of several Subscriptions with the
same settings: what its filter lets pass is handed on, together with that of its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from biogate.opcua.codec.columns import Notifications

OVERFLOW = 0x480
"""InfoType DataValue and the Overflow bit, in a StatusCode's InfoBits (Part 4, 7.38)."""

STATUS_VALUE_TIME = 2
"""The DataChangeTrigger that looks at the source time too (Part 4, 7.22.2)."""

Slots = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ItemSettings:
    """What a slot is created with.

    `tag`: index in the tag table; `wire`: built-in type id; `timestamps`: TimestampsToReturn;
    `trigger`: DataChangeTrigger; `deadband`: absolute, in the tag's unit, 0 for none;
    `capacity`: revised queue size.
    """

    tag: int
    client_handle: int
    wire: int
    timestamps: int
    trigger: int
    deadband: float
    capacity: int
    discard_oldest: bool


class Samples(NamedTuple):
    """Values of as many tags or items; columns as in `biogate.tags.Snapshot`."""

    value: NDArray[np.float64]
    status: NDArray[np.uint32]
    source_time: NDArray[np.int64]
    server_time: NDArray[np.int64]

    def rows(self, rows: NDArray[np.intp] | slice) -> Samples:
        """Some of the rows."""
        return Samples(
            self.value[rows], self.status[rows], self.source_time[rows], self.server_time[rows]
        )


Outlet = Callable[[NDArray[np.int64], Samples], None]
"""Takes what passed the filters of templates: their rows, each once, and the samples."""


class _Columns:
    """Named arrays of one length."""

    def __init__(self, size: int, **types: str) -> None:
        self.arrays = {name: np.zeros(size, type_) for name, type_ in types.items()}

    def grow(self, size: int) -> None:
        for name, array in self.arrays.items():
            grown = np.zeros(size, array.dtype)
            grown[: len(array)] = array
            self.arrays[name] = grown


_ITEM = {
    "tag": "i4",
    "handle": "u4",
    "wire": "u1",
    "timestamps": "u1",
    "trigger": "u1",
    "deadband": "f8",
    "discard_oldest": "?",
    "capacity": "i8",
    "base": "i8",
    "head": "i8",
    "count": "i8",
    "primed": "?",
    "last_value": "f8",
    "last_status": "u4",
    "last_time": "i8",
    "outlet": "i8",
    "row": "i8",
    "pushes": "u4",
    "lost": "i8",
}
_FILTER_STATE = ("primed", "last_value", "last_status", "last_time")
_PLACE = {"value": "f8", "status": "u4", "source_time": "i8", "server_time": "i8"}


class RingStore:
    """All slots and their rings. Bad arguments are programming errors: nothing is checked here."""

    def __init__(self, slots: int = 64, places: int = 256) -> None:
        self._items = _Columns(slots, **_ITEM)
        self._pool = _Columns(places, **_PLACE)
        self._slot_limit = slots
        self._first_place_limit = self._place_limit = places
        self._free_slots: list[int] = []
        self._slots_used = 0
        self._places_used = 0
        self._places_wasted = 0
        self._outlets: dict[int, Outlet] = {}
        self._outlet_numbers = count(1)
        self._watched: set[int] = set()

    @property
    def places(self) -> int:
        """Queue places that live slots own."""
        return self._places_used - self._places_wasted

    def wire_types(self, slots: Slots) -> NDArray[np.uint8]:
        """The built-in type ids that the slots show."""
        wire: NDArray[np.uint8] = self._items.arrays["wire"][slots]
        return wire

    # -- slots ----------------------------------------------------------------------------------

    def add(self, settings: ItemSettings) -> int:
        """A new slot with an empty queue."""
        slot = self._free_slot()
        items = self._items.arrays
        for column in items.values():
            column[slot] = 0
        items["tag"][slot] = settings.tag
        items["base"][slot] = self._allocate(settings.capacity)
        items["capacity"][slot] = settings.capacity
        items["wire"][slot] = settings.wire
        self.configure(slot, settings)
        return slot

    def remove(self, slots: Slots) -> None:
        """Free slots and their places; the numbers may be given out again."""
        capacity = self._items.arrays["capacity"]
        self._places_wasted += int(capacity[slots].sum())
        capacity[slots] = 0
        self._free_slots += slots.tolist()
        self._watched.difference_update(slots.tolist() if self._watched else ())
        if not self.places:
            self._start_over()

    def configure(self, slot: int, settings: ItemSettings) -> None:
        """New settings of a slot, but for its tag and wire type; the queue is kept.

        A queue that gets smaller loses what its discard policy says, and shows that it did.
        """
        items = self._items.arrays
        items["handle"][slot] = settings.client_handle
        items["timestamps"][slot] = settings.timestamps
        items["trigger"][slot] = settings.trigger
        items["deadband"][slot] = settings.deadband
        items["discard_oldest"][slot] = settings.discard_oldest
        if settings.capacity != items["capacity"][slot]:
            self._resize(slot, settings.capacity)

    def clear(self, slot: int) -> None:
        """Empty the queue; the next value is queued whatever it is (Part 4, 5.13.4)."""
        items = self._items.arrays
        items["count"][slot] = 0
        items["primed"][slot] = False

    def _free_slot(self) -> int:
        if self._free_slots:
            return self._free_slots.pop()
        if self._slots_used == self._slot_limit:
            self._slot_limit *= 2
            self._items.grow(self._slot_limit)
        self._slots_used += 1
        return self._slots_used - 1

    def _resize(self, slot: int, capacity: int) -> None:
        items = self._items.arrays
        old = self._pool_positions(slot)
        keep = old[-capacity:] if items["discard_oldest"][slot] else old[:capacity]
        queued = [column[keep] for column in self._pool.arrays.values()]
        self._places_wasted += int(items["capacity"][slot])
        items["capacity"][slot] = items["count"][slot] = 0
        base = self._allocate(capacity)
        for column, values in zip(self._pool.arrays.values(), queued, strict=True):
            column[base : base + len(keep)] = values
        if len(keep) < len(old) and capacity > 1:
            marked = base if items["discard_oldest"][slot] else base + len(keep) - 1
            self._pool.arrays["status"][marked] |= OVERFLOW
            items["lost"][slot] += len(old) - len(keep)
        items["base"][slot], items["head"][slot] = base, 0
        items["capacity"][slot], items["count"][slot] = capacity, len(keep)

    def _pool_positions(self, slot: int) -> NDArray[np.int64]:
        items = self._items.arrays
        order = items["head"][slot] + np.arange(items["count"][slot])
        positions: NDArray[np.int64] = items["base"][slot] + order % items["capacity"][slot]
        return positions

    def _allocate(self, capacity: int) -> int:
        if self._places_used + capacity > self._place_limit:
            if self._places_wasted * 2 >= self._places_used:
                self._compact()
            while self._places_used + capacity > self._place_limit:
                self._place_limit *= 2
            self._pool.grow(self._place_limit)
        self._places_used += capacity
        return self._places_used - capacity

    def _start_over(self) -> None:
        """No ring is left: give the memory back."""
        self._places_used = self._places_wasted = 0
        if self._place_limit > self._first_place_limit:
            self._place_limit = self._first_place_limit
            self._pool = _Columns(self._place_limit, **_PLACE)

    def _compact(self) -> None:
        """Move the rings of the live slots together, at the front of the pool."""
        items = self._items.arrays
        live = np.flatnonzero(items["capacity"][: self._slots_used])
        capacity = items["capacity"][live]
        bases = np.cumsum(capacity) - capacity
        places = int(capacity.sum())
        sources = np.repeat(items["base"][live] - bases, capacity) + np.arange(places)
        for column in self._pool.arrays.values():
            column[:places] = column[sources]
        items["base"][live] = bases
        self._places_used, self._places_wasted = places, 0

    def watch(self, slot: int) -> None:
        """Count what is pushed into a slot's queue from now on."""
        self._watched.add(slot)

    def unwatch(self, slot: int) -> None:
        """Need the count of a slot no longer."""
        self._watched.discard(slot)

    def pushes(self, slot: int) -> int:
        """How much was pushed into the queue of a slot that is watched; wraps around."""
        return int(self._items.arrays["pushes"][slot])

    # -- templates ------------------------------------------------------------------------------

    def add_templates(self, slots: Slots, outlet: Outlet) -> Slots:
        """Slots that filter as `slots` do from now on, and hand what passes to `outlet`.

        Their rows are the places in `slots`.
        """
        number = next(self._outlet_numbers)
        templates = np.array([self._free_slot() for _ in range(len(slots))], np.int64)
        items = self._items.arrays
        for column in items.values():
            column[templates] = column[slots]
        for name in ("base", "head", "count", "capacity"):
            items[name][templates] = 0
        items["outlet"][templates] = number
        items["row"][templates] = np.arange(len(slots))
        self._outlets[number] = outlet
        return templates

    def remove_templates(self, templates: Slots) -> None:
        """Forget templates that were added together."""
        outlet = self._items.arrays["outlet"]
        del self._outlets[int(outlet[templates[0]])]
        outlet[templates] = 0
        self.remove(templates)

    def columns(self, slots: Slots, *names: str) -> list[NDArray[Any]]:
        """Some settings of the slots, see `ItemSettings`."""
        return [self._items.arrays[name][slots] for name in names]

    def filter_alike(self, slots: Slots, others: Slots) -> bool:
        """Whether the filters of both, which have the same settings, compare with the same."""
        items = self._items.arrays
        value, other = items["last_value"][slots], items["last_value"][others]
        same = (value == other) | (np.isnan(value) & np.isnan(other))
        same &= items["last_status"][slots] == items["last_status"][others]
        same &= items["primed"][slots] == items["primed"][others]
        later = items["last_time"][slots] != items["last_time"][others]
        return bool((same & ~(later & (items["trigger"][slots] == STATUS_VALUE_TIME))).all())

    def copy_filters(self, slots: Slots, others: Slots) -> None:
        """Let the filters of `slots` compare with what those of `others` do."""
        for name in _FILTER_STATE:
            column = self._items.arrays[name]
            column[slots] = column[others]

    # -- values ---------------------------------------------------------------------------------

    def offer(self, slots: Slots, samples: Samples) -> None:
        """Queue the samples that the slots' filters let pass (Part 4, 7.22.2).

        A slot's first sample always passes. Compared is with the last value that was queued.
        """
        passing = self._changed(slots, samples)
        if not passing.all():
            rows = np.flatnonzero(passing)
            slots, samples = slots[rows], samples.rows(rows)
        if self._outlets:
            slots, samples = self._hand_on(slots, samples)
        if len(slots):
            self.push(slots, samples)

    def _hand_on(self, slots: Slots, samples: Samples) -> tuple[Slots, Samples]:
        """Give the templates' samples to their outlets; what is left for rings."""
        items = self._items.arrays
        outlets = items["outlet"][slots]
        own = outlets == 0
        if own.any():
            shared, own_rows = np.flatnonzero(~own), np.flatnonzero(own)
            rest = slots[own_rows], samples.rows(own_rows)
            slots, samples, outlets = slots[shared], samples.rows(shared), outlets[shared]
        else:
            rest = slots[:0], samples
        self._remember(slots, samples)
        template_rows = items["row"][slots]
        for number, rows in _by_number(outlets):
            self._outlets[number](template_rows[rows], samples.rows(rows))
        return rest

    def _changed(self, slots: Slots, samples: Samples) -> NDArray[np.bool_]:
        items = self._items.arrays
        value, last, trigger = samples.value, items["last_value"][slots], items["trigger"][slots]
        with np.errstate(invalid="ignore"):
            distance = np.abs(value - last)
        deadband = items["deadband"][slots]
        beyond: NDArray[np.bool_] = distance > deadband
        if beyond.all() and trigger.all():
            return beyond
        same = distance <= deadband
        same |= (value == last) | (np.isnan(value) & np.isnan(last))
        changed: NDArray[np.bool_] = ~same & (trigger >= 1)
        changed |= (trigger == STATUS_VALUE_TIME) & (
            samples.source_time != items["last_time"][slots]
        )
        changed |= samples.status != items["last_status"][slots]
        changed |= ~items["primed"][slots]
        return changed

    def push(self, slots: Slots, samples: Samples) -> None:
        """Queue one sample in each slot, whatever its filter.

        A full queue gives up a value as its discard policy says, and what stands where it was
        lost gets the Overflow bit; a queue of one just holds the newest (Part 4, 5.13.1.5).
        """
        items, pool = self._items.arrays, self._pool.arrays
        base, capacity = items["base"][slots], items["capacity"][slots]
        head, count = items["head"][slots], items["count"][slots]
        full = count == capacity
        if full.any():
            head = (head + (full & items["discard_oldest"][slots])) % capacity
            items["head"][slots] = head
        places = base + (head + count - full) % capacity
        pool["value"][places] = samples.value
        pool["status"][places] = samples.status
        pool["source_time"][places] = samples.source_time
        pool["server_time"][places] = samples.server_time
        items["count"][slots] = count + ~full
        lost = full & (capacity > 1)
        if lost.any():
            marked = np.where(items["discard_oldest"][slots], base + head, places)[lost]
            pool["status"][marked] |= np.uint32(OVERFLOW)
            items["lost"][slots] += lost
        if self._watched:
            items["pushes"][slots] += 1
        self._remember(slots, samples)

    def _remember(self, slots: Slots, samples: Samples) -> None:
        """The samples are what the next ones are compared with."""
        items = self._items.arrays
        items["primed"][slots] = True
        items["last_value"][slots] = samples.value
        items["last_status"][slots] = samples.status
        items["last_time"][slots] = samples.source_time

    def lost(self, slots: Slots) -> int:
        """How many values the slots' queues have had no room for; a queue of one has no loss."""
        return int(self._items.arrays["lost"][slots].sum())

    def available(self, slots: Slots) -> bool:
        """True when any of the slots has a value queued."""
        return len(slots) > 0 and bool(self._items.arrays["count"][slots].any())

    def take(self, slots: Slots, limit: int) -> Notifications:
        """Take up to `limit` queued values out, slot by slot, each slot's oldest first."""
        items, pool = self._items.arrays, self._pool.arrays
        slots = slots[items["count"][slots] > 0]
        counts = items["count"][slots]
        ends = np.cumsum(counts)
        if len(ends) and ends[-1] > limit:
            counts = np.clip(limit - (ends - counts), 0, counts)
            slots, counts = slots[counts > 0], counts[counts > 0]
            ends = np.cumsum(counts)
        rows = np.repeat(slots, counts)
        order = np.arange(len(rows)) - np.repeat(ends - counts, counts)
        places = items["base"][rows] + (items["head"][rows] + order) % items["capacity"][rows]
        items["head"][slots] = (items["head"][slots] + counts) % items["capacity"][slots]
        items["count"][slots] -= counts
        return Notifications(
            items["handle"][rows],
            items["wire"][rows],
            pool["value"][places],
            pool["status"][places],
            pool["source_time"][places],
            pool["server_time"][places],
            items["timestamps"][rows],
        )


def _by_number(numbers: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.intp] | slice]]:
    """Each number that occurs, and where."""
    if not len(numbers):
        return
    first = int(numbers[0])
    if (numbers == first).all():
        yield first, slice(None)
        return
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    for rows in np.split(order, np.flatnonzero(np.diff(ordered)) + 1):
        yield int(numbers[rows[0]]), rows
