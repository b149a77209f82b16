"""Frames of a link: a length of four bytes, little-endian, and so many bytes of a message."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from biogate.zones.messages import MalformedError

_LENGTH = struct.Struct("<I")


def frame(payload: bytes) -> bytes:
    """The payload with its length before it."""
    return _LENGTH.pack(len(payload)) + payload


class Frames:
    """Takes bytes as they come, and gives the payloads in them. `longest` bounds each."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._kept = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads that are complete now.

        Raises MalformedError for a length beyond the bound, before any of it is kept.
        """
        if self._kept:
            self._kept += data
            data = bytes(self._kept) if self._is_complete(self._kept) else b""
            if not data:
                return
            self._kept = bytearray()
        start = 0
        while (end := self._end(data, start)) <= len(data):
            yield data[start + _LENGTH.size : end]
            start = end
        self._kept += data[start:]

    def _is_complete(self, data: bytearray) -> bool:
        return self._end(data, 0) <= len(data)

    def _end(self, data: bytes | bytearray, start: int) -> int:
        """Where the frame that begins at `start` ends; beyond the data where nobody knows yet."""
        if len(data) - start < _LENGTH.size:
            return len(data) + 1
        (length,) = _LENGTH.unpack_from(data, start)
        if length > self._longest:
            raise MalformedError(f"a message of {length} bytes; at most {self._longest} are taken")
        return start + _LENGTH.size + int(length)
