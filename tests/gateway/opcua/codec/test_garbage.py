"""Bytes from someone who means no good: a DecodeError, at once and in little memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.codec import (
    DecodeError,
    DecodeLimits,
    Reader,
    decode_in_steps,
    decode_message,
    decode_variant,
    encode_message,
    encode_variant,
)
from biogate.opcua.codec.structures import MESSAGES
from biogate.opcua.stack import StatusCodes, node_id, ua
from biogate.opcua.turns import complete

EXAMPLES = [
    ua.ReadRequest(
        Parameters=ua.ReadParameters(
            NodesToRead=[ua.ReadValueId(node_id("pH", 2), 13) for _ in range(3)]
        )
    ),
    ua.WriteRequest(
        Parameters=ua.WriteParameters(
            NodesToWrite=[
                ua.WriteValue(
                    node_id(7, 1), 13, None, ua.DataValue(ua.Variant([[1.0, 2.0], [3.0, 4.0]]))
                ),
                ua.WriteValue(node_id(7, 1), 13, None, ua.DataValue(ua.Variant(ua.Range(0, 1)))),
            ]
        )
    ),
    ua.ActivateSessionRequest(
        Parameters=ua.ActivateSessionParameters(
            UserIdentityToken=ua.UserNameIdentityToken("p", "user", b"secret", "alg"),
            LocaleIds=["en", "de"],
        )
    ),
    ua.CreateMonitoredItemsRequest(
        Parameters=ua.CreateMonitoredItemsParameters(
            ItemsToCreate=[
                ua.MonitoredItemCreateRequest(
                    ua.ReadValueId(node_id("x", 1)),
                    ua.MonitoringMode.Reporting,
                    ua.MonitoringParameters(1, 100.0, ua.DataChangeFilter(DeadbandValue=1.0), 5),
                )
            ]
        )
    ),
]
ENCODED = [encode_message(example) for example in EXAMPLES]
IDS = [type(example).__name__ for example in EXAMPLES]

DECODING, LIMITS = StatusCodes.BadDecodingError, StatusCodes.BadEncodingLimitsExceeded
REFUSALS = (None, DECODING, LIMITS, StatusCodes.BadServiceUnsupported)


def refused(data: bytes, limits: DecodeLimits = DecodeLimits()) -> int:  # noqa: B008
    with pytest.raises(DecodeError) as error:
        decode_variant(data, limits)
    return error.value.status


@pytest.mark.parametrize("data", ENCODED, ids=IDS)
def test_a_message_cut_short_anywhere_is_refused(data):
    for end in range(len(data)):
        with pytest.raises(DecodeError) as error:
            decode_message(data[:end])
        assert error.value.status == DECODING


@pytest.mark.parametrize("data", ENCODED, ids=IDS)
def test_a_message_with_more_behind_it_is_refused(data):
    with pytest.raises(DecodeError, match="1 bytes too many"):
        decode_message(data + b"\0")


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ENCODED), st.data())
def test_a_message_with_changed_bytes_is_read_or_refused(encoded, data):
    changed = bytearray(encoded)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(
            st.sampled_from([0, 1, 0x7F, 0x80, 0xC0, 0xFF]) | st.integers(0, 255)
        )
    whole = outcome(decode_message, bytes(changed))
    assert whole in REFUSALS
    assert outcome(in_steps, bytes(changed)) == whole


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(MESSAGES)), st.binary(max_size=200))
def test_random_bytes_are_read_or_refused(identifier, tail):
    message = b"\x01\x00" + identifier.to_bytes(2, "little") + tail
    assert outcome(decode_message, message) in REFUSALS


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100))
def test_random_bytes_are_a_variant_or_refused(data):
    assert outcome(decode_variant, data) in (None, DECODING, LIMITS)


def in_steps(data: bytes) -> Any:
    """`decode_message`, a step at a time."""
    return complete(decode_in_steps(data))


@pytest.mark.parametrize("example", EXAMPLES, ids=IDS)
def test_a_message_is_the_same_when_it_is_read_in_steps(example):
    data = encode_message(example)
    assert in_steps(data) == decode_message(data)
    many = ua.ReadRequest()
    many.Parameters.NodesToRead = [ua.ReadValueId(node_id(f"n{n}", 2), 13) for n in range(1000)]
    steps = sum(1 for _ in decode_in_steps(encode_message(many)))
    assert steps > 10


def outcome(decode: Callable[[bytes], Any], data: bytes) -> int | None:
    """The status with which the bytes are refused; what can be read can be written again."""
    try:
        value = decode(data)
    except DecodeError as error:
        return error.status
    encode_variant(value) if decode is decode_variant else encode_message(value)
    return None


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("negative length", b"\x0c\xfe\xff\xff\xff"),
        ("string longer than the rest", b"\x0c\x05\0\0\0abcd"),
        ("string of 2 GiB", b"\x0c\xff\xff\xff\x7f"),
        ("not UTF-8", b"\x0c\x02\0\0\0\xc8\x20"),
        ("overlong UTF-8", b"\x0c\x02\0\0\0\xc0\xaf"),
        ("surrogate in UTF-8", b"\x0c\x03\0\0\0\xed\xa0\x80"),
        ("negative array length", b"\x8b\xfe\xff\xff\xff"),
        ("array longer than the rest", b"\x8b\x02\0\0\0" + bytes(15)),
        ("array of Null", b"\x80\x01\0\0\0"),
        ("Variant in a Variant", b"\x18\x01\x01"),
        ("dimensions without an array", b"\x46\x01\0\0\0\x01\0\0\0\x01\0\0\0"),
        ("dimensions of another size", b"\xc3\x02\0\0\0\1\2\x02\0\0\0\x02\0\0\0\x02\0\0\0"),
        ("negative dimensions", b"\xc3\x01\0\0\0\1\x02\0\0\0" + b"\xff" * 8),
        ("a type above 31", b"\x20"),
        ("reserved NodeId encoding", b"\x11\x06\0\0"),
        ("NodeId with a namespace URI", b"\x11\x80\x01\x01\0\0\0a"),
        ("reserved bits of a DataValue", b"\x17\x40"),
        ("reserved bits of a LocalizedText", b"\x15\x04"),
        ("reserved bits of a DiagnosticInfo", b"\x19\x80"),
        ("reserved ExtensionObject encoding", b"\x16\x00\x05\x03\0\0\0\0"),
        ("structure with a null body", b"\x16\x01\x00\x76\x03\x01\xff\xff\xff\xff"),
        ("nothing at all", b""),
    ],
)
def test_malformed_values_are_decoding_errors(what, data):
    assert refused(data) == DECODING, what


def nested(head: bytes, depth: int, tail: bytes) -> bytes:
    return head * depth + tail


@pytest.mark.parametrize(
    ("head", "tail"),
    [
        (b"\x98\x01\0\0\0", b"\x01\x01"),  # arrays of Variant
        (b"\x17\x01", b"\x01\x01"),  # DataValue in Variant
    ],
    ids=["Variant", "DataValue"],
)
def test_nesting_is_read_to_100_levels_and_no_further(head, tail):
    decode_variant(nested(head, 100, tail))
    assert refused(nested(head, 101, tail)) == LIMITS
    assert refused(nested(head, 200_000, tail)) == LIMITS


def test_nested_diagnostic_infos_are_bounded():
    assert Reader(b"\x40" * 100 + b"\0").diagnostic_info() is not None
    with pytest.raises(DecodeError) as error:
        Reader(b"\x40" * 60_000).diagnostic_info()
    assert error.value.status == LIMITS


# The header's own type fits into its AdditionalHeader, in front of any login.
def test_nested_structures_are_bounded():
    def header(depth: int) -> bytes:
        value = ua.RequestHeader()
        for _ in range(depth):
            value = ua.RequestHeader(AdditionalHeader=value)
        return encode_message(ua.GetEndpointsRequest(RequestHeader=value))

    assert decode_message(header(100)) is not None
    with pytest.raises(DecodeError) as error:
        decode_message(header(101))
    assert error.value.status == LIMITS


def test_limits_are_told_from_malformed_bytes():
    limits = DecodeLimits(max_string_length=3, max_byte_string_length=2, max_array_length=4)
    assert refused(b"\x0c\x04\0\0\0abcd", limits) == LIMITS
    assert refused(b"\x0f\x03\0\0\0abc", limits) == LIMITS
    assert refused(b"\x83\x05\0\0\0abcde", limits) == LIMITS
    assert decode_variant(b"\x83\x04\0\0\0abcd", limits).Value == list(b"abcd")


def test_all_arrays_of_a_message_share_one_budget_of_elements():
    limits = DecodeLimits(max_elements=10)
    row = b"\x98\x05\0\0\0" + b"\x01\x01" * 5
    assert decode_variant(row, limits) is not None
    assert refused(b"\x98\x02\0\0\0" + row * 2, limits) == LIMITS


def test_arrays_of_numbers_count_a_sixteenth():
    limits = DecodeLimits(max_elements=10)
    assert decode_variant(b"\x83\xaf\0\0\0" + bytes(175), limits) is not None
    assert refused(b"\x83\xb0\0\0\0" + bytes(176), limits) == LIMITS


def test_dimensions_are_counted_before_they_are_multiplied():
    many = 20_000
    data = b"\xc3\x01\0\0\0\x01" + many.to_bytes(4, "little") + b"\xff\xff\xff\x7f" * many
    assert refused(data) == LIMITS


def test_the_lists_that_dimensions_make_count_too():
    """A thousand bytes in 99 dimensions of size 1 would be a hundred thousand lists."""
    limits = DecodeLimits(max_elements=1000)
    data = b"\xc3\xe8\x03\0\0" + bytes(1000)
    flat = (1).to_bytes(4, "little") + (1000).to_bytes(4, "little")
    deep = (100).to_bytes(4, "little") + (1000).to_bytes(4, "little") + b"\1\0\0\0" * 99
    assert decode_variant(data + flat, limits).Value == [0] * 1000
    assert refused(data + deep, limits) == LIMITS


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\xff\xff\xff\x7f",
        b"\x98\xff\xff\xff\x7f",
        b"\x8c\xff\xff\xff\x7f" + b"\xff" * 400,
        b"\xcb\x00\x00\x00\x00\x02\0\0\0\xff\xff\xff\x7f\x00\0\0\0",
        b"\xc3\x01\0\0\0\x01\xff\xff\xff\x7f",
        b"\x98\x41\x0d\x03\0" + b"\0" * 200_001,
    ],
)
def test_announced_sizes_take_no_memory(data):
    def attempt() -> Any:
        try:
            return decode_variant(data)
        except DecodeError:
            return None

    attempt()
    tracemalloc.start()
    try:
        attempt()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000


def test_the_smallest_elements_do_not_grow_into_more_than_the_budget_allows():
    count = DecodeLimits().max_elements
    data = b"\x98" + count.to_bytes(4, "little") + b"\0" * count
    tracemalloc.start()
    try:
        assert len(decode_variant(data).Value) == count
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 << 20
