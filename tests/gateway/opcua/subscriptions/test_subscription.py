"""A subscription publishes, keeps alive, retransmits and dies as Part 4, 5.14 says."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import SimpleNamespace

import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.errors import ServiceError, StatusError
from biogate.opcua.events.queue import Origin
from biogate.opcua.subscriptions.item_set import MAX_OBJECTS
from biogate.opcua.subscriptions.monitored_item import EventSource, NumberSource, ObjectSource
from biogate.opcua.subscriptions.publish_queue import ParkedPublish
from biogate.opcua.subscriptions.states import State

DOUBLE = 11
VALUE = ua.DataValue(ua.Variant("x"))


def sequence(result: ua.PublishResult) -> int:
    return result.NotificationMessage.SequenceNumber


def is_keep_alive(result: ua.PublishResult) -> bool:
    return not result.NotificationMessage.NotificationData


def test_the_first_publishing_cycle_sends_the_initial_values(server, client):
    tag = server.tag()
    server.update((tag, 7.0))
    subscription = server.subscribe(client)
    server.monitor(subscription, NumberSource(tag, DOUBLE), handle=5)
    client.publish()
    server.advance(0.09)
    assert client.responses == []
    server.advance(0.01)
    answer = client.responses[0]
    assert client.values() == [(5, 7.0)]
    assert (sequence(answer), answer.AvailableSequenceNumbers) == (1, [1])
    assert answer.SubscriptionId == subscription.id
    assert not answer.MoreNotifications


def test_the_first_publishing_cycle_sends_a_keep_alive_when_there_is_nothing_to_say(server, client):
    server.subscribe(client)
    client.publish()
    server.advance(0.1)
    assert is_keep_alive(client.responses[0])


def test_a_keep_alive_comes_after_so_many_silent_cycles_and_uses_no_number_up(server, client):
    tag = server.tag()
    subscription = server.subscribe(client, keep_alive=3)
    for _ in range(4):
        client.publish()
    server.advance(0.1)
    server.advance(0.3)
    server.advance(0.29)
    assert [sequence(r) for r in client.responses] == [1, 1]
    assert all(map(is_keep_alive, client.responses))
    server.monitor(subscription, NumberSource(tag, DOUBLE))
    server.advance(0.01)
    assert [sequence(r) for r in client.responses] == [1, 1, 1]
    assert not is_keep_alive(client.responses[-1])
    server.advance(0.3)
    assert [sequence(r) for r in client.responses] == [1, 1, 1, 2]


def test_a_keep_alive_count_of_one_keeps_alive_in_every_cycle(server, client):
    server.subscribe(client, keep_alive=1)
    for _ in range(5):
        client.publish()
    server.advance(0.5)
    assert len(client.responses) == 5


def test_sequence_numbers_rise_by_one(server, client):
    tag = server.tag()
    server.monitor(server.subscribe(client), NumberSource(tag, DOUBLE))
    for value in range(5):
        server.update((tag, value))
        client.publish()
        server.advance(0.1)
    assert [sequence(r) for r in client.responses] == [1, 2, 3, 4, 5]


def test_the_number_after_the_largest_is_one(server, client):
    tag = server.tag()
    subscription = server.subscribe(client)
    subscription._next_sequence = 2**32 - 1
    server.monitor(subscription, NumberSource(tag, DOUBLE))
    for value in range(2):
        server.update((tag, value))
        client.publish()
        server.advance(0.1)
    assert [sequence(r) for r in client.responses] == [2**32 - 1, 1]


def test_a_late_subscription_answers_the_next_publish_request_at_once(server, client):
    tag = server.tag()
    subscription = server.subscribe(client)
    server.monitor(subscription, NumberSource(tag, DOUBLE), queue_size=9)
    server.advance(0.1)
    assert subscription.state is State.LATE
    server.update((tag, 1.0))
    server.advance(0.1)
    client.publish()
    assert [v for _, v in client.values()] == [None, 1.0]
    assert subscription.state is State.NORMAL


def test_a_message_holds_at_most_max_notifications_and_says_that_there_are_more(server, client):
    tags = [server.tag() for _ in range(5)]
    server.update(*((tag, 10.0 + tag) for tag in tags))
    subscription = server.subscribe(client, max_notifications=2)
    for tag in tags:
        server.monitor(subscription, NumberSource(tag, DOUBLE), handle=tag)
    client.publish()
    client.publish()
    server.advance(0.1)
    assert [r.MoreNotifications for r in client.responses] == [True, True]
    client.publish()  # the rest goes out without waiting for the next cycle
    assert [r.MoreNotifications for r in client.responses] == [True, True, False]
    assert sorted(client.values()) == [(tag, 10.0 + tag) for tag in tags]


def test_a_limit_of_notifications_starves_no_item(server, client):
    """One Publish request a cycle, more changes than a message holds: all items get their turn."""
    tags = [server.tag() for _ in range(6)]
    subscription = server.subscribe(client, max_notifications=2)
    for tag in tags:
        server.monitor(subscription, NumberSource(tag, DOUBLE), handle=tag)
    for value in range(12):
        server.update(*((tag, value) for tag in tags))
        client.publish()
        server.advance(0.1)
    assert {handle for handle, _ in client.values()} == set(tags)


def test_a_message_is_no_larger_than_the_client_takes(server, client):
    """MaxResponseMessageSize (Part 4, 5.7.2.2): what would be lost is told in the next message."""
    tag = server.tag()
    subscription = server.subscribe(client)
    for handle in range(100):
        server.monitor(subscription, NumberSource(tag, DOUBLE), handle=handle)
    for handle in range(100, 110):
        text = ua.DataValue(ua.Variant(f"{handle}" * 50))
        server.monitor(subscription, ObjectSource(lambda t=text: t), handle=handle)
    server.update((tag, 1.0))
    for _ in range(20):
        client.publish(room=1000, acknowledge=((subscription.id, 1),))
    server.advance(0.1)
    assert max(client.sizes) <= 1000
    more = [response.MoreNotifications for response in client.responses]
    assert more == [True] * (len(more) - 1) + [False]
    assert len(more) < 10
    assert sorted(handle for handle, _ in client.values()) == list(range(110))


def test_a_value_larger_than_the_client_takes_is_told_as_bad_and_logged_once(
    server, client, caplog
):
    subscription = server.subscribe(client)
    texts = itertools.cycle("abc")
    source = ObjectSource(lambda: ua.DataValue(ua.Variant(next(texts) * 2000)))
    server.monitor(subscription, source, interval_ms=100)
    for _ in range(3):
        client.publish(room=1000)
        server.advance(0.1)
    statuses = [
        item.Value.StatusCode.value
        for response in client.responses
        for change in response.NotificationMessage.NotificationData
        for item in change.MonitoredItems
    ]
    assert statuses[0] == ua.StatusCodes.BadEncodingLimitsExceeded
    assert max(client.sizes) <= 1000
    assert len(caplog.records) == 1


def test_messages_stay_for_republish_until_they_are_acknowledged(server, client):
    tag = server.tag()
    subscription = server.subscribe(client)
    server.monitor(subscription, NumberSource(tag, DOUBLE))
    client.publish()
    server.advance(0.1)
    server.update((tag, 2.0))
    client.publish()
    server.advance(0.1)
    assert client.responses[-1].AvailableSequenceNumbers == [1, 2]
    assert subscription.message(1) is not None
    client.publish(acknowledge=((subscription.id, 1), (subscription.id, 1), (999, 1)))
    server.update((tag, 3.0))
    server.advance(0.1)
    last = client.responses[-1]
    assert [code.value for code in last.Results] == [
        0,
        ua.StatusCodes.BadSequenceNumberUnknown,
        ua.StatusCodes.BadSubscriptionIdInvalid,
    ]
    assert last.AvailableSequenceNumbers == [2, 3]
    assert subscription.message(1) is None


def test_the_retransmission_queue_is_bounded_in_messages_and_bytes(server, client):
    tag = server.tag()
    subscription = server.subscribe(client)
    server.monitor(subscription, NumberSource(tag, DOUBLE))

    def publish(times):
        for _ in range(times):
            server.update((tag, server.clock.now_s))
            client.publish()
            server.advance(0.1)

    publish(70)
    assert subscription.available_sequence_numbers == list(range(7, 71))
    subscription._sent_messages._most_bytes = 150
    publish(1)
    assert subscription.available_sequence_numbers == [70, 71]


def test_disabled_publishing_keeps_alive_and_keeps_values_back(server, client):
    tag = server.tag()
    subscription = server.subscribe(client, enabled=False, keep_alive=1)
    server.monitor(subscription, NumberSource(tag, DOUBLE))
    client.publish()
    server.advance(0.1)
    assert is_keep_alive(client.take())
    subscription.enable(enabled=True)
    client.publish()
    server.advance(0.1)
    assert client.values() == [(1, None)]


def test_without_publish_requests_it_dies_and_its_session_is_told_once(server, client):
    tag = server.tag()
    dying = server.subscribe(client, lifetime=9)
    other = server.subscribe(client, lifetime=100)
    server.monitor(dying, NumberSource(tag, DOUBLE))
    server.advance(0.9)
    with pytest.raises(StatusError):
        server.manager.find(client, dying.id)
    client.publish()
    told = client.take()
    assert told.SubscriptionId == dying.id
    assert told.NotificationMessage.NotificationData[0].Status.value == ua.StatusCodes.BadTimeout
    client.publish()
    assert client.take().SubscriptionId == other.id


def test_the_last_words_go_out_though_no_subscription_is_left(server, client):
    server.subscribe(client, lifetime=9)
    server.advance(0.9)
    client.publish()
    client.publish()
    assert len(client.responses) == 1
    assert client.refusals == [(2, ua.StatusCodes.BadNoSubscription)]


def test_publish_requests_keep_it_alive_as_do_services_that_name_it(server, client):
    subscription = server.subscribe(client, lifetime=9)
    for _ in range(5):
        server.advance(0.8)
        server.manager.find(client, subscription.id)
    server.advance(0.8)
    client.publish()
    server.advance(0.8)
    assert client.responses


def test_a_parked_publish_request_keeps_it_alive_for_ever(server, client):
    server.subscribe(client, lifetime=9, enabled=False, keep_alive=3)
    for _ in range(20):
        client.publish()
    server.advance(5)
    assert all(map(is_keep_alive, client.responses))
    assert not client.refusals


def test_a_publish_request_without_a_subscription_is_refused(server, client):
    client.publish()
    assert client.refusals == [(1, ua.StatusCodes.BadNoSubscription)]


def test_when_the_last_subscription_is_deleted_the_parked_requests_are_refused(server, client):
    first, second = server.subscribe(client), server.subscribe(client)
    client.publish()
    server.manager.delete(client, first.id)
    assert client.refusals == []
    server.manager.delete(client, second.id)
    assert client.refusals == [(1, ua.StatusCodes.BadNoSubscription)]


def test_too_many_publish_requests_cost_the_oldest(server, client):
    """Conformance unit Subscription PublishRequest Queue Overflow."""
    server.subscribe(client)
    limit = server.manager.limits.max_publish_requests_per_session
    for _ in range(limit + 2):
        client.publish()
    refused = ua.StatusCodes.BadTooManyPublishRequests
    assert client.refusals == [(1, refused), (2, refused)]


def test_a_publish_request_that_its_client_gave_up_is_not_used(server, client):
    server.subscribe(client, interval_ms=1000)
    client.publish(expires_s=0.5)
    client.publish()
    server.advance(1.0)
    assert client.refusals == [(1, ua.StatusCodes.BadTimeout)]
    assert len(client.responses) == 1


def test_requests_of_a_lost_connection_are_not_answered(server, client):
    server.subscribe(client)
    lost, kept = (SimpleNamespace(writable=True) for _ in range(2))
    client.publish(connection=lost)
    client.publish(connection=kept)
    server.manager.connection_closed(lost)
    server.advance(0.1)
    assert len(client.responses) == 1
    assert server.manager.cancel(client, 1) == 0


def test_a_request_can_be_cancelled(server, client):
    server.subscribe(client)
    handle = client.publish()
    assert server.manager.cancel(client, handle) == 1
    assert client.refusals == [(handle, ua.StatusCodes.BadRequestCancelledByClient)]


def test_the_highest_priority_speaks_first(server, client):
    tag = server.tag()
    low = server.subscribe(client, priority=1)
    high = server.subscribe(client, priority=200)
    for subscription in (low, high):
        server.monitor(subscription, NumberSource(tag, DOUBLE))
    client.publish()
    server.advance(0.1)
    client.publish()
    assert [r.SubscriptionId for r in client.responses] == [high.id, low.id]


def test_equal_priorities_take_turns(server, client):
    tag = server.tag()
    subscriptions = [server.subscribe(client) for _ in range(3)]
    for subscription in subscriptions:
        server.monitor(subscription, NumberSource(tag, DOUBLE))
    for value in range(9):
        server.update((tag, value))
        client.publish()
        server.advance(0.1)
    assert sorted(r.SubscriptionId for r in client.responses) == sorted(
        s.id for s in subscriptions * 3
    )


def test_values_that_are_objects_come_some_hundreds_at_a_time(server, client):
    """They are encoded one by one: a message, and a tick, hold a bounded number."""
    subscription = server.subscribe(client)
    for number in range(1200):
        source = ObjectSource(lambda: ua.DataValue(ua.Variant("x")), lambda: 0)
        server.monitor(subscription, source, handle=number)
    for _ in range(5):
        client.publish()
    server.clock.now_s += 0.1
    sizes = []
    while server.manager.next_deadline_s <= server.clock.now_s:
        server.manager.tick(server.clock.now_s)
        sizes.append(len(client.responses))
    assert sizes == [1, 2, 3]
    assert [response.MoreNotifications for response in client.responses] == [True, True, False]
    assert [handle for handle, _ in client.values()] == list(range(1200))


def test_a_busy_object_starves_no_other(server, client):
    """Two changes of the one for each notification that goes out."""
    subscription = server.subscribe(client, max_notifications=1)
    busy = server.monitor(subscription, ObjectSource(lambda: VALUE), handle=1, queue_size=5)
    other = server.monitor(subscription, ObjectSource(lambda: VALUE), handle=2, queue_size=5)
    for _ in range(12):
        for item in (busy, busy, other):
            item.queue.push(VALUE)
        client.publish()
        server.advance(0.1)
    assert [handle for handle, _ in client.values()].count(other.settings.client_handle) >= 5


def test_an_item_with_many_objects_starves_no_other(server, client):
    """More come in than a message takes in a tick."""
    subscription = server.subscribe(client, lifetime=1000)
    busy = server.monitor(subscription, ObjectSource(lambda: VALUE), handle=1, queue_size=5000)
    other = server.monitor(subscription, ObjectSource(lambda: VALUE), handle=2)
    client.publish()
    server.advance(0.1)
    client.values()
    for _ in range(3):
        for _ in range(2 * MAX_OBJECTS):
            busy.queue.push(VALUE)
        other.queue.push(VALUE)
        client.publish()
        server.manager.tick(server.clock.now_s + 0.1)
        server.clock.now_s += 0.1
    assert other.settings.client_handle in [handle for handle, _ in client.values()]


def test_a_source_of_many_events_starves_no_other(server, client):
    subscription = server.subscribe(client)
    source = EventSource(ua.NodeId(2253), lambda origin: True)
    items = [server.monitor(subscription, source, handle=n, filter_=None) for n in (1, 2)]
    no_fields, origin = b"\x00" * 4, Origin(ua.NodeId(), ua.NodeId())
    told = []
    for _ in range(6):
        for item in (*items, items[0]):
            item.queue.push(no_fields, origin, lambda: no_fields)
        (notification,) = subscription.items.take(1, 1 << 20).notifications
        told.append(notification[-8])  # the client handle, before the count of fields
    assert sorted(told) == [1, 1, 1, 2, 2, 2]


def test_who_was_not_served_in_a_tick_is_first_in_the_next(server):
    """However busy and important the others are."""
    busy, other = server.client(), server.client()
    tags = {client: server.tag() for client in (busy, other)}
    for client, priority in ((busy, 255), (other, 0)):
        subscription = server.subscribe(client, interval_ms=50, priority=priority)
        server.monitor(subscription, NumberSource(tags[client], DOUBLE))

    def publish_slowly(client):
        def answer(body):
            server.worked_s += 0.01
            client.responses.append(body)

        connection = SimpleNamespace(writable=True)
        parked = ParkedPublish(1, connection, [], answer, lambda status: None)
        server.manager.publish(client, parked)

    publish_slowly(other)
    for tick in range(1, 3):
        publish_slowly(busy)
        server.update((tags[busy], tick))
        server.clock.now_s += 0.05
        server.manager.tick(server.clock.now_s)
        assert (len(busy.responses), len(other.responses)) == (1, tick - 1)


def test_a_session_that_closes_takes_its_subscriptions_along(server, client):
    tag = server.tag()
    server.monitor(server.subscribe(client), NumberSource(tag, DOUBLE))
    client.publish()
    server.manager.owner_closed(client, delete_subscriptions=True)
    assert client.refusals == [(1, ua.StatusCodes.BadSessionClosed)]
    assert server.manager.next_deadline_s == float("inf")
    assert server.manager.items._store.places == 0


def test_subscriptions_that_are_left_behind_live_until_their_lifetime_ends(server, client):
    tag = server.tag()
    server.monitor(server.subscribe(client, lifetime=9), NumberSource(tag, DOUBLE))
    server.manager.owner_closed(client, delete_subscriptions=False)
    server.advance(0.8)
    assert len(list(server.manager.subscriptions())) == 1
    server.advance(0.1)
    assert list(server.manager.subscriptions()) == []
    assert server.manager.next_deadline_s == float("inf")


def test_subscriptions_that_are_left_behind_give_way_to_those_that_somebody_uses(new_server):
    """Nobody can take them over, so that they must not fill the server for twelve hours."""
    server = new_server(max_subscriptions=2, max_monitored_items=3)
    source = NumberSource(server.tag(), DOUBLE)
    for _ in range(2):
        client = server.client()
        left_behind = server.subscribe(client)
        server.monitor(left_behind, source)
        server.manager.owner_closed(client, delete_subscriptions=False)
    user = server.client()
    subscription = server.subscribe(user)
    assert [s.id for _, s in server.manager.subscriptions()] == [left_behind.id, subscription.id]
    for _ in range(3):
        server.monitor(subscription, source)
    assert [s for _, s in server.manager.subscriptions()] == [subscription]
    with pytest.raises(StatusError):
        server.monitor(subscription, source)


def test_a_large_subscription_is_cleared_up_in_time(server, client):
    """Whoever ends one holds up nobody else: its items go some at a time."""
    source = NumberSource(server.tag(), DOUBLE)
    subscription = server.subscribe(client)
    for handle in range(1200):
        server.monitor(subscription, source, handle=handle)
    kept = server.subscribe(client)
    server.monitor(kept, source)
    server.manager.delete(client, subscription.id)
    assert [s for _, s in server.manager.subscriptions()] == [kept]
    assert len(server.manager.items) == 701
    assert server.manager.next_deadline_s == float("-inf")
    server.advance(0.1)
    assert len(server.manager.items) == 1
    client.publish()
    server.advance(0.1)
    client.take()
    client.publish()
    server.update((source.tag, 7.0))
    server.advance(0.1)
    assert [value for _, value in client.values()] == [7.0]


def test_what_is_to_be_cleared_up_makes_room_for_new_items(new_server):
    server = new_server(max_monitored_items=1000)
    client, source = server.client(), NumberSource(server.tag(), DOUBLE)
    gone = server.subscribe(client)
    for _ in range(1000):
        server.monitor(gone, source)
    server.manager.delete(client, gone.id)
    subscription = server.subscribe(client)
    for _ in range(1000):
        server.monitor(subscription, source)
    assert len(subscription.items) == 1000
    with pytest.raises(StatusError):
        server.monitor(subscription, source)


def test_queues_of_a_session_share_what_it_may_hold(server, client):
    """One client does not take the room of all others' queues."""
    source, other = NumberSource(server.tag(), DOUBLE), server.client()
    most = server.manager.limits.max_queued_values_per_session
    first, second = server.subscribe(client), server.subscribe(client)
    item = server.monitor(first, source, queue_size=most - 100)
    server.monitor(second, ObjectSource(lambda: ua.DataValue(ua.Variant("x"))), queue_size=40)
    assert server.manager.make_room(client, source, 1000) == 60
    assert server.manager.make_room(other, source, 1000) >= 1000
    smaller = replace(item.settings, queue_size=10)
    server.manager.items.modify(first.items, item, smaller)
    assert server.manager.make_room(client, source, 1000) >= 1000
    server.manager.items.remove(first.items, [item])
    assert first.items.places == 0


