"""All subscriptions of a front end, the sessions that own them, and the clock that drives them.

No I/O: `tick` is called when `next_deadline_s` has come (calling it more often does no harm), and
answers leave through the Publish requests that sessions have parked.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.codec import columns
from biogate.opcua.errors import ServiceError, StatusError
from biogate.opcua.events.journal import EventJournal
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.subscriptions.access import Access
from biogate.opcua.subscriptions.grid import TOLERANCE_S
from biogate.opcua.subscriptions.item_pool import ItemPool
from biogate.opcua.subscriptions.limits import SubscriptionLimits
from biogate.opcua.subscriptions.monitored_item import MonitoredItem, Source
from biogate.opcua.subscriptions.publish_queue import ParkedPublish, PublishQueue
from biogate.opcua.subscriptions.retransmission import Retransmissions
from biogate.opcua.subscriptions.sampling import SLICE_S, SampledTags
from biogate.opcua.subscriptions.states import State
from biogate.opcua.subscriptions.subscription import Publishing, Subscription
from biogate_security.log_budget import LogBudget

_log = logging.getLogger(__name__)

_MAX_NOTICES = 50
_DONE = object()


@dataclass(slots=True, eq=False)
class _Client:
    """What one session has here. `notices` are last messages of subscriptions that are gone.

    `access_key` is that of the last check of the items. `gone`: the session has ended, and has
    left its subscriptions behind.
    """

    queue: PublishQueue
    access_key: object
    subscriptions: dict[int, Subscription] = field(default_factory=dict)
    notices: deque[tuple[int, columns.Message]] = field(
        default_factory=lambda: deque(maxlen=_MAX_NOTICES)
    )
    gone: bool = False


class SubscriptionManager:
    """Creates, feeds and ends subscriptions. `clock` is monotonic seconds, `wall_clock` ticks,
    `work_clock` seconds of working time.

    Sessions are told apart by identity; whatever is called an owner here is one.
    """

    def __init__(
        self,
        limits: SubscriptionLimits,
        tags: SampledTags,
        journal: EventJournal,
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
        self.items = ItemPool(
            limits, tags, journal, self._drop_abandoned, clock, wall_clock, work_clock
        )
        self._lines = LogBudget()
        self._retransmission_bytes = ByteBudget(limits.max_retransmission_bytes_together)
        self._clients: dict[Any, _Client] = {}
        self._subscriptions: dict[int, Subscription] = {}
        self._abandoned: dict[Subscription, None] = {}
        self._late: set[Subscription] = set()
        self._checks: dict[Subscription, Iterator[None]] = {}
        self._range_stamp: object = None
        self._renewal: Iterator[None] | None = None
        self._last_subscription = 0

    # -- time -----------------------------------------------------------------------------------

    @property
    def next_deadline_s(self) -> float:
        """When `tick` next has something to do; infinity when nothing will happen."""
        items = self.items
        if items.events.pending or items.has_retired or self._checks or self._renewal is not None:
            return float("-inf")
        nearest_s = self.items.sampler.next_deadline_s
        for subscription in self._subscriptions.values():
            if subscription.unfinished:
                return float("-inf")
            nearest_s = min(nearest_s, subscription.next_s)
        return nearest_s

    def tick(self, now_s: float) -> None:
        """Sample what is due, then let the publishing timers that have expired speak.

        Each for a slice of working time: what does not get its turn is first at the next tick.
        """
        self.check_access()
        self._clear_up()
        for client in self._clients.values():
            client.queue.expire(now_s)
        self.items.sampler.tick(now_s)
        self.items.events.tick()
        due_s = now_s + TOLERANCE_S
        due = [s for s in self._subscriptions.values() if s.next_s <= due_s or s.unfinished]
        if due:
            self.items.sampler.sample_changes()
        self._publish(deque(sorted(due, key=self._turn)), now_s)

    def _clear_up(self) -> None:
        ends_s = self._work_clock() + SLICE_S
        while self._work_clock() < ends_s and self.items.clear_up():
            pass

    def _publish(self, due: deque[Subscription], now_s: float) -> None:
        ends_s = self._work_clock() + SLICE_S
        self._late.clear()
        while due:
            subscription = due.popleft()
            if subscription.next_s <= now_s + TOLERANCE_S:
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
        client = self._clients[subscription.owner]
        self._remove(subscription)
        if not client.gone:
            client.notices.append((subscription.id, notice))
            self._serve(client)

    # -- subscriptions --------------------------------------------------------------------------

    def create(self, owner: Any, publishing: Publishing, *, enabled: bool) -> Subscription:
        """A new subscription. Raises ServiceError Bad_TooManySubscriptions."""
        limits = self.limits.published
        self._check_number(owner)
        if len(self._subscriptions) >= limits.max_subscriptions and not self._drop_abandoned():
            raise ServiceError(StatusCodes.BadTooManySubscriptions)
        client = self._client(owner)
        self._last_subscription += 1
        subscription = Subscription(
            self._last_subscription,
            publishing,
            self.items.new_set(),
            client.queue,
            owner,
            Retransmissions(
                self.limits.max_retransmissions,
                self.limits.max_retransmission_bytes,
                self._retransmission_bytes,
            ),
            enabled=enabled,
            now_s=self._clock(),
            wall_clock=self._wall_clock,
        )
        client.subscriptions[subscription.id] = subscription
        self._subscriptions[subscription.id] = subscription
        return subscription

    def _client(self, owner: Any) -> _Client:
        client = self._clients.get(owner)
        if client is None:
            queue = PublishQueue(self.limits.max_publish_requests_per_session)
            client = self._clients[owner] = _Client(queue, self._access.key(owner))
        return client

    def _check_number(self, owner: Any) -> None:
        """Raises ServiceError Bad_TooManySubscriptions when the session may have no more."""
        client = self._clients.get(owner)
        own = len(client.subscriptions) if client else 0
        if own >= self.limits.published.max_subscriptions_per_session:
            raise ServiceError(StatusCodes.BadTooManySubscriptions)

    def items_left(self, owner: Any) -> int:
        """How many more items the session's subscriptions may have together."""
        client = self._clients.get(owner)
        own = sum(len(s.items) for s in client.subscriptions.values()) if client else 0
        return self.limits.published.max_monitored_items_per_session - own

    def make_room(self, owner: Any, source: Source, places: int) -> int:
        """How many more values the queues of the session's items may hold, after subscriptions
        that nobody uses have given way to so many."""
        client = self._clients.get(owner)
        own = sum(s.items.places for s in client.subscriptions.values()) if client else 0
        left = self.limits.max_queued_values_per_session - own
        return min(left, self.items.make_room(source, min(places, left)))

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

    def of_session(self, owner: Any, subscription_id: int) -> Subscription:
        """Like `find`. Raises StatusError Bad_UserAccessDenied for another session's
        (Part 5, 9.1 and 9.2)."""
        subscription = self._subscriptions.get(subscription_id)
        if subscription is not None and subscription.owner is not owner:
            raise StatusError(StatusCodes.BadUserAccessDenied)
        return self.find(owner, subscription_id)

    def _drop_abandoned(self) -> bool:
        """End the subscription whose session is gone longest; False when there is none."""
        subscription = next(iter(self._abandoned), None)
        if subscription is None:
            return False
        self._give_way(subscription)
        return True

    def _give_way(self, subscription: Subscription) -> None:
        left_out = self._lines.spend(self._clock())
        if left_out is not None:
            context = {"subscription": subscription.id, "lines_left_out": left_out}
            _log.info("subscription gives way", extra=context)
        self._remove(subscription)

    def _remove(self, subscription: Subscription) -> None:
        self.items.retire(subscription.items)
        subscription.close()
        del self._subscriptions[subscription.id]
        self._checks.pop(subscription, None)
        self._detach(subscription)

    def _detach(self, subscription: Subscription) -> None:
        """Take the subscription away from its session."""
        subscription.queue = None
        self._abandoned.pop(subscription, None)
        client = self._clients[subscription.owner]
        del client.subscriptions[subscription.id]
        if client.gone and not client.subscriptions:
            del self._clients[subscription.owner]

    # -- transfer -------------------------------------------------------------------------------

    def transfer(self, owner: Any, subscription_id: int) -> Subscription:
        """Give a subscription to another session (Part 4, 5.14.7). It speaks when its items have
        been checked, see `settle`.

        Its old session is told. Raises StatusError: Bad_SubscriptionIdInvalid; Bad_NothingToDo
        for a subscription of this session; Bad_UserAccessDenied for another user's;
        Bad_TooManySubscriptions.
        """
        subscription = self._subscriptions.get(subscription_id)
        if subscription is None:
            raise StatusError(StatusCodes.BadSubscriptionIdInvalid)
        subscription.statistics.transfer_requests += 1
        if subscription.owner is owner:
            subscription.touch()
            raise StatusError(StatusCodes.BadNothingToDo)
        if not self._access.may_take_over(owner, subscription.owner):
            raise StatusError(StatusCodes.BadUserAccessDenied)
        try:
            self._check_number(owner)
        except ServiceError as error:
            raise StatusError(error.status) from None
        before = self._clients[subscription.owner]
        self._detach(subscription)
        if not before.gone:
            notice = subscription.status_change(StatusCodes.GoodSubscriptionTransferred)
            before.notices.append((subscription.id, notice))
            self._serve(before)
        same = self._access.same_client(owner, subscription.owner)
        subscription.statistics.transferred_to_same += same
        subscription.statistics.transferred_to_other += not same
        # Where events came from, and what items said that are gone, nobody knows by now.
        other_rights = self._access.key(owner) != self._access.key(subscription.owner)
        if other_rights and (subscription.statistics.events or subscription.items.removed):
            subscription.forget_messages()
        subscription.owner = owner
        subscription.touch()
        self._client(owner).subscriptions[subscription.id] = subscription
        subscription.messages_held = True
        self._checks[subscription] = self._check_items(subscription)
        return subscription

    def settle(self, subscription: Subscription, *, resend: bool) -> Iterator[None]:
        """Go on with the check of a subscription's items, some at a time, until it may speak.

        If nobody waits for that any longer, `tick` does the rest. `resend`: queue the present
        values too.
        """
        while subscription in self._checks:
            self._check_on(subscription)
            yield
        if resend and subscription.state is not State.CLOSED:
            yield from self.items.resend(subscription.items)

    # -- publishing -----------------------------------------------------------------------------

    def publish(self, owner: Any, request: ParkedPublish) -> None:
        """Park a Publish request, or answer it when somebody has been waiting for it."""
        client = self._clients.get(owner)
        if client is None or not (client.subscriptions or client.notices):
            request.refuse(StatusCodes.BadNoSubscription)
            return
        for subscription in client.subscriptions.values():
            subscription.touch()
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

    def _send_notice(
        self, request: ParkedPublish, subscription_id: int, message: columns.Message
    ) -> None:
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
        client = self._clients.get(owner)
        if client is None:
            return
        for subscription in list(client.subscriptions.values()):
            if delete_subscriptions:
                self._remove(subscription)
            else:
                subscription.queue = None
                self._abandoned[subscription] = None
        client.gone = True
        client.notices.clear()
        client.queue.refuse(StatusCodes.BadSessionClosed, lambda _: True)
        if not client.subscriptions:
            del self._clients[owner]
        elif not delete_subscriptions:
            self._limit_abandoned(self._access.client_key(owner))

    def _limit_abandoned(self, client_key: object) -> None:
        """Whoever comes and goes all day leaves only so many sessions' subscriptions behind."""
        owners = dict.fromkeys(s.owner for s in self._abandoned)
        left = [owner for owner in owners if self._access.client_key(owner) == client_key]
        for owner in left[: -self.limits.max_abandoned_sessions_per_client]:
            for subscription in list(self._clients[owner].subscriptions.values()):
                self._give_way(subscription)

    def owner_moved(self, owner: Any, connection: object) -> None:
        """A session goes on on this connection: its requests on the one before are refused, so
        that no message goes to somebody who may not hear it any more."""
        client = self._clients.get(owner)
        if client is not None:
            client.queue.refuse(
                StatusCodes.BadSecureChannelClosed, lambda r: r.connection is not connection
            )

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

    def subscriptions(self) -> Iterator[tuple[Any, Subscription]]:
        """Every subscription with its owner, those of closed sessions too."""
        return ((s.owner, s) for s in list(self._subscriptions.values()))

    # -- rights and ranges ----------------------------------------------------------------------

    def span(self, node_id: ua.NodeId) -> float | None:
        """High - low of the node's EURange; None where there is none."""
        return self._access.span(node_id)

    def check_access(self) -> None:
        """End the items whose right was withdrawn or whose node is gone, and revive those that
        have it back; take new EURanges into account.

        For a slice of time: what could not be checked yet says nothing until it was.
        """
        for owner, client in list(self._clients.items()):
            key = self._access.key(owner)
            if key == client.access_key:
                continue
            client.access_key = key
            for subscription in client.subscriptions.values():
                subscription.queue = None
                self._checks[subscription] = self._check_items(subscription)
        ends_s = self._work_clock() + SLICE_S
        while self._checks and self._work_clock() < ends_s:
            self._check_on(next(iter(self._checks)))
        if self.items.has_percent:
            stamp = self._access.range_stamp
            if stamp != self._range_stamp:
                self._range_stamp = stamp
                self._renewal = self.items.renew_deadbands(self.span)
        while self._renewal is not None and self._work_clock() < ends_s:
            if next(self._renewal, _DONE) is _DONE:
                self._renewal = None

    def _check_on(self, subscription: Subscription) -> None:
        """Check one more item; after the last one the subscription may speak again."""
        if next(self._checks[subscription], _DONE) is _DONE:
            del self._checks[subscription]
            client = self._clients[subscription.owner]
            if not client.gone:
                subscription.queue = client.queue

    def _check_items(self, subscription: Subscription) -> Iterator[None]:
        """Check what there is. Messages that were sent to another owner stay only where all of it
        may go on."""
        for item in subscription.items:
            if subscription.items.get(item.id) is item:
                self._check_item(subscription, item)
            yield
        if subscription.messages_held:
            if any(item.ended for item in subscription.items):
                subscription.forget_messages()
            subscription.messages_held = False

    def _check_item(self, subscription: Subscription, item: MonitoredItem) -> None:
        status = self._access.verdict(subscription.owner, item)
        if status != StatusCodes.Good:
            if not item.ended:
                self.items.end(item, status)
            return
        self.items.withhold(item)
        source = self._access.source(subscription, item)
        if source is not None:
            item.ended = False
            self.items.rebind(subscription.items, item, source)
        elif item.ended:
            self.items.revive(item)


def _turn(subscription: Subscription) -> tuple[int, float]:
    """Who speaks first: the highest priority, then who has been silent longest."""
    return (-subscription.publishing.priority, subscription.last_served_s)
