"""Expressions: what they mean, and that they can do nothing else."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.site.expression import ExpressionError, parse_expression


def value(text: str, **names: object) -> object:
    return parse_expression(text, names)(names)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("a + b * 2", 16),
        ("(a + b) * 2", 20),
        ("a / 4", 1.0),
        ("a // 3", 1),
        ("-a % 3", 2),
        ("a ** 2", 16.0),
        ("2 ** 0.5", math.sqrt(2)),
        ("a < b", True),
        ("1 < a < 5", True),
        ("a == 4 and b != 6", False),
        ("not a or b > 5", True),
        ("a if a > b else b", 6),
        ("max(a, b, 5) - min(a, b)", 2),
        ("round(2.6) + floor(2.6) + ceil(2.1)", 8),
        ("sqrt(a) + abs(-b)", 8.0),
        ("log(exp(1))", 1.0),
        ("s + 'x'", "textx"),
        ("len(s)", 4),
        ("s == 'text'", True),
        ("true_ and 1 > 0", True),
    ],
)
def test_an_expression_means_what_python_means_by_it(text: str, result: object) -> None:
    assert value(text, a=4, b=6, s="text", true_=True) == result


@pytest.mark.parametrize(
    ("text", "says", "column"),
    [
        ("", "no expression", 1),
        ("a +", "no expression", None),
        ("a; b", "no expression", 2),
        ("a = 1", "no expression", None),
        ("a + c", "there is no input c", 5),
        ("abs", "there is no input abs", 1),
        ("a.real", "a.real has no place", 1),
        ("a[0]", "has no place", 1),
        ("[a]", "has no place", 1),
        ("(lambda: 1)()", "has no place", 1),
        ("[x for x in a]", "has no place", 1),
        ("open('x')", "open('x') has no place", 1),
        ("abs(*a)", "has no place", 5),
        ("max(a, key=a)", "has no place", 1),
        ("max()", "has no place", 1),
        ("1 + max(a)", "max takes 2 or more values, not 1", 5),
        ("sqrt(a, a)", "sqrt takes 1 value, not 2", 1),
        ("log(a, a, a)", "log takes 1 to 2 values, not 3", 1),
        ("round(a, 1)", "round takes 1 value, not 2", 1),
        ("f'{a}'", "has no place", 1),
        ("a << 70", "has no place", 1),
        ("a & 1", "has no place", 1),
        ("a is 1", "has no place", 1),
        ("a in s", "has no place", 1),
        ("1j", "has no place", 1),
        ("b'x'", "has no place", 1),
        ("None", "has no place", 1),
        ("...", "has no place", 1),
        ("(a := 1)", "has no place", 2),
        ("-" * 60 + "a", "nested deeper", 1),
        ("(" * 300 + "a" + ")" * 300, "no expression", None),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(text, says, column) -> None:
    with pytest.raises(ExpressionError, match=says.replace("(", r"\(").replace(")", r"\)")) as bad:
        parse_expression(text, ["a", "s"])

    assert column is None or bad.value.column == column


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a / 0", ZeroDivisionError),
        ("a ** 10000", OverflowError),
        ("sqrt(-a)", ValueError),
        ("log(0)", ValueError),
        ("exp(100000)", OverflowError),
        ("s * 1000000000", TypeError),
        ("s + a", TypeError),
        ("s - s", TypeError),
        ("true_ + 1", TypeError),
        ("s < a", TypeError),
        ("len(a)", TypeError),
    ],
)
def test_an_expression_without_a_value_raises(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        value(text, a=4, s="text", true_=True)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        expression = parse_expression(text, ["a"])
    except ExpressionError:
        return
    try:
        expression({"a": 1})
    except (ArithmeticError, ValueError, TypeError):
        return
