"""Notifications encoded by column: numpy records instead of objects. The hot half of the codec.

A `MonitoredItemNotification` of a number has a fixed layout once its *shape* is known: the wire
type, and whether value, status and each timestamp are there. Rows of one shape are one structured
array whose bytes are the encoding (Part 4, 7.25; Part 6, 5.2.2.16-17). Where shapes mix, each is
written as one block of bytes to the rows' own places, so that the order of rows stays.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biogate_adapters import status

WIRE_TYPES: Mapping[int, str] = {
    1: "u1",
    2: "i1",
    3: "u1",
    4: "<i2",
    5: "<u2",
    6: "<i4",
    7: "<u4",
    10: "<f4",
    11: "<f8",
}
"""Built-in type id (Part 6, 5.1.2) → numpy type, of the types that go by column."""

_BOOLEAN = 1

_TYPE_MASK = 0x1F
_VALUE, _STATUS, _SOURCE, _SERVER = 0x20, 0x40, 0x80, 0x100
_SHAPE_TO_ENCODING_MASK = 5
"""DataValue's mask bits are the shape's, shifted (Part 6, table 26: 1, 2, 4, 8)."""

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

    def rows(self, rows: NDArray[np.intp]) -> Notifications:
        """Some of the rows."""
        return Notifications(
            self.client_handle[rows],
            self.wire[rows],
            self.value[rows],
            self.status[rows],
            self.source_time[rows],
            self.server_time[rows],
            self.timestamps[rows],
        )


class EncodedNotifications:
    """Rows encoded but for their client handles, which may be filled in again and again."""

    __slots__ = ("_body", "_handles", "count")

    def __init__(self, rows: Notifications) -> None:
        self.count = len(rows.value)
        self._handles: NDArray[np.uint32] | NDArray[np.int64]
        shape = _only_shape(rows) if self.count else None
        if shape is None:
            self._body, self._handles = _interleave(_shapes(rows), rows)
        else:
            records = _records(shape, rows)
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
    return wire | _VALUE | int(source) * _SOURCE | int(server) * _SERVER


def _shapes(rows: Notifications) -> NDArray[np.uint16]:
    has_value = ~(np.isnan(rows.value) & ((rows.status & status.BAD) != 0))
    has_source = SOURCE_RETURNED[rows.timestamps] & (rows.source_time != 0)
    has_server = SERVER_RETURNED[rows.timestamps] & (rows.server_time != 0)
    shapes = np.where(has_value, rows.wire | np.uint16(_VALUE), np.uint16(0))
    shapes |= (rows.status != 0) * np.uint16(_STATUS)
    shapes |= has_source * np.uint16(_SOURCE)
    shapes |= has_server * np.uint16(_SERVER)
    return shapes


def _interleave(
    shapes: NDArray[np.uint16], rows: Notifications
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of rows of several shapes, and where in them each row begins."""
    sizes = np.empty(len(shapes), np.int64)
    blocks = []
    for shape in np.unique(shapes).tolist():
        places = np.flatnonzero(shapes == shape)
        records = _records(shape, rows.rows(places))
        sizes[places] = records.dtype.itemsize
        blocks.append((places, records))
    starts = np.cumsum(sizes) - sizes
    body = np.empty(int(sizes.sum()), np.uint8)
    for places, records in blocks:
        size = records.dtype.itemsize
        body[starts[places, None] + np.arange(size)] = records.view(np.uint8).reshape(-1, size)
    return body, starts


@lru_cache(maxsize=512)
def _record_type(shape: int) -> np.dtype[np.void]:
    fields = [("handle", "<u4"), ("mask", "u1")]
    if shape & _VALUE:
        fields += [("type", "u1"), ("value", WIRE_TYPES[shape & _TYPE_MASK])]
    if shape & _STATUS:
        fields.append(("status", "<u4"))
    if shape & _SOURCE:
        fields.append(("source", "<i8"))
    if shape & _SERVER:
        fields.append(("server", "<i8"))
    return np.dtype(fields)


def _records(shape: int, rows: Notifications) -> NDArray[np.void]:
    """All but the handles."""
    records = np.empty(len(rows.value), _record_type(shape))
    records["mask"] = shape >> _SHAPE_TO_ENCODING_MASK
    if shape & _VALUE:
        wire = shape & _TYPE_MASK
        records["type"] = wire
        records["value"] = rows.value != 0 if wire == _BOOLEAN else rows.value
    if shape & _STATUS:
        records["status"] = rows.status
    if shape & _SOURCE:
        records["source"] = rows.source_time
    if shape & _SERVER:
        records["server"] = rows.server_time
    return records


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
