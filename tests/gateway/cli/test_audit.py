"""`biogate audit`, `backup` and `restore`: what people see, and the exit codes."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from biogate.cli import backup_work
from biogate.data_format import FORMAT_FILE, DataFormatError, bring_up_to_date
from biogate.demo import DEMO_SITE
from biogate.site import load_site
from biogate.storage import Storage, StorageError
from biogate_security.audit import AuditRecord
from biogate_security.audit_log import AuditLog
from biogate_security.audit_store.query import Filter, query_log
from biogate_security.filetime import from_iso

OLD_LOG = Path(__file__).parents[2] / "security" / "data" / "audit-format-1.json"
TIME = from_iso("2026-11-24T12:00:00.0000000Z")


async def fill(data: Path) -> None:
    log = await AuditLog.open(data / "audit")
    for number in range(12):
        user = "ada" if number % 3 == 0 else "olga"
        outcome = 0x80750000 if number == 5 else 0
        record = AuditRecord(
            "write", TIME + number * 36 * 10**9, user, tag=f"BR101.t{number}", old="1", new="2",
            outcome=outcome, zone="cell", reason="too low",
        )  # fmt: skip
        await log.record(record)
    await log.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with twelve records, an hour apart."""
    folder = tmp_path / "data"
    folder.mkdir()
    asyncio.run(fill(folder))
    return folder


def spoil(data: Path, statement: str) -> None:
    with closing(sqlite3.connect(data / "audit" / "000001.sqlite")) as database:
        database.execute("DROP TRIGGER records_never_change")
        database.execute(statement)
        database.execute(
            "CREATE TRIGGER records_never_change BEFORE UPDATE ON records "
            "BEGIN SELECT RAISE(ABORT, 'audit records are append-only'); END"
        )
        database.commit()


def test_a_log_that_is_as_it_was_written_ends_with_0(biogate, data: Path) -> None:
    outcome = biogate("audit", "verify", "--data", str(data))
    assert outcome.code == 0
    assert "12 records in 1 segment" in outcome.out
    assert outcome.out.endswith("no problems\n")
    assert biogate("audit", "verify", str(data / "audit")).code == 0
    assert biogate("audit", "verify", str(data / "audit" / "000001.sqlite")).code == 0


def test_a_broken_log_ends_with_1_and_says_where(biogate, data: Path) -> None:
    spoil(data, "UPDATE records SET body = replace(body, 'olga', 'ada') WHERE seq = 6")
    outcome = biogate("audit", "verify", "--data", str(data))
    assert outcome.code == 1
    assert outcome.out.startswith(
        "segment 000001, record 6: the payload is not the one that was hashed\n"
    )
    assert outcome.out.endswith("1 problem: BROKEN\n")


def test_a_log_is_compared_with_what_was_kept(biogate, data: Path, tmp_path: Path) -> None:
    kept, key = tmp_path / "kept.txt", tmp_path / "kept.pub"
    shutil.copy(data / "audit" / "checkpoints" / "latest.txt", kept)
    shutil.copy(data / "audit" / "keys" / "audit.pub", key)
    options = ("--data", str(data), "--checkpoint", str(kept), "--key", str(key))
    outcome = biogate("audit", "verify", *options)
    assert outcome.code == 0
    assert "compared with 1 kept checkpoint" in outcome.out
    shutil.rmtree(data / "audit")
    asyncio.run(fill(data))
    outcome = biogate("audit", "verify", *options)
    assert outcome.code == 1
    assert "forged, or of another log or key" in outcome.out


@pytest.mark.parametrize("what", ["missing", "kept", "key"])
def test_what_cannot_be_read_ends_with_2_and_names_it(
    biogate, data: Path, tmp_path: Path, what: str
) -> None:
    (tmp_path / "spoilt").write_text("nonsense")
    options = {
        "missing": ("--data", str(tmp_path / "nowhere")),
        "kept": ("--data", str(data), "--checkpoint", str(tmp_path / "spoilt")),
        "key": ("--data", str(data), "--key", str(tmp_path / "spoilt")),
    }
    outcome = biogate("audit", "verify", *options[what])
    assert outcome.code == 2
    assert ("nowhere" if what == "missing" else "spoilt") in outcome.err
    assert "Traceback" not in outcome.err


