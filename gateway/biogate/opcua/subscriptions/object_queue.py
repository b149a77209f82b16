"""The queue of one monitored item whose values are no numbers of a tag: the cold path.

Texts, arrays, attributes other than Value, values that are computed when they are asked for.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.codec.columns import SERVER_RETURNED, SOURCE_RETURNED
from biogate.opcua.codec.encoded import EncodedVariant
from biogate.opcua.codec.fields import from_status
from biogate.opcua.codec.messages import encode_message
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.subscriptions.filters import DataFilter
from biogate.opcua.subscriptions.rings import OVERFLOW
from biogate.tags.weight import weight_of

_SMALL = 256
"""Up to so many bytes a value's content is not counted: their number is bounded."""


@dataclass(slots=True, eq=False)
class _Entry:
    """A value: as it came, as it is shown, the bytes that it holds, whether it is queued."""

    value: ua.DataValue
    shown: ua.DataValue
    size: int
    queued: bool = True


class ObjectQueue:
    """DataValues in order, with the filter, overflow and discard rules of `rings.RingStore`.

    `budget` is for the bytes of large contents in all queues; a value that it has no room for is
    queued as Bad_OutOfMemory. `pushes` counts what was ever queued, `lost` what there was no room
    for, which in a queue of one is no loss.
    """

    def __init__(
        self, capacity: int, filter_: DataFilter, budget: ByteBudget, *, discard_oldest: bool
    ) -> None:
        self._entries: deque[_Entry] = deque()
        self._last: _Entry | None = None
        self._budget = budget
        self.pushes = self.lost = 0
        self.configure(capacity, filter_, discard_oldest=discard_oldest)

    def __len__(self) -> int:
        return len(self._entries)

    def configure(self, capacity: int, filter_: DataFilter, *, discard_oldest: bool) -> None:
        """New settings; a queue that gets smaller loses what its discard policy says."""
        self.capacity = capacity
        self.filter = filter_
        self.discard_oldest = discard_oldest
        if len(self._entries) > capacity:
            while len(self._entries) > capacity:
                self._discard()
            self._mark()

    def clear(self) -> None:
        """Empty the queue; the next value is queued whatever it is."""
        last, self._last = self._last, None
        if last is not None and not last.queued:
            self._budget.give_back(last.size)
        while self._entries:
            self.take()

    def offer(self, value: ua.DataValue) -> None:
        """Queue `value` when the filter lets it pass."""
        last = self._last
        if last is None or _changed(self.filter, last.value, value):
            entry = self._entry(value)
            if last is None or entry.value is value or _changed(_ANY, last.value, entry.value):
                self._push(entry)
                return
            self._budget.give_back(entry.size)

    def push(self, value: ua.DataValue) -> None:
        """Queue `value` whatever the filter says."""
        self._push(self._entry(value))

    def _entry(self, value: ua.DataValue) -> _Entry:
        size = _size(_content(value))
        if not self._budget.take(size):
            size, value = 0, _without_content(value)
        return _Entry(value, value, size)

    def _push(self, entry: _Entry) -> None:
        self.pushes += 1
        last, self._last = self._last, entry
        if last is not None and not last.queued:
            self._budget.give_back(last.size)
        full = len(self._entries) == self.capacity
        if full:
            self._discard()
        self._entries.append(entry)
        if full:
            self._mark()

    def _discard(self) -> None:
        """Lose a value by the discard policy."""
        self.lost += self.capacity > 1
        self._let_go(self._entries.popleft() if self.discard_oldest else self._entries.pop())

    def _let_go(self, entry: _Entry) -> None:
        entry.queued = False
        if entry is not self._last:
            self._budget.give_back(entry.size)

    def _mark(self) -> None:
        """Set the Overflow bit where values were lost; a queue of one has none."""
        if self.capacity > 1:
            entry = self._entries[0 if self.discard_oldest else -1]
            entry.shown = _overflowed(entry.shown)

    def peek(self) -> ua.DataValue:
        """The oldest value. Raises IndexError when there is none."""
        return self._entries[0].shown

    def take(self) -> ua.DataValue:
        """Take the oldest value out. Raises IndexError when there is none."""
        entry = self._entries.popleft()
        self._let_go(entry)
        return entry.shown


_ANY = DataFilter()


def _size(content: Any) -> int:
    """The bytes of a content that are worth counting; a constant's are the address space's."""
    if isinstance(content, EncodedVariant):
        return 0
    size = weight_of(content)
    return size if size > _SMALL else 0


def _without_content(value: ua.DataValue) -> ua.DataValue:
    status = ua.StatusCode(ua.UInt32(StatusCodes.BadOutOfMemory))
    return ua.DataValue(ua.Variant(), status, value.SourceTimestamp, value.ServerTimestamp)


def _overflowed(value: ua.DataValue) -> ua.DataValue:
    status = from_status(value.StatusCode) | OVERFLOW
    return ua.DataValue(
        value.Value, ua.StatusCode(ua.UInt32(status)), value.SourceTimestamp, value.ServerTimestamp
    )


def encode_object_notification(client_handle: int, value: ua.DataValue, timestamps: int) -> bytes:
    """One MonitoredItemNotification (Part 4, 7.25.2). Raises EncodeError."""
    shown = ua.DataValue(
        value.Value,
        value.StatusCode,
        value.SourceTimestamp if SOURCE_RETURNED[timestamps] else None,
        value.ServerTimestamp if SERVER_RETURNED[timestamps] else None,
    )
    return encode_message(ua.MonitoredItemNotification(ua.UInt32(client_handle), shown))


def _changed(filter_: DataFilter, last: ua.DataValue, value: ua.DataValue) -> bool:
    if from_status(last.StatusCode) != from_status(value.StatusCode):
        return True
    if filter_.trigger == 0:
        return False
    if filter_.trigger == 2 and last.SourceTimestamp != value.SourceTimestamp:
        return True
    return _differs(_content(last), _content(value), filter_.deadband)


def _content(value: ua.DataValue) -> Any:
    return None if value.Value is None else value.Value.Value


def _differs(last: Any, value: Any, deadband: float) -> bool:
    if isinstance(last, list) and isinstance(value, list):
        return len(last) != len(value) or any(
            _differs(a, b, deadband) for a, b in zip(last, value, strict=True)
        )
    if last == value:
        return False
    if not isinstance(last, int | float) or not isinstance(value, int | float):
        return True
    if math.isnan(last) and math.isnan(value):
        return False
    return not abs(value - last) <= deadband
