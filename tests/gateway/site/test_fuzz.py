"""Whatever is done to a site file: it loads, or it gives located errors. It never crashes."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from biogate.demo import DEMO_SITE
from biogate.site import Site, SiteError, parse_site, plan_site

DEMO = DEMO_SITE.read_bytes()
LINES = DEMO.decode().splitlines()
LINE_BREAK = re.compile("\r\n|\r|\n")
TREE = YAML(typ="safe", pure=True).load(DEMO)

fuzz = settings(max_examples=120, deadline=None)


def load_or_locate(content: bytes, catalogue: Any) -> Site | SiteError:
    """Parse; check that every problem lies inside the file."""
    try:
        return parse_site(content, "s.yaml", folder=Path("/plant"), profiles=catalogue)
    except SiteError as error:
        refused = error
    lines = LINE_BREAK.split(content.decode("utf-8", errors="replace"))
    assert refused.problems
    for problem in refused.problems:
        assert problem.message
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert "\n" not in str(problem)
    return refused


edits = st.tuples(
    st.integers(0, len(DEMO)),
    st.integers(0, 12),
    st.one_of(
        st.binary(max_size=6),
        st.sampled_from(
            [b"\n", b": ", b"- ", b"{", b"]", b"&a ", b"*a", b"!x ", b"'", b"\t", b"~"]
        ),
    ),
)


@fuzz
@given(st.lists(edits, min_size=1, max_size=4))
def test_bytes_cut_out_and_put_in(catalogue, changes) -> None:
    content = DEMO
    for start, length, new in changes:
        content = content[:start] + new + content[start + length :]

    load_or_locate(content, catalogue)


@fuzz
@given(st.data())
def test_lines_moved_dropped_and_indented(catalogue, data) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        i = data.draw(st.integers(0, len(lines) - 1))
        action = data.draw(st.sampled_from(["drop", "double", "indent", "outdent", "swap"]))
        if action == "drop":
            del lines[i]
        elif action == "double":
            lines.insert(i, lines[i])
        elif action == "indent":
            lines[i] = "  " + lines[i]
        elif action == "outdent":
            lines[i] = lines[i].removeprefix("  ")
        else:
            lines[i], lines[-1] = lines[-1], lines[i]

    load_or_locate("\n".join(lines).encode(), catalogue)


def paths(node: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values below the root."""
    found = [here] if here else []
    if isinstance(node, dict | list):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        found += [path for key, child in items for path in paths(child, (*here, key))]
    return found


PATHS = paths(TREE)
NODES = """
biogate: 1
enterprise: E
site: S
area: A
process_cell: C
opcua: {anonymous: operate, trust_any_client: true}
users: {olga: {roles: [Operator, Observer], disabled: true}}
nodes:
  skid:
    namespace: urn:acme:skid
    enumerations: {Mode: [Idle, Running]}
    objects:
      Skid:
        folder: false
        variables:
          Level: {type: Double, value: 1, unit: LTR, range: [0, 50], writable: true, write_range: [0, 45]}
          Matrix: {type: Int32, value: [[1, 2], [3, 4]], dimensions: [2, 0], audited: false, writable: true}
          Beat: {type: UInt16, source: {kind: counter, interval_ms: 20, step: 2}, repeat: 3}
          State: {type: Mode, value: Running, name: Mode, description: x, historized: true}
          Alarm: {type: Int32, writable: true, raises_event: gone}
        methods:
          Add:
            inputs: {a: {type: Int32}, b: {type: Int32, dimensions: [0]}}
            outputs: {sum: {type: Int32, expression: a + len(b)}}
          Root: {inputs: {x: {type: Double}}, outputs: {y: {type: Double}}, function: "math:sqrt"}
        objects: {Inner: {objects: {Innermost: {}}}}
"""  # noqa: E501
NODE_TREE = YAML(typ="safe", pure=True).load(NODES)
NODE_PATHS = paths(NODE_TREE)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["AE101.ph", "FIC101.gas", "control", "None", "tcp://127.0.0.1:0", ""]),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


@fuzz
@given(st.lists(st.tuples(st.sampled_from(PATHS), values), min_size=1, max_size=5))
def test_values_replaced_by_anything(catalogue, changes) -> None:
    tree = copy.deepcopy(TREE)
    for path, value in changes:
        replace(tree, path, value)

    load_or_locate(dump(tree).encode("utf-8", errors="surrogatepass"), catalogue)


node_values = st.one_of(
    values,
    st.sampled_from(
        [[], {}, [[]], [[1], 2], 10**30, -1, 5, "Int32", "Mode", "a +", "x.y", "math:pi", "i=1",
         "nsu=u;b=%", "Skid", "Level.EURange", {"kind": "counter"}, [1, 0], True]
    ),
)  # fmt: skip


@fuzz
@given(st.lists(st.tuples(st.sampled_from(NODE_PATHS), node_values), min_size=1, max_size=4))
def test_values_of_declared_nodes_replaced_by_anything(catalogue, changes) -> None:
    tree = copy.deepcopy(NODE_TREE)
    for path, value in changes:
        replace(tree, path, value)

    site = load_or_locate(dump(tree).encode("utf-8", errors="surrogatepass"), catalogue)

    if isinstance(site, Site):
        plan_site(site, catalogue)


def replace(tree: Any, path: tuple[Any, ...], value: Any) -> None:
    """Set the value at `path`, unless an earlier change took away what holds it."""
    for part in path[:-1]:
        tree = tree.get(part) if isinstance(tree, dict) else None
    if isinstance(tree, dict):
        tree[path[-1]] = value


def dump(value: Any) -> str:
    """Flow-style YAML of plain data; written here, so that it says exactly what was drawn."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{dump(str(k))}: {dump(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(dump(each) for each in value) + "]"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, float):
        return str(value).replace("nan", ".nan").replace("inf", ".inf")
    if value is None or isinstance(value, bool):
        return "~" if value is None else str(value).lower()
    return str(value)


@fuzz
@given(st.text(max_size=60))
def test_any_text(catalogue, text) -> None:
    load_or_locate(text.encode("utf-8", errors="surrogatepass"), catalogue)


@fuzz
@given(st.binary(max_size=60))
def test_any_bytes(catalogue, content) -> None:
    load_or_locate(content, catalogue)


def test_a_key_that_is_called_like_pydantics_mark_for_keys_is_located(catalogue) -> None:
    tree = copy.deepcopy(NODE_TREE)
    tree["users"]["olga"]["[key]"] = None

    assert isinstance(load_or_locate(dump(tree).encode(), catalogue), SiteError)


def test_the_unchanged_trees_load(catalogue) -> None:
    for tree in (TREE, NODE_TREE):
        assert isinstance(load_or_locate(dump(tree).encode(), catalogue), Site)
