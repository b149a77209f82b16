"""Many subscribers in one process: they keep Publish requests waiting and count what comes in."""

from __future__ import annotations

import selectors
import struct
import time
from dataclasses import dataclass, field
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from benchmarks.load import requests
from benchmarks.load.answers import Cursor, WrongAnswerError, check_response
from benchmarks.load.requests import Template
from benchmarks.load.session import LONG_MS, Target
from benchmarks.load.values import Values, take_values

_CREATE_SUBSCRIPTION, _CREATE_ITEMS, _PUBLISH = 790, 754, 829
_DATA_CHANGE = 811
_PUBLISH_REQUESTS = 4
_ITEMS_PER_CALL = 500
_LATENCY_STEP = 97  # a sample of each message's values, spread over the slices
_TICKS_PER_MS = 10_000
_ACKNOWLEDGEMENT = struct.Struct("<II")


@dataclass(frozen=True)
class Wish:
    """What a subscriber asks for. Intervals in ms; a sampling interval of 0 is every change."""

    items: int = 1000
    publishing_interval_ms: float = 100.0
    sampling_interval_ms: float = 100.0
    queue_size: int = 10
    lifetime_count: int = 10_000


@dataclass
class Tally:
    """What subscribers got in a span of time."""

    delivered: int = 0
    messages: int = 0
    overflows: int = 0
    latencies_ms: list[NDArray[np.float64]] = field(default_factory=list)


class Subscriber:
    """One connection with one Subscription to the first variables of a server."""

    def __init__(self, target: Target, wish: Wish, *, timeout_ms: float = LONG_MS) -> None:
        self._session = session = target.connect(timeout_ms=timeout_ms)
        self.channel = session.channel
        self._last = np.full(wish.items, np.nan)
        try:
            self._subscription = self._subscribe(wish)
        except BaseException:
            self.channel.socket.close()
            raise
        self._publish = session.template(requests.publish([]))
        acknowledging = requests.publish([(self._subscription, 0)])
        self._acknowledge = session.template(acknowledging)
        self._next_sequence = 1

    def _subscribe(self, wish: Wish) -> int:
        create = requests.create_subscription(wish.publishing_interval_ms, wish.lifetime_count)
        answer = Cursor(self._session.ask(create, _CREATE_SUBSCRIPTION))
        subscription = answer.uint32()
        nodes = self._session.target.variables(wish.items)
        for first in range(0, wish.items, _ITEMS_PER_CALL):
            part = nodes[first : first + _ITEMS_PER_CALL]
            items = requests.create_items(
                subscription, part, first, wish.sampling_interval_ms, wish.queue_size
            )
            _check_items(self._session.ask(items, _CREATE_ITEMS), len(part))
        return subscription

    def start(self) -> None:
        """Send the first Publish requests; from now on answers come when the server has them."""
        sealed = (self.channel.sealed(self._publish)[1] for _ in range(_PUBLISH_REQUESTS))
        self.channel.socket.sendall(b"".join(sealed))

    def receive(self, tally: Tally) -> None:
        """Take what has come in, and send as many Publish requests. Raises WrongAnswerError."""
        data = self.channel.socket.recv(1 << 20)
        if not data:
            raise WrongAnswerError("the server closed a subscriber's connection")
        sealed = [
            self.channel.sealed(self.take(body, tally))[1] for _, body in self.channel.feed(data)
        ]
        if sealed:
            self.channel.socket.sendall(b"".join(sealed))

    def take(self, body: bytes, tally: Tally) -> Template:
        """Count an answer's notifications; the Publish request that follows it.

        Raises WrongAnswerError, also for a NotificationMessage that does not follow the last one.
        """
        check_response(body, _PUBLISH)
        answer = Cursor(body)
        subscription, available = answer.unpack("Ii")
        answer.at += 4 * max(available, 0) + 1
        sequence, _publish_time, notifications = answer.unpack("Iqi")
        if subscription != self._subscription:
            raise WrongAnswerError("notifications of another's Subscription")
        if notifications < 1:
            return self._publish
        if sequence != self._next_sequence:
            raise WrongAnswerError(
                f"NotificationMessage {sequence} where {self._next_sequence} should be"
            )
        self._next_sequence = sequence + 1
        for _ in range(notifications):
            self._count(_data_change(answer), tally)
        tally.messages += 1
        self._acknowledge.end_with(_ACKNOWLEDGEMENT.pack(self._subscription, sequence))
        return self._acknowledge

    def _count(self, values: Values, tally: Tally) -> None:
        tally.delivered += len(values.handle)
        tally.overflows += values.overflows
        self._last[values.handle] = values.value
        late = requests.now_ticks() - values.source_time[::_LATENCY_STEP]
        tally.latencies_ms.append(late / _TICKS_PER_MS)

    def mark(self) -> NDArray[np.float64]:
        """The newest number of each variable: they count up by one with each change."""
        return self._last.copy()

    def leave(self) -> None:
        """Close the session with its Subscription, then the connection."""
        channel = self.channel
        number, data = channel.sealed(self._session.template(requests.close_session()))
        channel.socket.sendall(data)
        while number not in (answered for answered, _ in channel.receive()):
            pass
        channel.socket.close()


