"""RequestChange, ApproveChange, RejectChange: who may sign for what, and what comes of it.

A password is asked for at each signing (21 CFR 11.200), and is kept nowhere. It is that of the
account: who logs in with a certificate or token signs with the account's password, too.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NoReturn, Protocol

from biogate.opcua.codec import encode_variant
from biogate.opcua.errors import StatusError
from biogate.opcua.ports import Authenticator, Receipt
from biogate.opcua.space.methods import MethodCall, Outputs
from biogate.opcua.stack import StatusCodes, ua
from biogate.records import Records
from biogate.signatures.changes import Change, Changes
from biogate.signatures.pending import EXPIRES_S, FullError, PendingChange, PendingChanges
from biogate.signatures.signature import Signature, Signing
from biogate_security.audit import AuditUnavailableError
from biogate_security.filetime import to_iso
from biogate_security.log_text import safe_text
from biogate_security.policy import Action, Decision, Resource, Subject
from biogate_security.roles import SESSION_ROLES

_log = logging.getLogger(__name__)
_T = ua.VariantType
MAX_REASON, MAX_MEANING = 500, 40
WAITS = StatusCodes.GoodCompletesAsynchronously
"""The Status of a change that waits for a second person."""


class Signers(Authenticator, Protocol):
    """Who may sign."""

    def roles_of(self, name: str) -> frozenset[str] | None:
        """The roles that an account has now; None for one that nobody can log in with."""
        ...


@dataclass(slots=True)
class Signatures:
    """Handlers of the methods. `names` are printed names by account; `clock` is monotonic
    seconds, `wall_clock` FILETIME ticks."""

    changes: Changes
    authenticator: Signers
    records: Records
    names: Mapping[str, str]
    clock: Callable[[], float]
    wall_clock: Callable[[], int]
    pending: PendingChanges

    async def request(self, call: MethodCall) -> Outputs:
        """RequestChange: (RequestId, Status). Raises StatusError for one that cannot be."""
        await self._forget_expired()
        node, value, reason, meaning, password = (each.Value for each in call.arguments)
        given = call.arguments[1]
        subject: Subject = call.context.subject
        if value is None:
            given = ua.Variant()
        change = self.changes.find(call, node, given)
        await self._check_right(change, subject)
        reason = _text(reason, MAX_REASON, "Reason")
        first = await self._sign(subject, change, meaning, password)
        if not change.second_person:
            status = await self._perform(change, Signature(first, reason), subject, call)
            return _outputs("", status)
        size = len(encode_variant(given))
        return _outputs(await self._wait(change, subject, first, reason, size), WAITS)

    async def approve(self, call: MethodCall) -> Outputs:
        """ApproveChange: (Status,) of the change, which is made now."""
        await self._forget_expired()
        change_id, meaning, password = (each.Value for each in call.arguments)
        subject: Subject = call.context.subject
        waiting = self._visible(call, str(change_id or ""))
        if subject.user is None or subject.user == waiting.first.user:
            await self._refuse(subject, waiting, "the second person must be another one")
        if not subject.roles & waiting.approvers:
            await self._refuse(subject, waiting, "none of their roles may approve")
        second = await self._sign(subject, waiting, meaning, password)
        taken = self.pending.take(waiting.id)
        if taken is None:  # meanwhile somebody else was faster
            raise StatusError(StatusCodes.BadNoEntryExists)
        by = self._as_of_now(taken.subject)
        if by is None:
            await self._refuse(subject, taken, f"the account of {taken.first.user} is shut")
        status = await taken.perform(Signature(taken.first, taken.reason, second), by)
        return [_status(status)]

    async def reject(self, call: MethodCall) -> Outputs:
        """RejectChange: by whoever could approve it, or by who asked for it."""
        await self._forget_expired()
        change_id, reason = (each.Value for each in call.arguments)
        subject: Subject = call.context.subject
        waiting = self._visible(call, str(change_id or ""))
        if subject.user != waiting.first.user and not subject.roles & waiting.approvers:
            await self._refuse(subject, waiting, "none of their roles may reject")
        why = _text(reason, MAX_REASON, "Reason")
        self.pending.take(waiting.id)  # while the record is stored, nobody may approve it
        try:
            await self._record("change-rejected", subject, waiting, why)
        except StatusError:
            self.pending.add(waiting)
            raise
        return []

    def list_pending(self, call: MethodCall) -> Outputs:
        """ListPendingChanges: a JSON object for each change that the caller may see."""
        seen = [change for change in self.pending if self._sees(call, change)]
        texts = [json.dumps(self._shown(change)) for change in seen]
        return [ua.Variant(texts, _T.String, is_array=True)]

    def _shown(self, change: PendingChange) -> Mapping[str, object]:
        return {
            "id": change.id,
            "node": change.node.to_string(),
            "old": change.old,
            "new": change.new,
            "user": change.first.user,
            "name": change.first.printed_name,
            "reason": change.reason,
            "meaning": change.first.meaning,
            "requested": to_iso(change.first.time),
            "expires_in_s": round(change.expires_s - self.clock()),
        }

    def _sees(self, call: MethodCall, change: PendingChange) -> bool:
        """A change shows what a Variable holds: it is for who may read that."""
        rights = call.context.rights
        node = rights.visible(change.node)
        if node is None:
            return False
        return node.node_class is ua.NodeClass.Method or rights.may(Action.READ, node)

    def _as_of_now(self, subject: Subject) -> Subject | None:
        """Who asked for a change, with the roles that their account has now; None: it is shut."""
        roles = self.authenticator.roles_of(subject.user or "")
        if roles is None:
            return None
        own = subject.roles & {role.value for role in SESSION_ROLES}
        return replace(subject, roles=roles | own)

    def _visible(self, call: MethodCall, change_id: str) -> PendingChange:
        """The change; one on a node that the caller may not see does not exist for them."""
        change = self.pending.find(change_id)
        if change is None or not self._sees(call, change):
            raise StatusError(StatusCodes.BadNoEntryExists)
        return change

    async def _check_right(self, change: Change, subject: Subject) -> None:
        if subject.user is None:
            await self._refuse(subject, change, "nobody signs without an account")
        if not change.permitted:
            await self._refuse(subject, change, "they may not change it")

    async def _sign(
        self, subject: Subject, change: Change | PendingChange, meaning: object, password: object
    ) -> Signing:
        """Raises StatusError for a meaning that there is not, and for a wrong password."""
        text = _text(meaning, MAX_MEANING, "Meaning")
        if change.meanings and text not in change.meanings:
            raise StatusError(StatusCodes.BadInvalidArgument, f"Meaning {text!r} is not offered")
        user = subject.user or ""
        found = await self.authenticator.authenticate(user, str(password or ""), subject.address)
        if found is None or found.user != user:
            await self._refuse(subject, change, "the password is not theirs")
        return Signing(user, self.names.get(user) or user, text, self.wall_clock())

    async def _wait(
        self, change: Change, subject: Subject, first: Signing, reason: str, size: int
    ) -> str:
        """Let a change wait for a second person, once that is recorded; its id."""
        pending = PendingChange(
            self.pending.new_id(),
            change.node,
            subject,
            first,
            reason,
            change.old(),
            change.new,
            change.meanings,
            change.approvers,
            self.clock() + EXPIRES_S,
            lambda signature, by: self._perform(change, signature, by, None),
            size,
        )
        try:
            self.pending.hold(pending)
        except FullError as error:
            raise StatusError(StatusCodes.BadTooManyOperations, str(error)) from error
        try:
            await self._record("change-requested", subject, pending, reason)
        except BaseException:
            self.pending.let_go(pending)
            raise
        self.pending.add(pending)
        return pending.id

    async def _perform(
        self, change: Change, signature: Signature, by: Subject, call: MethodCall | None
    ) -> int:
        receipts: list[Receipt] = []
        status = await change.perform(signature, by, receipts.append)
        if receipts:
            self.changes.tell(change, status, receipts[0])
            if call is not None and call.on_record is not None:
                call.on_record(receipts[0])
        return status

    async def _record(
        self, event: str, subject: Subject, change: Change | PendingChange, reason: str
    ) -> None:
        """Raises StatusError Bad_ResourceUnavailable."""
        entry = self.records.entry(
            event, subject, Resource(change.node.to_string()), Decision(allow=True, reason=reason)
        )
        if isinstance(change, PendingChange):
            second = subject.user if subject.user != change.first.user else ""
            entry = replace(
                entry,
                old=change.old,
                new=change.new,
                meaning=change.first.shown,
                second_user=second or "",
            )
        try:
            await self.records.intention(entry)
        except AuditUnavailableError as error:
            _log.error("a change was refused: %s", error, extra={"node": change.node.to_string()})
            raise StatusError(StatusCodes.BadResourceUnavailable) from error

    async def _refuse(
        self, subject: Subject, change: Change | PendingChange, reason: str
    ) -> NoReturn:
        """Record that a signature was not taken; always raises StatusError."""
        resource = Resource(change.node.to_string())
        decision = Decision(allow=False, reason=f"not signed: {reason}", rule="signature")
        entry = replace(self.records.entry("signature", subject, resource, decision))
        await self.records.refusal(entry, StatusCodes.BadUserAccessDenied)
        raise StatusError(StatusCodes.BadUserAccessDenied)

    async def _forget_expired(self) -> None:
        """Record what nobody approved; what cannot be recorded now is another time."""
        for change in self.pending.expired():
            try:
                await self._record("change-expired", change.subject, change, change.reason)
            except StatusError:
                self.pending.add(change)


def _text(given: object, most: int, name: str) -> str:
    text = str(given or "").strip()
    if not text or len(text) > most:
        raise StatusError(StatusCodes.BadInvalidArgument, f"{name}: 1 to {most} characters")
    return safe_text(text, most)


def _status(status: int) -> ua.Variant:
    return ua.Variant(ua.StatusCode(ua.UInt32(status)), _T.StatusCode)


def _outputs(change_id: str, status: int) -> Outputs:
    return [ua.Variant(change_id, _T.String), _status(status)]
