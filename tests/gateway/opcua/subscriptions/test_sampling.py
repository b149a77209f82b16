"""Sampling groups queue what changed, for the items that show it, and nothing else."""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.subscriptions.filters import DataFilter
from biogate.opcua.subscriptions.members import Members, rounds
from biogate.opcua.subscriptions.monitored_item import DISABLED, NumberSource, ObjectSource
from biogate.opcua.subscriptions.sampling import MAKE_UP_ROWS
from biogate_adapters import status

FLOAT, DOUBLE = 10, 11


def queued(server, item):
    rows = server.manager.items._store.take(np.array([item.slot]), 1000)
    return list(zip(rows.value.tolist(), rows.status.tolist(), strict=True))


def values(server, item):
    return [value for value, _ in queued(server, item)]


@pytest.fixture
def subscription(server, client):
    return server.subscribe(client, interval_ms=3_600_000)


def test_at_interval_zero_every_change_is_queued_in_order(server, subscription):
    tag = server.tag()
    server.update((tag, 0.0))
    item = server.monitor(subscription, NumberSource(tag, DOUBLE), queue_size=100)
    for value in range(1, 6):
        server.update((tag, value), (tag, value + 0.5))
    server.advance(0.25)
    assert values(server, item) == [0, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5]


def test_above_zero_the_latest_value_at_each_instant_is_queued(server, subscription):
    tag = server.tag()
    server.update((tag, 0.0))
    item = server.monitor(subscription, NumberSource(tag, DOUBLE), interval_ms=100, queue_size=99)
    for value in (1, 2, 3, 4):
        server.update((tag, value))
        server.advance(0.05)
    server.advance(1.0)
    assert values(server, item) == [0, 2, 4]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([-0.002, 0.002]), min_size=1, max_size=30))
def test_changes_as_regular_as_the_instants_are_all_sampled(new_server, lateness):
    """They come around the instants, now before and now after; it shows from the second on."""
    lateness = [-0.002, *lateness]
    server = new_server()
    subscription = server.subscribe(server.client(), interval_ms=3_600_000)
    tag = server.tag()
    item = server.monitor(subscription, NumberSource(tag, DOUBLE), interval_ms=100, queue_size=99)
    for value, late_s in enumerate(lateness):
        server.advance(0.1 * (value + 3) + late_s - server.clock.now_s)
        server.update((tag, float(value)))
    server.advance(0.3)
    assert values(server, item)[1:] == [float(value) for value in range(len(lateness))]


def test_a_tag_that_rested_is_sampled_once_an_instant(server, subscription):
    tag = server.tag()
    item = server.monitor(subscription, NumberSource(tag, DOUBLE), interval_ms=100, queue_size=99)
    server.advance(0.51)
    for value in (1, 2):
        server.update((tag, value))
        server.advance(0.03)
    server.advance(0.1)
    assert values(server, item)[1:] == [2]


@pytest.mark.parametrize(("rows", "heard"), [(100, [1, 2, 3]), (MAKE_UP_ROWS, [1, 3])])
def test_what_was_missed_is_not_looked_for_among_too_many_changes(
    server, subscription, rows, heard
):
    tag, busy = server.tag(), server.tag()
    item = server.monitor(subscription, NumberSource(tag, DOUBLE), interval_ms=100, queue_size=99)
    server.advance(0.25)
    server.update((tag, 1.0))
    server.advance(0.17)  # sampled at 0.3, rested at 0.4
    server.update((tag, 2.0), *[(busy, 0.0)] * (rows - 1))
    server.advance(0.05)
    server.update((tag, 3.0))
    server.advance(0.1)
    assert values(server, item)[1:] == heard


def test_a_new_item_hears_nothing_from_before_it(server, subscription):
    tag = server.tag()
    first = server.monitor(subscription, NumberSource(tag, DOUBLE), queue_size=9)
    for value in (1.0, 2.0):
        server.update((tag, value))
    second = server.monitor(subscription, NumberSource(tag, DOUBLE), queue_size=9)
    server.advance(0.25)
    assert values(server, second) == [2.0]
    assert [v for v in values(server, first) if not math.isnan(v)] == [1.0, 2.0]


