"""What `biogate nodesets fetch | list | verify` report."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from biogate_nodesets import CATALOGUE
from biogate_nodesets.commands import fetch_nodesets, list_nodesets, verify_nodesets


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def amb_folder(tmp_path: Path, nodeset_cache: Path) -> Path:
    """A folder with AMB and ns0 only."""
    for name in ("ns0", "AMB"):
        shutil.copy(nodeset_cache / CATALOGUE[name].file, tmp_path)
    return tmp_path


def test_fetch_leaves_a_compiled_model(amb_folder: Path, lines: list[str]) -> None:
    found = fetch_nodesets(["AMB"], cache=amb_folder, report=lines.append)
    assert list(found) == ["ns0", "AMB"]
    assert lines == ["2 nodesets are ready: 5,565 nodes"]
    assert len(list((amb_folder / "compiled").glob("*.model"))) == 1


def test_list_says_where_each_file_is(amb_folder: Path, lines: list[str]) -> None:
    (amb_folder / CATALOGUE["IA"].file).write_text("not it", encoding="utf-8")
    states = {s.entry.name: s for s in list_nodesets(cache=amb_folder, report=lines.append)}
    assert list(states) == list(CATALOGUE)
    assert states["AMB"].path == amb_folder / CATALOGUE["AMB"].file
    assert states["AMB"].problem == ""
    assert states["LADS"].path is None
    assert "run `biogate nodesets fetch`" in states["LADS"].problem
    assert "is not the pinned IA 1.01.4" in states["IA"].problem
    assert lines[2].split()[:3] == ["AMB", "1.01.1", "2024-02-27"]
    assert len(lines) == len(CATALOGUE)


def test_verify_loads_strictly_what_is_there(amb_folder: Path, lines: list[str]) -> None:
    assert verify_nodesets(["AMB"], cache=amb_folder, report=lines.append) == 0
    assert lines == [
        "ns0 1.05.07: sha256 is right",
        "AMB 1.01.1: sha256 is right",
        "all loaded strictly: 5,565 nodes, 13,313 references",
    ]


def test_verify_counts_what_is_missing_or_wrong(amb_folder: Path, lines: list[str]) -> None:
    (amb_folder / CATALOGUE["AMB"].file).write_text("not it", encoding="utf-8")
    assert verify_nodesets(["AMB", "IRDI"], cache=amb_folder, report=lines.append) == 2
    assert "AMB 1.01.1:" in lines[1]
    assert "sha256 is" in lines[1]
    assert lines[2] == "IRDI 1.02.0: not fetched yet: run `biogate nodesets fetch`"


def test_a_folder_counts_before_the_cache(
    amb_folder: Path, nodeset_cache: Path, lines: list[str]
) -> None:
    states = list_nodesets(cache=nodeset_cache, folder=amb_folder, report=lines.append)
    folders = {state.entry.name: state.path.parent for state in states if state.path}
    assert folders["AMB"] == amb_folder
    assert folders["LADS"] == nodeset_cache
