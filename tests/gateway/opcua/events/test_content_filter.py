"""ContentFilter (Part 4, 7.7): what passes, and what is no filter."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.events import Event, field_path
from biogate.opcua.events.fields import EventTypes
from biogate.opcua.events.filter_compiler import FilterCompiler
from biogate_nodesets.model import Node

T = ua.VariantType
F = ua.FilterOperator
S = ua.StatusCodes
IDS = ua.ObjectIds
SERVER = ua.NodeId(IDS.Server)
EVENT = Event(
    SERVER,
    300,
    ua.LocalizedText("pump stopped", "en"),
    ua.NodeId(IDS.DeviceFailureEventType),
    "pump",
    134_000_000_000_000_000,
    134_000_000_000_000_001,
    {field_path("NewValue"): ua.Variant([1, 2], T.Int32)},
)


def literal(value: Any, type_: ua.VariantType = T.Int32) -> Any:
    return ua.LiteralOperand(ua.Variant(value, type_))


NULL = ua.LiteralOperand(ua.Variant())


def of(*names: str, type_: int = IDS.BaseEventType, attribute: int = 13) -> Any:
    path = [ua.QualifiedName(name) for name in names]
    return ua.SimpleAttributeOperand(ua.NodeId(type_), path, attribute)


def see(index: int) -> Any:
    return ua.ElementOperand(index)


def element(operator: int, *operands: Any) -> Any:
    return ua.ContentFilterElement(operator, list(operands))


def passes(types: EventTypes, *elements: Any, event: Event = EVENT) -> bool:
    compiler = FilterCompiler(types, limit=1000)
    compiled = compiler.compile(elements)
    assert compiled is not None, compiler.results
    return compiled.passes(event)


def truth(types: EventTypes, *elements: Any) -> bool | None:
    """TRUE, FALSE, or None for NULL: what the first element is."""
    if passes(types, *elements):
        return True
    shifted = [element(e.FilterOperator, *map(_shifted, e.FilterOperands)) for e in elements]
    return False if passes(types, element(F.Not, see(1)), *shifted) else None


def _shifted(operand: Any) -> Any:
    return see(operand.Index + 1) if isinstance(operand, ua.ElementOperand) else operand


def errors(types: EventTypes, *elements: Any, limit: int = 1000) -> list[tuple[int, list[int]]]:
    """The statuses of each element and its operands; all must be refused together."""
    compiler = FilterCompiler(types, limit)
    assert compiler.compile(elements) is None
    return [
        (one.StatusCode.value, [code.value for code in one.OperandStatusCodes])
        for one in compiler.results
    ]


# -- operators, one by one ----------------------------------------------------------------------


# 7.7.3, table "Basic FilterOperator definition".
@pytest.mark.parametrize(
    ("operator", "operands", "expected"),
    [
        (F.Equals, (of("Severity"), literal(300)), True),
        (F.Equals, (of("Severity"), literal("300", T.String)), True),
        (F.Equals, (of("Severity"), literal(300.5, T.Double)), False),
        (F.Equals, (of("Severity"), literal("much", T.String)), False),
        (F.Equals, (of("Message"), literal("pump stopped", T.String)), True),
        (F.Equals, (of("Message"), literal(ua.LocalizedText("pump stopped", "en"),
                                           T.LocalizedText)), True),
        (F.Equals, (of("SourceNode"), literal("i=2253", T.String)), True),
        (F.Equals, (of("SourceNode"), literal(SERVER, T.NodeId)), True),
        (F.Equals, (of("SourceName"), literal("Pump", T.String)), False),
        (F.Equals, (of("Time"), literal(13, T.Int32)), False),
        (F.Equals, (of("Severity"), NULL), None),
        (F.Equals, (of("OldValue"), literal(1)), None),
        (F.IsNull, (of("OldValue"),), True),
        (F.IsNull, (of("Severity"),), False),
        (F.IsNull, (NULL,), True),
        (F.GreaterThan, (of("Severity"), literal(299)), True),
        (F.GreaterThan, (of("Severity"), literal(300)), False),
        (F.GreaterThan, (of("Severity"), NULL), None),
        (F.GreaterThan, (of("SourceNode"), literal(1)), False),
        (F.GreaterThan, (literal(True, T.Boolean), literal(False, T.Boolean)), False),
        (F.LessThan, (of("Time"), of("ReceiveTime")), False),
        (F.LessThanOrEqual, (of("Time"), of("ReceiveTime")), True),
        (F.LessThan, (literal("a", T.String), of("SourceName")), True),
        (F.GreaterThanOrEqual, (of("Severity"), literal("300", T.String)), True),
        (F.LessThanOrEqual, (of("Severity"), literal(299)), False),
        (F.Like, (of("SourceName"), literal("p_m%", T.String)), True),
        (F.Like, (of("Message"), literal("%stop%", T.String)), True),
        (F.Like, (of("Severity"), literal("3%", T.String)), False),
        (F.Like, (NULL, literal("%", T.String)), None),
        (F.Not, (literal(False, T.Boolean),), True),
        (F.Not, (literal("0", T.String),), True),
        (F.Not, (literal(0),), None),
        (F.Not, (NULL,), None),
        (F.Between, (of("Severity"), literal(300), literal(300)), True),
        (F.Between, (of("Severity"), literal(301), literal(400)), False),
        (F.Between, (of("Severity"), literal(301), NULL), False),
        (F.Between, (of("Severity"), literal(299), NULL), None),
        (F.Between, (of("Severity"), literal("x", T.String), literal(400)), False),
        (F.InList, (of("Severity"), literal(1), literal("300", T.String)), True),
        (F.InList, (of("Severity"), literal(1), literal(2)), False),
        (F.InList, (of("Severity"), NULL, literal(300)), True),
        (F.InList, (of("Severity"), NULL, literal(1)), None),
        (F.OfType, (literal(ua.NodeId(IDS.SystemEventType), T.NodeId),), True),
        (F.OfType, (literal(ua.NodeId(IDS.AuditEventType), T.NodeId),), False),
        (F.OfType, (of("EventType"),), True),
        (F.OfType, (of("SourceNode"),), False),
        (F.OfType, (of("Severity"),), False),
        (F.OfType, (of("OldValue"),), None),
    ],
)  # fmt: skip
def test_operators(
    types: EventTypes, operator: int, operands: tuple[Any, ...], expected: bool | None
) -> None:
    assert truth(types, element(operator, *operands)) is expected


# 7.7.3, tables "Logical AND Truth Table" and "Logical OR Truth Table".
KLEENE = (True, False, None)


@pytest.mark.parametrize("one", KLEENE)
@pytest.mark.parametrize("other", KLEENE)
def test_and_and_or_know_three_truths(
    types: EventTypes, one: bool | None, other: bool | None
) -> None:
    operands = [NULL if v is None else literal(v, T.Boolean) for v in (one, other)]
    order = {False: 0, None: 1, True: 2}
    assert truth(types, element(F.And, *operands)) is min(one, other, key=order.__getitem__)
    assert truth(types, element(F.Or, *operands)) is max(one, other, key=order.__getitem__)


# 7.7.3: the result has the size of the larger operand.
@pytest.mark.parametrize(
    ("operator", "one", "other", "expected"),
    [
        (F.BitwiseAnd, literal(0b1100), literal(0b1010), literal(0b1000)),
        (F.BitwiseOr, literal(0b1100), literal(0b1010), literal(0b1110)),
        (F.BitwiseAnd, literal(-1, T.SByte), literal(0xFFFF, T.UInt16), literal(65535)),
        (F.BitwiseOr, literal(-1, T.SByte), literal(1, T.Int64), literal(-1, T.Int64)),
        (F.BitwiseOr, literal(1 << 63, T.UInt64), literal(0, T.UInt64),
         literal(1 << 63, T.UInt64)),
    ],
)  # fmt: skip
def test_bitwise_operators(
    types: EventTypes, operator: int, one: Any, other: Any, expected: Any
) -> None:
    bitwise = element(operator, one, other)
    assert truth(types, element(F.Equals, see(1), expected), bitwise) is True


@pytest.mark.parametrize("operand", [literal(1.0, T.Double), literal("1", T.String), NULL])
def test_what_is_no_integer_has_no_bits(types: EventTypes, operand: Any) -> None:
    assert truth(types, element(F.BitwiseAnd, operand, literal(1))) is None
    assert passes(types, element(F.IsNull, see(1)), element(F.BitwiseOr, literal(1), operand))


# 7.7.3: Cast makes explicit conversions too, and is NULL for whatever goes wrong.
@pytest.mark.parametrize(
    ("value", "data_type", "expected"),
    [
        (literal(2.5, T.Double), IDS.Int32, literal(3)),
        (literal(5), IDS.String, literal("5", T.String)),
        (literal(5), IDS.Enumeration, literal(5)),
        (literal(1e300, T.Double), IDS.Int32, None),
        (literal("x", T.String), IDS.Int32, None),
        (NULL, IDS.Int32, None),
        (literal(5), IDS.Number, None),
        (literal(5), IDS.Server, None),
        (literal(5), 4_000_000, None),
    ],
)
def test_cast(types: EventTypes, value: Any, data_type: int, expected: Any) -> None:
    cast = element(F.Cast, value, literal(ua.NodeId(data_type), T.NodeId))
    if expected is None:
        assert passes(types, element(F.IsNull, see(1)), cast)
    else:
        assert passes(types, element(F.Equals, see(1), expected), cast)


# -- whole filters ------------------------------------------------------------------------------

LEAVES = (True, False, None)


@st.composite
def filters(draw: Any) -> list[Any]:
    """Elements that refer to later ones, each with its operands as (kind, what)."""
    size = draw(st.integers(1, 7))
    elements = []
    for index in range(size):
        operator = draw(st.sampled_from([F.And, F.Or, F.Not, F.Equals, F.IsNull, F.InList]))
        count = {F.Not: 1, F.IsNull: 1, F.InList: draw(st.integers(2, 4))}.get(operator, 2)
        operand = st.sampled_from(LEAVES).map(lambda value: ("literal", value))
        if index + 1 < size:
            operand |= st.integers(index + 1, size - 1).map(lambda i: ("element", i))
        elements.append((operator, draw(st.lists(operand, min_size=count, max_size=count))))
    return elements


def oracle(elements: list[Any], index: int = 0) -> bool | None:
    """The definition, by recursion, of Booleans only."""
    operator, operands = elements[index]
    values = [what if kind == "literal" else oracle(elements, what) for kind, what in operands]
    order = {False: 0, None: 1, True: 2}
    if operator == F.IsNull:
        return values[0] is None
    if operator == F.Not:
        return None if values[0] is None else not values[0]
    if operator == F.And:
        return min(values, key=order.__getitem__)
    if operator == F.Or:
        return max(values, key=order.__getitem__)
    equal = [None if None in (values[0], v) else values[0] == v for v in values[1:]]
    return max(equal, key=order.__getitem__)


@settings(max_examples=150)
@given(filters())
def test_a_filter_is_what_its_definition_says(types: EventTypes, elements: list[Any]) -> None:
    built = [
        element(
            operator,
            *(
                see(what)
                if kind == "element"
                else NULL
                if what is None
                else literal(what, T.Boolean)
                for kind, what in operands
            ),
        )
        for operator, operands in elements
    ]
    assert truth(types, *built) is oracle(elements)


def test_no_elements_let_everything_pass(types: EventTypes) -> None:
    assert passes(types)


# 7.7.1: elements that cannot be reached from the first one are ignored.
def test_elements_that_nobody_refers_to_do_not_count(types: EventTypes) -> None:
    assert passes(types, element(F.IsNull, NULL), element(F.Not, literal(True, T.Boolean)))


def test_a_deep_filter_does_not_recurse(types: EventTypes) -> None:
    depth = 900
    chain = [element(F.Not, see(index + 1)) for index in range(depth)]
    assert passes(types, *chain, element(F.Equals, of("Severity"), literal(300)))


# 7.7.4.4: an AttributeOperand names a field as a SimpleAttributeOperand does.
def test_an_attribute_operand_names_a_field(types: EventTypes) -> None:
    name = ua.QualifiedName("Severity")
    path = ua.RelativePath([ua.RelativePathElement(IsInverse=False, TargetName=name)])
    operand = ua.AttributeOperand(ua.NodeId(IDS.BaseEventType), None, path, 13)
    assert passes(types, element(F.Equals, operand, literal(300)))
    path.Elements[0].IsInverse = True
    inverse = errors(types, element(F.Equals, operand, literal(300)))
    assert inverse == [(S.BadFilterOperandInvalid, [S.BadFilterOperandInvalid, S.Good])]


# -- what is no filter --------------------------------------------------------------------------


# 7.7.4.2: a valid index is greater than that of its element, and there is such an element.
@pytest.mark.parametrize(
    ("index", "status"),
    [
        (0, S.BadFilterOperandInvalid),
        (1, S.BadFilterOperandInvalid),
        (2, S.BadFilterElementInvalid),
        (2**32 - 1, S.BadFilterElementInvalid),
    ],
)
def test_loops_and_elements_that_are_not_there_are_refused(
    types: EventTypes, index: int, status: int
) -> None:
    found = errors(types, element(F.Not, see(1)), element(F.Not, see(index)))
    assert found == [(S.Good, [S.Good]), (S.BadFilterOperandInvalid, [status])]


# 7.7.2, table "ContentFilterResult".
@pytest.mark.parametrize(
    ("wrong", "status", "operands"),
    [
        (element(F.InView, literal(SERVER, T.NodeId)), S.BadFilterOperatorUnsupported, []),
        (element(F.RelatedTo, *[NULL] * 6), S.BadFilterOperatorUnsupported, []),
        (element(18, NULL), S.BadFilterOperatorInvalid, []),
        (element(F.Equals, NULL), S.BadFilterOperandCountMismatch, []),
        (element(F.Equals, NULL, NULL, NULL), S.BadFilterOperandCountMismatch, []),
        (element(F.InList, NULL), S.BadFilterOperandCountMismatch, []),
        (element(F.Not), S.BadFilterOperandCountMismatch, []),
        (element(F.Between, NULL, NULL), S.BadFilterOperandCountMismatch, []),
        (element(F.Not, ua.ExtensionObject()), S.BadFilterOperandInvalid,
         [S.BadFilterOperandInvalid]),
        (element(F.Not, ua.Range()), S.BadFilterOperandInvalid, [S.BadFilterOperandInvalid]),
        (element(F.Equals, NULL, of("Flavour")), S.BadFilterOperandInvalid,
         [S.Good, S.BadNodeIdUnknown]),
        (element(F.Equals, NULL, of("Severity", attribute=99)), S.BadFilterOperandInvalid,
         [S.Good, S.BadAttributeIdInvalid]),
        (element(F.Equals, NULL, of("Severity", type_=IDS.FolderType)),
         S.BadFilterOperandInvalid, [S.Good, S.BadTypeDefinitionInvalid]),
        (element(F.OfType, literal(5)), S.BadFilterOperandInvalid, [S.BadFilterLiteralInvalid]),
        (element(F.OfType, NULL), S.BadFilterOperandInvalid, [S.BadFilterLiteralInvalid]),
        (element(F.OfType, literal(ua.NodeId(4_000_000), T.NodeId)), S.BadFilterOperandInvalid,
         [S.BadNodeIdUnknown]),
        (element(F.OfType, literal(ua.NodeId(IDS.FolderType), T.NodeId)),
         S.BadFilterOperandInvalid, [S.BadTypeDefinitionInvalid]),
        (element(F.Cast, NULL, literal("Int32", T.String)), S.BadFilterOperandInvalid,
         [S.Good, S.BadFilterLiteralInvalid]),
        (element(F.Like, of("Message"), literal("%" * 5000, T.String)),
         S.BadFilterOperandInvalid, [S.Good, S.BadFilterLiteralInvalid]),
        (element(F.Not, literal(ua.DataValue(), T.DataValue)), S.BadFilterOperandInvalid,
         [S.BadFilterLiteralInvalid]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_of_each_element_and_operand(
    types: EventTypes, wrong: Any, status: int, operands: list[int]
) -> None:
    fine = element(F.IsNull, NULL)
    assert errors(types, fine, wrong) == [(S.Good, [S.Good]), (status, operands)]


def test_a_node_of_the_site_is_answered_like_one_that_is_not_there(types: EventTypes) -> None:
    """A filter knows nobody's rights: a node that is hidden from who asks must look absent."""
    there = ua.NodeId("there", 1)
    name = ua.QualifiedName("there", 1)
    types.space.add_nodes([Node(there, ua.NodeClass.Variable, name, ua.LocalizedText("there"))])
    found = [
        errors(types, element(F.OfType, literal(node_id, T.NodeId)))
        for node_id in (there, ua.NodeId("nowhere", 1))
    ]
    types.space.remove_nodes([there])
    assert found[0] == found[1] == [(S.BadFilterOperandInvalid, [S.BadNodeIdUnknown])]


