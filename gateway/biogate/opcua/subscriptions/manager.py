"""All subscriptions of a front end, the sessions that own them, and the clock that drives them.

No I/O: `tick` is called when `next_deadline_s` has come (calling it more often does no harm), and
answers leave through the Publish requests that sessions have parked.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.codec import columns
from biogate.opcua.errors import ServiceError, StatusError
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.subscriptions.item_set import ItemSet
from biogate.opcua.subscriptions.limits import SubscriptionLimits
from biogate.opcua.subscriptions.monitored_item import (
    MonitoredItem,
    NumberSource,
    ObjectSource,
    Settings,
)
from biogate.opcua.subscriptions.object_queue import ObjectQueue
from biogate.opcua.subscriptions.publish_queue import ParkedPublish, PublishQueue
from biogate.opcua.subscriptions.rings import RingStore, Samples
from biogate.opcua.subscriptions.sampling import SLICE_S, SampledTags, Sampler
from biogate.opcua.subscriptions.subscription import Publishing, Subscription

_log = logging.getLogger(__name__)

_MAX_NOTICES = 50


class Access(Protocol):
    """Whether the items that exist may go on."""

    def key(self, owner: Any) -> object:
        """Changes whenever a verdict for this owner's items may have changed."""
        ...

    def verdict(self, owner: Any, item: MonitoredItem) -> int:
        """Good, or the status that ends the item."""
        ...

    def source(self, owner: Any, item: MonitoredItem) -> NumberSource | ObjectSource | None:
        """The item's new source when its node was bound to another one, else None."""
        ...


@dataclass(slots=True, eq=False)
class _Client:
    """What one session has here. `notices` are last messages of subscriptions that are gone."""

    queue: PublishQueue
    subscriptions: dict[int, Subscription] = field(default_factory=dict)
    notices: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=_MAX_NOTICES))


