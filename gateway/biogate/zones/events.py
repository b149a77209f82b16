"""The core's events on a site with zones: each goes to the zones that may hear of its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from biogate.opcua.config import Limits
from biogate.opcua.events import Event, EventHub
from biogate.opcua.events.journal import Emitted
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.places import Place

Forward = Callable[[Emitted, Place], None]


class CoreEvents(EventHub):
    """An EventHub that tells `forward` of each event, with the place that it is about."""

    def __init__(
        self, space: AddressSpace, wall_clock: Callable[[], int], forward: Forward
    ) -> None:
        super().__init__(space, wall_clock, Limits(), capacity=1)
        self._places = space.place
        self._forward = forward
        self.journal.listened = True

    def emit(self, event: Event, place: Place | None = None) -> None:
        """Tell the zones that may hear of `place`, which is that of the source where not given.

        Raises ValueError as EventHub does.
        """
        where = self._places(event.source_node) if place is None else place
        super().emit(replace(event, place=where))
        found = self.journal.read(self.journal.count - 1)
        assert found is not None
        self._forward(found[1], where)