def test_records_are_shown_as_a_table_the_newest_first(biogate, data: Path) -> None:
    outcome = biogate("audit", "show", "--data", str(data), "--limit", "2")
    lines = outcome.out.splitlines()
    assert outcome.code == 0
    words = "record time (UTC) event who what old → new outcome why"
    assert " ".join(lines[0].split()) == words
    words = "12 2026-11-24 23:00:00.000 write olga (cell) BR101.t11 1 → 2 Good too low"
    assert " ".join(lines[1].split()) == words
    assert lines[3] == "and more: see --limit, or begin at --seq 10"


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (("--user", "ada"), [10, 7, 4, 1]),
        (("--tag", "BR101.t1*", "--oldest"), [2, 11, 12]),
        (("--seq", "3-5"), [5, 4, 3]),
        (("--seq", "11-"), [12, 11]),
        (("--seq", "7"), [7]),
        (("--from", "2026-11-24T20:30"), [12, 11, 10]),
        (("--until", "2026-11-24T14:00+01:00"), [1]),
        (("--event", "call"), []),
        (("--zone", "cell", "--limit", "1"), [12]),
    ],
)
def test_records_are_found_by_what_the_options_say(
    biogate, data: Path, options: tuple[str, ...], numbers: list[int]
) -> None:
    outcome = biogate("audit", "show", "--data", str(data), *options)
    shown = [line.split()[0] for line in outcome.out.splitlines()[1:]]
    assert [int(number) for number in shown if number.isdigit()] == numbers


def test_a_refusal_is_shown_by_the_name_of_its_status(biogate, data: Path) -> None:
    outcome = biogate("audit", "show", "--data", str(data), "--seq", "6")
    assert "BadMethodInvalid" in outcome.out


@pytest.mark.parametrize(
    "option",
    [
        *(("--seq", "x"), ("--seq", "5-3"), ("--seq", "9" * 30)),
        *(("--from", "yesterday"), ("--from", "9" * 15 + "d"), ("--until", "2026-13-01")),
    ],
)
def test_an_option_that_makes_no_sense_is_told(biogate, data: Path, option) -> None:
    outcome = biogate("audit", "show", "--data", str(data), *option)
    assert outcome.code == 2
    assert "give" in outcome.err


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_an_export_verifies_by_itself_and_an_edit_in_it_is_found(
    biogate, data: Path, tmp_path: Path, ending: str
) -> None:
    file = tmp_path / f"export.{ending}"
    outcome = biogate("audit", "export", str(file), "--data", str(data), "--user", "ada")
    assert (outcome.code, outcome.out) == (0, f"{file}: 4 records\n")
    shutil.rmtree(data)
    outcome = biogate("audit", "verify", str(file))
    assert outcome.code == 0
    assert "4 records, 4 are of 12 that were signed" in outcome.out
    file.write_text(file.read_text().replace("too low", "too high"))
    outcome = biogate("audit", "verify", str(file))
    assert outcome.code == 1
    assert outcome.out.startswith("line 2: ")


def test_an_export_of_another_kind_is_refused(biogate, data: Path, tmp_path: Path) -> None:
    outcome = biogate("audit", "export", str(tmp_path / "x.pdf"), "--data", str(data))
    assert outcome.code == 2
    assert ".jsonl or .csv" in outcome.err


def test_the_export_of_a_broken_log_ends_with_1(biogate, data: Path, tmp_path: Path) -> None:
    spoil(data, "UPDATE records SET leaf = zeroblob(32) WHERE seq = 6")
    outcome = biogate("audit", "export", str(tmp_path / "x.jsonl"), "--data", str(data))
    assert outcome.code == 1
    assert "without proofs" in outcome.err


