"""The queue of one monitored item for events (Part 4, 5.13.1.5 and 7.22.3)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.space.places import NOWHERE, Place
from biogate.opcua.stack import ua


class Origin(NamedTuple):
    """What decides whether somebody may receive an event."""

    source_node: ua.NodeId
    type: ua.NodeId
    place: Place = NOWHERE


class _Entry(NamedTuple):
    """`origin` None: here comes the event that says that others are lost."""

    fields: bytes
    origin: Origin | None

    @property
    def is_overflow(self) -> bool:
        return self.origin is None


_OVERFLOW = _Entry(b"", None)


class EventQueue:
    """Encoded events in order. `pushes` counts those that were queued, `lost` the others.

    When the first event is lost, an EventQueueOverflowEvent comes to the beginning of the queue
    (`discard_oldest`) or to its end. It takes none of the `capacity` places, is never discarded,
    and there is one at a time. `budget` is for the bytes of all queues; that event needs none, for
    it is encoded when it is asked for.
    """

    def __init__(self, capacity: int, budget: ByteBudget, *, discard_oldest: bool) -> None:
        self.capacity = capacity
        self.discard_oldest = discard_oldest
        self.pushes = 0
        self.lost = 0
        self._budget = budget
        self._entries: deque[_Entry] = deque()
        self._overflow: Callable[[], bytes] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def _events(self) -> int:
        return len(self._entries) - (self._overflow is not None)

    def configure(
        self, capacity: int, overflow: Callable[[], bytes], *, discard_oldest: bool
    ) -> None:
        """New settings; a queue that gets smaller loses what its discard policy says."""
        self.capacity = capacity
        self.discard_oldest = discard_oldest
        while self._events > capacity:
            place = self._victim
            self._budget.give_back(len(self._entries[place].fields))
            del self._entries[place]
            self.lose(overflow)

    def push(self, fields: bytes, origin: Origin, overflow: Callable[[], bytes]) -> None:
        """Queue an event; `overflow` encodes the one that says that events are lost."""
        self.pushes += 1
        if not self._budget.take(len(fields)):
            self.lose(overflow)
            return
        if self._events < self.capacity:
            self._entries.append(_Entry(fields, origin))
            return
        place = self._victim
        self._budget.give_back(len(self._entries[place].fields))
        if self.discard_oldest:
            del self._entries[place]
            self._entries.append(_Entry(fields, origin))
        else:
            self._entries[place] = _Entry(fields, origin)
        self.lose(overflow)

    def lose(self, overflow: Callable[[], bytes], count: int = 1) -> None:
        """Say, once, that events are lost."""
        self.lost += count
        if self._overflow is not None:
            return
        self._overflow = overflow
        if self.discard_oldest:
            self._entries.appendleft(_OVERFLOW)
        else:
            self._entries.append(_OVERFLOW)

    @property
    def _victim(self) -> int:
        """Where the event is that is lost next: the oldest or the newest."""
        place, next_place = (0, 1) if self.discard_oldest else (-1, -2)
        return next_place if self._entries[place].is_overflow else place

    def peek(self) -> bytes:
        """The first event. Raises IndexError when there is none."""
        first = self._entries[0]
        if first.is_overflow and self._overflow is not None:
            return self._overflow()
        return first.fields

    def take(self) -> None:
        """Take the first event out. Raises IndexError when there is none."""
        entry = self._entries.popleft()
        if entry.is_overflow:
            self._overflow = None
        else:
            self._budget.give_back(len(entry.fields))

    def withhold(self, hears: Callable[[Origin], bool]) -> None:
        """Let go of events that may be received no longer."""
        kept: deque[_Entry] = deque()
        for entry in self._entries:
            if entry.origin is None or hears(entry.origin):
                kept.append(entry)
            else:
                self._budget.give_back(len(entry.fields))
        self._entries = kept

    def clear(self) -> None:
        """Empty the queue."""
        while self._entries:
            self.take()
