"""The audit log: on disk before record() returns, gap-free, append-only, honest about breaks."""

from __future__ import annotations

import asyncio
import math
import shutil
import sqlite3
import stat
from contextlib import closing

import pytest

from biogate_security.audit import AuditSink, AuditUnavailableError
from biogate_security.audit_chain import encode, link
from biogate_security.audit_log import AuditLog
from biogate_security.audit_store.merkle import leaf_hash
from biogate_security.audit_store.segment import MAX_BATCH, segment_path
from biogate_security.audit_store.verify import read_kept, verify_log
from biogate_security.folder_lock import LockHeldError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit"


@pytest.fixture
async def written(path, entry):
    """A closed log of ten records."""
    log = await AuditLog.open(path)
    for number in range(10):
        await log.record(entry(new=str(number)))
    await log.close()
    return path


async def test_records_are_numbered_from_one_without_a_gap(log, entry):
    assert [await log.record(entry()) for _ in range(3)] == [1, 2, 3]


async def test_it_satisfies_the_seam(log, entry):
    sink: AuditSink = log
    assert await sink.record(entry()) == 1


async def test_a_record_is_on_disk_when_its_number_is_known(log, path, entry):
    seq = await log.record(entry(new="2.5"))
    with closing(sqlite3.connect(segment_path(path, 1))) as other:
        (body,) = other.execute("SELECT body FROM records WHERE seq = ?", (seq,)).fetchone()
    assert '"new":"2.5"' in body


async def test_each_commit_is_synced(log):
    """SQLite: FULL syncs the write-ahead log at every commit, NORMAL does not."""
    rows = await log._segment._database.execute_fetchall("PRAGMA synchronous")
    assert list(rows) == [(2,)]
    assert list(await log._segment._database.execute_fetchall("PRAGMA journal_mode")) == [("wal",)]


async def test_records_that_wait_together_share_a_commit(log, entry):
    numbers = await asyncio.gather(*(log.record(entry(new=str(n))) for n in range(1000)))
    assert numbers == list(range(1, 1001))
    assert log.counters.records == 1000
    # The first takes as many as one may (MAX_BATCH), the others the rest.
    assert log.counters.commits == math.ceil(1000 / MAX_BATCH)


async def test_records_that_come_one_by_one_have_a_commit_each(log, entry):
    for _ in range(5):
        await log.record(entry())
    assert log.counters.commits == 5


async def test_the_next_start_goes_on_with_the_chain(written, entry):
    log = await AuditLog.open(written)
    assert log.opening.ok
    assert await log.record(entry()) == 11
    report = await log.verify()
    await log.close()
    assert report.ok
    assert report.records == 11
    assert report.head == log.head


async def test_the_file_is_for_its_owner_only(log, path):
    file = segment_path(path, 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.with_name(f"{file.name}-wal").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET body = '{}' WHERE seq = 3",
        "UPDATE records SET seq = 99 WHERE seq = 3",
        "DELETE FROM records WHERE seq = 10",
        "DELETE FROM records",
        "INSERT OR REPLACE INTO records (seq, body, leaf, hash) VALUES (3, '{}', x'', x'00')",
        "INSERT INTO records (seq, body, leaf, hash) VALUES (12, '{}', x'', x'00')",
        "UPDATE checkpoints SET size = 3",
        "DELETE FROM checkpoints",
        "UPDATE meta SET value = 'another log'",
        "DELETE FROM meta",
    ],
)
async def test_the_database_itself_refuses_to_change_or_remove_anything(written, statement):
    with (
        closing(sqlite3.connect(segment_path(written, 1))) as database,
        pytest.raises(sqlite3.IntegrityError, match=r"append-only|without a gap"),
    ):
        database.execute(statement)
    assert verify_log(written).records == 10


def test_an_edited_record_is_found(written, tamper):
    tamper(written, 'UPDATE records SET body = replace(body, \'"new":"4"\', \'"new":"9"\')')
    report = verify_log(written)
    assert not report.ok
    assert report.first_broken_seq == 5
    assert [problem.seq for problem in report.problems] == [5]


def test_an_edited_record_with_its_hash_made_to_fit_breaks_the_next(written, tamper):
    with closing(sqlite3.connect(segment_path(written, 1))) as database:
        rows = database.execute("SELECT body, hash FROM records WHERE seq IN (4, 5)").fetchall()
    body = rows[1][0].replace('"new":"4"', '"new":"9"')
    leaf = leaf_hash(body.encode())
    new = f"body = '{body}', leaf = x'{leaf.hex()}', hash = x'{link(rows[0][1], leaf).hex()}'"
    tamper(written, f"UPDATE records SET {new} WHERE seq = 5")
    assert verify_log(written).first_broken_seq == 6


