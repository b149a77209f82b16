"""The writing end of a log: the open segment, the head of the chain, the tree, the key.

Its methods are called by one task, one at a time. After a failure the next call finds out from
the disk what was stored.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import aiosqlite

from biogate_security.audit_chain import Head, encode, link
from biogate_security.audit_store.checkpoint import Checkpoint, origin_of
from biogate_security.audit_store.keys import KeyFiles
from biogate_security.audit_store.merkle import leaf_hash
from biogate_security.audit_store.notes import SigningKey, VerifyingKey
from biogate_security.audit_store.opening import Opened
from biogate_security.audit_store.room import measure
from biogate_security.audit_store.schema import INSERT_CHECKPOINT, INSERT_RECORD, NEWEST, SCHEMAS
from biogate_security.audit_store.segment import (
    Position,
    create_segment,
    leaf_of,
    next_header,
    open_reader,
    read_header,
    seal,
    segment_path,
)
from biogate_security.audit_store.state import AuditOptions
from biogate_security.filetime import TICKS_PER_SECOND
from biogate_security.private_file import sync_folder

BUSY_TIMEOUT_S = 1.0
_PAGE_BYTES = 4096
_OVERHEAD_BYTES = 160  # of a record: two hashes, its number, its places in table and index
_EMPTY_SEGMENT_BYTES = 128 << 10  # of tables and indices, and of the log of its first commit
_DAY_TICKS = 86_400 * TICKS_PER_SECOND
_Row = tuple[int, str, bytes, bytes]


class SegmentWriter:
    """Appends records and checkpoints to the newest segment. `open` it first."""

    def __init__(
        self, folder: Path, opened: Opened, options: AuditOptions, clock: Callable[[], int]
    ) -> None:
        """`clock` gives FILETIME ticks."""
        self.folder = folder
        self.header = opened.header
        self.position = opened.position
        self.checkpoint: Checkpoint | None = None
        self._begun = opened.begun
        self._bytes = 0
        self._room = math.inf
        self._key = opened.key
        self._options = options
        self._clock = clock
        self._in_doubt = False
        self._database: aiosqlite.Connection | None = None
        self._file_id = (0, 0)

    @property
    def path(self) -> Path:
        """The segment that is written."""
        return segment_path(self.folder, self.header.segment)

    @property
    def head(self) -> Head | None:
        """The newest record; None after a failure: only the disk knows whether it took it."""
        return None if self._in_doubt else self.position.head

    @property
    def key(self) -> VerifyingKey:
        """The public half of the key that signs."""
        return self._key.verifying

    @property
    def is_full(self) -> bool:
        """Whether it is time for the next segment, and there is room for it.

        One without records is never full.
        """
        if self.position.head.seq < self.header.first_seq or self._room < _EMPTY_SEGMENT_BYTES:
            return False
        age_days = (self._clock() - self._begun) / _DAY_TICKS
        return self._bytes >= self._options.segment_bytes or age_days >= self._options.segment_days

    async def open(self) -> None:
        """Open the segment's file, which may grow to what `max_bytes` leaves for it.

        Raises sqlite3.Error, OSError.
        """
        self._database = database = await connect(self.path)
        self._file_id = _file_id(self.path)
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            await database.execute(f"PRAGMA {pragma}")
        size = self.path.stat().st_size
        self._bytes = size if self.position.head.seq >= self.header.first_seq else 0
        if (room := self._options.max_bytes) is not None:
            own = room - measure(self.folder).used_bytes + size
            self._room = own - size
            await database.execute(f"PRAGMA max_page_count = {max(1, own // _PAGE_BYTES)}")

    async def repair(self) -> None:
        """Make triggers and indices anew that somebody took away."""
        rows = await self._open_database.execute_fetchall("SELECT name FROM sqlite_master")
        names = {name for (name,) in rows}
        for name, statement in SCHEMAS[self.header.layout].items():
            if name not in names:
                await self._open_database.execute(statement)

    async def store(self, contents: Sequence[dict[str, Any]]) -> list[Head]:
        """Append records; on the disk when this returns. The number and hash of each.

        Raises sqlite3.Error, OSError; then none of them is in the log, or all are.
        """
        before = await self._settled()
        after, rows = self._chain(before, contents)
        signed = before.head.seq if self.checkpoint is None else self.checkpoint.size
        due = after.head.seq - signed >= self._options.checkpoint_every
        await self._commit(rows, after, self._sign(after) if due else None)
        grown = sum(len(body) + _OVERHEAD_BYTES for _, body, _, _ in rows)
        self._bytes += grown
        self._room -= grown
        return [Head(seq, chained) for seq, _, _, chained in rows]

    async def sign(self) -> Checkpoint:
        """Store a checkpoint of all records so far. Raises sqlite3.Error, OSError."""
        position = await self._settled()
        checkpoint = self._sign(position)
        await self._commit([], position, checkpoint)
        return checkpoint

    async def rotate(self) -> Checkpoint:
        """Close the segment with a checkpoint and begin the next one with it.

        Raises sqlite3.Error, OSError; the present segment then goes on.
        """
        position = await self._settled()
        checkpoint = await self.sign() if self.header.layout > 1 else self._sign(position)
        header = next_header(self.header, position, self._options)
        path = segment_path(self.folder, header.segment)
        await asyncio.to_thread(create_segment, path, header, checkpoint, position.frontier)
        await self.close()
        self.header, self.checkpoint, self._begun = header, checkpoint, checkpoint.time
        await self.open()
        return checkpoint

    async def announce_key(self, files: KeyFiles, key: SigningKey) -> Checkpoint:
        """Store a checkpoint that old and new key sign, and sign with the new one from now on."""
        position = await self._settled()
        checkpoint = self._sign(position, key)
        await self._commit([], position, checkpoint)
        await asyncio.to_thread(files.promote_next, key)
        self._key = key
        return checkpoint

    async def close(self) -> None:
        """Close the file, as one without a write-ahead log; a second call does nothing."""
        database, self._database = self._database, None
        if database is None:
            return
        with suppress(sqlite3.Error):  # while somebody reads it, it stays as it is
            if database.in_transaction:
                await database.execute("ROLLBACK")
            await database.execute("PRAGMA journal_mode = DELETE")
        await database.close()

    @property
    def _open_database(self) -> aiosqlite.Connection:
        if self._database is None:
            raise OSError(f"{self.path} is not open")
        return self._database

    def _chain(
        self, before: Position, contents: Sequence[dict[str, Any]]
    ) -> tuple[Position, list[_Row]]:
        head, frontier, rows = before.head, before.frontier.copy(), []
        for content in contents:
            seq = head.seq + 1
            body = encode(self.header.log_id, seq, content)
            leaf = leaf_hash(body.encode())
            head = Head(seq, link(head.hash, leaf))
            frontier.append(leaf)
            rows.append((seq, body, leaf, head.hash))
        return Position(head, frontier), rows

    def _sign(self, position: Position, new: SigningKey | None = None) -> Checkpoint:
        keys = (self._key,) if new is None else (self._key, new)
        return Checkpoint.sign(
            origin_of(self.header.log_id),
            position.head.seq,
            position.frontier.root(),
            self._clock(),
            *keys,
            announce=new is not None,
            every=self._options.checkpoint_every,
        )

    async def _commit(
        self, rows: Sequence[_Row], after: Position, checkpoint: Checkpoint | None
    ) -> None:
        """One transaction: all of it is on the disk, or nothing."""
        if _file_id(self.path) != self._file_id:
            raise OSError(f"{self.path} is not the file that was opened: it was moved or replaced")
        self._in_doubt = True
        database = self._open_database
        if len(rows) == 1 and checkpoint is None:
            await database.execute(INSERT_RECORD, rows[0])
        else:
            await database.execute("BEGIN IMMEDIATE")
            if rows:
                await database.executemany(INSERT_RECORD, rows)
            if checkpoint is not None:
                packed = after.frontier.to_bytes()
                row = (checkpoint.size, checkpoint.note, packed)
                await database.execute(INSERT_CHECKPOINT, row)
            await database.execute("COMMIT")
        self.position, self._in_doubt = after, False
        if checkpoint is not None:
            self.checkpoint = checkpoint

    async def _settled(self) -> Position:
        """The position; after a failure, what the disk has."""
        if self._database is None:
            await self.open()
        if not self._in_doubt:
            return self.position
        database = self._open_database
        if database.in_transaction:
            await database.execute("ROLLBACK")
        rows = list(await database.execute_fetchall(NEWEST))
        head = Head(*rows[0]) if rows else self.header.head_before()
        frontier = self.position.frontier.copy()
        leaves = await database.execute_fetchall(
            "SELECT seq, CAST(body AS BLOB), CAST(leaf AS BLOB) FROM records "
            "WHERE seq > ? ORDER BY seq",
            (frontier.size,),
        )
        for seq, body, leaf in leaves:
            frontier.skip(seq - frontier.size - 1)
            frontier.append(leaf_of(body, leaf))
        self.position, self._in_doubt = Position(head, frontier), False
        return self.position


def take_over(old: Path, folder: Path) -> None:
    """Make the one file of an earlier version the first segment of the log in `folder`.

    Nothing in it is changed. Raises sqlite3.Error, OSError, ValueError (not an audit log).
    """
    first = segment_path(folder, 1)
    if first.exists():
        raise ValueError(f"both {old} and {first} are there: move away the one that is not yours")
    with closing(open_reader(old)) as reader:
        read_header(reader)
    seal(old)
    folder.mkdir(mode=0o700, exist_ok=True)
    old.replace(first)
    sync_folder(folder)
    sync_folder(old.parent)


async def connect(path: Path) -> aiosqlite.Connection:
    """A connection. aiosqlite opens it in a thread: a caller that is cancelled in that moment
    would never learn of it, so that it is closed here."""

    async def opened() -> aiosqlite.Connection:
        return await aiosqlite.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)

    connecting = asyncio.create_task(opened())
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        with suppress(sqlite3.Error):
            await (await connecting).close()
        raise


def _file_id(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino
