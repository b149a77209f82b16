"""Present values that are asked for again (Part 4, 5.14.7.2; Part 5, 9.2) among those that come."""

from __future__ import annotations

import pytest

from biogate.opcua.subscriptions.monitored_item import NumberSource

DOUBLE = 11


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
