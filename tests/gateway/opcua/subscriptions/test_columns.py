"""Notifications encoded by column are, byte for byte, what asyncua's encoder makes of objects."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import (
    extensionobject_from_binary,
    nodeid_from_binary,
    struct_from_binary,
    struct_to_binary,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.codec import columns
from biogate.opcua.codec.columns import Notifications, encode_notifications
from biogate.opcua.codec.data_values import WIRE_TYPES
from biogate_adapters.status import BAD

EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
STATUSES = [0, 0x480, 0x40900000, 0x40900480, 0x80310000, 0x800A0000]
INTEGERS = {2: (-128, 127), 3: (0, 255), 4: (-32768, 32767), 5: (0, 65535)} | {
    6: (-(2**31), 2**31 - 1),
    7: (0, 2**32 - 1),
}


def numbers(wire: int) -> st.SearchStrategy[float]:
    if wire in INTEGERS:
        return st.integers(*INTEGERS[wire]).map(float)
    if wire == 1:
        return st.sampled_from([0.0, 1.0])
    return st.floats(width=32 if wire == 10 else 64)


@st.composite
def rows(draw: st.DrawFn) -> tuple[int, int, float, int, int, int, int]:
    wire = draw(st.sampled_from(sorted(WIRE_TYPES)))
    ticks = st.one_of(st.just(0), st.integers(10**17 // 10, 10**18 // 50).map(lambda t: t * 10))
    status = draw(st.sampled_from(STATUSES))
    value = draw(numbers(wire))
    if status & BAD and draw(st.booleans()):
        value = math.nan
    handle = draw(st.integers(0, 2**32 - 1))
    return handle, wire, value, status, draw(ticks), draw(ticks), draw(st.integers(0, 3))


def as_columns(table: list[tuple[int, int, float, int, int, int, int]]) -> Notifications:
    types = (np.uint32, np.uint8, np.float64, np.uint32, np.int64, np.int64, np.uint8)
    cells = zip(*table, strict=True) if table else ((),) * len(types)
    return Notifications(*(np.array(c, t) for c, t in zip(cells, types, strict=True)))


def as_object(row: tuple[int, int, float, int, int, int, int]) -> ua.MonitoredItemNotification:
    handle, wire, value, status, source, server, timestamps = row
    python = bool(value) if wire == 1 else value if wire > 9 else None
    if python is None and not math.isnan(value):
        python = int(value)
    absent = math.isnan(value) and status & BAD
    source_time, server_time = (
        EPOCH + timedelta(microseconds=ticks // 10) if ticks else None for ticks in (source, server)
    )
    shown = ua.DataValue(
        Value=ua.Variant() if absent else ua.Variant(python, ua.VariantType(wire)),
        StatusCode=ua.StatusCode(status),
        SourceTimestamp=source_time if timestamps in (0, 2) else None,
        ServerTimestamp=server_time if timestamps in (1, 2) else None,
    )
    return ua.MonitoredItemNotification(handle, shown)


def encoded_by_asyncua(row: tuple[int, int, float, int, int, int, int]) -> bytes:
    """asyncua writes a null Variant for no value, and Good; both are left out on our wire."""
    item = as_object(row)
    if item.Value.Value.VariantType is ua.VariantType.Null:
        object.__setattr__(item.Value, "Value", None)
    if item.Value.StatusCode.value == 0:
        object.__setattr__(item.Value, "StatusCode", None)
    return struct_to_binary(item)


@settings(max_examples=200, deadline=None)
@given(st.lists(rows(), max_size=12))
def test_any_mix_of_types_statuses_and_timestamps_encodes_as_asyncua_does(table):
    oracle = b"".join(map(encoded_by_asyncua, table))
    assert encode_notifications(as_columns(table)) == oracle


def test_rows_of_one_shape_are_one_block_of_the_same_bytes():
    table = [(n, 11, n / 7, 0, 10 * n + 10, 10 * n + 20, 2) for n in range(1000)]
    oracle = b"".join(map(encoded_by_asyncua, table))
    assert encode_notifications(as_columns(table)) == oracle


def test_asyncua_decodes_a_publish_response_to_the_same_objects():
    table = [(7, 11, 1.5, 0, 130 * 10**15, 131 * 10**15, 2), (9, 1, 1.0, 0x480, 0, 0, 2)]
    now = 133 * 10**15
    body = columns.publish_response(
        42,
        now,
        5,
        [3, 4],
        [0, 0x807A0000],
        columns.notification_message(
            4,
            now,
            columns.data_change_notification(2, encode_notifications(as_columns(table))),
            columns.status_change_notification(0x800A0000),
        ),
        more=True,
    )
    buffer = Buffer(body)
    assert nodeid_from_binary(buffer) == ua.NodeId(
        ua.ObjectIds.PublishResponse_Encoding_DefaultBinary
    )
    header = struct_from_binary(ua.ResponseHeader, buffer)
    assert (header.RequestHandle, header.ServiceResult.value) == (42, 0)
    assert header.Timestamp == EPOCH + timedelta(microseconds=now // 10)
    result = struct_from_binary(ua.PublishResult, buffer)
    assert (result.SubscriptionId, result.AvailableSequenceNumbers) == (5, [3, 4])
    assert result.MoreNotifications
    assert [code.value for code in result.Results] == [0, 0x807A0000]
    message = result.NotificationMessage
    assert (message.SequenceNumber, message.PublishTime) == (4, header.Timestamp)
    changes, ended = message.NotificationData
    assert changes.MonitoredItems == [as_object(row) for row in table]
    assert ended.Status.value == 0x800A0000
    assert len(buffer) == 0


def test_asyncua_decodes_a_keep_alive_and_a_republish_response():
    keep_alive = columns.notification_message(1, 133 * 10**15)
    buffer = Buffer(columns.republish_response(43, 133 * 10**15, keep_alive))
    response = struct_from_binary(ua.RepublishResponse, buffer)
    assert response.TypeId == ua.NodeId(ua.ObjectIds.RepublishResponse_Encoding_DefaultBinary)
    assert response.ResponseHeader.RequestHandle == 43
    assert response.NotificationMessage.SequenceNumber == 1
    assert not response.NotificationMessage.NotificationData
    assert len(buffer) == 0


def test_the_extension_object_is_one_that_asyncua_registered():
    body = columns.data_change_notification(0)
    assert extensionobject_from_binary(Buffer(body)) == ua.DataChangeNotification([], [])
