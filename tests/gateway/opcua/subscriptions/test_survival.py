"""Whatever happens to sessions and connections, a queue with room loses nothing (Part 4, 5.14)."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.errors import StatusError
from biogate.opcua.subscriptions.monitored_item import SAMPLING, NumberSource, ObjectSource
from biogate.opcua.turns import complete

DOUBLE = 11
EVENTS = st.sampled_from(
    ["publish", "cycle", "change", "transfer", "move", "cut", "time out", "close", "modify"]
)


class Session:
    """A session on some connection, which may be another one later."""

    def __init__(self, server: Any) -> None:
        self.answers = server.client()
        self.connection = SimpleNamespace(writable=True)

    def publish(self) -> None:
        self.answers.publish(connection=self.connection)


def messages(session: Session) -> list[tuple[int, list[float]]]:
    """(sequence number, values) of the data that arrived, which is taken."""
    taken, session.answers.responses = session.answers.responses, []
    return [
        (
            response.NotificationMessage.SequenceNumber,
            [
                item.Value.Value.Value
                for change in response.NotificationMessage.NotificationData
                for item in getattr(change, "MonitoredItems", ())
            ],
        )
        for response in taken
        if any(
            hasattr(change, "MonitoredItems")
            for change in response.NotificationMessage.NotificationData or ()
        )
    ]


@settings(max_examples=80, deadline=None)
@given(st.lists(EVENTS, max_size=60))
def test_a_value_is_told_once_in_order_whoever_owns_the_subscription(
    new_server: Any, steps: list[str]
) -> None:
    server = new_server()
    tag = server.tag()
    server.update((tag, 0.0))
    session = Session(server)
    subscription = server.subscribe(
        session.answers, keep_alive=3, lifetime=10_000, max_notifications=3
    )
    item = server.monitor(subscription, NumberSource(tag, DOUBLE), queue_size=1000)
    written, told, gone = [0.0], [], False

    def transfer() -> Session:
        told.extend(messages(session))
        new = Session(server)
        moved = server.manager.transfer(new.answers, subscription.id)
        complete(server.manager.settle(moved, resend=False))
        return new

    for step in steps:
        if step == "change":
            written.append(written[-1] + 1)
            server.update((tag, written[-1]))
        elif step == "cycle":
            server.advance(0.1)
        elif step == "transfer" or gone:
            session, gone = transfer(), False
        elif step == "publish":
            session.publish()
        elif step == "cut":
            server.manager.connection_closed(session.connection)
        elif step == "move":
            session.connection = SimpleNamespace(writable=True)
        elif step == "modify":
            settings_ = item.settings
            server.manager.items.modify(subscription.items, item, settings_)
        else:
            told.extend(messages(session))
            server.manager.owner_closed(session.answers, delete_subscriptions=False)
            gone = True
    if gone:
        session = transfer()
    for _ in range(len(written)):
        session.publish()
        server.advance(0.1)
    told.extend(messages(session))
    assert [number for number, _ in told] == list(range(1, len(told) + 1))
    assert [value for _, values in told for value in values] == written


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "remove", "delete", "change", "cycle", "mode", "transfer"]),
            st.integers(0, 4),
            st.integers(0, 4),
        ),
        max_size=50,
    )
)
def test_links_and_items_leave_nothing_behind(
    new_server: Any, steps: list[tuple[str, int, int]]
) -> None:
    """The pool's books: numbers of items, places and links are those of what there is."""
    server = new_server()
    session = server.client()
    sessions = [session]
    subscription = server.subscribe(session, lifetime=10_000)
    pool, items = server.manager.items, subscription.items
    tags = [server.tag() for _ in range(5)]
    made = [
        server.monitor(subscription, NumberSource(tag, DOUBLE), handle=tag, queue_size=3)
        for tag in tags
    ]
    for step, first, second in steps:
        one, other = made[first], made[second]
        there = items.get(one.id) is one and items.get(other.id) is other
        if step == "change":
            server.update((tags[first], float(second)))
        elif step == "cycle":
            session.publish()
            server.advance(0.1)
        elif step == "transfer":
            session = server.client()
            sessions.append(session)
            server.manager.transfer(session, subscription.id)
            complete(server.manager.settle(subscription, resend=bool(first)))
        elif there and step == "add" and one is not other:
            pool.link(items, one, other)
            assert items.triggers.linked(one, other)
        elif there and step == "remove":
            try:
                pool.unlink(items, one, other)
            except StatusError:
                assert not items.triggers.linked(one, other)
        elif there and step == "delete":
            pool.remove(items, [one])
        elif there and step == "mode":
            pool.set_mode(items, [one], SAMPLING if second % 2 else 2)
        left = [item for item in made if items.get(item.id) is item]
        assert len(pool) == len(left)
        assert pool._store.places == 3 * len(left)
        assert pool._links == len(items.triggers)
    for one in sessions:
        server.manager.owner_closed(one, delete_subscriptions=True)
    assert (len(pool), pool._links, pool._store.places) == (0, 0, 0)
    assert not pool._store._watched
    assert not server.manager._clients


