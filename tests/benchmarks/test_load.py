"""The load generator believes no answer that is wrong, however fast it comes."""

from __future__ import annotations

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from benchmarks.load import operations
from benchmarks.load.answers import HEADER_SIZE, WrongAnswerError, check_response
from benchmarks.load.operations import BrowseMany, ReadMany, ReadOne, Work, WriteMany
from benchmarks.load.session import Session, Target
from benchmarks.load.subscribers import Subscriber, Subscribers, Tally, Wish
from benchmarks.processes import Server

VARIABLES = 1000


def made(kind: str, session: Session) -> Work:
    return {
        "read one": lambda: ReadOne(session, 3),
        "read many": lambda: ReadMany(session, VARIABLES),
        "write": lambda: WriteMany(session, 10),
        "browse": lambda: BrowseMany(session),
    }[kind]()


KINDS = ["read one", "read many", "write", "browse"]


@pytest.mark.parametrize("kind", KINDS)
def test_right_answers_are_counted(kind: str, session: Session) -> None:
    work = made(kind, session)

    measured = operations.run(session, work, in_flight=4, seconds=0.05)

    assert measured.operations >= 4
    assert measured.values == measured.operations * work.values
    assert len(measured.round_trips_ms) == measured.operations


def test_encrypted_answers_are_checked_like_others(target: Target) -> None:
    with target.connect(secure=True) as session:
        measured = operations.run(session, ReadMany(session, VARIABLES), 2, 0.05)

    assert measured.operations >= 2


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_with_one_other_byte_is_noticed(kind: str, session: Session) -> None:
    work = made(kind, session)
    body = session.channel.ask(work.templates[0], work.type_id)
    work.check(0, body)
    altered = bytearray(body)
    altered[HEADER_SIZE + 12] ^= 0x40  # inside the first result

    with pytest.raises(WrongAnswerError):
        work.check(0, bytes(altered))


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_leaves_results_out_is_noticed(kind: str, session: Session) -> None:
    work = made(kind, session)
    body = session.channel.ask(work.templates[0], work.type_id)
    no_results = bytes(32)

    with pytest.raises(WrongAnswerError):
        work.check(0, body[:HEADER_SIZE] + no_results)


def test_a_read_of_another_variable_is_noticed(session: Session) -> None:
    work = ReadOne(session, 3)
    body = session.channel.ask(work.templates[2], work.type_id)

    with pytest.raises(WrongAnswerError, match="Var1 was read as"):
        work.check(1, body)


def response(result: int = 0, handle: int = 7) -> bytes:
    answer = ua.ReadResponse()
    answer.ResponseHeader.ServiceResult = ua.StatusCode(result)
    answer.ResponseHeader.RequestHandle = handle
    return struct_to_binary(answer)


def test_a_response_must_be_good_of_the_right_type_and_to_the_right_request() -> None:
    check_response(response(), 634, 7)

    with pytest.raises(WrongAnswerError, match="BadTooManyOperations"):
        check_response(response(0x8010_0000), 634, 7)
    with pytest.raises(WrongAnswerError, match="type 634; expected was 676"):
        check_response(response(), 676, 7)
    with pytest.raises(WrongAnswerError, match="request 7; expected was 8"):
        check_response(response(), 634, 8)
    with pytest.raises(WrongAnswerError, match="an answer of 10 bytes"):
        check_response(response()[:10], 634)


def test_subscribers_get_every_change_and_see_that_they_did(target: Target, server: Server) -> None:
    subscribers = Subscribers(target, Wish(VARIABLES, sampling_interval_ms=0.0, queue_size=100))
    subscribers.become(2)
    server.go()
    subscribers.serve(0.3)

    subscribers.begin()
    subscribers.serve(0.5)
    got = subscribers.so_far()
    subscribers.close()

    assert got.clients == 2
    assert got.delivered == got.changes > VARIABLES
    assert (got.without_value, got.overflows) == (0, 0)
    assert len(got.latencies_ms) > 0


# Part 4, 5.14.5.1: SequenceNumbers of NotificationMessages count up by one.
def test_a_notification_message_that_is_missing_is_noticed(target: Target, server: Server) -> None:
    server.go()
    subscriber = Subscriber(target, Wish(10, publishing_interval_ms=50, sampling_interval_ms=0))
    subscriber.start()
    bodies: list[bytes] = []
    while len(bodies) < 3:
        bodies += [body for _, body in subscriber.channel.receive()]

    subscriber.take(bodies[0], Tally())
    with pytest.raises(WrongAnswerError, match="NotificationMessage 3 where 2 should be"):
        subscriber.take(bodies[2], Tally())
    subscriber.leave()
