"""Where events come in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from biogate.opcua.config import Limits
from biogate.opcua.events.event import BASE_EVENT, MAX_SEVERITY, MIN_SEVERITY, Event
from biogate.opcua.events.event_filter import EventFilters
from biogate.opcua.events.fields import EventTypes
from biogate.opcua.events.journal import DEFAULT_CAPACITY, Emitted, EventJournal
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.stack import ua


class EventHub:
    """Takes events in, and makes the filters of those who want to hear them.

    Nobody is called from `emit`: consumers read the `journal`. `wall_clock` gives FILETIME ticks.
    """

    def __init__(
        self,
        space: AddressSpace,
        wall_clock: Callable[[], int],
        limits: Limits,
        capacity: int = DEFAULT_CAPACITY,
    ) -> None:
        self._space = space
        self._wall_clock = wall_clock
        self.journal = EventJournal(capacity)
        self.filters = EventFilters(EventTypes(space), limits)

    @property
    def listened(self) -> bool:
        """Whether some client hears events: who makes many may spare the trouble otherwise."""
        return self.journal.listened

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
        complete = replace(
            event,
            time=event.time or now,
            receive_time=now,
            source_name=event.source_name or self._name_of(event.source_node),
        )
        self.journal.append(Emitted(complete, self._space.notifiers.above(event.source_node)))

    def _name_of(self, source: ua.NodeId) -> str:
        node = self._space.get(source)
        return "" if node is None else str(node.display_name.Text or "")
