"""From the journal to the queues, a slice of working time at each tick."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.config import Limits
from biogate.opcua.events import Event
from biogate.opcua.events.delivery import SLICE_S, EventDelivery
from biogate.opcua.events.event_filter import EventFilters
from biogate.opcua.events.fields import EventTypes
from biogate.opcua.events.journal import Emitted, EventJournal
from biogate.opcua.events.queue import EventQueue
from biogate.opcua.subscriptions.monitored_item import EventSource, MonitoredItem, Settings

NOTIFIERS = [ua.NodeId(name, 1) for name in ("plant", "area", "pump")]
SEVERITY = ua.EventFilter(
    [
        ua.SimpleAttributeOperand(
            ua.NodeId(ua.ObjectIds.BaseEventType), [ua.QualifiedName("Severity")], 13
        )
    ]
)


class Desk:
    """A journal and its delivery; each look at the working clock takes a third of a slice."""

    def __init__(self, types: EventTypes, capacity: int) -> None:
        self.journal = EventJournal(capacity)
        self.worked_s = 0.0
        self.delivery = EventDelivery(self.journal, lambda: 0, self._work)
        self.filters = EventFilters(types, Limits())
        self.budget = ByteBudget(1 << 20)
        self.last = 0

    def _work(self) -> float:
        self.worked_s += SLICE_S / 3
        return self.worked_s

    def item(self, notifier: int) -> MonitoredItem:
        node = NOTIFIERS[notifier]
        made = Settings(1, 0.0, self.filters.get(SEVERITY), 2, 1000, discard_oldest=True)
        item = MonitoredItem(
            0, ua.ReadValueId(node, 12), EventSource(node, lambda _: True), made, 2
        )
        item.queue = EventQueue(1000, self.budget, discard_oldest=True)
        self.delivery.add([item])
        return item

    def emit(self, depth: int) -> int:
        """An event that is heard at so many of the notifiers, from the top."""
        self.last = self.last % 1000 + 1
        event = Event(NOTIFIERS[depth], self.last, ua.LocalizedText("x"))
        self.journal.append(Emitted(event, frozenset(NOTIFIERS[: depth + 1])))
        return self.last

    def finish(self) -> None:
        for _ in range(10_000):
            if not self.delivery.pending:
                return
            self.delivery.tick()
        raise AssertionError("the delivery does not end")


def heard(item: MonitoredItem) -> list[int]:
    """Severities of all that is queued, overflow events included."""
    queue: Any = item.queue
    found = []
    while queue:
        found.append(int.from_bytes(queue.peek()[5:7], "little"))
        queue.take()
    return found


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("emit"), st.integers(0, 2)),
        st.tuples(st.just("emit"), st.integers(0, 2)),
        st.tuples(st.just("add"), st.integers(0, 2)),
        st.tuples(st.just("remove"), st.integers(0, 9)),
        st.tuples(st.just("tick"), st.just(0)),
    ),
    max_size=40,
)


# Whoever listens hears every event of its notifier from then on, in order, and nothing else.
@settings(max_examples=200)
@given(OPERATIONS)
def test_every_item_hears_its_events_and_no_others(
    types: EventTypes, operations: list[tuple[str, int]]
) -> None:
    desk = Desk(types, capacity=1000)
    listening: list[tuple[MonitoredItem, int, list[int]]] = []
    for name, argument in operations:
        if name == "emit":
            number = desk.emit(argument)
            for _, notifier, expected in listening:
                if notifier <= argument:
                    expected.append(number)
        elif name == "add":
            listening.append((desk.item(argument), argument, []))
        elif name == "remove" and argument < len(listening):
            item, _, expected = listening.pop(argument)
            desk.delivery.remove(item)
            got = heard(item)
            assert got == expected[: len(got)]
            desk.finish()
            assert heard(item) == []
        else:
            desk.delivery.tick()
    desk.finish()
    assert [heard(item) for item, _, _ in listening] == [expected for _, _, expected in listening]
    assert desk.budget.used == 0


def test_an_emitter_never_waits_and_a_slow_listener_is_told(
    types: EventTypes, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(types, capacity=4)
    old = desk.item(0)
    for _ in range(3):
        desk.emit(0)
    late = desk.item(0)
    with caplog.at_level(logging.WARNING):
        for _ in range(6):
            desk.emit(0)
        desk.finish()
    queue: Any = late.queue
    assert desk.delivery.lost == 5
    assert (old.queue.lost, queue.lost) == (5, 2)  # type: ignore[union-attr]
    assert heard(old)[1:] == heard(late)[1:] == [6, 7, 8, 9]
    assert len(caplog.records) == 1


def test_losses_are_logged_once_a_minute(
    types: EventTypes, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(types, capacity=4)
    desk.item(0)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            for _ in range(6):
                desk.emit(0)
            desk.finish()
        assert len(caplog.records) == 1
        desk.worked_s += 60
        for _ in range(6):
            desk.emit(0)
        desk.finish()
    assert [vars(line)["lines_left_out"] for line in caplog.records] == [0, 2]
    assert desk.delivery.lost == 8


def test_nothing_is_pending_when_nobody_listens(types: EventTypes) -> None:
    desk = Desk(types, capacity=4)
    desk.emit(0)
    assert not desk.delivery.pending
    item = desk.item(0)
    assert not desk.delivery.pending
    desk.emit(0)
    assert desk.delivery.pending
    desk.delivery.remove(item)
    desk.finish()
    assert heard(item) == []


def test_a_filter_that_fails_takes_no_other_with_it(
    types: EventTypes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(types, capacity=9)
    sound, failing = desk.item(0), desk.item(0)
    failing.settings.filter = filter_ = desk.filters.get(ua.EventFilter(SEVERITY.SelectClauses * 2))

    def fail(_event: Event) -> bool:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(filter_, "passes", fail)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            desk.emit(0)
        desk.finish()
    assert heard(sound) == [1, 2, 3]
    assert (heard(failing), desk.delivery.failures, len(caplog.records)) == ([], 3, 1)
