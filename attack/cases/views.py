"""Browse, Translate, and what is not offered: too much, too deep (Part 4, 5.8 and 5.9)."""

from __future__ import annotations

from attack.case import Bench, Case, ask, in_session, outcome
from attack.client import Session
from attack.wire import (
    NULL_NODE,
    array,
    i32,
    i64,
    node,
    qualified,
    text,
    u8,
    u32,
)

MANY = ("fault BadTooManyOperations",)
NOTHING = ("fault BadNothingToDo",)
UNSUPPORTED = ("fault BadServiceUnsupported",)
TOO_MUCH = ("fault BadResponseTooLarge", "fault BadServerTooBusy", "fault BadTimeout", *MANY)
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


CASES = (
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
        NOTHING,
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
            *TOO_MUCH,
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
        "add-nodes",
        "clients add no nodes",
        "Part 4, 5.8; CWE-284",
        ask("AddNodesRequest", array([])),
        UNSUPPORTED,
    ),
    Case(
        "add-references",
        "nor references",
        "Part 4, 5.8; CWE-284",
        ask("AddReferencesRequest", array([])),
        UNSUPPORTED,
    ),
    Case(
        "delete-nodes",
        "nor delete nodes",
        "Part 4, 5.8; CWE-284",
        ask("DeleteNodesRequest", array([node(85) + u8(1)]), "admin"),
        UNSUPPORTED,
    ),
    Case(
        "delete-references",
        "nor references",
        "Part 4, 5.8; CWE-284",
        ask("DeleteReferencesRequest", array([])),
        UNSUPPORTED,
    ),
    Case(
        "query-first",
        "queries are not offered",
        "Part 4, 5.10; CWE-400",
        ask("QueryFirstRequest", NULL_NODE + i64(0) + u32(0) + i32(-1) * 3 + u32(0) * 2),
        UNSUPPORTED,
    ),
    Case(
        "query-next",
        "nor their continuation",
        "Part 4, 5.10",
        ask("QueryNextRequest", u8(0) + text(b"x")),
        UNSUPPORTED,
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
        UNSUPPORTED,
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
        ("Good", "fault BadServerTooBusy", *TOO_MUCH),
    ),
)
