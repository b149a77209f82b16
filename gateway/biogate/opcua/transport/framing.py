"""Frames of OPC UA TCP: their headers, and the three messages without security (Part 6, 7.1.2)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from struct import Struct

from biogate.opcua.codec import DecodeLimits, Reader, Writer
from biogate.opcua.stack import StatusCodes

HELLO, ACKNOWLEDGE, ERROR = b"HEL", b"ACK", b"ERR"
OPEN, MESSAGE, CLOSE = b"OPN", b"MSG", b"CLO"
FINAL, CONTINUED, ABORTED = b"F", b"C", b"A"

HEADER_SIZE = 8
"""Message type, chunk type, size of the whole frame."""

_header = Struct("<3scI")
_sizes = Struct("<5I")
_MINIMUM_SIZES = {HELLO: 32, OPEN: 32, MESSAGE: 24, CLOSE: 24}


class TransportError(Exception):
    """A breach of the protocol that ends the connection.

    `status` and the short `reason` go to the peer in an ERR message; `detail` is for our log.
    """

    def __init__(self, status: int, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole frame; `data` includes its header."""

    message_type: bytes
    chunk_type: bytes
    data: bytes


class FrameBuffer:
    """Cuts a stream of bytes into frames.

    A header is judged before what it announces is buffered, so that `limit` bounds the memory.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._data = bytearray()
        self._pos = 0

    @property
    def partial(self) -> bool:
        """Whether the beginning of a frame is waiting for its end."""
        return self._pos < len(self._data)

    def feed(self, data: bytes) -> None:
        """Append received bytes."""
        self._data += data

    def next(self, allowed: Collection[bytes]) -> Frame | None:
        """The next frame, None when it is not all there.

        Raises TransportError when its type is not one of `allowed` or its size is wrong.
        """
        if len(self._data) - self._pos < HEADER_SIZE:
            self._cut()
            return None
        message_type, chunk_type, size = _header.unpack_from(self._data, self._pos)
        if message_type not in allowed:
            raise TransportError(
                StatusCodes.BadTcpMessageTypeInvalid,
                "message type not expected",
                f"{message_type!r} is not one of {sorted(allowed)}",
            )
        if size > self.limit:
            raise TransportError(
                StatusCodes.BadTcpMessageTooLarge,
                "chunk larger than the receive buffer",
                f"{message_type!r} of {size} bytes, the limit is {self.limit}",
            )
        _check_header(message_type, chunk_type, size)
        stop = self._pos + size
        if len(self._data) < stop:
            self._cut()
            return None
        data = bytes(memoryview(self._data)[self._pos : stop])
        self._pos = stop
        return Frame(message_type, chunk_type, data)

    def _cut(self) -> None:
        # Once per read, not per frame: a read may hold thousands of small frames.
        del self._data[: self._pos]
        self._pos = 0


def _check_header(message_type: bytes, chunk_type: bytes, size: int) -> None:
    chunk_types = (FINAL, CONTINUED, ABORTED) if message_type == MESSAGE else (FINAL,)
    if chunk_type not in chunk_types or size < _MINIMUM_SIZES[message_type]:
        raise TransportError(
            StatusCodes.BadTcpMessageTypeInvalid,
            "invalid message header",
            f"{message_type!r} chunk {chunk_type!r} of {size} bytes",
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


def error(status: int, reason: str) -> bytes:
    """An ERR message (7.1.2.5)."""
    writer = Writer()
    writer.uint32(status)
    writer.string(reason)
    return frame(ERROR, FINAL, bytes(writer.buffer))
