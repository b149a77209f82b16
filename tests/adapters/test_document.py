"""YAML 1.2 as biogate reads it: the core schema, places, and what a configuration never needs."""

from __future__ import annotations

import math

import pytest

from biogate_adapters.document import MAX_BYTES, parse_document
from biogate_adapters.problems import DocumentError, Mark, did_you_mean, path_text


def data(text: str) -> object:
    document = parse_document(text.encode(), "f.yaml")
    assert document.problems == []
    return document.data


def refused(content: bytes) -> str:
    with pytest.raises(DocumentError) as raised:
        parse_document(content, "f.yaml")
    (problem,) = raised.value.problems
    return str(problem)


# YAML 1.2.2, 10.3.2: tag resolution of the core schema.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("~", None),
        ("", None),
        ("true", True),
        ("FALSE", False),
        ("12", 12),
        ("-12", -12),
        ("014", 14),
        ("0o14", 12),
        ("0xC", 12),
        ("1.5", 1.5),
        ("-.5e3", -500.0),
        ("1e3", 1000.0),
        ("-.INF", -math.inf),
        ("None", "None"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2026-01-31", "2026-01-31"),
        ("'12'", "12"),
        ('"true"', "true"),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    parsed = data(f"a: {text}\n")

    assert parsed == {"a": value}
    assert type(parsed["a"]) is type(value)  # type: ignore[index]


def test_a_version_directive_does_not_bring_back_the_truth_values_of_yaml_1_1() -> None:
    assert data("%YAML 1.1\n---\na: yes\n") == {"a": "yes"}


def test_every_key_and_value_has_its_place() -> None:
    document = parse_document(b"a:\n  b: [1, {c: x}]\n", "f.yaml")

    assert document.keys[("a", "b")] == Mark(2, 3)
    assert document.values[("a", "b")] == Mark(2, 6)
    assert document.values[("a", "b", 1, "c")] == Mark(2, 14)
    assert document.mark(("a", "b", 7, "zzz")) == Mark(2, 6)


def test_duplicate_keys_are_errors_at_every_depth_and_the_first_counts() -> None:
    document = parse_document(b"a: {x: 1, x: 2}\nb: 1\na: 3\n", "f.yaml")

    assert [(each.line, each.column, each.path) for each in document.problems] == [
        (1, 11, "a.x"),
        (3, 1, "a"),
    ]
    assert document.data == {"a": {"x": 1}, "b": 1}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1: x\n", "key '1' is not text"),
        ("? [a, b]\n: x\n", "a key must be plain text"),
        ("x: &x {b: 1}\na: {<<: *x}\n", "merge keys"),
        ("a: !python/object x\n", "tag !python/object has no meaning here"),
        ("a: !mine [1]\n", "tag !mine has no meaning here"),
    ],
)
def test_what_a_configuration_never_needs_is_refused_with_its_place(text: str, says: str) -> None:
    (problem,) = parse_document(text.encode(), "f.yaml").problems

    assert says in str(problem)
    assert problem.line <= text.count("\n")


def test_anchors_are_copied() -> None:
    assert data("a: &x [1]\nb: *x\n") == {"a": [1], "b": [1]}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a: b: c\n", "f.yaml:1:5: not valid YAML: mapping values are not allowed"),
        (b"a: [1,\nb", "f.yaml:2:2: not valid YAML"),
        (b"a: *x\n", "f.yaml:1:4: not valid YAML: found undefined alias"),
        (b"---\na\n---\nb\n", "f.yaml:3:1: not valid YAML: expected a single document"),
        (b"a: 1\nb: \xff\n", "f.yaml:2:4: byte 0xff is not UTF-8"),
        (b"a: 1\nb: \x07\n", "f.yaml:2:4: character U+0007 is not allowed in YAML"),
        (b"[" * 1500, "f.yaml:1:1: nested too deeply"),
        (b"a: &x [*x]\n", "f.yaml:1:4: a[0]: an alias that contains itself"),
        (b"- " * 60 + b"1\n", "nested deeper than 50 levels"),
        (b"#" * (MAX_BYTES + 1), "at most"),
    ],
)
def test_text_that_cannot_be_read_gives_one_located_error(content: bytes, says: str) -> None:
    assert says in refused(content)


def test_aliases_cannot_blow_a_small_file_up() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]

    assert "more than 50000 values" in refused("\n".join(lines).encode())


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert parse_document(b"\xef\xbb\xbfa: 1\n", "f.yaml").keys[("a",)] == Mark(1, 1)


def test_paths_and_suggestions_read_as_people_write_them() -> None:
    assert path_text(("opcua", "security_modes", 1)) == "opcua.security_modes[1]"
    assert did_you_mean("AGITATION", ["Agitation"]) == "did you mean Agitation?"
    assert did_you_mean("zzz", ["Agitation"]) == ""
