"""What a rehearsal changes of a site, and what it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from biogate.prove.rehearsal import as_rehearsed


def test_the_prover_may_log_in_often_and_wrongly(tmp_path: Path) -> None:
    site: dict[str, Any] = {
        "opcua": {"sessions_per_user": 1, "anonymous": "none"},
        "passwords": {"attempts": 1, "minimum_length": 16, "require": ["upper"]},
        "zones": {"cell": {"opcua": {"port": 4840, "sessions_per_user": 2, "diagnostics": False}}},
    }
    rehearsed = as_rehearsed(site, tmp_path, {"cell": None})  # type: ignore[dict-item]
    assert rehearsed["opcua"] == {"anonymous": "none"}
    assert rehearsed["passwords"] == {"minimum_length": 16, "require": ["upper"]}
    cell = rehearsed["zones"]["cell"]["opcua"]
    assert {**cell, "port": 0} == {"host": "127.0.0.1", "port": 0, "diagnostics": False}
    assert site["opcua"]["sessions_per_user"] == 1
