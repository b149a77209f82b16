"""Writes that must not be: type, rank, range, place, person (Part 4, 5.11.4)."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable
from typing import Any

from attack.case import Bench, Case, Outcomes, in_session, outcome
from attack.client import Session
from attack.target import read
from attack.wire import (
    BYTE_STRING,
    DATA_VALUE,
    DATE_TIME,
    DOUBLE,
    EXTENSION,
    FLOAT,
    INT32,
    NODE_ID,
    NOW,
    STATUS_CODE,
    STRING,
    UINT32,
    VARIANT,
    array,
    data_value,
    extension,
    f64,
    i32,
    i64,
    node,
    scalar,
    text,
    u8,
    u32,
    variants,
    write_value,
)

SET_POINT = "Signals.RC101.temperature_setpoint"
MEASURED = "Signals.RC101.temperature"
THIRTY = struct.pack("<f", 30.0)

DENIED = ("result BadUserAccessDenied",)
TYPE = ("result BadTypeMismatch",)
RANGE = ("result BadOutOfRange",)
_NOT_WRITABLE = ("result BadNotWritable", *DENIED)


def write(session: Session, node_id: bytes, type_id: int, body: bytes, **fields: Any) -> list[str]:
    """The outcome of one write of a single value."""
    item = write_value(node_id, data_value(scalar(type_id, body)), **fields)
    return outcome(lambda: session.ask("WriteRequest", array([item])))


def to(
    key: str, *values: bytes, where: str = "", user: str = "certified", **fields: Any
) -> Callable[[Bench], Outcomes]:
    """Variants, each written to a node of the site; a node that holds another value afterwards is
    an outcome of its own."""

    def attempt(session: Session, bench: Bench) -> list[str]:
        target = bench.target.node(key, where)
        before, found = read(session, target), []
        for value in values:
            item = write_value(target, data_value(value), **fields)
            found += outcome(lambda i=item: session.ask("WriteRequest", array([i])))
        after = read(session, target)
        return found if before == after else [*found, f"{key} is {after!r} now"]

    return in_session(attempt, user)


def of_data_values(key: str, *values: bytes, where: str = "") -> Callable[[Bench], Outcomes]:
    """Whole DataValues, with what a client may not set."""

    def attempt(session: Session, bench: Bench) -> list[str]:
        target = bench.target.node(key, where)
        items = [array([write_value(target, value)]) for value in values]
        return [o for item in items for o in outcome(lambda i=item: session.ask("WriteRequest", i))]

    return in_session(attempt)


def floats(values: Iterable[float]) -> list[bytes]:
    return [scalar(FLOAT, struct.pack("<f", value)) for value in values]


def doubles(values: Iterable[float]) -> list[bytes]:
    return [scalar(DOUBLE, f64(value)) for value in values]


def _attributes(session: Session, bench: Bench) -> list[str]:
    """Every attribute but Value, and some that there are not."""
    target, found = bench.target.node("Int32"), []
    for attribute in (*range(13), *range(14, 30), 0xFFFF_FFFF):
        found += write(session, target, INT32, i32(1), attribute=attribute)
    return found


def _static(session: Session, bench: Bench) -> list[str]:
    """Nodes of the server itself."""
    found = []
    for identifier in (84, 85, 2253, 2254, 2255, 2256, 2258, 2267, 11705, 12165, 2994, 61, 22):
        found += write(session, node(identifier), INT32, i32(1))
    return found


def _nowhere(session: Session, bench: Bench) -> list[str]:
    found = []
    for node_id in (
        node(0),
        node("x"),
        node("Int32", 200),
        node(4_000_000_000),
        node(b"\0" * 500),
        node("x" * 4000, 65_535),
    ):
        found += write(session, node_id, INT32, i32(1))
    return found


def _ranges(*ranges: str, value: bytes | None = None) -> Callable[[Bench], Outcomes]:
    """Index ranges of an array of five."""
    body = variants(INT32, [i32(9)] * 2) if value is None else value
    return in_session(lambda s, b: [o for r in ranges for o in _one_range(s, b, r, body)])


def _one_range(session: Session, bench: Bench, index_range: str, body: bytes) -> list[str]:
    item = write_value(bench.target.node("Array"), data_value(body), index_range=index_range)
    return outcome(lambda: session.ask("WriteRequest", array([item])))


def _denied_flood(bench: Bench) -> Outcomes:
    """RefusedError writes without end: each is recorded and answered, none fills the log."""
    session = bench.target.session("observer")
    with session.channel:
        item = write_value(bench.target.node(SET_POINT, "plant"), data_value(scalar(FLOAT, THIRTY)))
        body = array([item] * 100)
        found: list[str] = []
        for _ in range(bench.many(20)):
            found += outcome(lambda: session.ask("WriteRequest", body))
        return found


def _many(session: Session, bench: Bench) -> list[str]:
    item = write_value(bench.target.node("Int32"), data_value(scalar(INT32, i32(1))))
    return outcome(lambda: session.ask("WriteRequest", array([item] * 1001)))


def _one_bad_among_good(session: Session, bench: Bench) -> list[str]:
    """One wrong item takes the others not with it."""
    right = write_value(bench.target.node("Int32"), data_value(scalar(INT32, i32(77))))
    wrong = write_value(node("x"), data_value(scalar(INT32, i32(1))))
    response = session.ask("WriteRequest", array([wrong, right, wrong]))
    codes = [status.value for status in response.Results]
    took = read(session, bench.target.node("Int32")) == 77
    return [
        "Good" if codes[1] == 0 and codes[0] and codes[2] and took else f"{codes}, taken: {took}"
    ]


def _set_point_flood(session: Session, bench: Bench) -> list[str]:
    """Set-points as fast as a client can: in order, each recorded; the server serves on."""
    target, found = bench.target.node(SET_POINT, "plant"), []
    for number in range(bench.many(200)):
        value = data_value(scalar(FLOAT, struct.pack("<f", 30.0 + number % 5)))
        session.channel.say(session.body("WriteRequest", array([write_value(target, value)])))
    for _ in range(bench.many(200)):
        _, response = session.channel.hear()
        status = response.ResponseHeader.ServiceResult.value
        found.append("fault" if status else "Good" if not response.Results[0].value else "result")
    return found


def _large_string(session: Session, bench: Bench) -> list[str]:
    """Strings of a megabyte, one after the other: the server keeps one."""
    target = bench.target.node("String")
    found = []
    for _ in range(bench.many(30)):
        found += write(session, target, STRING, text("x" * 1_000_000))
    return [*found, *write(session, target, STRING, text(""))]


_NOT_FINITE = doubles([math.nan, math.inf, -math.inf])

CASES = (
    Case(
        "write-type",
        "a value has the type of its Variable",
        "Part 4, 5.11.4; CWE-843",
        to(
            "Int32",
            scalar(DOUBLE, f64(1)),
            scalar(STRING, text("1")),
            scalar(UINT32, u32(1)),
            scalar(1, u8(1)),
            scalar(NODE_ID, node(1)),
            scalar(STATUS_CODE, u32(0)),
            scalar(DATE_TIME, i64(NOW)),
            scalar(BYTE_STRING, text(b"1234")),
            scalar(EXTENSION, extension(14846, b"\0\0" + text("k") + b"\0")),
            scalar(DATA_VALUE, b"\0"),
            u8(0),
        ),
        TYPE,
    ),
    Case(
        "write-rank",
        "a value has the rank of its Variable",
        "Part 4, 5.11.4; CWE-843",
        to(
            "Int32",
            variants(INT32, [i32(1)]),
            variants(INT32, []),
            variants(INT32, [i32(1)] * 4, [2, 2]),
        ),
        TYPE,
    ),
    Case(
        "write-rank-of-array",
        "an array is none of another rank",
        "Part 4, 5.11.4",
        to("Array", scalar(INT32, i32(1)), variants(INT32, [i32(1)] * 4, [2, 2])),
        TYPE,
    ),
    Case(
        "write-dimensions",
        "an array of fixed length keeps it",
        "Part 3, 5.6.2",
        to("Fixed", variants(INT32, [i32(1)] * 4), variants(INT32, [i32(1)] * 1000)),
        TYPE,
    ),
    Case(
        "write-null",
        "no value is no value of a number",
        "Part 4, 5.11.4",
        to("Double", u8(0), u8(DOUBLE | 0x80) + i32(-1)),
        TYPE,
    ),
    Case(
        "write-variant-array",
        "an array of Variants is none of numbers",
        "Part 4, 5.11.4; CWE-843",
        to("Array", variants(VARIANT, [scalar(INT32, i32(1))] * 5)),
        TYPE,
    ),
    Case(
        "set-point-type",
        "a set-point takes its own type only",
        "Part 4, 5.11.4; CWE-843",
        to(
            SET_POINT,
            scalar(INT32, i32(30)),
            scalar(STRING, text("30")),
            scalar(DOUBLE, f64(30)),
            variants(FLOAT, [THIRTY]),
            where="plant",
        ),
        TYPE,
    ),
    Case(
        "set-point-not-finite",
        "NaN and infinity are no set-points",
        "IEC 62443-4-2 CR 3.5; CWE-1287",
        to(SET_POINT, *floats([math.nan, math.inf, -math.inf]), where="plant"),
        RANGE,
    ),
    Case(
        "set-point-beyond-range",
        "a set-point stays within its range",
        "IEC 62443-4-2 CR 3.5; CWE-1287",
        to(SET_POINT, *floats([3e38, -3e38, 1e6, -1e6]), where="plant"),
        RANGE,
    ),
    Case(
        "set-point-denormal",
        "a tiny number is a number; one below the range is not taken",
        "IEC 62443-4-2 CR 3.5",
        to(SET_POINT, *floats([-1e-45, -1.0]), where="plant"),
        RANGE,
    ),
    Case(
        "limited-not-finite",
        "a variable with a range takes finite numbers only",
        "IEC 62443-4-2 CR 3.5; CWE-1287",
        to("Limited", *_NOT_FINITE),
        RANGE,
    ),
    Case(
        "limited-beyond-range",
        "and those of its write range",
        "IEC 62443-4-2 CR 3.5; CWE-1287",
        to("Limited", *doubles([9.999, 90.001, 1e308])),
        RANGE,
    ),
    Case(
        "set-point-index-range",
        "a single number has no parts",
        "Part 4, 7.27",
        to(SET_POINT, scalar(FLOAT, THIRTY), where="plant", index_range="0"),
        ("result BadWriteNotSupported", "result BadIndexRange*"),
    ),
    Case(
        "set-point-status",
        "a client sets no status of a set-point",
        "Part 4, 5.11.4; CWE-345",
        of_data_values(
            SET_POINT,
            data_value(scalar(FLOAT, THIRTY), 0x80000000),
            data_value(scalar(FLOAT, THIRTY), 0x40000000),
            where="plant",
        ),
        ("result BadWriteNotSupported",),
    ),
    Case(
        "set-point-status-alone",
        "nor a status without a value",
        "Part 4, 5.11.4; CWE-345",
        of_data_values(SET_POINT, b"\x02" + u32(0x80000000), b"\x00", where="plant"),
        ("result BadWriteNotSupported", *TYPE),
    ),
    Case(
        "set-point-server-time",
        "nor its server time",
        "Part 4, 5.11.4; CWE-345",
        of_data_values(SET_POINT, b"\x09" + scalar(FLOAT, THIRTY) + i64(NOW), where="plant"),
        ("result BadWriteNotSupported",),
    ),
    Case(
        "write-picoseconds",
        "a client sets no picoseconds",
        "Part 4, 5.11.4",
        of_data_values(
            "Double", b"\x35" + scalar(DOUBLE, f64(1)) + i64(NOW) + b"\x0f\x27" + b"\x0f\x27"
        ),
        ("result BadWriteNotSupported",),
    ),
    Case(
        "measured-value",
        "what a device measures is not written",
        "Part 3, 5.6.2; CWE-284",
        to(MEASURED, scalar(DOUBLE, f64(30)), where="plant"),
        _NOT_WRITABLE,
    ),
    Case(
        "constant",
        "what is not writable is not written",
        "Part 3, 5.6.2; CWE-284",
        to("Constant", scalar(INT32, i32(1)), scalar(DOUBLE, f64(1))),
        ("result BadNotWritable",),
    ),
    Case(
        "attributes",
        "attributes other than Value are read-only",
        "Part 3, 5.2; CWE-284",
        in_session(_attributes),
        ("result BadAttributeIdInvalid", "result BadWriteNotSupported", *_NOT_WRITABLE),
    ),
    Case(
        "server-nodes",
        "the nodes of the server itself are read-only",
        "Part 5, 6.3; CWE-284",
        in_session(_static, "admin"),
        ("result BadAttributeIdInvalid", *_NOT_WRITABLE),
    ),
    Case(
        "nodes-unknown",
        "a node that is not there is not written",
        "Part 4, 5.11.4",
        in_session(_nowhere),
        ("result BadNodeIdUnknown", "result BadNodeIdInvalid"),
    ),
    Case(
        "method-and-object-values",
        "objects and methods have no Value",
        "Part 3, 5.5",
        in_session(
            lambda s, b: [
                *write(s, b.target.node("Attack"), INT32, i32(1)),
                *write(s, b.target.node("Add"), INT32, i32(1)),
            ]
        ),
        ("result BadAttributeIdInvalid",),
    ),
    Case(
        "index-range-text",
        "an index range is numbers",
        "Part 4, 7.27; CWE-20",
        _ranges(
            "x",
            "-1",
            ":",
            "1:",
            ":1",
            "1:0",
            "1:1",
            "1,",
            ",1",
            "0x1",
            " 1",
            "1 ",
            "١",
            "1:2:3",
            "1e3",
            "+1",
        ),
        ("result BadIndexRangeInvalid",),
    ),
    Case(
        "index-range-huge",
        "an index range beyond the value is refused",
        "Part 4, 7.27; CWE-789",
        _ranges(
            "4294967294:4294967295", "5:6", "4:5", "99999999999999999999:99999999999999999999999"
        ),
        (
            "result BadIndexRangeNoData",
            "result BadIndexRangeInvalid",
            "result BadIndexRangeDataMismatch",
        ),
    ),
    Case(
        "index-range-long",
        "an index range has as many parts as a value can have",
        "Part 4, 7.27; CWE-400",
        _ranges(",".join(["0"] * 5000), "0:1," * 20_000 + "0"),
        (
            "result BadIndexRangeNoData",
            "result BadIndexRangeInvalid",
            "result BadIndexRangeDataMismatch",
            "fault BadEncodingLimitsExceeded",
        ),
    ),
    Case(
        "index-range-mismatch",
        "a part has the size of its range",
        "Part 4, 7.27",
        _ranges("0:2", "0:3", "1"),
        (
            "result BadIndexRangeDataMismatch",
            "result BadIndexRangeInvalid",
            "result BadIndexRangeNoData",
            *TYPE,
        ),
    ),
    Case(
        "write-without-right",
        "who may read may not write",
        "IEC 62443-3-3 SR 2.1; CWE-284",
        to("Int32", scalar(INT32, i32(1)), user="observer"),
        DENIED,
    ),
    Case(
        "set-point-without-right",
        "a set-point is written by its operators",
        "IEC 62443-3-3 SR 2.1; CWE-284",
        to(SET_POINT, scalar(FLOAT, THIRTY), where="plant", user="observer"),
        DENIED,
    ),
    Case(
        "denied-flood",
        "refused writes without end are answered, and fill no log",
        "CWE-779",
        _denied_flood,
        DENIED,
    ),
    Case(
        "set-point-flood",
        "set-points as fast as they come are done in order, or refused as too many",
        "IEC 62443-3-3 SR 7.1; CWE-770",
        in_session(_set_point_flood),
        ("Good", "fault", "result"),
    ),
    Case(
        "write-too-many",
        "a published MaxNodesPerWrite is enforced",
        "Part 5, 6.3.11",
        in_session(_many),
        ("fault BadTooManyOperations",),
    ),
    Case(
        "write-nothing",
        "a Write of nothing is refused",
        "Part 4, 5.11.4",
        in_session(
            lambda s, _: [
                *outcome(lambda: s.ask("WriteRequest", array([]))),
                *outcome(lambda: s.ask("WriteRequest", i32(-1))),
            ]
        ),
        ("fault BadNothingToDo",),
    ),
    Case(
        "write-one-bad",
        "one wrong item takes the others not with it",
        "Part 4, 5.11.4",
        in_session(_one_bad_among_good),
        ("Good",),
    ),
    Case(
        "write-large-strings",
        "large values replace each other",
        "CWE-401",
        in_session(_large_string),
        ("Good",),
    ),
)
