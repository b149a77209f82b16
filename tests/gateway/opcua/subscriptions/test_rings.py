"""Columns of queues behave as one plain queue per item does (Part 4, 5.13.1.5 and 7.22.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.subscriptions.rings import OVERFLOW, ItemSettings, RingStore, Samples

Sample = tuple[float, int, int]


def item(capacity: int = 1, *, discard_oldest: bool = True, handle: int = 1, trigger: int = 1,
         deadband: float = 0.0) -> ItemSettings:  # fmt: skip
    return ItemSettings(0, handle, 11, 2, trigger, deadband, capacity, discard_oldest)


def samples(*rows: Sample) -> Samples:
    value, status, time = zip(*rows, strict=True)
    times = np.array(time, np.int64)
    return Samples(np.array(value, np.float64), np.array(status, np.uint32), times, times)


def offer(store: RingStore, slot: int, *values: float) -> None:
    for value in values:
        store.offer(np.array([slot]), samples((value, 0, 0)))


def queued(store: RingStore, slot: int) -> list[tuple[float, int]]:
    rows = store.take(np.array([slot]), 1_000_000)
    return list(zip(rows.value.tolist(), rows.status.tolist(), strict=True))


def test_a_full_queue_that_discards_the_oldest_marks_the_first_that_is_left():
    """Conformance unit Monitor Queueing: queue 3, six writes."""
    store = RingStore()
    slot = store.add(item(3))
    offer(store, slot, 1, 2, 3, 4, 5, 6)
    assert queued(store, slot) == [(4, OVERFLOW), (5, 0), (6, 0)]


def test_a_full_queue_that_discards_the_newest_marks_the_last():
    store = RingStore()
    slot = store.add(item(3, discard_oldest=False))
    offer(store, slot, 1, 2, 3, 4, 5, 6)
    assert queued(store, slot) == [(1, 0), (2, 0), (6, OVERFLOW)]


@pytest.mark.parametrize("discard_oldest", [True, False])
def test_a_queue_of_one_holds_the_newest_and_has_no_overflow(discard_oldest):
    store = RingStore()
    slot = store.add(item(1, discard_oldest=discard_oldest))
    offer(store, slot, 1, 2, 3)
    assert queued(store, slot) == [(3, 0)]


def test_the_memory_of_long_queues_is_given_back_with_the_last_of_them():
    store = RingStore()
    first, second = store.add(item(100_000)), store.add(item(3))
    store.remove(np.array([first]))
    offer(store, second, 1)
    assert queued(store, second) == [(1, 0)]
    store.remove(np.array([second]))
    assert len(store._pool.arrays["value"]) <= 256
    third = store.add(item(2))
    offer(store, third, 1, 2)
    assert queued(store, third) == [(1, 0), (2, 0)]


def test_the_overflow_bit_is_no_change_of_status():
    store = RingStore()
    slot = store.add(item(2, discard_oldest=False))
    offer(store, slot, 1, 2, 3, 3, 3)
    assert queued(store, slot) == [(1, 0), (3, OVERFLOW)]


def test_an_absolute_deadband_compares_with_the_last_queued_value():
    """A slow drift passes once it has gone the deadband's way; equal to it is not beyond it."""
    store = RingStore()
    slot = store.add(item(10, deadband=1.0))
    offer(store, slot, 0.0, 0.5, 1.0, 1.25, 1.75, 2.25, 2.5)
    assert [value for value, _ in queued(store, slot)] == [0.0, 1.25, 2.5]


def test_a_status_change_passes_every_deadband_and_trigger():
    for trigger in (0, 1, 2):
        store = RingStore()
        slot = store.add(item(10, deadband=100.0, trigger=trigger))
        for status in (0, 0x40900000, 0x40900000, 0):
            store.offer(np.array([slot]), samples((1.0, status, 0)))
        assert [status for _, status in queued(store, slot)] == [0, 0x40900000, 0]


def test_triggers_look_at_status_at_value_and_at_source_time():
    rows = [(1.0, 0, 1), (1.0, 0, 2), (2.0, 0, 3)]
    passed = {}
    for trigger in (0, 1, 2):
        store = RingStore()
        slot = store.add(item(10, trigger=trigger))
        for row in rows:
            store.offer(np.array([slot]), samples(row))
        passed[trigger] = [value for value, _ in queued(store, slot)]
    assert passed == {0: [1.0], 1: [1.0, 2.0], 2: [1.0, 1.0, 2.0]}


def test_nan_after_nan_is_no_change_and_infinity_equals_itself():
    store = RingStore()
    slot = store.add(item(10, deadband=0.5))
    offer(store, slot, math.nan, math.nan, math.inf, math.inf, 1.0)
    assert [repr(value) for value, _ in queued(store, slot)] == ["nan", "inf", "1.0"]


