"""The lane of Publish (Part 4, 5.14.5): acknowledge, then wait for something to say."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from biogate.opcua.lanes.header import PARAMETERS
from biogate.opcua.lanes.lane import LaneRequest
from biogate.opcua.services.context import DEFERRED, Deferred
from biogate.opcua.subscriptions.manager import SubscriptionManager
from biogate.opcua.subscriptions.publish_queue import ParkedPublish

_count = Struct("<i")
_acknowledgement = Struct("<II")
_ACKNOWLEDGEMENTS = PARAMETERS + _count.size


class PublishLane:
    """Parks the requests with `manager()`; None while there is none."""

    def __init__(self, manager: Callable[[], SubscriptionManager | None]) -> None:
        self._manager = manager

    def __call__(self, request: LaneRequest) -> Deferred | None:
        """None for a request with anything but a proper list of acknowledgements."""
        manager, message = self._manager(), request.message
        if manager is None or len(message) < _ACKNOWLEDGEMENTS:
            return None
        number = max(0, _count.unpack_from(message, PARAMETERS)[0])
        if (
            len(message) != _ACKNOWLEDGEMENTS + number * _acknowledgement.size
            or number > manager.limits.max_acknowledgements
        ):
            return None
        session, hint_ms = request.session, request.timeout_hint_ms
        acknowledged = _acknowledgement.iter_unpack(memoryview(message)[_ACKNOWLEDGEMENTS:])
        results = [manager.acknowledge(session, *one) for one in acknowledged]
        manager.publish(
            session,
            ParkedPublish(
                request.request_handle,
                request.handle,
                results,
                request.respond,
                request.refuse,
                request.server.clock() + hint_ms / 1000 if hint_ms else None,
                request.room,
            ),
        )
        return DEFERRED