def test_items_of_a_session_are_counted_together(new_server):
    server = new_server(max_monitored_items_per_session=3)
    client, source = server.client(), NumberSource(server.tag(), DOUBLE)
    assert server.manager.items_left(client) == 3
    for _ in range(2):
        server.monitor(server.subscribe(client), source)
    assert server.manager.items_left(client) == 1
    assert server.manager.items_left(server.client()) == 3


def test_another_session_s_subscription_looks_absent(server, client):
    subscription = server.subscribe(client)
    with pytest.raises(StatusError) as refused:
        server.manager.find(server.client(), subscription.id)
    assert refused.value.status == ua.StatusCodes.BadSubscriptionIdInvalid


def test_subscriptions_are_limited_per_session_and_in_all(server, client):
    per_session = server.manager.limits.published.max_subscriptions_per_session
    for _ in range(per_session):
        server.subscribe(client)
    with pytest.raises(ServiceError) as refused:
        server.subscribe(client)
    assert refused.value.status == ua.StatusCodes.BadTooManySubscriptions
    server.subscribe(server.client())


def test_a_timer_that_was_held_up_counts_once_and_keeps_its_phase(server, client):
    subscription = server.subscribe(client, lifetime=9)
    server.clock.now_s = 0.75
    server.manager.tick(0.75)
    assert subscription.next_s == pytest.approx(0.8)
    assert subscription.waiting


