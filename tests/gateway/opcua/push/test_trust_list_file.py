"""A trust list as a file: any pieces give the whole, any bytes get an answer."""

from __future__ import annotations

import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.errors import StatusError
from biogate.opcua.push.transaction import Transactions
from biogate.opcua.push.trust_list_file import (
    ACTIVITY_TIMEOUT_S,
    ALL_MASKS,
    TrustListFile,
    decode_content,
    encode_content,
)
from biogate_security.pki_update import OwnUpdate
from biogate_security.trust_content import TrustContent

S = ua.StatusCodes
_DERS = st.lists(st.binary(min_size=1, max_size=40), max_size=4).map(tuple)
CONTENTS = st.builds(TrustContent, _DERS, _DERS, _DERS, _DERS)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(clock: Clock) -> TrustListFile:
    return TrustListFile(clock)


def refused(function, *arguments) -> int:
    with pytest.raises(StatusError) as caught:
        function(*arguments)
    return caught.value.status


@given(CONTENTS, CONTENTS, st.integers(0, 15))
@settings(max_examples=60)
def test_a_list_comes_back_as_it_was_and_the_parts_that_are_not_named_stay(new, present, masks):
    back = decode_content(encode_content(new, masks), present)
    for bit, part in enumerate(("trusted", "trusted_crls", "issuers", "issuer_crls")):
        source = new if masks >> bit & 1 else present
        assert getattr(back, part) == getattr(source, part)


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_any_bytes_are_a_list_or_refused(data):
    try:
        size = decode_content(data, TrustContent()).size
    except StatusError as error:
        size, data = 0, data if error.status == S.BadCertificateInvalid else None
    assert data is not None
    assert size <= len(data)


@given(CONTENTS, st.lists(st.integers(1, 60), min_size=1, max_size=50))
@settings(max_examples=60)
def test_pieces_of_any_size_make_the_whole(content, sizes):
    file = TrustListFile(Clock())
    whole = encode_content(content)
    reading, writing = file.open_to_read("a", content, ALL_MASKS), file.open_to_write("a")
    seen, pieces = b"", iter([*sizes, len(whole) + 1])
    while piece := file.read("a", reading, next(pieces)):
        file.write("a", writing, piece)
        seen += piece
        if len(seen) == len(whole):
            break
    assert file.written("a", writing) == seen == whole[: len(seen)]


@given(st.lists(st.tuples(st.integers(0, 30), st.binary(max_size=20)), max_size=12))
@settings(max_examples=60)
def test_writing_anywhere_is_as_in_a_file(writes):
    file, model = TrustListFile(Clock()), bytearray()
    handle = file.open_to_write("a")
    for position, data in writes:
        file.set_position("a", handle, position)
        start = min(position, len(model))
        assert file.position("a", handle) == start
        file.write("a", handle, data)
        model[start : start + len(data)] = data
    assert file.written("a", handle) == bytes(model)


def test_a_handle_is_its_sessions_and_ends_with_it(file):
    mine, yours = file.open_to_read("me", TrustContent(), 15), file.open_to_write("you")
    assert refused(file.read, "you", mine, 10) == S.BadInvalidArgument
    assert refused(file.close, "me", yours) == S.BadInvalidArgument
    file.session_closed("you")
    assert (file.open_count, file.writing) == (1, False)
    assert refused(file.write, "you", yours, b"x") == S.BadInvalidArgument


def test_who_writes_is_alone(file):
    file.open_to_write("me")
    assert refused(file.open_to_write, "me") == S.BadNotWritable


def test_a_file_that_nobody_uses_is_closed(file, clock):
    used, forgotten = file.open_to_read("me", TrustContent(), 15), file.open_to_write("me")
    clock.now += ACTIVITY_TIMEOUT_S - 1
    assert file.position("me", used) == 0
    clock.now += 2
    file.expire()
    assert refused(file.position, "me", forgotten) == S.BadInvalidArgument
    assert file.position("me", used) == 0


@pytest.mark.parametrize("length", [0, -1, -(1 << 31)])
def test_a_length_that_is_none_is_refused(file, length):
    handle = file.open_to_read("me", TrustContent(), 15)
    assert refused(file.read, "me", handle, length) == S.BadInvalidArgument


# Transactions (7.10.2)


def test_a_transaction_is_one_sessions_until_it_ends():
    transactions = Transactions()
    assert refused(transactions.of, "me") == S.BadNothingToDo
    mine = transactions.join("me", 1)
    assert transactions.join("me", 2) is mine
    assert refused(transactions.join, "you", 3) == S.BadTransactionPending
    assert refused(transactions.of, "you") == S.BadSessionIdInvalid
    assert refused(transactions.require_none) == S.BadTransactionPending
    mine.own = OwnUpdate(b"der")
    transactions.drop_if_empty()
    assert transactions.current is mine
    transactions.end(9, S.Good)
    assert (transactions.last.started, transactions.last.ended) == (1, 9)
    assert transactions.join("you", 10) is not mine


def test_an_empty_transaction_keeps_nobody_waiting():
    transactions = Transactions()
    transactions.join("me", 1)
    transactions.drop_if_empty()
    transactions.require_none()
    assert transactions.last is None
