"""Requests that take time: a bounded number of each session runs, a bounded number waits.

Each kind of them has a lane of its own, so that a device that does not answer holds up no reading,
nor a client that comes back to its session.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum

from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.config import Limits
from biogate.opcua.session import Session
from biogate.opcua.stack import StatusCodes

_SMALL = 8_192
"""Requests up to so many bytes are bounded by their number alone."""


class Kind(Enum):
    """What a request takes its time for."""

    OUTSIDE = "waits for something outside, such as a device"
    COMPUTED = "is computed"
    IDENTITY = "waits for a verdict on who uses the session"


@dataclass(frozen=True, slots=True)
class Job:
    """One request of `size` bytes. `run` answers it and never raises; `refuse` answers it with a
    StatusCode.
    """

    request_handle: int
    run: Callable[[], Awaitable[None]]
    refuse: Callable[[int], None]
    expires_s: float = float("inf")
    kind: Kind = Kind.OUTSIDE
    size: int = 0

    @property
    def large_bytes(self) -> int:
        """What it takes of the room for large requests."""
        return self.size if self.size > _SMALL else 0


@dataclass(slots=True)
class _Lane:
    running: int = 0
    waiting: deque[Job] = field(default_factory=deque)


_LaneKey = tuple[Session, Kind]


class RequestQueue:
    """A lane per session and kind, so that none holds up another.

    Large requests, of all sessions, take up a bounded number of bytes.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._lanes: dict[_LaneKey, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._large = ByteBudget(limits.max_large_requests_bytes)

    def submit(self, session: Session, job: Job) -> None:
        """Run the job, at once or when those before it have made room.

        Refused with Bad_ServerTooBusy when too many wait or they are too large together, and with
        Bad_ServerHalted after `stop`.
        """
        if self._stopped:
            job.refuse(StatusCodes.BadServerHalted)
            return
        key = (session, job.kind)
        lane = self._lanes.get(key) or _Lane()
        full = len(lane.waiting) >= self._limits.max_queued_requests_per_session
        idle = lane.running < self._limits.max_running_requests_per_session
        if (full and not idle) or not self._large.take(job.large_bytes):
            job.refuse(StatusCodes.BadServerTooBusy)
            return
        self._lanes[key] = lane
        if idle:
            self._start(key, lane, job)
        else:
            lane.waiting.append(job)

    def cancel(self, session: Session, request_handle: int) -> int:
        """Refuse the session's waiting jobs of that handle; their number."""
        count = 0
        for lane in self._lanes_of(session):
            chosen = [job for job in lane.waiting if job.request_handle == request_handle]
            count += len(chosen)
            for job in chosen:
                lane.waiting.remove(job)
                self._refuse(job, StatusCodes.BadRequestCancelledByClient)
        return count

    def session_closed(self, session: Session) -> None:
        """Refuse what waits; what runs is finished (a write is not half undone)."""
        for lane in self._lanes_of(session):
            while lane.waiting:
                self._refuse(lane.waiting.popleft(), StatusCodes.BadSessionClosed)

    async def stop(self, grace_s: float) -> None:
        """Give what runs `grace_s` seconds, then cancel it."""
        self._stopped = True
        for session, _ in list(self._lanes):
            self.session_closed(session)
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=grace_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _lanes_of(self, session: Session) -> list[_Lane]:
        keys = ((session, kind) for kind in Kind)
        return [self._lanes[key] for key in keys if key in self._lanes]

    def _refuse(self, job: Job, status: int) -> None:
        """Give up a job that was waiting."""
        self._large.give_back(job.large_bytes)
        job.refuse(status)

    def _start(self, key: _LaneKey, lane: _Lane, job: Job) -> None:
        lane.running += 1
        task = asyncio.get_running_loop().create_task(self._run(key, lane, job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, key: _LaneKey, lane: _Lane, job: Job) -> None:
        try:
            await job.run()
        finally:
            self._large.give_back(job.large_bytes)
            lane.running -= 1
            self._next(key, lane)

    def _next(self, key: _LaneKey, lane: _Lane) -> None:
        while lane.waiting:
            job = lane.waiting.popleft()
            if self._clock() < job.expires_s:
                self._start(key, lane, job)
                return
            self._refuse(job, StatusCodes.BadTimeout)
        if not lane.running:
            self._lanes.pop(key, None)
