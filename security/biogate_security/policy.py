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


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks: an authenticated user on a channel. Roles are Part 18 well-known role names."""

    user: str | None
    roles: frozenset[str]
    session_id: str = ""
    application_uri: str = ""
    certificate_sha256: str = ""
    address: str = ""
    security_policy_uri: str = ""
    security_mode: str = "None"
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """What the action is on: a node, and the device signal behind it where there is one."""

    node_id: str
    attribute: str = "Value"
    tag: str = ""
    device: str = ""
    is_setpoint: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """Allow or deny, why, and which rule decided (for the audit record and `explain`).

    `audited` is False only where the site declared a variable without a device unaudited.
    """

    allow: bool
    reason: str
    rule: str = field(default="")
    audited: bool = True


class Policy(Protocol):
    """The seam that every access crosses. `epoch` changes whenever any decision may change."""

    @property
    def epoch(self) -> int: ...

    def decide(self, subject: Subject, action: Action, resource: Resource, now: int) -> Decision:
        """Decide at wall time `now` (FILETIME ticks). Never raises for a well-formed request."""
        ...