def _check_items(body: bytes, count: int) -> None:
    """Raises WrongAnswerError unless every item was created."""
    answer = Cursor(body)
    found = answer.uint32()
    if found != count:
        raise WrongAnswerError(f"{found} results for {count} items")
    for _ in range(count):
        status, _item, _interval, _queue = answer.unpack("IIdI")
        answer.node_id()
        if answer.take(1)[0]:
            answer.byte_string()
        if status:
            raise WrongAnswerError(f"an item was refused with 0x{status:08X}")


def _data_change(answer: Cursor) -> Values:
    """The values of a DataChangeNotification (Part 4, 7.25.2) at the cursor."""
    kind, namespace, type_id, encoding, size = answer.unpack("BBHBi")
    if (kind, namespace, type_id, encoding) != (1, 0, _DATA_CHANGE, 1):
        raise WrongAnswerError(f"a notification of type {type_id}")
    end = answer.at + size
    count = answer.unpack("i")[0]
    if count < 1:
        raise WrongAnswerError("a DataChangeNotification without a notification")
    values = take_values(answer.body[answer.at : end - 4], count, handles=True)
    answer.at = end
    return values


@dataclass(frozen=True)
class Published:
    """What all subscribers got in `seconds`.

    `changes` is by how much their variables counted up: what of it was not delivered was lost.
    `without_value` counts items that had no value when the counting began.
    """

    clients: int
    delivered: int
    changes: int
    without_value: int
    overflows: int
    messages: int
    seconds: float
    cpu_s: float
    latencies_ms: NDArray[np.float64]


class Subscribers:
    """A number of subscribers, all served by one selector."""

    def __init__(self, target: Target, wish: Wish) -> None:
        self._target = target
        self._wish = wish
        self._selector = selectors.DefaultSelector()
        self._all: list[Subscriber] = []
        self._tally = Tally()
        self._before: list[NDArray[np.float64]] = []
        self._started = 0.0, 0.0

    def become(self, count: int) -> None:
        """Connect or leave until there are `count`; the others are served meanwhile."""
        while len(self._all) > count:
            subscriber = self._all.pop()
            self._selector.unregister(subscriber.channel.socket)
            subscriber.leave()
            self.serve(0.0)
        while len(self._all) < count:
            subscriber = Subscriber(self._target, self._wish)
            self._selector.register(subscriber.channel.socket, selectors.EVENT_READ, subscriber)
            self._all.append(subscriber)
            subscriber.start()
            self.serve(0.0)

    def serve_until(self, file: TextIO) -> None:
        """Receive until there is something to read from `file`."""
        self._selector.register(file, selectors.EVENT_READ)
        try:
            while True:
                for key, _ in self._selector.select():
                    if key.fileobj is file:
                        return
                    key.data.receive(self._tally)
        finally:
            self._selector.unregister(file)

    def serve(self, seconds: float) -> None:
        """Receive for some time; with 0, what is there already."""
        end = time.perf_counter() + seconds
        while True:
            left = end - time.perf_counter()
            ready = self._selector.select(max(left, 0.0))
            for key, _ in ready:
                key.data.receive(self._tally)
            if left <= 0:
                return

    def begin(self) -> None:
        """Count from now on."""
        self._tally = Tally()
        self._before = [s.mark() for s in self._all]
        self._started = time.process_time(), time.perf_counter()

    def so_far(self) -> Published:
        """What came in since `begin`."""
        cpu, started = self._started
        elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu
        tally = self._tally
        counted = [s.mark() - earlier for s, earlier in zip(self._all, self._before, strict=True)]
        changes = sum(float(np.nansum(upwards)) for upwards in counted)
        without = sum(int(np.isnan(upwards).sum()) for upwards in counted)
        late = np.concatenate(tally.latencies_ms) if tally.latencies_ms else np.array([])
        return Published(
            len(self._all), tally.delivered, round(changes), without, tally.overflows,
            tally.messages, elapsed, cpu, late,
        )  # fmt: skip

    def close(self) -> None:
        """Let all leave."""
        self.become(0)
        self._selector.close()
