"""From a request for events to an item's source and settings (Part 4, 5.13.2 and 7.22.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from biogate.opcua.errors import StatusError
from biogate.opcua.events.event_filter import EventFilter, FilterError
from biogate.opcua.events.queue import Origin
from biogate.opcua.services.context import ServerContext
from biogate.opcua.space.rights import RightsView
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.subscriptions.monitored_item import EventSource, Settings
from biogate.opcua.subscriptions.subscription import Subscription
from biogate_nodesets.model import Node
from biogate_security.policy import Action

DEFAULT_QUEUE_SIZE = 100
"""What an item gets that asks for a queue of 0: events are no values of which the last counts."""


def check_event_item(server: ServerContext, rights: RightsView, node: Node) -> None:
    """Raises StatusError for a node whose events this user cannot subscribe to."""
    if node.node_id not in server.space.notifiers:
        raise StatusError(StatusCodes.BadAttributeIdInvalid)
    if not rights.may(Action.RECEIVE_EVENTS, node):
        raise StatusError(rights.refusal(Action.RECEIVE_EVENTS, node))


def event_source(
    server: ServerContext, subscription: Subscription, read: ua.ReadValueId
) -> EventSource:
    """The events of a notifier, as far as the subscription's owner may receive them."""
    space = server.space

    def may_receive(rights: RightsView, node_id: ua.NodeId) -> bool:
        node = space.get(node_id)
        if node is None:
            return True
        return rights.may(Action.BROWSE, node) and rights.may(Action.RECEIVE_EVENTS, node)

    def hears(origin: Origin) -> bool:
        """Source and type must allow it (Part 3, 8.55), and the place that it is about."""
        rights = subscription.owner.rights
        return (
            may_receive(rights, origin.source_node)
            and may_receive(rights, origin.type)
            and rights.may_hear_of(origin.place)
        )

    return EventSource(read.NodeId, hears)


def event_settings(
    server: ServerContext,
    requested: ua.MonitoringParameters,
    timestamps: int,
    make_room: Callable[[int], int],
) -> Settings:
    """The revised parameters; `make_room(size)` says how many places there are.

    Events are not sampled: the interval is 0 (7.21). Raises FilterError.
    """
    size = requested.QueueSize or DEFAULT_QUEUE_SIZE
    size = min(size, server.config.limits.max_monitored_items_queue_size)
    return Settings(
        client_handle=requested.ClientHandle,
        sampling_interval_ms=0.0,
        filter=server.events.filters.get(requested.Filter),
        timestamps=int(timestamps),
        queue_size=max(1, min(size, make_room(size))),
        discard_oldest=requested.DiscardOldest,
    )


def filter_result(outcome: StatusError | Settings) -> Any:
    """The FilterResult of an item, or of one that could not be; None for nothing to say."""
    if isinstance(outcome, FilterError):
        return outcome.result
    if isinstance(outcome, Settings) and isinstance(outcome.filter, EventFilter):
        return outcome.filter.result
    return None
