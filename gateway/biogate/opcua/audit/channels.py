"""Facts about secure channels (Part 4, 6.5.5; Part 5, 6.4.5 and 6.4.6)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from biogate.opcua.audit.certificates import certificate_event
from biogate.opcua.audit.fact import AuditEvent, Fact, plain_fields
from biogate.opcua.audit.sessions import channel_record, host_of, thumbprint_text
from biogate.opcua.space.ids import SERVER
from biogate.opcua.stack import ObjectIds, StatusCodes, node_id, status_name, ua
from biogate.opcua.transport.events import ChannelOpened, Closed, RefusedOpening
from biogate.opcua.transport.interfaces import ChannelInfo
from biogate_security.audit import AuditRecord
from biogate_security.log_text import safe_text

_T = ua.VariantType
_OPEN = "SecureChannel/OpenSecureChannel"
_OPENER, _CLOSER = "System/OpenSecureChannel", "System/CloseSecureChannel"
_MAX_SHOWN = 200


def channel_facts(address: str, event: ChannelOpened | Closed, now: int) -> Sequence[Fact]:
    """What is to be recorded of a channel that opens, is refused, or ends.

    `address` is the peer's host and port, `now` FILETIME ticks. A renewal that succeeds is not
    recorded (Part 4, 6.5.5).
    """
    if isinstance(event, ChannelOpened):
        return () if event.renewed else (_opened(event, now),)
    facts = []
    if event.refused is not None:
        facts.append(_refused(address, event, event.refused, now))
    if event.channel is not None:
        facts.append(_closed(event, event.channel, now))
    return facts


def _opened(event: ChannelOpened, now: int) -> Fact:
    channel = event.channel
    record = replace(
        channel_record("channel-opened", now, channel),
        client_audit_entry_id=event.audit_entry_id,
        new=f"{channel.security_policy_uri.partition('#')[2]} {channel.security_mode.name}",
    )

    def describe() -> Sequence[AuditEvent]:
        fields = plain_fields(
            SecureChannelId=ua.Variant(str(channel.channel_id), _T.String),
            ClientCertificate=ua.Variant(channel.client_certificate, _T.ByteString),
            ClientCertificateThumbprint=ua.Variant(
                thumbprint_text(channel.client_certificate), _T.String
            ),
            RequestType=ua.Variant(int(ua.SecurityTokenRequestType.Issue), _T.Int32),
            SecurityPolicyUri=ua.Variant(channel.security_policy_uri, _T.String),
            SecurityMode=ua.Variant(int(channel.security_mode), _T.Int32),
            RequestedLifetime=ua.Variant(float(event.requested_lifetime_ms), _T.Double),
        )
        kind = node_id(ObjectIds.AuditOpenSecureChannelEventType)
        return [AuditEvent(kind, _OPEN, "Channel opened", fields, SERVER, _OPENER)]

    return Fact(record, describe)


def _refused(address: str, event: Closed, refused: RefusedOpening, now: int) -> Fact:
    """The record has the precise reason; the client was told a generic one."""
    certificate = refused.certificate
    thumbprint = thumbprint_text(certificate)
    shown = f" ({thumbprint})" if thumbprint else ""
    judged = refused.certificate_status != StatusCodes.Good
    why = status_name(refused.certificate_status) if judged else safe_text(event.detail, _MAX_SHOWN)
    record = AuditRecord(
        "certificate-refused" if judged else "channel-refused",
        now,
        None,
        certificate_sha256=hashlib.sha256(certificate).hexdigest() if certificate else "",
        address=host_of(address),
        outcome=refused.certificate_status or event.status,
        reason=f"no channel: {why}{shown}",
    )

    def describe() -> Sequence[AuditEvent]:
        fields = plain_fields(
            SecureChannelId=ua.Variant(_id_of(event.channel), _T.String),
            ClientCertificate=ua.Variant(certificate or None, _T.ByteString),
            ClientCertificateThumbprint=ua.Variant(thumbprint, _T.String),
            RequestType=ua.Variant(int(_type_of(event)), _T.Int32),
            SecurityPolicyUri=ua.Variant(refused.policy_uri or None, _T.String),
        )
        kind = node_id(ObjectIds.AuditOpenSecureChannelEventType)
        message = f"Channel refused: {why}"
        if not judged:
            return [AuditEvent(kind, _OPEN, message, fields, SERVER, _OPENER)]
        cause = certificate_event(certificate, refused.certificate_status)
        named = plain_fields(CertificateErrorEventId=ua.Variant(cause.event_id, _T.ByteString))
        return [
            cause,
            AuditEvent(kind, _OPEN, message, {**fields, **named}, SERVER, _OPENER),
        ]

    return Fact(record, describe)


def _closed(event: Closed, channel: ChannelInfo, now: int) -> Fact:
    record = replace(
        channel_record("channel-closed", now, channel),
        reason=safe_text(event.detail, _MAX_SHOWN),
    )

    def describe() -> Sequence[AuditEvent]:
        fields = plain_fields(SecureChannelId=ua.Variant(str(channel.channel_id), _T.String))
        kind = node_id(ObjectIds.AuditChannelEventType)
        name = "SecureChannel/CloseSecureChannel"
        message = f"Channel closed: {record.reason}"
        return [AuditEvent(kind, name, message, fields, SERVER, _CLOSER)]

    return Fact(record, describe)


def _id_of(channel: ChannelInfo | None) -> str | None:
    return str(channel.channel_id) if channel else None


def _type_of(event: Closed) -> ua.SecurityTokenRequestType:
    renewing = event.channel is not None
    return ua.SecurityTokenRequestType.Renew if renewing else ua.SecurityTokenRequestType.Issue
