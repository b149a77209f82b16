"""Configuration that is wrong in any way is refused with reasons, never with a crash."""

from __future__ import annotations

import copy
import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from attack.fuzz.targets import site
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from biogate_adapters.profile import ProfileError, load_profile_file

EXAMPLES = Path(__file__).parents[2] / "examples"
PROFILES = [
    (resources.files("biogate_adapters") / "profiles" / name).read_bytes()
    for name in ("alicat/mfc.yaml", "generic/reactor-controller.yaml", "hamilton/arc-ph.yaml")
]
yaml = YAML(typ="safe", pure=True)
ZONES = yaml.load((EXAMPLES / "zones-site.yaml").read_bytes())
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [
            "cell",
            "dmz",
            "*",
            "BR101/*",
            "[",
            "24:00",
            "mon",
            "127.0.0.0/33",
            "0.0.0.0/0",
            "::/0",
            "opc.tcp://x:0",
            "ff" * 32,
            10**30,
            -1,
            [],
            {},
            [[]],
            [None],
            {"": None},
            {"low": 2, "high": 1},
            "2026-02-30",
        ]
    ),
)


def paths(node: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values below the root."""
    found = [here] if here else []
    if isinstance(node, dict | list):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        found += [path for key, child in items for path in paths(child, (*here, key))]
    return found


def replaced(tree: Any, changes: list[tuple[tuple[Any, ...], Any]]) -> Any:
    """A copy with the values at those paths replaced, as far as they are there still."""
    tree = copy.deepcopy(tree)
    for path, value in changes:
        holder = tree
        try:
            for part in path[:-1]:
                holder = holder[part]
            holder[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue
    return tree


def as_yaml(tree: Any) -> bytes:
    """JSON is YAML, but for numbers that are none."""
    said = json.dumps(tree, default=str)
    return (
        said.replace("NaN", ".nan")
        .replace("-Infinity", "-.inf")
        .replace("Infinity", ".inf")
        .encode()
    )


# Decision by decision of a site with zones: what is wrong is told, and where.
@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(paths(ZONES)), LEAVES), min_size=1, max_size=4))
def test_a_site_with_zones_loads_or_tells_what_is_wrong(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    site(as_yaml(replaced(ZONES, changes)))


def test_the_unchanged_site_with_zones_loads() -> None:
    site(as_yaml(ZONES))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PROFILES), st.data())
def test_a_profile_whose_values_are_anything_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, profile: bytes, data: st.DataObject
) -> None:
    tree = yaml.load(profile)
    change = st.tuples(st.sampled_from(paths(tree)), LEAVES)
    changed = replaced(tree, data.draw(st.lists(change, min_size=1, max_size=3)))

    read_or_refused(tmp_path_factory, as_yaml(changed))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PROFILES), st.data())
def test_a_profile_whose_bytes_are_anything_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, profile: bytes, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(profile)))
    cut = data.draw(st.integers(0, 20))

    read_or_refused(
        tmp_path_factory, profile[:at] + data.draw(st.binary(max_size=10)) + profile[at + cut :]
    )


def read_or_refused(folders: pytest.TempPathFactory, content: bytes) -> None:
    file = folders.getbasetemp() / "profile.yaml"
    file.write_bytes(content)
    problems = []
    try:
        load_profile_file(file)
    except ProfileError as error:
        problems = list(error.problems)
        refused = True
    else:
        refused = False
    assert bool(problems) == refused
    assert all(problem.message and problem.line >= 1 for problem in problems)
