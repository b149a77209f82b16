"""Expressions of a site file: arithmetic, comparisons and choices over named values.

Python's syntax, but nothing of Python's reach: an expression names its arguments and a few
functions, and can neither loop nor grow without bound (integers grow by at most one operand's size
for each operator, powers are taken of Doubles, and text is only joined).
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 50


class ExpressionError(ValueError):
    """An expression that cannot be used; `column` is where in it, from 1."""

    def __init__(self, message: str, column: int = 1, *, name: str = "") -> None:
        super().__init__(message)
        self.column = column
        self.name = name


def _power(base: Any, exponent: Any) -> float:
    return math.pow(base, exponent)


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{type(value).__name__} is no number")
    return value


def _on_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *operands: function(*map(_number, operands))


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    return _number(left) + _number(right)


_BINARY: Mapping[type[ast.operator], Callable[..., Any]] = {
    ast.Add: _add,
    ast.Sub: _on_numbers(operator.sub),
    ast.Mult: _on_numbers(operator.mul),
    ast.Div: _on_numbers(operator.truediv),
    ast.FloorDiv: _on_numbers(operator.floordiv),
    ast.Mod: _on_numbers(operator.mod),
    ast.Pow: _on_numbers(_power),
}
_UNARY: Mapping[type[ast.unaryop], Callable[..., Any]] = {
    ast.UAdd: _on_numbers(operator.pos),
    ast.USub: _on_numbers(operator.neg),
    ast.Not: operator.not_,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[..., Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": _on_numbers(abs),
    "min": _on_numbers(min),
    "max": _on_numbers(max),
    "round": lambda value: round(_number(value)),
    "floor": _on_numbers(math.floor),
    "ceil": _on_numbers(math.ceil),
    "sqrt": _on_numbers(math.sqrt),
    "exp": _on_numbers(math.exp),
    "log": _on_numbers(math.log),
    "len": len,
}
"""What an expression may call."""

_ARGUMENTS: Mapping[str, tuple[int, float]] = {
    "min": (2, math.inf),
    "max": (2, math.inf),
    "log": (1, 2),
}
"""The fewest and the most values that a function takes, where that is not one."""

_CONSTANTS = (bool, int, float, str)


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression; call it with the values of its names.

    Raises ArithmeticError, ValueError or TypeError where it has no value for them.
    """

    text: str
    _root: ast.expr

    def __call__(self, values: Mapping[str, Any]) -> Any:
        return _evaluate(self._root, values)


def parse_expression(text: str, names: Collection[str]) -> Expression:
    """Check `text`, which may use `names`. Raises ExpressionError."""
    try:
        root = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = getattr(error, "offset", None) or 1
        raise ExpressionError("it is no expression", column) from error
    _check(root, names, 0)
    return Expression(text, root)


def _check(node: ast.expr, names: Collection[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ExpressionError(f"it is nested deeper than {MAX_DEPTH} levels")
    if isinstance(node, ast.Name):
        if node.id not in names:
            raise ExpressionError(f"there is no input {node.id}", node.col_offset + 1, name=node.id)
        return
    if not _is_known(node):
        raise ExpressionError(
            f"{ast.unparse(node)} has no place in an expression", node.col_offset + 1
        )
    if isinstance(node, ast.Call):
        _check_count(node)
    for child in _operands(node):
        _check(child, names, depth + 1)


def _check_count(call: ast.Call) -> None:
    assert isinstance(call.func, ast.Name)
    name, given = call.func.id, len(call.args)
    fewest, most = _ARGUMENTS.get(name, (1, 1))
    if not fewest <= given <= most:
        takes = f"{fewest}" if most == fewest else f"{fewest} to {most}"
        takes = f"{fewest} or more" if most == math.inf else takes
        values = "value" if most == 1 else "values"
        raise ExpressionError(f"{name} takes {takes} {values}, not {given}", call.col_offset + 1)


def _is_known(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=value):
            return isinstance(value, _CONSTANTS)
        case ast.BinOp(op=operation):
            return type(operation) in _BINARY
        case ast.UnaryOp(op=sign):
            return type(sign) in _UNARY
        case ast.Compare(ops=comparisons):
            return all(type(each) in _COMPARISONS for each in comparisons)
        case ast.Call(func=ast.Name(id=name), keywords=[], args=[_, *_]):
            return name in FUNCTIONS
        case ast.BoolOp() | ast.IfExp():
            return True
        case _:
            return False


def _operands(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.Call):
        return list(node.args)
    return [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]


def _evaluate(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return values[node.id]
        case ast.BinOp():
            left, right = _evaluate(node.left, values), _evaluate(node.right, values)
            return _BINARY[type(node.op)](left, right)
        case ast.UnaryOp():
            return _UNARY[type(node.op)](_evaluate(node.operand, values))
        case ast.BoolOp():
            return _logical(node, values)
        case ast.Compare():
            return _compare(node, values)
        case ast.IfExp():
            chosen = node.body if _evaluate(node.test, values) else node.orelse
            return _evaluate(chosen, values)
        case ast.Call(func=ast.Name(id=name)):
            return FUNCTIONS[name](*(_evaluate(each, values) for each in node.args))
        case _:
            raise AssertionError(f"{ast.dump(node)} was not checked")


def _logical(node: ast.BoolOp, values: Mapping[str, Any]) -> bool:
    decisive = isinstance(node.op, ast.Or)
    return any(bool(_evaluate(each, values)) is decisive for each in node.values) is decisive


def _compare(node: ast.Compare, values: Mapping[str, Any]) -> bool:
    operands = [_evaluate(each, values) for each in (node.left, *node.comparators)]
    pairs = zip(operands, node.ops, operands[1:], strict=False)
    return all(_COMPARISONS[type(each)](left, right) for left, each, right in pairs)
