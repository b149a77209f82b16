"""What a client leaves behind is freed at once: collections of everything are rare, on purpose."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from biogate.opcua.subscriptions.monitored_item import NumberSource

DOUBLE = 11


def test_a_deleted_subscription_waits_for_no_garbage_collection(new_server: Any) -> None:
    server = new_server()
    client = server.client()
    subscription = server.subscribe(client)
    server.monitor(subscription, NumberSource(server.tag(), DOUBLE))
    client.publish()
    server.advance(0.5)
    traces = [weakref.ref(subscription), weakref.ref(subscription.items)]

    gc.disable()
    try:
        server.manager.delete(client, subscription.id)
        del subscription
        left = [trace() for trace in traces]
    finally:
        gc.enable()

    assert left == [None, None]
