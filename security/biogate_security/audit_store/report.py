"""What verification found: where the log is not what was written, and what it stands on."""

from __future__ import annotations

from dataclasses import dataclass

from biogate_security.audit_chain import Head

MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class ChainProblem:
    """One place where the log is not what was written.

    `seq` is None for a file as a whole, `segment` for the log as a whole.
    """

    seq: int | None
    reason: str
    segment: int | None = None

    def __str__(self) -> str:
        where = [] if self.segment is None else [f"segment {self.segment:06d}"]
        if self.seq is not None:
            where.append(f"record {self.seq}")
        return f"{', '.join(where) or 'the log'}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The outcome of a walk over the log. `problems` holds at most MAX_PROBLEMS.

    `signed` records are covered by a checkpoint that fits, of `checkpoints` that fit; of
    `dropped` records retention took the payload, so that only their hashes could be checked.
    """

    log_id: str
    records: int
    head: Head
    root: bytes
    problems: tuple[ChainProblem, ...]
    segments: int = 1
    checkpoints: int = 0
    signed: int = 0
    dropped: int = 0

    @property
    def ok(self) -> bool:
        """True when nothing is wrong."""
        return not self.problems

    @property
    def first_broken_seq(self) -> int | None:
        """The first record that does not fit."""
        return next((problem.seq for problem in self.problems if problem.seq is not None), None)
