"""What has to be in the audit trail after a rehearsal, and what is made of it if it is not."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from biogate.prove import trail
from biogate.prove.asking import AttemptLog
from biogate.prove.attempt import Attempt, Expected, Verdict
from biogate.prove.trail import try_trail

WRITE = Attempt("conduit", "model", "cell", "ada", "write", "BR101/x", Expected.LET, "allow[0]")


@pytest.fixture
def log() -> AttemptLog:
    """A write that came to pass, one that did not, and a wrong password."""
    log = AttemptLog()
    log.judged(WRITE, "Good")
    refused = replace(WRITE, user="ada by certificate", expected=Expected.REFUSED)
    log.judged(refused, "BadUserAccessDenied")
    hidden = replace(refused, user="bert")
    log.judged(hidden, "BadNodeIdUnknown")
    wrong = replace(WRITE, kind="wrong password", action="connect", expected=Expected.REFUSED)
    log.add(wrong, "BadUserAccessDenied", Verdict.AS_STATED)
    return log


def exported(records: list[dict[str, Any]]) -> Any:
    async def export(_data: Path, out: Path) -> int:
        lines = [{"checkpoint": "..."}, *({"record": record} for record in records)]
        text = "\n".join(map(json.dumps, lines))
        await asyncio.to_thread(out.write_text, text, encoding="utf-8")
        return 0

    return export


RECORDS = [
    {"event": "write", "zone": "model", "user": "ada"},
    {"event": "write-refused", "zone": "model", "user": "ada"},
    {"event": "login-refused", "zone": "model", "user": None},
]


async def verdicts(log: AttemptLog, tmp_path: Path) -> dict[str, Verdict]:
    first = len(log.results)
    await try_trail(tmp_path, tmp_path / "out.jsonl", log)
    return {each.attempt.because: each.verdict for each in log.results[first:]}


async def test_every_effect_and_every_refusal_that_can_be_seen_has_a_record(
    log: AttemptLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is hidden is answered like a node that never was: there is nothing to record."""
    monkeypatch.setattr(trail, "_export", exported(RECORDS))

    found = await verdicts(log, tmp_path)

    assert set(found) == {
        "every record is there as it was written",
        "write: has a record",
        "write-refused: has a record",
        "login-refused: has a record",
    }
    assert set(found.values()) == {Verdict.AS_STATED}


@pytest.mark.parametrize("missing", range(3))
async def test_a_record_that_is_not_there_is_found(
    log: AttemptLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: int
) -> None:
    others = [record for i, record in enumerate(RECORDS) if i != missing]
    elsewhere = {**RECORDS[missing], "zone": "cell"}
    monkeypatch.setattr(trail, "_export", exported([*others, elsewhere]))

    found = await verdicts(log, tmp_path)

    leaks = [because for because, verdict in found.items() if verdict is Verdict.LEAKS]
    assert leaks == [f"{RECORDS[missing]['event']}: has a record"]


async def test_a_trail_that_cannot_be_exported_is_no_evidence(
    log: AttemptLog, tmp_path: Path
) -> None:
    assert await verdicts(log, tmp_path) == {
        "every record is there as it was written": Verdict.LEAKS
    }
