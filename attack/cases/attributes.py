"""Reads, histories and messages: too many, too large, never read (Part 4, 5.11)."""

from __future__ import annotations

import socket
from collections.abc import Callable

from attack.case import Bench, Case, Outcomes, ask, in_session, outcome
from attack.cases.views import MANY, MAX, NOTHING, SERVER, TOO_MUCH, UNSUPPORTED
from attack.client import CURRENT_TIME, Session
from attack.wire import (
    INT32,
    STRING,
    array,
    data_value,
    extension,
    f64,
    i32,
    i64,
    node,
    qualified,
    read_id,
    scalar,
    text,
    u8,
    u32,
    variants,
    write_value,
)

HELD_MIB = 96.0
"""What may be held for one client that does not read: a response or two, of 16 MiB each, encoded
and encrypted."""


def reading(*items: bytes, max_age: float = 0.0, timestamps: int = 2) -> bytes:
    return f64(max_age) + u32(timestamps) + array(items)


def _amplified(session: Session, bench: Bench) -> list[str]:
    """A megabyte, read a thousand times by a request of some kilobytes."""
    target = bench.target.node("String")
    big = array([write_value(target, data_value(scalar(STRING, text("x" * 1_000_000))))])
    session.ask("WriteRequest", big)
    found = []
    for _ in range(bench.many(4)):
        found += outcome(lambda: session.ask("ReadRequest", reading(*[read_id(target)] * 1000)))
    small = array([write_value(target, data_value(scalar(STRING, text(""))))])
    session.ask("WriteRequest", small)
    return found


def _pipelined(session: Session, bench: Bench) -> list[str]:
    """Large Reads, sent without waiting: answered in turn, or refused; none holds the loop."""
    body = session.body("ReadRequest", reading(*[read_id(CURRENT_TIME)] * 5000))
    number, found = bench.many(60), []
    for _ in range(number):
        session.channel.say(body)
    return [*found, *(session.channel.hear_outcome() for _ in range(number))]


def history(details: bytes, *nodes: bytes, timestamps: int = 0, release: int = 0) -> bytes:
    return details + u32(timestamps) + u8(release) + array(nodes)


def raw(start: int = 0, end: int = 0, values: int = 0, bounds: int = 0, modified: int = 0) -> bytes:
    """ReadRawModifiedDetails."""
    return extension(649, u8(modified) + i64(start) + i64(end) + u32(values) + u8(bounds))


def history_id(node_id: bytes, index_range: str | None = None, point: bytes | None = None) -> bytes:
    return node_id + text(index_range) + qualified("") + text(point)


def of_history(*requests: Callable[[Bench], bytes]) -> Callable[[Bench], Outcomes]:
    def attempt(session: Session, bench: Bench) -> list[str]:
        found: list[str] = []
        for make in requests:
            found += outcome(lambda m=make: session.ask("HistoryReadRequest", m(bench)))
        return found

    return in_session(attempt)


_HISTORY_BAD = (
    "result BadHistoryOperationInvalid",
    "result BadHistoryOperationUnsupported",
    "result BadInvalidTimestampArgument",
    "fault BadHistoryOperationInvalid",
    "fault BadHistoryOperationUnsupported",
    "result BadContinuationPointInvalid",
    "result BadNodeIdUnknown",
    "result BadIndexRangeInvalid",
    "result BadUserAccessDenied",
    "result BadTimestampNotSupported",
    "fault BadTimestampsToReturnInvalid",
)


def _largest(session: Session, bench: Bench) -> list[str]:
    """Messages as large as they may be, of many small values and of few large ones."""
    target = bench.target.node("String")
    texts = [write_value(target, data_value(scalar(STRING, text("x" * 15_000))))] * 1000
    numbers = [write_value(target, data_value(variants(INT32, [i32(1)] * 35)))] * 1000
    session.channel.timeout_s = 30
    return [
        *outcome(lambda: session.ask("WriteRequest", array(texts))),
        *outcome(lambda: session.ask("WriteRequest", array(numbers))),
    ]


