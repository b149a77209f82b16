"""A fact: what is recorded, and how an audit event tells of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from biogate.opcua.events.event import Event, FieldPath, field_path, new_event_id
from biogate.opcua.space.ids import SERVER
from biogate.opcua.stack import ua
from biogate_adapters.status import is_bad
from biogate_security.audit import AuditRecord

_T = ua.VariantType
DONE_SEVERITY, REFUSED_SEVERITY = 100, 500
"""Part 5, 6.4.2: 1 to 333 is low, 334 to 666 medium."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """What an audit event has beyond its record's facts.

    `source_name` is "Service set/Service" (Part 5, 6.4.5 to 6.4.29). `user` takes the place of the
    record's where there was none yet, such as "System/CreateSession".
    """

    type: ua.NodeId
    source_name: str
    message: str
    fields: Mapping[FieldPath, ua.Variant]
    source_node: ua.NodeId = SERVER
    user: str = ""
    event_id: bytes = field(default_factory=new_event_id)


Describe = Callable[[], Sequence[AuditEvent]]
"""Makes the events of a fact; called only where somebody listens."""


def _nothing() -> Sequence[AuditEvent]:
    return ()


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is recorded, and told to those who listen to audit events."""

    record: AuditRecord
    describe: Describe = field(default=_nothing)


def event_of(record: AuditRecord, told: AuditEvent, server_id: str) -> Event:
    """The event with the fields of AuditEventType and AuditSecurityEventType (6.4.3, 6.4.4)."""
    bad = is_bad(record.outcome)
    user = told.user or record.user
    own = {
        "ActionTimeStamp": ua.Variant(record.time, _T.DateTime),
        "Status": ua.Variant(Value=not bad, VariantType=_T.Boolean),
        "ServerId": ua.Variant(server_id, _T.String),
        "ClientAuditEntryId": ua.Variant(record.client_audit_entry_id, _T.String),
        "ClientUserId": ua.Variant(user, _T.String),
        "ClientApplicationUri": ua.Variant(record.application_uri or None, _T.String),
        "StatusCodeId": ua.Variant(ua.StatusCode(ua.UInt32(record.outcome)), _T.StatusCode),
    }
    fields = {field_path(name): value for name, value in own.items()}
    return Event(
        source_node=told.source_node,
        severity=REFUSED_SEVERITY if bad else DONE_SEVERITY,
        message=ua.LocalizedText(told.message, "en"),
        type=told.type,
        source_name=told.source_name,
        fields={**fields, **told.fields},
        event_id=told.event_id,
    )


def plain_fields(**values: ua.Variant) -> Mapping[FieldPath, ua.Variant]:
    """Fields of namespace 0 by name."""
    return {field_path(name): value for name, value in values.items()}
