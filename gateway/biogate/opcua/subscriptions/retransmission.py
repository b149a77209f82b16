"""Messages of a Subscription that its client has not acknowledged (Part 4, 5.14.1.1)."""

from __future__ import annotations

from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.codec.columns import Message


class Retransmissions:
    """Encoded NotificationMessages by sequence number, the oldest first.

    At most `most` messages of `most_bytes` together, but at least the last one; and none that
    `budget`, which all subscriptions share, has no room for. Bytes that several of them keep
    count for each.
    """

    def __init__(self, most: int, most_bytes: int, budget: ByteBudget) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._budget = budget
        self._messages: dict[int, Message] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def numbers(self) -> list[int]:
        """The sequence numbers that can be asked for."""
        return list(self._messages)

    def get(self, number: int) -> Message | None:
        """The message, or None."""
        return self._messages.get(number)

    def keep(self, number: int, message: Message) -> int:
        """Keep a message that is sent now; how many had to go for it, or could not stay."""
        before = len(self._messages) + 1
        size = _size(message)
        while self._messages and (
            len(self._messages) >= self._most
            or self._bytes + size > self._most_bytes
            or self._budget.used + size > self._budget.limit
        ):
            self.acknowledge(next(iter(self._messages)))
        if self._budget.take(size):
            self._messages[number] = message
            self._bytes += size
        return before - len(self._messages)

    def acknowledge(self, number: int) -> bool:
        """Forget a message; False when it is not there."""
        message = self._messages.pop(number, None)
        if message is None:
            return False
        size = _size(message)
        self._bytes -= size
        self._budget.give_back(size)
        return True

    def clear(self) -> None:
        """Forget all messages."""
        self._budget.give_back(self._bytes)
        self._messages.clear()
        self._bytes = 0


def _size(message: Message) -> int:
    return sum(map(len, message))
