"""Segments, retention, keys, room and the duties by the clock of an audit log."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from biogate_security.audit import AuditUnavailableError
from biogate_security.audit_log import AuditLog
from biogate_security.audit_store import housekeeping, room, writer
from biogate_security.audit_store.background import verify_apart
from biogate_security.audit_store.checkpoint import Checkpoint
from biogate_security.audit_store.housekeeping import Housekeeping
from biogate_security.audit_store.keys import KeyFiles, read_public_key
from biogate_security.audit_store.retention import drop_payloads
from biogate_security.audit_store.room import Room, judge
from biogate_security.audit_store.segment import segment_files, segment_path
from biogate_security.audit_store.state import AuditOptions, AuditState
from biogate_security.audit_store.verify import read_kept, verify_log
from biogate_security.audit_store.writer import take_over

DATA = Path(__file__).parent / "data" / "audit-format-1.json"
SMALL = AuditOptions(segment_bytes=20_000, checkpoint_every=10)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "audit"


@pytest.fixture
async def filled(folder, entry):
    """A closed log of 100 records in several segments."""
    log = await AuditLog.open(folder, options=SMALL)
    for number in range(100):
        await log.record(entry(new=str(number), reason="x" * 300))
    await log.close()
    return folder


def checkpoints_of(path):
    with closing(sqlite3.connect(path)) as reader:
        rows = reader.execute("SELECT note FROM checkpoints ORDER BY id").fetchall()
    return [Checkpoint.parse(note) for (note,) in rows]


# Segments


async def test_a_full_segment_is_followed_by_another_that_goes_on_with_the_chain(filled):
    files = segment_files(filled)
    assert len(files) > 2
    report = verify_log(filled)
    assert report.ok
    assert (report.records, report.segments) == (100, len(files))
    assert report.signed == 100
    for path in list(files.values())[:-1]:
        assert not path.with_name(f"{path.name}-wal").exists()


async def test_a_segment_is_followed_by_another_when_it_is_old_enough(folder, entry, clock):
    options = AuditOptions(segment_days=7)
    log = await AuditLog.open(folder, options=options, clock=clock.ticks)
    await log.record(entry())
    clock.advance(6.9 * 86_400)
    await log.record(entry())
    assert len(segment_files(folder)) == 1
    clock.advance(0.2 * 86_400)
    await log.record(entry())
    await log.make_checkpoint()
    assert len(segment_files(folder)) == 2
    clock.advance(70 * 86_400)
    await log.make_checkpoint()
    assert len(segment_files(folder)) == 2  # it has no record yet
    await log.close()


async def test_records_are_found_across_segments_in_both_orders(filled):
    log = await AuditLog.open(filled, options=SMALL)
    found = await log.query(first_seq=20, last_seq=60)
    await log.close()
    assert [stored.seq for stored in found] == list(range(20, 61))
    assert found[5].record.new == "24"


async def test_a_segment_that_cannot_be_begun_is_tried_again_and_loses_no_record(
    folder, entry, monkeypatch, caplog
):
    def fail(*_):
        raise OSError("No space left on device")

    log = await AuditLog.open(folder, options=SMALL)
    with monkeypatch.context() as broken:
        broken.setattr(writer, "create_segment", fail)
        for number in range(60):
            await log.record(entry(new=str(number), reason="x" * 300))
    assert len(segment_files(folder)) == 1
    assert sum("cannot begin another segment" in each.message for each in caplog.records) == 1
    log._next_rotation = 0.0  # a minute later
    await log.record(entry())
    await log.close()
    assert len(segment_files(folder)) == 2
    assert verify_log(folder).records == 61


async def test_a_segment_that_somebody_reads_while_the_next_is_begun_is_closed_at_the_next_start(
    folder, entry, monkeypatch
):
    """As one that a killed process left, with its write-ahead log beside it."""
    monkeypatch.setattr(writer, "BUSY_TIMEOUT_S", 0.01)
    log = await AuditLog.open(folder, options=SMALL)
    await log.record(entry())
    with closing(sqlite3.connect(segment_path(folder, 1), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM records").fetchall()
        await log.rotate()
        await log.record(entry())
        await log.close()
        kept = folder.with_name("as a crash leaves it")
        shutil.copytree(folder, kept)
    assert (kept / "000001.sqlite-wal").exists()
    folder = kept
    again = await AuditLog.open(folder, options=SMALL)
    assert await again.record(entry()) == 3
    await again.close()
    assert not (kept / "000001.sqlite-wal").exists()
    assert verify_log(folder).ok


async def test_another_interval_of_checkpoints_begins_another_segment(filled, entry):
    before = len(segment_files(filled))
    log = await AuditLog.open(filled, options=AuditOptions(checkpoint_every=50))
    assert await log.record(entry()) == 101
    await log.close()
    assert len(segment_files(filled)) == before + 1
    assert verify_log(filled).ok


# The one file of earlier versions


@pytest.fixture
def old(tmp_path):
    """The file that biogate 0.1.0 wrote (tests/security/data/audit-format-1.json)."""
    content = json.loads(DATA.read_text())
    path = tmp_path / "audit.sqlite"
    with closing(sqlite3.connect(path)) as database:
        for statement in content["schema"]:
            database.execute(statement)
        database.execute("INSERT INTO meta VALUES ('log_id', ?)", (content["log_id"],))
        rows = [(seq, body, bytes.fromhex(hash_)) for seq, body, hash_ in content["records"]]
        database.executemany("INSERT INTO records (seq, body, hash) VALUES (?, ?, ?)", rows)
        database.commit()
    return path


async def test_the_log_of_an_earlier_version_becomes_the_first_segment_as_it_is(old, folder, entry):
    content = json.loads(DATA.read_text())
    before = old.read_bytes()
    assert verify_log(old.parent).records == 12
    take_over(old, folder)
    assert not old.exists()
    log = await AuditLog.open(folder)
    assert await log.record(entry()) == 13
    assert log.opening.log_id == content["log_id"]
    await log.close()
    assert segment_path(folder, 1).read_bytes() == before
    report = verify_log(folder)
    assert (report.ok, report.records, report.segments, report.signed) == (True, 13, 2, 13)


async def test_an_edit_in_the_log_of_an_earlier_version_is_found(old, folder, tamper):
    take_over(old, folder)
    await (await AuditLog.open(folder)).close()
    tamper(folder, "UPDATE records SET body = replace(body, 'olga', 'piotr') WHERE seq = 5")
    report = verify_log(folder)
    assert report.first_broken_seq == 5
    assert report.problems[0].segment == 1


def test_two_logs_are_not_mixed(old, folder):
    folder.mkdir()
    segment_path(folder, 1).write_bytes(b"")
    with pytest.raises(ValueError, match=r"both .* are there"):
        take_over(old, folder)
    assert old.exists()


def test_what_is_no_log_is_not_taken_over(tmp_path, folder):
    (tmp_path / "audit.sqlite").write_bytes(b"not a database, but long enough " * 40)
    with pytest.raises(sqlite3.DatabaseError):
        take_over(tmp_path / "audit.sqlite", folder)
    assert not folder.exists()


# Checkpoints


async def test_checkpoints_are_signed_at_start_every_n_records_and_at_the_stop(folder, entry):
    log = await AuditLog.open(folder, options=AuditOptions(checkpoint_every=10))
    for _ in range(25):
        await log.record(entry())
    assert log.checkpoint.size == 20
    await log.close()
    sizes = [each.size for each in checkpoints_of(segment_path(folder, 1))]
    assert sizes == [0, 0, 10, 20, 25]
    assert log.checkpoint.size == 25


async def test_a_checkpoint_can_be_had_at_any_time_and_is_written_out(folder, entry, caplog):
    caplog.set_level("INFO")
    log = await AuditLog.open(folder)
    await log.record(entry())
    checkpoint = await log.make_checkpoint()
    assert checkpoint == log.checkpoint
    assert (folder / "checkpoints" / "latest.txt").read_text() == checkpoint.note
    (line,) = [each for each in caplog.records if getattr(each, "size", None) == 1]
    assert line.note == checkpoint.note
    await log.close()
    (day,) = (folder / "checkpoints").glob("2*.txt")
    assert [kept.checkpoint.size for kept in read_kept(day)] == [0, 1, 1]


async def test_a_checkpoint_that_cannot_be_written_out_is_told_and_holds_nothing_up(
    folder, entry, caplog
):
    folder.mkdir()
    (folder / "checkpoints").write_text("not a folder")
    log = await AuditLog.open(folder)
    assert await log.record(entry()) == 1
    assert (await log.make_checkpoint()).size == 1
    await log.close()
    assert "could not be written out" in caplog.text


# The key


async def test_a_new_key_is_recorded_and_announced_by_the_old_one(folder, entry, tmp_path):
    log = await AuditLog.open(folder)
    await log.record(entry())
    kept = tmp_path / "kept.pub"
    shutil.copy(folder / "keys" / "audit.pub", kept)
    checkpoint = await log.change_key("yearly")
    await log.record(entry())
    (record,) = [s.record for s in await log.query() if s.record.event == "audit-key-changed"]
    await log.close()
    new = read_public_key(folder / "keys" / "audit.pub")
    assert (record.old, record.new) == (str(read_public_key(kept)), str(new))
    assert record.reason == "yearly"
    assert checkpoint.next_key == new
    report = verify_log(folder, keys=[read_public_key(kept)])
    assert (report.ok, report.signed) == (True, 3)
    log = await AuditLog.open(folder)
    assert await log.record(entry()) == 4
    await log.close()
    assert verify_log(folder, keys=[read_public_key(kept)]).ok


@pytest.mark.parametrize("announced", [False, True])
async def test_a_change_of_key_that_a_crash_cut_off_is_finished_or_given_up(
    folder, entry, monkeypatch, announced
):
    log = await AuditLog.open(folder)

    def crash(*_):
        raise OSError("killed")

    await log.record(entry())
    if announced:
        monkeypatch.setattr(KeyFiles, "promote_next", crash)
        with pytest.raises(AuditUnavailableError, match="killed"):
            await log.change_key()
    else:
        log.keys.make_next("urn:biogate:audit:x")
    log._segment._in_doubt = True  # nothing more is signed: the process is gone
    log._segment._database, database = None, log._segment._database
    monkeypatch.setattr(log._segment, "open", crash)
    await database.close()
    await log.close()
    monkeypatch.undo()
    old = read_public_key(folder / "keys" / "audit.pub")
    again = await AuditLog.open(folder)
    await again.record(entry())
    await again.close()
    assert not (folder / "keys" / "audit-next.pem").exists()
    assert (read_public_key(folder / "keys" / "audit.pub") != old) == announced
    assert verify_log(folder, keys=[old]).ok


async def test_a_lost_key_is_replaced_and_that_shows(filled, entry):
    old = read_public_key(filled / "keys" / "audit.pub")
    (filled / "keys" / "audit.pem").unlink()
    log = await AuditLog.open(filled, options=SMALL)
    (record,) = [s.record for s in await log.query(first_seq=101)]
    await log.close()
    assert record.event == "audit-key-made"
    assert verify_log(filled).ok
    report = verify_log(filled, keys=[old])
    assert "no trusted key signed it" in report.problems[0].reason
    assert report.first_broken_seq == 101


async def test_a_key_open_to_others_is_closed(filled, caplog):
    key = filled / "keys" / "audit.pem"
    key.chmod(0o644)
    await (await AuditLog.open(filled, options=SMALL)).close()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert "the audit key was open to others" in caplog.text


# Retention


@pytest.fixture
async def aged(folder, entry, clock):
    """A log of four segments of ten records, a day apart."""
    log = await AuditLog.open(folder, options=AuditOptions(checkpoint_every=5), clock=clock.ticks)
    for _ in range(3):
        for number in range(10):
            await log.record(entry(new=str(number)))
        await log.rotate()
        clock.advance(86_400)
    await log.record(entry(new="last"))
    yield log
    await log.close()


async def test_a_clock_that_is_set_forward_makes_nothing_old(folder, entry, clock, caplog):
    """Else whoever sets the clock for a minute removes what should be kept for years."""
    options = AuditOptions(checkpoint_every=5, retention_days=30)
    log = await AuditLog.open(folder, options=options, clock=clock.ticks)
    await log.record(entry())
    await log.rotate()
    house = Housekeeping(log, 0.0)
    clock.advance(3650 * 86_400)
    await house.tick(1.0)
    await house.tick(7200.0)
    assert (await log.verify()).dropped == 0
    assert caplog.text.count("retention waits: the clock was set forward") == 1
    await house.tick(3650 * 86_400.0)  # now it has passed
    assert (await log.verify()).dropped > 0
    await log.close()


async def test_retention_drops_payloads_and_keeps_the_log_valid(aged, folder, tmp_path):
    kept = tmp_path / "kept.txt"
    shutil.copy(folder / "checkpoints" / "latest.txt", kept)
    before = await aged.query()
    await Housekeeping(aged, 0.0).apply_retention(1.5)
    after = await aged.query()
    assert [stored.hash for stored in after[:31]] == [stored.hash for stored in before]
    assert [stored.seq for stored in after if stored.record is None] == list(range(1, 21))
    record = after[-1].record
    assert (record.event, record.new, record.user) == ("audit-retention", "20", None)
    assert record.reason == (
        "older than 1.5 days: payloads of segments 000001, 000002 go, their hashes stay"
    )
    report = await aged.verify(read_kept(kept))
    assert (report.ok, report.records, report.dropped) == (True, 32, 20)
    await Housekeeping(aged, 0.0).apply_retention(1.5)
    assert len(await aged.query()) == 32


async def test_payloads_dropped_without_a_record_are_found(aged, folder):
    drop_payloads(segment_path(folder, 1))
    report = await aged.verify()
    assert not report.ok
    assert report.problems[0].reason == "the payload was dropped, and no record says so"
    assert report.first_broken_seq == 1


async def test_a_spoilt_segment_keeps_its_payloads(aged, folder, tamper):
    tamper(folder, "UPDATE records SET body = replace(body, 'olga', 'piotr') WHERE seq = 5")
    await Housekeeping(aged, 0.0).apply_retention(1.5)
    assert aged.state is AuditState.BROKEN
    assert "record 5 is not the one that was hashed" in aged.state_reason
    with closing(sqlite3.connect(segment_path(folder, 1))) as reader:
        (body,) = reader.execute("SELECT body FROM records WHERE seq = 5").fetchone()
    assert "piotr" in body
    assert (await aged.verify()).first_broken_seq == 5


async def test_an_edited_hash_in_a_segment_without_payloads_is_found(aged, folder, tamper):
    await Housekeeping(aged, 0.0).apply_retention(1.5)
    tamper(folder, "UPDATE records SET leaf = zeroblob(32) WHERE seq = 7")
    report = await aged.verify()
    assert report.first_broken_seq == 7
    assert report.problems[0].segment == 1


async def test_the_segment_of_an_earlier_version_can_lose_its_payloads(old, folder, clock, entry):
    take_over(old, folder)
    log = await AuditLog.open(folder, clock=clock.ticks)
    clock.advance(10 * 86_400)
    await Housekeeping(log, 0.0).apply_retention(5)
    report = await log.verify()
    assert (report.ok, report.records, report.dropped) == (True, 13, 12)
    await log.close()
    log = await AuditLog.open(folder, clock=clock.ticks)
    assert await log.record(entry()) == 14
    assert (await log.verify()).ok
    await log.close()


# Room and state


def test_the_state_says_how_much_of_the_room_is_used():
    options = AuditOptions(max_bytes=1000, free_bytes=400)
    expected = {
        (799, 5000): "ok",
        (800, 5000): "warning",
        (950, 5000): "critical",
        (0, 400): "warning",
        (0, 100): "critical",
        (950, 400): "critical",
    }
    assert {case: judge(Room(*case), options)[0] for case in expected} == expected


async def test_each_change_of_state_is_told_once(folder, entry, monkeypatch):
    told = []
    options = AuditOptions(max_bytes=1_000_000)
    log = await AuditLog.open(folder, options=options, on_state=lambda *each: told.append(each))
    house = Housekeeping(log, 0.0)
    for used in (100, 810_000, 820_000, 960_000, 100):
        monkeypatch.setattr(
            "biogate_security.audit_store.condition.measure",
            lambda _, used=used: Room(used, 1 << 40),
        )
        await house.tick(1.0)
    await log.close()
    assert [state for state, _ in told] == ["warning", "critical", "ok"]
    assert told[0][1] == "81% of its 1 MiB are used"


async def test_a_listener_that_fails_does_not_stop_the_recording(folder, entry, tamper, caplog):
    def fail(*_):
        raise RuntimeError("no alarm")

    log = await AuditLog.open(folder, on_state=fail)
    log.found_broken("record 1")
    assert await log.record(entry()) == 1
    await log.close()
    assert "the audit log's state broken could not be told" in caplog.text


async def test_a_log_that_took_no_record_is_unavailable_until_it_takes_one_again(
    folder, entry, monkeypatch
):
    told = []
    monkeypatch.setattr(writer, "BUSY_TIMEOUT_S", 0.01)
    log = await AuditLog.open(folder, on_state=lambda *each: told.append(each))
    with closing(sqlite3.connect(segment_path(folder, 1), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(AuditUnavailableError):
            await log.record(entry())
        assert (log.state, log.state_reason) == ("unavailable", "database is locked")
        other.execute("ROLLBACK")
    await Housekeeping(log, 0.0).tick(1.0)
    assert [state for state, _ in told] == ["unavailable", "ok"]
    await log.close()


async def test_the_used_room_is_that_of_all_segments(filled):
    used = sum(path.stat().st_size for path in segment_files(filled).values())
    assert room.measure(filled).used_bytes == used
    assert room.measure(filled).free_bytes > 0


async def fill(log, entry):
    for number in range(100):
        await asyncio.gather(
            *(log.record(entry(new=f"{number}", reason="x" * 300)) for _ in range(20))
        )


async def test_the_room_is_for_all_segments_together(folder, entry):
    options = AuditOptions(segment_bytes=20_000, max_bytes=400_000)
    log = await AuditLog.open(folder, options=options)
    with pytest.raises(AuditUnavailableError, match="full"):
        await fill(log, entry)
    assert len(segment_files(folder)) > 2
    assert sum(path.stat().st_size for path in segment_files(folder).values()) <= 400_000
    assert (await log.verify()).ok
    await log.close()


# By the clock


async def test_new_records_are_signed_after_the_interval(folder, entry):
    log = await AuditLog.open(folder, options=AuditOptions(checkpoint_interval_s=60))
    house = Housekeeping(log, 0.0)
    await log.record(entry())
    await house.tick(59.0)
    assert log.unsigned_records == 1
    await house.tick(60.0)
    assert (log.unsigned_records, log.checkpoint.size) == (0, 1)
    count = log.counters.checkpoints
    await house.tick(1000.0)
    assert log.counters.checkpoints == count  # nothing new to sign
    await log.close()


async def test_the_log_verifies_itself_in_the_background_and_records_a_break_once(
    folder, entry, tamper, caplog
):
    options = AuditOptions(verify_interval_s=3600)
    log = await AuditLog.open(folder, options=options)
    await log.record(entry())
    house = Housekeeping(log, 0.0)
    await house.tick(housekeeping.FIRST_VERIFICATION_S)
    await house._verifying
    assert log.state is AuditState.OK
    await log.close()
    tamper(folder, "UPDATE records SET body = replace(body, 'olga', 'piotr') WHERE seq = 1")
    log = await AuditLog.open(folder, options=AuditOptions())
    assert log.state is AuditState.BROKEN  # by the newest records, at the opening
    house = Housekeeping(log, 0.0)
    await house.verify()
    await house.verify()
    broken = [s.record.reason for s in await log.query() if s.record.event == "audit-chain-broken"]
    assert broken[0] == "segment 000001, record 1: the payload is not the one that was hashed"
    assert len(broken) == 2  # at the opening, and by the first verification
    await log.close()


async def test_a_verification_that_cannot_run_is_told(folder, caplog):
    log = await AuditLog.open(folder)

    async def fail(_):
        raise OSError("no process")

    await Housekeeping(log, 0.0, fail).verify()
    assert "was not verified: no process" in caplog.text
    await log.close()


async def test_verification_runs_in_a_process_of_its_own(filled, tamper):
    assert await verify_apart(filled) == []
    tamper(filled, "UPDATE records SET body = replace(body, 'olga', 'piotr') WHERE seq = 1")
    assert await verify_apart(filled) == [
        "segment 000001, record 1: the payload is not the one that was hashed"
    ]
    with pytest.raises(OSError, match="there is no audit log"):
        await verify_apart(filled / "nowhere")


async def test_a_verification_under_way_ends_with_the_log(folder):
    begun = asyncio.Event()

    async def slow(_):
        begun.set()
        await asyncio.Event().wait()

    log = await AuditLog.open(folder, options=AuditOptions(verify_interval_s=1))
    house = Housekeeping(log, 0.0, slow)
    await house.tick(100.0)
    await begun.wait()
    await house.stop()
    assert house._verifying.cancelled()
    await log.close()


def test_options_have_to_be_above_zero():
    with pytest.raises(ValueError, match="max_bytes must be above 0, not 0"):
        AuditOptions(max_bytes=0)


async def test_a_closed_log_is_files_that_can_be_read_where_nothing_can_be_written(filled):
    """Without a write-ahead log: byte 18 of an SQLite file is 1 (file format, 1.3.3)."""
    names = {path.name for path in filled.iterdir() if path.is_file()}
    assert names == {*(path.name for path in segment_files(filled).values()), "audit.lock"}
    assert {path.read_bytes()[18] for path in segment_files(filled).values()} == {1}


async def test_nothing_is_left_open_after_the_close(filled):
    def open_files():
        return {str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.exists()}

    before = {path for path in open_files() if str(filled) in path}
    log = await AuditLog.open(filled, options=SMALL)
    await log.verify()
    await log.close()
    assert {path for path in open_files() if str(filled) in path} == before
