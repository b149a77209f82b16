"""The ports of a zone's front end: each asks the core."""

from __future__ import annotations

from asyncio import Future
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from biogate.opcua.codec import Reader, encode_variant
from biogate.opcua.codec.structures import codec_of
from biogate.opcua.errors import StatusError
from biogate.opcua.ports import (
    Identity,
    OnRecord,
    RawPage,
    RawQuery,
    StoredValue,
    StoredWrites,
    UnfitValue,
)
from biogate.opcua.space.methods import InvalidArgumentsError, MethodCall, Outputs
from biogate.opcua.stack import StatusCodes, ua
from biogate.zones.columns import from_rows, to_stored
from biogate.zones.messages import (
    Authenticate,
    CallMethod,
    IdentityReply,
    Message,
    ReadHistory,
    Record,
    UnfitOf,
    WriteSetPoint,
    WriteStored,
    WriteUnaudited,
)
from biogate.zones.node_ids import to_bytes
from biogate.zones.receipts import tell
from biogate.zones.requester import Requester
from biogate.zones.subjects import clipped, who
from biogate_security.audit import AuditRecord, AuditUnavailableError
from biogate_security.policy import Subject

_SHOWN_CHARACTERS = 1000
_RECORDED_CHARACTERS = 65_536
_MOST_ARGUMENTS = 256
_RESULT = codec_of(ua.CallMethodResult)


class CommandProxy:
    """`CommandPort` over the link."""

    def __init__(self, requester: Requester) -> None:
        self._requester = requester

    async def write(
        self,
        subject: Subject,
        tag: int,
        node_id: str,
        value: float | str | UnfitValue,
        *,
        client_audit_entry_id: str = "",
        on_record: OnRecord | None = None,
    ) -> int:
        """Write a set-point; the StatusCode that the client gets."""
        unfit = isinstance(value, UnfitValue)
        return await self._command(
            on_record,
            WriteSetPoint,
            who(subject),
            tag,
            node_id,
            None if unfit else value,
            _unfit(value),
            clipped(client_audit_entry_id),
        )

    async def write_stored(
        self,
        subject: Subject,
        tag: int,
        node_id: str,
        write: StoredValue | UnfitValue,
        *,
        client_audit_entry_id: str = "",
        on_record: OnRecord | None = None,
    ) -> int:
        """Write a stored Variable; the StatusCode that the client gets."""
        stored = None if isinstance(write, UnfitValue) else to_stored(write)
        return await self._command(
            on_record,
            WriteStored,
            who(subject),
            tag,
            node_id,
            stored,
            _unfit(write),
            clipped(client_audit_entry_id),
        )

    def write_unaudited(self, writes: StoredWrites) -> Future[Any]:
        """Write unaudited Variables in the core; the values come back before its answer."""
        return self._requester.send(
            WriteUnaudited,
            writes.tag.astype(np.int32).tobytes(),
            writes.value.astype(np.float64).tobytes(),
            writes.status.astype(np.uint32).tobytes(),
            writes.source_time.astype(np.int64).tobytes(),
            {row: bytes(encode_variant(held)) for row, held in writes.objects.items()},
        )

    async def _command(self, on_record: OnRecord | None, make: type[Message], *fields: Any) -> int:
        try:
            reply = await self._requester.ask(make, *fields, on_record is not None)
        except StatusError as error:
            return error.status
        tell(on_record, reply.receipt)
        return int(reply.status)


def _unfit(value: object) -> UnfitOf | None:
    if not isinstance(value, UnfitValue):
        return None
    return UnfitOf(value.status, value.text[:_SHOWN_CHARACTERS])


@dataclass(frozen=True, slots=True)
class _Identity:
    user: str
    roles: frozenset[str]
    authentication: str
    must_change_password: bool
    until: int | None


