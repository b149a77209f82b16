"""Why the zone policy decides as it does: each rule that was considered, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from biogate_security.policy import Action, Decision, Resource, Subject
from biogate_security.zones.model import Conduit, ConduitRule
from biogate_security.zones.rules import mismatch_of_deny
from biogate_security.zones.zone_policy import ZonePolicy

HOLDS = "holds"


@dataclass(frozen=True, slots=True)
class Considered:
    """A rule of a conduit between the zones. `verdict` is `HOLDS`, or why it does not hold."""

    conduit: str
    rule: str
    denies: bool
    verdict: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision, what the roles alone say (None: they were not asked), and the rules."""

    decision: Decision
    by_roles: Decision | None
    considered: tuple[Considered, ...]


def explain(
    policy: ZonePolicy, subject: Subject, action: Action, resource: Resource, now: int
) -> Explanation:
    """Explain a decision at `now` (FILETIME ticks)."""
    decision = policy.decide(subject, action, resource, now)
    by_roles = policy.decide_by_roles(subject, action, resource, now)
    return Explanation(
        decision, by_roles, tuple(_considered(policy, subject, action, resource, now))
    )


def _considered(
    policy: ZonePolicy, subject: Subject, action: Action, resource: Resource, now: int
) -> Iterator[Considered]:
    parts = policy.faces(resource.zone, resource.part)
    for conduit in policy.conduits_between(subject.zone, resource.zone):
        for rule in conduit.deny:
            found = mismatch_of_deny(rule, subject, action, parts) or _by_window(rule, now)
            yield Considered(conduit.name, rule.name, denies=True, verdict=found or HOLDS)
        for rule in conduit.allow:
            found = policy.mismatch(conduit, rule, subject, action, resource)
            found = found or _by_conduit(policy, conduit) or _by_window(rule, now)
            yield Considered(conduit.name, rule.name, denies=False, verdict=found or HOLDS)


def _by_conduit(policy: ZonePolicy, conduit: Conduit) -> str:
    return "" if policy.open_conduits[conduit.name] else "the conduit is closed"


def _by_window(rule: ConduitRule, now: int) -> str:
    closed = rule.window is not None and not rule.window.is_open(now)
    return "its time window is closed" if closed else ""
