"""The evidence table: each requirement with what proves it, or 'not covered'."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from biogate.prove.attempt import Result, Verdict
from biogate.prove.requirements import (
    OWNER,
    Requirement,
    component_vector,
    requirements,
    system_vector,
)


class Standing(StrEnum):
    """How a requirement stands."""

    PROVEN = "proven"
    NOT_APPLICABLE = "not applicable"
    REFUTED = "refuted"
    NOT_COVERED = "not covered"
    OWNER = "asset owner"


@dataclass(frozen=True, slots=True)
class Proof:
    """What shows that a requirement is met, as `proofs.yaml` has it.

    `attempts` are kinds of attempts, `tests` node ids of the test suite, `pages` files of the
    project. `open` says why it is not met, or not wholly; then it counts as not covered.
    `not_applicable` says why the product has nothing that the requirement could be about.
    """

    attempts: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    note: str = ""
    open: str = ""
    not_applicable: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A requirement, how it stands, and why. `attempts` are the ids of the attempts that count."""

    requirement: Requirement
    standing: Standing
    proof: Proof
    attempts: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All rows, and the levels that follow (SL-C by foundational requirement)."""

    rows: tuple[Row, ...]
    component: Mapping[str, int]
    system: Mapping[str, int]

    def held_back(self, fr: str) -> list[str]:
        """The requirements that keep the component's level of `fr` from being one higher."""
        level = self.component[fr] + 1
        return [
            row.requirement.id
            for row in self.rows
            if row.requirement.fr == fr
            and row.standing not in (*_MET, Standing.OWNER)
            and row.requirement.cr_min_sl is not None
            and row.requirement.cr_min_sl <= level
        ]


@cache
def proofs() -> Mapping[str, Proof]:
    """Requirement → proof, from `proofs.yaml`. Raises TypeError for a key that there is not."""
    from ruamel.yaml import YAML

    text = (Path(__file__).parent / "proofs.yaml").read_text(encoding="utf-8")
    table = YAML(typ="safe", pure=True).load(text)
    return {name: _proof(each) for name, each in table.items()}


def _proof(data: Mapping[str, Any]) -> Proof:
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    return Proof(**values)


def evidence(results: Sequence[Result]) -> Evidence:
    """Join requirements, proofs and what came of the attempts."""
    by_kind: defaultdict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_kind[result.attempt.kind].append(result)
    rows = tuple(_row(each, proofs().get(each.id, Proof()), by_kind) for each in requirements())
    lacking = {row.requirement.id for row in rows if row.standing not in _MET}
    return Evidence(rows, component_vector(lacking), system_vector(lacking))


def _row(requirement: Requirement, proof: Proof, by_kind: Mapping[str, list[Result]]) -> Row:
    if requirement.responsibility == OWNER:
        reason = proof.note or "no matter of the product: who builds and runs the plant shows it"
        return Row(requirement, Standing.OWNER, proof, (), reason)
    if proof.not_applicable:
        return Row(requirement, Standing.NOT_APPLICABLE, proof, (), proof.not_applicable)
    counted = [result for kind in proof.attempts for result in by_kind.get(kind, ())]
    wrong = [result.id for result in counted if result.verdict in _AGAINST]
    if wrong:
        reason = f"attempts {', '.join(wrong[:5])} came out otherwise than the site file states"
        return Row(requirement, Standing.REFUTED, proof, tuple(wrong), reason)
    ids = tuple(result.id for result in counted if result.verdict is Verdict.AS_STATED)
    reason = _lacking(proof, by_kind)
    if reason:
        return Row(requirement, Standing.NOT_COVERED, proof, ids, reason)
    return Row(requirement, Standing.PROVEN, proof, ids, proof.note)


_MET = (Standing.PROVEN, Standing.NOT_APPLICABLE)
_AGAINST = (Verdict.LEAKS, Verdict.BLOCKS)


def _lacking(proof: Proof, by_kind: Mapping[str, Iterable[Result]]) -> str:
    """Why a requirement counts as not covered; "" where nothing is lacking."""
    if proof.open:
        return proof.open
    if not proof.attempts and not proof.tests:
        return "nothing in the product or its tests shows it"
    if proof.tests:
        return ""
    untried = [kind for kind in proof.attempts if not _tried(by_kind.get(kind, ()))]
    return f"not tried in this run: {', '.join(untried)}" if untried else ""


def _tried(results: Iterable[Result]) -> bool:
    return any(result.verdict is Verdict.AS_STATED for result in results)