def test_a_removed_record_is_found(written, tamper):
    tamper(written, "DELETE FROM records WHERE seq IN (5, 6)")
    report = verify_log(written)
    assert report.first_broken_seq == 5
    assert report.problems[0].reason == "missing: record 7 follows 4"


def test_removed_first_records_are_found(written, tamper):
    tamper(written, "DELETE FROM records WHERE seq = 1")
    assert verify_log(written).first_broken_seq == 1


def test_swapped_records_are_found(written, tamper):
    tamper(
        written,
        "UPDATE records SET seq = 100 WHERE seq = 4",
        "UPDATE records SET seq = 4 WHERE seq = 5",
        "UPDATE records SET seq = 5 WHERE seq = 100",
    )
    assert verify_log(written).first_broken_seq == 4


@pytest.mark.parametrize("spoilt", ["5", "'text'", "x''", "zeroblob(32)"])
def test_a_hash_of_any_other_kind_is_found(written, spoilt, tamper):
    tamper(written, f"UPDATE records SET hash = {spoilt} WHERE seq = 10")
    assert verify_log(written).first_broken_seq == 10


@pytest.mark.parametrize("body", ["''", "'{}'", "x'ff00'", "'[1'", "'{\"format\":1}'"])
async def test_a_body_that_is_no_record_is_found_and_takes_no_other_with_it(written, body, tamper):
    tamper(written, f"UPDATE records SET body = {body} WHERE seq = 4")
    assert verify_log(written).first_broken_seq == 4
    log = await AuditLog.open(written)
    records = await log.query(last_seq=10)
    await log.close()
    assert [stored.seq for stored in records if stored.record is None] == [4]
    assert len(records) == 10


def test_a_record_of_another_log_is_found_even_where_its_hash_fits(written, entry):
    with closing(sqlite3.connect(segment_path(written, 1))) as database:
        (head,) = database.execute("SELECT hash FROM records WHERE seq = 10").fetchone()
        body = encode("another log", 11, {"event": "write", "time": "2026-11-24T12:00:00.0000000Z"})
        body = body[:-1] + ',"user":null}'
        leaf = leaf_hash(body.encode())
        database.execute(
            "INSERT INTO records (seq, body, leaf, hash) VALUES (11, ?, ?, ?)",
            (body, leaf, link(head, leaf)),
        )
        database.commit()
    report = verify_log(written)
    assert report.first_broken_seq == 11
    assert "number 11 of log another log" in report.problems[0].reason


def test_a_missing_trigger_is_found(written):
    with closing(sqlite3.connect(segment_path(written, 1))) as database:
        database.execute("DROP TRIGGER records_never_go")
    report = verify_log(written)
    assert report.first_broken_seq is None
    assert [problem.reason for problem in report.problems] == [
        "records_never_go is missing or not as it was made"
    ]


# What the chain alone cannot show


@pytest.fixture
def kept(written, tmp_path):
    """The newest checkpoint, copied to another place; then its traces in the folder go."""
    checkpoints = written / "checkpoints"
    copy = tmp_path / "kept.txt"
    shutil.copy(checkpoints / "latest.txt", copy)
    shutil.rmtree(checkpoints)
    return copy


def test_a_cut_tail_shows_only_against_a_checkpoint_kept_elsewhere(written, kept, tamper):
    tamper(written, "DELETE FROM records WHERE seq > 7", "DELETE FROM checkpoints WHERE size > 7")
    assert verify_log(written).ok
    report = verify_log(written, read_kept(kept))
    assert report.first_broken_seq == 8
    assert "missing: 10 records were signed on" in report.problems[0].reason
    assert "the log ends at 7: its tail was cut" in report.problems[0].reason


def test_a_cut_tail_shows_by_the_checkpoints_of_the_log_where_they_were_left(written, tamper):
    tamper(written, "DELETE FROM records WHERE seq > 7")
    report = verify_log(written)
    assert report.first_broken_seq == 8
    assert "10 records were signed, and the segment ends at 7" in report.problems[0].reason


@pytest.fixture
def rewritten(written, tamper):
    """Records 5 to 10 say something else, and leaf and chain fit again."""
    with closing(sqlite3.connect(segment_path(written, 1))) as database:
        rows = database.execute("SELECT seq, body, hash FROM records WHERE seq >= 4").fetchall()
    previous, changes = rows[0][2], []
    for seq, body, _ in rows[1:]:
        body = body.replace('"user":"olga"', '"user":"piotr"')
        leaf = leaf_hash(body.encode())
        previous = link(previous, leaf)
        new = f"body = '{body}', leaf = x'{leaf.hex()}', hash = x'{previous.hex()}'"
        changes.append(f"UPDATE records SET {new} WHERE seq = {seq}")
    tamper(written, *changes)
    return written


