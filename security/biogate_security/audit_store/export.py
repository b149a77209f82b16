"""Export of records with all that shows them to be genuine: exact bytes, proofs, checkpoint.

JSON lines: a first line about the export, then one record a line, and a last line that tells how
many. CSV: the fields in columns, then `body` (the exact bytes) and `proof`; the first line about
the export is in `FILE.checkpoint`. `verify_export` takes both, and needs nothing else.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

from biogate_security.audit import AuditRecord
from biogate_security.audit_chain import StoredRecord, decode
from biogate_security.audit_store.checkpoint import Checkpoint, KeyRing, origin_of
from biogate_security.audit_store.notes import VerifyingKey
from biogate_security.audit_store.proofs import Proofs, check_proof, proof_to_text
from biogate_security.audit_store.report import MAX_PROBLEMS
from biogate_security.filetime import to_iso

FORMAT = 1
_MARK = "biogate_audit_export"
_FIELDS = tuple(field.name for field in fields(AuditRecord))
COLUMNS = ("seq", *_FIELDS, "body", "proof")
_OF_ONE = "-"  # the proof of a log's only record has no steps
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Exported:
    """What went out. `unproven` are newer than the checkpoint, `dropped` have no payload."""

    records: int
    unproven: int
    dropped: int


@dataclass(frozen=True, slots=True)
class ExportReport:
    """The outcome of `verify_export`. Each problem names its line."""

    records: int
    proven: int
    checkpoint: Checkpoint | None
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True when each record is one of those that were signed."""
        return not self.problems


def export_json(
    target: IO[str], records: Iterable[StoredRecord], proofs: Proofs, keys: Sequence[VerifyingKey]
) -> Exported:
    """Write JSON lines. Raises OSError."""
    counts = _Counts()
    _write_line(target, _about(proofs, keys))
    for stored in records:
        proof = counts.count(stored, proofs)
        _write_line(target, {"seq": stored.seq, **_content(stored.body), "proof": proof})
    _write_line(target, {"records": counts.records})
    return counts.exported()


def export_csv(
    target: IO[str],
    about: IO[str],
    records: Iterable[StoredRecord],
    proofs: Proofs,
    keys: Sequence[VerifyingKey],
) -> Exported:
    """Write CSV to `target`, and what it takes to verify it to `about`. Raises OSError."""
    counts = _Counts()
    writer = csv.writer(target)
    writer.writerow(COLUMNS)
    for stored in records:
        proof = counts.count(stored, proofs)
        cells = _cells(stored.record)
        shown = "" if proof is None else " ".join(proof) or _OF_ONE
        writer.writerow((stored.seq, *cells, stored.body or "", shown))
    _write_line(about, {**_about(proofs, keys), "records": counts.records})
    return counts.exported()


def verify_export(path: Path, keys: Sequence[VerifyingKey] | None = None) -> ExportReport:
    """Check each record against the checkpoint, and that against `keys`.

    None takes the key that the export names: then whoever made the export is believed. Raises
    OSError, ValueError (not an export).
    """
    about, lines = _read_csv(path) if path.suffix == ".csv" else _read_json(path)
    checkpoint, problems = _judge(about, keys)
    count = proven = 0
    for line in lines:
        count += 1
        wrong = line.problem or ("" if checkpoint is None else _wrong(line, checkpoint))
        if wrong:
            problems += [f"line {line.number}: {wrong}"] if len(problems) < MAX_PROBLEMS else []
        elif checkpoint is not None and line.body is not None and line.proof is not None:
            proven += 1
    if about.get("records") != count:
        problems.append(f"{about.get('records')} records were exported, {count} are here")
    return ExportReport(count, proven, checkpoint, tuple(problems[:MAX_PROBLEMS]))


class _Counts:
    def __init__(self) -> None:
        self.records = self.unproven = self.dropped = 0

    def count(self, stored: StoredRecord, proofs: Proofs) -> list[str] | None:
        """The proof of one more record."""
        proof = proof_to_text(proofs.of(stored.seq))
        self.records += 1
        self.unproven += proof is None
        self.dropped += stored.body is None
        return proof

    def exported(self) -> Exported:
        return Exported(self.records, self.unproven, self.dropped)


def _about(proofs: Proofs, keys: Sequence[VerifyingKey]) -> dict[str, Any]:
    checkpoint = None if proofs.checkpoint is None or proofs.why_not else proofs.checkpoint.note
    return {
        _MARK: FORMAT,
        "log": proofs.log_id,
        "checkpoint": checkpoint,
        "keys": [str(key) for key in keys],
    }


def _content(body: str | None) -> dict[str, Any]:
    """The record as an object where it can be turned back into its exact bytes, else those."""
    if body is None:
        return {"dropped": True}
    try:
        record = json.loads(body)
        exact = _canonical(record) == body
    except (ValueError, RecursionError):
        exact = False
    return {"record": record} if exact else {"body": body}


def _canonical(record: Any) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _write_line(target: IO[str], line: dict[str, Any]) -> None:
    target.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n")


