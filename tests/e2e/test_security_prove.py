"""`biogate security prove --rehearse` on the example with zones, as a user runs it.

It starts the real program with a process for each zone, and asks it over sockets with a client
that we did not write.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from e2e.driving import Start

# Every sort of attempt that the example gives cause for.
KINDS = {
    *("within", "conduit", "window", "login", "walk", "bounds", "rate", "weaker mode"),
    *("untrusted certificate", "foreign certificate", "wrong password", "foreign user"),
    *("anonymous", "no security", "address", "recorded"),
}


@pytest.fixture
async def report(
    programs: Start, project: Path, new_data: Callable[[], Path], tmp_path: Path
) -> dict[str, Any]:
    """What the command reported; it ended with exit code 0."""
    site = project / "examples" / "zones-site.yaml"
    arguments = ("--rehearse", "--data", str(new_data()), "--report", str(tmp_path))
    program = await programs("security", "prove", str(site), "--sample", "1", *arguments)
    code = await program.ended(timeout_s=120)
    assert code == 0, "\n".join(program.lines + program.errors)
    return json.loads((tmp_path / "evidence.json").read_text(encoding="utf-8"))


async def test_every_conduit_of_the_example_is_as_stated(report: dict[str, Any]) -> None:
    attempts = report["attempts"]
    proven = {each["kind"] for each in attempts if each["verdict"] == "as stated"}
    pairs = {(each["zone"], each["target"]) for each in attempts if each["action"] == "read"}

    assert [each for each in attempts if each["verdict"] in ("leaks", "blocks")] == []
    assert proven == KINDS
    assert {each["expected"] for each in attempts if each["kind"] == "window"} == {"let", "refused"}
    assert pairs == {(a, b) for a in ("cell", "dmz", "model") for b in ("cell", "dmz", "model")}
    boundary = next(row for row in report["requirements"] if row["id"] == "5.2")
    assert boundary["standing"] == "proven"
    assert boundary["attempts"]
