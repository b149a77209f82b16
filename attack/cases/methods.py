"""Method calls: wrong, refused, without end (Part 4, 5.12)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attack.case import Bench, Case, Outcomes, in_session, outcome
from attack.cases.views import MANY, SERVER
from attack.client import Session
from attack.wire import (
    DOUBLE,
    INT32,
    NULL_NODE,
    STRING,
    array,
    f64,
    i32,
    node,
    scalar,
    text,
    u8,
    variants,
)


def call(object_id: bytes, method_id: bytes, *arguments: bytes) -> bytes:
    return object_id + method_id + array(arguments)


def calling(
    *make: Callable[[Bench], bytes], repeat: int = 1, user: str | None = "certified"
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
    return bench.served("certified")


METHOD_BAD = (
    "result BadNodeIdUnknown",
    "result BadNodeIdInvalid",
    "result BadMethodInvalid",
    "result BadNotExecutable",
)


CASES = (
    Case(
        "call-too-many",
        "a published MaxNodesPerMethodCall is enforced",
        "Part 5, 6.3.11",
        calling(_add(_ONE, _ONE), repeat=101),
        MANY,
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
        METHOD_BAD,
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
        METHOD_BAD,
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
)
