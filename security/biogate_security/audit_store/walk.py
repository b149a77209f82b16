"""One pass over segments in order: chain, Merkle tree and checkpoints, and where they break.

After a break the walk goes on with what is stored, and takes the tree up again from the next
checkpoint that a trusted key signed: each break is told once, and does not hide the next.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from biogate_security.audit_chain import Head, link, link_of_format_1, parse
from biogate_security.audit_store.checkpoint import Checkpoint, KeyRing, origin_of
from biogate_security.audit_store.merkle import Frontier, leaf_hash
from biogate_security.audit_store.report import ChainProblem
from biogate_security.audit_store.segment import (
    MAX_BATCH,
    Header,
    leaf_of,
    read_checkpoints,
    read_rows,
    schema_problems,
)
from biogate_security.filetime import to_iso

CHAIN_BROKEN_EVENT = "audit-chain-broken"
RETENTION_EVENT = "audit-retention"
_PROGRESS_EVERY = 10_000
Progress = Callable[[int], None]
"""Called now and then with the number of records that were walked."""


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """A checkpoint from outside the store, and where it was kept."""

    name: str
    checkpoint: Checkpoint


_Own = dict[int, list[tuple[Checkpoint, bytes]]]
"""The store's own checkpoints by size, those that a trusted key signed, with their frontiers."""


