"""One segment of an audit log: an SQLite file `NNNNNN.sqlite` that only grows, then is closed.

Its header (table `meta`) says where in the log it belongs: its number, the number of its first
record, and head, root and frontier of all records before. Format 1 is the whole log of earlier
versions in one file without header, hashes of leaves and checkpoints; taken over as segment 1.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from biogate_security.audit_chain import Head, genesis
from biogate_security.audit_store.checkpoint import Checkpoint
from biogate_security.audit_store.merkle import EMPTY_ROOT, HASH_BYTES, Frontier, leaf_hash
from biogate_security.audit_store.schema import (
    FORMAT,
    HASH,
    INSERT_CHECKPOINT,
    LEAF,
    NEWEST,
    SCHEMAS,
)
from biogate_security.audit_store.state import AuditOptions
from biogate_security.private_file import PRIVATE_FILE_MODE, give_to_owner, sync_folder

MAX_BATCH = 128
_OUT_OF_REACH = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
_FILE_NAME = re.compile(r"(\d{6,})\.sqlite")


@dataclass(frozen=True, slots=True)
class Header:
    """Where a segment belongs in its log. `dropped`: retention took the payloads away."""

    log_id: str
    segment: int
    first_seq: int
    previous_hash: bytes
    previous_root: bytes
    frontier: bytes
    checkpoint_every: int
    format: int = FORMAT
    dropped: bool = False

    @property
    def layout(self) -> int:
        """The format of its tables: dropping payloads leaves those of the present one."""
        return FORMAT if self.dropped else self.format

    def frontier_before(self) -> Frontier:
        """The tree of the records before. Raises ValueError for a spoilt header."""
        return Frontier.from_bytes(self.first_seq - 1, self.frontier)

    def head_before(self) -> Head:
        """Number and hash of the record before."""
        return Head(self.first_seq - 1, self.previous_hash)


def first_header(log_id: str, checkpoint_every: int, *, form: int = FORMAT) -> Header:
    """The header of a log's first segment."""
    start = genesis(log_id)
    return Header(log_id, 1, 1, start.hash, EMPTY_ROOT, b"", checkpoint_every, form)


@dataclass(frozen=True, slots=True)
class Position:
    """Where the log stands: its newest record, and the tree of all of them."""

    head: Head
    frontier: Frontier


def next_header(header: Header, position: Position, options: AuditOptions) -> Header:
    """The header of the segment after one with `header` that ends at `position`."""
    return Header(
        log_id=header.log_id,
        segment=header.segment + 1,
        first_seq=position.head.seq + 1,
        previous_hash=position.head.hash,
        previous_root=position.frontier.root(),
        frontier=position.frontier.to_bytes(),
        checkpoint_every=options.checkpoint_every,
    )


def segment_path(folder: Path, number: int) -> Path:
    """The file of one segment."""
    return folder / f"{number:06d}.sqlite"


