"""Services abused: too much, too deep, of others, or not offered (Part 4, 5.8 to 5.14)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from attack.case import Bench, Case, Outcomes, ask, in_session, outcome
from attack.client import CURRENT_TIME, Refused, Session
from attack.wire import (
    DOUBLE,
    INT32,
    NULL_NODE,
    STRING,
    UINT32,
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

_MANY = ("fault BadTooManyOperations",)
_NOTHING = ("fault BadNothingToDo",)
_UNSUPPORTED = ("fault BadServiceUnsupported",)
_FOREIGN = (
    "result BadSubscriptionIdInvalid",
    "fault BadSubscriptionIdInvalid",
    "result BadUserAccessDenied",
    "fault BadUserAccessDenied",
)
_TOO_MUCH = ("fault BadResponseTooLarge", "fault BadServerTooBusy", "fault BadTimeout", *_MANY)

ROOT, OBJECTS, SERVER, TYPES = node(84), node(85), node(2253), node(86)
_REFERENCES, _HIERARCHICAL = node(31), node(33)
_MAX = 0xFFFF_FFFF


# -- Browse and Translate ---------------------------------------------------------------------------


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


# -- Read -------------------------------------------------------------------------------------------


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


# -- HistoryRead ------------------------------------------------------------------------------------


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


# -- subscriptions ----------------------------------------------------------------------------------


def subscribing(interval: float = 1000.0, lifetime: int = 100, keep_alive: int = 10) -> bytes:
    return f64(interval) + u32(lifetime) + u32(keep_alive) + u32(0) + u8(1) + u8(0)


def subscribe(session: Session, **wanted: Any) -> int:
    response = session.ask("CreateSubscriptionRequest", subscribing(**wanted))
    return int(response.Parameters.SubscriptionId)


def item(
    node_id: bytes,
    *,
    attribute: int = 13,
    interval: float = 1000.0,
    queue: int = 1,
    filtered: bytes = b"\0\0\0",
    handle: int = 1,
) -> bytes:
    """A MonitoredItemCreateRequest."""
    return (
        read_id(node_id, attribute)
        + u32(2)
        + u32(handle)
        + f64(interval)
        + filtered
        + u32(queue)
        + u8(1)
    )


def monitoring(subscription: int, *items: bytes, timestamps: int = 2) -> bytes:
    return u32(subscription) + u32(timestamps) + array(items)


def _monitor(*make: Callable[[Bench], bytes], repeat: int = 1) -> Callable[[Bench], Outcomes]:
    """Monitored items in a subscription of their own."""

    def attempt(session: Session, bench: Bench) -> list[str]:
        subscription = subscribe(session)
        items = [each(bench) for each in make] * (bench.many(repeat) if repeat > 1 else 1)
        return outcome(
            lambda: session.ask("CreateMonitoredItemsRequest", monitoring(subscription, *items))
        )

    return in_session(attempt)


def _subscriptions(session: Session, bench: Bench) -> list[str]:
    """More subscriptions than a session may have, and those of many sessions."""
    found: list[str] = []
    for _ in range(60):
        found += outcome(lambda: subscribe(session))
    return found


def _orphans(bench: Bench) -> Outcomes:
    """Subscriptions left behind by session after session, with the longest lifetime."""
    found: list[str] = []
    for _ in range(bench.many(15)):
        session = bench.target.session("operator", source="127.0.0.81")
        with session.channel:
            for _ in range(40):
                found += outcome(
                    lambda s=session: subscribe(s, interval=1e9, lifetime=_MAX, keep_alive=_MAX)
                )
            session.ask("CloseSessionRequest", b"\0")
    fresh = bench.target.session("observer")
    with fresh.channel:
        return [*found, *(f"then {each}" for each in outcome(lambda: subscribe(fresh)))]


def _intervals(session: Session, bench: Bench) -> list[str]:
    """Intervals and counts that are no such thing are revised into bounds."""
    found = []
    for interval in (0.0, -1.0, 1e-300, float("inf"), float("-inf"), float("nan"), 1e300):
        for lifetime, keep_alive in ((0, 0), (_MAX, _MAX), (1, _MAX)):
            response = session.ask(
                "CreateSubscriptionRequest", subscribing(interval, lifetime, keep_alive)
            ).Parameters
            revised_s = response.RevisedPublishingInterval / 1000
            life_s = revised_s * response.RevisedLifetimeCount
            right = 0.01 <= revised_s <= 1e5 and life_s <= 3 * 24 * 3600
            right = right and response.RevisedLifetimeCount >= 3 * response.RevisedMaxKeepAliveCount
            found.append(
                "Good"
                if right
                else f"{interval}, {lifetime}, {keep_alive}: {revised_s} s, {life_s} s"
            )
            session.ask("DeleteSubscriptionsRequest", array([u32(response.SubscriptionId)]))
    return found


def _items(bench: Bench) -> Outcomes:
    """Items by the ten thousand with the deepest queues."""
    session = bench.target.session("operator", timeout_s=30)
    found: list[str] = []
    with session.channel:
        for _ in range(4):
            subscription = subscribe(session, interval=100)
            each = item(bench.target.node("Moving"), interval=0.0, queue=_MAX)
            body = monitoring(subscription, *[each] * bench.many(10_000))
            for _ in range(2):
                found += outcome(lambda b=body: session.ask("CreateMonitoredItemsRequest", b))
        time.sleep(1.0)
        return found


def _publishes(session: Session, bench: Bench) -> list[str]:
    """Publish requests without end."""
    subscribe(session)
    number = bench.many(2000, 200)
    for _ in range(number):
        session.channel.say(session.body("PublishRequest", i32(-1)))
    found = []
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        try:
            found.append(session.channel.hear_outcome(0.5))
        except Refused as refused:
            found.append("Good" if refused.outcome == "silence" else refused.outcome)
            break
    return found


def _acknowledged(session: Session, bench: Bench) -> list[str]:
    """Acknowledgements of what never was, by the thousand."""
    subscribe(session, interval=50)
    each = array([u32(1) + u32(n) for n in range(bench.many(20_000))])
    found = []
    for _ in range(3):
        session.channel.say(session.body("PublishRequest", each))
        found.append(session.channel.hear_outcome(5))
    return found


def of_other(
    message: str, make: Callable[[int], bytes], user: str = "observer"
) -> Callable[[Bench], Outcomes]:
    """A request about a subscription of somebody else, which must live on."""

    def attack(bench: Bench) -> Outcomes:
        owner = bench.target.session("operator")
        other = bench.target.session(user)
        with owner.channel, other.channel:
            subscription = subscribe(owner)
            found = outcome(lambda: other.ask(message, make(subscription)))
            mode = u8(1) + array([u32(subscription)])
            alive = outcome(lambda: owner.ask("SetPublishingModeRequest", mode))
            return found if alive == ["Good"] else [*found, f"the owner: {alive[0]}"]

    return attack


def _transfer_anonymous(bench: Bench) -> Outcomes:
    owner = bench.target.session("operator")
    with owner.channel:
        return in_session(
            lambda s, _: s.ask(
                "TransferSubscriptionsRequest", array([u32(subscribe(owner))]) + u8(1)
            ),
            user=None,
        )(bench)


# -- events -----------------------------------------------------------------------------------------


def operand(value: bytes) -> bytes:
    """A LiteralOperand."""
    return extension(597, value)


def element_operand(index: int) -> bytes:
    return extension(594, u32(index))


def attribute_operand(name: str) -> bytes:
    return extension(603, node(2041) + array([qualified(name)]) + u32(13) + text(None))


def where(*elements: tuple[int, list[bytes]]) -> bytes:
    return array(u32(operator) + array(operands) for operator, operands in elements)


def event_filter(where_clause: bytes = i32(-1), fields: int = 1, name: str = "Message") -> bytes:
    select = array([node(2041) + array([qualified(name)]) + u32(13) + text(None)] * fields)
    return extension(727, select + where_clause)


_TRUE = operand(scalar(1, u8(1)))
_EQUALS, _NOT, _AND, _OR, _LIKE, _IN_LIST, _OF_TYPE, _CAST = 0, 6, 10, 11, 7, 9, 14, 12


def of_events(filtered: bytes) -> Callable[[Bench], Outcomes]:
    """An event item with that filter, and events that it judges."""

    def attempt(session: Session, bench: Bench) -> list[str]:
        subscription = subscribe(session, interval=50)
        wanted = item(SERVER, attribute=12, interval=0.0, queue=1000, filtered=filtered)
        found = outcome(
            lambda: session.ask("CreateMonitoredItemsRequest", monitoring(subscription, wanted))
        )
        value = data_value(scalar(INT32, i32(5)))
        trigger = array([write_value(bench.target.node("Trigger"), value)] * bench.many(200))
        session.ask("WriteRequest", trigger)
        session.ask("ReadRequest", reading(read_id(CURRENT_TIME)))
        return found

    return in_session(attempt)


_doubling = where(
    *((_AND, [element_operand(i + 1), element_operand(i + 1)]) for i in range(60)),
    (_EQUALS, [_TRUE, _TRUE]),
)
_chain = where(*((_NOT, [element_operand(i + 1)]) for i in range(900)), (_EQUALS, [_TRUE, _TRUE]))
_loop = where((_AND, [element_operand(0), element_operand(0)]))
_backwards = where((_NOT, [element_operand(1)]), (_NOT, [element_operand(0)]))
_beyond = where((_NOT, [element_operand(_MAX)]))
_pattern = where(
    (_LIKE, [attribute_operand("Message"), operand(scalar(STRING, text("%a" * 2000 + "b")))])
)
_brackets = where(
    (_LIKE, [attribute_operand("Message"), operand(scalar(STRING, text("[" * 5000)))])
)
_list = where(
    (
        _IN_LIST,
        [attribute_operand("Severity"), *[operand(scalar(INT32, i32(n))) for n in range(3000)]],
    )
)
_FILTER_BAD = (
    "result BadEventFilterInvalid",
    "result BadMonitoredItemFilterInvalid",
    "result BadContentFilterInvalid",
    "result BadFilterOperandInvalid",
    "fault BadEncodingLimitsExceeded",
    "result BadTooManyOperations",
    "result BadFilterElementInvalid",
)


# -- methods ----------------------------------------------------------------------------------------


def call(object_id: bytes, method_id: bytes, *arguments: bytes) -> bytes:
    return object_id + method_id + array(arguments)


def calling(
    *make: Callable[[Bench], bytes], repeat: int = 1, user: str | None = "operator"
) -> Callable[[Bench], Outcomes]:
    def attempt(session: Session, bench: Bench) -> Any:
        calls = [each(bench) for each in make] * repeat
        return outcome(lambda: session.ask("CallRequest", array(calls)))

    return in_session(attempt, user)


def _add(*arguments: bytes) -> Callable[[Bench], bytes]:
    return lambda b: call(b.target.node("Attack"), b.target.node("Add"), *arguments)


_ONE = scalar(INT32, i32(1))


def _method_flood(session: Session, bench: Bench) -> list[str]:
    """Calls by the thousand, unread, and then the connection is gone."""
    each = call(bench.target.node("Attack"), bench.target.node("Add"), _ONE, _ONE)
    body = session.body("CallRequest", array([each] * 100))
    for _ in range(bench.many(100)):
        session.channel.say(body)
    session.channel.close()
    return outcome(lambda: bench.target.session("operator").channel.close())


def _refreshes(session: Session, bench: Bench) -> list[str]:
    """ConditionRefresh again and again: one at a time for a subscription."""
    subscription = subscribe(session, interval=50)
    wanted = item(SERVER, attribute=12, interval=0.0, queue=10, filtered=event_filter())
    session.ask("CreateMonitoredItemsRequest", monitoring(subscription, wanted))
    refresh = call(node(2782), node(3875), scalar(UINT32, u32(subscription)))
    found = []
    for _ in range(bench.many(20)):
        found += outcome(lambda: session.ask("CallRequest", array([refresh] * 100)))
    return found


_METHOD_BAD = (
    "result BadNodeIdUnknown",
    "result BadNodeIdInvalid",
    "result BadMethodInvalid",
    "result BadNotExecutable",
)
_REFRESH = (
    "Good",
    "result BadRefreshInProgress",
    "result BadSubscriptionIdInvalid",
    *_METHOD_BAD,
    "result BadUserAccessDenied",
    "result BadNothingToDo",
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


def _churn(bench: Bench) -> Outcomes:
    """Sessions that go in the middle of their requests, subscriptions and all."""
    for _ in range(bench.many(25)):
        session = bench.target.session("operator", source="127.0.0.82")
        subscription = subscribe(session, interval=50)
        session.channel.say(
            session.body(
                "CreateMonitoredItemsRequest",
                monitoring(subscription, *[item(bench.target.node("Moving"), interval=0.0)] * 500),
            )
        )
        session.channel.say(session.body("BrowseRequest", browsing(*[browse(TYPES)] * 200)))
        session.channel.say(session.body("PublishRequest", i32(-1)))
        session.channel.close()
    return outcome(lambda: bench.target.session("operator").channel.close())


CASES = (
    Case(
        "browse-too-many",
        "a published MaxNodesPerBrowse is enforced",
        "Part 5, 6.3.11",
        ask("BrowseRequest", browsing(*[browse(ROOT)] * 1001)),
        _MANY,
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
        _MANY,
    ),
    Case(
        "translate-too-many",
        "a published MaxNodesPerTranslate is enforced",
        "Part 5, 6.3.11",
        ask(
            "TranslateBrowsePathsToNodeIdsRequest", array([path(ROOT, [element("Objects")])] * 1001)
        ),
        _MANY,
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
        _MANY,
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
        ask("ReadRequest", reading(*(read_id(CURRENT_TIME, a) for a in (0, 28, 999, _MAX)))),
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
        _MANY,
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
                raw(-(2**63), 2**63 - 1, _MAX, 1), history_id(b.target.node("History"), "0:1")
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
        _MANY,
    ),
    Case(
        "register-nodes-flood",
        "registered nodes hold no memory",
        "Part 4, 5.9.5; CWE-770",
        in_session(_registered),
        ("Good",),
    ),
    Case(
        "call-too-many",
        "a published MaxNodesPerMethodCall is enforced",
        "Part 5, 6.3.11",
        calling(_add(_ONE, _ONE), repeat=101),
        _MANY,
    ),
    Case(
        "call-right",
        "a right call is answered (without it the other cases prove nothing)",
        "Part 4, 5.12",
        calling(_add(_ONE, _ONE)),
        ("Good",),
    ),
    Case(
        "call-arguments-few",
        "arguments that are missing are told",
        "Part 4, 5.12",
        calling(_add(), _add(_ONE)),
        ("result BadArgumentsMissing",),
    ),
    Case(
        "call-arguments-many",
        "so are those too many",
        "Part 4, 5.12",
        calling(_add(_ONE, _ONE, _ONE), _add(*[_ONE] * 500)),
        ("result BadTooManyArguments",),
    ),
    Case(
        "call-argument-types",
        "an argument has its type",
        "Part 4, 5.12; CWE-843",
        calling(
            _add(_ONE, scalar(STRING, text("x"))),
            _add(scalar(DOUBLE, f64(float("nan"))), _ONE),
            _add(variants(INT32, [i32(1)]), _ONE),
            _add(u8(0), u8(0)),
        ),
        ("result BadInvalidArgument",),
    ),
    Case(
        "call-overflow",
        "a result that does not fit its type is an error of that call",
        "Part 4, 5.12; CWE-190",
        calling(_add(scalar(INT32, i32(2**31 - 1)), scalar(INT32, i32(2**31 - 1)))),
        (
            "result BadOutOfRange",
            "result BadInvalidArgument",
            "result BadInternalError",
            "result BadInvalidState",
        ),
    ),
    Case(
        "call-other-object",
        "a method is one of its object",
        "Part 4, 5.12",
        calling(
            lambda b: call(SERVER, b.target.node("Add"), _ONE, _ONE),
            lambda b: call(b.target.node("Attack"), node(11492), _ONE),
        ),
        _METHOD_BAD,
    ),
    Case(
        "call-no-method",
        "what is no method is not called",
        "Part 4, 5.12",
        calling(
            lambda b: call(b.target.node("Attack"), b.target.node("Int32")),
            lambda b: call(node("x"), node("y")),
            lambda b: call(NULL_NODE, NULL_NODE),
        ),
        _METHOD_BAD,
    ),
    Case(
        "call-without-right",
        "who may read may not call",
        "IEC 62443-3-3 SR 2.1; CWE-284",
        calling(_add(_ONE, _ONE), user="observer"),
        ("result BadUserAccessDenied",),
    ),
    Case(
        "call-flood-and-leave",
        "calls of a client that has gone hold nobody up",
        "Part 4, 5.12; CWE-400",
        in_session(_method_flood),
        ("Good",),
    ),
    Case(
        "subscription-flood",
        "a session has a bounded number of subscriptions",
        "Part 5, 6.3.2; CWE-770",
        in_session(_subscriptions),
        ("Good", "fault BadTooManySubscriptions"),
    ),
    Case(
        "subscription-orphans",
        "subscriptions left behind keep nobody else from having one",
        "Part 4, 5.14.1; CWE-770",
        _orphans,
        ("Good", "fault BadTooManySubscriptions", "then Good"),
    ),
    Case(
        "subscription-extremes",
        "intervals and lifetimes are revised into bounds of time",
        "Part 4, 5.14.2; CWE-1284",
        in_session(_intervals),
        ("Good",),
    ),
    Case(
        "items-too-many",
        "a published MaxMonitoredItemsPerCall is enforced",
        "Part 5, 6.3.11",
        in_session(
            lambda s, b: outcome(
                lambda: s.ask(
                    "CreateMonitoredItemsRequest",
                    monitoring(subscribe(s), *[item(CURRENT_TIME)] * 10_001),
                )
            )
        ),
        _MANY,
    ),
    Case(
        "items-flood",
        "items with the deepest queues take a bounded amount of memory",
        "Part 5, 6.3.2; CWE-770",
        _items,
        (
            "Good",
            "result BadTooManyMonitoredItems",
            "result BadOutOfMemory",
            "fault BadTooManyOperations",
            "fault BadEncodingLimitsExceeded",
            "result BadResourceUnavailable",
        ),
    ),
    Case(
        "items-extremes",
        "sampling intervals that are no such thing are revised",
        "Part 4, 5.13.2",
        _monitor(
            *(
                lambda b, i=i: item(b.target.node("Double"), interval=i, queue=q)
                for i in (float("nan"), float("inf"), -1e300, -2.0, 1e300)
                for q in (0, _MAX)
            )
        ),
        ("Good",),
    ),
    Case(
        "items-wrong",
        "items of what is not there are refused one by one",
        "Part 4, 5.13.2",
        _monitor(
            lambda b: item(node("x")),
            lambda b: item(CURRENT_TIME, attribute=99),
            lambda b: item(CURRENT_TIME, filtered=extension(999_999, b"x")),
            lambda b: item(CURRENT_TIME, filtered=event_filter()),
            lambda b: item(SERVER, attribute=12),
        ),
        (
            "result BadNodeIdUnknown",
            "result BadAttributeIdInvalid",
            "result BadMonitoredItemFilter*",
            "result BadFilterNotAllowed",
            "result BadEventFilterInvalid",
        ),
    ),
    Case(
        "items-deadband-wrong",
        "a deadband is a number",
        "Part 8, 6.2",
        _monitor(
            *(
                lambda b, t=t, v=v: item(
                    b.target.node("Limited"), filtered=extension(724, u32(1) + u32(t) + f64(v))
                )
                for t, v in (
                    (2, -1.0),
                    (2, 101.0),
                    (2, float("nan")),
                    (1, float("nan")),
                    (1, -5.0),
                    (9, 1.0),
                )
            )
        ),
        ("result BadDeadbandFilterInvalid", "result BadMonitoredItemFilter*"),
    ),
    Case(
        "publish-flood",
        "Publish requests that wait are bounded",
        "Part 4, 5.14.5; CWE-770",
        in_session(_publishes),
        ("Good", "fault BadTooManyPublishRequests", "fault BadNoSubscription"),
    ),
    Case(
        "publish-without-subscription",
        "without a subscription nothing is waited for",
        "Part 4, 5.14.5",
        ask("PublishRequest", i32(-1)),
        ("fault BadNoSubscription",),
    ),
    Case(
        "publish-acknowledge-flood",
        "acknowledgements are bounded",
        "Part 4, 5.14.5; CWE-770",
        in_session(_acknowledged),
        ("Good", *_MANY, "fault BadEncodingLimitsExceeded"),
    ),
    Case(
        "foreign-modify",
        "nobody changes another session's subscription",
        "Part 4, 5.14.3; CWE-639",
        of_other(
            "ModifySubscriptionRequest",
            lambda s: u32(s) + f64(1e6) + u32(9) + u32(3) + u32(0) + u8(0),
        ),
        _FOREIGN,
    ),
    Case(
        "foreign-publishing-mode",
        "nor silences it",
        "Part 4, 5.14.4; CWE-639",
        of_other("SetPublishingModeRequest", lambda s: u8(0) + array([u32(s)])),
        _FOREIGN,
    ),
    Case(
        "foreign-delete",
        "nor deletes it",
        "Part 4, 5.14.8; CWE-639",
        of_other("DeleteSubscriptionsRequest", lambda s: array([u32(s)])),
        _FOREIGN,
    ),
    Case(
        "foreign-items",
        "nor adds items to it",
        "Part 4, 5.13.2; CWE-639",
        of_other("CreateMonitoredItemsRequest", lambda s: monitoring(s, item(CURRENT_TIME))),
        _FOREIGN,
    ),
    Case(
        "foreign-delete-items",
        "nor deletes its items",
        "Part 4, 5.13.6; CWE-639",
        of_other("DeleteMonitoredItemsRequest", lambda s: u32(s) + array([u32(1)])),
        _FOREIGN,
    ),
    Case(
        "foreign-republish",
        "nor reads its messages",
        "Part 4, 5.14.6; CWE-639",
        of_other("RepublishRequest", lambda s: u32(s) + u32(1)),
        _FOREIGN,
    ),
    Case(
        "foreign-transfer",
        "nor takes it over, as another user",
        "Part 4, 5.14.7; CWE-639",
        of_other("TransferSubscriptionsRequest", lambda s: array([u32(s)]) + u8(1)),
        _FOREIGN,
    ),
    Case(
        "foreign-transfer-anonymous",
        "nor without a user",
        "Part 4, 5.14.7; CWE-639",
        _transfer_anonymous,
        _FOREIGN,
    ),
    Case(
        "foreign-get-items",
        "nor learns its items",
        "Part 5, 9.1; CWE-639",
        of_other(
            "CallRequest",
            lambda s: array([call(SERVER, node(11492), scalar(UINT32, u32(s)))]),
            "engineer",
        ),
        _FOREIGN,
    ),
    Case(
        "foreign-resend",
        "nor lets its data be sent again",
        "Part 5, 9.2; CWE-639",
        of_other(
            "CallRequest",
            lambda s: array([call(SERVER, node(12873), scalar(UINT32, u32(s)))]),
            "engineer",
        ),
        _FOREIGN,
    ),
    Case(
        "foreign-refresh",
        "nor its conditions",
        "Part 9, 5.5.7; CWE-639",
        of_other(
            "CallRequest",
            lambda s: array([call(node(2782), node(3875), scalar(UINT32, u32(s)))]),
            "engineer",
        ),
        (*_FOREIGN, *_METHOD_BAD),
    ),
    Case(
        "subscriptions-guessed",
        "subscriptions that are not there are refused one by one",
        "Part 4, 5.14.8",
        ask("DeleteSubscriptionsRequest", array([u32(n) for n in range(3000, 4000)])),
        ("result BadSubscriptionIdInvalid",),
    ),
    Case(
        "condition-refresh-flood",
        "ConditionRefresh runs once at a time",
        "Part 9, 5.5.7; CWE-770",
        in_session(_refreshes),
        _REFRESH,
    ),
    Case(
        "where-doubling",
        "a where clause that names each element twice is judged in steps, not in powers of two",
        "Part 4, 7.7; CWE-407",
        of_events(event_filter(_doubling)),
        ("Good", *_FILTER_BAD),
    ),
    Case(
        "where-chain",
        "a where clause of a long chain is judged without recursion to its depth",
        "Part 4, 7.7; CWE-674",
        of_events(event_filter(_chain)),
        ("Good", *_FILTER_BAD),
    ),
    Case(
        "where-loop",
        "an element that names itself is refused",
        "Part 4, 7.7.4.2; CWE-835",
        of_events(event_filter(_loop)),
        _FILTER_BAD,
    ),
    Case(
        "where-backwards",
        "elements name those behind them only",
        "Part 4, 7.7.4.2; CWE-835",
        of_events(event_filter(_backwards)),
        _FILTER_BAD,
    ),
    Case(
        "where-beyond",
        "an element that is not there is refused",
        "Part 4, 7.7.4.2; CWE-125",
        of_events(event_filter(_beyond)),
        _FILTER_BAD,
    ),
    Case(
        "where-pattern",
        "a pattern is matched in bounded time",
        "Part 4, 7.7.3; CWE-1333",
        of_events(event_filter(_pattern)),
        ("Good", *_FILTER_BAD),
    ),
    Case(
        "where-brackets",
        "a pattern that is none is refused or matches nothing",
        "Part 4, 7.7.3; CWE-1333",
        of_events(event_filter(_brackets)),
        ("Good", *_FILTER_BAD),
    ),
    Case(
        "where-long",
        "a where clause has a bounded number of parameters",
        "Part 5, 6.3.2; CWE-770",
        of_events(event_filter(_list)),
        ("Good", *_FILTER_BAD),
    ),
    Case(
        "select-long",
        "a select clause has a bounded number of fields",
        "Part 5, 6.3.2; CWE-770",
        of_events(event_filter(fields=3000)),
        (*_FILTER_BAD, "result BadTooManyOperations"),
    ),
    Case(
        "select-path-long",
        "the path of a field is bounded",
        "Part 4, 7.22.3; CWE-770",
        of_events(
            extension(
                727,
                array([node(2041) + array([qualified("x")] * 5000) + u32(13) + text(None)])
                + i32(-1),
            )
        ),
        ("Good", *_FILTER_BAD),
    ),
    Case(
        "requests-waiting",
        "requests that wait are bounded",
        "Part 4, 5.3; CWE-770",
        in_session(_requests),
        ("Good", "fault BadServerTooBusy", *_TOO_MUCH),
    ),
    Case(
        "leave-in-the-middle",
        "clients that leave in the middle of everything leave nothing behind",
        "CWE-404",
        _churn,
        ("Good",),
    ),
)
