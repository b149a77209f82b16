"""`biogate security conduits`: what a start begins with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SITE = """\
biogate: 1
enterprise: Acme
site: Hall 7
area: USP
process_cell: Train 1
nodes:
  cell: {namespace: "urn:test:cell", objects: {Cell: {variables: {Feed: {type: Double}}}}}
zones:
  cell: {sections: [cell], opcua: {port: 0}}
  dmz: {opcua: {port: 0}}
conduits:
  up: {from: dmz, to: cell, allow: [{actions: [browse, read]}]}
  down: {from: cell, to: dmz, open: false, allow: [{actions: [browse]}]}
"""


@pytest.fixture
def site(tmp_path: Path) -> str:
    path = tmp_path / "site.yaml"
    path.write_text(SITE, encoding="utf-8")
    return str(path)


def keep(data: Path, content: str) -> None:
    (data / "conduits.json").write_text(content, encoding="utf-8")


def test_what_was_changed_at_run_time_is_shown(biogate: Any, tmp_path: Path) -> None:
    assert "all conduits are as the site file says" in conduits(biogate, tmp_path).out
    keep(tmp_path, json.dumps({"up": False, "down": True}))
    assert conduits(biogate, tmp_path).out.splitlines() == ["down: open", "up: closed"]


def test_with_the_site_file_each_conduit_is_shown(biogate: Any, tmp_path: Path, site: str) -> None:
    assert conduits(biogate, tmp_path, site).out.splitlines() == [
        "up: open, from dmz to cell",
        "down: closed, from cell to dmz",
    ]
    keep(tmp_path, json.dumps({"up": False, "gone": True}))
    assert conduits(biogate, tmp_path, site).out.splitlines() == [
        "up: closed, from dmz to cell; the site file says open",
        "down: closed, from cell to dmz",
    ]


@pytest.mark.parametrize("content", ["", "[]", '{"up": 1}'])
def test_a_file_that_closes_all_is_told(biogate: Any, tmp_path: Path, content: str) -> None:
    keep(tmp_path, content)
    outcome = conduits(biogate, tmp_path)
    assert outcome.code == 1
    assert "a start closes all conduits" in outcome.err


def test_a_wrong_site_file_is_told(biogate: Any, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("biogate: 2\n")
    assert conduits(biogate, tmp_path, str(tmp_path / "wrong.yaml")).code == 2


def conduits(biogate: Any, data: Path, *arguments: str) -> Any:
    return biogate("security", "conduits", *arguments, "--data", str(data))
