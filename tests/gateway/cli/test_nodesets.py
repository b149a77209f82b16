"""`biogate nodesets`: what the plain functions find, as lines and exit codes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def data(tmp_path: Path, nodeset_cache: Path) -> Path:
    """A data folder with DI and what it requires."""
    (tmp_path / "nodesets").mkdir()
    for file in ("Opc.Ua.NodeSet2.xml", "Opc.Ua.Di.NodeSet2.xml"):
        shutil.copy(nodeset_cache / file, tmp_path / "nodesets" / file)
    return tmp_path


def test_list_says_where_each_file_is_or_what_to_do(biogate, data: Path) -> None:
    outcome = biogate("nodesets", "list", "--data", str(data))

    lines = {line.split()[0]: line for line in outcome.out.splitlines()}
    assert outcome.code == 0
    assert lines["DI"].endswith("Opc.Ua.Di.NodeSet2.xml")
    assert "biogate nodesets fetch" in lines["LADS"]


def test_verify_ends_with_2_where_a_file_is_not_the_pinned_one(biogate, data: Path) -> None:
    assert biogate("nodesets", "verify", "DI", "--data", str(data)).code == 0
    with (data / "nodesets" / "Opc.Ua.Di.NodeSet2.xml").open("a") as file:
        file.write("\n")

    outcome = biogate("nodesets", "verify", "DI", "--data", str(data))

    assert outcome.code == 2
    assert "sha256" in outcome.out


def test_fetch_takes_the_files_of_a_folder_without_npm(
    biogate, data: Path, nodeset_cache: Path, monkeypatch
) -> None:
    monkeypatch.setenv("PATH", "")

    outcome = biogate(
        "nodesets", "fetch", "DI", "--data", str(data / "new"), "--from", str(nodeset_cache)
    )

    assert outcome.code == 0, outcome.err
    assert "2 nodesets are ready" in outcome.out


def test_fetch_without_npm_says_what_to_do(biogate, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")

    outcome = biogate("nodesets", "fetch", "DI", "--data", str(tmp_path))

    assert outcome.code == 2
    assert "npm" in outcome.err
    assert "--from" in outcome.err or "folder" in outcome.err


@pytest.mark.parametrize("command", ["fetch", "verify"])
def test_an_unknown_nodeset_is_told_with_those_there_are(biogate, data: Path, command) -> None:
    outcome = biogate("nodesets", command, "LADD", "--data", str(data))

    assert outcome.code == 2
    assert "LADS" in outcome.err
