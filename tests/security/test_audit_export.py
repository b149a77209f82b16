"""An export of the audit log verifies by itself, and shows what was done to it."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biogate_security.audit_log import AuditLog
from biogate_security.audit_store.checkpoint import Checkpoint
from biogate_security.audit_store.export import (
    COLUMNS,
    export_csv,
    export_json,
    verify_export,
)
from biogate_security.audit_store.housekeeping import Housekeeping
from biogate_security.audit_store.notes import SigningKey
from biogate_security.audit_store.proofs import newest_checkpoint, proofs_of
from biogate_security.audit_store.query import Filter, query_log
from biogate_security.audit_store.state import AuditOptions
from biogate_security.audit_store.verify import LogFiles


@pytest.fixture
async def folder(tmp_path, entry):
    """A closed log of 25 records in two segments."""
    log = await AuditLog.open(tmp_path / "audit", options=AuditOptions(checkpoint_every=10))
    for number in range(25):
        user = "ada" if number % 2 else "olga"
        await log.record(entry(new=str(number), tag=f"BR101.t{number % 3}", user=user, zone="cell"))
        if number == 14:
            await log.rotate()
    await log.close()
    return tmp_path / "audit"


def export(folder, path, wanted=None):
    """What `biogate audit export` writes."""
    proofs, keys = proofs_of(folder), LogFiles.find(folder).keys()
    records = query_log(folder, wanted)
    with path.open("w", encoding="utf-8", newline="") as target:
        if path.suffix == ".jsonl":
            return export_json(target, records, proofs, keys)
        about = io.StringIO()
        exported = export_csv(target, about, records, proofs, keys)
        path.with_name(f"{path.name}.checkpoint").write_text(about.getvalue())
        return exported


@pytest.fixture(params=["jsonl", "csv"])
def exported(request, folder, tmp_path):
    path = tmp_path / f"export.{request.param}"
    export(folder, path, Filter(user="ada"))
    return path


def test_an_export_verifies_by_itself(exported, folder, tmp_path):
    report = verify_export(exported, LogFiles.find(folder).keys())
    assert report.ok
    assert (report.records, report.proven, report.checkpoint.size) == (12, 12, 25)
    assert verify_export(exported).ok


def change(path, old, new, count=1):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


@pytest.mark.parametrize(
    ("old", "new"), [("BR101.t1", "BR101.t9"), ("ada", "bob"), ("cell", "dmz")]
)
def test_an_edited_record_is_found(exported, old, new):
    change(exported, old, new, 99)
    report = verify_export(exported)
    assert report.problems[0].startswith("line 2: ")
    assert not report.ok


def test_columns_that_say_something_else_than_the_record_are_found(folder, tmp_path):
    path = tmp_path / "export.csv"
    export(folder, path)
    change(path, ",olga,", ",piotr,")
    assert verify_export(path).problems == (
        "line 2: the columns of record 1 do not say what its body says",
    )


def test_a_removed_line_is_found(exported):
    lines = exported.read_text().splitlines(keepends=True)
    exported.write_text("".join(lines[:3] + lines[4:]))
    assert verify_export(exported).problems == ("12 records were exported, 11 are here",)


def test_a_cut_export_is_found(exported):
    exported.write_text("".join(exported.read_text().splitlines(keepends=True)[:-2]))
    assert "were exported" in verify_export(exported).problems[-1]


def test_a_record_without_its_proof_is_found(folder, tmp_path):
    path = tmp_path / "export.jsonl"
    export(folder, path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1]["proof"] = None
    lines[1]["record"]["user"] = "piotr"
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    assert verify_export(path).problems == (
        "line 2: record 1 has no proof, and the checkpoint covers it",
    )


def test_an_export_of_another_key_is_found_by_the_key_that_was_kept(folder, tmp_path, exported):
    kept = LogFiles.find(folder).keys()
    checkpoint = newest_checkpoint(folder)
    forged = SigningKey.generate(checkpoint.origin)
    note = Checkpoint.sign(checkpoint.origin, 25, checkpoint.root, checkpoint.time, forged).note
    about = exported if exported.suffix == ".jsonl" else exported.with_name("export.csv.checkpoint")
    change(
        about, json.dumps(checkpoint.note, ensure_ascii=False), json.dumps(note, ensure_ascii=False)
    )
    change(about, str(kept[0]), str(forged.verifying))
    assert verify_export(exported).ok
    assert "forged, or of another" in verify_export(exported, kept).problems[0]


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv"])
def test_what_is_no_export_is_an_error(tmp_path, name):
    (tmp_path / name).write_text("{}\n")
    (tmp_path / "x.csv.checkpoint").write_text("{}")
    with pytest.raises(ValueError, match="is no export of an audit log"):
        verify_export(tmp_path / name)


async def test_records_newer_than_the_checkpoint_are_exported_and_told(folder, tmp_path, entry):
    log = await AuditLog.open(folder, options=AuditOptions(checkpoint_every=10))
    await log.record(entry(new="newer"))
    told = export(folder, tmp_path / "export.jsonl")
    await log.close()
    assert (told.records, told.unproven) == (26, 1)
    report = verify_export(tmp_path / "export.jsonl")
    assert (report.ok, report.records, report.proven) == (True, 26, 25)


def test_a_broken_log_is_exported_without_proofs(folder, tmp_path, tamper):
    tamper(folder, "UPDATE records SET leaf = zeroblob(32) WHERE seq = 3")
    proofs = proofs_of(folder)
    assert "not those that the newest checkpoint signed" in proofs.why_not
    assert export(folder, tmp_path / "export.jsonl").unproven == 25
    assert (
        "none of its records can be proven" in verify_export(tmp_path / "export.jsonl").problems[0]
    )


async def test_records_without_payload_are_exported_as_such(tmp_path, entry, clock):
    folder = tmp_path / "audit"
    log = await AuditLog.open(folder, clock=clock.ticks)
    for _ in range(5):
        await log.record(entry())
    await log.rotate()
    clock.advance(10 * 86_400)
    await Housekeeping(log, 0.0).apply_retention(5)
    await log.close()
    for name in ("export.jsonl", "export.csv"):
        told = export(folder, tmp_path / name)
        assert (told.records, told.dropped) == (6, 5)
        report = verify_export(tmp_path / name)
        assert (report.ok, report.records, report.proven) == (True, 6, 1)


async def test_a_cell_cannot_be_a_formula_and_a_number_stays_one(tmp_path, entry):
    records = tmp_path / "formulas"
    log = await AuditLog.open(records)
    await log.record(entry(reason="=HYPERLINK(1)", new="-1.5", old="-x"))
    await log.close()
    path = tmp_path / "export.csv"
    export(records, path)
    (row,) = list(csv.DictReader(io.StringIO(path.read_text())))
    assert (row["reason"], row["new"], row["old"]) == ("'=HYPERLINK(1)", "-1.5", "'-x")
    assert verify_export(path).ok
    assert tuple(row) == COLUMNS


def test_records_are_found_by_what_is_in_them(folder):
    def numbers(**wanted):
        return [stored.seq for stored in query_log(folder, Filter(**wanted))]

    assert numbers(user="ada", subject="BR101.t1") == [2, 8, 14, 20]
    assert numbers(subject="*t1", last_seq=5) == [2, 5]
    assert numbers(event="write", zone="cell", first_seq=24) == [24, 25]
    assert numbers(zone="dmz") == []
    newest = query_log(folder, Filter(user="olga"), newest=True, limit=2)
    assert [stored.seq for stored in newest] == [25, 23]


@pytest.mark.parametrize("text", ["[a", "a[b]", "what?"])
async def test_only_a_star_has_a_meaning_in_what_is_looked_for(tmp_path, entry, text):
    log = await AuditLog.open(tmp_path / "audit")
    await log.record(entry(tag=text))
    await log.record(entry(tag="whatX"))
    await log.close()
    found = query_log(tmp_path / "audit", Filter(subject=text))
    assert [stored.record.tag for stored in found] == [text]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
_line = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("seq", "record", "body", "proof", "dropped", "records"), _json)
)


@given(
    st.fixed_dictionaries({"checkpoint": _json, "keys": _json, "log": _json}),
    st.lists(_line, max_size=4),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_an_export_says_there_is_a_report(tmp_path, about, lines):
    path = tmp_path / "made.jsonl"
    written = [{"biogate_audit_export": 1, **about}, *lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in written))
    report = verify_export(path)
    assert report.proven == 0
    assert not report.ok


def test_an_export_is_verified_line_by_line(exported):
    """One of a year does not fit into memory."""
    first, line, *rest = exported.read_text().splitlines(keepends=True)
    with exported.open("w", encoding="utf-8", newline="") as file:
        file.writelines([first, *[line] * 5000, *rest])
    tracemalloc.start()
    try:
        report = verify_export(exported)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.records > 5000
    assert not report.ok
    assert most < exported.stat().st_size / 4


def test_a_field_without_end_is_an_error(folder, tmp_path):
    path = tmp_path / "audit.csv"
    export(folder, path)
    path.write_text(path.read_text() + '"' + "x" * 200_000)
    with pytest.raises(ValueError, match="field larger"):
        verify_export(path)