def test_an_item_that_starts_again_hears_nothing_from_its_pause(server, subscription):
    tag = server.tag()
    item = server.monitor(subscription, NumberSource(tag, DOUBLE), queue_size=9, mode=DISABLED)
    server.update((tag, 1.0))
    server.advance(1.0)
    assert values(server, item) == []
    server.update((tag, 2.0))
    server.manager.items.set_mode(subscription.items, [item], 2)
    server.advance(1.0)
    assert values(server, item) == [2.0]


def test_each_item_has_its_own_filter_in_one_group(server, subscription):
    tag = server.tag()
    server.update((tag, 0.0))
    source = NumberSource(tag, DOUBLE)
    coarse, fine, state = (
        server.monitor(subscription, source, queue_size=99, filter_=filter_)
        for filter_ in (DataFilter(1, 1.0), DataFilter(1, 0.0), DataFilter(0, 0.0))
    )
    for value in (0.5, 1.0, 1.5):
        server.update((tag, value))
    server.update((tag, 1.5), status=status.UNCERTAIN)
    server.advance(0.25)
    assert values(server, coarse) == [0.0, 1.5, 1.5]
    assert values(server, fine) == [0.0, 0.5, 1.0, 1.5, 1.5]
    assert queued(server, state) == [(0.0, 0), (1.5, status.UNCERTAIN)]


def test_a_projection_is_compared_as_it_is_shown(server, subscription):
    """A change that a Float cannot show is no change of the Float."""
    tag = server.tag()
    server.update((tag, 1.0))
    double = server.monitor(subscription, NumberSource(tag, DOUBLE), queue_size=9)
    single = server.monitor(subscription, NumberSource(tag, FLOAT), queue_size=9)
    server.update((tag, 1.0 + 1e-12))
    server.advance(0.25)
    assert len(values(server, double)) == 2
    assert values(server, single) == [1.0]


def test_a_tag_that_its_type_cannot_show_is_out_of_range(server, subscription):
    tag = server.tag()
    server.update((tag, 1e300))
    item = server.monitor(subscription, NumberSource(tag, FLOAT))
    ((value, code),) = queued(server, item)
    assert math.isnan(value)
    assert code == ua.StatusCodes.BadOutOfRange


def test_when_the_journal_ran_over_the_present_values_come_and_the_loss_is_told(new_server, caplog):
    server = new_server(journal_rows=10)
    subscription = server.subscribe(server.client(), interval_ms=3_600_000)
    quiet, busy = server.tag(), server.tag()
    items = [
        server.monitor(subscription, NumberSource(tag, DOUBLE), queue_size=100)
        for tag in (quiet, busy)
    ]
    server.update((quiet, 5.0))
    for value in range(20):
        server.update((busy, value))
    with caplog.at_level(logging.WARNING):
        server.advance(0.25)
    assert values(server, items[0])[-1] == 5.0
    assert values(server, items[1])[1:] == [float(v) for v in range(10, 20)]
    assert server.manager.items.sampler.lost_rows == 11
    assert [record.lost_rows for record in caplog.records] == [11]


def test_an_object_is_read_again_only_when_its_stamp_changed(server, subscription):
    reads, stamp = [], [1]

    def read():
        reads.append(len(reads))
        return ua.DataValue(ua.Variant(stamp[0]))

    source = ObjectSource(read, lambda: stamp[0])
    item = server.monitor(subscription, source, interval_ms=100, queue_size=9)
    server.advance(1.0)
    assert len(reads) == 1
    stamp[0] = 2
    server.advance(1.0)
    assert len(reads) == 2
    assert [item.queue.take().Value.Value for _ in range(2)] == [1, 2]


