"""Finding records in a log's files, also while a gateway writes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from biogate_security.audit import AuditRecord
from biogate_security.audit_chain import StoredRecord, decode
from biogate_security.audit_store.segment import open_reader, read_header
from biogate_security.audit_store.verify import LogFiles
from biogate_security.filetime import to_iso


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records are wanted; None: whatever. Both ends of the numbers, `end` excluded.

    Times in ticks. Texts match as a whole, `*` for any part; `subject` is a tag or a NodeId.
    """

    first_seq: int = 1
    last_seq: int | None = None
    start: int | None = None
    end: int | None = None
    user: str | None = None
    subject: str | None = None
    event: str | None = None
    zone: str | None = None

    def where(self) -> tuple[str, list[int | str]]:
        """The condition in SQL, and its parameters."""
        bounds: dict[str, int | str | None] = {
            "seq >= ?": self.first_seq,
            "seq <= ?": self.last_seq,
            "time >= ?": None if self.start is None else to_iso(self.start),
            "time < ?": None if self.end is None else to_iso(self.end),
        }
        texts = {
            "event": self.event,
            _field("user"): self.user,
            _field("zone"): self.zone,
        }
        bounds |= {f"{field} GLOB ?": _glob(text) for field, text in texts.items()}
        given = {condition: value for condition, value in bounds.items() if value is not None}
        conditions, values = list(given), list(given.values())
        if (subject := _glob(self.subject)) is not None:
            conditions.append(f"({_field('tag')} GLOB ? OR {_field('node_id')} GLOB ?)")
            values += [subject, subject]
        return " AND ".join(conditions), values


def query_log(
    path: Path, wanted: Filter | None = None, *, limit: int | None = None, newest: bool = False
) -> Iterator[StoredRecord]:
    """The records that match, oldest first, or the newest first; at most `limit`.

    `path` as for `verify.LogFiles.find`. Raises sqlite3.Error, OSError, ValueError for a log that
    cannot be read.
    """
    files = [path for _, path in LogFiles.find(path).segments() if path is not None]
    found = _records(files[::-1] if newest else files, wanted or Filter(), newest=newest)
    return islice(found, limit)


def _records(files: list[Path], wanted: Filter, *, newest: bool) -> Iterator[StoredRecord]:
    for path in files:
        with closing(open_reader(path)) as reader:
            yield from _matching(reader, wanted, newest=newest)


def _matching(
    reader: sqlite3.Connection, wanted: Filter, *, newest: bool
) -> Iterator[StoredRecord]:
    read_header(reader)
    condition, values = wanted.where()
    order = "DESC" if newest else "ASC"
    rows = reader.execute(
        "SELECT seq, CAST(body AS BLOB), coalesce(CAST(hash AS BLOB), x'') FROM records "  # noqa: S608
        f"WHERE {condition} ORDER BY seq {order}",
        values,
    )
    for seq, body, chained in rows:
        yield _stored(seq, body, chained)


def _stored(seq: int, body: bytes | None, chained: bytes) -> StoredRecord:
    if body is None:
        return StoredRecord(seq, None, chained)
    text = body.decode("utf-8", "replace")
    return StoredRecord(seq, _decoded(text), chained, text)


def _decoded(body: str) -> AuditRecord | None:
    try:
        return decode(body)[2]
    except ValueError:
        return None


def _field(name: str) -> str:
    return f"CASE WHEN json_valid(body) THEN json_extract(body, '$.{name}') END"


def _glob(text: str | None) -> str | None:
    """A pattern of SQLite in which only `*` has a meaning."""
    return None if text is None else text.replace("[", "[[]").replace("?", "[?]")
