"""The queue of one monitored item whose values are no numbers of a tag: the cold path.

Texts, arrays, attributes other than Value, values that are computed when they are asked for.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from biogate.opcua.codec.columns import SERVER_RETURNED, SOURCE_RETURNED
from biogate.opcua.codec.fields import from_status
from biogate.opcua.codec.messages import encode_message
from biogate.opcua.stack import ua
from biogate.opcua.subscriptions.filters import DataFilter
from biogate.opcua.subscriptions.rings import OVERFLOW


class ObjectQueue:
    """DataValues in order, with the filter, overflow and discard rules of `rings.RingStore`."""

    def __init__(self, capacity: int, filter_: DataFilter, *, discard_oldest: bool) -> None:
        self._values: deque[ua.DataValue] = deque()
        self._last: ua.DataValue | None = None
        self.configure(capacity, filter_, discard_oldest=discard_oldest)

    def __len__(self) -> int:
        return len(self._values)

    def configure(self, capacity: int, filter_: DataFilter, *, discard_oldest: bool) -> None:
        """New settings; a queue that gets smaller loses what its discard policy says."""
        self.capacity = capacity
        self.filter = filter_
        self.discard_oldest = discard_oldest
        values = self._values
        if len(values) > capacity:
            while len(values) > capacity:
                values.popleft() if discard_oldest else values.pop()
            self._mark()

    def clear(self) -> None:
        """Empty the queue; the next value is queued whatever it is."""
        self._values.clear()
        self._last = None

    def offer(self, value: ua.DataValue) -> None:
        """Queue `value` when the filter lets it pass."""
        if self._last is None or _changed(self.filter, self._last, value):
            self.push(value)

    def push(self, value: ua.DataValue) -> None:
        """Queue `value` whatever the filter says."""
        self._last = value
        full = len(self._values) == self.capacity
        if full:
            self._values.popleft() if self.discard_oldest else self._values.pop()
        self._values.append(value)
        if full:
            self._mark()

    def _mark(self) -> None:
        """Set the Overflow bit where values were lost; a queue of one has none."""
        if self.capacity > 1:
            place = 0 if self.discard_oldest else -1
            self._values[place] = _overflowed(self._values[place])

    def take(self) -> ua.DataValue:
        """Take the oldest value out. Raises IndexError when there is none."""
        return self._values.popleft()


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
