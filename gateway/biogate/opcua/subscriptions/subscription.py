"""One Subscription: publishing timer, keep-alive, lifetime, retransmission (Part 4, 5.14.1).

Fed with events and a monotonic clock; what it sends goes out through the Publish requests of its
session's queue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from biogate.opcua.codec import columns
from biogate.opcua.subscriptions.grid import first_instant, next_instant
from biogate.opcua.subscriptions.item_set import ItemSet
from biogate.opcua.subscriptions.publish_queue import ParkedPublish, PublishQueue
from biogate.opcua.subscriptions.retransmission import Retransmissions
from biogate.opcua.subscriptions.states import Action, Event, Situation, State, transition
from biogate.opcua.subscriptions.statistics import SubscriptionStatistics

_FRAME_BYTES = 128
"""More than a PublishResponse takes besides its notifications, results and sequence numbers."""

_MAX_SEQUENCE = 0xFFFF_FFFF


@dataclass(slots=True)
class Publishing:
    """The revised parameters of CreateSubscription and ModifySubscription.

    `max_notifications` per message, the server's own limit included; `priority` 0 to 255, the
    highest served first.
    """

    interval_ms: float
    lifetime_count: int
    max_keep_alive_count: int
    max_notifications: int
    priority: int


class Subscription:
    """Its items, and the messages about them.

    `owner` is its session; `queue` is that session's, None once the session is gone or while it is
    not known what it may be told. `messages_held`: it was another session's before, and what that
    was sent is not for this one's eyes yet.
    """

    def __init__(
        self,
        subscription_id: int,
        publishing: Publishing,
        items: ItemSet,
        queue: PublishQueue | None,
        owner: Any,
        sent_messages: Retransmissions,
        *,
        enabled: bool,
        now_s: float,
        wall_clock: Callable[[], int],
    ) -> None:
        self.id = subscription_id
        self.publishing = publishing
        self.items = items
        self.queue = queue
        self.owner = owner
        self.enabled = enabled
        self.messages_held = False
        self.state = State.NORMAL
        self.next_s = first_instant(now_s, publishing.interval_ms / 1000)
        self.last_served_s = now_s
        self._wall_clock = wall_clock
        self._sent = False
        self._more = False
        self._lifetime = publishing.lifetime_count
        self._keep_alive = publishing.max_keep_alive_count
        self._next_sequence = 1
        self._sent_messages = sent_messages
        self.statistics = SubscriptionStatistics()

    # -- events ---------------------------------------------------------------------------------

    def on_timer(self, now_s: float) -> None:
        """The publishing timer has expired. Late by several intervals, it counts once."""
        self.next_s = next_instant(self.next_s, now_s, self.publishing.interval_ms / 1000)
        if self.queue:
            self.touch()
        else:
            self._lifetime -= 1
        self._handle(Event.TIMER, now_s)
        self.items.settle()

    def on_publish(self, now_s: float) -> None:
        """The session's queue holds a Publish request that this subscription may want."""
        self._handle(Event.PUBLISH, now_s)

    @property
    def waiting(self) -> bool:
        """True when it would answer a Publish request at once."""
        return self.state is State.LATE or self._more

    @property
    def unfinished(self) -> bool:
        """True when it stopped in the middle of what it may say at once, or found requests that
        have been waiting when it came to its session."""
        may_speak = self.state is State.LATE or (self._more and self.enabled)
        return may_speak and bool(self.queue)

    @property
    def expired(self) -> bool:
        """True when its client has been silent for the lifetime (row 27)."""
        return self._lifetime <= 0

    @property
    def lifetime_left(self) -> int:
        """Publishing cycles until it expires."""
        return self._lifetime

    @property
    def keep_alive_left(self) -> int:
        """Publishing cycles until a keep-alive, when there is nothing to say."""
        return self._keep_alive

    @property
    def next_sequence(self) -> int:
        """The sequence number of the next message."""
        return self._next_sequence

    def touch(self) -> None:
        """The client is alive: the lifetime starts again."""
        self._lifetime = self.publishing.lifetime_count

    def modify(self, publishing: Publishing, now_s: float) -> None:
        """New parameters; the timer starts again when the interval is another (row 18)."""
        if publishing.interval_ms != self.publishing.interval_ms:
            self.next_s = first_instant(now_s, publishing.interval_ms / 1000)
        self.publishing = publishing
        self._keep_alive = min(self._keep_alive, publishing.max_keep_alive_count)
        self.statistics.modified += 1
        self.touch()

    def enable(self, *, enabled: bool) -> None:
        """Let notifications out, or keep them in (row 19)."""
        self.enabled = enabled
        self._more = False
        self.statistics.enabled += enabled
        self.statistics.disabled += not enabled
        self.touch()

    def close(self) -> None:
        """The subscription is gone; its items must have been removed from sampling."""
        self.state = State.CLOSED
        self._more = False
        self._sent_messages.clear()

    # -- retransmission -------------------------------------------------------------------------

    @property
    def available_sequence_numbers(self) -> list[int]:
        """Messages that are kept until the client acknowledges them, the oldest first."""
        return [] if self.messages_held else self._sent_messages.numbers

    def acknowledge(self, sequence: int) -> bool:
        """Forget a message; False when it is not there."""
        return self._sent_messages.acknowledge(sequence)

    def forget_messages(self) -> None:
        """Keep no message any longer: whoever asks for them may not see what is in them."""
        self._sent_messages.clear()

    def message(self, sequence: int) -> columns.Message | None:
        """An unacknowledged NotificationMessage, encoded; None when it is not there."""
        return None if self.messages_held else self._sent_messages.get(sequence)

    # -- messages -------------------------------------------------------------------------------

    def status_change(self, status: int) -> columns.Message:
        """A NotificationMessage that says how the subscription ended."""
        return columns.notification_message(
            self._next_sequence, self._wall_clock(), columns.status_change_notification(status)
        )

    def _handle(self, event: Event, now_s: float) -> None:
        situation = Situation(
            queued=bool(self.queue),
            notify=self.enabled and self.items.available,
            more=self.enabled and self._more,
            sent=self._sent,
            due=self._keep_alive <= 1,
        )
        row = transition(self.state, event, situation)
        if row is None:
            return
        self.statistics.late += row.next is State.LATE and event is Event.TIMER
        self.state = row.next
        if row.action is Action.COUNT_DOWN:
            self._keep_alive -= 1
        elif row.action is not Action.NOTHING and self.queue is not None:
            self._sent = True
            self.last_served_s = now_s
            self._keep_alive = self.publishing.max_keep_alive_count
            if row.action is Action.SEND_KEEP_ALIVE:
                self._send_keep_alive(self.queue.pop())
            else:
                self._send_notifications(self.queue)

    def _send_keep_alive(self, request: ParkedPublish) -> None:
        """An empty message with the number that the next one will have; it is not used up."""
        self._more = False
        now = self._wall_clock()
        message = columns.notification_message(self._next_sequence, now)
        self._answer(request, message, now)

    def _send_notifications(self, queue: PublishQueue) -> None:
        """Messages until all is said, no Publish request is left, or it takes too long."""
        self._more = True
        while self._more and queue:
            room = self._room(queue.peek())
            taken = self.items.take(self.publishing.max_notifications, room)
            self._more = self.items.available
            if not taken.notifications:
                # Whatever was available has gone with its item since: keep the client informed.
                self._send_keep_alive(queue.pop())
                return
            self.statistics.data_changes += taken.changes
            self.statistics.events += taken.events
            now = self._wall_clock()
            message = columns.notification_message(self._next_sequence, now, *taken.notifications)
            discarded = self._sent_messages.keep(self._next_sequence, message)
            self.statistics.discarded_messages += discarded
            self._next_sequence = self._next_sequence % _MAX_SEQUENCE + 1
            self._answer(queue.pop(), message, now)
            if taken.cut:
                return

    def _room(self, request: ParkedPublish) -> int:
        """The bytes that the notifications of a response may take."""
        numbers = len(request.results) + len(self._sent_messages) + 1
        return max(0, request.room - _FRAME_BYTES - 4 * numbers)

    def _answer(self, request: ParkedPublish, message: columns.Message, now: int) -> None:
        self.statistics.publish_requests += 1
        request.answer(
            columns.publish_response(
                request.request_handle,
                now,
                self.id,
                self.available_sequence_numbers,
                request.results,
                message,
                more=self._more,
            )
        )
