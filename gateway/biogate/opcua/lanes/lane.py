"""The seam of the fast lanes: a request of the usual shape goes to its lane without a decoder.

A lane looks at the bytes of a request and returns its encoded response, DEFERRED when it keeps
the request and answers later, or None: then the ordinary path decides, as if the lane had never
been asked. So a lane takes what it has seen to be right and nothing else: everything odd and
every error belongs to the ordinary path, the only one with rules for it.

A lane must not do I/O, leaves no trace when it returns None, and is done within a fraction of the
5 ms that a request may take at once (`turns.py`). Whatever it remembers carries `rights.key`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from struct import Struct
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from biogate.opcua.codec import encode_message
from biogate.opcua.codec.structures import encoding_id
from biogate.opcua.lanes.header import OPAQUE_TOKEN, PARAMETERS, REQUEST_HEAD
from biogate.opcua.services.context import Deferred, response_room, service_name
from biogate.opcua.stack import ua

if TYPE_CHECKING:
    from biogate.opcua.services.context import ServerContext
    from biogate.opcua.session import Session
    from biogate.opcua.transport.interfaces import ChannelInfo, ConnectionHandle

_type_id = Struct("<BBH")
_FOUR_BYTE_NODE_ID = 1


@dataclass(slots=True, eq=False)
class LaneRequest:
    """A request of an active session of its channel, with a RequestHeader of the usual shape.

    `message` is all of it; its parameters begin at `PARAMETERS`. The header had an AuditEntryId
    and an AdditionalHeader that are null; `timeout_hint_ms` is 0 where the client has none.
    """

    server: ServerContext
    handle: ConnectionHandle
    request_id: int
    session: Session
    request_handle: int
    timeout_hint_ms: int
    message: bytes
    lane: Lane
    service: str

    @property
    def room(self) -> int:
        """The bytes that the response may take."""
        return response_room(self.server, self.handle, self.session)

    def fits(self, size: int) -> bool:
        """Whether a response of `size` bytes fits into `room`."""
        most = self.session.max_response_size
        return (
            size <= self.handle.max_response_size
            and (not most or size <= most)
            and size <= self.server.config.limits.max_response_size
        )

    def respond(self, body: bytes) -> None:
        """Send the encoded response of a request that was DEFERRED."""
        self.handle.respond(self.request_id, body)

    def refuse(self, status: int) -> None:
        """Send a ServiceFault, and count it."""
        self.server.count_fault(self.service, self.session, status)
        header = ua.ResponseHeader(
            Timestamp=cast(Any, self.server.wall_clock()),
            RequestHandle=ua.UInt32(self.request_handle),
            ServiceResult=ua.StatusCode(ua.UInt32(status)),
        )
        self.respond(encode_message(ua.ServiceFault(ResponseHeader=header)))


Lane = Callable[[LaneRequest], bytes | Deferred | None]
NO_LANES: Mapping[type, Lane] = MappingProxyType({})


class Lanes:
    """The lanes by the class of the request that they take."""

    def __init__(self, server: ServerContext, lanes: Mapping[type, Lane]) -> None:
        self._server = server
        self._find = server.sessions.find_secret
        self._lanes = {
            _type_bytes(request): (lane, service_name(request)) for request, lane in lanes.items()
        }

    def cut(
        self, handle: ConnectionHandle, channel: ChannelInfo, request_id: int, message: bytes
    ) -> LaneRequest | None:
        """What a lane can be asked with; None for any other request.

        The session's rules are those of the dispatcher for an active session: an active session
        of this channel has the connection's full limits, and a discovery-only channel has none.
        """
        found = self._lanes.get(message[:4])
        if found is None or len(message) < PARAMETERS:
            return None
        head = REQUEST_HEAD.unpack_from(message)
        _, token, secret, _, request_handle, _, audit_length, hint_ms, no_type, no_body = head
        if token != OPAQUE_TOKEN or audit_length > 0 or no_type or no_body or audit_length < -1:
            return None
        session = self._find(secret)
        if session is None or session.channel is not channel or not session.active:
            return None
        if channel.discovery_only:
            return None
        return LaneRequest(
            self._server, handle, request_id, session, request_handle, hint_ms, message, *found
        )


def _type_bytes(request: type) -> bytes:
    """The TypeId that such a request begins with, as clients write it."""
    number: Any = encoding_id(request).Identifier
    return _type_id.pack(_FOUR_BYTE_NODE_ID, 0, number)
