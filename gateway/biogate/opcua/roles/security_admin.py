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
    """Raise StatusError unless a SecurityAdmin calls over an encrypted channel."""
    check_encrypted(call)
    if Role.SECURITY_ADMIN not in call.context.subject.roles:
        raise StatusError(StatusCodes.BadUserAccessDenied)
