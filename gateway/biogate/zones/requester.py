"""The zone's side of requests to the core: each gets one answer, or the link is over."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, NamedTuple

from biogate.opcua.errors import StatusError
from biogate.opcua.stack import StatusCodes
from biogate.zones.link import Link
from biogate.zones.messages import MAX_UNDER_WAY, Denied, Message

MAX_QUEUED = 20_000
"""So many requests may wait for their turn; beyond that they are refused."""


class _Request(NamedTuple):
    make: type[Message]
    fields: tuple[Any, ...]
    answer: asyncio.Future[Any] | None


class Requester:
    """Numbers requests, keeps to the number that the core takes, and hands answers out.

    They go out in their order, whether anybody waits for the answer or not.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._number = 0
        self._under_way: dict[int, asyncio.Future[Any] | None] = {}
        self._queued: deque[_Request] = deque()
        self._over = False

    async def ask(self, make: type[Message], *fields: Any) -> Any:
        """The core's answer to `make(id, *fields)`.

        Raises StatusError for one that says no; Bad_Shutdown where the link is over,
        Bad_ResourceUnavailable where too many wait.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue(_Request(make, fields, answer))
        reply = await answer
        if isinstance(reply, Denied):
            raise StatusError(reply.status, reply.reason)
        return reply

    def tell(self, make: type[Message], *fields: Any) -> None:
        """Send `make(id, *fields)`; nobody waits for the answer. Raises StatusError as `ask`."""
        self._queue(_Request(make, fields, None))

    def answered(self, reply: Any) -> None:
        """An answer of the core; the next request has its turn."""
        answer = self._under_way.pop(reply.id, None)
        if answer is not None and not answer.done():
            answer.set_result(reply)
        self._send()

    def over(self) -> None:
        """The core is gone: nothing is answered any more."""
        self._over = True
        waiting = [*self._under_way.values(), *(each.answer for each in self._queued)]
        self._under_way.clear()
        self._queued.clear()
        for answer in waiting:
            if answer is not None and not answer.done():
                answer.set_exception(StatusError(StatusCodes.BadShutdown))

    def _queue(self, request: _Request) -> None:
        if self._over:
            raise StatusError(StatusCodes.BadShutdown)
        if len(self._queued) >= MAX_QUEUED:
            raise StatusError(StatusCodes.BadResourceUnavailable)
        self._queued.append(request)
        self._send()

    def _send(self) -> None:
        while self._queued and len(self._under_way) < MAX_UNDER_WAY:
            request = self._queued.popleft()
            if request.answer is not None and request.answer.done():
                continue  # nobody waits for it any more
            self._number += 1
            self._under_way[self._number] = request.answer
            self._link.send(request.make(self._number, *request.fields))
