"""What every engine's connection is made with, and how it keeps its pauses."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Where a device is, and how long to wait for it.

    `tries` counts all tries, the first included; `gap_s` is the silence between an answer and the
    next request; `where` names the device in error messages.
    """

    host: str
    port: int
    timeout_s: float
    tries: int
    gap_s: float
    where: str


class Gap:
    """The silence that a device needs between an answer and the next request."""

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        self._over_at = 0.0

    def begin(self) -> None:
        """The exchange has ended."""
        self._over_at = asyncio.get_running_loop().time() + self._gap_s

    async def end(self) -> None:
        """Return once the silence has lasted long enough."""
        pause_s = self._over_at - asyncio.get_running_loop().time()
        if pause_s > 0:
            await asyncio.sleep(pause_s)
