"""Puts chunks together to messages, under budgets (Part 6, 6.7.2 and 6.7.3)."""

from __future__ import annotations

from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.codec import Reader
from biogate.opcua.stack import StatusCodes
from biogate.opcua.transport.framing import ABORTED, CONTINUED, FINAL, TransportError

_last_before_wrap = (1 << 32) - 1024
_highest_after_wrap = 1023
_last_number = (1 << 32) - 1


class SequenceCheck:
    """The numbers of received chunks: each is its predecessor's plus one.

    They start anywhere and start over from below 1024 once they have passed 2^32 - 1024. Where
    they are not `legacy`, as with the ECC policies, 0 comes after 2^32 - 1 (6.7.2.4).
    """

    def __init__(self, *, legacy: bool = True) -> None:
        self._last: int | None = None
        self._first_wrap, self._highest_wrapped = (
            (_last_before_wrap, _highest_after_wrap) if legacy else (_last_number, 0)
        )

    def accept(self, number: int) -> None:
        """Raises TransportError with Bad_SequenceNumberInvalid."""
        last = self._last
        wrapped = last is not None and last >= self._first_wrap and number <= self._highest_wrapped
        if last is not None and number != last + 1 and not wrapped:
            raise TransportError(
                StatusCodes.BadSequenceNumberInvalid,
                "sequence number out of order",
                f"sequence number {number} after {last}",
            )
        self._last = number


class MessageAssembler:
    """Collects the chunks of one message.

    `max_size` and `max_chunks` may be raised at any time. `own` bytes are this connection's,
    whatever others hold; what is beyond them comes out of `budget`, which all share.
    """

    def __init__(self, max_size: int, max_chunks: int, own: int, budget: ByteBudget) -> None:
        self.max_size = max_size
        self.max_chunks = max_chunks
        self._own = own
        self._budget = budget
        self._parts: list[bytes] = []
        self._size = 0
        self._request_id = 0

    @property
    def partial(self) -> bool:
        """Whether a message has begun and is not complete."""
        return bool(self._parts)

    def add(self, chunk_type: bytes, request_id: int, body: bytes) -> bytes | None:
        """The whole message if this is its last chunk, else None.

        Raises TransportError when a limit is passed or chunks of two messages are mixed.
        """
        if chunk_type == FINAL and not self._parts and len(body) <= self.max_size:
            return body  # nearly every message
        if self._parts and request_id != self._request_id:
            raise TransportError(
                StatusCodes.BadTcpMessageTypeInvalid,
                "chunks of two messages are mixed",
                f"chunk of request {request_id} within request {self._request_id}",
            )
        if chunk_type == ABORTED:
            _check_abort(body)
            self.clear()
            return None
        self._check(len(body))
        if chunk_type == CONTINUED:
            self._keep(request_id, body)
            return None
        message = b"".join((*self._parts, body))
        self.clear()
        return message

    def _check(self, size: int) -> None:
        if self._size + size > self.max_size or len(self._parts) >= self.max_chunks:
            raise TransportError(
                StatusCodes.BadTcpMessageTooLarge,
                "message over the limits",
                f"message of at least {self._size + size} bytes in {len(self._parts) + 1} chunks,"
                f" the limits are {self.max_size} and {self.max_chunks}",
            )

    def _keep(self, request_id: int, body: bytes) -> None:
        size = self._size + len(body)
        if not self._budget.take(self._shared(size) - self._shared(self._size)):
            raise TransportError(
                StatusCodes.BadTcpNotEnoughResources,
                "too many incomplete messages",
                f"{self._budget.used} bytes of incomplete messages are held",
            )
        self._request_id = request_id
        self._parts.append(body)
        self._size = size

    def _shared(self, size: int) -> int:
        """What a message of that size takes of the common budget."""
        return max(0, size - self._own)

    def clear(self) -> None:
        """Forget the chunks held."""
        self._budget.give_back(self._shared(self._size))
        self._parts.clear()
        self._size = 0


def _check_abort(body: bytes) -> None:
    reader = Reader(body)
    reader.uint32()
    reader.string()
    reader.finish()
