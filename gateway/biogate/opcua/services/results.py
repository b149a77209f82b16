"""The results of long requests, encoded one by one: bounded in bytes, and small in memory."""

from __future__ import annotations

from typing import Any

from biogate.opcua.codec import encode_message, encode_results
from biogate.opcua.errors import ServiceError
from biogate.opcua.stack import StatusCodes, ua


class ResultList:
    """The Results of a response that has nothing else but its header and no DiagnosticInfos.

    `response` is the class of the response, `room` the bytes that it may take.
    """

    def __init__(self, response: type, room: int) -> None:
        self._response = response
        self._room = room
        self._results: list[bytes] = []

    def add(self, result: Any) -> None:
        """Add a result structure. Raises ServiceError Bad_ResponseTooLarge, or EncodeError."""
        self.add_encoded(encode_message(result))

    def add_encoded(self, result: bytes) -> None:
        """Add a result that is encoded. Raises ServiceError Bad_ResponseTooLarge."""
        self._room -= len(result)
        if self._room < 0:
            raise ServiceError(StatusCodes.BadResponseTooLarge)
        self._results.append(result)

    def encode(self, header: ua.ResponseHeader) -> bytes:
        """The whole response."""
        return encode_results(self._response, header, self._results)
