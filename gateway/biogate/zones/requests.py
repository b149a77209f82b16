"""What a zone asks the core for: each judged again, with the zone that the link stands for.

A zone that names what is none of its own, or a user that never logged in through it, is refused
and counted: its own front end would never ask for that.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np

from biogate.opcua.ports import (
    AuditPort,
    Authenticator,
    CommandPort,
    HistoryReader,
    Identity,
    RawQuery,
    Receipt,
)
from biogate.opcua.stack import StatusCodes, ua
from biogate.zones.accounts import CoreAccounts, manage
from biogate.zones.calls import Calls
from biogate.zones.columns import Columns, to_rows
from biogate.zones.extract import Extract, Whole
from biogate.zones.identities import Identities, NotLoggedInError
from biogate.zones.messages import (
    MAX_UNDER_WAY,
    Authenticate,
    CallMethod,
    CallReply,
    Denied,
    Done,
    HistoryReply,
    IdentityReply,
    MalformedError,
    ManageAccounts,
    Message,
    ReadHistory,
    Record,
    StatusReply,
    WriteSetPoint,
    WriteStored,
    WriteUnaudited,
)
from biogate.zones.node_ids import from_bytes
from biogate.zones.pace import Pace
from biogate.zones.receipts import receipt_message
from biogate.zones.writes import ForeignError, Writes
from biogate.zones.zone_values import ZoneValues
from biogate_security.audit import AuditRecord, AuditUnavailableError
from biogate_security.log_budget import LogBudget
from biogate_security.login_queue import LoginQueue, TooManyLoginsError
from biogate_security.login_throttle import network_of
from biogate_security.zones import Admission

_log = logging.getLogger(__name__)

_OF_FRONT_ENDS = (
    "session-",
    "login-",
    "url-",
    "request-",
    "subscriptions-",
    "channel-",
    "certificate-",
    "trust-list-",
    "pki-",
    "records-",
)
"""Beginnings of the kinds of record that a front end makes; all others are the core's."""

_MOST_RECORDED = 256 * 1024
"""Characters of one record: several of the longest texts that front ends clip to 64 Ki."""
_LOGINS_AT_A_TIME, _LOGINS_WAITING, _LOGINS_WAITING_PER_SOURCE = 4, 32, 8
"""Passwords of one zone that are with the core's own queue at a time, so that the zones take
turns there; the others wait here."""
_NOBODY = "\0"
"""Begins the name of no account: control characters are in none."""


@dataclass(slots=True)
class Services:
    """What the core has for zones."""

    whole: Whole
    commands: CommandPort
    calls: Calls
    authenticator: Authenticator
    audit: AuditPort
    history: HistoryReader | None
    accounts: CoreAccounts | None
    clock: Callable[[], int]


