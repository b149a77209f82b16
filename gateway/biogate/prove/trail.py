"""After a rehearsal: whether the audit trail has what was done, and what was refused.

The trail is read by `biogate audit export`, as an auditor would, and not from the store.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from biogate.prove.asking import AttemptLog
from biogate.prove.attempt import LIMITS, TOO_OFTEN, Attempt, Expected, Result, Verdict
from biogate.prove.reading import NOBODY

_SEEN_REFUSALS = frozenset({"BadUserAccessDenied", *LIMITS, *TOO_OFTEN})
# Kind of attempt at a border → the event that its record has.
_AT_BORDERS = {
    "untrusted certificate": "certificate-refused",
    "foreign certificate": "certificate-refused",
    "wrong password": "login-refused",
    "foreign user": "login-refused",
    "anonymous": "login-refused",
}
Wanted = tuple[str, str, str]
"""Zone, user ("" where nobody in particular logged in), event."""


async def try_trail(data: Path, out: Path, log: AttemptLog) -> None:
    """Export the trail of the data folder of a stopped gateway into `out`, and look into it."""
    code = await _export(data, out)
    whole = _attempt("", "", "every record is there as it was written")
    if code != 0:
        log.add(whole, f"exit code {code}", Verdict.LEAKS, "biogate audit export")
        return
    log.add(whole, "Good", Verdict.AS_STATED, "biogate audit export, with proofs")
    records = await asyncio.to_thread(_read, out)
    for zone, user, event in dict.fromkeys(_wanted(log.results)):
        number = sum(_is(record, zone, user, event) for record in records)
        verdict = Verdict.AS_STATED if number else Verdict.LEAKS
        attempt = _attempt(zone, user, f"{event}: has a record")
        log.add(attempt, f"{number} records", verdict)


async def _export(data: Path, out: Path) -> int:
    arguments = ("-m", "biogate", "audit", "export", str(out), "--data", str(data))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


def _read(out: Path) -> list[dict[str, Any]]:
    lines = out.read_text(encoding="utf-8").splitlines()
    entries = (json.loads(line) for line in lines)
    return [entry["record"] for entry in entries if isinstance(entry.get("record"), dict)]


def _wanted(results: Sequence[Result]) -> Iterator[Wanted]:
    """What has to be in the trail, by what was tried and what came."""
    for result in list(results):
        tried = result.attempt
        user = "" if tried.user == NOBODY else tried.user.partition(" ")[0]
        if tried.kind in _AT_BORDERS and result.verdict is Verdict.AS_STATED:
            yield tried.zone, "", _AT_BORDERS[tried.kind]
        elif tried.action == "write" and result.status == "Good":
            yield tried.zone, user, "write"
        elif tried.action == "write" and result.status in _SEEN_REFUSALS:
            yield tried.zone, user, "write-refused"


def _is(record: Mapping[str, Any], zone: str, user: str, event: str) -> bool:
    return (
        record.get("zone") == zone
        and record.get("event") == event
        and user in ("", record.get("user"))
    )


def _attempt(zone: str, user: str, because: str) -> Attempt:
    return Attempt("recorded", zone, zone, user, "audit trail", "", Expected.LET, because)
