"""The Publish requests of one session that wait for something to say (Part 4, 5.14.5)."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from biogate.opcua.stack import StatusCodes


class Connection(Protocol):
    """Where a request came from. `writable`: False while it is read slower than it is sent to."""

    @property
    def writable(self) -> bool: ...


@dataclass(slots=True, eq=False)
class ParkedPublish:
    """One Publish request. `results` answers its acknowledgements.

    `answer` sends an encoded PublishResponse, `refuse` a ServiceFault with a StatusCode.
    `expires_s` is when the client's TimeoutHint ends, on the monotonic clock; None: never.
    `room` is how many bytes the response may take.
    """

    request_handle: int
    connection: Connection
    results: Sequence[int]
    answer: Callable[[bytes], None]
    refuse: Callable[[int], None]
    expires_s: float | None = None
    room: int = sys.maxsize


class PublishQueue:
    """At most `limit` requests, answered in the order in which they came.

    It is true while one can be answered. A client that does not read what it was sent looks like
    one that sends no requests: what it misses waits in the queues of its items, as far as they go.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parked: deque[ParkedPublish] = deque()
        self._earliest_s = float("inf")

    def __len__(self) -> int:
        return len(self._parked)

    def __bool__(self) -> bool:
        return bool(self._parked) and self._parked[0].connection.writable

    def add(self, request: ParkedPublish) -> None:
        """Park a request; when there are too many, the oldest is refused."""
        self._parked.append(request)
        if request.expires_s is not None:
            self._earliest_s = min(self._earliest_s, request.expires_s)
        if len(self._parked) > self._limit:
            self._parked.popleft().refuse(StatusCodes.BadTooManyPublishRequests)

    def peek(self) -> ParkedPublish:
        """The oldest request. Raises IndexError when there is none."""
        return self._parked[0]

    def pop(self) -> ParkedPublish:
        """The oldest request. Raises IndexError when there is none."""
        return self._parked.popleft()

    def refuse(self, status: int, which: Callable[[ParkedPublish], bool]) -> int:
        """Refuse the requests that `which` picks; how many there were."""
        refused = [request for request in self._parked if which(request)]
        if refused:
            self._parked = deque(request for request in self._parked if request not in refused)
        for request in refused:
            request.refuse(status)
        return len(refused)

    def drop(self, connection: object) -> None:
        """Forget the requests of a connection that is gone."""
        self._parked = deque(r for r in self._parked if r.connection is not connection)

    def expire(self, now_s: float) -> None:
        """Refuse requests whose client has stopped waiting."""
        if now_s < self._earliest_s:
            return
        self.refuse(
            StatusCodes.BadTimeout, lambda r: r.expires_s is not None and r.expires_s <= now_s
        )
        left = (r.expires_s for r in self._parked if r.expires_s is not None)
        self._earliest_s = min(left, default=float("inf"))