class AuthenticatorProxy:
    """`Authenticator` over the link."""

    def __init__(self, requester: Requester) -> None:
        self._requester = requester

    async def authenticate(self, name: str, password: str, source: str = "") -> Identity | None:
        """Who somebody with a password is."""
        reply = await self._ask("password", name, password.encode(), source)
        return _identity(reply)

    async def authenticate_certificate(self, chain_der: bytes, source: str = "") -> Identity | int:
        """Who somebody with a certificate is, or the StatusCode that says why not."""
        reply = await self._ask("certificate", "", chain_der, source)
        return _identity(reply) or reply.status or StatusCodes.BadIdentityTokenRejected

    async def authenticate_token(self, token: bytes, source: str = "") -> Identity | None:
        """Who somebody with an issued token is."""
        return _identity(await self._ask("token", "", token, source))

    async def _ask(self, *fields: object) -> IdentityReply:
        try:
            reply = await self._requester.ask(Authenticate, *fields)
        except StatusError:
            return IdentityReply(0, None)
        assert isinstance(reply, IdentityReply)
        return reply


def _identity(reply: IdentityReply) -> _Identity | None:
    if reply.user is None:
        return None
    return _Identity(
        reply.user, frozenset(reply.roles), reply.authentication, reply.must_change_password,
        reply.until,
    )  # fmt: skip


class AuditProxy:
    """`AuditPort` over the link: the core stamps zone and time."""

    def __init__(self, requester: Requester) -> None:
        self._requester = requester

    async def record(self, record: AuditRecord) -> int:
        """The number of the record. Raises AuditUnavailableError."""
        try:
            reply = await self._requester.ask(Record, _fields(record))
        except StatusError as error:
            raise AuditUnavailableError(str(error)) from error
        return int(reply.number)


def _fields(record: AuditRecord) -> dict[str, Any]:
    return {
        name: clipped(value, _RECORDED_CHARACTERS) if isinstance(value, str) else value
        for name, value in asdict(record).items()
    }


class HistoryProxy:
    """`HistoryReader` over the link. `historized` has the tags whose history is kept."""

    def __init__(self, requester: Requester, historized: frozenset[str]) -> None:
        self._requester = requester
        self._historized = historized

    def has_history(self, tag: str) -> bool:
        """Whether values of the tag are kept."""
        return tag in self._historized

    async def read_raw(self, query: RawQuery, most: int) -> RawPage:
        """The first rows of what is asked for."""
        reply = await self._requester.ask(
            ReadHistory, query.tag, query.start, query.end, query.limit, query.bounds,
            query.resume, most,
        )  # fmt: skip
        server_time = np.frombuffer(reply.server_times, np.int64)
        columns = from_rows(reply.rows, np.zeros(len(server_time), np.int32))
        return RawPage(
            (columns.value, columns.status, columns.source_time, server_time),
            columns.objects,
            reply.more,
        )


class MethodProxy:
    """Handlers of Methods that the core runs."""

    def __init__(self, requester: Requester) -> None:
        self._requester = requester

    async def call(self, call: MethodCall) -> Outputs:
        """The outputs. Raises StatusError, InvalidArgumentsError."""
        reply = await self._requester.ask(CallMethod, *_call(call), 0)
        tell(call.on_record, reply.receipt)
        result: ua.CallMethodResult = _RESULT.decode(Reader(reply.result))
        refused = result.InputArgumentResults or ()
        if any(each.value for each in refused):
            raise InvalidArgumentsError(*(each.value for each in refused))
        if result.StatusCode.value != StatusCodes.Good:
            raise StatusError(result.StatusCode.value)
        return result.OutputArguments or []

    async def refused(self, call: MethodCall, status: int) -> None:
        """Let the core record a call that is not made."""
        try:
            reply = await self._requester.ask(CallMethod, *_call(call), int(status))
        except StatusError:
            return  # the core has counted and logged why
        tell(call.on_record, reply.receipt)


def _call(call: MethodCall) -> tuple[Any, ...]:
    return (
        who(call.context.subject),
        to_bytes(call.object_id),
        to_bytes(call.method_id),
        tuple(bytes(encode_variant(each)) for each in call.arguments[:_MOST_ARGUMENTS]),
        clipped(call.context.request_header.AuditEntryId or ""),
        call.on_record is not None,
    )
