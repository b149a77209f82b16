"""The audit log: hash-chained records in SQLite, on disk before `record` returns.

One task writes. Records that wait while a commit is under way share the next one. Whatever goes
wrong (disk full, file locked, moved away or closed) is an AuditUnavailableError, and the caller
must not act; the log tries again with the next record.

A chain whose tail does not verify at opening is opened all the same: refusing it would take the
gateway's reads away for a fault that cannot be undone (IEC 62443-4-2, CCSC 1). The break is
logged, recorded once as an `audit-chain-broken` record, and `verify` reports it for ever.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import uuid
from collections import deque
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import aiosqlite

from biogate_security.audit import AuditRecord, AuditUnavailableError
from biogate_security.audit_chain import Head, StoredRecord, content_of, encode, genesis, link
from biogate_security.audit_file import (
    CHAIN_BROKEN_EVENT,
    NEWEST,
    SCHEMA,
    ChainReport,
    query_file,
    verify_file,
    verify_tail,
)
from biogate_security.filetime import now_ticks
from biogate_security.folder_lock import FileLock
from biogate_security.private_file import PRIVATE_FILE_MODE, close_to_others

TAIL_RECORDS = 1000
MAX_BATCH = 512
MAX_WAITING = 10_000
BUSY_TIMEOUT_S = 1.0
_PAGE_BYTES = 4096
_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class AuditCounters:
    """`records` and `commits`: how many records shared one commit; `refused` were not stored."""

    records: int = 0
    commits: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class _Waiting:
    content: dict[str, Any]
    stored: asyncio.Future[int]


class AuditLog:
    """An append-only log in one file, for one process; satisfies `AuditSink`. Made by `open`."""

    def __init__(self, path: Path, database: aiosqlite.Connection, opening: ChainReport) -> None:
        self.path = path
        self.opening = opening
        self.counters = AuditCounters()
        self._database = database
        self._file_id = _file_id(path)
        # None after a failure: whether the commit reached the disk, only the disk knows.
        self._head: Head | None = opening.head
        self._waiting: deque[_Waiting] = deque()
        self._in_hand: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._available = True
        self._resources = AsyncExitStack()
        self._writer: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        max_bytes: int | None = None,
        clock: Callable[[], int] = now_ticks,
    ) -> Self:
        """Open or make the log; `clock` gives FILETIME ticks.

        `max_bytes` is the room that the records may take (CR 2.9); None: what the disk has.
        Raises LockHeldError when another process has the log, AuditUnavailableError when the
        file cannot be used.
        """
        async with AsyncExitStack() as resources:
            try:
                lock = FileLock(path.with_name(f"{path.name}.lock"), f"audit log {path}")
                resources.callback(lock.release)
                database = await _open_database(path, resources, max_bytes)
                log = cls(path, database, await asyncio.to_thread(verify_tail, path, TAIL_RECORDS))
                if not log.opening.ok:
                    await _restore(database)
            except (sqlite3.Error, OSError, ValueError) as error:
                raise AuditUnavailableError(f"audit log {path} cannot be used: {error}") from error
            log._start(resources)
        try:
            await log._announce(clock())
        except BaseException:
            await log.close()
            raise
        return log

    async def record(self, record: AuditRecord) -> int:
        """Store durably and return the sequence number, gap-free from 1.

        Texts are bounded and escaped. A caller that is cancelled while it waits leaves the
        record in the log. Raises AuditUnavailableError.
        """
        content = content_of(record)
        if self._closing:
            raise self._refusal("it is closed")
        if len(self._waiting) >= MAX_WAITING:
            raise self._refusal(f"{MAX_WAITING} records wait to be stored")
        stored: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(content, stored))
        self._wake.set()
        return await stored

    @property
    def head(self) -> Head | None:
        """The newest record's number and hash, to be kept elsewhere; None while unknown."""
        return self._head

    async def verify(self, heads: Collection[Head] = ()) -> ChainReport:
        """Walk the whole chain; records keep being stored meanwhile. See `verify_file`.

        Raises AuditUnavailableError for a file that cannot be read.
        """
        return await self._read(partial(verify_file, self.path, heads))

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
        AuditUnavailableError for a file that cannot be read.
        """
        asked = partial(query_file, self.path, first_seq=first_seq, last_seq=last_seq)
        return await self._read(partial(asked, start=start, end=end, limit=limit))

    async def close(self) -> None:
        """Store what waits, then close; a second call waits for the first."""
        self._closing = True
        self._wake.set()
        if self._writer is not None:
            await asyncio.wait([self._writer])

    def _start(self, resources: AsyncExitStack) -> None:
        self._resources = resources.pop_all()
        self._writer = asyncio.create_task(self._write())
        self._writer.add_done_callback(_report_death)

    async def _announce(self, now: int) -> None:
        """Log the head; record a break of the tail."""
        report = self.opening
        _log.info("audit log opened", extra=_head_context(self.path, report.head))
        if report.ok:
            return
        problem = report.problems[0]
        where = "the file" if problem.seq is None else f"record {problem.seq}"
        text = f"{where}: {problem.reason}"
        _log.error("audit chain broken: %s", text, extra={"file": str(self.path)})
        record = AuditRecord(CHAIN_BROKEN_EVENT, now, None, reason=text)
        try:
            await self.record(record)
        except AuditUnavailableError:
            _log.exception("the break could not be recorded", extra={"file": str(self.path)})

    async def _write(self) -> None:
        """Store what waits, a batch at a time, until closing and nothing waits.

        The file and its lock are this task's: however it ends, they are closed.
        """
        try:
            while self._waiting or not self._closing:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    size = min(len(self._waiting), MAX_BATCH)
                    self._in_hand = [self._waiting.popleft() for _ in range(size)]
                    await self._store(self._in_hand)
                    self._in_hand = []
        finally:
            self._closing = True
            self._refuse([*self._in_hand, *self._waiting], "its writer was stopped")
            await self._resources.aclose()
            _log.info("audit log closed", extra=_head_context(self.path, self._head))

    async def _store(self, batch: list[_Waiting]) -> None:
        try:
            head, rows = self._chain(await self._read_head(), batch)
            await self._commit(rows)
        except (sqlite3.Error, OSError, ValueError) as error:
            self._head = None
            self._became_unavailable(error)
            self._refuse(batch, str(error))
            return
        self._head = head
        self._became_available()
        self.counters.records += len(batch)
        self.counters.commits += 1
        for waiting, (seq, _, _) in zip(batch, rows, strict=True):
            if not waiting.stored.done():
                waiting.stored.set_result(seq)

    def _chain(
        self, head: Head, batch: list[_Waiting]
    ) -> tuple[Head, list[tuple[int, str, bytes]]]:
        rows = []
        for waiting in batch:
            body = encode(self.opening.log_id, head.seq + 1, waiting.content)
            head = Head(head.seq + 1, link(head.hash, body.encode()))
            rows.append((head.seq, body, head.hash))
        return head, rows

    async def _read_head(self) -> Head:
        if self._head is not None:
            return self._head
        if self._database.in_transaction:
            await self._database.execute("ROLLBACK")
        rows = list(await self._database.execute_fetchall(NEWEST))
        return Head(*rows[0]) if rows else genesis(self.opening.log_id)

    async def _commit(self, rows: list[tuple[int, str, bytes]]) -> None:
        if _file_id(self.path) != self._file_id:
            raise OSError(f"{self.path} is not the file that was opened: it was moved or replaced")
        await self._database.execute("BEGIN IMMEDIATE")
        await self._database.executemany(
            "INSERT INTO records (seq, body, hash) VALUES (?, ?, ?)", rows
        )
        await self._database.execute("COMMIT")

    def _refuse(self, batch: list[_Waiting], why: str) -> None:
        for waiting in batch:
            if not waiting.stored.done():
                waiting.stored.set_exception(self._refusal(why))

    def _refusal(self, why: str) -> AuditUnavailableError:
        self.counters.refused += 1
        return AuditUnavailableError(f"audit log {self.path}: {why}")

    def _became_unavailable(self, error: Exception) -> None:
        if self._available:
            self._available = False
            _log.error(
                "audit log unavailable: what needs a record is refused",
                extra={"file": str(self.path), "error": str(error)},
            )

    def _became_available(self) -> None:
        if not self._available:
            self._available = True
            _log.info("audit log available again", extra={"file": str(self.path)})

    async def _read(self, read: Callable[[], _Result]) -> _Result:
        try:
            return await asyncio.to_thread(read)
        except (sqlite3.Error, OSError) as error:
            raise AuditUnavailableError(f"audit log {self.path}: {error}") from error


async def _open_database(
    path: Path, resources: AsyncExitStack, max_bytes: int | None
) -> aiosqlite.Connection:
    """A connection that is durable at each commit, to a file with the schema."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE_MODE))
    if close_to_others(path):
        _log.warning("audit log was open to others; closed", extra={"file": str(path)})
    database = await _connect(path)
    resources.push_async_callback(database.close)
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        await database.execute(f"PRAGMA {pragma}")
    if max_bytes is not None:
        await database.execute(f"PRAGMA max_page_count = {max_bytes // _PAGE_BYTES}")
    names = {name for (name,) in await database.execute_fetchall("SELECT name FROM sqlite_master")}
    if not names:
        await _create(database)
    elif not {"meta", "records"} <= names:
        raise ValueError("it is another kind of SQLite file; choose another path")
    return database


