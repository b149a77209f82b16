"""Records what the front end does, and tells those who listen to audit events."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace

from biogate.opcua.audit.fact import Fact, event_of
from biogate.opcua.errors import ServiceError
from biogate.opcua.events import EventHub
from biogate.opcua.ports import AuditPort
from biogate.opcua.stack import StatusCodes
from biogate_adapters.status import is_bad
from biogate_security.audit import AuditRecord, AuditUnavailableError
from biogate_security.log_budget import LogBudget
from biogate_security.record_budget import RecordBudget

_log = logging.getLogger(__name__)
MAX_WAITING = 2000
"""Records of things done that wait to be stored; those beyond are counted in one record."""
_BATCH = 200
DONE_IN_FULL, REFUSED_IN_FULL = 300, 100
"""Of channels and sessions that are let in, and of those refused, so many of one kind and source
a minute are stored whole."""
_LOST_EVENT = "records-lost"
_FLUSH_S = 1.0
_CLOSE_S = 0.5


class Auditor:
    """The front end's way to the audit trail; without a `port` it does nothing.

    `clock` is monotonic seconds. `server_id` is this server's ApplicationUri, `namespace` the
    index of this gateway's own event types. `counters` has the records "stored", "refused" (by an
    audit trail that cannot store) and "lost".
    """

    def __init__(
        self,
        port: AuditPort | None,
        events: EventHub,
        server_id: str,
        clock: Callable[[], float],
        namespace: int = -1,
    ) -> None:
        self._port = port
        self.namespace = namespace
        self._events = events
        self._server_id = server_id
        self._clock = clock
        self._refused = RecordBudget(REFUSED_IN_FULL)
        self._done = RecordBudget(DONE_IN_FULL)
        self._waiting: deque[tuple[AuditRecord, asyncio.Future[bool] | None]] = deque()
        self._lost: AuditRecord | None = None
        self._task: asyncio.Task[None] | None = None
        self._flush_at_s = 0.0
        self._lines = LogBudget(1)
        self.counters: Counter[str] = Counter()

    @property
    def enabled(self) -> bool:
        """Whether anything is recorded here."""
        return self._port is not None

    @property
    def listened(self) -> bool:
        """Whether it is worth making audit events."""
        return self._port is not None and self._events.listened

    async def require(self, fact: Fact) -> None:
        """Record something before it happens.

        Raises ServiceError Bad_ResourceUnavailable where that cannot be: then it must not. What
        strangers do is counted when they do it too often, and may happen all the same.
        """
        record = fact.record
        if self._port is None:
            return
        if record.user is None and not self._has_room(record):
            return
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if not self._queue(record, stored) or not await stored:
            raise ServiceError(StatusCodes.BadResourceUnavailable)
        self.tell(fact)

    def note(self, fact: Fact) -> None:
        """Record, soon, something that has happened; what is too much of a kind is counted."""
        if self._port is None or not self._has_room(fact.record):
            return
        self._queue(fact.record)
        self.tell(fact)

    def tell(self, fact: Fact) -> None:
        """Raise the audit events of a fact that is recorded."""
        if not self.listened:
            return
        try:
            for told in fact.describe():
                self._events.emit(event_of(fact.record, told, self._server_id))
        except Exception:  # noqa: BLE001  an event must not undo what has happened
            self.counters["events_failed"] += 1
            if self._lines.spend(self._clock()) is not None:
                _log.exception("an audit event could not be raised")

    def may_tell(self, record: AuditRecord) -> bool:
        """Whether there were not too many events like this one already."""
        return self.listened and self._has_room(record)

    def _has_room(self, record: AuditRecord) -> bool:
        budget = self._refused if is_bad(record.outcome) else self._done
        return budget.take(record, self._clock())

    def tick(self, now_s: float) -> None:
        """Time has passed: record what was left out of minutes that are over."""
        if now_s < self._flush_at_s:
            return
        self._flush_at_s = now_s + _FLUSH_S
        self._queue_left_out(now_s)

    async def close(self) -> None:
        """Store what waits, and how much was left out."""
        self._queue_left_out(float("inf"))
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_CLOSE_S)

    def _queue_left_out(self, now_s: float) -> None:
        for summary in (*self._refused.due(now_s), *self._done.due(now_s)):
            self._queue(summary)

    def _queue(self, record: AuditRecord, stored: asyncio.Future[bool] | None = None) -> bool:
        """Let a record be stored in its turn; False: too many wait."""
        if len(self._waiting) >= MAX_WAITING:
            self.counters["lost"] += 1
            self._lost = record
            return False
        self._waiting.append((record, stored))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._store_waiting())
        return True

    async def _store_waiting(self) -> None:
        while self._waiting:
            count = min(len(self._waiting), _BATCH)
            batch = [self._waiting.popleft() for _ in range(count)]
            await asyncio.gather(*(self._store(*each) for each in batch))
            if self._lost is not None and not self._waiting:
                lost, self._lost = self._lost, None
                reason = f"{self.counters['lost']} records were not stored since the start"
                self._waiting.append((replace(lost, event=_LOST_EVENT, reason=reason), None))

    async def _store(self, record: AuditRecord, stored: asyncio.Future[bool] | None) -> None:
        """What cannot be recorded has happened all the same (IEC 62443-4-2, CCSC 1), unless
        somebody waits to hear whether it may."""
        assert self._port is not None
        ok = False
        try:
            await self._port.record(record)
            ok = True
            self.counters["stored"] += 1
        except AuditUnavailableError as error:
            self._unavailable(record, error)
        finally:
            if stored is not None and not stored.done():
                stored.set_result(ok)

    def _unavailable(self, record: AuditRecord, error: Exception) -> None:
        self.counters["refused"] += 1
        left_out = self._lines.spend(self._clock())
        if left_out is not None:
            context = {"event": record.event, "error": str(error), "lines_left_out": left_out}
            _log.error("a record could not be stored", extra=context)