@dataclass(slots=True)
class Requests:
    """The requests of one link. `before_reply` runs before each answer; `broken` ends the link."""

    zone: str
    services: Services
    extract: Extract
    admission: Admission
    counters: Counter[str]
    send: Callable[[Message], None]
    before_reply: Callable[[], None]
    broken: Callable[[str], None]
    open_zones: Callable[[], frozenset[str]]
    identities: Identities = field(init=False)
    _writes: Writes = field(init=False)
    _handlers: Mapping[type, Callable[[Any], Awaitable[Message]]] = field(init=False)
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _logins: LoginQueue = field(init=False)
    _pace: Pace = field(init=False)
    _values: ZoneValues = field(default_factory=ZoneValues)
    _lines: LogBudget = field(default_factory=LogBudget)

    def __post_init__(self) -> None:
        self.identities = Identities(self.zone, self.services.clock)
        self._logins = LoginQueue(
            _LOGINS_AT_A_TIME, per_source=_LOGINS_WAITING_PER_SOURCE, most=_LOGINS_WAITING
        )
        self._pace = Pace(asyncio.get_running_loop().time)
        self._writes = Writes(
            self.services.whole.space,
            self.extract,
            self.services.commands,
            self.identities,
            self.counters,
            self._values,
        )
        self._handlers = {
            WriteSetPoint: self._writes.write,
            WriteStored: self._writes.write_stored,
            CallMethod: self.call,
            Authenticate: self.authenticate,
            ReadHistory: self.history,
            ManageAccounts: self.manage_accounts,
            Record: self.record,
        }

    def take(self, request: Any) -> None:
        """Answer a request, now or later. Raises MalformedError when too many are under way."""
        if type(request) is WriteUnaudited:  # the usual one of fast writers: no task for it
            self._reply(self._at_once(request))
            return
        if len(self._running) >= MAX_UNDER_WAY:
            raise MalformedError(f"more than {MAX_UNDER_WAY} requests at a time")
        task = asyncio.create_task(self._answer(request))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def abandon(self) -> None:
        """The link is gone: nobody waits for answers. Commands under way come to their end."""
        for task in self._running:
            task.cancel()

    def _at_once(self, request: WriteUnaudited) -> Message | None:
        try:
            return self._writes.write_unaudited(request)
        except Exception as error:  # noqa: BLE001  answered, counted and logged
            return self._failed(request, error)

    async def _answer(self, request: Any) -> None:
        try:
            reply: Message | None = await self._handlers[type(request)](request)
        except Exception as error:  # noqa: BLE001  answered, counted and logged
            reply = self._failed(request, error)
        self._reply(reply)

    def _reply(self, reply: Message | None) -> None:
        if reply is not None:
            self.before_reply()
            self.send(reply)

    def _failed(self, request: Any, error: Exception) -> Message | None:
        """The answer to a request that came to nothing; None: the link has ended."""
        if isinstance(error, MalformedError):
            self.broken(f"a request cannot be understood: {error}")
            return None
        if isinstance(error, ForeignError | NotLoggedInError):
            return self._refuse(request, error)
        if isinstance(error, AuditUnavailableError):
            return Denied(request.id, StatusCodes.BadResourceUnavailable, str(error))
        self.counters["failed"] += 1
        self._log("a zone's request could not be carried out", error)
        return Denied(request.id, StatusCodes.BadInternalError, "internal error")

    def _refuse(self, request: Any, error: Exception) -> Denied:
        foreign = isinstance(error, ForeignError)
        self.counters["foreign" if foreign else "not_logged_in"] += 1
        self._log(f"a zone asked for what it cannot have: {error or type(request).__name__}")
        status = StatusCodes.BadNodeIdUnknown if foreign else StatusCodes.BadUserAccessDenied
        return Denied(request.id, status, str(error))

    def _log(self, message: str, error: Exception | None = None) -> None:
        left_out = self._lines.spend(asyncio.get_running_loop().time())
        if left_out is not None:
            extra = {"zone": self.zone, "lines_left_out": left_out}
            _log.error(message, exc_info=error, extra=extra)

    async def call(self, request: CallMethod) -> CallReply:
        """Call a Method, or record that it was refused. Raises as `Writes` does."""
        item = ua.CallMethodRequest(
            ObjectId=from_bytes(request.object_id),
            MethodId=from_bytes(request.method_id),
            InputArguments=await self._values.decoded(request.arguments),
        )
        if item.MethodId not in self.extract.methods:
            raise ForeignError(f"method {item.MethodId.to_string():.100}")
        subject = self.identities.subject(request.subject)
        calls, entry = self.services.calls, request.client_audit_entry_id
        receipts: list[Receipt] = []
        told = receipts.append if request.receipt else None
        if request.refused:
            result = await calls.refused(subject, item, entry, request.refused, told)
        else:
            result = await calls.call(subject, item, entry, told)
        return CallReply(request.id, result, receipt_message(receipts))

    async def authenticate(self, request: Authenticate) -> IdentityReply:
        """Who somebody is; from then on they can act through this link."""
        authenticator, source = self.services.authenticator, self._source(request.source)
        found: Identity | int | None
        if request.kind == "password":
            found = await self._by_password(request)
        elif request.kind == "certificate":
            found = await authenticator.authenticate_certificate(request.secret, source)
        elif request.kind == "token":
            found = await authenticator.authenticate_token(request.secret, source)
        else:
            raise MalformedError(f"a log-in of kind {request.kind!r}")
        if found is None or isinstance(found, int):
            return IdentityReply(request.id, None, status=found or 0)
        if not self.admission.user(found.user):
            self.counters["not_admitted"] += 1
            return IdentityReply(request.id, None)
        self.identities.add(found)
        return IdentityReply(
            request.id, found.user, tuple(sorted(found.roles)), found.authentication,
            found.must_change_password, found.until,
        )  # fmt: skip

    async def _by_password(self, request: Authenticate) -> Identity | None:
        """Who may not log in from the zone is guessed in vain: at the price and with the answer
        of every wrong password, and without a failure that counts against that account."""
        name, password = request.name, request.secret.decode("utf-8", "replace")
        if not self.admission.user(name):
            self.counters["not_admitted"] += 1
            name = _NOBODY + name
        try:
            async with self._logins.turn(network_of(request.source)):
                authenticator = self.services.authenticator
                return await authenticator.authenticate(
                    name, password, self._source(request.source)
                )
        except TooManyLoginsError:
            self.counters["too_many_logins"] += 1
            return None

    def _source(self, address: str) -> str:
        """Where a login comes from, of the zone's word: addresses of other zones are none of it."""
        return f"{network_of(address)} by zone {self.zone}" if address else f"zone {self.zone}"

    async def history(self, request: ReadHistory) -> HistoryReply:
        """A page of raw values of a tag of the zone."""
        reader = self.services.history
        zones = self.extract.historized.get(request.tag, frozenset())
        if reader is None or not zones & self.open_zones():
            raise ForeignError(f"history of {request.tag:.100}")
        query = RawQuery(
            request.tag, request.start, request.end, request.limit, request.bounds, request.resume
        )
        page = await reader.read_raw(query, request.most)
        value, status, source_time, server_time = page.columns
        index = np.zeros(len(value), np.int32)
        rows = to_rows(Columns(index, value, status, source_time, page.objects), 0)
        return HistoryReply(request.id, rows, server_time.tobytes(), page.more)

    async def manage_accounts(self, request: ManageAccounts) -> StatusReply:
        """A change of accounts by an administrator in the zone."""
        admin = self.services.accounts
        if admin is None:
            raise ForeignError("the administration of accounts")
        return await manage(admin, self.identities, self.admission, request)

    async def record(self, request: Record) -> Done:
        """A record of the front end's own doings, stamped with zone and time here."""
        try:
            record = msgspec.convert(request.record, AuditRecord)
        except msgspec.ValidationError as error:
            raise MalformedError(f"a record: {error}") from error
        if not record.event.startswith(_OF_FRONT_ENDS):
            raise ForeignError(f"a record of kind {record.event:.40}, which is the core's")
        size = sum(len(each) for each in request.record.values() if isinstance(each, str | tuple))
        if size > _MOST_RECORDED:
            raise MalformedError(f"a record of {size} characters")
        await self._pace.wait(size)
        stamped = replace(record, zone=self.zone, time=self.services.clock())
        return Done(request.id, await self.services.audit.record(stamped))
