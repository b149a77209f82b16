"""Who may do what: the pure policy seam. No I/O; the same inputs always decide the same way."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Action(StrEnum):
    """What a subject asks to do (Part 3, 8.55 PermissionType in this gateway's words)."""

    BROWSE = "browse"
    READ = "read"
    SUBSCRIBE = "subscribe"
    WRITE = "write"
    CALL = "call"
    RECEIVE_EVENTS = "receive events"
    READ_HISTORY = "read history"


AUDIT_EVENT = "AuditEvent"
"""Stands for the attribute where the thing is a type of audit events (Part 5, 6.4.3)."""

STATUS_AND_TIME = "StatusCode and SourceTimestamp"
"""Stands for the attribute where a writer sets these of a Value, besides the number."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks: an authenticated user on a channel. Roles are Part 18 well-known role names.

    `authentication` is the kind of user token (Part 4, 7.40): Anonymous, UserName, Certificate or
    IssuedToken; `zone` the security zone that the session belongs to, "" on a site without zones.
    """

    user: str | None
    roles: frozenset[str]
    session_id: str = ""
    application_uri: str = ""
    certificate_sha256: str = ""
    address: str = ""
    security_policy_uri: str = ""
    security_mode: str = "None"
    zone: str = ""
    authentication: str = "Anonymous"


@dataclass(frozen=True, slots=True)
class Resource:
    """What the action is on: a node, and the device signal behind it where there is one.

    `zone` is the security zone that the node belongs to, "" for what every zone has (types, the
    Server object). `part` says what it is by the site file's names, levels joined by "/":
    unit/function/value (BR101/pH/SensorValue), device/signal, section/object/variable or method,
    Computed/tag; "" where there is none.
    """

    node_id: str
    attribute: str = "Value"
    tag: str = ""
    device: str = ""
    is_setpoint: bool = False
    zone: str = ""
    part: str = ""


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """What a permitted write must keep besides the variable's own limits; None is no limit.

    `low`, `high` and `max_step` (from the present value) are in the variable's unit, `per_minute`
    counts the writes and calls that cross the conduit.
    """

    low: float | None = None
    high: float | None = None
    max_step: float | None = None
    per_minute: float | None = None
    conduit: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Allow or deny, why, and which rule decided (for the audit record and `explain`).

    `audited` is False only where the site declared a variable without a device unaudited.
    `conduit` is the conduit that the action crosses, "" within a zone. `until` (FILETIME ticks):
    from then on it must be decided again, since a time window opens or closes. `limits` bound
    what may be written or how often something may be called, one entry for each rule that allows
    it: all of one of them must be kept. None of them: nothing is bounded.
    """

    allow: bool
    reason: str
    rule: str = field(default="")
    audited: bool = True
    conduit: str = ""
    until: int | None = None
    limits: tuple[WriteLimits, ...] = ()


class Policy(Protocol):
    """The seam that every access crosses. `epoch` changes whenever any decision may change."""

    @property
    def epoch(self) -> int: ...

    def decide(self, subject: Subject, action: Action, resource: Resource, now: int) -> Decision:
        """Decide at wall time `now` (FILETIME ticks). Never raises for a well-formed request."""
        ...
