"""What a service handler is given, and what it may return.

A handler is `def handle(ctx, request)` or `async def handle(ctx, request)`. It returns the
response structure or its ResultList (the dispatcher fills in the ResponseHeader), or the encoded
response as bytes, or DEFERRED when the response is sent later through `ctx.respond`. One whose
work grows with its request returns what `ctx.in_turns` makes of it. It refuses the whole request
by raising ServiceError.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from weakref import WeakValueDictionary

from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.codec import encode_message
from biogate.opcua.errors import ServiceError
from biogate.opcua.lanes import browse
from biogate.opcua.lanes.header import PARAMETERS
from biogate.opcua.lanes.plan_store import PlanStore
from biogate.opcua.lanes.write_plan import WritePlan
from biogate.opcua.services.results import ResultList
from biogate.opcua.space.browse_cache import BrowseCache
from biogate.opcua.stack import StatusCodes, status_name, ua
from biogate.opcua.statistics import ServerStatistics
from biogate.opcua.turns import Turns, Work
from biogate_security.log_budget import LogBudget

if TYPE_CHECKING:
    from biogate.opcua.audit import Auditor
    from biogate.opcua.config import FrontEndConfig
    from biogate.opcua.connections import Connections
    from biogate.opcua.endpoints import Endpoints
    from biogate.opcua.events import EventHub
    from biogate.opcua.lanes.browse import BrowsePlan
    from biogate.opcua.lanes.read_plan import ReadPlan
    from biogate.opcua.ports import (
        Authenticator,
        ClientAdmission,
        CommandPort,
        HistoryReader,
        Pki,
        TagReader,
    )
    from biogate.opcua.request_queue import RequestQueue
    from biogate.opcua.session import Session, SessionManager, SessionUser
    from biogate.opcua.space.address_space import AddressSpace
    from biogate.opcua.space.rights import Rights, RightsView
    from biogate.opcua.transport.interfaces import ChannelInfo, ConnectionHandle
    from biogate_security.policy import Subject


__all__ = [
    "DEFERRED",
    "Deferred",
    "Needs",
    "RequestContext",
    "ServerContext",
    "Service",
    "ServiceError",
    "ServiceSet",
    "response_room",
]

_log = logging.getLogger(__name__)
_MAX_RESULTS_HELD = 64 << 20


class Deferred(Enum):
    """The type of DEFERRED."""

    DEFERRED = "deferred"


DEFERRED: Final = Deferred.DEFERRED


class Needs(Enum):
    """Which session a service asks for (Part 4, 5.7).

    ANY_SESSION may be bound to another channel; the handler judges that.
    """

    DISCOVERY = "nothing, on a discovery-only channel too"
    CHANNEL = "a channel that may carry sessions"
    ANY_SESSION = "a session of any channel"
    SESSION = "a session of this channel"
    ACTIVE_SESSION = "an activated session of this channel"


Result = Any
Handler = Callable[["RequestContext", Any], Result | Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Service:
    """One row of the dispatcher's table.

    Coroutine functions (services that wait for something outside, such as a device) and what is
    left of a long one's work run as tasks, a bounded number per session; the others must not
    wait.
    """

    request: type
    handler: Handler
    needs: Needs = Needs.ACTIVE_SESSION

    @property
    def name(self) -> str:
        """The service's name in Part 4, such as "Read"."""
        return service_name(self.request)


def service_name(request: type) -> str:
    """The name of the service that a request class belongs to."""
    return request.__name__.removesuffix("Request")


class ServiceSet(Protocol):
    """A group of services with a state of its own, such as subscriptions."""

    services: Sequence[Service]

    def tick(self, now_s: float) -> None:
        """Time has passed: `now_s` is the front end's monotonic clock."""
        ...

    def session_closed(self, session: Session, *, delete_subscriptions: bool) -> None:
        """A session ended, by CloseSession or its timeout (then with False)."""
        ...

    def session_moved(self, session: Session, handle: ConnectionHandle) -> None:
        """A session was activated on another connection than before."""
        ...

    def connection_closed(self, handle: ConnectionHandle) -> None:
        """A connection is gone; requests that wait on it can no longer be answered."""
        ...

    def cancel(self, session: Session, request_handle: int) -> int:
        """Answer the session's waiting requests of that handle with
        Bad_RequestCancelledByClient; the number of them."""
        ...