class Walk:
    """Where the walk is, and what it has counted. `keys` None leaves signatures unchecked."""

    def __init__(
        self,
        start: Header,
        keys: KeyRing | None,
        kept: Iterable[KeptCheckpoint] = (),
        progress: Progress | None = None,
    ) -> None:
        """Begins at the first record of the segment `start`, believing what its header says."""
        self.log_id = start.log_id
        self.head = start.head_before()
        self.frontier = _frontier_of(start)
        self.count = self.segments = self.checkpoints = self.signed = self.dropped = 0
        self._segment: int | None = None
        self._keys = keys
        self._progress = progress
        self._kept: dict[int, list[KeptCheckpoint]] = defaultdict(list)
        for each in kept:
            self._kept[each.checkpoint.size].append(each)
        self._kept_good = 0
        self.misfits: list[tuple[KeptCheckpoint, ChainProblem]] = []
        self._told = False  # a break since the last checkpoint has been told
        self._dropped_to = self._may_drop_to = 0

    def start_at(self, head: Head, frontier: Frontier) -> None:
        """Begin after a record further on, whose hash and tree are known."""
        self.head, self.frontier = head, frontier
        self.signed = head.seq

    def segment(
        self, number: int, reader: sqlite3.Connection, header: Header
    ) -> Iterator[ChainProblem]:
        """Walk one segment; records up to the present head are passed over."""
        self._segment = number
        self.segments += 1
        yield from (self._problem(None, what) for what in schema_problems(reader, header))
        yield from self._enter(number, reader, header)
        own: _Own = defaultdict(list)
        if header.layout > 1:
            yield from self._read_own(reader, header, own)
        yield from self._at_size(own)
        for row in read_rows(reader, header, self.head.seq + 1):
            yield from self._record(header, *row)
            yield from self._at_size(own)
            if self._progress is not None and self.count % _PROGRESS_EVERY == 0:
                self._progress(self.count)
        yield from self._left_over(header, own)

    def finish(self) -> Iterator[ChainProblem]:
        """What only the end of the log shows."""
        if self._dropped_to > self._may_drop_to:
            what = "the payload was dropped, and no record says so"
            yield self._problem(self._may_drop_to + 1, what)
        for size in sorted(self._kept):
            for kept in self._kept[size]:
                what = f"missing: {size} records were signed on {to_iso(kept.checkpoint.time)}"
                what = f"{what}, the log ends at {self.head.seq}: its tail was cut"
                self._misfit(kept, self.head.seq + 1, what)

    def _misfit(self, kept: KeptCheckpoint, seq: int, what: str) -> None:
        self.misfits.append((kept, ChainProblem(seq, f"{what} ({kept.name})", self._segment)))

    def _problem(self, seq: int | None, reason: str) -> ChainProblem:
        if seq is not None:
            self._told = True
        return ChainProblem(seq, reason, self._segment)

    def _enter(
        self, number: int, reader: sqlite3.Connection, header: Header
    ) -> Iterator[ChainProblem]:
        """Whether the segment is the one that belongs here."""
        row = reader.execute("SELECT min(seq) FROM records").fetchone()
        if row[0] is not None and row[0] < header.first_seq:
            yield self._problem(row[0], f"inserted: the segment begins with {header.first_seq}")
        if header.segment != number:
            what = f"it is segment {header.segment:06d}: files were swapped or renamed"
            yield self._problem(None, what)
        if header.log_id != self.log_id:
            yield self._problem(None, f"it belongs to the log {header.log_id}")
        if self.head.seq >= header.first_seq and self.segments == 1:
            return  # the walk began inside of it
        if header.first_seq != self.head.seq + 1:
            what = f"it begins with record {header.first_seq}, and {self.head.seq} was the last"
            yield self._problem(self.head.seq + 1, f"missing or twice: {what}")
            self.head, self.frontier = header.head_before(), _frontier_of(header)
            return
        told = self._told
        if header.previous_hash != self.head.hash and not told:
            what = "the records before are not those that the segment was begun after"
            yield self._problem(self.head.seq, what)
        elif not told and (
            header.previous_root != self.frontier.root()
            or header.frontier != self.frontier.to_bytes()
        ):
            what = f"of records 1 to {self.head.seq} some are not those of the segment's header"
            yield self._problem(self.signed + 1, what)

    def _record(
        self, header: Header, seq: int, body: bytes | None, stored: bytes | None, chained: bytes
    ) -> Iterator[ChainProblem]:
        self.count += 1
        if (lost := seq - self.head.seq - 1) > 0:
            yield self._problem(seq - lost, f"missing: record {seq} follows {self.head.seq}")
            self.frontier.skip(lost)
        if wrong := self._wrong(header, seq, body, stored, chained):
            yield self._problem(seq, wrong)
        self.frontier.append(leaf_of(body, stored))
        self.head = Head(seq, chained)

    def _wrong(
        self, header: Header, seq: int, body: bytes | None, stored: bytes | None, chained: bytes
    ) -> str:
        """What is wrong with a record, "" if nothing."""
        leaf = leaf_of(body, stored)
        if body is None:
            self.dropped += 1
            self._dropped_to = seq
            if not header.dropped:
                return "the payload is missing, and the segment does not say that it was dropped"
        elif leaf != leaf_hash(body):
            return "the payload is not the one that was hashed"
        if header.layout > 1 and stored != leaf:
            return "the hash of the payload is spoilt"
        if header.format == 1:
            # What earlier versions chained cannot be computed without the body.
            fits = body is None or chained == link_of_format_1(self.head.hash, body)
        else:
            fits = chained == link(self.head.hash, leaf)
        if not fits:
            return "the hash is not that of the record before and this one"
        return "" if body is None else self._misplaced(seq, body)

    def _misplaced(self, seq: int, body: bytes) -> str:
        """What is wrong with a record whose hashes fit."""
        try:
            content = parse(body)
        except ValueError as error:
            return f"not a record: {error}"
        if (content.get("log"), content.get("seq")) != (self.log_id, seq):
            return f"it says that it is number {content.get('seq')} of log {content.get('log')}"
        if content.get("event") == RETENTION_EVENT and str(content.get("new")).isdecimal():
            self._may_drop_to = max(self._may_drop_to, int(content["new"]))
        return ""

    def _read_own(
        self, reader: sqlite3.Connection, header: Header, own: _Own
    ) -> Iterator[ChainProblem]:
        """Take in the store's checkpoints, of a walk that began inside only those still to come."""
        inside = self.head.seq >= header.first_seq
        rows = read_checkpoints(reader, from_size=self.head.seq if inside else None)
        said: set[int | None] = {None}
        number = 0
        for expected, (number, size, note, frontier) in enumerate(rows, 1):
            if number != expected and not inside:
                yield self._problem(None, f"its checkpoint {expected} is missing")
                break
            try:
                checkpoint = self._judged(header, size, note)
            except ValueError as error:
                what = f"the checkpoint of {size} records is not one: {error}"
                yield ChainProblem(max(size, 1), what, self._segment)
            else:
                own[size].append((checkpoint, frontier))
                said.add(checkpoint.every)
        if number == 0 and not inside and header.format > 1:
            yield self._problem(None, "the checkpoint that it began with is missing")
        if others := said - {None, header.checkpoint_every}:
            what = f"the header says that a checkpoint is due every {header.checkpoint_every}"
            yield self._problem(None, f"{what} records, its checkpoints say {others.pop()}")

    def _judged(self, header: Header, size: int, note: str) -> Checkpoint:
        """The checkpoint in a note. Raises ValueError for one that proves nothing here."""
        checkpoint = Checkpoint.parse(note)
        if checkpoint.size != size or checkpoint.origin != origin_of(self.log_id):
            raise ValueError(f"it is of {checkpoint.size} records of {checkpoint.origin}")
        if size < header.first_seq - 1:
            raise ValueError("those are not in this segment")
        if self._keys is not None and not self._keys.believes(checkpoint):
            raise ValueError("no trusted key signed it; it is forged, or the key was replaced")
        return checkpoint

    def _at_size(self, own: _Own) -> Iterator[ChainProblem]:
        """Compare the tree with the checkpoints of this size, the store's and the kept ones."""
        size = self.head.seq
        if size not in own and size not in self._kept:
            return
        for checkpoint, frontier in own.pop(size, ()):
            yield from self._compare(checkpoint, frontier)
        root = self.frontier.root()
        for kept in self._kept.pop(size, ()):
            if kept.checkpoint.root == root:
                self._kept_good = size
            else:
                what = f"records {self._kept_good + 1} to {size} are not those signed on"
                what = f"{what} {to_iso(kept.checkpoint.time)}: rewritten"
                self._misfit(kept, self._kept_good + 1, what)

    def _compare(self, checkpoint: Checkpoint, frontier: bytes) -> Iterator[ChainProblem]:
        size = self.head.seq
        if checkpoint.root == self.frontier.root():
            self.checkpoints += 1
        else:
            if not self._told:
                what = f"records {self.signed + 1} to {size} are not those signed on"
                when = to_iso(checkpoint.time)
                yield self._problem(self.signed + 1, f"{what} {when}: rewritten")
            self._resume(checkpoint, frontier)
        self.signed, self._told = size, False

    def _resume(self, checkpoint: Checkpoint, packed: bytes) -> None:
        """Go on with the tree that was signed, where its frontier is still there."""
        try:
            frontier = Frontier.from_bytes(checkpoint.size, packed)
        except ValueError:
            return
        if frontier.root() == checkpoint.root:
            self.frontier = frontier

    def _left_over(self, header: Header, own: _Own) -> Iterator[ChainProblem]:
        """Checkpoints of records that are not there; records that no checkpoint covers."""
        last = self.head.seq
        for size in sorted(own):
            if size > last:
                what = f"missing: {size} records were signed, and the segment ends at {last}"
                yield self._problem(last + 1, f"{what}: its tail was cut")
                break
        due = header.checkpoint_every + MAX_BATCH
        if header.format > 1 and last - self.signed > due:
            what = f"records {self.signed + 1} to {last} have no checkpoint that fits"
            yield self._problem(
                self.signed + 1, f"{what}, and one was due every {header.checkpoint_every}"
            )


def _frontier_of(header: Header) -> Frontier:
    """The tree before a segment; of zeros where the header is spoilt, which no root will fit."""
    try:
        return header.frontier_before()
    except ValueError:
        frontier = Frontier()
        frontier.skip(max(0, header.first_seq - 1))
        return frontier
