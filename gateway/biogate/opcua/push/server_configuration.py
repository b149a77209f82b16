"""Methods of the ServerConfiguration object (Part 12, 7.10.5 to 7.10.12)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from biogate.opcua.audit.fact import Fact
from biogate.opcua.errors import ServiceError, StatusError
from biogate.opcua.push.desk import (
    RSA_SHA256,
    Desk,
    Handler,
    byte_strings,
    group_of,
    require_own_slot,
    session_of,
)
from biogate.opcua.push.facts import call_record, intention, outcome
from biogate.opcua.space.methods import MethodCall, Outputs
from biogate.opcua.stack import StatusCodes, ua
from biogate_security.pki_update import PkiChange, PkiUpdate, PkiUpdateError
from biogate_security.trust_content import Group

_T = ua.VariantType
_MOST_REJECTED_BYTES = 1 << 20
_MOST_ISSUERS = 10


def server_configuration_methods(
    desk: Desk, written_to: Callable[[], bool]
) -> Mapping[str, Handler]:
    """Handlers by BrowseName. `written_to`: whether a trust list is open for writing."""
    return {
        "CreateSigningRequest": partial(_create_signing_request, desk),
        "UpdateCertificate": partial(_update_certificate, desk),
        "ApplyChanges": partial(_apply_changes, desk, written_to),
        "CancelChanges": partial(_cancel_changes, desk),
        "GetRejectedList": partial(_get_rejected_list, desk),
        "GetCertificates": partial(_get_certificates, desk),
    }


async def _create_signing_request(desk: Desk, call: MethodCall) -> Outputs:
    """A request for a certificate; a new key waits here until it comes (7.10.10)."""
    group, kind, subject, new_key, nonce = call.arguments
    require_own_slot(group, kind)
    if new_key.Value:
        record = call_record("certificate-request", call, reason="a new key is made")
        await _require(desk, Fact(record))
    request = await desk.in_thread(
        partial(
            desk.admin.signing_request,
            subject.Value or "",
            new_key=bool(new_key.Value),
            nonce=nonce.Value or b"",
        )
    )
    return [ua.Variant(request, _T.ByteString)]


async def _update_certificate(desk: Desk, call: MethodCall) -> Outputs:
    """A new own certificate, to be used from ApplyChanges on (7.10.5)."""
    group, kind, certificate, issuers, key_format, key = call.arguments
    require_own_slot(group, kind)
    if len(issuers.Value or ()) > _MOST_ISSUERS:
        raise StatusError(StatusCodes.BadInvalidArgument)
    _require_not_others(desk, call)
    update = await desk.in_thread(
        desk.admin.check_certificate,
        certificate.Value or b"",
        (*(der or b"" for der in issuers.Value or ()), *_waiting_issuers(desk)),
        key_format.Value or "",
        key.Value or b"",
    )
    transaction = desk.transactions.join(session_of(call), desk.server.wall_clock())
    transaction.own = update
    return [ua.Variant(Value=True, VariantType=_T.Boolean)]


def _waiting_issuers(desk: Desk) -> tuple[bytes, ...]:
    """Authorities that this transaction has brought already."""
    current = desk.transactions.current
    waiting = current.lists.get(Group.APPLICATION) if current else None
    return () if waiting is None else (*waiting.issuers, *waiting.trusted)


async def _apply_changes(desk: Desk, written_to: Callable[[], bool], call: MethodCall) -> Outputs:
    """Let everything of this transaction take effect (7.10.9)."""
    transaction = desk.transactions.of(session_of(call))
    if written_to():
        raise StatusError(StatusCodes.BadInvalidState)
    await apply(desk, call, transaction.update)
    desk.transactions.end(desk.server.wall_clock(), StatusCodes.Good)
    return []


async def apply(desk: Desk, call: MethodCall, update: PkiUpdate) -> None:
    """Check once more, record, change the files, and record what came of it.

    A failure ends the transaction. Raises StatusError, PkiUpdateError or OSError.
    """
    try:
        changes = await desk.in_thread(_checked, desk, update)
        for change in changes:
            await _require(desk, intention(call, change))
        await _commit(desk, call, update, changes)
    except PkiUpdateError as error:
        desk.transactions.end(desk.server.wall_clock(), error.status, str(error))
        raise
    except (StatusError, OSError) as error:
        status = (
            error.status if isinstance(error, StatusError) else (StatusCodes.BadResourceUnavailable)
        )
        desk.transactions.end(desk.server.wall_clock(), status, str(error))
        raise


def _checked(desk: Desk, update: PkiUpdate) -> list[PkiChange]:
    """What it would change, if it is still right: the folders may be others by now."""
    for group, content in update.lists.items():
        desk.admin.check_trust_list(group, content)
    return list(desk.admin.describe(update))


async def _commit(
    desk: Desk, call: MethodCall, update: PkiUpdate, changes: list[PkiChange]
) -> None:
    """Change the files, and let the watch see to what follows. Raises OSError, PkiUpdateError."""
    status = StatusCodes.BadResourceUnavailable

    def commit() -> None:  # even if whoever asked for it does not wait
        nonlocal status
        desk.admin.commit(update)
        status = StatusCodes.Good

    desk.watch.busy = True
    try:
        await desk.in_thread(commit)
    finally:
        desk.watch.busy = False
        for change in changes:
            desk.server.auditor.note(outcome(call, change, status))
        desk.watch.look(recorded=True)


async def _cancel_changes(desk: Desk, call: MethodCall) -> Outputs:
    """Forget what waits for ApplyChanges (7.10.11)."""
    desk.transactions.of(session_of(call))
    desk.transactions.end(desk.server.wall_clock(), StatusCodes.BadRequestCancelledByClient)
    return []


async def _get_rejected_list(desk: Desk, call: MethodCall) -> Outputs:
    """The certificates that were refused, newest first, as far as there is room (7.8.3.2)."""
    room = min(_MOST_REJECTED_BYTES, call.context.response_room // 2)
    shown = []
    for der in await desk.in_thread(desk.admin.rejected_certificates):
        room -= len(der) + 4
        if room < 0:
            break
        shown.append(der)
    return [byte_strings(shown)]


async def _get_certificates(desk: Desk, call: MethodCall) -> Outputs:
    """The certificates of a group and their types; users' have none of this server (7.10.8)."""
    (group,) = call.arguments
    own = group_of(group) is Group.APPLICATION
    types = [RSA_SHA256] if own else []
    certificates = [desk.server.pki.certificate_der] if own else []
    return [ua.Variant(types, _T.NodeId, is_array=True), byte_strings(certificates)]


def _require_not_others(desk: Desk, call: MethodCall) -> None:
    """Raises StatusError Bad_TransactionPending while another session has a transaction."""
    current = desk.transactions.current
    if current is not None and current.session is not session_of(call):
        raise StatusError(StatusCodes.BadTransactionPending)


async def _require(desk: Desk, fact: Fact) -> None:
    """Nothing happens without its record. Raises StatusError Bad_ResourceUnavailable."""
    try:
        await desk.server.auditor.require(fact)
    except ServiceError as error:
        raise StatusError(error.status) from error