async def _connect(path: Path) -> aiosqlite.Connection:
    """A connection. aiosqlite opens it in a thread: a caller that is cancelled in that moment
    would never learn of it, so that it is closed here."""

    async def connect() -> aiosqlite.Connection:
        return await aiosqlite.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)

    connecting = asyncio.create_task(connect())
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        with suppress(sqlite3.Error):
            await (await connecting).close()
        raise


async def _create(database: aiosqlite.Connection) -> None:
    await database.execute("BEGIN IMMEDIATE")
    for statement in SCHEMA.values():
        await database.execute(statement)
    await database.execute("INSERT INTO meta VALUES ('log_id', ?)", (str(uuid.uuid4()),))
    await database.execute("COMMIT")


async def _restore(database: aiosqlite.Connection) -> None:
    """Make triggers and indices anew that somebody took away; the break is recorded apart."""
    names = {name for (name,) in await database.execute_fetchall("SELECT name FROM sqlite_master")}
    for name, statement in SCHEMA.items():
        if name not in names:
            await database.execute(statement)


def _file_id(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def _head_context(path: Path, head: Head | None) -> dict[str, Any]:
    known = {} if head is None else {"seq": head.seq, "head": head.hash.hex()}
    return {"file": str(path), **known}


def _report_death(writer: asyncio.Task[None]) -> None:
    if not writer.cancelled() and (error := writer.exception()) is not None:
        _log.error("the audit log's writer failed: nothing is recorded", exc_info=error)
