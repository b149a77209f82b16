"""The audit chain as bytes, and text that cannot forge a record."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import fields, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from biogate_security import audit_chain, filetime
from biogate_security.audit import AuditRecord
from biogate_security.audit_store.export import _cells
from biogate_security.audit_store.merkle import leaf_hash
from biogate_security.log_text import safe_text

_texts = st.text(max_size=40)
_plain = st.text(
    st.characters(categories=["L", "N", "P", "S"], exclude_characters="\\"), max_size=40
)
_records = st.builds(
    AuditRecord,
    event=_plain,
    time=st.integers(0, 2650467743999999999),
    user=st.none() | _plain,
    roles=st.lists(_plain, max_size=3).map(tuple),
    node_id=_plain,
    old=st.none() | _plain,
    new=st.none() | _plain,
    outcome=st.integers(0, 2**32 - 1),
    reason=_plain,
)


def body_of(record, seq=1):
    return audit_chain.encode("a log", seq, audit_chain.content_of(record))


def test_the_bytes_and_the_hash_are_these(entry):
    """Worked out by hand once: a change of format breaks every stored chain and must not pass."""
    body = body_of(entry(old="1.5", new="2", node_id="ns=2;s=feed"), seq=7)
    assert body == (
        '{"event":"write","format":1,"log":"a log","new":"2","node_id":"ns=2;s=feed","old":"1.5",'
        '"outcome":0,"roles":["Operator"],"seq":7,"time":"2026-11-24T12:00:00.0000000Z",'
        '"user":"olga"}'
    )
    first = hashlib.sha256(b"biogate audit genesis v1\x00a log").digest()
    assert audit_chain.genesis("a log") == audit_chain.Head(0, first)
    leaf = hashlib.sha256(b"\x00" + body.encode()).digest()
    expected = hashlib.sha256(b"biogate audit record v2\x00" + first + leaf).digest()
    assert audit_chain.link(first, leaf_hash(body.encode())) == expected


def test_what_earlier_versions_chained_was_the_body():
    expected = hashlib.sha256(b"biogate audit record v1\x00" + b"h" * 32 + b"{}").digest()
    assert audit_chain.link_of_format_1(b"h" * 32, b"{}") == expected


@given(_records)
def test_what_was_written_can_be_read_again(record):
    assert audit_chain.decode(body_of(record, seq=3)) == ("a log", 3, record)


@given(_records)
def test_a_body_is_canonical_json(record):
    body = body_of(record)
    again = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert again == body


@given(_records, _texts, st.sampled_from(["user", "node_id", "old", "new", "reason", "address"]))
def test_two_records_that_differ_in_any_text_have_different_bodies(record, text, name):
    other = replace(record, **{name: text})
    assert (body_of(record) == body_of(other)) == (record == other)


def test_every_field_of_a_record_is_stored():
    marked = {
        field.name: f"the {field.name}"
        for field in fields(AuditRecord)
        if field.name not in {"time", "outcome", "roles"}
    }
    record = AuditRecord(**marked, time=0, outcome=0x803B0000, roles=("a", "b"))
    assert audit_chain.decode(body_of(record))[2] == record


@pytest.mark.parametrize("time", [-1, 10**19])
def test_a_time_that_cannot_be_written_down_is_an_error(entry, time):
    with pytest.raises(ValueError, match="outside the years 1601 to 9999"):
        body_of(entry(time=time))


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"format":1}', '{"format":1,"log":"a","seq":1}'])
def test_a_body_that_is_no_record_is_an_error(body):
    with pytest.raises(ValueError, match=r"."):
        audit_chain.decode(body)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(st.sampled_from([*(field.name for field in fields(AuditRecord)), "seq", "log"]), _VALUES)
@example("seq", float("inf"))
@example("roles", [1])
@example("outcome", "Good")
@example("event", None)
def test_whatever_somebody_put_there_is_a_record_that_can_be_shown_or_an_error(name, value):
    body = json.dumps({**json.loads(body_of(AuditRecord("write", 0, None))), name: value})
    try:
        _, _, record = audit_chain.decode(body)
    except ValueError:
        return
    assert len(list(_cells(record))) == len(fields(AuditRecord))
    audit_chain.content_of(record)


def test_a_body_nested_without_end_is_an_error():
    with pytest.raises(ValueError, match="nested too deep"):
        audit_chain.decode("[" * 200_000)


# Text


@given(_texts)
def test_safe_text_has_nothing_that_could_move_a_cursor_or_hide(text):
    safe = safe_text(text, 100)
    assert not {unicodedata.category(c) for c in safe} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    safe.encode()


@given(_texts, _texts)
def test_safe_text_keeps_different_texts_apart(one, other):
    assert (safe_text(one, 100) == safe_text(other, 100)) == (one == other)


def test_control_characters_are_shown_as_escapes():
    assert safe_text("a\nb\\n\x1b\u202e\udcff\U000e0001", 100) == (
        "a\\u000ab\\\\n\\u001b\\u202e\\udcff\\U000e0001"
    )
    assert safe_text("pH 7,0 µg·l⁻¹ 温度", 100) == "pH 7,0 µg·l⁻¹ 温度"


def test_long_text_is_cut_and_can_still_be_identified(entry):
    digest = hashlib.sha256(b"x" * 5000).hexdigest()
    mark = f"… [cut: 5000 characters, sha256 {digest}]"
    content = audit_chain.content_of(entry(new="x" * 5000, user="x" * 5000))
    assert content["new"] == "x" * 4096 + mark
    assert content["user"] == "x" * 256 + mark


# Time


@given(st.integers(0, 2650467743999999999))
def test_a_time_is_exact_and_sorts_as_text(ticks):
    text = filetime.to_iso(ticks)
    assert filetime.from_iso(text) == ticks
    assert filetime.to_iso(max(0, ticks - 1)) <= text


def test_the_time_is_utc_with_a_hundred_nanoseconds():
    assert filetime.to_iso(133_485_408_000_000_001) == "2024-01-01T00:00:00.0000001Z"


@pytest.mark.parametrize(
    "text", ["", "2024-01-01", "2024-01-01T00:00:00.1Z", "2024-01-01T0.1234567"]
)
def test_another_form_of_time_is_an_error(text):
    with pytest.raises(ValueError, match=r"."):
        filetime.from_iso(text)