@settings(max_examples=80, deadline=None)
@given(
    st.integers(2, 4),
    st.booleans(),
    st.lists(st.sampled_from(["change", "cycle", "first", "second", "leave"]), max_size=80),
)
def test_what_was_not_told_was_counted(
    new_server: Any, size: int, discard_oldest: bool, steps: list[str]
) -> None:
    """Part 5, 12.15: MonitoringQueueOverflowCount, whether items share their sampling or not."""
    server = new_server()
    tag = server.tag()
    server.update((tag, 0.0))
    clients = [server.client(), server.client()]
    subscriptions = [server.subscribe(client, lifetime=10_000) for client in clients]
    for subscription in subscriptions:
        server.monitor(
            subscription,
            NumberSource(tag, DOUBLE),
            queue_size=size,
            discard_oldest=discard_oldest,
        )
    written = 1
    for step in steps:
        if step == "change":
            server.update((tag, float(written)))
            written += 1
        elif step == "cycle":
            server.advance(0.1)
        elif step == "leave":
            subscriptions[0].items.rearrange()
        else:
            clients[step == "second"].publish()
    for client, subscription in zip(clients, subscriptions, strict=True):
        for _ in range(3):
            client.publish()
            server.advance(0.1)
        assert len(client.values()) + subscription.items.lost_values == written


def test_the_count_outlasts_the_item(server: Any, client: Any) -> None:
    tag, text = server.tag(), []
    subscription = server.subscribe(client)
    number = server.monitor(subscription, NumberSource(tag, DOUBLE), queue_size=2)
    source = ObjectSource(lambda: ua.DataValue(ua.Variant(len(text))))
    other = server.monitor(subscription, source, queue_size=2, interval_ms=50)
    for value in range(1, 6):
        server.update((tag, float(value)))
        text.append("more")
        server.advance(0.05)
    assert subscription.items.lost_values == 4 + 4
    server.manager.items.remove(subscription.items, [number])
    server.manager.items.remove(subscription.items, [other])
    assert subscription.items.lost_values == 4 + 4


def test_many_items_are_checked_in_turns_and_nothing_is_told_meanwhile(
    server: Any, client: Any
) -> None:
    """Rights may have changed for 200,000 items: that must hold up no other client."""
    tags = [server.tag() for _ in range(30)]
    subscription = server.subscribe(client)
    items = [server.monitor(subscription, NumberSource(tag, DOUBLE), handle=tag) for tag in tags]
    client.publish()
    server.advance(0.1)
    client.values()

    def slow_verdict(owner: Any, item: Any) -> int:
        server.worked_s += 0.001
        return ua.StatusCodes.BadUserAccessDenied if item is items[-1] else 0

    server.access.verdict = slow_verdict
    server.access.epoch += 1
    server.update(*((tag, 5.0) for tag in tags))
    client.publish()
    for _ in range(4):
        server.clock.now_s += 0.1
        server.manager.tick(server.clock.now_s)
        assert not client.responses
    server.advance(0.1)
    told = dict(client.values())
    assert told == dict.fromkeys(tags[:-1], 5.0) | {tags[-1]: None}


def test_a_transfer_that_nobody_waits_for_is_completed_all_the_same(
    server: Any, client: Any
) -> None:
    tag = server.tag()
    server.update((tag, 1.0))
    subscription = server.subscribe(client)
    for handle in range(3):
        server.monitor(subscription, NumberSource(tag, DOUBLE), handle=handle)
    client.publish()
    server.advance(0.1)
    new = server.client()
    settling = server.manager.settle(server.manager.transfer(new, subscription.id), resend=False)
    next(settling)
    settling.close()
    assert subscription.available_sequence_numbers == []  # not before all is checked
    assert subscription.message(1) is None
    server.update((tag, 2.0))
    new.publish()
    server.advance(0.1)
    assert [value for _, value in new.values()] == [2.0] * 3
    assert subscription.available_sequence_numbers == [1, 2]


def test_a_client_that_comes_and_goes_leaves_a_bounded_number_of_sessions_behind(
    server: Any,
) -> None:
    limit = server.manager.limits.max_abandoned_sessions_per_client
    other = server.client()
    kept = server.subscribe(other)
    server.manager.owner_closed(other, delete_subscriptions=False)
    visits = []
    for _ in range(limit + 3):
        visitor = server.client()
        server.access.client_keys[id(visitor)] = "the same client"
        visits.append([server.subscribe(visitor), server.subscribe(visitor)])
        server.manager.owner_closed(visitor, delete_subscriptions=False)
    alive = {subscription for _, subscription in server.manager.subscriptions()}
    assert alive == {kept} | {one for both in visits[3:] for one in both}


# IEC 62443-4-2 CR 3.9: what a client does again and again must not hide what else is in the log.
def test_a_flood_of_subscriptions_that_give_way_fills_no_log(
    new_server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = new_server(max_subscriptions=1)

    for _ in range(200):
        client = server.client()
        server.subscribe(client)
        server.manager.owner_closed(client, delete_subscriptions=False)

    assert 1 <= len(caplog.records) < 50
    server.clock.now_s += 60
    server.subscribe(server.client())
    assert caplog.records[-1].lines_left_out > 100
