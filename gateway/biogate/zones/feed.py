"""What the core sends a zone of its own accord: values, events, which conduits are open.

A zone that does not read loses updates like any slow reader of the journal, and gets a snapshot
of all its tags once it reads again; the writer of the table never waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass

import numpy as np

from biogate.opcua.events.journal import Emitted
from biogate.tags import Cursor, TagTable
from biogate.zones.event_messages import event_message
from biogate.zones.extract import Extract, Reaches
from biogate.zones.link import Link
from biogate.zones.messages import Batches, EventsLost
from biogate_security.policy import Action

_log = logging.getLogger(__name__)

GATHER_S = 0.02
"""Updates that come within this time go in one message: each costs both sides a wake-up."""


@dataclass(slots=True)
class Feed:
    """Sends one zone what it may see. `counters` go on over restarts of the zone's process."""

    zone: str
    table: TagTable
    extract: Extract
    link: Link
    counters: Counter[str]
    reaches: Reaches
    open_zones: frozenset[str]
    _cursor: Cursor | None = None
    _task: asyncio.Task[None] | None = None
    _events_lost: int = 0

    def start(self) -> None:
        """Send the present values, and from then on whatever changes."""
        self.conduits_changed(self.open_zones)
        self._cursor = self.table.journal.cursor()
        self.link.send(self.extract.tags.snapshot(self.table, 0))
        self._task = asyncio.create_task(self._run(), name=f"feed of zone {self.zone}")

    def stop(self) -> None:
        """Send nothing more."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        assert self._cursor is not None
        while True:
            await self._cursor.wait()
            await asyncio.sleep(GATHER_S)
            while self._cursor.pending_rows:  # one timer is cheaper than to be woken and to wait
                await self.link.uncongested()
                self.forward()
                await asyncio.sleep(GATHER_S)

    def forward(self) -> None:
        """Send what there is now, unless the link is congested.

        Before an answer, so that the zone knows what came of a write when it hears that it did.
        """
        if self.link.congested or self._cursor is None:
            return
        drained = self._cursor.read()
        if drained.lost_rows:
            self._catch_up(drained.lost_rows)
            return
        found = map(self.extract.tags.rows, drained.batches)
        rows = tuple(each for each in found if each is not None)
        if rows:
            self.link.send(Batches(rows))

    def _catch_up(self, lost_rows: int) -> None:
        self.counters["lost_rows"] += lost_rows
        self.counters["snapshots"] += 1
        _log.warning(
            "a zone fell behind: it missed updates and gets the present values",
            extra={"zone": self.zone, "lost_rows": lost_rows},
        )
        self.link.send(self.extract.tags.snapshot(self.table, lost_rows))

    def conduits_changed(self, open_zones: frozenset[str]) -> None:
        """Send values and events of these zones only; what comes back is sent as it is now."""
        self.forward()  # what came before the snapshot has to be sent before it
        self.open_zones = open_zones
        zones = self.extract.zones
        mask = np.fromiter((bool(each & open_zones) for each in zones), np.bool_, len(zones))
        if self.extract.tags.show_only(mask):
            self.link.send(self.extract.tags.snapshot(self.table, 0))

    def event(self, emitted: Emitted, zone: str, part: str) -> None:
        """Send an event of a place that the zone may hear of."""
        if zone not in self.open_zones or not self.reaches(Action.RECEIVE_EVENTS, zone, part):
            return
        if self.link.congested:
            self.counters["lost_events"] += 1
            self._events_lost += 1
            return
        if self._events_lost:
            self.link.send(EventsLost(self._events_lost))
            self._events_lost = 0
        self.link.send(event_message(emitted.event))
