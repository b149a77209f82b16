"""A client's connection from Hello to the close of its secure channel (Part 6, 6.7 and 7.1).

No I/O: bytes and time go in, events and bytes come out. What a message may be in which state is
the table at the end of this file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import Any, cast

from biogate.opcua.codec import DecodeError, DecodeLimits, Reader, encode_message
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.transport import framing
from biogate.opcua.transport.assembly import MessageAssembler, SequenceCheck
from biogate.opcua.transport.asymmetric import AsymmetricHeader, Peer
from biogate.opcua.transport.config import MINIMUM_BUFFER_SIZE, TransportConfig
from biogate.opcua.transport.events import ChannelOpened, Closed, Event, RequestReceived
from biogate.opcua.transport.framing import FrameBuffer, Hello, TransportError
from biogate.opcua.transport.interfaces import ChannelInfo
from biogate.opcua.transport.opening import (
    OpenRequest,
    check_mode,
    identify_peer,
    issue_token,
    read_request,
    refused_opening,
    select_policy,
)
from biogate.opcua.transport.policies import CryptographyError, SecurityPolicy
from biogate.opcua.transport.secure_channel import SecureChannel
from biogate_security.log_text import safe_text

__all__ = ["ChannelInfo", "ServerConnection"]


class _State(StrEnum):
    HELLO = "waiting for Hello"
    REVERSED = "waiting for the answer to ReverseHello"
    OPENING = "waiting for OpenSecureChannel"
    OPEN = "open"
    CLOSED = "closed"


class ServerConnection:
    """The server's side of one connection.

    `clock` gives monotonic seconds. What is received goes to `feed`; while something is
    `waiting`, `advance` takes one frame apart. Call `tick` when `deadline_s` has come. After each
    of these and after `send_response`, `data_to_send` has what to send. `max_response_size` is
    the largest response that the client takes, in bytes (7.1.2.3); 0 without a channel.
    """

    def __init__(
        self, config: TransportConfig, clock: Callable[[], float], remote_address: str = ""
    ) -> None:
        self._config = config
        self._clock = clock
        self.remote_address = remote_address
        self._state = _State.HELLO
        self._frames = FrameBuffer(MINIMUM_BUFFER_SIZE)
        self._assembler = MessageAssembler(
            config.pre_session_message_size,
            config.pre_session_chunk_count,
            config.pre_session_message_size,
            config.budget,
        )
        self._sequence = SequenceCheck()
        self._hello: Hello | None = None
        self._send_size = MINIMUM_BUFFER_SIZE
        self._secure: SecureChannel | None = None
        self._session_active = False
        self._open_by_s = clock() + config.open_timeout_s
        self._complete_by_s: float | None = None
        self._out: list[bytes] = []
        self.unsent = 0
        self.max_response_size = 0

    # -- what the outside sees ------------------------------------------------------------------

    @property
    def channel(self) -> ChannelInfo | None:
        """The open channel."""
        return self._secure.info if self._secure and self._state is _State.OPEN else None

    @property
    def closed(self) -> bool:
        """Whether the connection has ended."""
        return self._state is _State.CLOSED

    @property
    def session_active(self) -> bool:
        """Whether an activated session uses the channel; only then are large messages taken."""
        return self._session_active

    @session_active.setter
    def session_active(self, active: bool) -> None:
        self._session_active = active
        config = self._config
        self._assembler.max_size = (
            config.max_message_size if active else config.pre_session_message_size
        )
        self._assembler.max_chunks = (
            config.max_chunk_count if active else config.pre_session_chunk_count
        )

    @property
    def deadline_s(self) -> float | None:
        """When `tick` is due, in the clock's seconds."""
        if self.closed:
            return None
        ends = self._secure.newest.ends_s if self._secure else self._open_by_s
        return ends if self._complete_by_s is None else min(ends, self._complete_by_s)

    @property
    def waiting(self) -> bool:
        """Whether there is something for `advance` to do."""
        return self._frames.waiting and self._state is not _State.CLOSED

    def data_to_send(self) -> bytes:
        """Takes what is to be sent."""
        data = b"".join(self._out)
        self._out.clear()
        self.unsent = 0
        return data

    def reverse_hello(self, server_uri: str, endpoint_url: str) -> None:
        """Offer a connection that this side has opened, before anything else (7.1.2.6).

        The client may leave it unused for `reverse_timeout_s`.
        """
        self._out.append(framing.reverse_hello(server_uri, endpoint_url))
        self._state = _State.REVERSED
        self._open_by_s = self._clock() + self._config.reverse_timeout_s

    def feed(self, data: bytes) -> None:
        """Take bytes from the peer."""
        self._frames.feed(data)

    def advance(self) -> Event | None:
        """Take the next frame apart, if it is all there; the event that it causes."""
        transitions = _TRANSITIONS[self._state]
        event: Event | None = None
        frame: bytes | None = None
        wrong = 0
        try:
            frame = self._frames.next(transitions)
            if frame is not None:
                event = transitions[frame[:3]](self, frame)
        except TransportError as error:
            wrong = error.certificate_status
            event = self.close(error.status, error.reason, str(error))
        except DecodeError as error:
            event = self.close(error.status, "malformed message", str(error))
        except CryptographyError:
            event = self.close(
                StatusCodes.BadSecurityChecksFailed,
                "security checks failed",
                "a thumbprint, certificate, signature, padding or ciphertext is wrong",
            )
        if isinstance(event, Closed) and frame is not None and frame[:3] == framing.OPEN:
            event = replace(event, refused=refused_opening(frame, wrong))
        if not self._frames.waiting:
            self._watch_completion()
        return event

    def tick(self) -> Closed | None:
        """Ends the connection if a deadline has passed."""
        deadline, now = self.deadline_s, self._clock()
        if deadline is None or now < deadline:
            return None
        if self._complete_by_s is not None and now >= self._complete_by_s:
            return self.close(StatusCodes.BadTimeout, "message not completed in time")
        if self._secure is None:
            return self.close(StatusCodes.BadTimeout, "channel not opened in time")
        return self.close(
            StatusCodes.BadSecureChannelTokenUnknown, "security token expired and not renewed"
        )

    def close(self, status: int, reason: str, detail: str = "") -> Closed | None:
        """Ends the connection with an ERR message. Returns the event, None if it has ended."""
        if self.closed:
            return None
        self._out.append(framing.error(status, reason))
        return self._end(status, detail or reason)

    def lost(self) -> Closed | None:
        """The socket is gone without a word. Returns the event, None if it has ended."""
        if self.closed:
            return None
        return self._end(StatusCodes.BadConnectionClosed, "connection lost")

    def _end(self, status: int, detail: str) -> Closed:
        self._state = _State.CLOSED
        self._assembler.clear()
        return Closed(status, detail, self._secure.info if self._secure else None)

    def _watch_completion(self) -> None:
        if not (self._frames.partial or self._assembler.partial):
            self._complete_by_s = None
        elif self._complete_by_s is None:
            self._complete_by_s = self._clock() + self._config.message_timeout_s

    # -- Hello ----------------------------------------------------------------------------------

    def _on_hello(self, frame: bytes) -> Event | None:
        config = self._config
        try:
            hello = Hello.decode(frame, config.max_endpoint_url_length)
        except DecodeError as error:
            if error.status != StatusCodes.BadEncodingLimitsExceeded:
                raise
            raise TransportError(
                StatusCodes.BadTcpEndpointUrlInvalid, "endpoint URL too long", str(error)
            ) from error
        if min(hello.receive_buffer_size, hello.send_buffer_size) < MINIMUM_BUFFER_SIZE:
            raise TransportError(
                StatusCodes.BadTcpInternalError,
                f"buffers of less than {MINIMUM_BUFFER_SIZE} bytes",
                f"receive buffer {hello.receive_buffer_size}, send {hello.send_buffer_size}",
            )
        receive_size = min(config.receive_buffer_size, hello.send_buffer_size)
        self._send_size = min(config.send_buffer_size, hello.receive_buffer_size)
        self._hello = hello
        self._frames.limit = receive_size
        self._out.append(
            framing.acknowledge(
                receive_size, self._send_size, config.max_message_size, config.max_chunk_count
            )
        )
        if self._state is _State.REVERSED:
            self._open_by_s = self._clock() + config.open_timeout_s
        self._state = _State.OPENING
        return None

    def _on_refused(self, frame: bytes) -> Event | None:
        status, reason = framing.read_error(frame)
        return self._end(status, f"the client refused the connection: {safe_text(reason, 200)}")

    # -- OpenSecureChannel ----------------------------------------------------------------------

    def _on_open(self, frame: bytes) -> Event | None:
        header = AsymmetricHeader.read(frame)
        _expect_channel(header.channel_id, 0)
        policy = select_policy(self._config, header.policy_uri)
        self._sequence = SequenceCheck(legacy=policy is None or policy.first_sequence_number > 0)
        peer = identify_peer(self._config, policy, header)
        opened = self._read_open(policy, peer, header, frame)
        parameters = opened.request.Parameters
        if parameters.RequestType != ua.SecurityTokenRequestType.Issue:
            raise TransportError(StatusCodes.BadRequestTypeInvalid, "no token to renew")
        offered = check_mode(self._config, policy, parameters.SecurityMode)
        info = ChannelInfo(
            channel_id=next(self._config.channel_ids),
            security_policy_uri=header.policy_uri,
            security_mode=parameters.SecurityMode,
            client_certificate=peer.der if peer else None,
            remote_address=self.remote_address,
            endpoint_url=self._hello.endpoint_url if self._hello else "",
            discovery_only=not offered,
            client_chain=header.sender_certificate if peer else b"",
        )
        secure = SecureChannel(info, policy, peer, self._send_size)
        self._out.append(issue_token(self._config, secure, opened, self._clock()))
        self._secure = secure
        self.max_response_size = self._largest_response(secure.max_body)
        self._state = _State.OPEN
        lifetime, entry_id = parameters.RequestedLifetime, opened.request.RequestHeader.AuditEntryId
        return ChannelOpened(info, requested_lifetime_ms=lifetime, audit_entry_id=entry_id or "")

    def _on_renew(self, frame: bytes) -> Event | None:
        secure = self._require_channel()
        header = AsymmetricHeader.read(frame)
        _expect_channel(header.channel_id, secure.info.channel_id)
        if header.policy_uri != secure.info.security_policy_uri:
            raise TransportError(StatusCodes.BadSecurityPolicyRejected, "policy has changed")
        peer = identify_peer(self._config, secure.policy, header)
        if peer is not None and peer.der != secure.info.client_certificate:
            raise CryptographyError
        opened = self._read_open(secure.policy, peer, header, frame)
        parameters = opened.request.Parameters
        if parameters.RequestType != ua.SecurityTokenRequestType.Renew:
            raise TransportError(StatusCodes.BadRequestTypeInvalid, "channel is already open")
        if parameters.SecurityMode != secure.info.security_mode:
            raise TransportError(StatusCodes.BadSecurityModeRejected, "mode has changed")
        self._out.append(issue_token(self._config, secure, opened, self._clock()))
        return ChannelOpened(secure.info, renewed=True)

    def _read_open(
        self,
        policy: SecurityPolicy | None,
        peer: Peer | None,
        header: AsymmetricHeader,
        frame: bytes,
    ) -> OpenRequest:
        opened = read_request(self._config, policy, peer, header, frame)
        self._sequence.accept(opened.chunk.sequence_number)
        return opened

    # -- messages -------------------------------------------------------------------------------

    def _require_channel(self) -> SecureChannel:
        if self._secure is None:
            raise TransportError(StatusCodes.BadTcpSecureChannelUnknown, "no secure channel")
        return self._secure

    def _on_message(self, frame: bytes) -> Event | None:
        secure = self._require_channel()
        sequence_number, request_id, body = secure.unseal(frame, self._clock())
        self._sequence.accept(sequence_number)
        message = self._assembler.add(frame[3:4], request_id, body)
        if message is None:
            return None
        self._complete_by_s = None
        return RequestReceived(request_id, message, secure.info)

    def _on_close(self, frame: bytes) -> Event | None:
        sequence_number, _, _ = self._require_channel().unseal(frame, self._clock())
        self._sequence.accept(sequence_number)
        return self._end(StatusCodes.Good, "channel closed by the client")

    def _largest_response(self, max_body: int) -> int:
        hello = self._hello
        whole = (hello and hello.max_message_size) or sys.maxsize
        chunks = (hello and hello.max_chunk_count) or sys.maxsize
        return min(whole, chunks * max_body)

    def send_response(self, request_id: int, body: bytes) -> None:
        """Queue an encoded response; dropped when the connection has ended.

        One over the client's limits is replaced by a ServiceFault with Bad_ResponseTooLarge.
        """
        secure = self._secure
        if secure is None or self.closed:
            return
        if len(body) > self.max_response_size:
            body = _too_large(body, self._config.wall_clock())
        self._out += secure.seal(framing.MESSAGE, request_id, body, self._clock())
        self.unsent += len(body)


