"""The zone's side of requests to the core: each gets one answer, or the link is over."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, NamedTuple

from biogate.opcua.errors import StatusError
from biogate.opcua.stack import StatusCodes
from biogate.zones.link import Link
from biogate.zones.messages import (
    MAX_UNDER_WAY,
    Denied,
    MalformedError,
    Message,
    WriteUnaudited,
    decode_from_zone,
    encode,
)

MAX_QUEUED = 20_000
"""So many requests may wait for their turn; beyond that they are refused."""


class _Request(NamedTuple):
    make: type[Message]
    fields: tuple[Any, ...]
    answer: asyncio.Future[Any]


class Requester:
    """Numbers requests, keeps to the number that the core takes, and hands answers out.

    They go out in their order.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._number = 0
        self._under_way: dict[int, asyncio.Future[Any]] = {}
        self._queued: deque[_Request] = deque()
        self._over = False

    async def ask(self, make: type[Message], *fields: Any) -> Any:
        """The core's answer to `make(id, *fields)`.

        Raises StatusError for one that says no; Bad_Shutdown where the link is over,
        Bad_ResourceUnavailable where too many wait.
        """
        return await self.send(make, *fields)

    def send(self, make: type[Message], *fields: Any) -> asyncio.Future[Any]:
        """As `ask`, without waiting: a Future of the answer."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._over or len(self._queued) >= MAX_QUEUED:
            status = StatusCodes.BadShutdown if self._over else StatusCodes.BadResourceUnavailable
            answer.set_exception(StatusError(status))
            return answer
        self._queued.append(_Request(make, fields, answer))
        self._send()
        return answer

    def answered(self, reply: Any) -> None:
        """An answer of the core; the next request has its turn."""
        answer = self._under_way.pop(reply.id, None)
        if answer is not None and not answer.done():
            if isinstance(reply, Denied):
                answer.set_exception(StatusError(reply.status, reply.reason))
            else:
                answer.set_result(reply)
        self._send()

    def over(self) -> None:
        """The core is gone: nothing is answered any more."""
        self._over = True
        waiting = [*self._under_way.values(), *(each.answer for each in self._queued)]
        self._under_way.clear()
        self._queued.clear()
        for answer in waiting:
            if not answer.done():
                answer.set_exception(StatusError(StatusCodes.BadShutdown))

    def _send(self) -> None:
        while self._queued and len(self._under_way) < MAX_UNDER_WAY:
            request = self._queued.popleft()
            if request.answer.done():
                continue  # nobody waits for it any more
            message = request.make(self._number + 1, *request.fields)
            if request.make is WriteUnaudited or _is_taken(message):
                self._number += 1
                self._under_way[self._number] = request.answer
                self._link.send(message)
            else:
                refused = StatusError(StatusCodes.BadEncodingLimitsExceeded)
                request.answer.set_exception(refused)


def _is_taken(message: Message) -> bool:
    """Whether the core takes it: what a client has sent must not end the link of its zone.

    Unaudited writes, which are many, are within their bounds as the front end made them.
    """
    try:
        decode_from_zone(encode(message))
    except MalformedError:
        return False
    return True
