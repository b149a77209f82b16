"""The audit file: an SQLite database that only grows, and reading it beside its writer."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from biogate_security.audit import AuditRecord
from biogate_security.audit_chain import Head, StoredRecord, decode, genesis, link
from biogate_security.filetime import to_iso

MAX_PROBLEMS = 100
CHAIN_BROKEN_EVENT = "audit-chain-broken"

# Hashes are read as bytes whatever somebody put there.
_HASH = "coalesce(CAST(hash AS BLOB), x'')"
NEWEST = f"SELECT seq, {_HASH} FROM records ORDER BY seq DESC LIMIT 1"  # noqa: S608

# `time` and `event` are computed from the body, so that a query cannot be told other than the
# chain. A REPLACE deletes without firing delete triggers; the order trigger stops it.
SCHEMA = {
    "meta": "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "records": (
        "CREATE TABLE records (seq INTEGER PRIMARY KEY, body TEXT NOT NULL, hash BLOB NOT NULL, "
        "time TEXT AS (CASE WHEN json_valid(body) THEN json_extract(body, '$.time') END), "
        "event TEXT AS (CASE WHEN json_valid(body) THEN json_extract(body, '$.event') END))"
    ),
    "records_by_time": "CREATE INDEX records_by_time ON records (time)",
    "records_never_change": (
        "CREATE TRIGGER records_never_change BEFORE UPDATE ON records "
        "BEGIN SELECT RAISE(ABORT, 'audit records are append-only'); END"
    ),
    "records_never_go": (
        "CREATE TRIGGER records_never_go BEFORE DELETE ON records "
        "BEGIN SELECT RAISE(ABORT, 'audit records are append-only'); END"
    ),
    "records_in_order": (
        "CREATE TRIGGER records_in_order BEFORE INSERT ON records "
        "WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM records) "
        "BEGIN SELECT RAISE(ABORT, 'audit records follow one another without a gap'); END"
    ),
    "meta_never_changes": (
        "CREATE TRIGGER meta_never_changes BEFORE UPDATE ON meta "
        "BEGIN SELECT RAISE(ABORT, 'audit records are append-only'); END"
    ),
    "meta_never_goes": (
        "CREATE TRIGGER meta_never_goes BEFORE DELETE ON meta "
        "BEGIN SELECT RAISE(ABORT, 'audit records are append-only'); END"
    ),
}


@dataclass(frozen=True, slots=True)
class ChainProblem:
    """One place where the file is not what was written; `seq` is None for the file itself."""

    seq: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The outcome of a walk over the chain. `problems` holds at most MAX_PROBLEMS."""

    log_id: str
    records: int
    head: Head
    problems: tuple[ChainProblem, ...]

    @property
    def ok(self) -> bool:
        """True when nothing is wrong."""
        return not self.problems

    @property
    def first_broken_seq(self) -> int | None:
        """The first record that does not fit."""
        return next((problem.seq for problem in self.problems if problem.seq is not None), None)


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection, also while a writer has the file. Raises sqlite3.Error."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, isolation_level=None)


def read_head(reader: sqlite3.Connection, log_id: str) -> Head:
    """The newest record's number and hash."""
    row = reader.execute(NEWEST).fetchone()
    return Head(*row) if row else genesis(log_id)


def read_log_id(reader: sqlite3.Connection) -> str:
    """The log's identity; "" where it is missing."""
    row = reader.execute("SELECT value FROM meta WHERE key = 'log_id'").fetchone()
    return str(row[0]) if row else ""


def verify_file(path: Path, heads: Collection[Head] = (), *, first_seq: int = 1) -> ChainReport:
    """Walk the chain from `first_seq` to its end in one snapshot.

    `heads` are heads kept elsewhere: each must still be in the chain, or its tail was cut or
    rewritten. Raises sqlite3.Error for a file that cannot be read.
    """
    with closing(open_reader(path)) as reader:
        reader.execute("BEGIN")
        log_id = read_log_id(reader)
        walk = _Walk(reader, log_id, first_seq, {head.seq: head.hash for head in heads})
        problems = [*_schema_problems(reader)]
        for problem in walk.problems():
            problems.append(problem)
            if len(problems) == MAX_PROBLEMS:
                break
        return ChainReport(log_id, walk.count, read_head(reader, log_id), tuple(problems))


