"""One rule of a conduit against one request: whether it is about it, and what it bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from biogate_security.policy import Action, Resource, Subject, WriteLimits
from biogate_security.zones.model import SECURITY_MODES, ConduitRule, SecurityMode

_CHANGES = (Action.WRITE, Action.CALL)
_STRENGTH: dict[str, int] = {mode: number for number, mode in enumerate(SECURITY_MODES)}
_NOTHING = WriteLimits()


def strength(mode: str) -> int:
    """Security modes in their order; -1 for one that there is not, which meets nothing."""
    return _STRENGTH.get(mode, -1)


def strictest(*modes: SecurityMode) -> SecurityMode:
    """The strongest of some security modes."""
    return max(modes, key=_STRENGTH.__getitem__)


def mismatch_of_deny(
    rule: ConduitRule, subject: Subject, action: Action, parts: tuple[str, ...]
) -> str:
    """Why the rule does not deny it (whatever the time); "" where it does.

    `parts` are the resource's own part and the others that show the same value.
    """
    return _mismatch_of_subject(rule, subject, action) or _mismatch_of_parts(rule, parts)


def mismatch_of_allow(
    rule: ConduitRule, subject: Subject, action: Action, resource: Resource
) -> str:
    """Why the rule does not allow it (whatever the time); "" where it does.

    What lies on the way to a part that may be browsed may be browsed, too.
    """
    found = _mismatch_of_subject(rule, subject, action)
    if found:
        return found
    if action in _CHANGES and rule.authentication is None and subject.authentication == "Anonymous":
        return "it lets nobody change anything without logging in"
    if strength(subject.security_mode) < _STRENGTH[rule.security_mode]:
        return f"it asks for the security mode {rule.security_mode}"
    if action is Action.BROWSE and leads_through(rule, resource.part):
        return ""
    return _mismatch_of_parts(rule, (resource.part,))


def _mismatch_of_subject(rule: ConduitRule, subject: Subject, action: Action) -> str:
    if action not in rule.actions:
        return "it is about other actions"
    if rule.roles is not None and rule.roles.isdisjoint(subject.roles):
        return "it is about other roles"
    if rule.users is not None and subject.user not in rule.users:
        return "it is about other users"
    if rule.authentication is not None and subject.authentication not in rule.authentication:
        return "it is about other kinds of authentication"
    return ""


def _mismatch_of_parts(rule: ConduitRule, parts: Iterable[str]) -> str:
    if rule.on is None or any(pattern.covers(part) for pattern in rule.on for part in parts):
        return ""
    return "it is about other parts"


def leads_through(rule: ConduitRule, part: str) -> bool:
    """True when the way to what the rule is about leads through `part`."""
    return rule.on is not None and any(pattern.leads_through(part) for pattern in rule.on)


def limits_of(rule: ConduitRule, action: Action, parts: Iterable[str], conduit: str) -> WriteLimits:
    """What a write or call must keep that the rule allows; all its bounds for the value count."""
    if action not in _CHANGES:
        return _NOTHING
    limits = WriteLimits(per_minute=rule.per_minute, conduit=conduit)
    if action is Action.WRITE and rule.bounds:
        for part in parts:
            for pattern, bounds in rule.bounds.items():
                if pattern.covers(part):
                    limits = _both(limits, bounds)
    return limits


def _both(a: WriteLimits, b: WriteLimits) -> WriteLimits:
    return WriteLimits(
        low=_pick(max, a.low, b.low),
        high=_pick(min, a.high, b.high),
        max_step=_pick(min, a.max_step, b.max_step),
        per_minute=_pick(min, a.per_minute, b.per_minute),
        conduit=a.conduit,
    )


def _pick(
    choose: Callable[[float, float], float], a: float | None, b: float | None
) -> float | None:
    if a is None or b is None:
        return b if a is None else a
    return choose(a, b)


def is_unlimited(limits: WriteLimits) -> bool:
    """True when there is nothing to keep."""
    return (
        limits.low is None
        and limits.high is None
        and limits.max_step is None
        and limits.per_minute is None
    )
