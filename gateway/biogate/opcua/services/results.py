"""The results of long requests, encoded one by one: bounded in bytes, and small in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from biogate.opcua.codec import encode_message, encode_results
from biogate.opcua.errors import ServiceError
from biogate.opcua.stack import StatusCodes, ua

SMALL = 16_384
"""So many bytes of results any request may have, whatever others hold."""


class ResultList:
    """The Results of a response that has nothing else but its header and no DiagnosticInfos.

    `response` is the class of the response, `room` the bytes that it may take. `hold` is told of
    the bytes beyond the first `SMALL`; it raises ServiceError when there are too many of all
    requests together.
    """

    def __init__(self, response: type, room: int, hold: Callable[[int], None]) -> None:
        self._response = response
        self._room = room
        self._hold = hold
        self._size = 0
        self._results: list[bytes] = []

    def add(self, result: Any) -> None:
        """Add a result structure. Raises EncodeError, or like `add_encoded`."""
        self.add_encoded(encode_message(result))

    def add_encoded(self, result: bytes) -> None:
        """Add a result that is encoded.

        Raises ServiceError Bad_ResponseTooLarge or Bad_ServerTooBusy.
        """
        self._size += len(result)
        if self._size > self._room:
            raise ServiceError(StatusCodes.BadResponseTooLarge)
        if self._size > SMALL:
            self._hold(len(result))
        self._results.append(result)

    def encode(self, header: ua.ResponseHeader) -> bytes:
        """The whole response."""
        return encode_results(self._response, header, self._results)
