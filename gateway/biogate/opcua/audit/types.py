"""This gateway's own event types, in the namespace `urn:biogate:security`.

Part 5 has no field for why something was written, for the meaning of a signature, nor for the
record in the audit trail; subtypes of its audit events have them. Conditions and alarms (Part 9)
are not offered: what needs somebody's attention is an event of a subtype of SystemEventType.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.ids import HAS_PROPERTY, HAS_SUBTYPE, HAS_TYPE_DEFINITION
from biogate.opcua.stack import ObjectIds, node_id, ua
from biogate_nodesets.model import Node, RolePermission

SECURITY_URI = "urn:biogate:security"

AUDITED_WRITE, AUDITED_CALL = "AuditedWriteEventType", "AuditedCallEventType"
ALARM = "SecurityAlarmEventType"
AUDIT_STORE_ALARM = "AuditStoreAlarmEventType"
REFUSED_CROSSING_ALARM = "RefusedCrossingAlarmEventType"
CLOCK_ALARM = "ClockSteppedAlarmEventType"
CERTIFICATE_ALARM = "CertificateExpiringAlarmEventType"
LOGIN_ALARM = "FailedLoginsAlarmEventType"

_TRAIL_FIELDS: Mapping[str, int] = {
    "Reason": ObjectIds.String,
    "SignatureMeaning": ObjectIds.String,
    "SecondUserId": ObjectIds.String,
    "BatchId": ObjectIds.String,
    "Zone": ObjectIds.String,
    "Conduit": ObjectIds.String,
    "RecordHash": ObjectIds.ByteString,
    "SequenceNumber": ObjectIds.UInt64,
}
_ALARM_FIELDS: Mapping[str, int] = {
    "Active": ObjectIds.Boolean,
    "Zone": ObjectIds.String,
    "Conduit": ObjectIds.String,
}
_BROWSE_AND_READ, _RECEIVE_EVENTS = 0x21, 0x0800
_EVERYONE = node_id(15644)
_REVIEWERS = tuple(node_id(role) for role in (15704, 15716, 15692, 16036))
"""SecurityAdmin, ConfigureAdmin, Supervisor, Engineer: who reviews what was done."""


@dataclass(frozen=True, slots=True)
class _Type:
    name: str
    above: ua.NodeId | str
    fields: Mapping[str, int]
    description: str
    is_abstract: bool = False
    for_reviewers: bool = False


_TYPES = (
    _Type(
        AUDITED_WRITE,
        node_id(ObjectIds.AuditWriteUpdateEventType),
        _TRAIL_FIELDS,
        "A Variable was written, or refused to be; with its record in the audit trail.",
        for_reviewers=True,
    ),
    _Type(
        AUDITED_CALL,
        node_id(ObjectIds.AuditUpdateMethodEventType),
        _TRAIL_FIELDS,
        "A Method was called, or refused to be; with its record in the audit trail.",
        for_reviewers=True,
    ),
    _Type(
        ALARM,
        node_id(ObjectIds.SystemEventType),
        _ALARM_FIELDS,
        "Something about security needs attention (Active), or needs it no longer.",
        is_abstract=True,
    ),
    _Type(AUDIT_STORE_ALARM, ALARM, {}, "The audit trail is nearly full, or cannot be written."),
    _Type(REFUSED_CROSSING_ALARM, ALARM, {}, "A zone tried what no conduit lets it do."),
    _Type(CLOCK_ALARM, ALARM, {}, "The clock was set, or is off."),
    _Type(CERTIFICATE_ALARM, ALARM, {}, "The server's own certificate ends soon, or has ended."),
    _Type(LOGIN_ALARM, ALARM, {}, "Many logins were refused."),
)


def add_security_types(space: AddressSpace) -> int:
    """Add the types, once; the index of their namespace.

    Without OPC UA's own event types in the space there is nothing to derive from: then -1.
    """
    if space.get(node_id(ObjectIds.AuditWriteUpdateEventType)) is None:
        return -1
    if SECURITY_URI not in space.namespaces:
        space.namespaces.append(SECURITY_URI)
    namespace = space.namespaces.index(SECURITY_URI)
    if space.get(node_id(AUDITED_WRITE, namespace)) is None:
        space.add_nodes([node for each in _TYPES for node in _nodes(each, namespace)])
    return namespace


def _nodes(declared: _Type, namespace: int) -> Iterator[Node]:
    above = declared.above
    node = Node(
        node_id(declared.name, namespace),
        ua.NodeClass.ObjectType,
        ua.QualifiedName(declared.name, ua.UInt16(namespace)),
        ua.LocalizedText(declared.name),
        ua.LocalizedText(declared.description, "en"),
        is_abstract=declared.is_abstract,
    )
    parent = node_id(above, namespace) if isinstance(above, str) else above
    node.add_reference(HAS_SUBTYPE, parent, forward=False)
    if declared.for_reviewers:
        node.role_permissions = (
            RolePermission(_EVERYONE, _BROWSE_AND_READ),
            *(RolePermission(role, _BROWSE_AND_READ | _RECEIVE_EVENTS) for role in _REVIEWERS),
        )
    yield node
    for name, data_type in declared.fields.items():
        yield _field(declared.name, name, data_type, namespace)


def _field(type_name: str, name: str, data_type: int, namespace: int) -> Node:
    node = Node(
        node_id(f"{type_name}.{name}", namespace),
        ua.NodeClass.Variable,
        ua.QualifiedName(name, ua.UInt16(namespace)),
        ua.LocalizedText(name),
        data_type=node_id(data_type),
        value_rank=-1,
    )
    node.add_reference(HAS_PROPERTY, node_id(type_name, namespace), forward=False)
    node.add_reference(HAS_TYPE_DEFINITION, node_id(ObjectIds.PropertyType), forward=True)
    mandatory = node_id(ObjectIds.ModellingRule_Mandatory)
    node.add_reference(node_id(ObjectIds.HasModellingRule), mandatory, forward=True)
    return node
