"""Rights by role: a table of rules, and whatever no rule allows is denied."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from biogate_security.policy import (
    AUDIT_EVENT,
    STATUS_AND_TIME,
    Action,
    Decision,
    Resource,
    Subject,
)
from biogate_security.roles import ASSIGNABLE_ROLES, Role

AnonymousMode = Literal["none", "read", "operate"]

# GetMonitoredItems and ResendData (Part 5, 9.1 and 9.2) act on the caller's own Subscriptions.
OWN_SUBSCRIPTION_METHODS = frozenset({"i=11492", "i=12873"})
# SubscriptionDiagnosticsArray and SessionDiagnosticsArray (Part 5, 6.3.3) name every client.
CLIENT_DIAGNOSTICS = frozenset({"i=2290", "i=3707"})
# What changes certificates, trust lists, users and roles (Part 12, 7.10; Part 18): the Methods of
# ServerConfiguration and RoleSet by the NodeIds of Part 6, Annex A, and those of their types.
_CERTIFICATES = (12737, 12740, 12777, 13737, 25708, 25709, 32333)
_TRUST_LISTS = (
    *(12647, 12650, 12652, 12655, 12657, 12660, 12663, 12666, 12668, 12670),
    *(14095, 14098, 14100, 14103, 14105, 14108, 14111, 14114, 14117, 14119),
    *(14129, 14132, 14134, 14137, 14139, 14142, 14145, 14148, 14151, 14153),
    *(12543, 12546, 12548, 12550, 23526),
    # FileType's own: the trust lists are the only files.
    *(11580, 11583, 11585, 11588, 11590, 11593),
)
_CERTIFICATE_TYPES = (12616, 12731, 12734, 12775, 19337, 19340, 25698, 25699, 32296)
_USERS = (24304, 24306, 24308, 24269, 24271, 24273)
_ROLES = (
    *(15672, 15674, 15684, 15686, 16041, 16043, 15696, 15698, 15720, 15722, 15708, 15710),
    *(15624, 15626, 16176, 16178, 16180, 16182, 16301, 16304, 15997, 16000),
)
SECURITY_METHODS = frozenset(
    f"i={number}"
    for number in (*_CERTIFICATES, *_TRUST_LISTS, *_CERTIFICATE_TYPES, *_USERS, *_ROLES)
)

CONDUITS_PART = "Conduits"
"""The part, of no zone, that has the Methods about conduits."""


class Scope(StrEnum):
    """What kind of thing an action is on."""

    ANY = "any node"
    CLIENTS = "what tells of other clients"
    SETPOINT = "a set-point"
    VARIABLE = "a writable variable without a device"
    STATUS_AND_TIME = "status and time of a variable without a device"
    DEVICE_VALUE = "a device's value that is no set-point"
    CONFIGURATION = "configuration"
    ATTRIBUTE = "an attribute other than Value"
    OWN_SUBSCRIPTION = "a method on the caller's own subscriptions"
    METHOD = "a method"
    SECURITY_METHOD = "a method that manages security"
    ISOLATING_METHOD = "a method that shows or closes conduits"
    AUDIT_EVENT = "an audit event"


@dataclass(frozen=True, slots=True)
class Rule:
    """Whoever has one of `roles` may do `actions` on things of `scopes`."""

    id: str
    roles: tuple[str, ...]
    actions: tuple[Action, ...]
    scopes: tuple[Scope, ...]
    reason: str


VIEW = (
    Action.BROWSE,
    Action.READ,
    Action.SUBSCRIBE,
    Action.RECEIVE_EVENTS,
    Action.READ_HISTORY,
)
_LOOKS = (Action.READ, Action.SUBSCRIBE, Action.READ_HISTORY)
_VIEWERS = (Role.AUTHENTICATED_USER, *ASSIGNABLE_ROLES)

# Roles as Part 3, 4.9.2 suggests them. They are no ladder: a Supervisor calls methods but does
# not turn set-points; who shall do both has both roles.
RULES: tuple[Rule, ...] = (
    Rule("view", _VIEWERS, VIEW, (Scope.ANY, Scope.CLIENTS), "authenticated users may look"),
    Rule(
        "audit-events",
        (Role.SECURITY_ADMIN, Role.CONFIGURE_ADMIN, Role.SUPERVISOR, Role.ENGINEER),
        (Action.RECEIVE_EVENTS,),
        (Scope.AUDIT_EVENT,),
        "who reviews what others did may hear of it",
    ),
    Rule(
        "own-subscriptions",
        _VIEWERS,
        (Action.CALL,),
        (Scope.OWN_SUBSCRIPTION,),
        "who may subscribe may ask for their own subscriptions' state",
    ),
    Rule(
        "operate",
        (Role.OPERATOR,),
        (Action.WRITE,),
        (Scope.SETPOINT, Scope.VARIABLE),
        "operators may write set-points",
    ),
    Rule(
        "configure",
        (Role.ENGINEER, Role.CONFIGURE_ADMIN),
        (Action.WRITE,),
        (Scope.CONFIGURATION, Scope.VARIABLE),
        "engineers may write configuration",
    ),
    # When and how good a value is, is the server's to say (ALCOA+: contemporaneous).
    Rule(
        "restate",
        (Role.ENGINEER, Role.CONFIGURE_ADMIN),
        (Action.WRITE,),
        (Scope.STATUS_AND_TIME,),
        "engineers may say how good a value is, and from when",
    ),
    Rule(
        "call",
        (Role.OPERATOR, Role.ENGINEER, Role.SUPERVISOR),
        (Action.CALL,),
        (Scope.METHOD, Scope.OWN_SUBSCRIPTION),
        "operators, engineers and supervisors may call methods",
    ),
    Rule(
        "administer-security",
        (Role.SECURITY_ADMIN,),
        (Action.CALL,),
        (Scope.SECURITY_METHOD, Scope.OWN_SUBSCRIPTION),
        "security administrators may manage users, roles, certificates and conduits",
    ),
    Rule(
        "isolate",
        (Role.SECURITY_ADMIN, Role.SUPERVISOR),
        (Action.CALL,),
        (Scope.ISOLATING_METHOD,),
        "who answers for a shift or for security may cut a zone off",
    ),
)

_ANONYMOUS_READS = (
    Rule("anonymous-view", (Role.ANONYMOUS,), VIEW, (Scope.ANY,), "the site lets anyone look"),
    Rule(
        "anonymous-own-subscriptions",
        (Role.ANONYMOUS,),
        (Action.CALL,),
        (Scope.OWN_SUBSCRIPTION,),
        "who may subscribe may ask for their own subscriptions' state",
    ),
)
# For test rigs. Never a set-point: whatever a device obeys has somebody's name on it.
_ANONYMOUS_OPERATES = (
    Rule(
        "anonymous-diagnostics",
        (Role.ANONYMOUS,),
        VIEW,
        (Scope.CLIENTS,),
        "the site lets anyone see who is connected",
    ),
    Rule(
        "anonymous-operate",
        (Role.ANONYMOUS,),
        (Action.WRITE,),
        (Scope.VARIABLE, Scope.STATUS_AND_TIME),
        "the site lets anyone write variables without a device",
    ),
    Rule(
        "anonymous-call",
        (Role.ANONYMOUS,),
        (Action.CALL,),
        (Scope.METHOD,),
        "the site lets anyone call methods",
    ),
)

ANONYMOUS_RULES: Mapping[AnonymousMode, tuple[Rule, ...]] = {
    "none": (),
    "read": _ANONYMOUS_READS,
    "operate": (*_ANONYMOUS_READS, *_ANONYMOUS_OPERATES),
}

DENY_RULE = "default-deny"

_Grants = Mapping[tuple[str, Scope], Sequence[tuple[str, Decision]]]


class RolePolicy:
    """Decides by the subject's roles alone; satisfies `Policy`.

    Decisions are made at construction: `decide` is a lookup, since it stands in front of every
    node. `unaudited` names NodeIds whose writes need no record; it never reaches a device.
    """

    def __init__(
        self,
        anonymous: AnonymousMode = "none",
        *,
        rules: Iterable[Rule] = RULES,
        unaudited: Iterable[str] = (),
    ) -> None:
        """Raises ValueError for an anonymous mode that there is not."""
        self._rules = tuple(rules)
        self._unaudited = frozenset(unaudited)
        self._epoch = 0
        self.allow_anonymous(anonymous)

    @property
    def epoch(self) -> int:
        """Changes whenever any decision may change."""
        return self._epoch

    def allow_anonymous(self, mode: AnonymousMode) -> None:
        """Let sessions without a user see nothing ("none"), see everything ("read"), or operate.

        "operate" adds methods and the variables without a device; set-points need an account.
        """
        if mode not in ANONYMOUS_RULES:
            raise ValueError(f"anonymous: {mode!r} is not one of {', '.join(ANONYMOUS_RULES)}")
        self._grants = _compile((*ANONYMOUS_RULES[mode], *self._rules))
        self._epoch += 1

    def with_anonymous(self, mode: AnonymousMode) -> RolePolicy:
        """The same rules, but another mode for sessions without a user. Raises ValueError."""
        return RolePolicy(mode, rules=self._rules, unaudited=self._unaudited)

    def decide(self, subject: Subject, action: Action, resource: Resource, now: int) -> Decision:
        """The first rule of the table that allows it; deny where there is none."""
        scope = scope_of(action, resource)
        for role, decision in self._grants.get((action, scope), ()):
            if role in subject.roles:
                return self._with_audit(decision, resource)
        held = ", ".join(sorted(subject.roles)) or "none"
        return Decision(
            allow=False, reason=f"no rule lets roles {held} {action} {scope}", rule=DENY_RULE
        )

    def _with_audit(self, decision: Decision, resource: Resource) -> Decision:
        if resource.device or resource.node_id not in self._unaudited:
            return decision
        return replace(decision, audited=False)


_METHOD_SCOPES = {
    **dict.fromkeys(OWN_SUBSCRIPTION_METHODS, Scope.OWN_SUBSCRIPTION),
    **dict.fromkeys(SECURITY_METHODS, Scope.SECURITY_METHOD),
}


_PART_SCOPES = {
    f"{CONDUITS_PART}/SetConduit": Scope.SECURITY_METHOD,
    f"{CONDUITS_PART}/Isolate": Scope.ISOLATING_METHOD,
    f"{CONDUITS_PART}/ListConduits": Scope.ISOLATING_METHOD,
}
"""Parts of what every zone has, and no zone has for itself."""


def scope_of(action: Action, resource: Resource) -> Scope:
    """Which scope of the rules an action on a resource falls in."""
    if action is Action.CALL:
        if not resource.zone and resource.part in _PART_SCOPES:
            return _PART_SCOPES[resource.part]
        return _METHOD_SCOPES.get(resource.node_id, Scope.METHOD)
    if action in _LOOKS and resource.node_id in CLIENT_DIAGNOSTICS:
        return Scope.CLIENTS
    if action is not Action.WRITE:
        return Scope.AUDIT_EVENT if resource.attribute == AUDIT_EVENT else Scope.ANY
    if resource.attribute == STATUS_AND_TIME and resource.is_setpoint and not resource.device:
        return Scope.STATUS_AND_TIME
    if resource.attribute != "Value":
        return Scope.ATTRIBUTE
    if resource.is_setpoint:
        return Scope.SETPOINT if resource.device else Scope.VARIABLE
    return Scope.DEVICE_VALUE if resource.device or resource.tag else Scope.CONFIGURATION


def _compile(rules: Iterable[Rule]) -> _Grants:
    grants: dict[tuple[str, Scope], list[tuple[str, Decision]]] = defaultdict(list)
    for rule in rules:
        decision = Decision(allow=True, reason=rule.reason, rule=rule.id)
        for action in rule.actions:
            for scope in rule.scopes:
                grants[action, scope] += [(role, decision) for role in rule.roles]
    return dict(grants)
