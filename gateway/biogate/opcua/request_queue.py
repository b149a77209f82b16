"""Requests that take time: a bounded number of each session runs, a bounded number waits.

Those that wait for a device and those that work have lanes of their own, so that a device that
does not answer holds up no reading.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from biogate.opcua.config import Limits
from biogate.opcua.session import Session
from biogate.opcua.stack import StatusCodes


@dataclass(frozen=True, slots=True)
class Job:
    """One request. `run` answers it and never raises; `refuse` answers it with a StatusCode.

    `works` tells a request that is computed from one that waits for something outside.
    """

    request_handle: int
    run: Callable[[], Awaitable[None]]
    refuse: Callable[[int], None]
    expires_s: float = float("inf")
    works: bool = False


@dataclass(slots=True)
class _Lane:
    running: int = 0
    waiting: deque[Job] = field(default_factory=deque)


_LaneKey = tuple[Session, bool]


class RequestQueue:
    """Two lanes per session, so that no session holds up another."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._lanes: dict[_LaneKey, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False

    def submit(self, session: Session, job: Job) -> None:
        """Run the job, at once or when those before it have made room.

        Refused with Bad_ServerTooBusy when too many wait, and with Bad_ServerHalted after
        `stop`.
        """
        if self._stopped:
            job.refuse(StatusCodes.BadServerHalted)
            return
        key = (session, job.works)
        lane = self._lanes.setdefault(key, _Lane())
        if lane.running < self._limits.max_running_requests_per_session:
            self._start(key, lane, job)
        elif len(lane.waiting) < self._limits.max_queued_requests_per_session:
            lane.waiting.append(job)
        else:
            job.refuse(StatusCodes.BadServerTooBusy)

    def cancel(self, session: Session, request_handle: int) -> int:
        """Refuse the session's waiting jobs of that handle; their number."""
        count = 0
        for lane in self._lanes_of(session):
            chosen = [job for job in lane.waiting if job.request_handle == request_handle]
            count += len(chosen)
            for job in chosen:
                lane.waiting.remove(job)
                job.refuse(StatusCodes.BadRequestCancelledByClient)
        return count

    def session_closed(self, session: Session) -> None:
        """Refuse what waits; what runs is finished (a write is not half undone)."""
        for lane in self._lanes_of(session):
            while lane.waiting:
                lane.waiting.popleft().refuse(StatusCodes.BadSessionClosed)

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
        keys = ((session, works) for works in (False, True))
        return [self._lanes[key] for key in keys if key in self._lanes]

    def _start(self, key: _LaneKey, lane: _Lane, job: Job) -> None:
        lane.running += 1
        task = asyncio.get_running_loop().create_task(self._run(key, lane, job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, key: _LaneKey, lane: _Lane, job: Job) -> None:
        try:
            await job.run()
        finally:
            lane.running -= 1
            self._next(key, lane)

    def _next(self, key: _LaneKey, lane: _Lane) -> None:
        while lane.waiting:
            job = lane.waiting.popleft()
            if self._clock() < job.expires_s:
                self._start(key, lane, job)
                return
            job.refuse(StatusCodes.BadTimeout)
        if not lane.running:
            self._lanes.pop(key, None)
