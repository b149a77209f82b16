"""Conversions between built-in types (Part 4, 7.7.3, tables of precedence and conversion)."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from uuid import UUID

import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.events.typed import INTEGERS, RANK, Typed, cast, common, implicit, typed

T = ua.VariantType
GUID = UUID("12345678-1234-5678-1234-567812345678")
NODE = ua.NodeId("pump", 3)

# Samples of every type that has a precedence.
SAMPLES = {
    **dict.fromkeys(INTEGERS, 1),
    T.Double: 1.0,
    T.Float: 1.0,
    T.Boolean: True,
    T.StatusCode: 0x8034_0000,
    T.Guid: GUID,
    T.String: "1",
    T.NodeId: NODE,
    T.ExpandedNodeId: ua.ExpandedNodeId("pump", 3),
    T.LocalizedText: ua.LocalizedText("1"),
    T.QualifiedName: ua.QualifiedName("1", 3),
}


# The conversions among numbers, Boolean and StatusCode, row by row: I for implicit, E for
# explicit, X for none; the columns are in the order of the rows.
NAMES = "Boolean Byte Double Float Int16 Int32 Int64 SByte StatusCode String UInt16 UInt32 UInt64"
ORDER = NAMES.split()
TABLE = {
    "Boolean": "- I I I I I I I X E I I I",
    "Byte": "E - I I I I I I X E I I I",
    "Double": "E E - E E E E E X E E E E",
    "Float": "E E I - E E E E X E E E E",
    "Int16": "E E I I - I I E X E E I I",
    "Int32": "E E I I E - I E E E E E I",
    "Int64": "E E I I E E - E E E E E E",
    "SByte": "E E I I I I I - X E I I I",
    "StatusCode": "X X X X X I I X - X E I I",
    "String": "I I I I I I I I X - I I I",
    "UInt16": "E E I I I I I E I E - I I",
    "UInt32": "E E I I E I I E E E E - I",
    "UInt64": "E E I I E E I E E E E E -",
}


@pytest.mark.parametrize("source", ORDER)
def test_what_is_converted_to_what(source: str) -> None:
    value = Typed(T[source], SAMPLES[T[source]])
    for target, kind in zip(ORDER, TABLE[source].split(), strict=True):
        if kind == "-" or source == "StatusCode" or target == "StatusCode":
            continue
        assert (implicit(value, T[target]) is not None) is (kind == "I"), target
        assert (cast(value, T[target]) is not None) is (kind in "IE"), target


@pytest.mark.parametrize(
    ("value", "target", "expected"),
    [
        (Typed(T.Double, 1.5), T.Int16, 2),
        (Typed(T.Double, -1.5), T.Int16, -1),
        (Typed(T.Double, 1e300), T.Int64, None),
        (Typed(T.Double, math.nan), T.Int64, None),
        (Typed(T.Double, 1e300), T.Float, None),
        (Typed(T.Int32, -1), T.UInt32, None),
        (Typed(T.Int32, 300), T.Byte, None),
        (Typed(T.StatusCode, 0x8034_0000), T.UInt16, 0x8034),
        (Typed(T.StatusCode, 0x8034_0000), T.UInt32, 0x8034_0000),
        (Typed(T.StatusCode, 0x8034_0000), T.Int32, 0x8034_0000 - (1 << 32)),
        (Typed(T.UInt16, 0x8034), T.StatusCode, 0x8034_0000),
        (Typed(T.UInt32, 0x8034_0000), T.StatusCode, 0x8034_0000),
        (Typed(T.String, "TRUE"), T.Boolean, True),
        (Typed(T.String, "0"), T.Boolean, False),
        (Typed(T.String, "yes"), T.Boolean, None),
        (Typed(T.String, "-17"), T.Int16, -17),
        (Typed(T.String, "1e3"), T.Double, 1000.0),
        (Typed(T.String, "nan"), T.Double, None),
        (Typed(T.String, "9" * 5000), T.Int64, None),
        (Typed(T.String, str(GUID)), T.Guid, GUID),
        (Typed(T.String, "ns=3;s=pump"), T.NodeId, NODE),
        (Typed(T.String, "no node"), T.NodeId, None),
        (Typed(T.String, "1601-01-01T00:00:01Z"), T.DateTime, 1_000_000),
        (Typed(T.String, "yesterday"), T.DateTime, None),
        (Typed(T.DateTime, 1_000_000), T.String, "1601-01-01T00:00:01Z"),
        (Typed(T.Boolean, False), T.String, "false"),
        (Typed(T.NodeId, NODE), T.String, "ns=3;s=pump"),
        (Typed(T.Guid, GUID), T.ByteString, GUID.bytes_le),
        (Typed(T.ByteString, b"short"), T.Guid, None),
        (Typed(T.LocalizedText, ua.LocalizedText("hot", "en")), T.String, "hot"),
        (Typed(T.QualifiedName, ua.QualifiedName("Hot", 3)), T.String, "Hot"),
        (Typed(T.ExpandedNodeId, ua.ExpandedNodeId("pump", 3)), T.NodeId, NODE),
        (Typed(T.ExpandedNodeId, ua.ExpandedNodeId("pump", 0, NamespaceUri="urn:x")), T.NodeId,
         None),
        (Typed(T.Int32, [1, 2]), T.Double, [1.0, 2.0]),
        (Typed(T.Int32, [1, 300]), T.Byte, None),
    ],
)  # fmt: skip
def test_what_a_conversion_gives(value: Typed, target: ua.VariantType, expected: object) -> None:
    converted = cast(value, target)
    assert converted == (None if expected is None else Typed(target, expected))


# Whoever has the higher precedence is what the other becomes.
@settings(max_examples=200)
@given(st.sampled_from(list(SAMPLES)), st.sampled_from(list(SAMPLES)))
def test_the_common_type_is_that_of_higher_precedence(one: T, other: T) -> None:
    a, b = Typed(one, SAMPLES[one]), Typed(other, SAMPLES[other])
    target = min(one, other, key=lambda type_: RANK[type_])
    expected = (implicit(a, target), implicit(b, target))
    both = common(a, b)
    if None in expected:
        assert both is None
    else:
        assert both == tuple(value.value for value in expected)
    swapped = common(b, a)
    assert (swapped is None) is (both is None)


def test_an_array_of_one_is_a_scalar_where_the_other_is_one() -> None:
    assert common(Typed(T.Int32, [5]), Typed(T.Double, 5.0)) == (5.0, 5.0)
    assert common(Typed(T.Int32, [5, 6]), Typed(T.Double, 5.0)) is None
    assert common(Typed(T.Int32, [5, 6]), Typed(T.Double, [5.0, 6.5])) == ([5.0, 6.0], [5.0, 6.5])


# Part 6, 5.1.2: what is null.
@pytest.mark.parametrize(
    "variant",
    [
        None,
        ua.Variant(),
        ua.Variant(None, T.String),
        ua.Variant(ua.NodeId(), T.NodeId),
        ua.Variant(ua.LocalizedText(), T.LocalizedText),
        ua.Variant(ua.QualifiedName(), T.QualifiedName),
        ua.Variant(UUID(int=0), T.Guid),
        ua.Variant(0, T.DateTime),
    ],
)
def test_nulls(variant: ua.Variant | None) -> None:
    assert typed(variant) is None


def test_times_in_ticks_and_as_datetimes_are_the_same() -> None:
    as_ticks = typed(ua.Variant(11_644_473_600_123_456 * 10 + 7, T.DateTime))
    moment = datetime(1970, 1, 1, 0, 0, 0, 123456, UTC)
    assert as_ticks == typed(ua.Variant(moment, T.DateTime)) == (T.DateTime, 11_644_473_600_123_456)
