"""Retention: payloads of old segments go, their hashes stay, so that all proofs still hold."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from biogate_security.audit_store.checkpoint import Checkpoint
from biogate_security.audit_store.merkle import leaf_hash
from biogate_security.audit_store.schema import INSERT_CHECKPOINT, INSERT_RECORD
from biogate_security.audit_store.segment import (
    draft_segment,
    leaf_of,
    newest,
    open_reader,
    read_checkpoints,
    read_header,
    read_rows,
    seal,
    segment_files,
)


@dataclass(frozen=True, slots=True)
class Droppable:
    """Closed segments that are due, oldest first, and the number of their last record."""

    paths: tuple[Path, ...]
    last_seq: int


class RetentionError(Exception):
    """A segment is not as it was written: its payloads are evidence, and stay."""


def droppable(folder: Path, before: int) -> Droppable | None:
    """The segments that were closed before a time (ticks) and still have their payloads.

    None where there are none. A segment was closed when the next one was begun. Raises
    sqlite3.Error, OSError, ValueError.
    """
    files = list(segment_files(folder).values())
    due, last_seq = [], 0
    for path, following in pairwise(files):
        with closing(open_reader(following)) as reader:
            first = next(read_checkpoints(reader), None)
        if first is None or Checkpoint.parse(first[2]).time >= before:
            break
        with closing(open_reader(path)) as reader:
            header = read_header(reader)
            last_seq = newest(reader, header).seq
        if not header.dropped:
            due.append(path)
    return Droppable(tuple(due), last_seq) if due else None


def drop_payloads(path: Path) -> None:
    """Replace a closed segment by one with the same hashes and checkpoints, without payloads.

    Raises RetentionError where a payload is not the one that was hashed; sqlite3.Error, OSError.
    The segment is then as it was (locked while somebody reads it: it is dropped another time).
    """
    seal(path)
    with closing(open_reader(path)) as reader:
        reader.execute("BEGIN")
        header = read_header(reader)
        with draft_segment(path, replace(header, dropped=True)) as draft:
            for seq, body, stored, chained in read_rows(reader, header, header.first_seq):
                leaf = leaf_of(body, stored)
                if body is not None and leaf != leaf_hash(body):
                    raise RetentionError(f"{path}: record {seq} is not the one that was hashed")
                draft.execute(INSERT_RECORD, (seq, None, leaf, chained))
            for _, *row in read_checkpoints(reader) if header.layout > 1 else ():
                draft.execute(INSERT_CHECKPOINT, row)