def verify_tail(path: Path, records: int) -> ChainReport:
    """Walk the newest `records`, at most back to the newest break that is on record.

    Raises sqlite3.Error for a file that cannot be read.
    """
    with closing(open_reader(path)) as reader:
        newest = reader.execute("SELECT coalesce(max(seq), 0) FROM records").fetchone()[0]
        first = max(1, newest - records + 1)
        on_record = reader.execute(
            "SELECT coalesce(max(seq), 1) FROM records WHERE seq >= ? AND event = ?",
            (first, CHAIN_BROKEN_EVENT),
        ).fetchone()[0]
    return verify_file(path, first_seq=max(first, on_record))


def query_file(
    path: Path,
    *,
    first_seq: int = 1,
    last_seq: int | None = None,
    start: int | None = None,
    end: int | None = None,
    limit: int = 1000,
) -> list[StoredRecord]:
    """Records by number (both ends included) and by time in ticks (`end` excluded), oldest first.

    At most `limit`: go on from the last one's seq + 1. Raises sqlite3.Error for a file that
    cannot be read.
    """
    bounds: dict[str, int | str | None] = {
        "seq >= ?": first_seq,
        "seq <= ?": last_seq,
        "time >= ?": None if start is None else to_iso(start),
        "time < ?": None if end is None else to_iso(end),
    }
    given = {condition: value for condition, value in bounds.items() if value is not None}
    statement = (
        f"SELECT seq, CAST(body AS BLOB), {_HASH} FROM records "  # noqa: S608
        f"WHERE {' AND '.join(given)} ORDER BY seq LIMIT ?"
    )
    with closing(open_reader(path)) as reader:
        rows = reader.execute(statement, (*given.values(), limit)).fetchall()
    return [StoredRecord(seq, _decoded(body), stored) for seq, body, stored in rows]


def _decoded(body: bytes) -> AuditRecord | None:
    try:
        return decode(body.decode())[2]
    except ValueError:
        return None


class _Walk:
    """One pass over the records; `count` is how many it saw."""

    def __init__(
        self, reader: sqlite3.Connection, log_id: str, first_seq: int, heads: dict[int, bytes]
    ) -> None:
        self._reader = reader
        self._log_id = log_id
        self._first_seq = first_seq
        self._heads = {seq: stored for seq, stored in heads.items() if seq >= first_seq}
        self.count = 0

    def problems(self) -> Iterator[ChainProblem]:
        seq, previous = self._start()
        for found, body, stored in self._reader.execute(
            f"SELECT seq, CAST(body AS BLOB), {_HASH} FROM records "  # noqa: S608
            "WHERE seq >= ? ORDER BY seq",
            (self._first_seq,),
        ):
            self.count += 1
            if found != seq + 1:
                yield ChainProblem(seq + 1, f"missing: record {found} follows {seq}")
            elif stored != link(previous, body):
                yield ChainProblem(found, "the hash is not that of the record before and this one")
            elif reason := self._mismatch(found, body):
                yield ChainProblem(found, reason)
            if self._heads.pop(found, stored) != stored:
                yield ChainProblem(found, "not the record that was here when its head was kept")
            seq, previous = found, stored
        for missing in sorted(self._heads):
            if missing > 0:
                yield ChainProblem(missing, f"missing: its head was kept, the log ends at {seq}")

    def _start(self) -> tuple[int, bytes]:
        before = self._first_seq - 1
        hash_of = f"SELECT {_HASH} FROM records WHERE seq = ?"  # noqa: S608
        row = self._reader.execute(hash_of, (before,)).fetchone()
        return before, row[0] if row else genesis(self._log_id).hash

    def _mismatch(self, seq: int, body: bytes) -> str | None:
        try:
            log_id, named_seq, _ = decode(body.decode())
        except ValueError as error:
            return str(error)
        if (log_id, named_seq) != (self._log_id, seq):
            return f"the record says it is number {named_seq} of log {log_id}"
        return None


def _schema_problems(reader: sqlite3.Connection) -> Iterator[ChainProblem]:
    found = dict(reader.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    for name, statement in SCHEMA.items():
        if found.pop(name, None) != statement:
            yield ChainProblem(None, f"{name} is missing or not as it was made")
    for name in found:
        yield ChainProblem(None, f"{name} was added to the file")