def test_the_newest_checkpoint_can_be_printed_and_kept(biogate, data: Path, tmp_path: Path) -> None:
    outcome = biogate("audit", "checkpoint", "--data", str(data))
    kept = tmp_path / "kept.txt"
    kept.write_text(outcome.out)
    assert biogate("audit", "verify", str(data), "--checkpoint", str(kept)).code == 0


def test_a_new_key_is_printed_and_the_old_one_still_verifies_the_log(
    biogate, data: Path, tmp_path: Path
) -> None:
    key = tmp_path / "kept.pub"
    shutil.copy(data / "audit" / "keys" / "audit.pub", key)
    outcome = biogate("audit", "rotate-key", "--data", str(data), "--reason", "yearly")
    assert outcome.code == 0
    assert (data / "audit" / "keys" / "audit.pub").read_text() in outcome.out
    assert biogate("audit", "verify", str(data), "--key", str(key)).code == 0


# Backup and restore


def test_a_backup_is_restored_elsewhere_and_that_is_on_record(
    biogate, data: Path, tmp_path: Path
) -> None:
    file, new = tmp_path / "backup.tar.gz", tmp_path / "new"
    outcome = biogate("backup", str(data), str(file))
    assert outcome.code == 0, outcome.err
    assert "without 1 private keys" in outcome.out
    assert "audit trail: 12 records, verified" in outcome.out
    outcome = biogate("restore", str(file), str(new))
    assert outcome.code == 0, outcome.err
    assert biogate("audit", "verify", str(new)).code == 0
    (restored,) = query_log(new, Filter(event="data-restored"))
    assert restored.record is not None
    assert restored.record.reason.startswith("from a backup of 20")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar.gz", "data", "new"]


def test_whose_signature_a_restored_backup_has_is_said(biogate, data: Path, tmp_path: Path) -> None:
    file, kept = tmp_path / "data.tar.gz", data / "audit" / "keys" / "audit.pub"
    biogate("backup", str(data), str(file))
    named = biogate("restore", str(file), str(tmp_path / "one"))
    assert "believed: the key that the backup names" in named.out
    known = biogate("restore", str(file), str(tmp_path / "other"), "--key", str(kept))
    assert known.code == 0
    assert "believed" not in known.out


def test_a_backup_that_could_not_be_verified_is_said_to_be_there(
    biogate, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup_work, "unpack_backup", full)
    file = tmp_path / "data.tar.gz"
    outcome = biogate("backup", str(data), str(file))
    assert outcome.code == 2
    assert f"{file} was made, and not verified" in outcome.err


def test_a_damaged_backup_is_not_restored(biogate, data: Path, tmp_path: Path) -> None:
    file, new = tmp_path / "backup.tar.gz", tmp_path / "new"
    biogate("backup", str(data), str(file))
    file.write_bytes(file.read_bytes()[:-100])
    outcome = biogate("restore", str(file), str(new))
    assert outcome.code == 1
    assert "damaged" in outcome.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar.gz", "data"]