def test_a_source_that_fails_is_bad_is_told_once_and_holds_up_no_other(
    server, subscription, caplog
):
    def fail():
        raise RuntimeError("broken")

    tag = server.tag()
    broken = server.monitor(subscription, ObjectSource(fail), interval_ms=100, queue_size=9)
    sound = server.monitor(subscription, NumberSource(tag, DOUBLE), interval_ms=100, queue_size=9)
    server.update((tag, 1.0))
    server.advance(1.0)
    assert len(broken.queue) == 1
    assert broken.queue.take().StatusCode.value == ua.StatusCodes.BadInternalError
    assert values(server, sound)[-1] == 1.0
    assert len([record for record in caplog.records if record.exc_info]) == 1


def test_a_group_without_items_costs_nothing(server, client):
    subscription = server.subscribe(client)
    items = [
        server.monitor(subscription, NumberSource(server.tag(), DOUBLE), interval_ms=ms)
        for ms in (0.0, 100.0)
    ]
    for item in items:
        server.manager.items.remove(subscription.items, [item])
    assert server.manager.items.sampler.next_deadline_s == float("inf")


def test_a_right_that_ends_ends_the_item_with_its_status(server, client):
    tag = server.tag()
    server.update((tag, 1.0))
    subscription = server.subscribe(client)
    item = server.monitor(subscription, NumberSource(tag, DOUBLE), queue_size=9)
    server.access.verdicts[item.id] = ua.StatusCodes.BadUserAccessDenied
    server.update((tag, 2.0))
    server.advance(0.05)
    assert not item.ended
    server.access.epoch += 1
    server.manager.check_access()
    server.update((tag, 3.0))
    server.advance(0.5)
    ((value, code),) = queued(server, item)
    assert math.isnan(value)
    assert code == ua.StatusCodes.BadUserAccessDenied
    server.manager.items.set_mode(subscription.items, [item], 0)
    server.manager.items.set_mode(subscription.items, [item], 2)
    assert values(server, item) == []


def test_an_item_follows_its_node_to_another_tag(server, client):
    old, new = server.tag(), server.tag()
    server.update((old, 1.0), (new, 2.0))
    subscription = server.subscribe(client)
    item = server.monitor(subscription, NumberSource(old, DOUBLE), queue_size=9)
    server.access.sources[item.id] = NumberSource(new, DOUBLE)
    server.access.epoch += 1
    server.manager.check_access()
    server.update((old, 10.0), (new, 20.0))
    client.publish()
    server.advance(0.1)
    assert client.values() == [(1, 2.0), (1, 20.0)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=40),
    st.lists(st.integers(0, 4), min_size=1, max_size=8),
)
def test_every_item_hears_exactly_the_changes_of_its_tag(new_server, updates, shown):
    """Batches of any shape, several items a tag, tags without items."""
    server = new_server()
    subscription = server.subscribe(server.client(), interval_ms=3_600_000)
    tags = [server.tag() for _ in range(5)]
    server.update(*((tag, -1.0) for tag in tags))
    items = [
        server.monitor(subscription, NumberSource(tags[t], DOUBLE), queue_size=100) for t in shown
    ]
    for start in range(0, len(updates), 7):
        server.update(*((tags[t], float(v)) for t, v in updates[start : start + 7]))
    server.advance(0.25)
    for item, tag in zip(items, shown, strict=True):
        heard = [-1.0]
        for t, value in updates:
            if t == tag and value != heard[-1]:
                heard.append(float(value))
        assert values(server, item) == heard


@given(st.lists(st.integers(0, 5), max_size=30))
def test_rounds_hold_each_position_once_and_keep_its_order(positions):
    parts = rounds(np.array(positions, np.int64))
    assert sorted(row for part in parts for row in part.tolist()) == list(range(len(positions)))
    for part in parts:
        held = [positions[row] for row in part]
        assert len(set(held)) == len(held)
    for position in set(positions):
        order = [row for part in parts for row in part.tolist() if positions[row] == position]
        assert order == sorted(order)


@given(st.dictionaries(st.integers(0, 30), st.integers(0, 8)), st.lists(st.integers(0, 12)))
def test_members_map_tags_to_the_slots_that_show_them(tag_of, asked):
    members = Members()
    for slot, tag in tag_of.items():
        members.add(slot, tag)
    positions = members.positions(np.array(asked, np.int32))
    for tag, position in zip(asked, positions.tolist(), strict=True):
        slots = {slot for slot, shown in tag_of.items() if shown == tag}
        if position < 0:
            assert not slots
        else:
            assert set(members.expand(np.array([position]))[0].tolist()) == slots