@dataclass(slots=True)
class ServerContext:
    """What all services share.

    `clock` is monotonic seconds; `wall_clock` and `started_ticks` are FILETIME ticks.
    `failing` holds what could not be done with a node's value when it was last tried,
    `read_plans`, `write_plans` and `browse_plans` what the fast lanes know, `browse_pages` what
    was browsed, `refusal_lines` bounds the log lines about what strangers ask for,
    `failure_lines` those about faults of our own, by message, `results_held` the results of
    requests that are not finished. `stored_turns`: tag → whose turn it is to write a stored
    Variable. `account_changes` counts changes of accounts, `last_change_of` says which was a
    user's last, `last_trust_change` which was the last one of the users' trust list.
    """

    config: FrontEndConfig
    space: AddressSpace
    tags: TagReader
    commands: CommandPort
    rights: Rights
    endpoints: Endpoints
    sessions: SessionManager
    connections: Connections
    queue: RequestQueue
    authenticator: Authenticator
    pki: Pki
    clock: Callable[[], float]
    wall_clock: Callable[[], int]
    started_ticks: int
    service_sets: list[ServiceSet]
    events: EventHub
    auditor: Auditor
    statistics: ServerStatistics = field(default_factory=ServerStatistics)
    history: HistoryReader | None = None
    account_changes: int = 0
    last_change_of: dict[str, int] = field(default_factory=dict)
    last_trust_change: int = 0
    admission: ClientAdmission | None = None
    turns: Turns = field(default_factory=Turns)
    results_held: ByteBudget = field(default_factory=lambda: ByteBudget(_MAX_RESULTS_HELD))
    refusal_lines: LogBudget = field(default_factory=LogBudget)
    failure_lines: defaultdict[str, LogBudget] = field(
        default_factory=lambda: defaultdict(LogBudget)
    )
    failing: set[tuple[str, ua.NodeId]] = field(default_factory=set)
    read_plans: PlanStore[ReadPlan] = field(default_factory=PlanStore)
    browse_plans: PlanStore[BrowsePlan] = field(
        default_factory=lambda: PlanStore(begin=browse.BEGIN)
    )
    browse_pages: BrowseCache = field(default_factory=BrowseCache)
    write_plans: PlanStore[WritePlan] = field(
        default_factory=lambda: PlanStore(matches=WritePlan.matches, short=0)
    )
    stored_turns: WeakValueDictionary[int, asyncio.Lock] = field(
        default_factory=WeakValueDictionary
    )

    def count_fault(self, service: str, session: Session | None, status: int) -> None:
        """A request ends in a ServiceFault."""
        self.statistics.faults[service, status_name(status)] += 1
        if session is not None:
            session.statistics.faults[service] += 1

    def log_failure(self, message: str, error: Exception, **context: object) -> None:
        """A log line with the traceback of a fault of our own, unless there are too many like it.

        What fails once fails for each of a thousand operations, and for each client that asks.
        """
        left_out = self.failure_lines[message].spend(self.clock())
        if left_out is not None:
            _log.error(message, exc_info=error, extra={**context, "lines_left_out": left_out})


def response_room(server: ServerContext, handle: ConnectionHandle, session: Session | None) -> int:
    """The bytes that a response may take: the server's bound, or its client's if less."""
    most = min(server.config.limits.max_response_size, handle.max_response_size)
    return min(most, session.max_response_size or most) if session else most


@dataclass(slots=True)
class RequestContext:
    """One request: where it came from and for whom. Times are FILETIME ticks.

    `identity` is that of the session when the request came: it stays the request of whoever sent
    it, though somebody else may use the session before its turn comes.
    `usual_message` are the bytes of a request that a lane may answer when it comes again.
    `key_policy_uri`: the policy of the key that a client wants for a login (`secret_key`).
    """

    server: ServerContext
    handle: ConnectionHandle
    channel: ChannelInfo
    request_id: int
    request_header: ua.RequestHeader
    now_ticks: int
    service: str = ""
    optional_session: Session | None = None
    identity: SessionUser | None = None
    bytes_held: int = 0
    usual_message: bytes = b""
    key_policy_uri: str | None = None

    @property
    def session(self) -> Session:
        """The session; only for services that need one."""
        if self.optional_session is None:
            raise ServiceError(StatusCodes.BadSessionIdInvalid)
        return self.optional_session

    @property
    def subject(self) -> Subject:
        """Who asks."""
        return self._identified()[0]

    @property
    def rights(self) -> RightsView:
        """What they may do."""
        return self._identified()[1]

    def _identified(self) -> SessionUser:
        if self.identity is None:
            raise ServiceError(StatusCodes.BadSessionNotActivated)
        return self.identity

    @property
    def usual_parameters(self) -> bytes:
        """The request's bytes behind a header of the usual shape; none for another one."""
        return self.usual_message[PARAMETERS:]

    def response_header(self, status: int = StatusCodes.Good) -> ua.ResponseHeader:
        """The header of this request's response, stamped with the present time."""
        return ua.ResponseHeader(
            Timestamp=cast(Any, self.server.wall_clock()),
            RequestHandle=self.request_header.RequestHandle,
            ServiceResult=ua.StatusCode(ua.UInt32(status)),
        )

    @property
    def response_room(self) -> int:
        """The bytes that the response may take: the server's bound, or its client's if less."""
        return response_room(self.server, self.handle, self.optional_session)

    def warn(self, message: str, **context: object) -> None:
        """A log line about this request, unless there are too many of the kind already."""
        left_out = self.server.refusal_lines.spend(self.server.clock())
        if left_out is not None:
            address = self.channel.remote_address
            _log.warning(message, extra={"address": address, **context, "lines_left_out": left_out})

    def results(self, response: type) -> ResultList:
        """The Results, none yet, of a response of that class."""
        return ResultList(response, self.response_room, self._hold)

    def _hold(self, size: int) -> None:
        if not self.server.results_held.take(size):
            raise ServiceError(StatusCodes.BadServerTooBusy)
        self.bytes_held += size

    def release(self) -> None:
        """The request is over: whatever it held is free."""
        self.server.results_held.give_back(self.bytes_held)
        self.bytes_held = 0

    def in_turns(self, work: Work[Any]) -> Result:
        """The response that `work` returns, or what is left of the work after a slice of time."""
        return self.server.turns.run(work)

    def respond(self, body: bytes) -> None:
        """Send an encoded response, now or later."""
        self.handle.respond(self.request_id, body)

    def refuse(self, status: int) -> None:
        """Send a ServiceFault, now or later, and count it."""
        self.server.count_fault(self.service, self.optional_session, status)
        self.release()
        self.respond(encode_message(ua.ServiceFault(ResponseHeader=self.response_header(status))))
