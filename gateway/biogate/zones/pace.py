"""How fast a zone may ask for what costs everybody: it waits, and nothing is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

RECORDS_PER_S = 100.0
BYTES_PER_S = 256 * 1024
BURST_S = 20.0
"""So much may come at once: as much as in this time."""


class Pace:
    """Lets records through in their order, no faster than so many, and so many bytes, a second.

    A zone's process that was taken over could otherwise fill the audit store, which then refuses
    everybody's writes. `clock` is monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due_s = clock() - BURST_S

    def spend(self, size: int) -> float:
        """Take a record of so many bytes into account; the seconds that it has to wait."""
        now_s = self._clock()
        self._due_s = max(self._due_s, now_s - BURST_S) + max(1 / RECORDS_PER_S, size / BYTES_PER_S)
        return max(0.0, self._due_s - now_s)

    async def wait(self, size: int) -> None:
        """Return when a record of so many bytes may be stored."""
        wait_s = self.spend(size)
        if wait_s:
            await asyncio.sleep(wait_s)
