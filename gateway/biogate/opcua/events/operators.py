"""What the FilterOperators make of their operands (Part 4, 7.7.3). None stands for NULL.

A comparison of which one side is NULL is NULL; one of types that cannot be converted to each
other is false.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import and_, eq, ge, gt, le, lt, or_
from typing import Any, NamedTuple

from biogate.opcua.events.like import matches
from biogate.opcua.events.typed import INTEGERS, ORDERED, RANK, T, Typed, common, implicit
from biogate.opcua.stack import ua

Operands = Sequence[Typed | None]
Operator = Callable[[Operands], Typed | None]

TRUE, FALSE = Typed(T.Boolean, value=True), Typed(T.Boolean, value=False)


def truth(value: Typed | None) -> bool | None:
    """The value as a Boolean; None for NULL and for what is none."""
    if value is None or isinstance(value.value, list):
        return None
    as_boolean = implicit(value, T.Boolean)
    return None if as_boolean is None else as_boolean.value


def _of(truth_value: bool | None) -> Typed | None:
    return None if truth_value is None else TRUE if truth_value else FALSE


def _equal(one: Typed | None, other: Typed | None) -> bool | None:
    return _compared(one, other, eq)


def _compared(
    one: Typed | None, other: Typed | None, holds: Callable[[Any, Any], bool]
) -> bool | None:
    if one is None or other is None:
        return None
    both = common(one, other)
    return both is not None and bool(holds(*both))


def _ordered(one: Typed, other: Typed) -> bool:
    """Whether one can be less than the other, once they are of one type."""
    if one.type is not other.type and (one.type not in RANK or other.type not in RANK):
        return False
    ranked = (one, other) if one.type is other.type else sorted((one, other), key=_rank)
    return ranked[0].type in ORDERED


def _rank(value: Typed) -> int:
    return RANK[value.type]


def _relation(holds: Callable[[Any, Any], bool]) -> Operator:
    def operator(operands: Operands) -> Typed | None:
        return _of(_related(operands[0], operands[1], holds))

    return operator


def _related(
    one: Typed | None, other: Typed | None, holds: Callable[[Any, Any], bool]
) -> bool | None:
    if one is None or other is None:
        return None
    if not _ordered(one, other):
        return False
    both = common(one, other)
    if both is None or isinstance(both[0], list):
        return False
    return holds(*both)


def _is_null(operands: Operands) -> Typed:
    return FALSE if operands[0] is not None else TRUE


def _like(operands: Operands) -> Typed | None:
    text, pattern = (_text(operand) for operand in operands)
    if text is None or pattern is None:
        return None if None in operands else FALSE
    return _of(matches(text, pattern))


def _text(operand: Typed | None) -> str | None:
    if operand is None or isinstance(operand.value, list):
        return None
    as_string = implicit(operand, T.String)
    return None if as_string is None else as_string.value


def _not(operands: Operands) -> Typed | None:
    value = truth(operands[0])
    return None if value is None else _of(not value)


def _both(one: bool | None, other: bool | None) -> bool | None:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _either(one: bool | None, other: bool | None) -> bool | None:
    if one or other:
        return True
    return None if one is None or other is None else False


def _and(operands: Operands) -> Typed | None:
    return _of(_both(truth(operands[0]), truth(operands[1])))


def _or(operands: Operands) -> Typed | None:
    return _of(_either(truth(operands[0]), truth(operands[1])))


def _between(operands: Operands) -> Typed | None:
    value, low, high = operands
    return _of(_both(_related(value, low, ge), _related(value, high, le)))


def _in_list(operands: Operands) -> Typed | None:
    result: bool | None = False
    for candidate in operands[1:]:
        result = _either(result, _equal(operands[0], candidate))
    return _of(result)


def _bitwise(combine: Callable[[int, int], int]) -> Operator:
    def operator(operands: Operands) -> Typed | None:
        one, other = operands
        if one is None or other is None or one.type not in INTEGERS or other.type not in INTEGERS:
            return None
        if isinstance(one.value, list) or isinstance(other.value, list):
            return None
        # The type of higher precedence is the larger one, too.
        type_ = min(one, other, key=_rank).type
        low, high = INTEGERS[type_]
        bits = combine(one.value, other.value) & (high - low)
        return Typed(type_, bits - (high - low + 1) if bits > high else bits)

    return operator


class Definition(NamedTuple):
    """An operator, with the fewest and the most operands that it takes."""

    fewest: int
    most: int
    evaluate: Operator


_O = ua.FilterOperator
_MANY = 1 << 30
OPERATORS: Mapping[int, Definition] = {
    _O.Equals: Definition(2, 2, lambda operands: _of(_equal(*operands))),
    _O.IsNull: Definition(1, 1, _is_null),
    _O.GreaterThan: Definition(2, 2, _relation(gt)),
    _O.LessThan: Definition(2, 2, _relation(lt)),
    _O.GreaterThanOrEqual: Definition(2, 2, _relation(ge)),
    _O.LessThanOrEqual: Definition(2, 2, _relation(le)),
    _O.Like: Definition(2, 2, _like),
    _O.Not: Definition(1, 1, _not),
    _O.Between: Definition(3, 3, _between),
    _O.InList: Definition(2, _MANY, _in_list),
    _O.And: Definition(2, 2, _and),
    _O.Or: Definition(2, 2, _or),
    _O.BitwiseAnd: Definition(2, 2, _bitwise(and_)),
    _O.BitwiseOr: Definition(2, 2, _bitwise(or_)),
}
"""Those that look at nothing but their operands; Cast and OfType ask the address space as well."""