def test_after_clear_the_next_value_is_queued_though_it_is_the_same():
    store = RingStore()
    slot = store.add(item(10))
    offer(store, slot, 5.0)
    store.clear(slot)
    offer(store, slot, 5.0)
    assert queued(store, slot) == [(5.0, 0)]


def test_taking_is_limited_and_goes_on_where_it_stopped():
    store = RingStore()
    slots = np.array([store.add(item(4, handle=h)) for h in (1, 2, 3)])
    for slot in slots:
        offer(store, int(slot), 1, 2, 3)
    taken = [store.take(slots, 4) for _ in range(3)]
    assert [t.client_handle.tolist() for t in taken] == [[1, 1, 1, 2], [2, 2, 3, 3], [3]]
    assert [t.value.tolist() for t in taken] == [[1, 2, 3, 1], [2, 3, 1, 2], [3]]
    assert not store.available(slots)


def test_a_queue_that_shrinks_keeps_what_its_policy_keeps_and_says_that_it_lost():
    store = RingStore()
    oldest, newest = store.add(item(5)), store.add(item(5, discard_oldest=False))
    for slot in (oldest, newest):
        offer(store, slot, 1, 2, 3, 4)
    store.configure(oldest, item(2))
    store.configure(newest, item(2, discard_oldest=False))
    assert queued(store, oldest) == [(3, OVERFLOW), (4, 0)]
    assert queued(store, newest) == [(1, 0), (2, OVERFLOW)]


def test_places_of_removed_items_are_used_again():
    store = RingStore(places=16)
    keep = store.add(item(3))
    offer(store, keep, 7, 8, 9)
    for _ in range(1000):
        store.remove(np.array([store.add(item(10))]))
    assert store.places == 3
    assert len(store._pool.arrays["value"]) <= 64
    assert queued(store, keep) == [(7, 0), (8, 0), (9, 0)]


@dataclass
class Model:
    """One item, as plain as can be."""

    settings: ItemSettings
    values: list[list[float | int]] = field(default_factory=list)
    last: Sample | None = None

    def offer(self, sample: Sample) -> None:
        if self.last is None or self._passes(*sample, *self.last):
            self.last = sample
            if len(self.values) == self.settings.capacity:
                self.values.pop(0 if self.settings.discard_oldest else -1)
                self.values.append([sample[0], sample[1]])
                self._mark()
            else:
                self.values.append([sample[0], sample[1]])

    def _passes(self, value, status, time, last_value, last_status, last_time) -> bool:
        if status != last_status:
            return True
        changed = not (value == last_value or (math.isnan(value) and math.isnan(last_value)))
        beyond = not abs(value - last_value) <= self.settings.deadband
        return (self.settings.trigger >= 1 and changed and beyond) or (
            self.settings.trigger == 2 and time != last_time
        )

    def _mark(self) -> None:
        if self.settings.capacity > 1:
            place = 0 if self.settings.discard_oldest else -1
            self.values[place][1] |= OVERFLOW

    def configure(self, settings: ItemSettings) -> None:
        self.settings = settings
        if len(self.values) > settings.capacity:
            cut = slice(-settings.capacity, None)
            self.values = self.values[cut if settings.discard_oldest else slice(settings.capacity)]
            self._mark()

    def take(self) -> list[tuple[float, int]]:
        taken, self.values = [tuple(v) for v in self.values], []
        return taken


configurations = st.builds(
    item,
    st.integers(1, 6),
    discard_oldest=st.booleans(),
    trigger=st.integers(0, 2),
    deadband=st.sampled_from([0.0, 1.0, 2.5]),
)
values = st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0, 5.5, math.nan, math.inf])
sample = st.tuples(values, st.sampled_from([0, 0, 0, 0x40900000]), st.integers(0, 3))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_many_items_in_columns_are_as_many_plain_queues(data):
    store, models = RingStore(slots=2, places=4), {}
    for _ in range(data.draw(st.integers(5, 30))):
        choices = (
            ["add"] + ["offer"] * 6 * bool(models) + ["take", "configure", "remove"] * bool(models)
        )
        step = data.draw(st.sampled_from(choices))
        slots = sorted(models)
        if step == "add":
            made = data.draw(configurations)
            models[store.add(made)] = Model(made)
        elif step == "offer":
            some = data.draw(st.lists(st.sampled_from(slots), unique=True, min_size=1))
            rows = [data.draw(sample) for _ in some]
            store.offer(np.array(some), samples(*rows))
            for slot, row in zip(some, rows, strict=True):
                models[slot].offer(row)
        elif step == "take":
            for slot in slots:
                assert repr(queued(store, slot)) == repr(models[slot].take())
        else:
            slot = data.draw(st.sampled_from(slots))
            if step == "remove":
                store.remove(np.array([slot]))
                del models[slot]
            else:
                changed = data.draw(configurations)
                store.configure(slot, changed)
                models[slot].configure(changed)
    for slot in sorted(models):
        assert repr(queued(store, slot)) == repr(models[slot].take())
    assert store.places == sum(m.settings.capacity for m in models.values())