def test_nothing_is_restored_over_something(biogate, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar.gz"
    biogate("backup", str(data), str(file))
    outcome = biogate("restore", str(file), str(data))
    assert outcome.code == 2
    assert "move it away first" in outcome.err


def test_a_broken_trail_is_backed_up_and_restored_only_on_demand(
    biogate, data: Path, tmp_path: Path
) -> None:
    spoil(data, "UPDATE records SET body = replace(body, 'olga', 'ada') WHERE seq = 6")
    file, new = tmp_path / "backup.tar.gz", tmp_path / "new"
    outcome = biogate("backup", str(data), str(file))
    assert outcome.code == 1
    assert "audit trail: segment 000001, record 6" in outcome.err
    assert biogate("restore", str(file), str(new)).code == 1
    assert not new.exists()
    assert biogate("restore", str(file), str(new), "--broken-trail").code == 0
    assert new.exists()


async def test_a_gateways_folder_restored_without_its_keys_can_be_used(
    biogate, tmp_path: Path
) -> None:
    site, data, new = load_site(DEMO_SITE), tmp_path / "data", tmp_path / "new"
    storage = await Storage.open(data, site, auto_trust=False)
    beside = await asyncio.to_thread(biogate, "backup", str(data), str(tmp_path / "b.tar.gz"))
    await storage.close()
    assert beside.code == 0, beside.err
    outcome = await asyncio.to_thread(biogate, "restore", str(tmp_path / "b.tar.gz"), str(new))
    assert outcome.code == 0, outcome.err
    assert "new certificates" in outcome.out
    storage = await Storage.open(new, site, auto_trust=False)
    await storage.close()
    assert (new / "pki" / "own" / "application-before-restore.der").exists()


# The format of the data folder


def old_folder(folder: Path) -> Path:
    folder.mkdir()
    content = json.loads(OLD_LOG.read_text())
    with closing(sqlite3.connect(folder / "audit.sqlite")) as database:
        for statement in content["schema"]:
            database.execute(statement)
        database.execute("INSERT INTO meta VALUES ('log_id', ?)", (content["log_id"],))
        rows = [(seq, body, bytes.fromhex(chained)) for seq, body, chained in content["records"]]
        database.executemany("INSERT INTO records (seq, body, hash) VALUES (?, ?, ?)", rows)
        database.commit()
    return folder


async def test_the_folder_of_an_earlier_version_is_brought_up_to_date_and_keeps_its_chain(
    biogate, tmp_path: Path
) -> None:
    data = old_folder(tmp_path / "data")
    storage = await Storage.open(data, load_site(DEMO_SITE), auto_trust=False)
    await storage.close()
    assert json.loads((data / FORMAT_FILE).read_text()) == {"data_folder_format": 2}
    assert not (data / "audit.sqlite").exists()
    records = list(query_log(data))
    assert [stored.record.event for stored in records[:13] if stored.record] == [
        *["write"] * 12,
        "data-migrated",
    ]
    assert biogate("audit", "verify", str(data)).code == 0
    assert bring_up_to_date(data) is None


def test_a_backup_of_an_earlier_version_is_brought_up_to_date_when_restored(
    biogate, tmp_path: Path
) -> None:
    data, file, new = old_folder(tmp_path / "data"), tmp_path / "b.tar.gz", tmp_path / "new"
    outcome = biogate("backup", str(data), str(file))
    assert outcome.code == 0
    assert "not signed: there was no audit key" in outcome.out
    assert biogate("restore", str(file), str(new)).code == 0
    assert (data / "audit.sqlite").exists()
    events = [stored.record.event for stored in query_log(new) if stored.record]
    assert events[12:] == ["data-migrated", "data-restored"]


def test_a_log_that_an_earlier_version_began_anew_is_not_passed_over(tmp_path: Path) -> None:
    bring_up_to_date(tmp_path)
    (tmp_path / "audit.sqlite").write_bytes(b"")
    with pytest.raises(DataFormatError, match="a log that an earlier biogate began after"):
        bring_up_to_date(tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"data_folder_format": 3}', "is of format 3, and this biogate knows those up to 2"),
        ('{"data_folder_format": "2"}', "not a number from 1"),
        ("{}", "does not say the data folder's format"),
        ("half a f", "does not say the data folder's format"),
    ],
)
async def test_a_folder_of_another_format_is_left_alone(
    tmp_path: Path, content: str, told: str
) -> None:
    (tmp_path / FORMAT_FILE).write_text(content)
    with pytest.raises(DataFormatError, match=told):
        bring_up_to_date(tmp_path)
    with pytest.raises(StorageError, match=told):
        await Storage.open(tmp_path, load_site(DEMO_SITE), auto_trust=False)
    assert (tmp_path / FORMAT_FILE).read_text() == content
