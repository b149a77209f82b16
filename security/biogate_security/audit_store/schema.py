"""The tables of a segment, and the statements that read and write them, by format.

Format 1 has no hashes of leaves and no checkpoints; segments whose payloads were dropped have
the tables of the present format, whichever they were made in.
"""

from __future__ import annotations

FORMAT = 2

# Hashes are read as bytes whatever somebody put there.
HASH = "coalesce(CAST(hash AS BLOB), x'')"
LEAF = {1: "NULL", 2: "coalesce(CAST(leaf AS BLOB), x'')"}
NEWEST = f"SELECT seq, {HASH} FROM records ORDER BY seq DESC LIMIT 1"  # noqa: S608
_COMPUTED = (
    "time TEXT AS (CASE WHEN json_valid(body) THEN json_extract(body, '$.time') END), "
    "event TEXT AS (CASE WHEN json_valid(body) THEN json_extract(body, '$.event') END))"
)


def _guards(table: str, update: str, delete: str) -> dict[str, str]:
    return {
        name: f"CREATE TRIGGER {name} BEFORE {event} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'audit records are append-only'); END"
        for name, event in ((update, "UPDATE"), (delete, "DELETE"))
    }


# `time` and `event` are computed from the body, so that a query cannot be told other than the
# chain. A REPLACE deletes without firing delete triggers; the order trigger stops it.
_SCHEMA_1 = {
    "meta": "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "records": (
        "CREATE TABLE records (seq INTEGER PRIMARY KEY, body TEXT NOT NULL, hash BLOB NOT NULL, "
        f"{_COMPUTED}"
    ),
    "records_by_time": "CREATE INDEX records_by_time ON records (time)",
    **_guards("records", "records_never_change", "records_never_go"),
    "records_in_order": (
        "CREATE TRIGGER records_in_order BEFORE INSERT ON records "
        "WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM records) "
        "BEGIN SELECT RAISE(ABORT, 'audit records follow one another without a gap'); END"
    ),
    **_guards("meta", "meta_never_changes", "meta_never_goes"),
}
_SCHEMA_2 = {
    **_SCHEMA_1,
    "records": (
        "CREATE TABLE records (seq INTEGER PRIMARY KEY, body TEXT, leaf BLOB NOT NULL, "
        f"hash BLOB NOT NULL, {_COMPUTED}"
    ),
    "records_in_order": (
        "CREATE TRIGGER records_in_order BEFORE INSERT ON records "
        "WHEN NEW.seq IS NOT (SELECT coalesce(max(seq) + 1, (SELECT CAST(value AS INTEGER) "
        "FROM meta WHERE key = 'first_seq')) FROM records) "
        "BEGIN SELECT RAISE(ABORT, 'audit records follow one another without a gap'); END"
    ),
    "checkpoints": (
        "CREATE TABLE checkpoints (id INTEGER PRIMARY KEY, size INTEGER NOT NULL, "
        "note TEXT NOT NULL, frontier BLOB NOT NULL)"
    ),
    **_guards("checkpoints", "checkpoints_never_change", "checkpoints_never_go"),
}
SCHEMAS = {1: _SCHEMA_1, 2: _SCHEMA_2}
INSERT_RECORD = "INSERT INTO records (seq, body, leaf, hash) VALUES (?, ?, ?, ?)"
INSERT_CHECKPOINT = "INSERT INTO checkpoints (size, note, frontier) VALUES (?, ?, ?)"