def test_a_chain_rewritten_to_its_end_shows_by_the_checkpoints_of_the_log(rewritten):
    report = verify_log(rewritten)
    assert report.problems[0].reason.startswith("records 1 to 10 are not those signed on")


def test_without_those_it_shows_only_against_a_checkpoint_kept_elsewhere(kept, rewritten, tamper):
    tamper(rewritten, "DELETE FROM checkpoints WHERE size = 10")
    assert verify_log(rewritten).ok
    report = verify_log(rewritten, read_kept(kept))
    assert not report.ok
    assert str(report.problems[0]).startswith(
        "segment 000001, record 1: records 1 to 10 are not those signed on 20"
    )


def test_checkpoints_that_were_kept_and_still_stand_are_fine(written, kept):
    report = verify_log(written, read_kept(kept))
    assert report.ok
    assert (report.records, report.signed) == (10, 10)


# A broken tail at the start


async def test_a_broken_tail_is_opened_logged_and_recorded_once(written, entry, caplog, tamper):
    tamper(written, 'UPDATE records SET body = replace(body, \'"new":"7"\', \'"new":"70"\')')
    log = await AuditLog.open(written)
    assert log.opening.first_broken_seq == 8
    assert await log.record(entry()) == 12
    (broken,) = [s.record for s in await log.query(first_seq=11, last_seq=11)]
    assert broken.event == "audit-chain-broken"
    assert broken.reason == "segment 000001, record 8: the payload is not the one that was hashed"
    assert broken.user is None
    assert "audit chain broken" in caplog.text
    assert (await log.verify()).first_broken_seq == 8
    await log.close()
    again = await AuditLog.open(written)
    assert again.opening.ok
    assert await again.record(entry()) == 13
    assert (await again.verify()).first_broken_seq == 8
    await again.close()


async def test_a_second_break_after_a_recorded_one_is_recorded_too(written, entry, tamper):
    tamper(written, 'UPDATE records SET body = replace(body, \'"new":"7"\', \'"new":"70"\')')
    await (await AuditLog.open(written)).close()
    tamper(written, "UPDATE records SET body = '{}' WHERE seq = 11")
    log = await AuditLog.open(written)
    assert log.opening.first_broken_seq in (8, 11)
    assert [s.record.event for s in await log.query(first_seq=12)] == ["audit-chain-broken"]
    await log.close()


async def test_a_trigger_that_was_taken_away_is_recorded_and_made_anew(written):
    with closing(sqlite3.connect(segment_path(written, 1))) as database:
        database.execute("DROP TRIGGER records_never_go")
    log = await AuditLog.open(written)
    (stored,) = await log.query(first_seq=11)
    await log.close()
    assert stored.record.reason == (
        "segment 000001: records_never_go is missing or not as it was made"
    )
    assert verify_log(written).ok


# Reading


async def test_records_are_found_by_number_and_time(log, entry):
    base = entry().time
    for number in range(6):
        await log.record(entry(new=str(number), time=base + number))
    by_number = await log.query(first_seq=2, last_seq=4)
    assert [stored.seq for stored in by_number] == [2, 3, 4]
    by_time = await log.query(start=base + 1, end=base + 3)
    assert [stored.record.new for stored in by_time] == ["1", "2"]
    assert by_time[0].record == entry(new="1", time=base + 1)
    assert [stored.seq for stored in await log.query(limit=2)] == [1, 2]
    assert await log.query(first_seq=7) == []


async def test_a_query_by_time_uses_its_index(log, path):
    with closing(sqlite3.connect(segment_path(path, 1))) as reader:
        plan = reader.execute(
            "EXPLAIN QUERY PLAN SELECT seq FROM records WHERE time >= '2026' AND time < '2027'"
        ).fetchall()
    assert "records_by_time" in plan[0][3]


async def test_the_log_can_be_verified_while_it_is_written(log, entry):
    writing = asyncio.gather(*(log.record(entry()) for _ in range(600)))
    assert (await log.verify()).ok
    await writing
    assert (await log.verify()).records == 600


# One process


async def test_a_second_opening_of_the_same_log_is_refused(log, path):
    with pytest.raises(LockHeldError, match=r"audit log .*audit is in use by process \d+"):
        await AuditLog.open(path)


async def test_a_closed_log_can_be_opened_again_and_refuses_records(path, entry):
    log = await AuditLog.open(path)
    await log.close()
    await log.close()
    with pytest.raises(AuditUnavailableError, match="it is closed"):
        await log.record(entry())
    await (await AuditLog.open(path)).close()


async def test_closing_stores_what_waits(path, entry):
    log = await AuditLog.open(path)
    waiting = [asyncio.create_task(log.record(entry())) for _ in range(1200)]
    await asyncio.sleep(0)
    await log.close()
    assert await asyncio.gather(*waiting) == list(range(1, 1201))
    assert verify_log(path).records == 1200