def _expect_channel(channel_id: int, expected: int) -> None:
    if channel_id != expected:
        raise TransportError(
            StatusCodes.BadTcpSecureChannelUnknown,
            "unknown secure channel",
            f"OPN for channel {channel_id} where {expected} was expected",
        )


def _too_large(response: bytes, now_ticks: int) -> bytes:
    reader = Reader(response, DecodeLimits())
    reader.node_id()
    reader.take(8)  # the timestamp, in front of the handle
    header = ua.ResponseHeader(
        Timestamp=cast(Any, now_ticks),
        RequestHandle=cast(Any, reader.uint32()),
        ServiceResult=ua.StatusCode(cast(Any, StatusCodes.BadResponseTooLarge)),
    )
    return encode_message(ua.ServiceFault(ResponseHeader=header))


_Transition = Callable[[ServerConnection, bytes], Event | None]

_TRANSITIONS: dict[_State, dict[bytes, _Transition]] = {
    _State.HELLO: {framing.HELLO: ServerConnection._on_hello},
    _State.REVERSED: {
        framing.HELLO: ServerConnection._on_hello,
        framing.ERROR: ServerConnection._on_refused,
    },
    _State.OPENING: {framing.OPEN: ServerConnection._on_open},
    _State.OPEN: {
        framing.OPEN: ServerConnection._on_renew,
        framing.MESSAGE: ServerConnection._on_message,
        framing.CLOSE: ServerConnection._on_close,
    },
    _State.CLOSED: {},
}
