"""One TrustList as a file that is read and written in pieces (Part 12, 7.8.2; Part 20, 4.2).

No I/O: what is read was taken when the file was opened, what is written is kept here until it is
closed. A handle belongs to its session and to nobody else, and dies with it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, fields
from itertools import count
from secrets import randbelow
from typing import Any

from biogate.opcua.codec import DecodeError, DecodeLimits, Reader, Writer
from biogate.opcua.codec.structures import codec_of
from biogate.opcua.errors import StatusError
from biogate.opcua.stack import StatusCodes, ua
from biogate_security.trust_content import TrustContent

MAX_TRUST_LIST_SIZE = 1 << 20
"""Bytes that a written trust list may take, encoded (MaxTrustListSize; Part 12, 7.10.3)."""
MAX_HANDLES = 10
ACTIVITY_TIMEOUT_S = 60.0
"""A file that nobody reads or writes is closed after this time (7.8.2.1)."""

READ_MODE, WRITE_ERASE_MODE = 0x01, 0x06
ALL_MASKS = 0x0F
_LIMITS = DecodeLimits(
    max_depth=4, max_byte_string_length=MAX_TRUST_LIST_SIZE, max_array_length=10_000
)
# The bits of TrustListMasks (7.8.2.9) in the order of `TrustContent`.
_PARTS = tuple(
    (1 << bit, part.name, name)
    for bit, (part, name) in enumerate(
        zip(
            fields(TrustContent),
            ("TrustedCertificates", "TrustedCrls", "IssuerCertificates", "IssuerCrls"),
            strict=True,
        )
    )
)


@dataclass(slots=True)
class _Opened:
    session: Hashable
    used_s: float
    writing: bool = False
    data: bytearray = field(default_factory=bytearray)
    position: int = 0


class TrustListFile:
    """The open handles of one TrustList object. `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._numbers = count(randbelow(1 << 30) + 1)
        self._opened: dict[int, _Opened] = {}

    @property
    def open_count(self) -> int:
        """How many handles there are (OpenCount)."""
        return len(self._opened)

    @property
    def writing(self) -> bool:
        """Whether somebody has it open for writing."""
        return any(opened.writing for opened in self._opened.values())

    def open_to_read(self, session: Hashable, content: TrustContent, masks: int) -> int:
        """A handle on the parts of `content` that `masks` names. Raises StatusError."""
        data = encode_content(content, masks)
        return self._open(_Opened(session, self._clock(), data=bytearray(data)))

    def open_to_write(self, session: Hashable) -> int:
        """A handle on an empty file; one at a time. Raises StatusError."""
        if self.writing:
            raise StatusError(StatusCodes.BadNotWritable)
        return self._open(_Opened(session, self._clock(), writing=True))

    def _open(self, opened: _Opened) -> int:
        if len(self._opened) >= MAX_HANDLES:
            raise StatusError(StatusCodes.BadResourceUnavailable)
        number = next(self._numbers)
        self._opened[number] = opened
        return number

    def read(self, session: Hashable, handle: int, length: int) -> bytes:
        """Up to `length` bytes from the position on; none at the end. Raises StatusError."""
        opened = self._use(session, handle)
        if opened.writing:
            raise StatusError(StatusCodes.BadInvalidState)
        if length <= 0:
            raise StatusError(StatusCodes.BadInvalidArgument)
        data = bytes(opened.data[opened.position : opened.position + length])
        opened.position += len(data)
        return data

    def write(self, session: Hashable, handle: int, data: bytes) -> None:
        """Put bytes at the position. Raises StatusError, Bad_RequestTooLarge for too many."""
        opened = self._use(session, handle)
        if not opened.writing:
            raise StatusError(StatusCodes.BadInvalidState)
        end = opened.position + len(data)
        if end > MAX_TRUST_LIST_SIZE:
            raise StatusError(StatusCodes.BadRequestTooLarge)
        opened.data[opened.position : end] = data
        opened.position = end

    def position(self, session: Hashable, handle: int) -> int:
        """Where the next byte is read or written. Raises StatusError."""
        return self._use(session, handle).position

    def set_position(self, session: Hashable, handle: int, position: int) -> None:
        """Go there, or to the end where that is before it. Raises StatusError."""
        opened = self._use(session, handle)
        opened.position = min(position, len(opened.data))

    def close(self, session: Hashable, handle: int) -> bool:
        """Forget the handle and what was written; whether it was for writing."""
        opened = self._use(session, handle)
        del self._opened[handle]
        return opened.writing

    def written(self, session: Hashable, handle: int) -> bytes:
        """What was written. Raises StatusError Bad_InvalidState for a handle to read."""
        opened = self._use(session, handle)
        if not opened.writing:
            raise StatusError(StatusCodes.BadInvalidState)
        return bytes(opened.data)

    def session_closed(self, session: Hashable) -> None:
        """The session's handles are gone."""
        self._forget(number for number, one in self._opened.items() if one.session == session)

    def expire(self) -> None:
        """Close what nobody used for a minute."""
        since_s = self._clock() - ACTIVITY_TIMEOUT_S
        self._forget(number for number, one in self._opened.items() if one.used_s < since_s)

    def _forget(self, numbers: Iterator[int]) -> None:
        for number in list(numbers):
            del self._opened[number]

    def _use(self, session: Hashable, handle: int) -> _Opened:
        opened = self._opened.get(handle)
        if opened is None or opened.session != session:
            raise StatusError(StatusCodes.BadInvalidArgument)
        opened.used_s = self._clock()
        return opened


def encode_content(content: TrustContent, masks: int = ALL_MASKS) -> bytes:
    """A TrustListDataType, not wrapped, with the parts that `masks` names (7.8.2.8)."""
    value: Any = ua.TrustListDataType(SpecifiedLists=ua.UInt32(masks))
    for bit, part, name in _PARTS:
        setattr(value, name, list(getattr(content, part)) if masks & bit else [])
    writer = Writer()
    codec_of(ua.TrustListDataType).encode(writer, value)
    return bytes(writer.buffer)


def decode_content(data: bytes, present: TrustContent) -> TrustContent:
    """`present` with the parts that the encoded list specifies put in their place.

    Raises StatusError Bad_CertificateInvalid for bytes that are none, or name parts unknown.
    """
    reader = Reader(data, _LIMITS)
    try:
        value = codec_of(ua.TrustListDataType).decode(reader)
    except DecodeError as error:
        raise StatusError(StatusCodes.BadCertificateInvalid) from error
    if reader.pos != len(data) or value.SpecifiedLists & ~ALL_MASKS:
        raise StatusError(StatusCodes.BadCertificateInvalid)
    return TrustContent(
        *(
            tuple(der or b"" for der in getattr(value, name) or ())
            if value.SpecifiedLists & bit
            else getattr(present, part)
            for bit, part, name in _PARTS
        )
    )
