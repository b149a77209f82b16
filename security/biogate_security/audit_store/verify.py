"""Verification of a whole log from its files alone, also while a gateway writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from biogate_security.audit_chain import Head
from biogate_security.audit_store.checkpoint import Checkpoint, KeyRing, origin_of
from biogate_security.audit_store.keys import public_keys
from biogate_security.audit_store.merkle import Frontier
from biogate_security.audit_store.notes import VerifyingKey, split_notes
from biogate_security.audit_store.report import MAX_PROBLEMS, ChainProblem, ChainReport
from biogate_security.audit_store.segment import (
    Header,
    first_header,
    is_out_of_reach,
    newest,
    open_reader,
    read_checkpoints,
    read_header,
    segment_files,
)
from biogate_security.audit_store.walk import CHAIN_BROKEN_EVENT, KeptCheckpoint, Progress, Walk

LOG_FOLDER, KEY_FOLDER, CHECKPOINT_FOLDER = "audit", "keys", "checkpoints"
OLD_LOG_FILE = "audit.sqlite"
_MISFITS_TOLD = 3


@dataclass(frozen=True, slots=True)
class LogFiles:
    """The files of a log: a folder of segments, or one segment alone (`single`)."""

    folder: Path
    single: Path | None = None

    @classmethod
    def find(cls, path: Path) -> LogFiles:
        """By the data folder, the log's folder, or the file of a segment.

        Raises FileNotFoundError that says where was looked.
        """
        if path.is_file():
            return cls(path.parent, path)
        for folder in (path / LOG_FOLDER, path):
            if folder.is_dir() and segment_files(folder):
                return cls(folder)
        if (path / OLD_LOG_FILE).is_file():
            return cls(path, path / OLD_LOG_FILE)
        raise FileNotFoundError(
            f"there is no audit log in {path}: neither {LOG_FOLDER}/000001.sqlite nor segments"
        )

    def segments(self) -> Iterator[tuple[int, Path | None]]:
        """Number and file; looks again at each step, so that a new segment is not missed.

        None is in the place of a missing one.
        """
        if self.single is not None:
            yield _number_of(self.single), self.single
            return
        number = 1
        while files := {
            key: path for key, path in segment_files(self.folder).items() if key >= number
        }:
            yield number, files.get(number)
            number += 1

    def keys(self) -> tuple[VerifyingKey, ...]:
        """The public keys beside the log. Raises ValueError naming a spoilt file."""
        return public_keys(self.folder / KEY_FOLDER)

    def exported(self) -> tuple[list[KeptCheckpoint], list[ChainProblem]]:
        """The checkpoints that the log wrote into its folder, and files that hold other things.

        The last one of a file may be cut off, as a loss of power leaves it. Raises OSError.
        """
        kept: list[KeptCheckpoint] = []
        problems = []
        for path in sorted((self.folder / CHECKPOINT_FOLDER).glob("*.txt")):
            try:
                kept += _parse_kept(path, may_be_cut=True)
            except ValueError as error:
                problems.append(ChainProblem(None, str(error)))
        return kept, problems


def read_kept(path: Path) -> list[KeptCheckpoint]:
    """The checkpoints in a file that was kept. Raises OSError, ValueError naming the file."""
    if kept := _parse_kept(path):
        return kept
    raise ValueError(f"{path} holds no checkpoint")


def _parse_kept(path: Path, *, may_be_cut: bool = False) -> list[KeptCheckpoint]:
    notes, kept = split_notes(path.read_text("utf-8", "replace")), []
    for number, note in enumerate(notes, 1):
        try:
            kept.append(KeptCheckpoint(str(path), Checkpoint.parse(note)))
        except ValueError as error:
            if not may_be_cut or number < len(notes):
                raise ValueError(f"{path}: checkpoint {number}: {error}") from error
    return kept


def verify_log(
    path: Path,
    kept: Iterable[KeptCheckpoint] = (),
    keys: Sequence[VerifyingKey] | None = None,
    progress: Progress | None = None,
) -> ChainReport:
    """Walk the whole log, each segment in one snapshot.

    `kept` are checkpoints from elsewhere: each must fit, or the log's tail was cut or its records
    rewritten. `keys` are the keys to trust, from elsewhere; None trusts those beside the log.
    Raises OSError or sqlite3.Error for files that cannot be read, ValueError for files that are
    no audit log.
    """
    files = LogFiles.find(path)
    known = files.keys() if keys is None else tuple(keys)
    exported, problems = ([], []) if files.single else files.exported()
    ring = KeyRing(known)
    walk = Walk(_start(files), ring or None, [*exported, *kept], progress)
    for problem in _problems(files, walk, ring):
        problems.append(problem)
        if len(problems) == MAX_PROBLEMS:
            break
    return report_of(walk, problems)


def verify_tail(folder: Path, records: int) -> tuple[ChainReport, Frontier]:
    """Walk the newest `records` of the newest segment, and give the tree at the end.

    Begins at a checkpoint, or at the segment's first record; leaves out what a record already
    tells to be broken. A segment of format 1 is walked as a whole. Raises as `verify_log`.
    """
    files = LogFiles(folder)
    number, path = max(segment_files(folder).items())
    with closing(open_reader(path)) as reader:
        reader.execute("BEGIN")
        header = read_header(reader)
        walk = Walk(header, KeyRing(files.keys()))
        if header.layout > 1 and (start := _resting_point(reader, header, records)):
            walk.start_at(*start)
        on_record = _broken_on_record(reader)
        problems = [
            problem
            for problem in walk.segment(number, reader, header)
            if problem.seq is None or problem.seq > on_record
        ]
    return report_of(walk, problems[:MAX_PROBLEMS]), walk.frontier


def report_of(walk: Walk, problems: list[ChainProblem]) -> ChainReport:
    """What a walk came to."""
    return ChainReport(
        log_id=walk.log_id,
        records=walk.count,
        head=walk.head,
        root=walk.frontier.root(),
        problems=tuple(problems),
        segments=walk.segments,
        checkpoints=walk.checkpoints,
        signed=walk.signed,
        dropped=walk.dropped,
    )


def _problems(files: LogFiles, walk: Walk, ring: KeyRing) -> Iterator[ChainProblem]:
    signed = False
    for number, path in files.segments():
        if path is None:
            yield ChainProblem(None, "the file is missing", number)
            continue
        try:
            with closing(open_reader(path)) as reader:
                reader.execute("BEGIN")
                header = read_header(reader)
                signed = signed or header.format > 1
                yield from walk.segment(number, reader, header)
        except (sqlite3.Error, ValueError) as error:
            if isinstance(error, sqlite3.Error) and is_out_of_reach(error):
                raise
            yield ChainProblem(None, f"what is in the file cannot be read: {error}", number)
    yield from walk.finish()
    if signed and not ring:
        where = files.folder / KEY_FOLDER
        yield ChainProblem(None, f"no public key in {where}: no checkpoint could be checked")
    yield from _misfits(walk, ring)


def _misfits(walk: Walk, ring: KeyRing) -> Iterator[ChainProblem]:
    """Kept checkpoints that do not fit: the log is wrong, or the checkpoint is forged."""
    told = 0
    for kept, problem in walk.misfits:
        believed = kept.checkpoint.origin == origin_of(walk.log_id) and ring.believes(
            kept.checkpoint
        )
        if not believed:
            what = f"{kept.name}: the checkpoint of {kept.checkpoint.size} records is forged, or"
            yield ChainProblem(None, f"{what} of another log or key")
        elif told < _MISFITS_TOLD:
            told += 1
            yield problem


def _start(files: LogFiles) -> Header:
    """Where the walk begins: with nothing, or where a single segment says that it begins."""
    for number, path in files.segments():
        if path is None:
            continue
        try:
            with closing(open_reader(path)) as reader:
                header = read_header(reader)
        except (sqlite3.Error, ValueError) as error:
            if files.single or (isinstance(error, sqlite3.Error) and is_out_of_reach(error)):
                raise
            continue
        return header if number > 1 and files.single else first_header(header.log_id, 1)
    raise ValueError(f"{files.folder}: not one segment can be read")


def _resting_point(
    reader: sqlite3.Connection, header: Header, records: int
) -> tuple[Head, Frontier] | None:
    """The newest checkpoint with `records` after it, as head and tree; None: the header's."""
    last = newest(reader, header).seq
    for _, size, note, packed in read_checkpoints(reader, newest_first=True):
        row = reader.execute("SELECT CAST(hash AS BLOB) FROM records WHERE seq = ?", (size,))
        found = row.fetchone()
        if size > last - records or found is None or found[0] is None:
            continue
        try:
            frontier, checkpoint = Frontier.from_bytes(size, packed), Checkpoint.parse(note)
        except ValueError:
            continue
        if frontier.root() == checkpoint.root:
            return Head(size, found[0]), frontier
    return None


def _broken_on_record(reader: sqlite3.Connection) -> int:
    """The number of the newest record that tells of a break; 0 where there is none."""
    found = reader.execute(
        "SELECT max(seq) FROM records WHERE event = ?", (CHAIN_BROKEN_EVENT,)
    ).fetchone()
    return int(found[0] or 0)


def _number_of(path: Path) -> int:
    with closing(open_reader(path)) as reader:
        return read_header(reader).segment