def _cells(record: AuditRecord | None) -> Iterator[str]:
    if record is None:
        yield from ("" for _ in _FIELDS)
        return
    for name in _FIELDS:
        value = getattr(record, name)
        if name == "time":
            yield to_iso(value)
        elif name == "roles":
            yield _harmless(" ".join(value))
        else:
            yield "" if value is None else _harmless(str(value))


def _harmless(text: str) -> str:
    if not text.startswith(_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of an export: a record as it stands there, or what is wrong with the line."""

    number: int
    seq: int = 0
    body: str | None = None
    proof: list[str] | None = None
    problem: str = ""


def _wrong(line: _Line, checkpoint: Checkpoint) -> str:
    """What is wrong with a record; a newer one, and one without payload, cannot be checked."""
    if line.body is None or line.seq > checkpoint.size:
        return ""
    if line.proof is None:
        return f"record {line.seq} has no proof, and the checkpoint covers it"
    if not check_proof(line.body, line.seq, line.proof, checkpoint):
        return f"record {line.seq} is not the one that was signed"
    return ""


def _read_json(path: Path) -> tuple[dict[str, Any], Iterator[_Line]]:
    """What the first line says, and the records, one at a time; the last line is taken into the
    first's `records` when it has come."""
    with _opened(path) as file:
        about = _object(file.readline())
    if about.get(_MARK) != FORMAT:
        raise ValueError(f"{path} is no export of an audit log in format {FORMAT}")
    about["records"] = None
    return about, _json_lines(path, about)


def _json_lines(path: Path, about: dict[str, Any]) -> Iterator[_Line]:
    with _opened(path) as file:
        file.readline()
        before = None
        for number, line in enumerate(file, 2):
            if before is not None:
                yield _json_line(*before)
            before = number, line
    if before is None:
        return
    last = _object(before[1])
    if "records" in last and "seq" not in last:
        about["records"] = last["records"]
    else:
        yield _json_line(*before)


def _opened(path: Path) -> IO[str]:
    return path.open(encoding="utf-8", errors="surrogatepass", newline="\n")


def _json_line(number: int, line: str) -> _Line:
    content = _object(line)
    seq, proof = content.get("seq"), content.get("proof")
    if type(seq) is not int or not (proof is None or isinstance(proof, list)):
        return _Line(number, problem="this is no record")
    if content.get("dropped") is True:
        return _Line(number, seq)
    body = content.get("body")
    if body is None and "record" in content:
        body = _canonical(content["record"])
    if not isinstance(body, str):
        return _Line(number, problem=f"record {seq} has no content")
    return _Line(number, seq, body, None if proof is None else [str(step) for step in proof])


def _read_csv(path: Path) -> tuple[dict[str, Any], Iterator[_Line]]:
    about = _object(path.with_name(f"{path.name}.checkpoint").read_text("utf-8"))
    columns = next(_csv_rows(path), (1, []))[1]
    if about.get(_MARK) != FORMAT or tuple(columns) != COLUMNS:
        raise ValueError(f"{path} is no export of an audit log in format {FORMAT}")
    return about, _csv_lines(path)


def _csv_lines(path: Path) -> Iterator[_Line]:
    rows = _csv_rows(path)
    next(rows)
    for number, row in rows:
        yield _csv_line(number, row)


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        try:
            yield from enumerate(rows, 1)
        except csv.Error as error:
            raise ValueError(f"{path}: line {rows.line_num}: {error}") from error


def _csv_line(number: int, row: list[str]) -> _Line:
    if len(row) != len(COLUMNS) or not row[0].isdigit():
        return _Line(number, problem="this is no record")
    seq, body, proof = int(row[0]), row[-2], row[-1]
    if not body:
        return _Line(number, seq)
    try:
        shown = list(_cells(decode(body)[2]))
    except ValueError:
        shown = list(_cells(None))
    if shown != row[1:-2]:
        what = f"the columns of record {seq} do not say what its body says"
        return _Line(number, problem=what)
    steps = [] if proof == _OF_ONE else proof.split(" ")
    return _Line(number, seq, body, steps if proof else None)


def _judge(
    about: dict[str, Any], keys: Sequence[VerifyingKey] | None
) -> tuple[Checkpoint | None, list[str]]:
    """The export's checkpoint, and what is wrong with it."""
    note = about.get("checkpoint")
    if note is None:
        return None, ["the export has no checkpoint: none of its records can be proven"]
    try:
        checkpoint = Checkpoint.parse(str(note))
        named = [VerifyingKey.parse(str(key)) for key in about.get("keys", ())]
    except (ValueError, TypeError) as error:
        return None, [f"the export's checkpoint: {error}"]
    ring = KeyRing(tuple(named if keys is None else keys))
    if checkpoint.origin != origin_of(str(about.get("log"))) or not ring.believes(checkpoint):
        return checkpoint, ["the export's checkpoint is forged, or of another log or key"]
    return checkpoint, []


def _object(line: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
