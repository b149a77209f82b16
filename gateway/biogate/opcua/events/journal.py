"""The journal of events: bounded, and read by every consumer at its own pace."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from biogate.opcua.events.event import Event
from biogate.opcua.stack import ua

DEFAULT_CAPACITY = 10_000


class Emitted(NamedTuple):
    """An event, and the Objects at which it is heard."""

    event: Event
    notifiers: frozenset[ua.NodeId]


class EventJournal:
    """Keeps the newest `capacity` events; a consumer that is too slow finds the oldest gone.

    `listened`: some monitored item hears events.
    """

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self.listened = False
        self._entries: deque[Emitted] = deque(maxlen=capacity)
        self._count = 0

    @property
    def count(self) -> int:
        """How many events there have been: the cursor of a consumer that has read all."""
        return self._count

    def append(self, entry: Emitted) -> None:
        """Keep an event. Nobody is called."""
        self._entries.append(entry)
        self._count += 1

    def lose(self, events: int) -> None:
        """Tell every reader that so many events went by which never came here, with all before."""
        self._entries.clear()
        self._count += events

    def read(self, cursor: int) -> tuple[int, Emitted] | None:
        """The first event that is there from number `cursor` on, with its number.

        A number above `cursor` says that those in between are gone; None: nothing new.
        """
        first = self._count - len(self._entries)
        number = max(cursor, first)
        return None if number >= self._count else (number, self._entries[number - first])
