"""Facts about sessions (Part 4, 6.5.6; Part 5, 6.4.7 to 6.4.11)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cryptography import x509

from biogate.opcua.audit.certificates import certificate_event
from biogate.opcua.audit.fact import AuditEvent, Fact, plain_fields
from biogate.opcua.own_keys import own_key
from biogate.opcua.session import CLOSED, TERMINATED, TIMED_OUT
from biogate.opcua.space.permissions import ROLE_IDS
from biogate.opcua.stack import ObjectIds, StatusCodes, node_id, status_name, ua
from biogate.opcua.transport.interfaces import ChannelInfo
from biogate.opcua.transport.policies import leaf_of, load_certificate, thumbprint_of
from biogate_security.audit import AuditRecord
from biogate_security.log_text import safe_text
from biogate_security.policy import Subject

if TYPE_CHECKING:
    from biogate.opcua.services.context import RequestContext
    from biogate.opcua.session import Session

_T = ua.VariantType
_MAX_SHOWN = 200
_NOBODY = "System/CreateSession"
_NULL = ua.NodeId()
_ENDS = {TIMED_OUT: "session-timed-out", CLOSED: "session-closed", TERMINATED: "session-dropped"}


def channel_record(event: str, time: int, channel: ChannelInfo) -> AuditRecord:
    """What is known of a client before anybody has logged in."""
    certificate = channel.client_certificate
    return AuditRecord(
        event,
        time,
        None,
        certificate_sha256=hashlib.sha256(certificate).hexdigest() if certificate else "",
        address=host_of(channel.remote_address),
    )


def host_of(address: str) -> str:
    """The host of "host:port"."""
    return address.rpartition(":")[0]


def session_created(ctx: RequestContext, session: Session) -> Fact:
    """CreateSession made a session."""
    record = replace(
        _record(ctx, "session-created"),
        session_id=session.session_id.to_string(),
        application_uri=session.client.ApplicationUri or "",
        new=f"{session.name!r:.{_MAX_SHOWN}}, timeout {session.timeout_s:g} s",
    )

    def describe() -> Sequence[AuditEvent]:
        return [_creation(ctx.channel, session.session_id, session.timeout_s, "Session created")]

    return Fact(record, describe)


def session_refused(ctx: RequestContext, parameters: Any, status: int, precise: int) -> Fact:
    """CreateSession made none. `precise`: what is wrong with the certificate; Good: nothing."""
    uri = parameters.ClientDescription.ApplicationUri or ""
    reason = f"no session: {status_name(precise or status)}"
    record = replace(
        _record(ctx, "session-refused"), application_uri=uri, outcome=status, reason=reason
    )
    certificate = ctx.channel.client_certificate or b""

    def describe() -> Sequence[AuditEvent]:
        refused = _creation(ctx.channel, _NULL, 0.0, f"CreateSession was refused: {reason}")
        if precise == StatusCodes.Good:
            return [refused]
        return [certificate_event(certificate, precise, uri=uri, user=_NOBODY), refused]

    return Fact(record, describe)


def url_mismatch(ctx: RequestContext, session: Session, url: str) -> Fact | None:
    """The EndpointUrl names no host of the server's certificate (6.4.9); None where it does.

    The session is made all the same (Part 4, 5.7.2).
    """
    host = _host(url)
    own = own_key(ctx.server.pki, ctx.channel.security_policy_uri)
    if not host or host in _hosts_of(leaf_of(own.certificate_chain)):
        return None
    record = replace(
        _record(ctx, "url-mismatch"),
        session_id=session.session_id.to_string(),
        application_uri=session.client.ApplicationUri or "",
        reason=f"asked for {safe_text(url, _MAX_SHOWN)}, which the certificate does not name",
    )

    def describe() -> Sequence[AuditEvent]:
        base = _creation(ctx.channel, session.session_id, session.timeout_s, record.reason)
        fields = {**base.fields, **plain_fields(EndpointUrl=ua.Variant(url, _T.String))}
        return [replace(base, type=node_id(ObjectIds.AuditUrlMismatchEventType), fields=fields)]

    return Fact(record, describe)


def session_activated(ctx: RequestContext, subject: Subject, token: Any, event: str) -> Fact:
    """Somebody uses the session from now on. `event`: session-activated or -transferred."""
    record = replace(
        _subject_record(event, ctx.now_ticks, subject),
        client_audit_entry_id=ctx.request_header.AuditEntryId or "",
        new=f"{subject.security_policy_uri.partition('#')[2]} {subject.security_mode}",
    )
    roles = [ROLE_IDS[name] for name in sorted(subject.roles) if name in ROLE_IDS]
    session_id, channel = ctx.session.session_id, ctx.channel

    def describe() -> Sequence[AuditEvent]:
        what = "activated" if event == "session-activated" else "activated on another channel"
        return [_activation(session_id, channel, token, roles, f"Session {what}", "")]

    return Fact(record, describe)


def activation_refused(ctx: RequestContext, token: Any, status: int) -> Fact:
    """Nobody was let in. The name is what the client claimed; nobody has proven it."""
    claimed = _claimed_name(token)
    who = f" as {safe_text(claimed, _MAX_SHOWN)!r}" if claimed else ""
    record = replace(
        _record(ctx, "login-refused"),
        session_id=ctx.session.session_id.to_string(),
        application_uri=ctx.session.client.ApplicationUri or "",
        authentication=_kind(token),
        outcome=status,
        reason=f"login{who} refused: {status_name(status)}",
    )
    session_id, channel = ctx.session.session_id, ctx.channel

    def describe() -> Sequence[AuditEvent]:
        return [_activation(session_id, channel, token, [], record.reason, claimed)]

    return Fact(record, describe)


def session_ended(session: Session, now: int, cause: str) -> Fact:
    """A session is over, by whatever cause."""
    event = _ENDS[cause]
    if session.identity is None:
        record = replace(
            channel_record(event, now, session.channel),
            session_id=session.session_id.to_string(),
            application_uri=session.client.ApplicationUri or "",
        )
    else:
        record = _subject_record(event, now, session.subject)
    record = replace(record, client_audit_entry_id=session.closing_entry_id)
    return Fact(record, _session_events(session.session_id, cause, f"Session ended: {cause}"))


def request_cancelled(ctx: RequestContext, handle: int, count: int) -> Fact:
    """Cancel was called (6.4.11)."""
    record = replace(
        _subject_record("request-cancelled", ctx.now_ticks, ctx.subject),
        client_audit_entry_id=ctx.request_header.AuditEntryId or "",
        new=f"{count} requests with handle {handle}",
    )
    session_id = ctx.session.session_id

    def describe() -> Sequence[AuditEvent]:
        fields = plain_fields(
            SessionId=ua.Variant(session_id, _T.NodeId),
            RequestHandle=ua.Variant(handle, _T.UInt32),
        )
        kind = node_id(ObjectIds.AuditCancelEventType)
        return [AuditEvent(kind, "Session/Cancel", f"Cancelled {record.new}", fields)]

    return Fact(record, describe)


def subscriptions_transferred(ctx: RequestContext, ids: Sequence[int], status: int) -> Fact:
    """TransferSubscriptions was called (Part 4, 6.5.9; Part 5, 6.4.7)."""
    shown = ", ".join(map(str, ids))
    record = replace(
        _subject_record("subscriptions-transferred", ctx.now_ticks, ctx.subject),
        client_audit_entry_id=ctx.request_header.AuditEntryId or "",
        new=shown[:_MAX_SHOWN],
        outcome=status,
    )
    message = f"Subscriptions {record.new} asked for by another session"
    return Fact(record, _session_events(ctx.session.session_id, "TransferSubscriptions", message))


def _session_events(
    session_id: ua.NodeId, cause: str, message: str
) -> Callable[[], Sequence[AuditEvent]]:
    def describe() -> Sequence[AuditEvent]:
        fields = plain_fields(SessionId=ua.Variant(session_id, _T.NodeId))
        kind = node_id(ObjectIds.AuditSessionEventType)
        return [AuditEvent(kind, f"Session/{cause}", message, fields)]

    return describe


def _creation(
    channel: ChannelInfo, session_id: ua.NodeId, timeout_s: float, message: str
) -> AuditEvent:
    certificate = channel.client_certificate
    fields = plain_fields(
        SessionId=ua.Variant(session_id, _T.NodeId),
        SecureChannelId=ua.Variant(str(channel.channel_id), _T.String),
        ClientCertificate=ua.Variant(certificate, _T.ByteString),
        ClientCertificateThumbprint=ua.Variant(thumbprint_text(certificate), _T.String),
        RevisedSessionTimeout=ua.Variant(timeout_s * 1000.0, _T.Double),
    )
    kind = node_id(ObjectIds.AuditCreateSessionEventType)
    return AuditEvent(kind, "Session/CreateSession", message, fields, user=_NOBODY)


def _activation(
    session_id: ua.NodeId,
    channel: ChannelInfo,
    token: Any,
    roles: Sequence[ua.NodeId],
    message: str,
    user: str,
) -> AuditEvent:
    fields = plain_fields(
        SessionId=ua.Variant(session_id, _T.NodeId),
        SecureChannelId=ua.Variant(str(channel.channel_id), _T.String),
        ClientSoftwareCertificates=ua.Variant([], _T.ExtensionObject, is_array=True),
        UserIdentityToken=ua.Variant(without_secrets(token), _T.ExtensionObject),
        CurrentRoleIds=ua.Variant(list(roles), _T.NodeId, is_array=True),
    )
    kind = node_id(ObjectIds.AuditActivateSessionEventType)
    return AuditEvent(kind, "Session/ActivateSession", message, fields, user=user)


def without_secrets(token: Any) -> Any:
    """The token as audit events may show it (6.4.10): no password, no issued token."""
    if isinstance(token, ua.UserNameIdentityToken):
        return ua.UserNameIdentityToken(
            PolicyId=token.PolicyId,
            UserName=token.UserName,
            EncryptionAlgorithm=token.EncryptionAlgorithm,
        )
    if isinstance(token, ua.X509IdentityToken):
        return token
    if isinstance(token, ua.IssuedIdentityToken):
        return ua.IssuedIdentityToken(
            PolicyId=token.PolicyId, EncryptionAlgorithm=token.EncryptionAlgorithm
        )
    if isinstance(token, ua.AnonymousIdentityToken):
        return token
    return ua.AnonymousIdentityToken()


def thumbprint_text(certificate: bytes | None) -> str | None:
    """The SHA1 thumbprint in hexadecimal digits (Part 6, 6.2.2)."""
    return thumbprint_of(certificate).hex().upper() if certificate else None


def _record(ctx: RequestContext, event: str) -> AuditRecord:
    return replace(
        channel_record(event, ctx.now_ticks, ctx.channel),
        client_audit_entry_id=ctx.request_header.AuditEntryId or "",
    )


def _subject_record(event: str, time: int, subject: Subject) -> AuditRecord:
    return AuditRecord(
        event,
        time,
        subject.user,
        roles=tuple(sorted(subject.roles)),
        session_id=subject.session_id,
        application_uri=subject.application_uri,
        certificate_sha256=subject.certificate_sha256,
        address=subject.address,
        zone=subject.zone,
        authentication=subject.authentication,
    )


def _claimed_name(token: Any) -> str:
    if isinstance(token, ua.UserNameIdentityToken):
        return str(token.UserName or "")
    return ""


def _kind(token: Any) -> str:
    kinds = {
        ua.UserNameIdentityToken: "UserName",
        ua.X509IdentityToken: "Certificate",
        ua.IssuedIdentityToken: "IssuedToken",
    }
    return kinds.get(type(token), "Anonymous")


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


@lru_cache(maxsize=8)
def _hosts_of(certificate: bytes) -> frozenset[str]:
    """The host names and addresses of a certificate, in lower case."""
    extensions = load_certificate(certificate).extensions
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    hosts = (name.lower() for name in names.get_values_for_type(x509.DNSName))
    return frozenset((*hosts, *addresses))
