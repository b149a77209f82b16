"""Whatever a client puts into a filter, it is refused or evaluated: nothing is ever raised."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from asyncua import ua
from hypothesis import example, given, settings
from hypothesis import strategies as st

from biogate.opcua.codec import decode_variant, encode_variant
from biogate.opcua.events import Event, field_path
from biogate.opcua.events.fields import EventTypes
from biogate.opcua.events.filter_compiler import FilterCompiler
from biogate.opcua.events.typed import INTEGERS, RANK, Typed, cast, common, typed

T = ua.VariantType
IDS = ua.ObjectIds

names = st.text(max_size=8)
node_ids = st.builds(
    ua.NodeId, st.integers(0, 2**32 - 1) | names | st.binary(max_size=8), st.integers(0, 65535)
)
texts = st.sampled_from(
    ["", "1", "-7", "1e3", "nan", "inf", "true", "i=2041", "ns=1;s=x", "ns=x;i=1", "ns=70000;i=1",
     "g=no", "b=!", "i=99999999999", "svr=1;nsu=urn:x;s=y", "2026-01-01",
     "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59",
     "12345678-1234-5678-1234-567812345678", "%[", "[^", "\\", "[a-"]
) | names  # fmt: skip
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    **{type_: st.integers(*bounds) for type_, bounds in INTEGERS.items()},
    T.Boolean: st.booleans(),
    T.Float: st.floats(width=32),
    T.Double: st.floats(),
    T.String: texts,
    T.DateTime: st.datetimes(timezones=st.just(UTC)),
    T.Guid: st.uuids(),
    T.ByteString: st.binary(max_size=20),
    T.NodeId: node_ids,
    T.ExpandedNodeId: st.builds(
        ua.ExpandedNodeId,
        st.integers(0, 2**32 - 1) | names,
        st.integers(0, 65535),
        NamespaceUri=st.none() | names,
        ServerIndex=st.integers(0, 9),
    ),
    T.StatusCode: st.builds(ua.StatusCode, st.integers(0, 2**32 - 1)),
    T.QualifiedName: st.builds(ua.QualifiedName, names, st.integers(0, 65535)),
    T.LocalizedText: st.builds(ua.LocalizedText, st.none() | names, st.none() | names),
    T.ExtensionObject: st.builds(ua.Range, st.floats(), st.floats()),
}


@st.composite
def variants(draw: Any) -> ua.Variant:
    """Like one that came over the wire."""
    type_ = draw(st.sampled_from(list(VALUES)))
    value = draw(VALUES[type_] | st.lists(VALUES[type_], max_size=3))
    return decode_variant(
        encode_variant(ua.Variant(value, type_, is_array=isinstance(value, list)))
    )


EVENT = Event(
    ua.NodeId(IDS.Server),
    300,
    ua.LocalizedText("pump stopped"),
    time=134_000_000_000_000_000,
    fields={field_path("NewValue"): ua.Variant([1.5, 2.5], T.Double)},
)
FIELDS = ("Severity", "Message", "Time", "SourceNode", "EventId", "LocalTime", "NewValue", "Status")


def field(name: str) -> Any:
    return ua.SimpleAttributeOperand(
        ua.NodeId(IDS.BaseEventType), [ua.QualifiedName(name)], ua.AttributeIds.Value
    )


@st.composite
def filters(draw: Any) -> list[Any]:
    size = draw(st.integers(1, 4))
    operand = st.one_of(
        variants().map(ua.LiteralOperand),
        variants().map(ua.LiteralOperand),
        st.sampled_from(FIELDS).map(field),
        st.integers(0, size).map(ua.ElementOperand),
    )
    return [
        ua.ContentFilterElement(
            draw(st.integers(0, 18)), draw(st.lists(operand, min_size=0, max_size=3))
        )
        for _ in range(size)
    ]


NODES = ua.LiteralOperand(ua.Variant([ua.NodeId(IDS.BaseEventType)], T.NodeId))


@settings(max_examples=200)
@given(filters())
@example([ua.ContentFilterElement(ua.FilterOperator.OfType, [NODES])])
@example([ua.ContentFilterElement(ua.FilterOperator.Cast, [NODES, NODES])])
def test_a_filter_is_refused_or_it_works(types: EventTypes, elements: list[Any]) -> None:
    compiler = FilterCompiler(types, limit=100)
    compiled = compiler.compile(elements)
    assert len(compiler.results) == len(elements)
    if compiled is None:
        assert any(result.StatusCode.value for result in compiler.results)
    else:
        assert compiled.passes(EVENT) in (True, False)


@settings(max_examples=200)
@given(variants(), st.sampled_from(list(RANK)))
@example(ua.Variant("0001-01-01T00:00:00+23:59", T.String), T.DateTime)
def test_a_cast_gives_a_value_of_its_type_or_none(variant: ua.Variant, target: Any) -> None:
    value = typed(variant)
    if value is None:
        return
    converted = cast(value, target)
    assert converted is None or converted.type is target
    if converted is not None and not isinstance(converted.value, list) and target in INTEGERS:
        low, high = INTEGERS[target]
        assert low <= converted.value <= high


@settings(max_examples=100)
@given(variants(), variants())
def test_what_has_a_common_type_has_it_both_ways(one: ua.Variant, other: ua.Variant) -> None:
    a, b = typed(one), typed(other)
    if a is None or b is None:
        return
    there, back = common(a, b), common(b, a)
    assert (there is None) is (back is None)


def test_dates_at_the_ends_of_the_calendar_are_times_or_none() -> None:
    for text in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1600-01-01", "2026"):
        converted = cast(Typed(T.String, text), T.DateTime)
        assert converted is None or converted.value >= 0
