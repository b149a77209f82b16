"""Who may call what manages security: the role and the channel that Part 18 asks for.

The nodes' RolePermissions say the same of the instances' Methods; a Method may also be called by
the NodeId of its declaration in the type, which says nothing.
"""

from __future__ import annotations

from biogate.opcua.errors import StatusError
from biogate.opcua.space.methods import MethodCall
from biogate.opcua.stack import StatusCodes, ua
from biogate_security.roles import Role

_ENCRYPTED = ua.MessageSecurityMode.SignAndEncrypt.name


def check_encrypted(call: MethodCall) -> None:
    """Raise StatusError Bad_SecurityModeInsufficient unless the channel is encrypted."""
    if call.context.subject.security_mode != _ENCRYPTED:
        raise StatusError(StatusCodes.BadSecurityModeInsufficient)


def check_administrator(call: MethodCall) -> None:
    """Raise StatusError unless a SecurityAdmin calls over an encrypted channel.

    And still is one: the account may have been shut, or its role withdrawn, since the request
    came, which may hold many calls.
    """
    check_encrypted(call)
    subject, session = call.context.subject, call.context.session
    if session.closed:
        raise StatusError(StatusCodes.BadSessionClosed)
    now = session.subject if session.subject.user == subject.user else subject
    if Role.SECURITY_ADMIN not in subject.roles & now.roles:
        raise StatusError(StatusCodes.BadUserAccessDenied)