def segment_files(folder: Path) -> dict[int, Path]:
    """The segments of a folder by number, in order. Raises OSError."""
    names = ((_FILE_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return dict(sorted((int(name[1]), path) for name, path in names if name))


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection, also while a writer has the file. Raises sqlite3.Error."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, isolation_level=None)


def read_header(reader: sqlite3.Connection) -> Header:
    """The header. Raises sqlite3.Error, ValueError for another kind of file or a spoilt header.

    Where a table should be must be a table: a view in its place may have rows without end.
    """
    kinds = dict(reader.execute("SELECT name, type FROM sqlite_master"))
    if any(kinds.get(name, "table") != "table" for name in ("meta", "records", "checkpoints")):
        raise ValueError("a view is in the place of a table")
    if not {"meta", "records"} <= kinds.keys():
        raise ValueError("it is another kind of SQLite file; choose another path")
    meta = dict(reader.execute("SELECT key, value FROM meta"))
    if "format" not in meta:
        return first_header(str(meta.get("log_id", "")), 0, form=1)
    if meta["format"] not in ("1", "2"):
        raise ValueError(
            f"this biogate reads audit logs up to format {FORMAT}, not {meta['format']}"
        )
    try:
        return Header(
            log_id=meta["log_id"],
            segment=int(meta["segment"]),
            first_seq=int(meta["first_seq"]),
            previous_hash=bytes.fromhex(meta["previous_hash"]),
            previous_root=bytes.fromhex(meta["previous_root"]),
            frontier=bytes.fromhex(meta["frontier"]),
            checkpoint_every=int(meta["checkpoint_every"]),
            format=int(meta["format"]),
            dropped={"0": False, "1": True}[meta["dropped"]],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the segment's header is spoilt: {error!r}") from error


def create_segment(path: Path, header: Header, start: Checkpoint, frontier: Frontier) -> None:
    """Make the file with its first checkpoint. Raises sqlite3.Error, OSError; nothing stays."""
    with draft_segment(path, header) as database:
        row = (start.size, start.note, frontier.to_bytes())
        database.execute(INSERT_CHECKPOINT, row)


@contextmanager
def draft_segment(path: Path, header: Header) -> Iterator[sqlite3.Connection]:
    """A new file to be filled; it takes its name when all is in it, and on the disk.

    Raises sqlite3.Error, OSError; `path` is then as it was.
    """
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE_FILE_MODE)
    try:
        give_to_owner(descriptor, path.parent)
    finally:
        os.close(descriptor)
    try:
        with closing(sqlite3.connect(draft, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous = FULL")
            database.execute("BEGIN IMMEDIATE")
            for statement in SCHEMAS[FORMAT].values():
                database.execute(statement)
            database.executemany("INSERT INTO meta VALUES (?, ?)", _meta(header))
            yield database
            database.execute("COMMIT")
        draft.replace(path)
        sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def read_rows(
    reader: sqlite3.Connection, header: Header, first_seq: int = 1
) -> Iterator[tuple[int, bytes | None, bytes | None, bytes]]:
    """Number, body, stored leaf (None in format 1) and hash as they are, in order of numbers."""
    statement = (
        f"SELECT seq, CAST(body AS BLOB), {LEAF[header.layout]}, {HASH} FROM records "  # noqa: S608
        "WHERE seq >= ? ORDER BY seq"
    )
    yield from reader.execute(statement, (first_seq,))


def leaf_of(body: bytes | None, stored: bytes | None) -> bytes:
    """The leaf that counts: the stored one, or where that is spoilt, the payload's."""
    return stored if stored and len(stored) == HASH_BYTES else leaf_hash(body or b"")


def read_checkpoints(
    reader: sqlite3.Connection, *, from_size: int | None = None, newest_first: bool = False
) -> Iterator[tuple[int, int, str, bytes]]:
    """Number, size, note and frontier of each checkpoint, in order of writing or the other way."""
    order = "DESC" if newest_first else "ASC"
    rows = reader.execute(
        "SELECT id, CAST(size AS INTEGER), coalesce(CAST(note AS BLOB), x''), "  # noqa: S608
        "coalesce(CAST(frontier AS BLOB), x'') FROM checkpoints "
        f"WHERE size >= coalesce(?, size) ORDER BY id {order}",
        (from_size,),
    )
    for number, size, note, frontier in rows:
        yield number, size, note.decode("utf-8", "replace"), frontier


def is_out_of_reach(error: sqlite3.Error) -> bool:
    """Whether a file could not be read at all; else what is in it is wrong."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _OUT_OF_REACH


def newest(reader: sqlite3.Connection, header: Header) -> Head:
    """Number and hash of the segment's newest record; of the one before it where it has none."""
    row = reader.execute(NEWEST).fetchone()
    return Head(*row) if row else header.head_before()


def seal(path: Path) -> None:
    """Make a segment that gets no more records one file without a write-ahead log, read-only.

    Raises sqlite3.Error (OperationalError while somebody reads it: it is sealed another time).
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA journal_mode = DELETE")


def schema_problems(reader: sqlite3.Connection, header: Header) -> Iterator[str]:
    """What of the file's tables, indices and triggers is not as it was made."""
    found = dict(reader.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    for name, statement in SCHEMAS[header.layout].items():
        if found.pop(name, None) != statement:
            yield f"{name} is missing or not as it was made"
    for name in found:
        yield f"{name} was added to the file"


def _meta(header: Header) -> list[tuple[str, str]]:
    return [
        ("format", str(header.format)),
        ("log_id", header.log_id),
        ("segment", str(header.segment)),
        ("first_seq", str(header.first_seq)),
        ("previous_hash", header.previous_hash.hex()),
        ("previous_root", header.previous_root.hex()),
        ("frontier", header.frontier.hex()),
        ("checkpoint_every", str(header.checkpoint_every)),
        ("dropped", "1" if header.dropped else "0"),
    ]
