"""The queues of all monitored items that show numbers, as columns of one ring pool.

A monitored item is a *slot*. Its queue is `capacity` neighbouring places of the pool, used as a
ring. All operations take arrays of slots, so that a thousand items cost a few numpy calls; within
one call a slot occurs once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biogate.opcua.codec.columns import Notifications

OVERFLOW = 0x480
"""InfoType DataValue and the Overflow bit, in a StatusCode's InfoBits (Part 4, 7.38)."""

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

    def rows(self, rows: NDArray[np.intp]) -> Samples:
        """Some of the rows."""
        return Samples(
            self.value[rows], self.status[rows], self.source_time[rows], self.server_time[rows]
        )


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
}
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
        slot = self._free_slots.pop() if self._free_slots else self._new_slot()
        items = self._items.arrays
        for column in items.values():
            column[slot] = 0
        items["tag"][slot] = settings.tag
        items["base"][slot] = self._allocate(settings.capacity)
        items["capacity"][slot] = settings.capacity
        items["wire"][slot] = settings.wire
        self.configure(slot, settings)
        return slot

    def remove(self, slot: int) -> None:
        """Free a slot and its places; the number may be given out again."""
        capacity = self._items.arrays["capacity"]
        self._places_wasted += int(capacity[slot])
        capacity[slot] = 0
        self._free_slots.append(slot)
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

    def _new_slot(self) -> int:
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

    # -- values ---------------------------------------------------------------------------------

    def offer(self, slots: Slots, samples: Samples) -> None:
        """Queue the samples that the slots' filters let pass (Part 4, 7.22.2).

        A slot's first sample always passes. Compared is with the last value that was queued.
        """
        passing = self._changed(slots, samples)
        if passing.all():
            self.push(slots, samples)
        elif passing.any():
            rows = np.flatnonzero(passing)
            self.push(slots[rows], samples.rows(rows))

    def _changed(self, slots: Slots, samples: Samples) -> NDArray[np.bool_]:
        items = self._items.arrays
        value, last, trigger = samples.value, items["last_value"][slots], items["trigger"][slots]
        with np.errstate(invalid="ignore"):
            same = np.abs(value - last) <= items["deadband"][slots]
        same |= (value == last) | (np.isnan(value) & np.isnan(last))
        changed: NDArray[np.bool_] = ~same & (trigger >= 1)
        changed |= (trigger == 2) & (samples.source_time != items["last_time"][slots])
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
        items["primed"][slots] = True
        items["last_value"][slots] = samples.value
        items["last_status"][slots] = samples.status
        items["last_time"][slots] = samples.source_time

    def available(self, slots: Slots) -> bool:
        """True when any of the slots has a value queued."""
        return bool(self._items.arrays["count"][slots].any())

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
