"""Present values that are asked for again (Part 4, 5.14.7.2; Part 5, 9.2) among those that come."""

from __future__ import annotations

import pytest

from biogate.opcua.subscriptions.filters import DataFilter
from biogate.opcua.subscriptions.monitored_item import NumberSource

DOUBLE = 11


def resend(server, subscription):
    for _ in server.manager.items.resend(subscription.items):
        pass


def test_no_change_that_waits_in_the_journal_comes_after_the_present_value(server, client):
    tag = server.tag()
    server.update((tag, 0.0))
    subscription = server.subscribe(client)
    server.monitor(subscription, NumberSource(tag, DOUBLE), queue_size=9)
    client.publish()
    server.advance(0.15)
    client.values()
    server.update((tag, 1.0))
    server.update((tag, 2.0))
    resend(server, subscription)
    client.publish()
    server.advance(0.1)
    assert client.values() == [(1, 1.0), (1, 2.0)]


def test_no_value_that_is_made_up_for_comes_after_the_present_one(server, client):
    """The tag rested at an instant and changed twice before the next one."""
    tag = server.tag()
    subscription = server.subscribe(client, interval_ms=3_600_000)
    server.monitor(
        subscription,
        NumberSource(tag, DOUBLE),
        interval_ms=100,
        queue_size=9,
        filter_=DataFilter(1, 0.5),
    )
    server.advance(0.25)
    server.update((tag, 1.0))
    server.advance(0.17)  # sampled at 0.3, rested at 0.4
    server.update((tag, 2.0))
    server.advance(0.05)
    server.update((tag, 3.0))
    taken = subscription.items.take(9, 1 << 20)
    assert taken.changes == 2
    resend(server, subscription)
    server.advance(0.1)
    client.publish()
    subscription.on_timer(server.clock.now_s)
    assert client.values() == [(1, 3.0)]


@pytest.mark.parametrize("ends_all", [False, True])
def test_items_that_go_meanwhile_put_nothing_into_the_queue_of_another(server, client, ends_all):
    tag, other_tag = server.tag(), server.tag()
    server.update((tag, 7.0), (other_tag, 1.0))
    subscription = server.subscribe(client)
    items = [server.monitor(subscription, NumberSource(tag, DOUBLE)) for _ in range(511)]
    bystander = server.client()
    others = server.subscribe(bystander)
    server.monitor(others, NumberSource(other_tag, DOUBLE), handle=99)  # the store's last slot
    for _ in range(2):
        client.publish()
        bystander.publish()
    server.advance(0.1)
    assert bystander.values() == [(99, 1.0)]
    resending = server.manager.items.resend(subscription.items)
    next(resending)
    if ends_all:
        server.manager.delete(client, subscription.id)
    else:
        server.manager.items.remove(subscription.items, items)
    assert list(resending) == [None]
    server.advance(0.2)
    assert bystander.values() == []
