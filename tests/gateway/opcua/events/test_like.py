"""Like and its wildcards (Part 4, 7.7.3, table "Wildcard characters")."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.events.like import MAX_PATTERN, matches

# A pattern as a list of tokens: what they are in the pattern, and what characters they stand for.
ALPHABET = "ab-]%_\\^["
ANY = "%"
TOKENS = st.one_of(
    st.just(("%", None)),
    st.just(("_", ALPHABET)),
    st.sampled_from([(c, c) for c in "ab-]^"]),
    st.sampled_from([(f"\\{c}", c) for c in ALPHABET]),
    st.sampled_from(
        [("[ab]", "ab"), ("[^ab]", "-]%_\\^["), ("[a-b]", "ab"), ("[b-]", "b-"), ("[%_]", "%_")]
    ),
)


def fits(text: str, tokens: list[tuple[str, str | None]]) -> bool:
    """The oracle: the definition, word by word."""
    if not tokens:
        return not text
    (_, characters), *rest = tokens
    if characters is None:
        return any(fits(text[start:], rest) for start in range(len(text) + 1))
    return bool(text) and text[0] in characters and fits(text[1:], rest)


@settings(max_examples=400)
@given(st.text(ALPHABET, max_size=8), st.lists(TOKENS, max_size=6))
def test_a_text_fits_when_the_definition_says_so(text: str, tokens: list) -> None:
    assert matches(text, "".join(token for token, _ in tokens)) is fits(text, tokens)


@settings(max_examples=300)
@given(st.text(ALPHABET, max_size=12), st.text(ALPHABET, max_size=12))
def test_no_pattern_is_an_error(text: str, pattern: str) -> None:
    assert matches(text, pattern) in (True, False)


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("main.c", "main%", True),
        ("domain.c", "main%", False),
        ("enable", "en%", True),
        ("dent", "%en%", True),
        ("hex", "he_", True),
        ("heex", "he_", False),
        ("abc2", "abc[1-4]", True),
        ("abcg", "abc[^d-f]", True),
        ("abce", "abc[^d-f]", False),
        ("50%", "50\\%", True),
        ("50 ", "50\\%", False),
        ("Pump", "pump", False),
        ("two\nlines", "two%lines", True),
        ("two\nlines", "two_lines", True),
        ("[", "[", True),
        ("a", "[b-a]", False),
        ("a", "[^b-a]", True),
    ],
)
def test_wildcards(text: str, pattern: str, expected: bool) -> None:
    assert matches(text, pattern) is expected


def test_a_long_pattern_fits_nothing() -> None:
    assert matches("a" * MAX_PATTERN, "a" * MAX_PATTERN)
    assert not matches("a" * (MAX_PATTERN + 1), "a" * (MAX_PATTERN + 1))


def test_a_pattern_that_makes_others_backtrack_takes_no_time() -> None:
    started = time.perf_counter()
    assert not matches("a" * 4000, "%a" * 200 + "b")
    assert time.perf_counter() - started < 0.5