def _answers_unread(session: Session, bench: Bench) -> list[str]:
    """Answers of megabytes that are asked for again and again, and never read."""
    target = bench.target.node("String")
    big = array([write_value(target, data_value(scalar(STRING, text("x" * 1_000_000))))])
    session.ask("WriteRequest", big)
    session.channel.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    session.channel.timeout_s = 2
    before_mib = bench.target.resident_mib()
    body = session.body("ReadRequest", reading(*[read_id(target)] * 12))
    found = []
    for _ in range(bench.many(100)):
        found += outcome(lambda: session.channel.say(body))
        if found[-1] != "Good":
            break
    held_mib = bench.target.resident_mib() - before_mib
    other = bench.target.session("certified")
    with other.channel:
        other.ask("WriteRequest", _small(target))
    return [*found, *([f"{held_mib:.0f} MiB are held"] if held_mib >= HELD_MIB else [])]


def _small(target: bytes) -> bytes:
    return array([write_value(target, data_value(scalar(STRING, text(""))))])


def _too_large(session: Session, bench: Bench) -> str:
    """One chunk after the other, beyond the largest message."""
    session.channel.timeout_s = 30
    piece = b"x" * 60_000
    for _ in range(300):
        session.channel.send(session.channel.chunk(piece, chunk=b"C", request_id=9))
    return session.channel.end()


def _held(bench: Bench) -> Outcomes:
    """Many sessions of one user that each hold half of the largest message."""
    found: list[str] = []
    sessions = [
        bench.target.session("certified", source="127.0.0.84") for _ in range(bench.many(12))
    ]
    try:
        for session in sessions:
            for _ in range(bench.many(130, 20)):
                piece = session.channel.chunk(b"x" * 60_000, chunk=b"C", request_id=9)
                session.channel.send(piece)
            ended = session.channel.end(0.05)
            found.append("Good" if ended == "silence" else ended)
        return [*found, *bench.served("observer")]
    finally:
        for session in sessions:
            session.channel.close()