def test_all_operands_together_are_limited(types: EventTypes) -> None:
    some = element(F.Equals, NULL, NULL)
    assert errors(types, some, some, some, limit=5) == [
        (S.Good, [S.Good, S.Good]),
        (S.Good, [S.Good, S.Good]),
        (S.BadTooManyOperations, []),
    ]


def test_there_is_a_result_for_each_of_too_many_elements(types: EventTypes) -> None:
    found = errors(types, *[element(F.IsNull, NULL)] * 5, limit=2)
    assert found == [(S.Good, [S.Good])] * 2 + [(S.BadTooManyOperations, [])] * 3


# What Like costs grows with the text and with the pattern.
def test_long_texts_count_as_several_operands(types: EventTypes) -> None:
    like = element(F.Like, literal("a" * 32, T.String), literal("%" * 32, T.String))
    assert FilterCompiler(types, limit=6).compile([like]) is not None
    assert errors(types, like, limit=5) == [
        (S.BadFilterOperandInvalid, [S.Good, S.BadTooManyOperations])
    ]


# An array is gone through for every event, so that its elements count.
def test_elements_of_arrays_count_as_operands(types: EventTypes) -> None:
    some = element(F.InList, NULL, literal([1, 2, 3]))
    assert FilterCompiler(types, limit=4).compile([some]) is not None
    assert errors(types, some, limit=3) == [
        (S.BadFilterOperandInvalid, [S.Good, S.BadTooManyOperations])
    ]


