"""A client that does not read what it was sent: nothing more is encoded for it, and its items'
queues keep what they can hold (Part 4, 5.12.1.5)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from biogate.opcua.subscriptions.monitored_item import NumberSource

OVERFLOW = 0x480
DOUBLE = 11


@pytest.fixture
def client(server: Any) -> Any:
    return server.client()


def statuses(client: Any) -> list[tuple[float, int]]:
    """(value, StatusCode) of all answers, which are taken."""
    taken, client.responses = client.responses, []
    return [
        (item.Value.Value.Value, item.Value.StatusCode.value)
        for response in taken
        for change in response.NotificationMessage.NotificationData or ()
        for item in change.MonitoredItems
    ]


def test_what_a_slow_client_misses_waits_in_its_queues_with_the_overflow_bit(server, client):
    tag = server.tag()
    subscription = server.subscribe(client, lifetime=1000)
    server.monitor(subscription, NumberSource(tag, DOUBLE), interval_ms=100, queue_size=3)
    connection = SimpleNamespace(writable=True)
    for _ in range(5):
        client.publish(connection=connection)
    server.update((tag, 0.0))
    server.advance(0.2)
    assert [value for value, _ in statuses(client)][-1] == 0.0
    answered = len(client.sizes)
    connection.writable = False
    for number in range(1, 8):
        server.update((tag, float(number)))
        server.advance(0.1)
    assert len(client.sizes) == answered
    connection.writable = True
    server.advance(0.1)
    assert statuses(client) == [(5.0, OVERFLOW), (6.0, 0), (7.0, 0)]


def test_a_client_that_catches_up_is_answered_at_the_next_tick(server, client):
    """Not only when its publishing timer fires, nor when it sends another request."""
    tag = server.tag()
    subscription = server.subscribe(client, interval_ms=10_000, lifetime=1000)
    server.monitor(subscription, NumberSource(tag, DOUBLE), interval_ms=100, queue_size=3)
    connection = SimpleNamespace(writable=False)
    client.publish(connection=connection)
    server.update((tag, 1.0))
    server.advance(20.0)
    assert not client.responses
    connection.writable = True
    server.advance(0.1)
    assert [value for value, _ in statuses(client)][-1] == 1.0


def test_keep_alives_and_notices_wait_for_a_slow_client_too(server, client):
    server.subscribe(client, keep_alive=1, lifetime=1000)
    connection = SimpleNamespace(writable=False)
    for _ in range(3):
        client.publish(connection=connection)
    server.advance(1.0)
    assert not client.responses
    connection.writable = True
    server.advance(0.1)
    assert client.responses


def test_requests_that_wait_behind_a_slow_client_expire_all_the_same(server, client):
    server.subscribe(client, lifetime=1000)
    connection = SimpleNamespace(writable=False)
    client.publish(connection=connection, expires_s=server.clock.now_s + 1.0)
    server.advance(2.0)
    assert len(client.refusals) == 1
