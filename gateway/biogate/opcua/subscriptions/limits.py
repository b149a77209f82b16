"""What subscriptions may ask for, and what they get instead (Part 4, 5.13.2 and 5.14.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from biogate.opcua.config import Limits
from biogate.opcua.subscriptions.monitored_item import EVERY_CHANGE_MS
from biogate.opcua.subscriptions.subscription import Publishing

DEFAULT_KEEP_ALIVE_COUNT = 10


@dataclass(frozen=True, slots=True)
class SubscriptionLimits:
    """The published limits, and those that the specification has no place for.

    `max_queued_values` bounds the queues of all items of numbers together, in values of 28 bytes;
    those of one session hold `max_queued_values_per_session` of any kind;
    `max_queued_objects` those of all others, in values of some 500 bytes, and
    `max_object_bytes` what large ones among these hold beyond that. `max_retransmissions` and
    `max_retransmission_bytes` are each subscription's. `max_links` are triggering links. Of one
    client, the subscriptions of `max_abandoned_sessions_per_client` that are gone go on.
    """

    published: Limits
    min_publishing_interval_ms: float = 50.0
    max_publishing_interval_ms: float = 3_600_000.0
    max_lifetime_ms: float = 12 * 3_600_000.0
    max_notifications_per_publish: int = 10_000
    max_publish_requests_per_session: int = 20
    max_retransmissions: int = 64
    max_retransmission_bytes: int = 4_194_304
    max_retransmission_bytes_together: int = 134_217_728
    max_queued_values: int = 4_000_000
    max_queued_values_per_session: int = 500_000
    max_queued_objects: int = 100_000
    max_object_bytes: int = 67_108_864
    max_abandoned_sessions_per_client: int = 10
    max_links: int = 100_000
    max_links_per_subscription: int = 10_000

    @property
    def max_acknowledgements(self) -> int:
        """In one Publish request: of all messages that there may be in a session."""
        return self.published.max_subscriptions_per_session * self.max_retransmissions


def revise_publishing(
    limits: SubscriptionLimits,
    interval_ms: float,
    lifetime_count: int,
    keep_alive_count: int,
    max_notifications: int,
    priority: int,
) -> Publishing:
    """The parameters of a subscription, revised.

    The lifetime is at least three keep-alive intervals (Part 4, 5.14.2.2).
    """
    interval = _clamp(
        interval_ms, limits.min_publishing_interval_ms, limits.max_publishing_interval_ms
    )
    longest = max(3, int(limits.max_lifetime_ms / interval))
    keep_alive = min(keep_alive_count or DEFAULT_KEEP_ALIVE_COUNT, longest // 3)
    return Publishing(
        interval_ms=interval,
        lifetime_count=min(max(lifetime_count, 3 * keep_alive), longest),
        max_keep_alive_count=keep_alive,
        max_notifications=min(
            max_notifications or limits.max_notifications_per_publish,
            limits.max_notifications_per_publish,
        ),
        priority=priority,
    )


def revise_sampling_interval(
    limits: SubscriptionLimits, requested_ms: float, publishing_ms: float, *, every_change: bool
) -> float:
    """The sampling interval in ms; 0 stands for every change, where the source can do that.

    A negative one is the publishing interval. Intervals are kept to two significant digits:
    what is sampled together is cheap, so there are few that differ.
    """
    if requested_ms < 0 or math.isnan(requested_ms):
        requested_ms = publishing_ms
    if requested_ms == 0 and every_change:
        return EVERY_CHANGE_MS
    interval = _clamp(
        requested_ms, limits.published.min_sampling_interval_ms, limits.max_publishing_interval_ms
    )
    return float(f"{interval:.1e}")


def revise_queue_size(limits: SubscriptionLimits, requested: int, places_left: int) -> int:
    """The queue size: 0 asks for the default, which is 1 (Part 4, 7.21)."""
    return max(1, min(requested, limits.published.max_monitored_items_queue_size, places_left))


def _clamp(value: float, low: float, high: float) -> float:
    return low if math.isnan(value) else min(max(value, low), high)
