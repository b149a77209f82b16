"""Opening a log: make what is missing, finish what a crash left, verify the newest part."""

from __future__ import annotations

import logging
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from biogate_security.audit_store.checkpoint import Checkpoint, origin_of
from biogate_security.audit_store.keys import KeyFiles
from biogate_security.audit_store.merkle import Frontier
from biogate_security.audit_store.notes import SigningKey
from biogate_security.audit_store.report import ChainReport
from biogate_security.audit_store.segment import (
    Header,
    Position,
    create_segment,
    first_header,
    next_header,
    open_reader,
    read_checkpoints,
    read_header,
    seal,
    segment_files,
    segment_path,
)
from biogate_security.audit_store.state import AuditOptions
from biogate_security.audit_store.verify import KEY_FOLDER, verify_tail
from biogate_security.private_file import PRIVATE_FOLDER_MODE, close_to_others

TAIL_RECORDS = 1000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """A log that can be written: its newest segment, where it stands, and its key.

    `new_key`: the log was there and its key was not, so that another one signs from now on.
    """

    header: Header
    position: Position
    begun: int
    report: ChainReport
    keys: KeyFiles
    key: SigningKey
    new_key: bool


def prepare(folder: Path, options: AuditOptions, clock: Callable[[], int]) -> Opened:
    """Bring the folder in order. Raises sqlite3.Error, OSError, ValueError."""
    folder.mkdir(mode=PRIVATE_FOLDER_MODE, exist_ok=True)
    files = segment_files(folder)
    keys = KeyFiles(folder / KEY_FOLDER)
    old = _newest_header(files) if files else None
    header = old or first_header(str(uuid.uuid4()), options.checkpoint_every)
    key, made = keys.load_or_make(origin_of(header.log_id))
    if old is None:
        _begin(folder, header, Frontier(), key, clock)
    else:
        _tidy(files)
        key = _finish_change(folder, keys, key, header)
    report, frontier = verify_tail(folder, TAIL_RECORDS)
    position = Position(report.head, frontier)
    if header.layout == 1 or header.checkpoint_every != options.checkpoint_every:
        header = next_header(header, position, options)
        _begin(folder, header, frontier, key, clock)
    begun = _begun(segment_path(folder, header.segment))
    lost = made and old is not None and old.layout > 1
    return Opened(header, position, begun, report, keys, key, lost)


def _newest_header(files: dict[int, Path]) -> Header:
    path = max(files.items())[1]
    try:
        with closing(open_reader(path)) as reader:
            return read_header(reader)
    except (sqlite3.Error, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def _begin(
    folder: Path, header: Header, frontier: Frontier, key: SigningKey, clock: Callable[[], int]
) -> None:
    origin, size = origin_of(header.log_id), header.first_seq - 1
    every = header.checkpoint_every
    start = Checkpoint.sign(origin, size, frontier.root(), clock(), key, every=every)
    create_segment(segment_path(folder, header.segment), header, start, frontier)


def _tidy(files: dict[int, Path]) -> None:
    """Take others' rights away; seal segments that a crash left open."""
    *closed, newest = files.values()
    for path in (*closed, newest):
        if close_to_others(path):
            _log.warning("audit log was open to others; closed", extra={"file": str(path)})
    for path in closed:
        if path.with_name(f"{path.name}-wal").exists():
            try:
                seal(path)
            except sqlite3.Error as error:
                what = {"file": str(path), "error": str(error)}
                _log.warning("an audit segment could not be closed", extra=what)


def _finish_change(folder: Path, keys: KeyFiles, key: SigningKey, header: Header) -> SigningKey:
    """The key that signs, after a change of keys that was cut off half-way."""
    following = keys.load_next(key.name)
    if following is None:
        return key
    if header.layout > 1 and following.verifying in _announced(
        segment_path(folder, header.segment)
    ):
        keys.promote_next(following)
        return following
    keys.drop_next()
    return key


def _announced(path: Path) -> list[object]:
    with closing(open_reader(path)) as reader:
        notes = [note for _, _, note, _ in read_checkpoints(reader)]
    found = []
    for note in notes:
        try:
            found.append(Checkpoint.parse(note).next_key)
        except ValueError:
            continue  # verification tells of it
    return list(found)


def _begun(path: Path) -> int:
    """When a segment was begun, in ticks: the time of its first checkpoint, 0 if unknown."""
    with closing(open_reader(path)) as reader:
        first = next(read_checkpoints(reader), None)
    try:
        return 0 if first is None else Checkpoint.parse(first[2]).time
    except ValueError:
        return 0