CASES = (
    Case(
        "message-largest",
        "the largest messages are served in turns with all others",
        "Part 5, 6.3.2; CWE-400",
        in_session(_largest),
        ("Good", "result BadTypeMismatch", *TOO_MUCH),
    ),
    Case(
        "answers-unread",
        "answers that nobody reads are bounded, and nothing more is taken from who does not read",
        "Part 6, 7.1; CWE-770",
        in_session(_answers_unread),
        ("Good", "silence", "closed", "ERR BadTcpNotEnoughResources"),
    ),
    Case(
        "message-over-the-limit",
        "a published maximum of messages is enforced while chunks come in",
        "Part 6, 6.7.3; CWE-770",
        in_session(_too_large),
        ("ERR BadTcpMessageTooLarge",),
    ),
    Case(
        "message-hold",
        "what all sessions together hold of incomplete messages is bounded",
        "Part 6, 6.7.3; CWE-770",
        _held,
        ("Good", "ERR BadTcpNotEnoughResources"),
    ),
    Case(
        "read-too-many",
        "a published MaxNodesPerRead is enforced",
        "Part 5, 6.3.11",
        ask("ReadRequest", reading(*[read_id(CURRENT_TIME)] * 10_001)),
        MANY,
    ),
    Case(
        "read-nothing",
        "a Read of nothing is refused",
        "Part 4, 5.11.2",
        ask("ReadRequest", reading()),
        NOTHING,
    ),
    Case(
        "read-max-age",
        "a negative MaxAge is refused, and no number, too",
        "Part 4, 5.11.2",
        in_session(
            lambda s, _: [
                o
                for age in (-1.0, float("-inf"))
                for o in outcome(
                    lambda a=age: s.ask("ReadRequest", reading(read_id(CURRENT_TIME), max_age=a))
                )
            ]
        ),
        ("fault BadMaxAgeInvalid",),
    ),
    Case(
        "read-timestamps-wrong",
        "TimestampsToReturn is one of four",
        "Part 4, 5.11.2",
        ask("ReadRequest", reading(read_id(CURRENT_TIME), timestamps=7)),
        ("fault BadTimestampsToReturnInvalid", "fault BadDecodingError"),
    ),
    Case(
        "read-amplified",
        "a response has a limit, however small its request",
        "Part 4, 5.3; CWE-405",
        in_session(_amplified),
        TOO_MUCH,
    ),
    Case(
        "read-pipelined",
        "large Reads sent ahead are served in turn",
        "CWE-400",
        in_session(_pipelined),
        ("Good", "fault BadServerTooBusy"),
    ),
    Case(
        "read-index-range",
        "an index range that is none is refused",
        "Part 4, 7.27",
        in_session(
            lambda s, b: outcome(
                lambda: s.ask(
                    "ReadRequest",
                    reading(
                        *(
                            read_id(b.target.node("Array"), index_range=r)
                            for r in (
                                "x",
                                "1:0",
                                "-1:3",
                                "0:99999999999999999999",
                                "0," * 5000,
                                "5",
                                "99:100",
                            )
                        )
                    ),
                )
            )
        ),
        ("result BadIndexRangeInvalid", "result BadIndexRangeNoData", "Good"),
    ),
    Case(
        "read-attributes-unknown",
        "an attribute that is not there is refused",
        "Part 4, 5.11.2",
        ask("ReadRequest", reading(*(read_id(CURRENT_TIME, a) for a in (0, 28, 999, MAX)))),
        ("result BadAttributeIdInvalid",),
    ),
    Case(
        "read-without-rights",
        "how sessions are secured is shown to no stranger",
        "IEC 62443-3-3 SR 2.1; CWE-200",
        ask("ReadRequest", reading(read_id(node(3708)), read_id(node(3708), 3)), None),
        ("result BadUserAccessDenied", "result BadNotReadable", "result BadNodeIdUnknown"),
    ),
    Case(
        "history-too-many",
        "a published limit of HistoryRead is enforced",
        "Part 5, 6.3.11",
        of_history(lambda b: history(raw(1, 2), *[history_id(b.target.node("History"))] * 101)),
        MANY,
    ),
    Case(
        "history-nothing",
        "a HistoryRead of nothing is refused",
        "Part 4, 5.11.3",
        of_history(lambda b: history(raw(1, 2))),
        NOTHING,
    ),
    Case(
        "history-bounds",
        "raw details without two of start, end and number are refused",
        "Part 11, 6.5.3",
        of_history(
            *(
                lambda b, d=d: history(d, history_id(b.target.node("History")))
                for d in (raw(), raw(1), raw(0, 1), raw(0, 0, 5))
            )
        ),
        _HISTORY_BAD,
    ),
    Case(
        "history-details-wrong",
        "details that are none are refused",
        "Part 4, 5.11.3",
        of_history(
            *(
                lambda b, d=d: history(d, history_id(b.target.node("History")))
                for d in (
                    extension(999_999, b"x"),
                    extension(14846, qualified("k") + b"\0"),
                    b"\0\0\0",
                )
            )
        ),
        _HISTORY_BAD,
    ),
    Case(
        "history-point-guessed",
        "a continuation point that was not given is invalid",
        "Part 4, 5.11.3; CWE-340",
        of_history(
            lambda b: history(
                raw(1, 2**62, 10), history_id(b.target.node("History"), point=b"x" * 16)
            ),
            lambda b: history(
                raw(1, 2**62, 10), history_id(b.target.node("History"), point=b"\xff" * 5000)
            ),
        ),
        _HISTORY_BAD,
    ),
    Case(
        "history-of-nothing",
        "what keeps no history has none, and what is not there has not, either",
        "Part 11, 6.5",
        of_history(
            lambda b: history(
                raw(1, 2**62, 10),
                history_id(b.target.node("Int32")),
                history_id(node("x")),
                history_id(SERVER),
            )
        ),
        (*_HISTORY_BAD, "result BadNotReadable", "result BadHistoryOperationUnsupported"),
    ),
    Case(
        "history-times-extreme",
        "times beyond the calendar are answered",
        "Part 6, 5.2.2.5",
        of_history(
            lambda b: history(
                raw(-(2**63), 2**63 - 1, MAX, 1), history_id(b.target.node("History"), "0:1")
            )
        ),
        ("Good", *_HISTORY_BAD, "result GoodNoData", "result BadIndexRange*"),
    ),
    Case(
        "history-update",
        "history is not changed by clients",
        "Part 4, 5.11.5; CWE-284",
        ask("HistoryUpdateRequest", array([])),
        (*UNSUPPORTED, *NOTHING),
    ),
)
