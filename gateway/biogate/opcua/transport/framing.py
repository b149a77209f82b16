"""Frames of OPC UA TCP: their headers, and the messages without security (Part 6, 7.1.2)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from struct import Struct
from typing import NoReturn

from biogate.opcua.codec import DecodeLimits, Reader, Writer
from biogate.opcua.stack import StatusCodes

HELLO, ACKNOWLEDGE, ERROR, REVERSE_HELLO = b"HEL", b"ACK", b"ERR", b"RHE"
OPEN, MESSAGE, CLOSE = b"OPN", b"MSG", b"CLO"
FINAL, CONTINUED, ABORTED = b"F", b"C", b"A"

HEADER_SIZE = 8
"""Message type, chunk type, size of the whole frame."""

_header = Struct("<3scI")
_sizes = Struct("<5I")
_KINDS = {
    HELLO: (32, FINAL),
    OPEN: (32, FINAL),
    MESSAGE: (24, FINAL + CONTINUED + ABORTED),
    CLOSE: (24, FINAL),
    ERROR: (16, FINAL),
}
"""Message type → least size of a frame, the chunk types that it may have."""


class TransportError(Exception):
    """A breach of the protocol that ends the connection.

    `status` and the short `reason` go to the peer in an ERR message; `detail` is for our log, and
    so is `certificate_status`: what precisely is wrong with the peer's certificate.
    """

    def __init__(
        self, status: int, reason: str, detail: str = "", *, certificate_status: int = 0
    ) -> None:
        super().__init__(detail or reason)
        self.status = status
        self.reason = reason
        self.certificate_status = certificate_status


class FrameBuffer:
    """Cuts a stream of bytes into frames.

    A header is judged before what it announces is buffered, so that `limit` bounds the memory.
    `waiting`: `next` has something to look at.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.waiting = False
        self._data = b""
        self._pos = 0

    @property
    def partial(self) -> bool:
        """Whether the beginning of a frame is waiting for its end."""
        return self._pos < len(self._data)

    def feed(self, data: bytes) -> None:
        """Append received bytes."""
        # Most reads are whole frames, which are cut out of what was received without a copy.
        self._data = self._data[self._pos :] + data if self.partial else data
        self._pos = 0
        self.waiting = True

    def next(self, allowed: Collection[bytes]) -> bytes | None:
        """The next frame with its header, None when it is not all there.

        Raises TransportError when its type is not one of `allowed` or its size is wrong.
        """
        start = self._pos
        left = len(self._data) - start
        if left >= HEADER_SIZE:
            kind, chunk_type, size = _header.unpack_from(self._data, start)
            if kind not in allowed or size > self.limit:
                self._refuse(kind, size, allowed)
            least, chunk_types = _KINDS[kind]
            if size < least or chunk_type not in chunk_types:
                raise TransportError(
                    StatusCodes.BadTcpMessageTypeInvalid,
                    "invalid message header",
                    f"{kind!r} chunk {chunk_type!r} of {size} bytes",
                )
            if size <= left:
                return self._take(start, start + size)
        self.waiting = False
        return None

    def _take(self, start: int, stop: int) -> bytes:
        frame = self._data[start:stop]
        self._pos = stop
        if stop == len(self._data):
            self._data, self._pos = b"", 0
            self.waiting = False
        return frame

    def _refuse(self, kind: bytes, size: int, allowed: Collection[bytes]) -> NoReturn:
        if kind not in allowed:
            raise TransportError(
                StatusCodes.BadTcpMessageTypeInvalid,
                "message type not expected",
                f"{kind!r} is not one of {sorted(allowed)}",
            )
        raise TransportError(
            StatusCodes.BadTcpMessageTooLarge,
            "chunk larger than the receive buffer",
            f"{kind!r} of {size} bytes, the limit is {self.limit}",
        )


def frame(message_type: bytes, chunk_type: bytes, body: bytes) -> bytes:
    """A frame around `body`."""
    return _header.pack(message_type, chunk_type, HEADER_SIZE + len(body)) + body


def frame_header(message_type: bytes, chunk_type: bytes, size: int) -> bytes:
    """The header of a frame of `size` bytes, header included."""
    return _header.pack(message_type, chunk_type, size)


@dataclass(frozen=True, slots=True)
class Hello:
    """What a client announces (7.1.2.3); 0 as maximum means that there is none."""

    protocol_version: int
    receive_buffer_size: int
    send_buffer_size: int
    max_message_size: int
    max_chunk_count: int
    endpoint_url: str

    @staticmethod
    def decode(data: bytes, max_url_length: int) -> Hello:
        """Raises DecodeError; one of Bad_EncodingLimitsExceeded if the URL is too long."""
        reader = Reader(data, DecodeLimits(max_string_length=max_url_length))
        reader.take(HEADER_SIZE)
        version, receive, send, message, chunks = _sizes.unpack_from(data, reader.take(_sizes.size))
        url = reader.string()
        reader.finish()
        return Hello(version, receive, send, message, chunks, url or "")


def acknowledge(
    receive_buffer_size: int, send_buffer_size: int, max_message_size: int, max_chunk_count: int
) -> bytes:
    """The answer to Hello (7.1.2.4): what this side can take, and the buffer it sends from."""
    sizes = (0, receive_buffer_size, send_buffer_size, max_message_size, max_chunk_count)
    return frame(ACKNOWLEDGE, FINAL, _sizes.pack(*sizes))


def reverse_hello(server_uri: str, endpoint_url: str) -> bytes:
    """What a server says on a connection that it has opened (7.1.2.6)."""
    writer = Writer()
    writer.string(server_uri)
    writer.string(endpoint_url)
    return frame(REVERSE_HELLO, FINAL, bytes(writer.buffer))


def read_error(data: bytes) -> tuple[int, str]:
    """Status and reason of an ERR message (7.1.2.5). Raises DecodeError."""
    reader = Reader(data, DecodeLimits(max_string_length=4096))
    reader.take(HEADER_SIZE)
    status, reason = reader.uint32(), reader.string()
    reader.finish()
    return status, reason or ""


def error(status: int, reason: str) -> bytes:
    """An ERR message (7.1.2.5)."""
    writer = Writer()
    writer.uint32(status)
    writer.string(reason)
    return frame(ERROR, FINAL, bytes(writer.buffer))
