"""Inclusion proofs of records: that each is one of those that a checkpoint signed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from biogate_security.audit_store.checkpoint import Checkpoint, KeyRing
from biogate_security.audit_store.merkle import (
    HASH_BYTES,
    MerkleTree,
    leaf_hash,
    verify_inclusion,
)
from biogate_security.audit_store.segment import (
    leaf_of,
    open_reader,
    read_checkpoints,
    read_header,
    read_rows,
)
from biogate_security.audit_store.verify import LogFiles
from biogate_security.audit_store.walk import Progress

_PROGRESS_EVERY = 10_000


@dataclass(frozen=True, slots=True)
class Proofs:
    """The tree of a log up to its newest checkpoint. `why_not` says why there are no proofs."""

    log_id: str
    checkpoint: Checkpoint | None
    tree: MerkleTree
    why_not: str = ""

    def of(self, seq: int) -> list[bytes] | None:
        """The proof of one record; None for one that the checkpoint does not cover."""
        if self.why_not or seq > self.tree.size:
            return None
        return self.tree.inclusion(seq - 1)


def proofs_of(path: Path, progress: Progress | None = None) -> Proofs:
    """The proofs of a log's records, by its newest checkpoint that a key beside it signed.

    Takes 64 bytes of memory for each record of the log. Raises sqlite3.Error, OSError, ValueError
    for a log that cannot be read.
    """
    files = LogFiles.find(path)
    log_id, checkpoint = _newest_checkpoint(files)
    size = 0 if checkpoint is None else checkpoint.size
    tree = MerkleTree(_leaves(files, size, progress))
    if checkpoint is None:
        why_not = "the log has no checkpoint that a key beside it signed"
    elif (tree.size, tree.root()) != (size, checkpoint.root):
        why_not = "the records are not those that the newest checkpoint signed: verify the log"
    else:
        why_not = ""
    return Proofs(log_id, checkpoint, tree, why_not)


def proof_to_text(proof: Sequence[bytes] | None) -> list[str] | None:
    """A proof as base64."""
    return None if proof is None else [base64.b64encode(step).decode() for step in proof]


def check_proof(body: str, seq: int, proof: Sequence[str], checkpoint: Checkpoint) -> bool:
    """Whether a body is record `seq` of those that the checkpoint covers."""
    try:
        steps = [base64.b64decode(step, validate=True) for step in proof]
    except (binascii.Error, ValueError):
        return False
    if any(len(step) != HASH_BYTES for step in steps):
        return False
    leaf = leaf_hash(body.encode("utf-8", "surrogatepass"))
    return verify_inclusion(leaf, seq - 1, checkpoint.size, steps, checkpoint.root)


def _leaves(files: LogFiles, size: int, progress: Progress | None) -> Iterator[bytes]:
    done = 0
    for _, path in files.segments():
        if path is None:
            continue
        with closing(open_reader(path)) as reader:
            header = read_header(reader)
            for seq, body, stored, _ in read_rows(reader, header, header.first_seq):
                if seq > size:
                    return
                yield leaf_of(body, stored)
                done += 1
                if progress is not None and done % _PROGRESS_EVERY == 0:
                    progress(done)


def _newest_checkpoint(files: LogFiles) -> tuple[str, Checkpoint | None]:
    ring, log_id, newest = KeyRing(files.keys()), "", None
    for _, path in files.segments():
        if path is None:
            continue
        with closing(open_reader(path)) as reader:
            header = read_header(reader)
            log_id = header.log_id
            rows = list(read_checkpoints(reader)) if header.layout > 1 else []
        for _, _, note, _ in rows:
            try:
                checkpoint = Checkpoint.parse(note)
            except ValueError:
                continue  # verification tells of it
            if ring.believes(checkpoint):
                newest = checkpoint
    return log_id, newest


def newest_checkpoint(path: Path) -> Checkpoint | None:
    """The newest checkpoint that a key beside the log signed. Raises as `proofs_of`."""
    return _newest_checkpoint(LogFiles.find(path))[1]
