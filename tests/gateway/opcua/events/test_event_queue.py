"""The queue of an item for events (Part 4, 5.13.1.5), against a list that does it plainly."""

from __future__ import annotations

from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.events.queue import EventQueue, Origin

LOST = b"lost"
ORIGIN, OTHER = (Origin(ua.NodeId(name, 1), ua.NodeId(2041)) for name in ("pump", "valve"))


class Plain:
    """The rules, word by word: a list of events with at most one LOST among them."""

    def __init__(self, capacity: int, oldest: bool) -> None:
        self.capacity, self.oldest, self.entries = capacity, oldest, []

    def push(self, event: bytes) -> None:
        events = [entry for entry in self.entries if entry != LOST]
        if len(events) < self.capacity:
            self.entries.append(event)
            return
        if self.oldest:
            self.entries.remove(events[0])
            self.entries.append(event)
        else:
            self.entries[self.entries.index(events[-1])] = event
        self._say_lost()

    def _say_lost(self) -> None:
        if LOST not in self.entries:
            self.entries.insert(0 if self.oldest else len(self.entries), LOST)

    def take(self) -> None:
        if self.entries:
            self.entries.pop(0)


STEPS = st.lists(st.sampled_from(["push", "push", "push", "take"]), max_size=40)


def drain(queue: EventQueue) -> list[bytes]:
    taken = []
    while queue:
        taken.append(queue.peek())
        queue.take()
    return taken


@settings(max_examples=300)
@given(STEPS, st.integers(1, 4), st.booleans())
def test_what_is_in_the_queue_is_what_the_rules_say(
    steps: list[str], capacity: int, oldest: bool
) -> None:
    budget = ByteBudget(1 << 20)
    queue = EventQueue(capacity, budget, discard_oldest=oldest)
    plain = Plain(capacity, oldest)
    for number, step in enumerate(steps):
        if step == "push":
            event = b"event %d" % number
            queue.push(event, ORIGIN, lambda: LOST)
            plain.push(event)
        elif queue:
            queue.take()
            plain.take()
        assert len(queue) == len(plain.entries)
    assert queue.pushes == steps.count("push")
    assert drain(queue) == plain.entries
    assert budget.used == 0


def test_an_event_without_room_in_the_budget_is_lost_and_said_to_be() -> None:
    queue = EventQueue(5, ByteBudget(10), discard_oldest=True)
    queue.push(b"12345678", ORIGIN, lambda: LOST)
    queue.push(b"12345678", ORIGIN, lambda: LOST)
    assert queue.lost == 1
    assert drain(queue) == [LOST, b"12345678"]


# A queue that nobody empties keeps no encoded event for that, which no budget would count.
def test_the_overflow_event_is_made_when_it_is_asked_for() -> None:
    made: list[bytes] = []

    def overflow() -> bytes:
        made.append(LOST)
        return LOST

    queue = EventQueue(1, ByteBudget(100), discard_oldest=True)
    for event in (b"1", b"2", b"3"):
        queue.push(event, ORIGIN, overflow)
    assert made == []
    assert drain(queue) == [LOST, b"3"]
    assert made == [LOST]


def test_a_queue_that_shrinks_loses_by_its_policy() -> None:
    for oldest, expected in ((True, [LOST, b"3", b"4"]), (False, [b"1", b"2", LOST])):
        queue = EventQueue(4, ByteBudget(100), discard_oldest=oldest)
        for event in (b"1", b"2", b"3", b"4"):
            queue.push(event, ORIGIN, lambda: LOST)
        queue.configure(2, lambda: LOST, discard_oldest=oldest)
        assert queue.lost == 2
        assert drain(queue) == expected


def test_a_cleared_queue_gives_its_bytes_back() -> None:
    budget = ByteBudget(100)
    queue = EventQueue(1, budget, discard_oldest=False)
    queue.push(b"1", ORIGIN, lambda: LOST)
    queue.push(b"2", ORIGIN, lambda: LOST)
    queue.clear()
    assert len(queue) == budget.used == 0
    queue.push(b"3", ORIGIN, lambda: LOST)
    assert drain(queue) == [b"3"]


def test_events_that_may_be_received_no_longer_are_let_go() -> None:
    budget = ByteBudget(100)
    queue = EventQueue(2, budget, discard_oldest=True)
    for event, origin in ((b"1", ORIGIN), (b"2", OTHER), (b"3", ORIGIN)):
        queue.push(event, origin, lambda: LOST)
    queue.withhold(lambda origin: origin != OTHER)
    assert budget.used == 1
    assert drain(queue) == [LOST, b"3"]
