"""Views, attributes, history, and what is not offered: too much, too deep (Part 4, 5.8 to 5.11)."""

from __future__ import annotations

import socket
from collections.abc import Callable

from attack.case import Bench, Case, Outcomes, ask, in_session, outcome
from attack.client import CURRENT_TIME, Session
from attack.wire import (
    INT32,
    NULL_NODE,
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

MANY = ("fault BadTooManyOperations",)
_NOTHING = ("fault BadNothingToDo",)
_UNSUPPORTED = ("fault BadServiceUnsupported",)
_TOO_MUCH = ("fault BadResponseTooLarge", "fault BadServerTooBusy", "fault BadTimeout", *MANY)
HELD_MIB = 96.0
"""What may be held for one client that does not read: a response or two, of 16 MiB each, encoded
and encrypted."""

ROOT, OBJECTS, SERVER, TYPES = node(84), node(85), node(2253), node(86)
_REFERENCES, _HIERARCHICAL = node(31), node(33)
MAX = 0xFFFF_FFFF


def browse(
    node_id: bytes, direction: int = 0, references: bytes = _REFERENCES, classes: int = 0
) -> bytes:
    """A BrowseDescription."""
    return node_id + u32(direction) + references + u8(1) + u32(classes) + u32(63)


def browsing(*descriptions: bytes, most: int = 0) -> bytes:
    return NULL_NODE + i64(0) + u32(0) + u32(most) + array(descriptions)


def element(name: str, *, inverse: bool = False, references: bytes = _HIERARCHICAL) -> bytes:
    """A RelativePathElement."""
    return references + u8(inverse) + u8(1) + qualified(name)


def path(start: bytes, elements: list[bytes]) -> bytes:
    return start + array(elements)


def _there_and_back(count: int) -> list[bytes]:
    """Root, Objects, Root, ...: each step is right, and the path never ends by itself."""
    pair = [element("Objects"), element("Root", inverse=True)]
    return pair * (count // 2)


def _points(session: Session, bench: Bench) -> list[str]:
    """Continuation points without end: a session holds a bounded number of them."""
    each = [browse(bench.target.node("Big"))] * 100
    found = []
    for _ in range(bench.many(10)):
        found += outcome(lambda: session.ask("BrowseRequest", browsing(*each, most=1)))
    return found


def _foreign_point(session: Session, bench: Bench) -> list[str]:
    """A continuation point of another session."""
    response = session.ask("BrowseRequest", browsing(browse(bench.target.node("Big")), most=1))
    point = response.Results[0].ContinuationPoint
    other = bench.target.session("observer")
    with other.channel:
        return outcome(lambda: other.ask("BrowseNextRequest", u8(0) + array([text(point)])))


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


def _registered(session: Session, bench: Bench) -> list[str]:
    """Registered nodes by the ten thousand, again and again: nothing is kept for them."""
    nodes = array([node(number, 3) for number in range(10_000)])
    found = []
    for _ in range(bench.many(30)):
        found += outcome(lambda: session.ask("RegisterNodesRequest", nodes))
    return found


def _requests(session: Session, bench: Bench) -> list[str]:
    """More requests than may wait: refused, each with its own answer."""
    body = session.body("BrowseRequest", browsing(*[browse(bench.target.node("Big"))] * 300))
    number = bench.many(200)
    for _ in range(number):
        session.channel.say(body)
    return [session.channel.hear_outcome(20) for _ in range(number)]


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
        ("Good", "result BadTypeMismatch", *_TOO_MUCH),
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
        "browse-too-many",
        "a published MaxNodesPerBrowse is enforced",
        "Part 5, 6.3.11",
        ask("BrowseRequest", browsing(*[browse(ROOT)] * 1001)),
        MANY,
    ),
    Case(
        "browse-nothing",
        "a Browse of nothing is refused",
        "Part 4, 5.9.2",
        ask("BrowseRequest", browsing()),
        _NOTHING,
    ),
    Case(
        "browse-wide",
        "a thousand nodes of a thousand references are within a budget of work",
        "Part 4, 5.9.2; CWE-400",
        in_session(
            lambda s, b: outcome(
                lambda: s.ask("BrowseRequest", browsing(*[browse(b.target.node("Big"), 2)] * 1000))
            )
        ),
        (
            "Good",
            "result BadNoContinuationPoints",
            "result BadTooManyOperations",
            "result BadOutOfMemory",
            "result BadTimeout",
            *_TOO_MUCH,
        ),
    ),
    Case(
        "browse-view-unknown",
        "a View that is not there is refused",
        "Part 4, 5.9.2",
        ask("BrowseRequest", node(4711) + i64(0) + u32(0) + u32(0) + array([browse(ROOT)])),
        ("fault BadViewIdUnknown",),
    ),
    Case(
        "browse-direction-wrong",
        "a direction is one of three",
        "Part 4, 5.9.2",
        ask("BrowseRequest", browsing(browse(ROOT, 3), browse(ROOT, 9))),
        ("result BadBrowseDirectionInvalid", "fault BadDecodingError"),
    ),
    Case(
        "browse-reference-type-wrong",
        "a reference type is one",
        "Part 4, 5.9.2",
        ask("BrowseRequest", browsing(browse(ROOT, 0, node(85)), browse(ROOT, 0, node("x")))),
        ("result BadReferenceTypeIdInvalid",),
    ),
    Case(
        "continuation-flood",
        "continuation points are bounded",
        "Part 4, 5.9.3; CWE-770",
        in_session(_points),
        ("Good", "result BadNoContinuationPoints"),
    ),
    Case(
        "continuation-guessed",
        "a continuation point that was not given is invalid",
        "Part 4, 5.9.3; CWE-340",
        ask(
            "BrowseNextRequest",
            u8(0) + array([text(b"\0" * 16), text(b""), text(None), text(b"x" * 10_000)]),
        ),
        ("result BadContinuationPointInvalid",),
    ),
    Case(
        "continuation-foreign",
        "so is one of another session",
        "Part 4, 5.9.3; CWE-639",
        in_session(_foreign_point),
        ("result BadContinuationPointInvalid",),
    ),
    Case(
        "continuation-too-many",
        "BrowseNext has a limit, too",
        "Part 5, 6.3.11",
        ask("BrowseNextRequest", u8(0) + array([text(b"x")] * 1001)),
        MANY,
    ),
    Case(
        "translate-too-many",
        "a published MaxNodesPerTranslate is enforced",
        "Part 5, 6.3.11",
        ask(
            "TranslateBrowsePathsToNodeIdsRequest", array([path(ROOT, [element("Objects")])] * 1001)
        ),
        MANY,
    ),
    Case(
        "translate-long",
        "a path has a bounded number of elements",
        "Part 4, 5.9.4; CWE-674",
        ask("TranslateBrowsePathsToNodeIdsRequest", array([path(ROOT, _there_and_back(8000))])),
        (
            "result BadTooManyOperations",
            "result BadBrowseNameInvalid",
            "result BadQueryTooComplex",
            "fault BadEncodingLimitsExceeded",
        ),
    ),
    Case(
        "translate-there-and-back",
        "many long paths are within a budget of work",
        "Part 4, 5.9.4; CWE-400",
        ask(
            "TranslateBrowsePathsToNodeIdsRequest", array([path(ROOT, _there_and_back(30))] * 1000)
        ),
        (
            "Good",
            "result BadQueryTooComplex",
            "result BadTooManyOperations",
            "result BadNoMatch",
            "result BadTooManyMatches",
            "result BadTimeout",
        ),
    ),
    Case(
        "translate-doubling",
        "a path that meets more nodes at each step keeps a set of them",
        "Part 4, 5.9.4; CWE-407",
        ask(
            "TranslateBrowsePathsToNodeIdsRequest",
            array(
                [
                    path(
                        TYPES,
                        [
                            element("", references=_REFERENCES),
                            element("", inverse=True, references=_REFERENCES),
                        ]
                        * 40,
                    )
                ]
                * 20
            ),
        ),
        (
            "result BadBrowseNameInvalid",
            "result BadQueryTooComplex",
            "result BadTooManyOperations",
            "result BadTooManyMatches",
            "result BadNoMatch",
        ),
    ),
    Case(
        "translate-empty",
        "a path without elements is refused",
        "Part 4, 5.9.4",
        ask("TranslateBrowsePathsToNodeIdsRequest", array([path(ROOT, [])])),
        ("result BadNothingToDo",),
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
        _NOTHING,
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
        _TOO_MUCH,
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
        _NOTHING,
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
        (*_UNSUPPORTED, *_NOTHING),
    ),
    Case(
        "add-nodes",
        "clients add no nodes",
        "Part 4, 5.8; CWE-284",
        ask("AddNodesRequest", array([])),
        _UNSUPPORTED,
    ),
    Case(
        "add-references",
        "nor references",
        "Part 4, 5.8; CWE-284",
        ask("AddReferencesRequest", array([])),
        _UNSUPPORTED,
    ),
    Case(
        "delete-nodes",
        "nor delete nodes",
        "Part 4, 5.8; CWE-284",
        ask("DeleteNodesRequest", array([node(85) + u8(1)]), "admin"),
        _UNSUPPORTED,
    ),
    Case(
        "delete-references",
        "nor references",
        "Part 4, 5.8; CWE-284",
        ask("DeleteReferencesRequest", array([])),
        _UNSUPPORTED,
    ),
    Case(
        "query-first",
        "queries are not offered",
        "Part 4, 5.10; CWE-400",
        ask("QueryFirstRequest", NULL_NODE + i64(0) + u32(0) + i32(-1) * 3 + u32(0) * 2),
        _UNSUPPORTED,
    ),
    Case(
        "query-next",
        "nor their continuation",
        "Part 4, 5.10",
        ask("QueryNextRequest", u8(0) + text(b"x")),
        _UNSUPPORTED,
    ),
    Case(
        "register-server-flood",
        "servers are registered by nobody, however often it is tried",
        "Part 4, 5.5.5; CWE-770",
        in_session(
            lambda s, b: [
                o
                for _ in range(b.many(200))
                for o in outcome(
                    lambda: s.ask(
                        "RegisterServer2Request",
                        text("urn:x") * 2
                        + i32(-1)
                        + u32(0)
                        + text(None)
                        + i32(-1)
                        + text(None)
                        + u8(1)
                        + i32(-1),
                    )
                )
            ]
        ),
        _UNSUPPORTED,
    ),
    Case(
        "register-nodes-too-many",
        "a published MaxNodesPerRegisterNodes is enforced",
        "Part 5, 6.3.11",
        ask("RegisterNodesRequest", array([node(1)] * 10_001)),
        MANY,
    ),
    Case(
        "register-nodes-flood",
        "registered nodes hold no memory",
        "Part 4, 5.9.5; CWE-770",
        in_session(_registered),
        ("Good",),
    ),
    Case(
        "requests-waiting",
        "requests that wait are bounded",
        "Part 4, 5.3; CWE-770",
        in_session(_requests),
        ("Good", "fault BadServerTooBusy", *_TOO_MUCH),
    ),
)
