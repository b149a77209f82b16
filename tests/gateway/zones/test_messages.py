"""Messages and frames: what is none is refused, whatever it is, and nothing else happens."""

from __future__ import annotations

import struct

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.zones.framing import Frames, frame
from biogate.zones.messages import (
    MAX_FROM_ZONE_BYTES,
    FromZone,
    LogLine,
    MalformedError,
    Pong,
    Ready,
    Record,
    SubjectOf,
    WriteSetPoint,
    WriteUnaudited,
    decode_from_zone,
    encode,
)

SUBJECT = SubjectOf("op", "i=1", "urn:a", "", "127.0.0.1", "urn:b", "Sign", "UserName")
MESSAGES = [
    Ready(1, "opc.tcp://127.0.0.1:4840", 4840),
    Pong(3, {"requests": {"answered": 7}}),
    LogLine(20, "biogate.opcua", "session activated", {"user": "op"}),
    WriteSetPoint(1, SUBJECT, 2, "ns=2;s=A", 3.5, None, "", False),
    WriteUnaudited(2, b"\1\0\0\0", bytes(8), bytes(4), bytes(8), {0: b"\0"}),
    Record(4, {"event": "session-closed", "time": 1, "user": None, "roles": ("Operator",)}),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: type(each).__name__)
def test_a_message_comes_out_as_it_went_in(message: object) -> None:
    decoded = decode_from_zone(encode(message))  # type: ignore[arg-type]
    assert type(decoded) is type(message)
    assert encode(decoded) == encode(message)  # type: ignore[arg-type]


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    try:
        message = decode_from_zone(data)
    except MalformedError:
        return
    assert isinstance(message, FromZone)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(st.sampled_from(["write", "call", "record", "log", "pong", "log in"]), st.lists(_JSON))
@settings(max_examples=300, deadline=None)
def test_any_fields_are_a_message_or_malformed(tag: str, fields: list[object]) -> None:
    try:
        message = decode_from_zone(msgspec.msgpack.encode([tag, *fields]))
    except MalformedError:
        return
    assert isinstance(message, FromZone)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_changed_byte_never_makes_anything_else(data: st.DataObject) -> None:
    sent = bytearray(encode(data.draw(st.sampled_from(MESSAGES))))
    sent[data.draw(st.integers(0, len(sent) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert isinstance(decode_from_zone(bytes(sent)), FromZone)
    except MalformedError:
        pass


@pytest.mark.parametrize(
    "message",
    [
        Ready(1, "x" * 5000, 1),
        Ready(1, "x", 70_000),
        LogLine(20, "x" * 300, "y", {}),
        LogLine(20, "x", "y", {str(n): "" for n in range(33)}),
        LogLine(60, "x", "y", {}),
        WriteSetPoint(1, SUBJECT, -1, "ns=2;s=A", 3.5, None, "", False),
        WriteSetPoint(1, SUBJECT, 2**31, "ns=2;s=A", 3.5, None, "", False),
        Record(4, {f"{n}": "" for n in range(65)}),
    ],
)
def test_what_is_beyond_its_bounds_is_malformed(message: object) -> None:
    with pytest.raises(MalformedError):
        decode_from_zone(encode(message))  # type: ignore[arg-type]


def test_deep_nesting_is_malformed() -> None:
    with pytest.raises(MalformedError):
        decode_from_zone(b"\x91" * 100_000)


@given(st.lists(st.binary(max_size=200), max_size=10), st.lists(st.integers(1, 50), min_size=1))
@settings(max_examples=200, deadline=None)
def test_frames_come_out_whole_however_they_are_cut(payloads: list[bytes], cuts: list[int]) -> None:
    stream, frames, found, turn = b"".join(map(frame, payloads)), Frames(1000), [], 0
    while stream:
        size = cuts[turn % len(cuts)]
        found += list(frames.feed(stream[:size]))
        stream, turn = stream[size:], turn + 1
    assert found == payloads


def test_a_frame_beyond_the_bound_is_refused_by_its_length_alone() -> None:
    frames = Frames(MAX_FROM_ZONE_BYTES)
    with pytest.raises(MalformedError, match="at most"):
        list(frames.feed(struct.pack("<I", MAX_FROM_ZONE_BYTES + 1)))
