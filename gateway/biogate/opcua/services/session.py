"""Session service set: CreateSession, ActivateSession, CloseSession, Cancel (Part 4, 5.7)."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from biogate.opcua.audit.sessions import (
    activation_refused,
    request_cancelled,
    session_activated,
    session_created,
    session_refused,
    url_mismatch,
)
from biogate.opcua.codec import encode_message
from biogate.opcua.errors import ServiceError
from biogate.opcua.own_keys import own_key
from biogate.opcua.roles.account_changes import check_unchanged
from biogate.opcua.services.context import Needs, RequestContext, Service
from biogate.opcua.services.created_session import created_session
from biogate.opcua.services.secret_key import add_key
from biogate.opcua.services.user_token import (
    Login,
    Proof,
    RefusedLoginError,
    check_token,
    identify,
)
from biogate.opcua.session import CLOSED, NONCE_BYTES, Session
from biogate.opcua.stack import StatusCodes, status_name, ua
from biogate.opcua.statistics import SessionStatistics
from biogate.opcua.transport.interfaces import ChannelInfo
from biogate.opcua.transport.policies import (
    NONE_URI,
    CryptographyError,
    leaf_of,
    sign_data,
    verify_data,
)
from biogate_adapters.filetime import TICKS_PER_SECOND
from biogate_security.policy import Subject
from biogate_security.roles import Role
from biogate_security.status import wire_status

_log = logging.getLogger(__name__)
_MAX_NAME_LENGTH = 256


def create_session(ctx: RequestContext, request: ua.CreateSessionRequest) -> bytes:
    """A session bound to this channel, to be activated by its user (5.7.2)."""
    auditor, parameters = ctx.server.auditor, request.Parameters
    try:
        session, response = _create(ctx, parameters)
    except ServiceError as error:
        auditor.note(session_refused(ctx, parameters, error.status, error.precise))
        raise
    auditor.note(session_created(ctx, session))
    mismatch = url_mismatch(ctx, session, parameters.EndpointUrl or "")
    if mismatch is not None:
        auditor.note(mismatch)
    return response


def _create(ctx: RequestContext, parameters: Any) -> tuple[Session, bytes]:
    """The session and the encoded response. Raises ServiceError."""
    server = ctx.server
    if parameters.ServerUri and parameters.ServerUri != server.config.application_uri:
        raise ServiceError(StatusCodes.BadServerUriInvalid)
    if _is_secure(ctx.channel):
        _check_client(ctx, parameters)
    _check_admission(ctx, parameters.ClientDescription.ApplicationUri or "")
    session = _new_session(ctx, parameters)
    session.statistics = SessionStatistics(
        ctx.now_ticks, parameters.EndpointUrl or "", parameters.ServerUri or ""
    )
    header = ctx.response_header()
    add_key(ctx, session, header)
    response = created_session(
        header,
        session,
        own_key(server.pki, ctx.channel.security_policy_uri).certificate_chain,
        server.endpoints.encoded,
        _sign(ctx, parameters.ClientNonce or b""),
        server.config.limits.max_message_size,
    )
    return session, response


def _new_session(ctx: RequestContext, parameters: Any) -> Session:
    sessions = ctx.server.sessions
    try:
        return sessions.create(
            ctx.channel,
            parameters.ClientDescription,
            (parameters.SessionName or "")[:_MAX_NAME_LENGTH],
            parameters.RequestedSessionTimeout,
            parameters.MaxResponseMessageSize,
        )
    except ServiceError as error:
        ctx.warn("session refused", status=status_name(error.status), sessions=len(sessions))
        raise


def _is_secure(channel: ChannelInfo) -> bool:
    return channel.security_policy_uri != NONE_URI


def _check_client(ctx: RequestContext, parameters: Any) -> None:
    """The application behind the session must be the one behind the channel."""
    certificate = ctx.channel.client_certificate
    try:
        same = leaf_of(parameters.ClientCertificate or b"") == certificate
    except CryptographyError:
        same = False
    if certificate is None or not same:
        raise ServiceError(StatusCodes.BadSecurityChecksFailed)
    uri = parameters.ClientDescription.ApplicationUri or ""
    # The issuers between it and a trusted one may have come with the channel and nowhere else.
    status = ctx.server.pki.validate(ctx.channel.client_chain, uri)
    if status != StatusCodes.Good:
        raise ServiceError(wire_status(status), precise=status)
    if len(parameters.ClientNonce or b"") < NONCE_BYTES:
        raise ServiceError(StatusCodes.BadNonceInvalid)


def _check_admission(ctx: RequestContext, uri: str) -> None:
    """The application must be a member of the zone, where the front end is one's.

    On a channel without security the client has shown no certificate.
    """
    admission = ctx.server.admission
    if admission is None:
        return
    if not (
        admission.certificate(ctx.channel.client_certificate or b"") and admission.application(uri)
    ):
        ctx.warn("session refused: not a client of this zone", application=uri)
        raise ServiceError(StatusCodes.BadSecurityChecksFailed)


def _sign(ctx: RequestContext, client_nonce: bytes) -> ua.SignatureData:
    uri = ctx.channel.security_policy_uri
    certificate = ctx.channel.client_certificate or b""
    return sign_data(uri, own_key(ctx.server.pki, uri).private_key, certificate + client_nonce)


async def activate_session(
    ctx: RequestContext, request: ua.ActivateSessionRequest
) -> ua.ActivateSessionResponse | bytes:
    """Take the user in, or move the session to this channel (5.7.3)."""
    try:
        return await _activate(ctx, request.Parameters)
    except ServiceError as error:
        token = request.Parameters.UserIdentityToken
        ctx.server.auditor.note(activation_refused(ctx, token, error.status))
        raise


async def _activate(ctx: RequestContext, parameters: Any) -> ua.ActivateSessionResponse | bytes:
    """Raises ServiceError."""
    session = ctx.session
    _check_channel(session, ctx.channel)
    nonce = session.server_nonce
    _check_signature(ctx, nonce, parameters.ClientSignature)
    accounts_before = ctx.server.account_changes
    login = await _identify(ctx, parameters, nonce)
    _check_still_there(ctx, nonce)
    subject = _subject(ctx, login)
    moved = bool(session.activations) and ctx.channel.channel_id != session.channel.channel_id
    if moved:
        _check_same_user(session, subject)
    ctx.server.sessions.admit(session, login.user)
    event = "session-transferred" if moved else "session-activated"
    token = parameters.UserIdentityToken
    await ctx.server.auditor.require(session_activated(ctx, subject, token, event))
    _check_still_there(ctx, nonce)
    check_unchanged(ctx.server, login, accounts_before)
    session.activate(ctx.channel, subject, ctx.server.rights.view(subject))
    session.must_change_password = login.must_change_password
    session.expires_s = _expiry_s(ctx, login)
    session.statistics.activated(login.user or "", parameters.LocaleIds or ())
    ctx.server.connections.attach(session, ctx.handle)
    _log.info(
        "session activated",
        extra={
            "session": session.name,
            "user": login.user,
            "authentication": login.authentication,
            "address": ctx.channel.remote_address,
            "application": session.client.ApplicationUri,
            "security": f"{subject.security_policy_uri.partition('#')[2]} {subject.security_mode}",
        },
    )
    response = ua.ActivateSessionResponse()
    response.Parameters.ServerNonce = ua.ByteString(session.renew_nonce())
    change = login.must_change_password
    header = ctx.response_header(StatusCodes.GoodPasswordChangeRequired if change else 0)
    if not add_key(ctx, session, header) and not change:
        return response
    response.ResponseHeader = header
    return encode_message(response)


def _expiry_s(ctx: RequestContext, login: Login) -> float | None:
    """When the session ends at the latest, on the monotonic clock."""
    if login.until is None:
        return None
    left = login.until - ctx.server.wall_clock()
    return ctx.server.clock() + left / TICKS_PER_SECOND


def _check_still_there(ctx: RequestContext, nonce: bytes) -> None:
    """While the user was judged, or the record stored, others have had their turn."""
    session = ctx.session
    if session.closed or session.server_nonce != nonce:
        raise ServiceError(StatusCodes.BadSessionIdInvalid)
    if ctx.handle.channel is None:  # nobody would ever tell that its connection is gone
        raise ServiceError(StatusCodes.BadSecureChannelClosed)


def _check_channel(session: Session, channel: ChannelInfo) -> None:
    """A session moves only to a channel of the same client with the same security."""
    old = session.channel
    if channel.channel_id == old.channel_id:
        return
    same = (
        channel.security_policy_uri == old.security_policy_uri
        and channel.security_mode == old.security_mode
        and channel.client_certificate == old.client_certificate
    )
    if not session.activations or not same:
        raise ServiceError(StatusCodes.BadSecureChannelIdInvalid)


def _check_signature(ctx: RequestContext, nonce: bytes, signature: ua.SignatureData) -> None:
    channel = ctx.channel
    if not _is_secure(channel):
        return
    signed = own_key(ctx.server.pki, channel.security_policy_uri).certificate_chain + nonce
    try:
        verify_data(
            channel.security_policy_uri, channel.client_certificate or b"", signed, signature
        )
    except CryptographyError:
        raise ServiceError(StatusCodes.BadApplicationSignatureInvalid) from None


def _check_same_user(session: Session, subject: Subject) -> None:
    """Their roles may be other ones by now; then they have the rights of these."""
    if session.subject.user != subject.user:
        raise ServiceError(StatusCodes.BadIdentityChangeNotSupported)


async def _identify(ctx: RequestContext, parameters: Any, nonce: bytes) -> Login:
    endpoint = ctx.server.endpoints.of_channel(ctx.channel)
    if endpoint is None:
        raise ServiceError(StatusCodes.BadSecurityPolicyRejected)
    server, token = ctx.server, parameters.UserIdentityToken
    own = own_key(server.pki, ctx.channel.security_policy_uri)
    proof = Proof(
        own.private_key,
        own.certificate_chain,
        nonce,
        parameters.UserTokenSignature,
        ctx.channel.remote_address.rpartition(":")[0],
        ctx.session.secret_key,
        ctx.channel.client_certificate or b"",
    )
    try:
        policy = check_token(endpoint, token)
        return await identify(server.authenticator, policy, token, proof)
    except RefusedLoginError:
        ctx.session.refused_logins += 1
        raise
    except ServiceError as error:
        _log_refused(ctx, error.status)
        raise


def _log_refused(ctx: RequestContext, status: int) -> None:
    """One line for each session, of what the authenticator is not asked about."""
    ctx.session.refused_logins += 1
    if ctx.session.refused_logins == 1:
        ctx.warn(f"login refused: {status_name(status)}", session=ctx.session.name)


def _subject(ctx: RequestContext, login: Login) -> Subject:
    channel = ctx.channel
    certificate = channel.client_certificate
    # The channel's certificate was judged when it was opened, and when the session was created.
    application = {Role.TRUSTED_APPLICATION.value} if certificate else set()
    return Subject(
        user=login.user,
        roles=login.roles | application,
        session_id=ctx.session.session_id.to_string(),
        application_uri=ctx.session.client.ApplicationUri or "",
        certificate_sha256=hashlib.sha256(certificate).hexdigest() if certificate else "",
        address=channel.remote_address.rpartition(":")[0],
        security_policy_uri=channel.security_policy_uri,
        security_mode=channel.security_mode.name.rstrip("_"),
        zone=ctx.server.config.zone,
        authentication=login.authentication,
    )


def close_session(ctx: RequestContext, request: ua.CloseSessionRequest) -> ua.CloseSessionResponse:
    """End the session, activated or not (5.7.4)."""
    delete = bool(request.DeleteSubscriptions)
    ctx.session.closing_entry_id = ctx.request_header.AuditEntryId or ""
    ctx.server.sessions.close(ctx.session, delete_subscriptions=delete, cause=CLOSED)
    return ua.CloseSessionResponse()


def cancel(ctx: RequestContext, request: ua.CancelRequest) -> ua.CancelResponse:
    """Cancel the session's requests of one handle that still wait (5.7.5)."""
    handle = request.Parameters.RequestHandle
    count = ctx.server.queue.cancel(ctx.session, handle)
    count += sum(s.cancel(ctx.session, handle) for s in ctx.server.service_sets)
    ctx.server.auditor.note(request_cancelled(ctx, handle, count))
    response = ua.CancelResponse()
    response.Parameters.CancelCount = ua.UInt32(count)
    return response


SERVICES = (
    Service(ua.CreateSessionRequest, create_session, Needs.CHANNEL),
    Service(ua.ActivateSessionRequest, activate_session, Needs.ANY_SESSION),
    Service(ua.CloseSessionRequest, close_session, Needs.SESSION),
    Service(ua.CancelRequest, cancel),
)
