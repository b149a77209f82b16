"""The dispatcher: from the bytes of a request to the bytes of its response (Part 4, 5.3 and 7.32).

Whatever goes wrong ends in a ServiceFault for that one request; the channel lives on.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping
from functools import partial
from typing import Any

from biogate.opcua.codec import (
    DecodeError,
    DecodeLimits,
    EncodeError,
    decode_in_steps,
    decode_message,
    decode_request_header,
    encode_message,
    message_class,
)
from biogate.opcua.errors import ServiceError
from biogate.opcua.lanes.lane import NO_LANES, Lane, LaneRequest, Lanes
from biogate.opcua.request_queue import Job, Kind
from biogate.opcua.services.context import (
    DEFERRED,
    Needs,
    RequestContext,
    ServerContext,
    Service,
)
from biogate.opcua.services.results import ResultList
from biogate.opcua.services.secret_key import asked_policy
from biogate.opcua.session import Session
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.transport.interfaces import ChannelInfo, ConnectionHandle
from biogate.opcua.turns import Work

# Before a session is activated nothing large is asked for, and nobody is known.
_EARLY_LIMITS = DecodeLimits(
    max_depth=10,
    max_string_length=4096,
    max_byte_string_length=65_536,
    max_array_length=1000,
    max_elements=1000,
)
_EARLY_MESSAGE_SIZE = 65_536
_MAKING_SESSIONS = (Needs.CHANNEL, Needs.ANY_SESSION)
_LONG_MESSAGE = 32_768
"""From so many bytes on a request is decoded in turns: it takes milliseconds."""

Answer = Coroutine[Any, Any, Any]
"""What a request waits for, not begun or begun with its first slice."""


def _check_header(header: ua.RequestHeader) -> None:
    """What waits keeps its header: nothing large in it, and nothing that nobody reads.

    Raises ServiceError Bad_EncodingLimitsExceeded.
    """
    header.AdditionalHeader = ua.ExtensionObject()
    if len(header.AuditEntryId or "") > _EARLY_LIMITS.max_string_length:
        raise ServiceError(StatusCodes.BadEncodingLimitsExceeded)


def _kind_of(service: Service) -> Kind:
    """Of a request that takes time."""
    if service.needs is not Needs.ACTIVE_SESSION:
        return Kind.IDENTITY
    return Kind.OUTSIDE if inspect.iscoroutinefunction(service.handler) else Kind.COMPUTED


class Dispatcher:
    """The transport's RequestHandler."""

    def __init__(
        self,
        context: ServerContext,
        services: Iterable[Service],
        lanes: Mapping[type, Lane] = NO_LANES,
    ) -> None:
        self._server = context
        self._lanes = Lanes(context, lanes)
        self._services = {service.request: service for service in services}
        limits = context.config.limits
        self._limits = DecodeLimits(
            max_string_length=limits.max_string_length,
            max_byte_string_length=limits.max_byte_string_length,
            max_array_length=limits.max_array_length,
            max_elements=limits.max_elements_per_message,
        )
        self._reported: set[ConnectionHandle] = set()
        self._requests = 0

    @property
    def counters(self) -> Counter[str]:
        """All "requests" since the start, and the refused ones by status name."""
        counters = Counter(requests=self._requests)
        for (_, status), count in self._server.statistics.faults.items():
            counters[status] += count
        return counters

    def on_request(
        self, handle: ConnectionHandle, channel: ChannelInfo, request_id: int, message: bytes
    ) -> None:
        """Answer one request, now or when its service has what it waits for."""
        self._requests += 1
        short = self._lanes.cut(handle, channel, request_id, message)
        if short is not None and self._took_lane(short):
            return
        ctx = RequestContext(
            self._server, handle, channel, request_id, ua.RequestHeader(), self._server.wall_clock()
        )
        if short is not None:
            ctx.usual_message = message
        try:
            service = self._service_for(message)
            ctx.service = service.name
            limits = self._limits_of(service, handle, message)
            if len(message) > _LONG_MESSAGE and service.needs is Needs.ACTIVE_SESSION:
                self._dispatch_long(ctx, service, message, limits)
                return
            request = decode_message(message, limits)
        except DecodeError as error:
            self._refuse_undecoded(ctx, message, error)
            return
        if self._admit(ctx, service, request.RequestHeader):
            self._dispatch(ctx, service, request, len(message))

    def _admit(self, ctx: RequestContext, service: Service, header: ua.RequestHeader) -> bool:
        """Find the session; False when the request was refused."""
        ctx.request_header = header
        try:
            if service.needs in _MAKING_SESSIONS:
                ctx.key_policy_uri = asked_policy(header)
            _check_header(header)
            session = self._session_for(ctx, service.needs)
        except ServiceError as error:
            ctx.refuse(error.status)
            return False
        if session is not None:
            ctx.optional_session, ctx.identity = session, session.identity
        return True

    def _dispatch_long(
        self, ctx: RequestContext, service: Service, message: bytes, limits: DecodeLimits
    ) -> None:
        """Decode a slice at a time, for a session that may ask at all. Raises DecodeError."""
        if not self._admit(ctx, service, decode_request_header(message, limits)):
            return
        work = decode_in_steps(message, limits)
        done = self._server.turns.begin(work)
        if done is not None:
            self._dispatch(ctx, service, done.result, len(message))
            return
        answer = self._decoded(ctx, service, message, work)
        job = self._job(ctx, answer, _kind_of(service), len(message))
        self._server.queue.submit(ctx.session, job)

    async def _decoded(
        self, ctx: RequestContext, service: Service, message: bytes, work: Work[Any]
    ) -> Any:
        """The answer to a request that is not decoded to the end."""
        try:
            request = await self._server.turns.finish(work)
        except DecodeError as error:
            self._refuse_undecoded(ctx, message, error)
            return DEFERRED
        if ctx.session.closed:
            raise ServiceError(StatusCodes.BadSessionClosed)
        answer = service.handler(ctx, request)
        return await answer if inspect.iscoroutine(answer) else answer

    def on_closed(self, handle: ConnectionHandle) -> None:
        """The connection is gone."""
        self._reported.discard(handle)
        self._server.connections.closed(handle)
        for service_set in self._server.service_sets:
            service_set.connection_closed(handle)

    def session_closed(self, session: Session, delete_subscriptions: bool) -> None:
        """A session ended: whatever belongs to it ends too."""
        server = self._server
        server.connections.detach(session)
        server.queue.session_closed(session)
        server.read_plans.forget(session)
        server.write_plans.forget(session)
        server.browse_plans.forget(session)
        for service_set in server.service_sets:
            service_set.session_closed(session, delete_subscriptions=delete_subscriptions)

    def _took_lane(self, request: LaneRequest) -> bool:
        """False: the lane has not touched the request, which goes the ordinary way."""
        try:
            response = request.lane(request)
            if response is None:
                return False
            self._server.sessions.seen(request.session)
            request.session.statistics.requests[request.service] += 1
            if response is not DEFERRED:
                if not request.fits(len(response)):
                    raise ServiceError(StatusCodes.BadResponseTooLarge)
                request.respond(response)
        except ServiceError as error:
            request.refuse(error.status)
        except Exception as error:  # noqa: BLE001  answered and logged
            self._server.log_failure(
                "a lane failed",
                error,
                service=request.service,
                session=request.session.name,
                address=request.session.channel.remote_address,
                request_handle=request.request_handle,
            )
            request.refuse(StatusCodes.BadInternalError)
        return True

    # -- admission ------------------------------------------------------------------------------

    def _service_for(self, message: bytes) -> Service:
        """Raises DecodeError."""
        wanted = message_class(message)
        service = self._services.get(wanted)
        if service is None:
            raise DecodeError(StatusCodes.BadServiceUnsupported, wanted.__name__)
        return service

    def _limits_of(
        self, service: Service, handle: ConnectionHandle, message: bytes
    ) -> DecodeLimits:
        """What makes a session has nothing large in it, whoever else uses the connection.

        Raises DecodeError.
        """
        if service.needs is Needs.ACTIVE_SESSION and self._server.connections.has_session(handle):
            return self._limits
        if len(message) > _EARLY_MESSAGE_SIZE:
            raise DecodeError(StatusCodes.BadRequestTooLarge, f"{len(message)} bytes")
        return _EARLY_LIMITS

    def _session_for(self, ctx: RequestContext, needs: Needs) -> Session | None:
        """The session of the request, by the rules of Part 4, 5.7. Raises ServiceError."""
        if needs is Needs.DISCOVERY:
            return None
        if ctx.channel.discovery_only:
            raise ServiceError(StatusCodes.BadSecurityPolicyRejected)
        if needs is Needs.CHANNEL:
            return None
        sessions = self._server.sessions
        session = sessions.find(ctx.request_header.AuthenticationToken)
        if session is None:
            raise ServiceError(StatusCodes.BadSessionIdInvalid)
        if needs is not Needs.ANY_SESSION:
            if session.channel.channel_id != ctx.channel.channel_id:
                session.statistics.unauthorized += 1
                raise ServiceError(StatusCodes.BadSecureChannelIdInvalid)
            if needs is Needs.ACTIVE_SESSION and not session.active:
                sessions.drop(session)
                raise ServiceError(StatusCodes.BadSessionNotActivated)
        sessions.seen(session)
        session.statistics.requests[ctx.service] += 1
        return session

    def _refuse_undecoded(self, ctx: RequestContext, message: bytes, error: DecodeError) -> None:
        try:
            ctx.request_header = decode_request_header(message, _EARLY_LIMITS)
        except DecodeError:
            pass  # then there is no RequestHandle to give back
        if ctx.handle not in self._reported:
            self._reported.add(ctx.handle)
            ctx.warn(
                "request refused (further ones of this connection are only counted)",
                error=str(error),
            )
        ctx.refuse(error.status)

    # -- running --------------------------------------------------------------------------------

    def _dispatch(self, ctx: RequestContext, service: Service, request: Any, size: int) -> None:
        try:
            answer = service.handler(ctx, request)
            if not inspect.iscoroutine(answer):
                self._respond(ctx, answer)
        except Exception as error:  # noqa: BLE001  answered and logged by _failed
            self._failed(ctx, error)
            return
        if inspect.iscoroutine(answer):
            job = self._job(ctx, answer, _kind_of(service), size)
            self._server.queue.submit(ctx.session, job)

    def _job(self, ctx: RequestContext, answer: Answer, kind: Kind, size: int) -> Job:
        hint_ms = ctx.request_header.TimeoutHint
        return Job(
            ctx.request_header.RequestHandle,
            partial(self._run, ctx, answer),
            partial(self._give_up, ctx, answer),
            self._server.clock() + hint_ms / 1000.0 if hint_ms else float("inf"),
            kind=kind,
            size=size,
        )

    async def _run(self, ctx: RequestContext, answer: Answer) -> None:
        limit_s = self._server.config.limits.max_request_duration_ms / 1000.0
        deadline = asyncio.timeout(limit_s)
        try:
            async with deadline:
                response = await answer
            self._respond(ctx, response)
        except asyncio.CancelledError:
            ctx.refuse(StatusCodes.BadShutdown)
            raise
        except Exception as error:  # noqa: BLE001  answered and logged by _failed
            late = ServiceError(StatusCodes.BadTimeout) if deadline.expired() else None
            self._failed(ctx, late or error)

    def _give_up(self, ctx: RequestContext, answer: Answer, status: int) -> None:
        answer.close()
        ctx.refuse(status)

    def _respond(self, ctx: RequestContext, response: Any) -> None:
        if response is DEFERRED:
            return
        if isinstance(response, ResultList):
            response = response.encode(ctx.response_header())
        elif not isinstance(response, bytes):
            response.ResponseHeader = ctx.response_header()
            response = encode_message(response)
        if len(response) > ctx.response_room:
            raise ServiceError(StatusCodes.BadResponseTooLarge)
        ctx.release()
        ctx.respond(response)

    def _failed(self, ctx: RequestContext, error: Exception) -> None:
        if isinstance(error, ServiceError):
            ctx.refuse(error.status)
            return
        self._server.log_failure(
            "a service failed",
            error,
            service=ctx.service,
            session=ctx.optional_session.name if ctx.optional_session else "",
            address=ctx.channel.remote_address,
            request_handle=ctx.request_header.RequestHandle,
        )
        encoding = isinstance(error, EncodeError)
        ctx.refuse(StatusCodes.BadEncodingError if encoding else StatusCodes.BadInternalError)
