"""What all push methods share: who may call them, one at a time, and what is recorded of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from biogate.opcua.errors import StatusError
from biogate.opcua.ports import PkiAdmin
from biogate.opcua.push.facts import refused_fact
from biogate.opcua.push.transaction import Transactions
from biogate.opcua.push.watch import CertificateWatch
from biogate.opcua.roles.security_admin import check_administrator
from biogate.opcua.space.methods import MethodCall, MethodHandler, Outputs
from biogate.opcua.stack import ObjectIds, StatusCodes, node_id, ua
from biogate_security.pki_update import PkiUpdateError
from biogate_security.threads import in_thread
from biogate_security.trust_content import Group

if TYPE_CHECKING:
    from biogate.opcua.services.context import ServerContext

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

Handler = Callable[[MethodCall], Awaitable[Outputs]]

GROUPS = {
    node_id(ObjectIds.ServerConfiguration_CertificateGroups_DefaultApplicationGroup): (
        Group.APPLICATION
    ),
    node_id(ObjectIds.ServerConfiguration_CertificateGroups_DefaultUserTokenGroup): Group.USER,
}
RSA_SHA256 = node_id(ObjectIds.RsaSha256ApplicationCertificateType)


@dataclass(slots=True)
class Desk:
    """The methods' way to the PKI. They take turns: each finds what the one before left."""

    server: ServerContext
    admin: PkiAdmin
    watch: CertificateWatch
    transactions: Transactions = field(default_factory=Transactions)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def guarded(self, handler: Handler) -> MethodHandler:
        """`handler` for administrators only, its failures as StatusCodes and as records."""

        async def run(call: MethodCall) -> Outputs:
            check_administrator(call)
            async with self.turn:
                check_administrator(call)
                return await handler(call)

        async def recorded(call: MethodCall) -> Outputs:
            try:
                return await run(call)
            except PkiUpdateError as error:
                self._note(call, error.status, error.reason)
                raise StatusError(error.status, str(error)) from error
            except StatusError as error:
                self._note(call, error.status, "")
                raise
            except OSError as error:
                _log.exception("the PKI folder cannot be used")
                self._note(call, StatusCodes.BadResourceUnavailable, str(error))
                raise StatusError(StatusCodes.BadResourceUnavailable) from error

        return recorded

    async def refused(self, call: MethodCall, status: int) -> None:
        """A call was not made, for want of rights or for its arguments."""
        self._note(call, status, "")

    def _note(self, call: MethodCall, status: int, reason: str) -> None:
        self.server.auditor.note(refused_fact(call, status, reason))

    async def in_thread(self, function: Callable[..., _T], *arguments: object) -> _T:
        """Files and keys take time that the event loop does not have. Once begun it is finished,
        and nobody else has their turn before."""
        return await in_thread(partial(function, *arguments))


def group_of(argument: ua.Variant) -> Group:
    """The CertificateGroup that an argument names; null is the DefaultApplicationGroup.

    Raises StatusError Bad_InvalidArgument.
    """
    identifier: ua.NodeId = argument.Value
    if identifier.is_null():
        return Group.APPLICATION
    if identifier not in GROUPS:
        raise StatusError(StatusCodes.BadInvalidArgument)
    return GROUPS[identifier]


def require_own_slot(group: ua.Variant, certificate_type: ua.Variant) -> None:
    """The one certificate that there is. Raises StatusError Bad_InvalidArgument for another."""
    kind: ua.NodeId = certificate_type.Value
    if group_of(group) is not Group.APPLICATION or not (kind.is_null() or kind == RSA_SHA256):
        raise StatusError(StatusCodes.BadInvalidArgument)


def session_of(call: MethodCall) -> object:
    """Whose handles and transaction a call is about."""
    session: object = call.context.session
    return session


def byte_strings(values: Sequence[bytes]) -> ua.Variant:
    """An array of ByteStrings."""
    return ua.Variant(list(values), ua.VariantType.ByteString, is_array=True)
