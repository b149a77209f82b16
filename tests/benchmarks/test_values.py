"""Values are taken apart by column, as asyncua's codec would decode them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from benchmarks.load.answers import WrongAnswerError
from benchmarks.load.values import take_values
from hypothesis import given, settings
from hypothesis import strategies as st

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TICKS = (MOMENT - datetime(1601, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 10


def data_value(number: float, **fields: object) -> bytes:
    given_fields = {"StatusCode": None, "SourceTimestamp": MOMENT} | fields
    return struct_to_binary(ua.DataValue(ua.Variant(number, ua.VariantType.Double), **given_fields))


def notification(handle: int, value: bytes) -> bytes:
    return handle.to_bytes(4, "little") + value


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**32 - 1), st.floats(allow_nan=False), st.booleans(), st.booleans()
        ),
        min_size=1,
        max_size=20,
    )
)
def test_columns_are_what_the_codec_decodes_whatever_fields_values_have(
    rows: list[tuple[int, float, bool, bool]],
) -> None:
    data = b"".join(
        notification(
            handle,
            data_value(
                number,
                StatusCode=ua.StatusCode(0) if status else None,
                ServerTimestamp=MOMENT if server_time else None,
            ),
        )
        for handle, number, status, server_time in rows
    )

    taken = take_values(memoryview(data), len(rows), handles=True)

    buffer = Buffer(data)
    decoded = [struct_from_binary(ua.MonitoredItemNotification, buffer) for _ in rows]
    assert taken.handle.tolist() == [item.ClientHandle for item in decoded]
    assert taken.value.tolist() == [item.Value.Value.Value for item in decoded]
    assert (taken.source_time == TICKS).all()


def test_values_with_the_overflow_bit_are_counted() -> None:
    overflow = ua.StatusCode(0x0000_0480)
    data = data_value(1.0, StatusCode=overflow) + data_value(2.0, StatusCode=ua.StatusCode(0))

    assert take_values(memoryview(data), 2, handles=False).overflows == 1


@pytest.mark.parametrize(
    ("data", "count", "why"),
    [
        (data_value(1.0), 2, "1 values where there should be 2"),
        (data_value(1.0) * 2, 1, "more than 1 values"),
        (data_value(1.0)[:-1], 1, "in the middle of a value"),
        (data_value(1.0, StatusCode=ua.StatusCode(0x8031_0000)), 1, "BadNoCommunication"),
        (b"", 0, "0 values"),
    ],
)
def test_values_that_are_not_what_was_asked_for_are_noticed(
    data: bytes, count: int, why: str
) -> None:
    with pytest.raises(WrongAnswerError, match=why):
        take_values(memoryview(data), count, handles=False)


def test_a_notification_without_a_source_timestamp_is_noticed() -> None:
    data = notification(7, data_value(1.0, SourceTimestamp=None))

    with pytest.raises(WrongAnswerError, match="without a SourceTimestamp"):
        take_values(memoryview(data), 1, handles=True)


def test_a_value_of_another_type_is_noticed() -> None:
    data = bytearray(data_value(1.0) * 3)
    size = len(data) // 3
    data[size + 1] = ua.VariantType.Int64

    with pytest.raises(WrongAnswerError, match="not Doubles"):
        take_values(memoryview(data), 3, handles=False)


def test_columns_share_no_bytes_with_the_next_answer() -> None:
    taken = take_values(memoryview(data_value(1.0)), 1, handles=False)

    np.testing.assert_array_equal(taken.value, [1.0])
    assert not taken.value.flags.writeable
