"""Notifications encoded by column (Part 4, 7.25), and the messages around them.

A `MonitoredItemNotification` is a ClientHandle and a DataValue: see `data_values`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biogate.opcua.codec.data_values import (
    DataValues,
    fill_records,
    good_shape,
    interleave,
    new_records,
    shapes_of,
)

SOURCE_RETURNED = np.array([True, False, True, False])
SERVER_RETURNED = np.array([False, True, True, False])
"""By TimestampsToReturn: Source, Server, Both, Neither (Part 4, 7.39)."""


class Notifications(NamedTuple):
    """Rows to encode; all columns have the same length.

    `client_handle`: uint32; `wire`: uint8 built-in type ids, keys of `WIRE_TYPES`; `value`:
    float64 (NaN with a Bad status: no value); `status`: uint32; `source_time`, `server_time`:
    int64 FILETIME ticks (0: none); `timestamps`: uint8 TimestampsToReturn.
    """

    client_handle: NDArray[np.uint32]
    wire: NDArray[np.uint8]
    value: NDArray[np.float64]
    status: NDArray[np.uint32]
    source_time: NDArray[np.int64]
    server_time: NDArray[np.int64]
    timestamps: NDArray[np.uint8]

    def data_values(self) -> DataValues:
        """The rows as they are shown: without the times that are not asked for."""
        return DataValues(
            self.wire,
            self.value,
            self.status,
            np.where(SOURCE_RETURNED[self.timestamps], self.source_time, 0),
            np.where(SERVER_RETURNED[self.timestamps], self.server_time, 0),
        )


class EncodedNotifications:
    """Rows encoded but for their client handles, which may be filled in again and again."""

    __slots__ = ("_body", "_handles", "count")

    def __init__(self, rows: Notifications) -> None:
        self.count = len(rows.value)
        self._handles: NDArray[np.uint32] | NDArray[np.int64]
        shape = _only_shape(rows) if self.count else None
        if shape is None:
            values = rows.data_values()
            self._body, self._handles = interleave(shapes_of(values), values, handles=True)
        else:
            records = new_records(shape, self.count, handles=True)
            fill_records(records, shape, rows)
            self._body, self._handles = records.view(np.uint8), records["handle"]

    def with_handles(self, handles: NDArray[np.uint32]) -> bytes:
        """The rows as MonitoredItemNotifications, one after the other, with these handles."""
        if self._handles.dtype == np.int64:
            four_bytes = np.ascontiguousarray(handles, "<u4").view(np.uint8).reshape(-1, 4)
            self._body[self._handles[:, None] + np.arange(4)] = four_bytes
        else:
            self._handles[:] = handles
        return self._body.tobytes()


def encode_notifications(rows: Notifications) -> bytes:
    """The rows as MonitoredItemNotifications, one after the other (no array length before).

    A number that its wire type cannot hold must not come here: see `subscriptions.projection`.
    """
    return EncodedNotifications(rows).with_handles(rows.client_handle)


def _only_shape(rows: Notifications) -> int | None:
    """The shape that all of these rows have in the usual case: Good values of one type."""
    wire, timestamps = int(rows.wire[0]), int(rows.timestamps[0])
    if (
        rows.status.any()
        or (rows.wire != wire).any()
        or (rows.timestamps != timestamps).any()
        or not (rows.source_time.all() and rows.server_time.all())
    ):
        return None
    source, server = SOURCE_RETURNED[timestamps], SERVER_RETURNED[timestamps]
    return good_shape(wire, source=bool(source), server=bool(server))


_EXTENSION_OBJECT = struct.Struct("<BBHBi")
_FOUR_BYTE_NODE_ID = 1
_BYTE_STRING_BODY = 1
_DATA_CHANGE_NOTIFICATION = 811
_STATUS_CHANGE_NOTIFICATION = 820
_EVENT_NOTIFICATION_LIST = 916
_PUBLISH_RESPONSE = 829
_REPUBLISH_RESPONSE = 835
_NO_DIAGNOSTICS = struct.pack("<i", 0)
_MESSAGE_HEAD = struct.Struct("<Iqi")
_RESPONSE_HEAD = struct.Struct("<BBHqIIBiHB")
_COUNT = struct.Struct("<i")


def data_change_notification(count: int, *items: bytes) -> bytes:
    """An ExtensionObject of DataChangeNotification with `count` encoded notifications."""
    return _extension_object(_DATA_CHANGE_NOTIFICATION, _COUNT.pack(count), *items, _NO_DIAGNOSTICS)


def event_notification_list(events: Sequence[bytes]) -> bytes:
    """An ExtensionObject of EventNotificationList with encoded EventFieldLists."""
    return _extension_object(
        _EVENT_NOTIFICATION_LIST, b"".join((_COUNT.pack(len(events)), *events))
    )


def status_change_notification(status: int) -> bytes:
    """An ExtensionObject of StatusChangeNotification without diagnostics."""
    return _extension_object(_STATUS_CHANGE_NOTIFICATION, struct.pack("<IB", status, 0))


def _extension_object(type_id: int, *parts: bytes) -> bytes:
    size = sum(map(len, parts))
    head = _EXTENSION_OBJECT.pack(_FOUR_BYTE_NODE_ID, 0, type_id, _BYTE_STRING_BODY, size)
    return b"".join((head, *parts))


Message = tuple[bytes, ...]
"""An encoded NotificationMessage in parts: what is large may be that of others too."""


def notification_message(sequence: int, publish_time: int, *notifications: bytes) -> Message:
    """A NotificationMessage of encoded ExtensionObjects; none of them make a keep-alive."""
    return _MESSAGE_HEAD.pack(sequence, publish_time, len(notifications)), *notifications


def publish_response(
    request_handle: int,
    now: int,
    subscription_id: int,
    available: Sequence[int],
    results: Sequence[int],
    message: Message,
    *,
    more: bool,
) -> bytes:
    """A PublishResponse with service result Good, TypeId included (Part 4, 5.14.5).

    `now`: FILETIME ticks; `available`: sequence numbers that can be republished; `results`:
    StatusCodes of the acknowledgements.
    """
    return b"".join(
        (
            _response_head(_PUBLISH_RESPONSE, request_handle, now),
            struct.pack("<I", subscription_id),
            _numbers(available),
            b"\x01" if more else b"\x00",
            *message,
            _numbers(results),
            _NO_DIAGNOSTICS,
        )
    )


def republish_response(request_handle: int, now: int, message: Message) -> bytes:
    """A RepublishResponse with service result Good, TypeId included (Part 4, 5.14.6)."""
    return b"".join((_response_head(_REPUBLISH_RESPONSE, request_handle, now), *message))


def _response_head(type_id: int, request_handle: int, now: int) -> bytes:
    return _RESPONSE_HEAD.pack(_FOUR_BYTE_NODE_ID, 0, type_id, now, request_handle, 0, 0, 0, 0, 0)


def _numbers(numbers: Sequence[int]) -> bytes:
    return struct.pack(f"<i{len(numbers)}I", len(numbers), *numbers)
