"""Subscriptions of the same items share sampling and encoding, and nobody can tell but by time."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.subscriptions import layout
from biogate.opcua.subscriptions.filters import DataFilter
from biogate.opcua.subscriptions.layout import MAX_BATCHES
from biogate.opcua.subscriptions.monitored_item import NumberSource, ObjectSource
from biogate.opcua.subscriptions.rings import OVERFLOW
from biogate.opcua.subscriptions.sharing import MAX_LAYOUTS
from biogate_adapters import status

FLOAT, DOUBLE = 10, 11
REPORTING = 2
TAGS = 4


class Listener:
    """A client with one subscription; `alone` keeps it from sharing anything."""

    def __init__(self, server, *, alone=False, **parameters):
        self.server = server
        self.client = server.client()
        self.subscription = server.subscribe(
            self.client, **{"lifetime": 1000, "keep_alive": 3, **parameters}
        )
        self.items = []
        if alone:
            self.subscription.items.settle = lambda: None

    @property
    def shares(self):
        feed = self.subscription.items._feed
        return feed is not None and feed.joined

    def monitor(self, tag, wire=DOUBLE, **parameters):
        self.items.append(
            self.server.monitor(self.subscription, NumberSource(tag, wire), **parameters)
        )

    def heard(self):
        """What has been answered so far, item by item in each message."""
        told = []
        for response in self.client.responses:
            message = response.NotificationMessage
            values = {}
            for change in message.NotificationData or ():
                for item in change.MonitoredItems:
                    shown = item.Value
                    values.setdefault(item.ClientHandle, []).append(
                        (
                            repr(shown.Value.Value),
                            shown.StatusCode.value,
                            shown.SourceTimestamp,
                            shown.ServerTimestamp,
                        )
                    )
            available = tuple(response.AvailableSequenceNumbers)
            told.append((message.SequenceNumber, response.MoreNotifications, available, values))
        return told

    def numbers(self):
        return [value for _, value in self.client.values()]


def settled(server, listeners):
    """Let cycles pass until everybody may share."""
    for _ in range(4):
        for one in listeners:
            one.client.publish()
        server.advance(0.1)
        for one in listeners:
            one.client.responses.clear()


@pytest.fixture
def tags(server):
    tags = [server.tag() for _ in range(TAGS)]
    server.update(*((tag, 0.0) for tag in tags))
    return tags


@pytest.fixture
def listeners(server, tags):
    """Three clients with the same items, the last with handles of its own."""
    listeners = [Listener(server) for _ in range(3)]
    for number, one in enumerate(listeners):
        for tag in tags:
            one.monitor(tag, handle=10 * (number == 2) + tag, queue_size=3)
    settled(server, listeners)
    assert all(one.shares for one in listeners)
    return listeners


def test_clients_with_the_same_items_get_the_same_bytes_but_for_the_handles(
    server, tags, listeners
):
    server.update((tags[0], 1.0), (tags[2], 2.0))
    for one in listeners:
        one.client.publish()
    server.advance(0.1)
    assert listeners[0].heard() == listeners[1].heard()
    assert [one.client.values() for one in listeners] == [
        [(tags[0], 1.0), (tags[2], 2.0)],
        [(tags[0], 1.0), (tags[2], 2.0)],
        [(10 + tags[0], 1.0), (10 + tags[2], 2.0)],
    ]
    last = [one.subscription.message(one.subscription.next_sequence - 1) for one in listeners]
    assert last[0] == last[1] != last[2]


def test_a_tag_is_filtered_once_for_all_that_share_it(server, tags, listeners):
    members = server.manager.items.sampler.members(0.0)
    assert len(members) == len(tags)


def test_a_client_that_is_cut_off_finds_what_its_queues_could_hold(server, tags, listeners):
    """Ten minutes at 10 Hz: the newest three, the oldest of them marked (Part 4, 5.13.1.5)."""
    silent = listeners[0]
    for value in range(1, 10 * MAX_BATCHES):
        server.update((tags[0], float(value)))
        listeners[1].client.publish()
        server.advance(0.1)
    last = 10 * MAX_BATCHES - 1
    assert listeners[1].numbers() == [float(value) for value in range(1, last + 1)]
    silent.client.publish()
    (_, _, _, values) = silent.heard()[-1]
    assert [value for value, *_ in values[tags[0]]] == [f"{last - 2.0 + n}" for n in range(3)]
    assert [code for _, code, *_ in values[tags[0]]] == [OVERFLOW, 0, 0]
    assert silent.shares


def test_the_log_of_a_layout_stays_short_whoever_does_not_come_along(server, tags, listeners):
    log = listeners[0].subscription.items._feed.layout._log
    for value in range(5 * MAX_BATCHES):
        server.update(*((tag, float(value)) for tag in tags))
        server.advance(0.1)
        assert len(log) <= MAX_BATCHES
    for one in listeners:
        one.client.publish()
    server.update((tags[0], -1.0))
    for one in listeners:
        one.client.publish()
    server.advance(0.1)
    assert len(log) <= 1


def test_those_who_do_not_come_along_cost_no_more_than_one(server, tags, listeners, monkeypatch):
    store, pushes = server.manager.items._store, []
    push = store.push
    monkeypatch.setattr(
        store, "push", lambda slots, *rest: pushes.append(slots) or push(slots, *rest)
    )
    for value in range(3 * MAX_BATCHES):
        server.update((tags[0], float(value + 1)))
        server.manager.items.sampler.sample_changes()
        assert len(pushes) <= value
    assert {len(slots) for slots in pushes} == {len(listeners)}


def test_whoever_changes_an_item_goes_on_alone_and_comes_back(server, tags, listeners):
    one, other = listeners[:2]
    server.update((tags[0], 1.0))
    server.advance(0.05)
    wanted = replace(one.items[0].settings, client_handle=77)
    server.manager.items.modify(one.subscription.items, one.items[0], wanted)
    assert not one.shares
    server.update((tags[0], 2.0))
    one.client.publish()
    other.client.publish()
    server.advance(0.1)
    assert one.client.values() == [(77, 1.0), (77, 2.0)]
    assert other.client.values() == [(tags[0], 1.0), (tags[0], 2.0)]
    settled(server, listeners)
    assert one.shares
    assert one.subscription.items._feed.layout is other.subscription.items._feed.layout


def test_items_that_can_share_nothing_are_asked_ever_less_often(server, tags, monkeypatch):
    one = Listener(server)
    one.monitor(tags[0], filter_=DataFilter(1, 0.5))
    sharing, asked = server.manager.items.sampler.sharing, []
    join = sharing.join
    monkeypatch.setattr(sharing, "join", lambda items: asked.append(server.clock()) or join(items))
    server.advance(16.0)
    assert len(asked) <= 13
    server.manager.items.modify(
        one.subscription.items, one.items[0], replace(one.items[0].settings, filter=DataFilter())
    )
    one.client.publish()
    server.advance(3.2)
    assert one.shares


def test_there_are_only_so_many_layouts(server, tags):
    """The others are sampled together, each queue for itself."""
    listeners = [Listener(server) for _ in range(MAX_LAYOUTS + 2)]
    for number, one in enumerate(listeners):
        one.monitor(tags[0], queue_size=2 + number)
    settled(server, listeners)
    assert sum(one.shares for one in listeners) == MAX_LAYOUTS
    server.update((tags[0], 1.0))
    for one in listeners:
        one.client.publish()
    server.advance(0.1)
    assert [one.numbers() for one in listeners] == [[1.0]] * len(listeners)


def test_a_layout_ends_with_the_last_that_shares_it(server, tags, listeners):
    sharing = server.manager.items.sampler.sharing
    assert len(sharing._shared) == 1
    for one in listeners:
        server.manager.delete(one.client, one.subscription.id)
    assert not sharing._shared
    store = server.manager.items._store
    assert store.places == 0
    assert not store._outlets
    assert server.manager.next_deadline_s == math.inf


def test_an_item_that_ends_and_comes_back_says_so_while_the_others_share(server, tags, listeners):
    one = listeners[0]
    server.manager.items.end(one.items[0], status.BAD)
    server.advance(0.3)
    one.client.publish()
    ((_, code),) = [
        (item.ClientHandle, item.Value.StatusCode.value)
        for change in one.client.take().NotificationMessage.NotificationData
        for item in change.MonitoredItems
    ]
    assert code == status.BAD
    settled(server, listeners)
    assert one.shares
    server.manager.items.revive(one.items[0])
    one.client.publish()
    server.advance(0.1)
    assert one.client.values() == [(tags[0], 0.0)]


def test_a_deadband_keeps_an_item_with_its_own_queue(server, tags):
    one = Listener(server)
    one.monitor(tags[0], filter_=DataFilter(1, 0.5))
    settled(server, [one])
    assert not one.shares


def test_what_is_only_sampled_is_not_shared(server, tags):
    one = Listener(server)
    one.monitor(tags[0])
    one.monitor(tags[1], mode=1)
    settled(server, [one])
    assert not one.shares


def test_texts_go_along_with_shared_numbers(server, tags):
    listeners = [Listener(server) for _ in range(2)]
    texts = map(str, itertools.count())
    for one in listeners:
        one.monitor(tags[0], handle=1)
        source = ObjectSource(lambda: ua.DataValue(ua.Variant(next(texts))))
        server.monitor(one.subscription, source, handle=2, interval_ms=100)
    settled(server, listeners)
    assert all(one.shares for one in listeners)
    server.update((tags[0], 5.0))
    for one in listeners:
        one.client.publish()
    server.advance(0.1)
    for one in listeners:
        assert {handle for handle, _ in one.client.values()} == {1, 2}


# -- the same as without sharing ------------------------------------------------------------------

CLIENTS = 3
VALUES = st.sampled_from([0.0, 1.0, 2.0, math.nan, 1e300])
STATUSES = st.sampled_from([0, 0, 0, status.UNCERTAIN, status.BAD_NO_COMMUNICATION])
INTERVALS = st.sampled_from([0.0, 0.0, 50.0, 100.0, 500.0])

batches = st.tuples(
    st.lists(st.tuples(st.integers(0, TAGS - 1), VALUES), min_size=1, max_size=4), STATUSES
)
changes = st.one_of(
    st.tuples(
        st.just("modify"),
        st.integers(0, 9),
        st.fixed_dictionaries(
            {},
            optional={
                "queue_size": st.integers(1, 4),
                "discard_oldest": st.booleans(),
                "client_handle": st.integers(100, 105),
                "timestamps": st.integers(0, 3),
                "sampling_interval_ms": INTERVALS,
            },
        ),
    ),
    st.tuples(st.just("mode"), st.integers(0, 9), st.integers(0, 2)),
    st.tuples(st.just("delete"), st.integers(0, 9)),
    st.tuples(st.just("add"), st.integers(0, TAGS - 1), INTERVALS),
    st.tuples(st.just("enable"), st.booleans()),
    st.tuples(st.just("resend")),
    st.tuples(st.just("end"), st.integers(0, 9)),
    st.tuples(st.just("revive"), st.integers(0, 9)),
)
somebody = st.integers(0, CLIENTS - 1)
cycles = st.lists(
    st.tuples(
        st.lists(batches, max_size=3),
        st.sets(somebody),
        st.one_of(st.none(), st.none(), st.none(), st.tuples(somebody, changes)),
        st.sampled_from([0.02, 0.05, 0.1, 0.1, 0.1, 0.2]),
    ),
    min_size=5,
    max_size=25,
)
item_kinds = st.lists(
    st.tuples(
        st.integers(0, TAGS - 1),
        st.sampled_from([FLOAT, DOUBLE]),
        INTERVALS,
        st.integers(0, 2),
        st.integers(1, 3),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


class Twins:
    """Two clients that do the same; the second shares nothing."""

    def __init__(self, server, kinds, max_notifications):
        self.server = server
        self.both = [
            Listener(server, alone=alone, max_notifications=max_notifications)
            for alone in (False, True)
        ]
        for one in self.both:
            for number, (tag, wire, interval_ms, trigger, size, oldest) in enumerate(kinds):
                one.monitor(
                    tag,
                    wire,
                    handle=number,
                    interval_ms=interval_ms,
                    filter_=DataFilter(trigger),
                    queue_size=size,
                    discard_oldest=oldest,
                )

    def publish(self, times):
        for one in self.both:
            for _ in range(times):
                one.client.publish()

    def _each(self, number):
        for one in self.both:
            if one.items:
                yield one, one.items[number % len(one.items)]

    def modify(self, number, wanted):
        for one, item in self._each(number):
            items = one.subscription.items
            self.server.manager.items.modify(items, item, replace(item.settings, **wanted))

    def mode(self, number, mode):
        for one, item in self._each(number):
            self.server.manager.items.set_mode(one.subscription.items, [item], mode)

    def delete(self, number):
        for one, item in list(self._each(number)):
            one.items.remove(item)
            self.server.manager.items.remove(one.subscription.items, [item])

    def add(self, tag, interval_ms):
        for one in self.both:
            one.monitor(tag, handle=50 + tag, interval_ms=interval_ms)

    def enable(self, enabled):
        for one in self.both:
            one.subscription.enable(enabled=enabled)

    def resend(self):
        for one in self.both:
            for _ in self.server.manager.items.resend(one.subscription.items):
                pass

    def end(self, number):
        for _, item in self._each(number):
            if not item.ended:
                self.server.manager.items.end(item, status.BAD)

    def revive(self, number):
        for _, item in self._each(number):
            if item.ended:
                self.server.manager.items.revive(item)


@settings(max_examples=100, deadline=None)
@given(item_kinds, st.sampled_from([2, 3, 1000, 1000]), cycles)
def test_whatever_happens_sharing_shows_in_nothing_that_a_client_is_told(
    new_server, kinds, max_notifications, plan
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "MAX_BATCHES", 3)
        _told_the_same(new_server(), kinds, max_notifications, plan)


def _told_the_same(server, kinds, max_notifications, plan):
    tags = [server.tag() for _ in range(TAGS)]
    server.update(*((tag, 0.0) for tag in tags))
    clients = [Twins(server, kinds, max_notifications) for _ in range(CLIENTS)]
    for _ in range(3):
        for twins in clients:
            twins.publish(3)
        server.advance(0.1)
    for updates, publishing, change, seconds in plan:
        for rows, code in updates:
            server.update(*rows, status=code)
        if change is not None:
            number, (name, *arguments) = change
            getattr(clients[number], name)(*arguments)
        for number in publishing:
            clients[number].publish(1)
        server.advance(seconds)
    for twins in clients:
        twins.publish(20)
    server.advance(0.5)
    for twins in clients:
        sharing, alone = (one.heard() for one in twins.both)
        assert sharing == alone