class SubscriptionManager:
    """Creates, feeds and ends subscriptions. `clock` is monotonic seconds, `wall_clock` ticks,
    `work_clock` seconds of working time.

    Sessions are told apart by identity; whatever is called an owner here is one.
    """

    def __init__(
        self,
        limits: SubscriptionLimits,
        tags: SampledTags,
        access: Access,
        clock: Callable[[], float],
        wall_clock: Callable[[], int],
        work_clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.limits = limits
        self._access = access
        self._clock = clock
        self._wall_clock = wall_clock
        self._work_clock = work_clock
        self._store = RingStore()
        self._object_places = 0
        self._object_bytes = ByteBudget(limits.max_object_bytes)
        self.sampler = Sampler(tags, self._store, wall_clock, work_clock)
        self._clients: dict[Any, _Client] = {}
        self._subscriptions: dict[int, Subscription] = {}
        self._owners: dict[int, Any] = {}
        self._late: set[Subscription] = set()
        self._access_keys: dict[Any, object] = {}
        self._last_subscription = 0
        self._last_item = 0
        self._item_count = 0

    # -- time -----------------------------------------------------------------------------------

    @property
    def next_deadline_s(self) -> float:
        """When `tick` next has something to do; infinity when nothing will happen."""
        if any(s.unfinished for s in self._subscriptions.values()):
            return float("-inf")
        timers = (s.next_s for s in self._subscriptions.values())
        return min(self.sampler.next_deadline_s, min(timers, default=float("inf")))

    def tick(self, now_s: float) -> None:
        """Sample what is due, then let the publishing timers that have expired speak.

        Each for a slice of working time: what does not get its turn is first at the next tick.
        """
        self.check_access()
        for client in self._clients.values():
            client.queue.expire(now_s)
        self.sampler.tick(now_s)
        due = [s for s in self._subscriptions.values() if s.next_s <= now_s or s.unfinished]
        if due:
            self.sampler.sample_changes()
        self._publish(deque(sorted(due, key=self._turn)), now_s)

    def _publish(self, due: deque[Subscription], now_s: float) -> None:
        ends_s = self._work_clock() + SLICE_S
        self._late.clear()
        while due:
            subscription = due.popleft()
            if subscription.next_s <= now_s:
                subscription.on_timer(now_s)
            else:
                subscription.on_publish(now_s)
            if subscription.expired:
                self._expire(subscription)
            if self._work_clock() >= ends_s:
                self._late.update(due)
                return

    def _turn(self, subscription: Subscription) -> tuple[bool, int, float]:
        """Who speaks first: those whose time did not come, then by priority."""
        return (subscription not in self._late, *_turn(subscription))

    def _expire(self, subscription: Subscription) -> None:
        """Row 27 of the state table: gone, and its session is told."""
        _log.info("subscription expired", extra={"subscription": subscription.id})
        notice = subscription.status_change(StatusCodes.BadTimeout)
        client = self._clients.get(self._owners[subscription.id])
        self._remove(subscription)
        if client is not None:
            client.notices.append((subscription.id, notice))
            self._serve(client)

    # -- subscriptions --------------------------------------------------------------------------

    def create(self, owner: Any, publishing: Publishing, *, enabled: bool) -> Subscription:
        """A new subscription. Raises ServiceError Bad_TooManySubscriptions."""
        client = self._clients.get(owner)
        limits = self.limits.published
        own = len(client.subscriptions) if client else 0
        if own >= limits.max_subscriptions_per_session or (
            len(self._subscriptions) >= limits.max_subscriptions and not self._drop_abandoned()
        ):
            raise ServiceError(StatusCodes.BadTooManySubscriptions)
        if client is None:
            queue = PublishQueue(self.limits.max_publish_requests_per_session)
            client = self._clients[owner] = _Client(queue)
        self._last_subscription += 1
        subscription = Subscription(
            self._last_subscription,
            publishing,
            ItemSet(self._store),
            client.queue,
            enabled=enabled,
            now_s=self._clock(),
            wall_clock=self._wall_clock,
            max_retransmissions=self.limits.max_retransmissions,
            max_retransmission_bytes=self.limits.max_retransmission_bytes,
        )
        client.subscriptions[subscription.id] = subscription
        self._subscriptions[subscription.id] = subscription
        self._owners[subscription.id] = owner
        self._access_keys.setdefault(owner, self._access.key(owner))
        return subscription

    def find(self, owner: Any, subscription_id: int) -> Subscription:
        """The owner's subscription; using it shows that its client is alive.

        Raises StatusError Bad_SubscriptionIdInvalid, for another session's too.
        """
        client = self._clients.get(owner)
        subscription = client.subscriptions.get(subscription_id) if client else None
        if subscription is None:
            raise StatusError(StatusCodes.BadSubscriptionIdInvalid)
        subscription.touch()
        return subscription

    def delete(self, owner: Any, subscription_id: int) -> None:
        """End a subscription. Raises StatusError Bad_SubscriptionIdInvalid."""
        self._remove(self.find(owner, subscription_id))
        client = self._clients[owner]
        if not client.subscriptions and not client.notices:
            client.queue.refuse(StatusCodes.BadNoSubscription, lambda _: True)

    def _drop_abandoned(self) -> bool:
        """End the oldest subscription whose session is gone; False when there is none."""
        for subscription in self._subscriptions.values():
            if subscription.queue is None:
                _log.info("subscription gives way", extra={"subscription": subscription.id})
                self._remove(subscription)
                return True
        return False

    def _remove(self, subscription: Subscription) -> None:
        for item in subscription.items:
            self.remove_item(subscription, item)
        subscription.close()
        del self._subscriptions[subscription.id]
        owner = self._owners.pop(subscription.id)
        client = self._clients.get(owner)
        if client is not None:
            del client.subscriptions[subscription.id]
        if owner not in self._owners.values():
            del self._access_keys[owner]

    # -- publishing -----------------------------------------------------------------------------

    def publish(self, owner: Any, request: ParkedPublish) -> None:
        """Park a Publish request, or answer it when somebody has been waiting for it."""
        client = self._clients.get(owner)
        if client is None or not (client.subscriptions or client.notices):
            request.refuse(StatusCodes.BadNoSubscription)
            return
        for subscription in client.subscriptions.values():
            subscription.touch()
        # A session that came over to a new channel waits on the old one no more.
        client.queue.refuse(
            StatusCodes.BadSecureChannelClosed, lambda r: r.connection is not request.connection
        )
        client.queue.add(request)
        self._serve(client)

    def _serve(self, client: _Client) -> None:
        """Give the parked requests to those that wait for one: last notices, then by priority."""
        while client.queue and client.notices:
            self._send_notice(client.queue.pop(), *client.notices.popleft())
        now_s = self._clock()
        for subscription in sorted(client.subscriptions.values(), key=_turn):
            if client.queue and subscription.waiting:
                subscription.on_publish(now_s)
        if not client.subscriptions and not client.notices:
            client.queue.refuse(StatusCodes.BadNoSubscription, lambda _: True)

    def _send_notice(self, request: ParkedPublish, subscription_id: int, message: bytes) -> None:
        request.answer(
            columns.publish_response(
                request.request_handle,
                self._wall_clock(),
                subscription_id,
                [],
                request.results,
                message,
                more=False,
            )
        )

    def acknowledge(self, owner: Any, subscription_id: int, sequence: int) -> int:
        """Forget a message; the status of the acknowledgement."""
        client = self._clients.get(owner)
        subscription = client.subscriptions.get(subscription_id) if client else None
        if subscription is None:
            return StatusCodes.BadSubscriptionIdInvalid
        known = subscription.acknowledge(sequence)
        return StatusCodes.Good if known else StatusCodes.BadSequenceNumberUnknown

    # -- sessions and connections ---------------------------------------------------------------

    def owner_closed(self, owner: Any, *, delete_subscriptions: bool) -> None:
        """A session is gone. Subscriptions that stay live until their lifetime ends."""
        client = self._clients.pop(owner, None)
        if client is None:
            return
        for subscription in list(client.subscriptions.values()):
            if delete_subscriptions:
                self._remove(subscription)
            else:
                subscription.queue = None
        client.queue.refuse(StatusCodes.BadSessionClosed, lambda _: True)

    def connection_closed(self, connection: object) -> None:
        """Requests that came on this connection can no longer be answered."""
        for client in self._clients.values():
            client.queue.drop(connection)

    def cancel(self, owner: Any, request_handle: int) -> int:
        """Refuse the parked requests with this handle; how many there were."""
        client = self._clients.get(owner)
        if client is None:
            return 0
        return client.queue.refuse(
            StatusCodes.BadRequestCancelledByClient, lambda r: r.request_handle == request_handle
        )

    # -- monitored items ------------------------------------------------------------------------

    def queue_places_left(self, source: NumberSource | ObjectSource) -> int:
        """How many more values the queues of numbers, or those of all else, may hold."""
        if isinstance(source, NumberSource):
            return self.limits.max_queued_values - self._store.places
        return self.limits.max_queued_objects - self._object_places

    def add_item(
        self,
        subscription: Subscription,
        read: ua.ReadValueId,
        source: NumberSource | ObjectSource,
        settings: Settings,
        mode: int,
    ) -> MonitoredItem:
        """A new item, not sampled before `start`. Raises StatusError Bad_TooManyMonitoredItems."""
        limits = self.limits.published
        while self._item_count >= limits.max_monitored_items and self._drop_abandoned():
            pass
        if (
            self._item_count >= limits.max_monitored_items
            or len(subscription.items) >= limits.max_monitored_items_per_subscription
        ):
            raise StatusError(StatusCodes.BadTooManyMonitoredItems)
        self._last_item += 1
        self._item_count += 1
        item = MonitoredItem(self._last_item, read, source, settings, mode)
        self._make_queue(item)
        subscription.items.add(item)
        return item

    def start(self, items: Sequence[MonitoredItem]) -> None:
        """Sample the items whose mode asks for it; their present values are queued."""
        sampled = [item for item in items if item.sampled]
        if sampled:
            self.sampler.add(sampled, self._clock())

    def modify_item(self, item: MonitoredItem, settings: Settings) -> None:
        """New settings; queued values stay. A new filter starts from the present value."""
        resample = settings.sampling_interval_ms != item.settings.sampling_interval_ms
        if resample:
            self.sampler.remove(item)
        item.settings = settings
        if item.queue is not None:
            self._object_places += settings.queue_size - item.queue.capacity
            item.queue.configure(
                settings.queue_size, settings.filter, discard_oldest=settings.discard_oldest
            )
        elif isinstance(item.source, NumberSource):
            self._store.configure(item.slot, item.ring_settings(item.source))
        if resample and item.sampled:
            self.sampler.resume(item, self._clock())

    def set_mode(
        self, subscription: Subscription, items: Sequence[MonitoredItem], mode: int
    ) -> None:
        """Set the MonitoringMode; disabling empties the queue, enabling queues the present value
        (Part 4, 5.13.4)."""
        started = []
        for item in items:
            before = item.sampled
            item.mode = mode
            if before and not item.sampled:
                self.sampler.remove(item)
                self._clear(item)
            elif item.sampled and not before:
                started.append(item)
        subscription.items.rearrange()
        self.start(started)

    def remove_item(self, subscription: Subscription, item: MonitoredItem) -> None:
        """Delete an item and its queue."""
        self.sampler.remove(item)
        self._drop_queue(item)
        subscription.items.remove(item)
        self._item_count -= 1

    def subscriptions(self) -> Iterator[tuple[Any, Subscription]]:
        """Every subscription with its owner, those of closed sessions too."""
        return ((self._owners[s.id], s) for s in list(self._subscriptions.values()))

    def _make_queue(self, item: MonitoredItem) -> None:
        settings = item.settings
        if isinstance(item.source, NumberSource):
            item.slot = self._store.add(item.ring_settings(item.source))
        else:
            self._object_places += settings.queue_size
            item.queue = ObjectQueue(
                settings.queue_size,
                settings.filter,
                self._object_bytes,
                discard_oldest=settings.discard_oldest,
            )

    def _drop_queue(self, item: MonitoredItem) -> None:
        if item.queue is None:
            self._store.remove(item.slot)
        else:
            self._object_places -= item.queue.capacity
            item.queue.clear()
        item.slot, item.queue = -1, None

    def _clear(self, item: MonitoredItem) -> None:
        if item.queue is None:
            self._store.clear(item.slot)
        else:
            item.queue.clear()

    # -- rights ---------------------------------------------------------------------------------

    def check_access(self) -> None:
        """End the items whose right was withdrawn or whose node is gone."""
        for owner, known in list(self._access_keys.items()):
            key = self._access.key(owner)
            if key == known:
                continue
            self._access_keys[owner] = key
            for subscription in self._subscriptions.values():
                if self._owners[subscription.id] is owner:
                    for item in subscription.items:
                        self._check_item(owner, subscription, item)

    def _check_item(self, owner: Any, subscription: Subscription, item: MonitoredItem) -> None:
        if item.ended:
            return
        status = self._access.verdict(owner, item)
        if status != StatusCodes.Good:
            self._end(item, status)
            return
        source = self._access.source(owner, item)
        if source is not None:
            self.sampler.remove(item)
            self._drop_queue(item)
            item.source = source
            self._make_queue(item)
            subscription.items.rearrange()
            self.start([item])

    def _end(self, item: MonitoredItem, status: int) -> None:
        """Say why, once, and sample no more; nothing that waited in the queue gets out."""
        self.sampler.remove(item)
        self._clear(item)
        was_sampled, item.ended = item.sampled, True
        if not was_sampled:
            return
        now = self._wall_clock()
        if item.queue is None:
            last = Samples(
                np.array([np.nan]),
                np.array([status], np.uint32),
                np.array([now], np.int64),
                np.array([now], np.int64),
            )
            self._store.push(np.array([item.slot]), last)
        else:
            code: Any = ua.StatusCode(ua.UInt32(status))
            item.queue.push(ua.DataValue(ua.Variant(), code, _ticks(now), _ticks(now)))


def _ticks(now: int) -> Any:
    """asyncua's DataValue wants a datetime; our writer takes FILETIME ticks in its place."""
    return now


def _turn(subscription: Subscription) -> tuple[int, float]:
    """Who speaks first: the highest priority, then who has been silent longest."""
    return (-subscription.publishing.priority, subscription.last_served_s)
