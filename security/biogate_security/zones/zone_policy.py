"""Rights by zone: within a zone the roles decide, across a conduit it must let it pass, too.

Deny by default. A rule that denies beats all that allow; the order of rules means nothing. Of
several rules that allow, each stands for itself: a write must keep the limits of one of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from biogate_security.policy import Action, Decision, Resource, Subject, WriteLimits
from biogate_security.role_policy import RolePolicy
from biogate_security.zones.model import Conduit, ConduitRule, SecurityMode, Zone, ZoneTable
from biogate_security.zones.rules import (
    is_unlimited,
    leads_through,
    limits_of,
    mismatch_of_allow,
    mismatch_of_deny,
    strength,
    strictest,
)

NO_ZONE_RULE = "no-zone"
NO_CONDUIT_RULE = "no-conduit"
CLOSED_RULE = "conduit-closed"
NO_RULE = "conduit-default-deny"
SECURITY_MODE_RULE = "security-mode"
MODEL_RULE = "model-setpoint"

_MOST_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class _Grant:
    """An allow rule that holds for a request."""

    conduit: str
    rule: ConduitRule
    limits: WriteLimits


class ZonePolicy:
    """Decides by zones, conduits and roles; satisfies `Policy`. Decisions are remembered."""

    def __init__(self, roles: RolePolicy, table: ZoneTable) -> None:
        self.table = table
        self._base = roles
        self._zones = {zone.name: zone for zone in table.zones}
        self._roles = {zone.name: roles.with_anonymous(zone.anonymous) for zone in table.zones}
        self._conduits = {conduit.name: conduit for conduit in table.conduits}
        self._routes: Mapping[tuple[str, str], list[Conduit]] = _routes(table.conduits)
        self._open = {conduit.name: conduit.open for conduit in table.conduits}
        self._least_modes = {each.name: self._least_mode(each) for each in table.conduits}
        self._changes = 0
        self._remembered: dict[tuple[object, ...], tuple[int, Decision]] = {}
        self._remembered_epoch = self.epoch

    def _least_mode(self, conduit: Conduit) -> SecurityMode:
        """The levels of the conduit and of both its ends must be met."""
        ends = (self._zones[conduit.source], self._zones[conduit.destination])
        return strictest(*(each.target.least_mode for each in (conduit, *ends)))

    @property
    def epoch(self) -> int:
        """Changes whenever any decision may change (but for time windows: see `Decision.until`)."""
        return self._changes + self._base.epoch

    @property
    def open_conduits(self) -> Mapping[str, bool]:
        """Each conduit, and whether it is open now."""
        return dict(self._open)

    def set_conduit_open(self, name: str, is_open: bool) -> bool:
        """Open or close a conduit; False when it was so already. Raises KeyError (unknown)."""
        if self._open[name] == is_open:
            return False
        self._open[name] = is_open
        self._changes += 1
        return True

    def decide(self, subject: Subject, action: Action, resource: Resource, now: int) -> Decision:
        """Decide at `now` (FILETIME ticks); the same inputs always decide the same way."""
        if self._remembered_epoch != self.epoch or len(self._remembered) > _MOST_REMEMBERED:
            self._remembered.clear()
            self._remembered_epoch = self.epoch
        key = (
            subject.zone,
            subject.user,
            subject.roles,
            subject.authentication,
            subject.security_mode,
            action,
            resource.zone,
            resource.part,
            resource.node_id,
            resource.attribute,
            resource.tag,
            resource.device,
            resource.is_setpoint,
        )
        remembered = self._remembered.get(key)
        if remembered is not None:
            made, decision = remembered
            # A clock that is set back may be before the edge that `decision` was made after.
            if decision.until is None or made <= now < decision.until:
                return decision
        decision = self._decide(subject, action, resource, now)
        self._remembered[key] = now, decision
        return decision

    def reaches(self, zone: str, action: Action, zone_of_resource: str, part: str) -> bool:
        """Whether anybody of `zone` could ever do `action` on `part`, whatever role and time.

        A conduit that is closed now counts as open: it may be opened. So what this denies need
        not be there for the zone at all.
        """
        if zone not in self._zones:
            return False
        if zone_of_resource in ("", zone):
            return True
        conduits = self.conduits_between(zone, zone_of_resource)
        parts = self.faces(zone_of_resource, part)
        if any(_always_denies(rule, action, parts) for each in conduits for rule in each.deny):
            return False
        return any(_may_allow(rule, action, part) for each in conduits for rule in each.allow)

    def conduits_between(self, source: str, destination: str) -> Sequence[Conduit]:
        """The conduits that lead from one zone to another, open or closed."""
        return self._routes.get((source, destination), ())

    def decide_by_roles(
        self, subject: Subject, action: Action, resource: Resource, now: int
    ) -> Decision | None:
        """What the roles alone say; None for a subject of no zone."""
        roles = self._roles.get(subject.zone)
        return None if roles is None else roles.decide(subject, action, resource, now)

    def faces(self, zone: str, part: str) -> tuple[str, ...]:
        """A part and the others of its zone that show the same value."""
        return (part, *self.table.faces.get((zone, part), ()))

    def _decide(self, subject: Subject, action: Action, resource: Resource, now: int) -> Decision:
        zone = self._zones.get(subject.zone)
        if zone is None:
            return _deny(NO_ZONE_RULE, "the subject belongs to no zone of the site")
        if resource.zone == "":
            return self._roles[zone.name].decide(subject, action, resource, now)
        if resource.zone == zone.name:
            return self._within(zone, subject, action, resource, now)
        return self._across(zone, subject, action, resource, now)

    def _within(
        self, zone: Zone, subject: Subject, action: Action, resource: Resource, now: int
    ) -> Decision:
        least = zone.target.least_mode
        if strength(subject.security_mode) < strength(least):
            return _deny(SECURITY_MODE_RULE, f"zone {zone.name} asks for {least}")
        if zone.kind == "model" and action is Action.WRITE and resource.device:
            return _deny(MODEL_RULE, f"zone {zone.name} is a model's: it turns no set-points")
        return self._roles[zone.name].decide(subject, action, resource, now)

    def _across(
        self, zone: Zone, subject: Subject, action: Action, resource: Resource, now: int
    ) -> Decision:
        """By the conduits of this direction; the roles must allow it, too."""
        conduits = self.conduits_between(zone.name, resource.zone)
        if not conduits:
            return _deny(NO_CONDUIT_RULE, f"no conduit leads from {zone.name} to {resource.zone}")
        decided, until = self._by_conduits(conduits, subject, action, resource, now)
        if decided.allow:
            by_role = self._roles[zone.name].decide(subject, action, resource, now)
            if not by_role.allow:
                decided = replace(by_role, conduit=decided.conduit)
            elif not by_role.audited:
                decided = replace(decided, audited=False)
        return decided if until is None else replace(decided, until=until)

    def _by_conduits(
        self,
        conduits: Iterable[Conduit],
        subject: Subject,
        action: Action,
        resource: Resource,
        now: int,
    ) -> tuple[Decision, int | None]:
        """The decision, and the next time at which a window of a rule about it has an edge."""
        parts = self.faces(resource.zone, resource.part)
        grants: list[_Grant] = []
        denials: list[tuple[str, str]] = []
        closed: list[str] = []
        edges: list[int] = []
        for conduit in conduits:
            denials += (
                (rule.name, conduit.name)
                for rule in conduit.deny
                if not mismatch_of_deny(rule, subject, action, parts) and _holds(rule, now, edges)
            )
            for rule in conduit.allow:
                if self.mismatch(conduit, rule, subject, action, resource):
                    continue
                if not self._open[conduit.name]:
                    closed.append(conduit.name)
                elif _holds(rule, now, edges):
                    limits = limits_of(rule, action, parts, conduit.name)
                    grants.append(_Grant(conduit.name, rule, limits))
        until = min(edges, default=None)
        if denials:
            rule_name, name = min(denials)
            return _deny(rule_name, f"conduit {name} denies it", name), until
        if grants:
            return _allow(grants), until
        if closed:
            return _deny(CLOSED_RULE, f"conduit {min(closed)} is closed", min(closed)), until
        names = sorted(conduit.name for conduit in conduits)
        reason = f"no rule of {', '.join(names)} lets it pass"
        return _deny(NO_RULE, reason, names[0]), until

    def mismatch(
        self,
        conduit: Conduit,
        rule: ConduitRule,
        subject: Subject,
        action: Action,
        resource: Resource,
    ) -> str:
        """Why an allow rule does not hold for a request, whatever the time and whether the conduit
        is open; "" where it does."""
        if strength(subject.security_mode) < strength(self._least_modes[conduit.name]):
            return f"the target levels ask for {self._least_modes[conduit.name]}"
        found = mismatch_of_allow(rule, subject, action, resource)
        source = self._zones[conduit.source]
        if found or source.kind != "model" or action is not Action.WRITE:
            return found
        parts = self.faces(resource.zone, resource.part)
        limits = limits_of(rule, action, parts, conduit.name)
        if limits.low is None or limits.high is None:
            return "a model writes within bounds only, and it has none for this"
        return ""


def _routes(conduits: Iterable[Conduit]) -> dict[tuple[str, str], list[Conduit]]:
    routes: defaultdict[tuple[str, str], list[Conduit]] = defaultdict(list)
    for conduit in conduits:
        routes[conduit.source, conduit.destination].append(conduit)
    return dict(routes)


def _holds(rule: ConduitRule, now: int, edges: list[int]) -> bool:
    """Whether the rule holds at `now`; the next edge of its window is added to `edges`."""
    if rule.window is None:
        return True
    edge = rule.window.next_edge(now)
    if edge is not None:
        edges.append(edge)
    return rule.window.is_open(now)


def _deny(rule: str, reason: str, conduit: str = "") -> Decision:
    return Decision(allow=False, reason=reason, rule=rule, conduit=conduit)


def _allow(grants: list[_Grant]) -> Decision:
    """The first by name decides; one without limits comes before all that have some."""
    free = [grant for grant in grants if is_unlimited(grant.limits)]
    limits = () if free else _alternatives(grant.limits for grant in grants)
    first = min(free or grants, key=lambda grant: (grant.conduit, grant.rule.name))
    reason = f"conduit {first.conduit} lets it pass"
    return Decision(
        allow=True, reason=reason, rule=first.rule.name, conduit=first.conduit, limits=limits
    )


def _alternatives(found: Iterable[WriteLimits]) -> tuple[WriteLimits, ...]:
    """Distinct limits in an order of their own, so that the order of rules means nothing."""
    return tuple(sorted(set(found), key=_order))


def _order(limits: WriteLimits) -> tuple[str, tuple[tuple[bool, float], ...]]:
    numbers = (limits.low, limits.high, limits.max_step, limits.per_minute)
    return limits.conduit, tuple((number is None, number or 0.0) for number in numbers)


def _always_denies(rule: ConduitRule, action: Action, parts: tuple[str, ...]) -> bool:
    bound = (rule.roles, rule.users, rule.authentication, rule.window)
    if action not in rule.actions or any(each is not None for each in bound):
        return False
    return rule.on is None or any(pattern.covers(p) for pattern in rule.on for p in parts)


def _may_allow(rule: ConduitRule, action: Action, part: str) -> bool:
    if action not in rule.actions:
        return False
    if rule.on is None or any(pattern.covers(part) for pattern in rule.on):
        return True
    return action is Action.BROWSE and leads_through(rule, part)


__all__ = [
    "CLOSED_RULE",
    "MODEL_RULE",
    "NO_CONDUIT_RULE",
    "NO_RULE",
    "NO_ZONE_RULE",
    "SECURITY_MODE_RULE",
    "ZonePolicy",
]
