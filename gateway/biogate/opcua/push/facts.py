"""Records and audit events of changed certificates (Part 12, 7.8.2.13 and 7.10.19)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from biogate.opcua.audit.certificates import certificate_event
from biogate.opcua.audit.fact import AuditEvent, Fact, plain_fields
from biogate.opcua.space.ids import SERVER
from biogate.opcua.space.methods import MethodCall
from biogate.opcua.stack import ObjectIds, StatusCodes, node_id, status_name, ua
from biogate_security.audit import AuditRecord
from biogate_security.log_text import safe_text
from biogate_security.pki_update import AcceptedCertificate, PkiChange
from biogate_security.trust_content import Group

_T = ua.VariantType
_MAX_TEXT = 2000
TRUST_LISTS: Mapping[Group, ua.NodeId] = {
    Group.APPLICATION: node_id(
        ObjectIds.ServerConfiguration_CertificateGroups_DefaultApplicationGroup_TrustList
    ),
    Group.USER: node_id(
        ObjectIds.ServerConfiguration_CertificateGroups_DefaultUserTokenGroup_TrustList
    ),
}
_GROUP = node_id(ObjectIds.ServerConfiguration_CertificateGroups_DefaultApplicationGroup)
_TYPE = node_id(ObjectIds.RsaSha256ApplicationCertificateType)


def call_record(event: str, call: MethodCall, *, reason: str = "") -> AuditRecord:
    """Who called which method on what."""
    ctx = call.context
    subject = ctx.subject
    return AuditRecord(
        event,
        ctx.server.wall_clock(),
        subject.user,
        roles=tuple(sorted(subject.roles)),
        session_id=subject.session_id,
        application_uri=subject.application_uri,
        certificate_sha256=subject.certificate_sha256,
        address=subject.address,
        zone=subject.zone,
        authentication=subject.authentication,
        node_id=call.object_id.to_string(),
        attribute=_method_name(call),
        reason=safe_text(reason, _MAX_TEXT),
        client_audit_entry_id=ctx.request_header.AuditEntryId or "",
    )


def refused_fact(call: MethodCall, status: int, reason: str) -> Fact:
    """A call that changed nothing."""
    record = call_record("pki-call-refused", call, reason=reason or status_name(status))
    return Fact(replace(record, outcome=status))


def intention(call: MethodCall, change: PkiChange) -> Fact:
    """A change that is about to happen, by a method."""
    name = "certificate-update" if change.group is None else "trust-list-update"
    return Fact(_with_values(call_record(name, call, reason=_about(change)), change))


def outcome(call: MethodCall, change: PkiChange, status: int) -> Fact:
    """What came of it."""
    entry = intention(call, change).record
    record = replace(entry, event=f"{entry.event}-outcome", outcome=status)
    method, source = call.method_id, call.object_id

    def describe() -> Sequence[AuditEvent]:
        return [_event(change, status, source, method, f"Method/{_method_name(call)}")]

    return Fact(record, describe)


def noticed(change: PkiChange, time: int) -> Fact:
    """A change of the files by another hand, which has happened."""
    name = "certificate-changed" if change.group is None else "trust-list-changed"
    record = AuditRecord(name, time, None, reason=f"{_about(change)}, changed in the PKI folder")

    def describe() -> Sequence[AuditEvent]:
        return [_event(change, StatusCodes.Good, SERVER, ua.NodeId(), "Server/PkiFolder")]

    return Fact(_with_values(record, change), describe)


def accepted_fact(accepted: AcceptedCertificate, time: int) -> Fact:
    """A certificate that was accepted though a step failed, as the site has it (Part 4, 6.1.3)."""
    record = AuditRecord(
        "certificate-accepted",
        time,
        None,
        certificate_sha256=hashlib.sha256(accepted.certificate).hexdigest(),
        reason=f"in spite of {status_name(accepted.status)}: {accepted.reason}",
    )

    def describe() -> Sequence[AuditEvent]:
        told = certificate_event(accepted.certificate, accepted.status)
        return [replace(told, message=f"Certificate accepted {record.reason}")]

    return Fact(record, describe)


def _about(change: PkiChange) -> str:
    if change.group is None:
        return "own certificate"
    return f"trust list of {change.group}s' certificates"


def _with_values(record: AuditRecord, change: PkiChange) -> AuditRecord:
    old, new = safe_text(change.old, _MAX_TEXT), safe_text(change.new, _MAX_TEXT)
    return replace(record, old=old or None, new=new or None)


def _event(
    change: PkiChange, status: int, source: ua.NodeId, method: ua.NodeId, source_name: str
) -> AuditEvent:
    fields = plain_fields(
        MethodId=ua.Variant(method, _T.NodeId),
        InputArguments=ua.Variant([], _T.Variant, is_array=True),
    )
    if change.group is None:
        kind = ObjectIds.CertificateUpdatedAuditEventType
        more = plain_fields(
            CertificateGroup=ua.Variant(_GROUP, _T.NodeId),
            CertificateType=ua.Variant(_TYPE, _T.NodeId),
        )
    else:
        kind = ObjectIds.TrustListUpdatedAuditEventType
        more = plain_fields(TrustListId=ua.Variant(TRUST_LISTS[change.group], _T.NodeId))
    done = "changed" if status == StatusCodes.Good else f"not changed: {status_name(status)}"
    message = f"{_about(change).capitalize()} {done}"
    return AuditEvent(node_id(kind), source_name, message, {**fields, **more}, source_node=source)


def _method_name(call: MethodCall) -> str:
    node = call.context.server.space.get(call.method_id)
    return str(node.browse_name.Name) if node is not None else call.method_id.to_string()
