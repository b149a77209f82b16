"""Where events come in: a bounded journal that every consumer reads at its own pace."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from biogate.opcua.events.event import BASE_EVENT, MAX_SEVERITY, MIN_SEVERITY, Event
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.stack import ua

DEFAULT_CAPACITY = 10_000


class EventHub:
    """Takes events in and keeps the newest `capacity` of them.

    Nobody is called from `emit`: consumers come with a cursor, and one that is too slow finds the
    oldest gone. `wall_clock` gives FILETIME ticks.
    """

    def __init__(
        self, space: AddressSpace, wall_clock: Callable[[], int], capacity: int = DEFAULT_CAPACITY
    ) -> None:
        self._space = space
        self._wall_clock = wall_clock
        self._events: deque[Event] = deque(maxlen=capacity)
        self._emitted = 0

    @property
    def emitted(self) -> int:
        """How many events there have been: the cursor of a consumer that has read all."""
        return self._emitted

    def emit(self, event: Event) -> None:
        """Tell everybody who subscribes to events of the source, at their next publishing.

        Raises ValueError for a severity outside of 1 to 1000 and for a type that is no event type
        of the address space.
        """
        if not MIN_SEVERITY <= event.severity <= MAX_SEVERITY:
            raise ValueError(f"severity {event.severity} is not {MIN_SEVERITY} to {MAX_SEVERITY}")
        if not self._space.types.is_subtype(event.type, BASE_EVENT):
            raise ValueError(f"{event.type.to_string()} is no event type of the address space")
        now = self._wall_clock()
        self._events.append(
            replace(
                event,
                time=event.time or now,
                receive_time=now,
                source_name=event.source_name or self._name_of(event.source_node),
            )
        )
        self._emitted += 1

    def read(self, cursor: int) -> tuple[int, Event] | None:
        """The first event that is there from number `cursor` on, with its number.

        A number above `cursor` says that those in between are gone; None: nothing new.
        """
        first = self._emitted - len(self._events)
        number = max(cursor, first)
        return None if number >= self._emitted else (number, self._events[number - first])

    def _name_of(self, source: ua.NodeId) -> str:
        node = self._space.get(source)
        return "" if node is None else str(node.display_name.Text or "")