# Like takes names and NodeIds as text, and none of them may be longer than a text may.
@pytest.mark.parametrize(
    "long",
    [
        literal(ua.QualifiedName("a" * 5000), T.QualifiedName),
        literal(ua.NodeId("a" * 5000, 1), T.NodeId),
        literal(ua.ExpandedNodeId("a", NamespaceUri="a" * 5000), T.ExpandedNodeId),
    ],
)
def test_names_are_as_long_as_their_text(types: EventTypes, long: Any) -> None:
    like = element(F.Like, long, literal("%a_b", T.String))
    assert errors(types, like) == [(S.BadFilterOperandInvalid, [S.BadFilterLiteralInvalid, S.Good])]


# Two hundred elements that look at one long text would each take as long as if it were theirs.
def test_what_a_cast_hands_on_counts_wherever_it_is_looked_at(types: EventTypes) -> None:
    text = literal(ua.NodeId(IDS.String), T.NodeId)
    elements = [
        element(F.And, see(1), see(2)),
        element(F.Like, see(3), literal("a%", T.String)),
        element(F.Like, see(3), literal("%a", T.String)),
        element(F.Cast, literal("a" * 160, T.String), text),
    ]
    assert FilterCompiler(types, limit=8 + 10 + 20).compile(elements) is not None
    assert errors(types, *elements, limit=8 + 10 + 19) == [
        (S.Good, [S.Good, S.Good]),
        (S.BadTooManyOperations, [S.Good, S.Good]),
        (S.Good, [S.Good, S.Good]),
        (S.Good, [S.Good, S.Good]),
    ]
