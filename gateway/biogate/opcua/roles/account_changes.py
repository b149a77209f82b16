"""What a changed account means for its open sessions: they end, or have other rights at once."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from biogate.opcua.errors import ServiceError
from biogate.opcua.stack import StatusCodes
from biogate_security.roles import SESSION_ROLES, AccountChange, Role

if TYPE_CHECKING:
    from biogate.opcua.services.context import ServerContext
    from biogate.opcua.services.user_token import Login
    from biogate.opcua.session import Session

_log = logging.getLogger(__name__)


def apply_change(server: ServerContext, change: AccountChange) -> None:
    """End the sessions that the account may have no longer, and give the others its roles.

    Whoever logged in with an old password or certificate must do it again; the session that
    changed it goes on. Sessions of issued tokens have no account.
    """
    server.account_changes += 1
    server.last_change_of[change.user] = server.account_changes
    for session in server.sessions:
        if session.identity is None or session.identity[0].user != change.user:
            continue
        subject = session.identity[0]
        if subject.authentication == "IssuedToken":
            continue
        renewed = change.secret_changed and subject.session_id != change.by_session
        if renewed or not change.active:
            _end(server, session, "account disabled" if not change.active else "secret changed")
        elif not session.must_change_password:
            own = subject.roles & {role.value for role in SESSION_ROLES}
            subject = replace(subject, roles=change.roles | (own - {Role.ANONYMOUS}))
            session.identity = (subject, server.rights.view(subject))


def certificate_users_changed(server: ServerContext) -> None:
    """Nobody whose certificate was judged before now may log in with it."""
    server.account_changes += 1
    server.last_trust_change = server.account_changes


def check_unchanged(server: ServerContext, login: Login, since: int) -> None:
    """Raise ServiceError Bad_UserAccessDenied for an account that has changed while its user was
    judged, or whose certificate may have: after `since`, which is what `server.account_changes`
    was then."""
    by_certificate = login.authentication == "Certificate"
    changed = server.last_trust_change if by_certificate else 0
    if login.user is not None:
        changed = max(changed, server.last_change_of.get(login.user, 0))
    if changed > since:
        raise ServiceError(StatusCodes.BadUserAccessDenied)


def _end(server: ServerContext, session: Session, why: str) -> None:
    _log.info("session ended: %s", why, extra={"session": session.name})
    server.sessions.drop(session)
