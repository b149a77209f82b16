"""What the commands of `biogate audit` do; each function gives the exit code."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from biogate_security.audit import AuditRecord, AuditUnavailableError
from biogate_security.audit_chain import StoredRecord
from biogate_security.audit_log import AuditLog
from biogate_security.audit_store.export import (
    Exported,
    export_csv,
    export_json,
    verify_export,
)
from biogate_security.audit_store.keys import read_public_key
from biogate_security.audit_store.notes import VerifyingKey
from biogate_security.audit_store.proofs import Proofs, newest_checkpoint, proofs_of
from biogate_security.audit_store.query import Filter, query_log
from biogate_security.audit_store.verify import LOG_FOLDER, LogFiles, read_kept, verify_log
from biogate_security.audit_store.walk import Progress
from biogate_security.filetime import to_iso
from biogate_security.folder_lock import DataFolder, LockHeldError

OK, BROKEN, UNREADABLE = 0, 1, 2
EXPORTS = (".jsonl", ".csv")
_WIDTH_IN_FILES = 240
_AGES = {"m": 60, "h": 3600, "d": 86_400}
_MOST_RECORDS = (1 << 63) - 1
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


class _UnreadableError(Exception):
    """Said and done: the command ends with UNREADABLE."""


def verify(path: Path, checkpoints: Sequence[Path], keys: Sequence[Path] | None) -> int:
    """Verify a log, or an export."""
    try:
        with _readable(path):
            trusted = [read_public_key(key) for key in keys] if keys else None
            if path.suffix in EXPORTS and path.is_file():
                return _verify_export(path, trusted)
            kept = [each for file in checkpoints for each in read_kept(file)]
            with _progress("records verified") as progress:
                report = verify_log(path, kept, trusted, progress)
    except _UnreadableError:
        return UNREADABLE
    for problem in report.problems:
        typer.echo(str(problem))
    dropped = f", {report.dropped:,} of them as hashes only" if report.dropped else ""
    typer.echo(
        f"{path}: {_count(report.records, 'record')}{dropped}"
        f" in {_count(report.segments, 'segment')}"
    )
    fitting = _count(report.checkpoints, "signed checkpoint")
    typer.echo(f"{fitting} of the log fit, the newest is of {report.signed:,} records")
    if kept:
        typer.echo(f"compared with {_count(len(kept), 'kept checkpoint')}")
    elif trusted is None:
        typer.echo("believed: the keys beside the log (--key and --checkpoint say what was kept)")
    typer.echo("no problems" if report.ok else f"{_count(len(report.problems), 'problem')}: BROKEN")
    return OK if report.ok else BROKEN


def show(data: Path, wanted: Filter, *, limit: int, newest: bool) -> int:
    """Print records as a table."""
    try:
        with _readable(data):
            found = list(query_log(data, wanted, limit=limit + 1, newest=newest))
    except _UnreadableError:
        return UNREADABLE
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("record", "time (UTC)", "event"):
        table.add_column(name, no_wrap=True)
    for name in ("who", "what", "old → new", "outcome", "why"):
        table.add_column(name, overflow="fold")
    for stored in found[:limit]:
        table.add_row(str(stored.seq), *map(Text, _row(stored)))
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_IN_FILES)
    console.print(table)
    if len(found) > limit:
        console.print(f"and more: see --limit, or begin at --seq {found[limit].seq}", style="dim")
    return OK


def export(data: Path, file: Path, wanted: Filter) -> int:
    """Write records with their proofs."""
    if file.suffix not in EXPORTS:
        raise typer.BadParameter(f"{file}: the name ends in {' or '.join(EXPORTS)}")
    try:
        with _readable(data):
            with _progress("records read for the proofs") as progress:
                proofs = proofs_of(data, progress)
            keys = LogFiles.find(data).keys()
            exported = _write(file, query_log(data, wanted), proofs, keys)
    except _UnreadableError:
        return UNREADABLE
    typer.echo(f"{file}: {_count(exported.records, 'record')}")
    if exported.dropped:
        typer.echo(f"of {exported.dropped:,} retention has dropped the payload")
    if proofs.why_not:
        typer.echo(f"without proofs: {proofs.why_not}", err=True)
        return BROKEN
    if exported.unproven:
        typer.echo(f"{exported.unproven:,} are newer than the newest checkpoint, and have no proof")
    return OK


def print_checkpoint(data: Path) -> int:
    """Print the newest checkpoint as a signed note."""
    try:
        with _readable(data):
            checkpoint = newest_checkpoint(data)
    except _UnreadableError:
        return UNREADABLE
    if checkpoint is None:
        typer.echo(f"{data}: the log has no checkpoint that a key beside it signed", err=True)
        return UNREADABLE
    typer.echo(checkpoint.note, nl=False)
    return OK


def rotate_key(data: Path, reason: str) -> int:
    """Change the key of a log whose gateway does not run."""
    try:
        with _readable(data):
            LogFiles.find(data)
            key = asyncio.run(_rotate_key(data, reason))
    except _UnreadableError:
        return UNREADABLE
    typer.echo(f"signs from now on, to be kept elsewhere:\n{key}")
    return OK


async def _rotate_key(data: Path, reason: str) -> VerifyingKey | None:
    with DataFolder.lock(data):
        log = await AuditLog.open(data / LOG_FOLDER)
        try:
            return (await log.change_key(reason)).next_key
        finally:
            await log.close()


def wanted(
    user: str | None,
    tag: str | None,
    event: str | None,
    zone: str | None,
    start: str | None,
    until: str | None,
    seq: str | None,
) -> Filter:
    """The filter that the options describe. Raises typer.BadParameter."""
    first, last = _numbers(seq)
    return Filter(
        first_seq=first,
        last_seq=last,
        start=None if start is None else _ticks(start),
        end=None if until is None else _ticks(until),
        user=user,
        subject=tag,
        event=event,
        zone=zone,
    )


def _verify_export(path: Path, trusted: Sequence[VerifyingKey] | None) -> int:
    report = verify_export(path, trusted)
    for problem in report.problems:
        typer.echo(problem)
    signed = "" if report.checkpoint is None else f" of {report.checkpoint.size:,} that were signed"
    typer.echo(f"{path}: {_count(report.records, 'record')}, {report.proven:,} are{signed}")
    if trusted is None:
        typer.echo("believed: the key that the export names (--key says which was kept)")
    typer.echo("no problems" if report.ok else f"{_count(len(report.problems), 'problem')}: BROKEN")
    return OK if report.ok else BROKEN


def _write(
    file: Path, records: Iterator[StoredRecord], proofs: Proofs, keys: Sequence[VerifyingKey]
) -> Exported:
    with file.open("w", encoding="utf-8", newline="") as target:
        if file.suffix == ".jsonl":
            return export_json(target, records, proofs, keys)
        about = file.with_name(f"{file.name}.checkpoint")
        with about.open("w", encoding="utf-8") as beside:
            return export_csv(target, beside, records, proofs, keys)


def _row(stored: StoredRecord) -> Iterator[str]:
    record = stored.record
    if record is None:
        dropped = "payload dropped by retention" if stored.body is None else "not a record: verify"
        yield from ("", dropped, "", "", "", "", "")
        return
    yield to_iso(record.time)[:-5].replace("T", " ")
    yield record.event
    yield _who(record)
    yield record.tag or record.node_id
    yield _change(record)
    yield _outcome(record.outcome)
    yield record.reason


def _who(record: AuditRecord) -> str:
    user = "–" if record.user is None else record.user
    second = f" and {record.second_user}" if record.second_user else ""
    zone = f" ({record.zone})" if record.zone else ""
    return f"{user}{second}{zone}"


def _change(record: AuditRecord) -> str:
    if record.old is None:
        return record.new or ""
    return f"{record.old} → {'' if record.new is None else record.new}"


def _outcome(code: int) -> str:
    if code == 0:
        return "Good"
    from biogate.opcua.stack import status_name

    return status_name(code)


def _numbers(text: str | None) -> tuple[int, int | None]:
    if text is None:
        return 1, None
    found = re.fullmatch(r"(\d+)(?:(-)(\d*))?", text)
    if found is None:
        raise typer.BadParameter(f"--seq {text}: give a number, A-B, or A- for all from A")
    first, last = int(found[1]), int(found[3]) if found[3] else None
    if not found[2]:
        last = first
    if (last is not None and last < first) or max(first, last or 0) > _MOST_RECORDS:
        raise typer.BadParameter(f"--seq {text}: give A-B with A not above B")
    return first, last


def _ticks(text: str) -> int:
    age = re.fullmatch(r"(\d+)([mhd])", text)
    try:
        if age is not None:
            moment = datetime.now(UTC) - timedelta(seconds=int(age[1]) * _AGES[age[2]])
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        what = "give 2026-11-25, 2026-11-25T14:30 (UTC), or an age as 90m, 8h, 7d"
        raise typer.BadParameter(f"{text}: {what}") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 10


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Says what could not be read, and raises _UnreadableError."""
    try:
        yield
    except (sqlite3.Error, OSError, ValueError, AuditUnavailableError, LockHeldError) as error:
        typer.echo(f"biogate: {path}: {error}", err=True)
        raise _UnreadableError from error


@contextmanager
def _progress(what: str) -> Iterator[Progress]:
    """A line that counts, on a terminal, where it takes long."""
    console = Console(stderr=True)
    with console.status("") as status:
        yield lambda count: status.update(f"{count:,} {what}")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
