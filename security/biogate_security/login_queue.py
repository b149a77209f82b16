"""Whose password is checked next: sources take turns, so that a flood holds up only itself."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TooManyLoginsError(Exception):
    """This login cannot wait: too many are there already, from its source or in all."""


class LoginQueue:
    """`slots` logins at a time; the others wait, at most `per_source` of one source.

    Sources are served in turn, one login each. Where `most` wait, a newcomer takes the place of
    the last login of the source with the most waiting, unless that is its own.
    """

    def __init__(self, slots: int, *, per_source: int, most: int) -> None:
        self._free = slots
        self._per_source = per_source
        self._most = most
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        """How many wait."""
        return self._count

    @asynccontextmanager
    async def turn(self, source: str) -> AsyncIterator[None]:
        """One login of `source`, when its turn has come. Raises TooManyLoginsError."""
        await self._acquire(source)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, source: str) -> None:
        if self._free:
            self._free -= 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._enqueue(source, place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._release()  # the turn came, and nobody is there to take it
            else:
                self._leave(source, place)
            raise

    def _enqueue(self, source: str, place: asyncio.Future[None]) -> None:
        own = len(self._waiting.get(source, ()))
        if own >= self._per_source:
            raise TooManyLoginsError
        if self._count >= self._most:
            longest = max(self._waiting, key=lambda each: len(self._waiting[each]))
            if len(self._waiting[longest]) <= own + 1:
                raise TooManyLoginsError
            self._waiting[longest].pop().set_exception(TooManyLoginsError())
            self._count -= 1
        self._waiting.setdefault(source, deque()).append(place)
        self._count += 1

    def _leave(self, source: str, place: asyncio.Future[None]) -> None:
        queue = self._waiting.get(source)
        if queue is not None and place in queue:
            queue.remove(place)
            self._count -= 1
            if not queue:
                del self._waiting[source]

    def _release(self) -> None:
        """Give the slot to the next source, which then goes to the end of the line."""
        while self._waiting:
            source, queue = self._waiting.popitem(last=False)
            place = queue.popleft()
            self._count -= 1
            if queue:
                self._waiting[source] = queue
            if not place.done():  # its login was cancelled, and has not left yet
                place.set_result(None)
                return
        self._free += 1
