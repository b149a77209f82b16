"""Subscriptions driven by hand: a clock that tests move, and answers decoded by asyncua."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary

from biogate.opcua.config import Limits
from biogate.opcua.events.journal import EventJournal
from biogate.opcua.subscriptions.filters import DEFAULT_FILTER, DataFilter
from biogate.opcua.subscriptions.limits import SubscriptionLimits
from biogate.opcua.subscriptions.manager import SubscriptionManager
from biogate.opcua.subscriptions.monitored_item import (
    REPORTING,
    MonitoredItem,
    NumberSource,
    ObjectSource,
    Settings,
)
from biogate.opcua.subscriptions.publish_queue import ParkedPublish
from biogate.opcua.subscriptions.subscription import Publishing, Subscription
from biogate.tags import Journal, TagInfo, TagTable

T0 = 133_000_000_000_000_000


CONNECTED = SimpleNamespace(writable=True)


@dataclass
class Clock:
    """Monotonic seconds, and the wall clock that goes with them."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s

    def wall(self) -> int:
        return T0 + round(self.now_s * 10_000_000)


@dataclass
class Access:
    """Lets everything pass until told otherwise."""

    epoch: int = 0
    verdicts: dict[int, int] = field(default_factory=dict)
    sources: dict[int, NumberSource | ObjectSource] = field(default_factory=dict)
    spans: dict[int, float] = field(default_factory=dict)
    same_user: bool = True
    client_keys: dict[int, object] = field(default_factory=dict)

    def key(self, owner: Any) -> object:
        return self.epoch

    def verdict(self, owner: Any, item: MonitoredItem) -> int:
        return self.verdicts.get(item.id, 0)

    def source(
        self, subscription: Subscription, item: MonitoredItem
    ) -> NumberSource | ObjectSource | None:
        return self.sources.pop(item.id, None)

    def may_take_over(self, owner: Any, before: Any) -> bool:
        return self.same_user

    def same_client(self, owner: Any, before: Any) -> bool:
        return True

    def client_key(self, owner: Any) -> object:
        return self.client_keys.get(id(owner), id(owner))

    @property
    def range_stamp(self) -> object:
        return self.spans

    def span(self, node_id: ua.NodeId) -> float | None:
        return self.spans.get(node_id.Identifier)


@dataclass(eq=False)
class Answers:
    """One session's view: what its Publish requests were answered with."""

    server: Server
    responses: list[ua.PublishResult] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    refusals: list[tuple[int, int]] = field(default_factory=list)
    handle: int = 0

    def publish(
        self,
        *,
        acknowledge: tuple[tuple[int, int], ...] = (),
        connection: Any = CONNECTED,
        expires_s: float | None = None,
        room: int = 1 << 30,
    ) -> int:
        """Park a Publish request; its handle."""
        self.handle += 1
        handle = self.handle
        manager = self.server.manager
        results = [manager.acknowledge(self, *one) for one in acknowledge]
        manager.publish(
            self,
            ParkedPublish(
                handle,
                connection,
                results,
                lambda body: self._answered(handle, body),
                lambda status: self.refusals.append((handle, status)),
                expires_s,
                room,
            ),
        )
        return handle

    def _answered(self, handle: int, body: bytes) -> None:
        self.sizes.append(len(body))
        self.responses.append(decode(body, handle))

    def take(self) -> ua.PublishResult:
        """The oldest answer, which must be there."""
        return self.responses.pop(0)

    def values(self) -> list[tuple[int, Any]]:
        """(client handle, value) of all answers, which are taken."""
        taken, self.responses = self.responses, []
        return [
            (item.ClientHandle, item.Value.Value.Value)
            for response in taken
            for change in response.NotificationMessage.NotificationData or ()
            for item in change.MonitoredItems
        ]


def decode(body: bytes, request_handle: int) -> ua.PublishResult:
    buffer = Buffer(body)
    assert nodeid_from_binary(buffer).Identifier == 829
    header = struct_from_binary(ua.ResponseHeader, buffer)
    assert header.RequestHandle == request_handle
    result = struct_from_binary(ua.PublishResult, buffer)
    assert len(buffer) == 0
    return result


def items_of(result: ua.PublishResult) -> list[tuple[int, Any, int]]:
    """(client handle, value, status) of each notification of one answer."""
    return [
        (item.ClientHandle, item.Value.Value.Value, item.Value.StatusCode.value)
        for change in result.NotificationMessage.NotificationData or ()
        for item in change.MonitoredItems
    ]


class Server:
    """A tag table, a manager and a clock; `worked_s` is the working time that tests let pass."""

    def __init__(self, limits: SubscriptionLimits, journal_rows: int = 100_000) -> None:
        self.clock = Clock()
        self.worked_s = 0.0
        self.access = Access()
        self.table = TagTable(Journal(journal_rows))
        self.journal = EventJournal()
        self.manager = SubscriptionManager(
            limits,
            self.table,
            self.journal,
            self.access,
            self.clock,
            self.clock.wall,
            lambda: self.worked_s,
        )

    def client(self) -> Answers:
        return Answers(self)

    def tag(self, data_type: str = "Double") -> int:
        return self.table.add(TagInfo(f"tag{len(self.table)}", data_type))

    def update(self, *rows: tuple[int, float], status: int = 0, source_time: int = 0) -> None:
        """One batch of (tag, value)."""
        index, value = zip(*rows, strict=True)
        self.table.apply(
            np.array(index, np.int32),
            np.array(value, np.float64),
            np.full(len(rows), status, np.uint32),
            np.full(len(rows), source_time or self.clock.wall(), np.int64),
            self.clock.wall(),
        )

    def advance(self, seconds: float) -> None:
        """Let time pass, calling tick whenever the manager asks for it."""
        end = self.clock.now_s + seconds
        while self.manager.next_deadline_s <= end + 1e-9:
            self.clock.now_s = max(self.clock.now_s, self.manager.next_deadline_s)
            self.manager.tick(self.clock.now_s)
        self.clock.now_s = end

    def subscribe(
        self,
        client: Answers,
        *,
        interval_ms: float = 100,
        keep_alive: int = 3,
        lifetime: int = 9,
        max_notifications: int = 1000,
        priority: int = 0,
        enabled: bool = True,
    ) -> Subscription:
        publishing = Publishing(interval_ms, lifetime, keep_alive, max_notifications, priority)
        return self.manager.create(client, publishing, enabled=enabled)

    def monitor(
        self,
        subscription: Subscription,
        source: NumberSource | ObjectSource,
        *,
        handle: int = 1,
        interval_ms: float = 0.0,
        filter_: DataFilter = DEFAULT_FILTER,
        timestamps: int = 2,
        queue_size: int = 1,
        discard_oldest: bool = True,
        mode: int = REPORTING,
    ) -> MonitoredItem:
        item = self.manager.items.add(
            subscription.items,
            ua.ReadValueId(ua.NodeId(handle, 2), ua.AttributeIds.Value),
            source,
            Settings(handle, interval_ms, filter_, timestamps, queue_size, discard_oldest),
            mode,
        )
        self.manager.items.start([item])
        return item


@pytest.fixture
def limits() -> SubscriptionLimits:
    return SubscriptionLimits(Limits())


@pytest.fixture(scope="session")
def new_server() -> Callable[..., Server]:
    """Makes a server for one example of a property test."""
    return lambda journal_rows=100_000, **limits: Server(
        SubscriptionLimits(Limits(**limits)), journal_rows
    )


@pytest.fixture
def server(limits: SubscriptionLimits) -> Server:
    return Server(limits)


@pytest.fixture
def client(server: Server) -> Answers:
    return server.client()
