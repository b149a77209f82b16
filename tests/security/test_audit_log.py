"""The audit log: on disk before record() returns, gap-free, append-only, honest about breaks."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from contextlib import closing

import pytest

from biogate_security.audit import AuditSink, AuditUnavailableError
from biogate_security.audit_chain import Head, encode, link
from biogate_security.audit_file import SCHEMA, verify_file
from biogate_security.audit_log import AuditLog
from biogate_security.folder_lock import LockHeldError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit.sqlite"


@pytest.fixture
async def written(path, entry):
    """A closed log of ten records."""
    log = await AuditLog.open(path)
    for number in range(10):
        await log.record(entry(new=str(number)))
    await log.close()
    return path


def tamper(path, *statements):
    """What somebody with the file and an SQL shell can do: the triggers go first."""
    with closing(sqlite3.connect(path)) as database:
        for name in [name for name in SCHEMA if "never" in name or "order" in name]:
            database.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            database.execute(statement)
        for name in [name for name in SCHEMA if "never" in name or "order" in name]:
            database.execute(SCHEMA[name])
        database.commit()


async def test_records_are_numbered_from_one_without_a_gap(log, entry):
    assert [await log.record(entry()) for _ in range(3)] == [1, 2, 3]


async def test_it_satisfies_the_seam(log, entry):
    sink: AuditSink = log
    assert await sink.record(entry()) == 1


async def test_a_record_is_on_disk_when_its_number_is_known(log, path, entry):
    seq = await log.record(entry(new="2.5"))
    with closing(sqlite3.connect(path)) as other:
        (body,) = other.execute("SELECT body FROM records WHERE seq = ?", (seq,)).fetchone()
    assert '"new":"2.5"' in body


async def test_each_commit_is_synced(log):
    """SQLite: FULL syncs the write-ahead log at every commit, NORMAL does not."""
    rows = await log._database.execute_fetchall("PRAGMA synchronous")
    assert list(rows) == [(2,)]
    assert list(await log._database.execute_fetchall("PRAGMA journal_mode")) == [("wal",)]


async def test_records_that_wait_together_share_a_commit(log, entry):
    numbers = await asyncio.gather(*(log.record(entry(new=str(n))) for n in range(1000)))
    assert numbers == list(range(1, 1001))
    assert log.counters.records == 1000
    # The first takes what is there (512), the second the rest: 500 records to a commit.
    assert log.counters.commits == 2


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
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.with_name("audit.sqlite-wal").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET body = '{}' WHERE seq = 3",
        "UPDATE records SET seq = 99 WHERE seq = 3",
        "DELETE FROM records WHERE seq = 10",
        "DELETE FROM records",
        "INSERT OR REPLACE INTO records (seq, body, hash) VALUES (3, '{}', x'00')",
        "INSERT INTO records (seq, body, hash) VALUES (12, '{}', x'00')",
        "UPDATE meta SET value = 'another log'",
        "DELETE FROM meta",
    ],
)
async def test_the_database_itself_refuses_to_change_or_remove_anything(written, statement):
    with (
        closing(sqlite3.connect(written)) as database,
        pytest.raises(sqlite3.IntegrityError, match=r"append-only|without a gap"),
    ):
        database.execute(statement)
    assert verify_file(written).records == 10


def test_an_edited_record_is_found(written):
    tamper(written, 'UPDATE records SET body = replace(body, \'"new":"4"\', \'"new":"9"\')')
    report = verify_file(written)
    assert not report.ok
    assert report.first_broken_seq == 5
    assert [problem.seq for problem in report.problems] == [5]


def test_an_edited_record_with_its_hash_made_to_fit_breaks_the_next(written):
    with closing(sqlite3.connect(written)) as database:
        rows = database.execute("SELECT body, hash FROM records WHERE seq IN (4, 5)").fetchall()
    body = rows[1][0].replace('"new":"4"', '"new":"9"')
    forged = link(rows[0][1], body.encode()).hex()
    tamper(written, f"UPDATE records SET body = '{body}', hash = x'{forged}' WHERE seq = 5")
    assert verify_file(written).first_broken_seq == 6


def test_a_removed_record_is_found(written):
    tamper(written, "DELETE FROM records WHERE seq IN (5, 6)")
    report = verify_file(written)
    assert report.first_broken_seq == 5
    assert report.problems[0].reason == "missing: record 7 follows 4"


def test_removed_first_records_are_found(written):
    tamper(written, "DELETE FROM records WHERE seq = 1")
    assert verify_file(written).first_broken_seq == 1


def test_swapped_records_are_found(written):
    tamper(
        written,
        "UPDATE records SET seq = 100 WHERE seq = 4",
        "UPDATE records SET seq = 4 WHERE seq = 5",
        "UPDATE records SET seq = 5 WHERE seq = 100",
    )
    assert verify_file(written).first_broken_seq == 4


@pytest.mark.parametrize("spoilt", ["5", "'text'", "x''", "zeroblob(32)"])
def test_a_hash_of_any_other_kind_is_found(written, spoilt):
    tamper(written, f"UPDATE records SET hash = {spoilt} WHERE seq = 10")
    assert verify_file(written).first_broken_seq == 10


@pytest.mark.parametrize("body", ["''", "'{}'", "x'ff00'", "'[1'", "'{\"format\":1}'"])
async def test_a_body_that_is_no_record_is_found_and_takes_no_other_with_it(written, body):
    tamper(written, f"UPDATE records SET body = {body} WHERE seq = 4")
    assert verify_file(written).first_broken_seq == 4
    log = await AuditLog.open(written)
    records = await log.query(last_seq=10)
    await log.close()
    assert [stored.seq for stored in records if stored.record is None] == [4]
    assert len(records) == 10


def test_a_record_of_another_log_is_found_even_where_its_hash_fits(written, entry):
    with closing(sqlite3.connect(written)) as database:
        (head,) = database.execute("SELECT hash FROM records WHERE seq = 10").fetchone()
        body = encode("another log", 11, {"event": "write", "time": "2026-11-24T12:00:00.0000000Z"})
        body = body[:-1] + ',"user":null}'
        database.execute(
            "INSERT INTO records (seq, body, hash) VALUES (11, ?, ?)",
            (body, link(head, body.encode())),
        )
        database.commit()
    report = verify_file(written)
    assert report.first_broken_seq == 11
    assert "number 11 of log another log" in report.problems[0].reason


def test_a_missing_trigger_is_found(written):
    with closing(sqlite3.connect(written)) as database:
        database.execute("DROP TRIGGER records_never_go")
    report = verify_file(written)
    assert report.first_broken_seq is None
    assert [problem.reason for problem in report.problems] == [
        "records_never_go is missing or not as it was made"
    ]


# What the chain alone cannot show


def test_a_cut_tail_shows_only_against_a_head_kept_elsewhere(written):
    head = verify_file(written).head
    tamper(written, "DELETE FROM records WHERE seq > 7")
    assert verify_file(written).ok
    report = verify_file(written, [head])
    assert report.first_broken_seq == 10
    assert report.problems[0].reason == "missing: its head was kept, the log ends at 7"


def test_a_chain_rewritten_to_its_end_shows_only_against_a_head_kept_elsewhere(written):
    report = verify_file(written)
    with closing(sqlite3.connect(written)) as database:
        rows = database.execute("SELECT seq, body, hash FROM records WHERE seq >= 4").fetchall()
    previous, changes = rows[0][2], []
    for seq, body, _ in rows[1:]:
        body = body.replace('"user":"olga"', '"user":"piotr"')
        previous = link(previous, body.encode())
        new = f"body = '{body}', hash = x'{previous.hex()}'"
        changes.append(f"UPDATE records SET {new} WHERE seq = {seq}")
    tamper(written, *changes)
    assert verify_file(written).ok
    assert verify_file(written, [report.head]).first_broken_seq == 10


def test_heads_that_were_kept_and_still_stand_are_fine(written):
    whole = verify_file(written)
    empty = Head(0, b"")
    assert verify_file(written, [whole.head, empty]).ok


# A broken tail at the start


async def test_a_broken_tail_is_opened_logged_and_recorded_once(written, entry, caplog):
    tamper(written, 'UPDATE records SET body = replace(body, \'"new":"7"\', \'"new":"70"\')')
    log = await AuditLog.open(written)
    assert log.opening.first_broken_seq == 8
    assert await log.record(entry()) == 12
    (broken,) = [s.record for s in await log.query(first_seq=11, last_seq=11)]
    assert broken.event == "audit-chain-broken"
    assert broken.reason == "record 8: the hash is not that of the record before and this one"
    assert broken.user is None
    assert "audit chain broken" in caplog.text
    assert (await log.verify()).first_broken_seq == 8
    await log.close()
    again = await AuditLog.open(written)
    assert again.opening.ok
    assert await again.record(entry()) == 13
    assert (await again.verify()).first_broken_seq == 8
    await again.close()


async def test_a_second_break_after_a_recorded_one_is_recorded_too(written, entry):
    tamper(written, 'UPDATE records SET body = replace(body, \'"new":"7"\', \'"new":"70"\')')
    await (await AuditLog.open(written)).close()
    tamper(written, "UPDATE records SET body = '{}' WHERE seq = 11")
    log = await AuditLog.open(written)
    assert log.opening.first_broken_seq in (8, 11)
    assert [s.record.event for s in await log.query(first_seq=12)] == ["audit-chain-broken"]
    await log.close()


async def test_a_trigger_that_was_taken_away_is_recorded_and_made_anew(written):
    with closing(sqlite3.connect(written)) as database:
        database.execute("DROP TRIGGER records_never_go")
    log = await AuditLog.open(written)
    (stored,) = await log.query(first_seq=11)
    await log.close()
    assert stored.record.reason == ("the file: records_never_go is missing or not as it was made")
    assert verify_file(written).ok


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
    with closing(sqlite3.connect(path)) as reader:
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
    with pytest.raises(LockHeldError, match=r"audit log .*audit\.sqlite is in use by process \d+"):
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
    assert verify_file(path).records == 1200
