"""Event filters and condition refreshes that shall hold a server up (Part 4, 7.7 and 7.22)."""

from __future__ import annotations

from collections.abc import Callable

from attack.case import Bench, Case, Outcomes, in_session, outcome
from attack.cases.attributes import reading
from attack.cases.methods import METHOD_BAD, call
from attack.cases.subscriptions import item, monitoring, subscribe
from attack.cases.views import MAX, SERVER
from attack.client import CURRENT_TIME, Session
from attack.wire import (
    INT32,
    STRING,
    UINT32,
    array,
    data_value,
    extension,
    i32,
    node,
    qualified,
    read_id,
    scalar,
    text,
    u8,
    u32,
    write_value,
)


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
_beyond = where((_NOT, [element_operand(MAX)]))
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


_REFRESH = (
    "Good",
    "result BadRefreshInProgress",
    "result BadSubscriptionIdInvalid",
    *METHOD_BAD,
    "result BadUserAccessDenied",
    "result BadNothingToDo",
)


CASES = (
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
)