STEPS = st.lists(
    st.sampled_from(["publish", "cycle", "change", "ack", "disable", "enable"]), max_size=60
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whatever_happens_a_client_that_listens_hears_of_every_change_in_order(new_server, steps):
    """Invariants: no number is skipped or used twice, nothing is lost or repeated, nobody is
    silent longer than the keep-alive while a Publish request is parked."""
    server = new_server()
    client = server.client()
    tag = server.tag()
    server.update((tag, 0.0))
    subscription = server.subscribe(client, keep_alive=3, lifetime=1000, max_notifications=2)
    server.monitor(subscription, NumberSource(tag, DOUBLE), queue_size=1000)
    written = [0.0]
    silent_cycles = 0
    for step in [*steps, "enable", *["publish", "cycle"] * 40]:
        answered = len(client.responses)
        if step == "publish":
            client.publish()
        elif step == "change":
            written.append(written[-1] + 1)
            server.update((tag, written[-1]))
        elif step == "ack":
            for number in subscription.available_sequence_numbers[:1]:
                assert subscription.acknowledge(number)
        elif step == "cycle":
            parked = len(subscription.queue)
            server.advance(0.1)
            quiet = parked and len(client.responses) == answered
            silent_cycles = silent_cycles + 1 if quiet else 0
            assert silent_cycles < 3
        else:
            subscription.enable(enabled=step == "enable")
    numbers = [sequence(r) for r in client.responses if not is_keep_alive(r)]
    assert numbers == list(range(1, len(numbers) + 1))
    expected = 1
    for response in client.responses:
        assert sequence(response) == expected
        expected += not is_keep_alive(response)
    assert [value for _, value in client.values()] == written
