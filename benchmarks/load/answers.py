"""Answers of a server, looked at as bytes: a wrong one ends the run, however fast it came."""

from __future__ import annotations

import struct

from benchmarks.load.asyncua_types import status_name

# TypeId (four-byte NodeId of namespace 0), Timestamp, RequestHandle, ServiceResult, no diagnostics,
# no strings, no additional header (Part 4, 7.33; Part 6, 5.2.2.9).
_HEADER = struct.Struct("<BBHqIIBiHB")
HEADER_SIZE = _HEADER.size
_SERVICE_FAULT = 397


class WrongAnswerError(Exception):
    """A server answered something else than what was asked for; its figure would be worthless."""


def check_response(body: bytes | memoryview, type_id: int, handle: int | None = None) -> None:
    """Raises WrongAnswerError unless `body` is a Good response of this type to this request."""
    if len(body) < HEADER_SIZE:
        raise WrongAnswerError(f"an answer of {len(body)} bytes")
    kind, namespace, found, _, answered, result, diagnostics, strings, extra, encoding = (
        _HEADER.unpack_from(body)
    )
    if result or found == _SERVICE_FAULT:
        raise WrongAnswerError(f"the service result is {status_name(result)}, not Good")
    if (kind, namespace, found) != (1, 0, type_id):
        raise WrongAnswerError(f"a response of type {found}; expected was {type_id}")
    if diagnostics or strings > 0 or extra or encoding:
        raise WrongAnswerError("a response with diagnostics or an additional header")
    if handle is not None and answered != handle:
        raise WrongAnswerError(f"a response for request {answered}; expected was {handle}")


class Cursor:
    """Walks over the few fields of an answer that the load generator needs."""

    def __init__(self, body: bytes | memoryview, at: int = HEADER_SIZE) -> None:
        self.body = memoryview(body)
        self.at = at

    def take(self, size: int) -> bytes:
        """The next bytes. Raises WrongAnswerError when there are not so many."""
        part = bytes(self.body[self.at : self.at + size])
        if len(part) != size:
            raise WrongAnswerError("an answer ends in the middle of a field")
        self.at += size
        return part

    def unpack(self, layout: str) -> tuple[int, ...]:
        """Numbers by a `struct` layout (little endian)."""
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def uint32(self) -> int:
        """One UInt32."""
        return self.unpack("I")[0]

    def byte_string(self) -> bytes:
        """A ByteString or String; a null one is empty."""
        return self.take(max(self.unpack("i")[0], 0))

    def node_id(self) -> bytes:
        """A NodeId as its bytes (Part 6, 5.2.2.9)."""
        start = self.at
        kind = self.take(1)[0]
        if kind in _FIXED_NODE_IDS:
            self.take(_FIXED_NODE_IDS[kind])
        elif kind in (3, 5):
            self.take(2)
            self.byte_string()
        else:
            raise WrongAnswerError(f"no NodeId begins with {kind:#x}")
        return bytes(self.body[start : self.at])


_FIXED_NODE_IDS = {0: 1, 1: 3, 2: 6, 4: 18}
