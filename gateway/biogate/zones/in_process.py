"""A zone's front end within the core's process: the same code with a direct link."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from biogate.front_end_counters import counters_of
from biogate.zones.core_side import Connection, CoreZone
from biogate.zones.link import DirectLink
from biogate.zones.messages import Setup, Stop
from biogate.zones.zone_side import ZoneFront

_LOOK_S = 1.0


class _End:
    """The zone's end of the link; satisfies `Receiver`."""

    def __init__(self) -> None:
        self.front: ZoneFront | None = None

    def received(self, message: Any) -> None:
        if self.front is not None and not isinstance(message, Setup | Stop):
            self.front.received(message)

    def ended(self, reason: str) -> None:
        if self.front is not None:
            self.front.requester.over()


class InProcess:
    """One zone's front end in this process; has what `Supervisor` has."""

    pid: int | None = None

    def __init__(self, zone: CoreZone) -> None:
        self._zone = zone
        self._connection: Connection | None = None
        self._end = _End()
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether clients can connect."""
        return self._connection is not None and not self._connection.over.is_set()

    @property
    def counters(self) -> Mapping[str, Mapping[str, int]]:
        """What the front end has counted."""
        return {} if self._end.front is None else counters_of(self._end.front.front_end)

    async def start(self) -> None:
        """Serve clients. Raises what a FrontEnd and its parts raise."""
        self._connection = self._zone.connected()
        ours, theirs = DirectLink.pair(self._connection, self._end)
        self._end.front = ZoneFront(self._zone.setup(self._zone.port), theirs)
        self._connection.start(ours)
        await asyncio.sleep(0)  # what the core has sent so far comes first
        await self._end.front.start()
        await self._connection.started
        self._task = asyncio.create_task(self._look(self._connection))

    async def stop(self) -> None:
        """Close the sessions and stop."""
        if self._task is not None:
            self._task.cancel()
        if self._end.front is not None:
            await self._end.front.stop()
        if self._connection is not None:
            self._connection.close()

    async def _look(self, connection: Connection) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            connection.check_conduits()
