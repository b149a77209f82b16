"""Audit events about writes and calls (Part 4, 6.5.8 and 6.5.10; Part 5, 6.4.26 and 6.4.29).

Their records are the command port's; whoever wants to tell of one asks it for the receipt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from biogate.opcua.audit.fact import AuditEvent, Fact, event_of, plain_fields
from biogate.opcua.audit.types import AUDITED_CALL, AUDITED_WRITE
from biogate.opcua.codec import EncodeError, encode_variant
from biogate.opcua.events.event import Event, FieldPath
from biogate.opcua.ports import Receipt, TagReader
from biogate.opcua.services.write_value import shown
from biogate.opcua.space.tag_values import project
from biogate.opcua.space.values import TagSource
from biogate.opcua.stack import ObjectIds, node_id, status_name, ua
from biogate_nodesets.model import Node
from biogate_security.audit import AuditRecord
from biogate_security.policy import Subject

if TYPE_CHECKING:
    from biogate.opcua.services.context import RequestContext
    from biogate.opcua.space.methods import MethodCall

_T = ua.VariantType
_MAX_VALUE_BYTES = 4096
_SECRET = ("password", "privatekey", "secret", "token")


class CommandWatch:
    """Waits for what the audit trail holds of one command; give `recorded` as `on_record`."""

    def __init__(self) -> None:
        self.receipt: Receipt | None = None

    def recorded(self, receipt: Receipt) -> None:
        self.receipt = receipt


def present_value(tags: TagReader, source: TagSource) -> ua.Variant:
    """What a Variable shows now, for OldValue."""
    value, status, _, _ = tags.number_at(source.tag)
    variant, _ = project(source.projection, value, status, tags.object_at(source.tag))
    return ua.Variant() if variant is None else variant


def tell_write(
    ctx: RequestContext,
    node: Node,
    item: ua.WriteValue,
    old: ua.Variant,
    status: int,
    receipt: Receipt,
) -> None:
    """Raise the event of a write whose record is there, whatever came of it."""
    auditor = ctx.server.auditor

    def describe() -> Sequence[AuditEvent]:
        zone = ctx.subject.zone
        return [_written(auditor.namespace, node, item, old, status, receipt, zone)]

    auditor.tell(Fact(_record(ctx, "write", status), describe))


def write_event(
    namespace: int,
    server_id: str,
    subject: Subject,
    now: int,
    node: Node,
    item: ua.WriteValue,
    old: ua.Variant,
    status: int,
    receipt: Receipt,
) -> Event:
    """The event of a write that `subject` has asked for, and that the core has made."""
    record = AuditRecord(
        "write", now, subject.user, application_uri=subject.application_uri, outcome=status
    )
    told = _written(namespace, node, item, old, status, receipt, subject.zone)
    return event_of(record, told, server_id)


def _written(
    namespace: int,
    node: Node,
    item: ua.WriteValue,
    old: ua.Variant,
    status: int,
    receipt: Receipt,
    zone: str,
) -> AuditEvent:
    new = item.Value.Value if item.Value is not None else None
    fields = plain_fields(
        AttributeId=ua.Variant(int(item.AttributeId), _T.UInt32),
        IndexRange=ua.Variant(item.IndexRange or None, _T.String),
        NewValue=_bounded(new),
        OldValue=_bounded(old),
    )
    fields = {**fields, **trail_fields(namespace, receipt, zone)}
    message = f"{node.display_name.Text or ''} written: {status_name(status)}"
    kind = node_id(AUDITED_WRITE, namespace)
    return AuditEvent(kind, "Attribute/Write", message, fields, node.node_id)


def tell_call(call: MethodCall, names: Sequence[str], status: int, receipt: Receipt | None) -> None:
    """Raise the event of a call; one without a record of its own is of the plain type."""
    ctx = call.context
    auditor = ctx.server.auditor
    record = _record(ctx, "call", status)
    if receipt is None and not auditor.may_tell(record):
        return

    def describe() -> Sequence[AuditEvent]:
        given = [
            argument_shown(name, each) for name, each in zip(names, call.arguments, strict=False)
        ]
        fields = plain_fields(
            MethodId=ua.Variant(call.method_id, _T.NodeId),
            InputArguments=ua.Variant(given, _T.Variant, is_array=True),
        )
        kind, own = node_id(ObjectIds.AuditUpdateMethodEventType), {}
        if receipt is not None:
            kind = node_id(AUDITED_CALL, auditor.namespace)
            own = dict(trail_fields(auditor.namespace, receipt, ctx.subject.zone))
        message = f"Method called: {status_name(status)}"
        return [AuditEvent(kind, "Attribute/Call", message, {**fields, **own}, call.object_id)]

    auditor.tell(Fact(record, describe))


def is_secret(name: str) -> bool:
    """Whether an argument of this name is never shown: not in records, nor in events."""
    plain = name.replace("_", "").lower()
    return any(word in plain for word in _SECRET)


def argument_shown(name: str, given: ua.Variant) -> ua.Variant:
    """An argument as events may show it.

    A list of Variants may be the arguments of another Method, secret ones among them.
    """
    if given.VariantType is _T.Variant:
        return ua.Variant(shown(given), _T.String)
    return ua.Variant() if is_secret(name) else _bounded(given)


def trail_fields(namespace: int, receipt: Receipt, zone: str) -> Mapping[FieldPath, ua.Variant]:
    """The fields of this gateway's own types."""
    texts = {
        "Reason": receipt.reason,
        "SignatureMeaning": receipt.meaning,
        "SecondUserId": receipt.second_user,
        "BatchId": receipt.batch_id,
        "Zone": zone,
        "Conduit": receipt.conduit,
    }
    fields = {name: ua.Variant(text or None, _T.String) for name, text in texts.items()}
    fields["RecordHash"] = ua.Variant(receipt.hash or None, _T.ByteString)
    fields["SequenceNumber"] = ua.Variant(receipt.number, _T.UInt64)
    return {((namespace, name),): value for name, value in fields.items()}


def _record(ctx: RequestContext, event: str, status: int) -> AuditRecord:
    subject = ctx.subject
    return AuditRecord(
        event,
        ctx.now_ticks,
        subject.user,
        application_uri=subject.application_uri,
        address=subject.address,
        outcome=status,
        client_audit_entry_id=ctx.request_header.AuditEntryId or "",
    )


def _bounded(value: ua.Variant | None) -> ua.Variant:
    """The value, or a word about one that is too large to keep in a journal of events."""
    if value is None:
        return ua.Variant()
    try:
        small = len(encode_variant(value)) <= _MAX_VALUE_BYTES
    except EncodeError:
        small = False
    return value if small else ua.Variant(shown(value), _T.String)
