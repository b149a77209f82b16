"""The audit seam: a record is stored before the action happens, or the action does not happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


class AuditUnavailableError(Exception):
    """The record could not be stored; the action must be refused (IEC 62443 CR 2.10)."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One action as it is recorded (ALCOA+: who, what, when, why). Times are FILETIME ticks.

    `old` and `new` are the values as text with full precision; `outcome` is a StatusCode.
    `event` is "write", "write-outcome", "call", "session-activated" and so on. `meaning` is that
    of an electronic signature (21 CFR 11.50), `second_user` who approved as the second person.
    """

    event: str
    time: int
    user: str | None
    roles: tuple[str, ...] = ()
    session_id: str = ""
    application_uri: str = ""
    certificate_sha256: str = ""
    address: str = ""
    zone: str = ""
    node_id: str = ""
    tag: str = ""
    attribute: str = ""
    old: str | None = None
    new: str | None = None
    outcome: int = 0
    rule: str = ""
    reason: str = ""
    client_audit_entry_id: str = ""
    authentication: str = ""
    conduit: str = ""
    batch_id: str = ""
    meaning: str = ""
    second_user: str = ""


class AuditSink(Protocol):
    """Where audit records go. Implementations store durably before they return."""

    async def record(self, record: AuditRecord) -> int:
        """Store and return the gap-free sequence number. Raises AuditUnavailableError."""
        ...


class StoredAs(Protocol):
    """Number and chain hash of a stored record."""

    @property
    def seq(self) -> int: ...

    @property
    def hash(self) -> bytes: ...


@runtime_checkable
class HashingSink(AuditSink, Protocol):
    """A sink that tells the hash, too, by which a record can be named elsewhere."""

    @property
    def head(self) -> StoredAs | None:
        """The newest record; None while unknown."""
        ...

    async def store(self, record: AuditRecord) -> StoredAs:
        """As `record`."""
        ...
