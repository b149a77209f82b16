"""The audit log: hash-chained records in SQLite, on disk before `record` returns.

One task writes. Records that wait while a commit is under way share the next one. Whatever goes
wrong (disk full, file locked, moved away or closed) is an AuditUnavailableError, and the caller
must not act; the log tries again with the next record.

A log whose newest part does not verify at opening is opened all the same: refusing it would take
the gateway's reads away for a fault that cannot be undone (IEC 62443-4-2, CCSC 1). The break is
logged, recorded once as an `audit-chain-broken` record, and `verify` reports it for ever.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from biogate_security.audit import AuditRecord, AuditUnavailableError
from biogate_security.audit_chain import Head, StoredRecord, content_of
from biogate_security.audit_store.checkpoint import Checkpoint
from biogate_security.audit_store.condition import Condition
from biogate_security.audit_store.housekeeping import Housekeeping
from biogate_security.audit_store.opening import Opened, prepare
from biogate_security.audit_store.publishing import publish
from biogate_security.audit_store.query import Filter, query_log
from biogate_security.audit_store.report import ChainReport
from biogate_security.audit_store.segment import MAX_BATCH
from biogate_security.audit_store.state import AuditOptions, AuditState, StateListener
from biogate_security.audit_store.verify import verify_log
from biogate_security.audit_store.walk import CHAIN_BROKEN_EVENT, KeptCheckpoint
from biogate_security.audit_store.writer import SegmentWriter
from biogate_security.filetime import now_ticks
from biogate_security.folder_lock import FileLock
from biogate_security.private_file import PRIVATE_FOLDER_MODE, give_to_owner
from biogate_security.threads import in_thread

MAX_WAITING = 10_000
ROTATION_RETRY_S = 60.0
_LOCK_FILE = "audit.lock"
_Result = TypeVar("_Result")
_Failures = (sqlite3.Error, OSError, ValueError)
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class AuditCounters:
    """`records` and `commits`: how many records shared one commit; `refused` were not stored."""

    records: int = 0
    commits: int = 0
    refused: int = 0
    checkpoints: int = 0
    segments: int = 0


@dataclass(frozen=True, slots=True)
class _Waiting:
    content: dict[str, Any]
    stored: asyncio.Future[Head]


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[], Awaitable[Any]]
    done: asyncio.Future[Any]


class AuditLog:
    """An append-only log in one folder, for one process; satisfies `AuditSink`. Made by `open`.

    `on_record` hears of each record that is stored, in the event loop; it must not raise.
    """

    def __init__(
        self,
        folder: Path,
        opened: Opened,
        options: AuditOptions,
        clock: Callable[[], int],
        on_state: StateListener | None,
    ) -> None:
        self.folder = folder
        self.opening = opened.report
        self.options = options
        self.clock = clock
        self.counters = AuditCounters()
        self.on_record: Callable[[AuditRecord], None] | None = None
        self.keys = opened.keys
        self._segment = SegmentWriter(folder, opened, options, clock)
        self._waiting: deque[_Waiting] = deque()
        self._in_hand: list[_Waiting] = []
        self._job_in_hand: list[_Job] = []
        self._jobs: deque[_Job] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._condition = Condition(folder, options, on_state)
        self._next_rotation = 0.0
        self._resources = AsyncExitStack()
        self._writer: asyncio.Task[None] | None = None
        self._house: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        options: AuditOptions | None = None,
        clock: Callable[[], int] = now_ticks,
        on_state: StateListener | None = None,
    ) -> Self:
        """Open or make the log; `clock` gives FILETIME ticks.

        `on_state` hears of each change of `state`; it can be set later, too. Raises LockHeldError
        when another process has the log, AuditUnavailableError when the folder cannot be used.
        """
        options = options or AuditOptions()
        async with AsyncExitStack() as resources:
            try:
                lock = _lock(folder)
                resources.callback(lock.release)
                opened = await in_thread(partial(prepare, folder, options, clock))
                log = cls(folder, opened, options, clock, on_state)
                resources.push_async_callback(log._segment.close)
                await log._segment.open()
                if not log.opening.ok:
                    await log._segment.repair()
                log.look_at_room()
            except _Failures as error:
                raise AuditUnavailableError(
                    f"audit log {folder} cannot be used: {error}"
                ) from error
            log._start(resources)
        try:
            await log._announce(opened)
        except BaseException:
            await log.close()
            raise
        return log

    async def record(self, record: AuditRecord) -> int:
        """Store durably and return the sequence number, gap-free from 1.

        Texts are bounded and escaped. A caller that is cancelled while it waits leaves the
        record in the log. Raises AuditUnavailableError.
        """
        return (await self.store(record)).seq

    async def store(self, record: AuditRecord) -> Head:
        """The same, and return number and hash of the record."""
        content = content_of(record)
        if self._closing:
            raise self._refusal("it is closed")
        if len(self._waiting) >= MAX_WAITING:
            raise self._refusal(f"{MAX_WAITING} records wait to be stored")
        stored: asyncio.Future[Head] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(content, stored))
        self._wake.set()
        head = await stored
        if self.on_record is not None:
            self.on_record(record)
        return head

    @property
    def head(self) -> Head | None:
        """The newest record's number and hash; None while unknown."""
        return self._segment.head

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The newest signed checkpoint, to be kept elsewhere; None where none could be stored."""
        return self._segment.checkpoint

    @property
    def state(self) -> AuditState:
        """How the store is."""
        return self._condition.state

    @property
    def state_reason(self) -> str:
        """A sentence that says why; "" while all is well."""
        return self._condition.reason

    @property
    def on_state(self) -> StateListener | None:
        """Who hears of each change of `state`."""
        return self._condition.listener

    @on_state.setter
    def on_state(self, listener: StateListener | None) -> None:
        self._condition.listener = listener

    async def make_checkpoint(self) -> Checkpoint:
        """Sign all records so far, now. Raises AuditUnavailableError."""
        checkpoint = await self._ask(self._segment.sign)
        await self._publish(checkpoint)
        return checkpoint

    async def rotate(self) -> Checkpoint:
        """Close the segment and begin the next one. Raises AuditUnavailableError."""
        checkpoint = await self._ask(self._segment.rotate)
        await self._publish(checkpoint)
        return checkpoint

    async def change_key(self, reason: str = "") -> Checkpoint:
        """Sign with a new key from now on: recorded, and announced under old and new signature.

        Raises AuditUnavailableError; the old key then still counts.
        """
        old = self._segment.key
        try:
            new = await in_thread(partial(self.keys.make_next, old.name))
        except OSError as error:
            raise self._unavailable(str(error)) from error
        await self.note("audit-key-changed", reason, old=str(old), new=str(new.verifying))
        checkpoint = await self._ask(partial(self._segment.announce_key, self.keys, new))
        await self._publish(checkpoint)
        return checkpoint

    async def note(
        self, event: str, reason: str, *, old: str | None = None, new: str | None = None
    ) -> int:
        """Record what the gateway itself did or saw, now. Raises AuditUnavailableError."""
        return await self.record(
            AuditRecord(event, self.clock(), None, reason=reason, old=old, new=new)
        )

    async def verify(self, kept: Iterable[KeptCheckpoint] = ()) -> ChainReport:
        """Walk the whole log; records keep being stored meanwhile. See `verify_log`.

        Raises AuditUnavailableError for a log that cannot be read.
        """
        return await self._read(partial(verify_log, self.folder, kept))

    async def query(
        self,
        *,
        first_seq: int = 1,
        last_seq: int | None = None,
        start: int | None = None,
        end: int | None = None,
        limit: int = 1000,
    ) -> list[StoredRecord]:
        """Records by number (both ends included) and by time in ticks (`end` excluded).

        Oldest first, at most `limit`: go on from the last one's seq + 1. Raises
        AuditUnavailableError for a log that cannot be read.
        """
        wanted = Filter(first_seq=first_seq, last_seq=last_seq, start=start, end=end)
        return await self._read(lambda: list(query_log(self.folder, wanted, limit=limit)))

    async def close(self) -> None:
        """Store what waits, sign a checkpoint, then close; a second call waits for the first."""
        self._closing = True
        self._wake.set()
        if self._house is not None and self._writer is not None:
            self._house.cancel()
            await asyncio.wait([self._writer, self._house])

    # For those who keep the house: `audit_store.housekeeping`.

    def look_at_room(self) -> None:
        """See how much room is left. Raises OSError."""
        self._condition.look_at_room()

    def found_broken(self, problem: str) -> None:
        """Show in `state` that the log does not verify; "" takes it back."""
        self._condition.found_broken(problem)

    @property
    def unsigned_records(self) -> int:
        """How many records came after the newest checkpoint."""
        signed = self.checkpoint.size if self.checkpoint else 0
        return self._segment.position.head.seq - signed

    def _start(self, resources: AsyncExitStack) -> None:
        self._resources = resources.pop_all()
        self._writer = asyncio.create_task(self._write(), name="audit writer")
        self._writer.add_done_callback(_report_death)
        house = Housekeeping(self, asyncio.get_running_loop().time())
        self._house = asyncio.create_task(house.run(), name="audit housekeeping")
        self._house.add_done_callback(_report_death)

    async def _announce(self, opened: Opened) -> None:
        """Log the head; record a break of the newest part, and a lost key; sign a checkpoint."""
        _log.info("audit log opened", extra=_head_context(self.folder, opened.report.head))
        try:
            if not opened.report.ok:
                await self.report_break(str(opened.report.problems[0]))
            if opened.new_key:
                why = "the key was missing: another one was made, which the old one cannot announce"
                await self.note("audit-key-made", why, new=str(self._segment.key))
            await self.make_checkpoint()
        except AuditUnavailableError:
            _log.exception("the audit log is open and takes no records")

    async def report_break(self, problem: str) -> None:
        """Log and record that the log does not verify. Raises AuditUnavailableError."""
        _log.error("audit chain broken: %s", problem, extra={"folder": str(self.folder)})
        self.found_broken(problem)
        await self.note(CHAIN_BROKEN_EVENT, problem)

    async def _write(self) -> None:
        """Store what waits, a batch at a time, until closing and nothing waits.

        The files and their lock are this task's: however it ends, they are closed.
        """
        try:
            while self._waiting or self._jobs or not self._closing:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting or self._jobs:
                    await self._next()
            await self._sign_off()
        finally:
            self._closing = True
            stopped = [each.stored for each in (*self._in_hand, *self._waiting)]
            jobs = [job.done for job in (*self._job_in_hand, *self._jobs)]
            self._refuse([*stopped, *jobs], "its writer was stopped")
            await self._resources.aclose()
            _log.info("audit log closed", extra=_head_context(self.folder, self.head))

    async def _next(self) -> None:
        if self._jobs:
            self._job_in_hand = [self._jobs.popleft()]
            await self._do(self._job_in_hand[0])
            self._job_in_hand = []
        size = min(len(self._waiting), MAX_BATCH)
        self._in_hand = [self._waiting.popleft() for _ in range(size)]
        if self._in_hand:
            await self._store(self._in_hand)
            self._in_hand = []
        if self._segment.is_full:
            await self._rotate_in_passing()

    async def _store(self, batch: list[_Waiting]) -> None:
        try:
            heads = await self._segment.store([waiting.content for waiting in batch])
        except _Failures as error:
            self._condition.refused(error)
            self._refuse([each.stored for each in batch], str(error))
            return
        self._condition.stored()
        self.counters.records += len(batch)
        self.counters.commits += 1
        for waiting, head in zip(batch, heads, strict=True):
            if not waiting.stored.done():
                waiting.stored.set_result(head)

    async def _rotate_in_passing(self) -> None:
        """Begin the next segment; where that fails, the present one goes on for a while."""
        now = asyncio.get_running_loop().time()
        if now < self._next_rotation:
            return
        try:
            checkpoint = await self._segment.rotate()
        except _Failures as error:
            self._next_rotation = now + ROTATION_RETRY_S
            _log.exception("the audit log cannot begin another segment: %s", error)
            return
        self.counters.segments += 1
        await self._publish(checkpoint)

    async def _sign_off(self) -> None:
        try:
            checkpoint = await self._segment.sign()
        except _Failures as error:
            _log.warning("the audit log closes without a checkpoint: %s", error)
            return
        await self._publish(checkpoint)

    async def _publish(self, checkpoint: Checkpoint) -> None:
        self.counters.checkpoints += 1
        await in_thread(partial(publish, self.folder, checkpoint))

    async def _ask(self, work: Callable[[], Awaitable[_Result]]) -> _Result:
        """Let the writer do something between two batches. Raises AuditUnavailableError."""
        if self._closing:
            raise self._unavailable("it is closed")
        done: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
        self._jobs.append(_Job(work, done))
        self._wake.set()
        return await done

    async def _do(self, job: _Job) -> None:
        try:
            result = await job.work()
        except _Failures as error:
            self._condition.refused(error)
            if not job.done.done():
                job.done.set_exception(self._unavailable(str(error)))
            return
        self._condition.stored()
        if not job.done.done():
            job.done.set_result(result)

    def _refuse(self, waiting: Iterable[asyncio.Future[Any]], why: str) -> None:
        for each in waiting:
            if not each.done():
                each.set_exception(self._refusal(why))

    def _refusal(self, why: str) -> AuditUnavailableError:
        """The error for one record that is not stored."""
        self.counters.refused += 1
        return self._unavailable(why)

    def _unavailable(self, why: str) -> AuditUnavailableError:
        return AuditUnavailableError(f"audit log {self.folder}: {why}")

    async def _read(self, read: Callable[[], _Result]) -> _Result:
        try:
            return await asyncio.to_thread(read)
        except _Failures as error:
            raise AuditUnavailableError(f"audit log {self.folder}: {error}") from error


def _lock(folder: Path) -> FileLock:
    if not folder.exists():
        folder.mkdir(mode=PRIVATE_FOLDER_MODE, exist_ok=True)
        give_to_owner(folder, folder.parent)
    return FileLock(folder / _LOCK_FILE, f"audit log {folder}")


def _head_context(folder: Path, head: Head | None) -> dict[str, Any]:
    known = {} if head is None else {"seq": head.seq, "head": head.hash.hex()}
    return {"folder": str(folder), **known}


def _report_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("the %s failed: restart biogate", task.get_name(), exc_info=error)
