"""What was tried, what should have come of it, and what came."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Expected(StrEnum):
    """What the site file says of an attempt."""

    LET = "let"
    REFUSED = "refused"


class Verdict(StrEnum):
    """How what came compares with what the site file says."""

    AS_STATED = "as stated"
    LEAKS = "leaks"
    BLOCKS = "blocks"
    NOT_COVERED = "not covered"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One thing that is asked of the running gateway.

    `kind` groups attempts of one sort, and is what a requirement's proof names. `zone` is whose
    endpoint is asked, `target` the zone that the asked-for part belongs to ("" for none).
    `because` says which lines of the site file make `expected` what it is.
    """

    kind: str
    zone: str
    target: str
    user: str
    action: str
    part: str
    expected: Expected
    because: str


@dataclass(frozen=True, slots=True)
class Result:
    """An attempt with its number, what came back, and the verdict on it.

    `status` is the StatusCode's name or the fault of the connection; `detail` says more, for
    people: why it could not be tried, or what was wrong with the answer.
    """

    id: str
    attempt: Attempt
    status: str
    verdict: Verdict
    detail: str = ""


# What a server answers to who may not. Everything else means that it went further than it should.
REFUSALS = frozenset(
    {
        "BadNodeIdUnknown",
        "BadUserAccessDenied",
        "BadSecurityModeInsufficient",
        "BadNotReadable",
        "BadNotWritable",
        "BadNotExecutable",
        "BadMethodInvalid",
    }
)
# ... and where something broke: neither let nor refused, so never what a site file states.
BROKEN = frozenset({"connection closed", "BadInternalError", "BadUnexpectedError", "BadTimeout"})
# What a server answers to a write that it lets cross, but whose value it refuses.
LIMITS = frozenset({"BadOutOfRange"})
# ... and to one that comes too soon after the others.
TOO_OFTEN = frozenset({"BadRequestNotAllowed"})


def judge(expected: Expected, status: str, refusals: frozenset[str] = REFUSALS) -> Verdict:
    """Compare: an answer that is one of `refusals` was refused, any other was let.

    One of `BROKEN` blocks, whatever was expected.
    """
    if status in BROKEN:
        return Verdict.BLOCKS
    if status in refusals:
        return Verdict.AS_STATED if expected is Expected.REFUSED else Verdict.BLOCKS
    return Verdict.AS_STATED if expected is Expected.LET else Verdict.LEAKS
