"""Malformed encodings: lengths, nesting, strings, NodeIds, Variants (Part 6, 5.2).

Long, since it is one table in which each case says everything about itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from attack.case import Attack, Bench, Case, before_login, in_session, outcome
from attack.client import Session, create_session_body
from attack.wire import (
    BYTE,
    BYTE_STRING,
    DATA_VALUE,
    DIAGNOSTIC_INFO,
    EXTENSION,
    INT32,
    NODE_ID,
    NULL_NODE,
    STRING,
    VARIANT,
    array,
    data_value,
    encoding_id,
    extension,
    f64,
    header,
    i32,
    i64,
    node,
    qualified,
    read_id,
    request,
    scalar,
    text,
    u8,
    u16,
    u32,
    variants,
    write_value,
)

BAD = ("fault BadDecodingError",)
OVER = ("fault BadEncodingLimitsExceeded",)
EITHER = (*BAD, *OVER)
MOST = 0x7FFF_FFFF
"""The largest length that can be said."""

_URL = text("opc.tcp://127.0.0.1")
_EMPTY = i32(-1)
_ENDPOINTS = _URL + _EMPTY * 2


def _discover(url: bytes = _URL, locales: bytes = _EMPTY, profiles: bytes = _EMPTY) -> bytes:
    return request("GetEndpointsRequest", url + locales + profiles)


def _with_additional(body: bytes) -> bytes:
    return request("GetEndpointsRequest", _ENDPOINTS, additional=body)


def _parameters(value: bytes) -> bytes:
    """An AdditionalParametersType of one value: what a header may carry before login."""
    return extension(17537, array([qualified("ECDHPolicyUri") + value]))


def nested_variants(depth: int) -> bytes:
    """A Variant that holds an array of one Variant that holds ..."""
    return (u8(VARIANT | 0x80) + i32(1)) * depth + scalar(INT32, i32(1))


def nested_diagnostics(depth: int) -> bytes:
    """A DiagnosticInfo within a DiagnosticInfo within ..."""
    return scalar(DIAGNOSTIC_INFO, b"\x40" * depth + b"\x00")


def nested_values(depth: int) -> bytes:
    """A DataValue that holds a Variant that holds a DataValue ..."""
    return (u8(DATA_VALUE) + b"\x01") * depth + scalar(INT32, i32(1))


def nested_extensions(depth: int) -> bytes:
    """A KeyValuePair within a KeyValuePair within ..., with right lengths."""
    value = scalar(INT32, i32(1))
    for _ in range(depth):
        value = scalar(EXTENSION, extension(14846, qualified("k") + value))
    return value


def _write(value: bytes) -> bytes:
    return array([write_value(node(2255), data_value(value))])


def writes(*values: bytes) -> Attack:
    """Variants, each written to a Variable that takes no such value; what comes back."""

    def attempt(session: Session, bench: Bench) -> list[str]:
        target = bench.target.node("Int32")
        found: list[str] = []
        for value in values:
            item = array([write_value(target, data_value(value))])
            found += outcome(lambda i=item: session.ask("WriteRequest", i))
        return found

    return in_session(attempt)


def _truncated(bench: Bench) -> list[str]:
    """A request cut off at each of its bytes."""
    whole = _discover(locales=array([text("en"), text("de")]))
    found: list[str] = []
    with bench.target.channel(policy=None) as channel:
        for size in range(len(whole)):
            found += outcome(lambda n=size: channel.ask(whole[:n]))
    return found


def _truncated_in_session(session: Session, bench: Bench) -> list[str]:
    whole = session.body("ReadRequest", f64(0) + u32(2) + array([read_id(node(2258))] * 3))
    found: list[str] = []
    for size in range(0, len(whole), 1):
        found += outcome(lambda n=size: session.channel.ask(whole[:n]))
    return found


def _flipped(bench: Bench) -> list[str]:
    """Each bit of a request turned over: whatever comes back, the channel goes on."""
    whole = bytearray(_discover(locales=array([text("en")])))
    with bench.target.channel(policy=None) as channel:
        for bit in range(0, 8 * len(whole), 3 if bench.scale == 1 else 29):
            whole[bit // 8] ^= 1 << bit % 8
            channel.say(bytes(whole))
            whole[bit // 8] ^= 1 << bit % 8
            channel.frame()
        return outcome(lambda: channel.ask(_discover()))


def _many_small(bench: Bench) -> list[str]:
    """A megabyte of Variants of a byte each: what they take in memory is bounded."""
    session = bench.target.session("certified")
    with session.channel:
        value = variants(VARIANT, [u8(0)] * bench.many(1_000_000, 60_000))
        item = array([write_value(bench.target.node("Int32"), data_value(value))])
        return [*outcome(lambda: session.ask("WriteRequest", item))]


def _typed(type_id: bytes) -> bytes:
    return type_id + header() + _ENDPOINTS


def _session_text(**wrong: str | bytes) -> Attack:
    def attack(bench: Bench) -> list[str]:
        with bench.target.channel() as channel:
            return outcome(lambda: channel.ask(create_session_body(channel, **wrong)))  # type: ignore[arg-type]

    return attack


_BAD_TEXTS: Sequence[bytes] = (
    b"\xff\xfe",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf5\x80\x80\x80",
    b"a\xc8",
)

CASES = (
    Case(
        "array-length-negative",
        "an array length below -1 is refused",
        "Part 6, 5.2.5; CWE-1284",
        before_login(_discover(locales=i32(-2)), _discover(locales=i32(-MOST))),
        BAD,
    ),
    Case(
        "array-length-huge",
        "an array longer than its message is refused before it is made",
        "Part 6, 5.2.5; CWE-789",
        before_login(_discover(locales=i32(MOST)), _discover(locales=i32(1 << 20))),
        EITHER,
    ),
    Case(
        "string-length-negative",
        "a string length below -1 is refused",
        "Part 6, 5.2.2.4; CWE-1284",
        before_login(_discover(i32(-2)), _discover(i32(-4)), _discover(i32(-MOST - 1))),
        BAD,
    ),
    Case(
        "string-length-huge",
        "a string longer than its message is refused",
        "Part 6, 5.2.2.4; CWE-789",
        before_login(_discover(i32(MOST)), _discover(i32(100))),
        EITHER,
    ),
    Case(
        "array-of-negative-strings",
        "a huge array of strings of negative length ends at once",
        "Part 6, 5.2.2.4; CWE-835",
        before_login(_discover(locales=i32(MOST) + i32(-4))),
        EITHER,
    ),
    Case(
        "string-over-the-limit",
        "before login strings are short",
        "Part 5, 6.3.11; CWE-770",
        before_login(_discover(text("x" * 50_000))),
        OVER,
    ),
    Case(
        "strings-not-utf8",
        "invalid, overlong and cut UTF-8 is refused",
        "Part 6, 5.2.2.4; CWE-838",
        before_login(*(_discover(text(t)) for t in _BAD_TEXTS)),
        BAD,
    ),
    Case(
        "product-uri-not-utf8",
        "a cut character at the end of ProductUri is refused",
        "Part 6, 5.2.2.4; CWE-838",
        _session_text(product=b"urn:\xc8"),
        BAD,
    ),
    Case(
        "session-name-not-utf8",
        "a session name is UTF-8",
        "Part 6, 5.2.2.4; CWE-838",
        _session_text(name=b"\xff" * 100),
        BAD,
    ),
    Case(
        "session-name-long",
        "a session name is bounded",
        "Part 5, 6.3.11; CWE-770",
        _session_text(name="n" * 60_000),
        (*OVER, "ERR BadTcpMessageTooLarge", "fault BadRequestTooLarge"),
    ),
    Case(
        "request-truncated",
        "a request cut off anywhere is refused, and the channel goes on",
        "Part 6, 5.1",
        _truncated,
        BAD,
    ),
    Case(
        "read-truncated",
        "the same holds in a session",
        "Part 6, 5.1",
        in_session(_truncated_in_session),
        (*BAD, "fault BadSessionIdInvalid"),
    ),
    Case(
        "request-bits-flipped",
        "any bit may be wrong: it is answered, and the channel goes on",
        "Part 6, 5.1; CWE-20",
        _flipped,
        ("Good",),
    ),
    Case(
        "request-too-long",
        "a request ends where it ends",
        "Part 6, 5.1",
        before_login(_discover() + b"\0", _discover() + b"x" * 1000),
        BAD,
    ),
    Case(
        "request-empty",
        "a message of no bytes is refused",
        "Part 6, 5.1",
        before_login(b"", b"\0", NULL_NODE),
        (*BAD, "fault BadServiceUnsupported"),
    ),
    Case(
        "request-type-unknown",
        "a request of an unknown type is refused by its code",
        "Part 4, 5.3",
        before_login(_typed(node(999_999)), _typed(node("x")), _typed(node(b"x"))),
        ("fault BadServiceUnsupported",),
    ),
    Case(
        "request-type-of-response",
        "a response is no request",
        "Part 4, 5.3",
        before_login(
            *(
                _typed(node(encoding_id(m)))
                for m in ("GetEndpointsResponse", "ReadResponse", "ServiceFault")
            )
        ),
        ("fault BadServiceUnsupported",),
    ),
    Case(
        "request-type-of-structure",
        "a structure is no request",
        "Part 4, 5.3",
        before_login(
            _typed(node(encoding_id("ReadValueId"))),
            _typed(node(encoding_id("RequestHeader"))),
            _typed(node(encoding_id("Argument"))),
        ),
        ("fault BadServiceUnsupported",),
    ),
    Case(
        "request-type-of-other-encoding",
        "the XML encoding of a request is no binary one",
        "Part 6, 5.2.9",
        before_login(_typed(node(427))),
        ("fault BadServiceUnsupported",),
    ),
    Case(
        "request-type-of-other-namespace",
        "a type of another namespace is no request",
        "Part 4, 5.3",
        before_login(_typed(node(428, 1))),
        ("fault BadServiceUnsupported",),
    ),
    Case(
        "node-id-encoding",
        "a NodeId has one of six encodings",
        "Part 6, 5.2.2.9",
        before_login(
            *(
                request("GetEndpointsRequest", _ENDPOINTS, bytes((n,)) + b"\0" * 20)
                for n in (6, 7, 0x10, 0x3F, 0x41, 0x80, 0xFF)
            )
        ),
        BAD,
    ),
    Case(
        "node-id-string-huge",
        "the string of a NodeId is bounded by its message",
        "Part 6, 5.2.2.9; CWE-789",
        before_login(request("GetEndpointsRequest", _ENDPOINTS, b"\x03\0\0" + i32(MOST))),
        EITHER,
    ),
    Case(
        "node-id-guid-cut",
        "a Guid has 16 bytes",
        "Part 6, 5.2.2.6",
        before_login(node(encoding_id("GetEndpointsRequest")) + b"\x04\0\0" + b"x" * 10),
        BAD,
    ),
    Case(
        "header-additional-unknown",
        "an unknown additional header is left unread",
        "Part 4, 7.33",
        before_login(
            _with_additional(extension(999_999, b"x" * 100)), _with_additional(node(5) + u8(0))
        ),
        ("Good",),
    ),
    Case(
        "header-additional-cut",
        "an additional header is bounded by its message",
        "Part 4, 7.33; CWE-789",
        before_login(
            _with_additional(node(17537) + u8(1) + i32(MOST)),
            _with_additional(node(17537) + u8(1) + i32(-2)),
        ),
        EITHER,
    ),
    Case(
        "header-additional-encoding",
        "an ExtensionObject has one of three encodings",
        "Part 6, 5.2.2.15",
        before_login(
            _with_additional(extension(17537, b"", 3)),
            _with_additional(extension(17537, b"", 0xFF)),
        ),
        BAD,
    ),
    Case(
        "header-additional-too-short",
        "a structure fills its length exactly",
        "Part 6, 5.2.2.15",
        before_login(
            _with_additional(extension(17537, array([]) + b"x")),
            _with_additional(extension(17537, i32(1))),
        ),
        BAD,
    ),
    Case(
        "header-variants-nested",
        "before login nesting is bounded at 10",
        "Part 6, 5.2.2.16; CWE-674",
        before_login(_with_additional(_parameters(nested_variants(5000)))),
        OVER,
    ),
    Case(
        "header-diagnostics-nested",
        "before login DiagnosticInfo is bounded, too",
        "Part 6, 5.2.2.12; CWE-674",
        before_login(_with_additional(_parameters(nested_diagnostics(30_000)))),
        OVER,
    ),
    Case(
        "header-values-nested",
        "before login DataValues are bounded, too",
        "Part 6, 5.2.2.17; CWE-674",
        before_login(_with_additional(_parameters(nested_values(20_000)))),
        OVER,
    ),
    Case(
        "header-structures-nested",
        "before login ExtensionObjects are bounded, too",
        "Part 6, 5.2.2.15; CWE-674",
        before_login(_with_additional(_parameters(nested_extensions(900)))),
        OVER,
    ),
    Case(
        "header-null-array",
        "an array of Null has no length to believe",
        "Part 6, 5.2.2.16; CWE-789",
        before_login(
            _with_additional(_parameters(u8(0x80) + i32(MOST))),
            _with_additional(_parameters(u8(0x80) + i32(3))),
        ),
        EITHER,
    ),
    Case(
        "header-array-of-empty",
        "before login an array creates a bounded number of objects",
        "Part 6, 5.2.5; CWE-770",
        before_login(_with_additional(_parameters(variants(STRING, [text(None)] * 10_000)))),
        OVER,
    ),
    Case(
        "header-audit-entry-long",
        "an AuditEntryId is bounded",
        "Part 4, 7.33; CWE-770",
        before_login(request("GetEndpointsRequest", _ENDPOINTS, audit="x" * 50_000)),
        OVER,
    ),
    Case(
        "header-timestamp-extreme",
        "a timestamp beyond the calendar is none of the server's business",
        "Part 6, 5.2.2.5",
        before_login(
            *(
                node(encoding_id("GetEndpointsRequest"))
                + NULL_NODE
                + i64(t)
                + u32(1)
                + u32(0)
                + text(None)
                + u32(0)
                + b"\0\0\0"
                + _ENDPOINTS
                for t in (-(2**63), 2**63 - 1, 0, -1)
            )
        ),
        ("Good",),
    ),
    Case(
        "variants-nested",
        "a session, too, nests no deeper than 100",
        "Part 6, 5.2.2.16; CWE-674",
        writes(nested_variants(101), nested_variants(10_000), nested_variants(60_000)),
        OVER,
    ),
    Case(
        "diagnostics-nested",
        "DiagnosticInfo nests no deeper than 100",
        "Part 6, 5.2.2.12; CWE-674",
        writes(nested_diagnostics(101), nested_diagnostics(100_000)),
        OVER,
    ),
    Case(
        "values-nested",
        "DataValues nest no deeper than 100",
        "Part 6, 5.2.2.17; CWE-674",
        writes(nested_values(101), nested_values(100_000)),
        OVER,
    ),
    Case(
        "structures-nested",
        "ExtensionObjects nest no deeper than 100",
        "Part 6, 5.2.2.15; CWE-674",
        writes(nested_extensions(101), nested_extensions(2000)),
        OVER,
    ),
    Case(
        "variant-of-variant",
        "a Variant holds no single Variant",
        "Part 6, 5.2.2.16",
        writes(scalar(VARIANT, scalar(INT32, i32(1)))),
        BAD,
    ),
    Case(
        "variant-type-reserved",
        "a Variant is of a type that there is",
        "Part 6, 5.2.2.16",
        writes(*(scalar(t, b"\0" * 8) for t in (32, 40, 63))),
        BAD,
    ),
    Case(
        "variant-scalar-with-dimensions",
        "a single value has no dimensions",
        "Part 6, 5.2.2.16",
        writes(u8(INT32 | 0x40) + i32(1) + array([i32(1)])),
        BAD,
    ),
    Case(
        "variant-null-array",
        "an array of Null is refused",
        "Part 6, 5.2.2.16; CWE-789",
        writes(u8(0x80) + i32(MOST), u8(0x80) + i32(10)),
        EITHER,
    ),
    Case(
        "variant-array-negative",
        "the length of an array in a Variant is -1 or more",
        "Part 6, 5.2.2.16",
        writes(u8(INT32 | 0x80) + i32(-2), u8(STRING | 0x80) + i32(-MOST)),
        BAD,
    ),
    Case(
        "variant-array-huge",
        "an array is no longer than its message",
        "Part 6, 5.2.2.16; CWE-789",
        writes(
            *(
                u8(t | 0x80) + i32(MOST)
                for t in (1, BYTE, INT32, STRING, BYTE_STRING, NODE_ID, VARIANT, DIAGNOSTIC_INFO)
            )
        ),
        EITHER,
    ),
    Case(
        "variants-of-one-byte",
        "small elements that are large in memory are counted",
        "Part 6, 5.2.5; CWE-770",
        _many_small,
        OVER,
    ),
    Case(
        "matrix-overflow",
        "dimensions multiply to the length, in numbers that do not overflow",
        "Part 6, 5.2.2.16; CWE-190",
        writes(
            variants(INT32, [i32(1)] * 4, [65_536, 65_536]),
            variants(INT32, [], [65_536] * 4),
            variants(INT32, [i32(1)], [MOST, MOST]),
        ),
        BAD,
    ),
    Case(
        "matrix-dimension-negative",
        "a dimension is not negative",
        "Part 6, 5.2.2.16; CWE-1284",
        writes(variants(INT32, [i32(1)] * 4, [-2, -2]), variants(INT32, [i32(1)], [-1])),
        BAD,
    ),
    Case(
        "matrix-dimension-zero",
        "a dimension of none has no elements",
        "Part 6, 5.2.2.16",
        writes(variants(INT32, [i32(1)] * 4, [0, 4]), variants(INT32, [i32(1)] * 4, [4, 0])),
        BAD,
    ),
    Case(
        "matrix-of-many-dimensions",
        "no value has ten thousand dimensions",
        "Part 6, 5.2.2.16; CWE-674",
        writes(
            variants(INT32, [i32(1)], [1] * 10_000),
            variants(INT32, [i32(1)], [1] * 99),
            variants(INT32, [], [MOST] * 20_000),
        ),
        (*EITHER, "result BadTypeMismatch"),
    ),
    Case(
        "data-value-reserved-bits",
        "bits that are reserved are refused",
        "Part 6, 5.2.2.17",
        in_session(
            lambda s, b: outcome(
                lambda: s.ask(
                    "WriteRequest",
                    array([write_value(b.target.node("Int32"), b"\xc1" + scalar(INT32, i32(1)))]),
                )
            )
        ),
        BAD,
    ),
    Case(
        "text-reserved-bits",
        "the bits of a LocalizedText are those that there are",
        "Part 6, 5.2.2.14",
        writes(scalar(21, b"\xfc" + text("x"))),
        BAD,
    ),
    Case(
        "diagnostics-reserved-bit",
        "so are those of a DiagnosticInfo",
        "Part 6, 5.2.2.12",
        writes(scalar(DIAGNOSTIC_INFO, b"\x80")),
        BAD,
    ),
    Case(
        "structure-length",
        "a structure in a Variant fills its length exactly",
        "Part 6, 5.2.2.15",
        writes(
            *(
                scalar(
                    EXTENSION, node(14846) + u8(1) + i32(n) + qualified("k") + scalar(INT32, i32(1))
                )
                for n in (-2, 0, 5, 13, MOST)
            )
        ),
        EITHER,
    ),
    Case(
        "guid-and-time-cut",
        "fixed sizes are whole",
        "Part 6, 5.2.2",
        writes(u8(14) + b"x" * 8, u8(13) + b"x" * 4, u8(11) + b"x"),
        (*BAD, "result BadTypeMismatch"),
    ),
    Case(
        "array-over-the-limit",
        "a published MaxArrayLength is enforced",
        "Part 5, 6.3.11",
        writes(variants(INT32, [i32(1)] * 30_001)),
        OVER,
    ),
    Case(
        "byte-string-over-the-limit",
        "a published MaxByteStringLength is enforced",
        "Part 5, 6.3.11",
        writes(scalar(BYTE_STRING, text(b"x" * 4_200_000))),
        OVER,
    ),
    Case(
        "string-over-the-limit-in-session",
        "a published MaxStringLength is enforced",
        "Part 5, 6.3.11",
        writes(scalar(STRING, text("x" * 1_100_000))),
        OVER,
    ),
    Case(
        "locale-in-qualified-name",
        "the text of a QualifiedName is UTF-8, too",
        "Part 6, 5.2.2.13; CWE-838",
        writes(scalar(20, u16(0) + text(b"\xc3"))),
        BAD,
    ),
)