# -- values that are read one by one ---------------------------------------------------------------


def slow_source(server, read: list[int], number: int) -> ObjectSource:
    """A computed value that takes a millisecond to read."""

    def value() -> ua.DataValue:
        server.worked_s += 0.001
        read.append(number)
        return ua.DataValue(ua.Variant(float(len(read))))

    return ObjectSource(value)


def test_however_many_objects_are_sampled_a_tick_reads_them_for_a_slice_of_time(
    server, subscription
):
    read = []
    items = [
        server.monitor(subscription, slow_source(server, read, number), interval_ms=50)
        for number in range(20)
    ]
    read.clear()
    server.clock.now_s += 0.05
    per_tick = []
    while server.manager.next_deadline_s <= server.clock.now_s:
        before = len(read)
        server.manager.tick(server.clock.now_s)
        per_tick.append(len(read) - before)
    assert per_tick[:4] == [5, 5, 5, 5]
    assert sorted(read) == list(range(20))
    assert all(len(item.queue) == 1 for item in items)


def test_a_group_of_many_objects_does_not_keep_another_from_its_turn(server, subscription):
    read = []
    for number in range(100):
        server.monitor(subscription, slow_source(server, read, number), interval_ms=50)
    server.monitor(subscription, slow_source(server, read, 1000), interval_ms=100)
    read.clear()
    server.clock.now_s += 0.1
    for _ in range(3):
        server.manager.tick(server.clock.now_s)
    assert 1000 in read
    assert len(read) < 20


def test_an_item_that_goes_while_its_group_is_read_is_not_read(server, client):
    read = []
    subscription = server.subscribe(client)
    for number in range(10):
        server.monitor(subscription, slow_source(server, read, number), interval_ms=50)
    read.clear()
    server.clock.now_s += 0.05
    server.manager.tick(server.clock.now_s)
    server.manager.delete(client, subscription.id)
    server.advance(1.0)
    assert read == [0, 1, 2, 3, 4]


def test_new_ranges_are_taken_into_account_for_a_slice_of_time(server, client):
    """Percent deadbands (Part 8, 6.2): however many hang on a range that somebody has written."""
    subscription = server.subscribe(client, interval_ms=3_600_000)
    tag = server.tag()
    items = [
        server.monitor(
            subscription, NumberSource(tag, DOUBLE), handle=number, filter_=DataFilter(1, 1.0, 10.0)
        )
        for number in range(18)
    ]
    server.manager.tick(server.clock.now_s)
    server.access.spans = dict.fromkeys(range(18), 100.0)

    def span(node_id):
        server.worked_s += 0.001
        return server.access.spans[node_id.Identifier]

    server.access.span = span
    renewed = []
    while server.manager.next_deadline_s <= server.clock.now_s or not renewed:
        server.manager.tick(server.clock.now_s)
        renewed.append(sum(item.settings.filter.deadband == 10.0 for item in items))
    assert renewed == [5, 10, 15, 18]


def test_a_change_of_an_object_is_made_once_for_all_that_show_it_alike(server, subscription):
    tag = server.tag()
    made = []

    def show(value, *_):
        made.append(value)
        return ua.DataValue(ua.Variant(value))

    def read():
        return ua.DataValue(ua.Variant(0.0))

    alike = ObjectSource(read, tag=tag, show=show)
    other = ObjectSource(read, tag=tag, show=lambda value, *_: ua.DataValue(ua.Variant(-value)))
    items = [server.monitor(subscription, source, queue_size=9) for source in (alike, alike, other)]
    server.update((tag, 1.0), (tag, 2.0))
    server.advance(0.25)
    assert made == [1.0, 2.0]
    heard = [[item.queue.take().Value.Value for _ in range(3)] for item in items]
    assert heard == [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0], [0.0, -1.0, -2.0]]
