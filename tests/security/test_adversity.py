"""Full disks, locked and vanished files, killed processes, hostile text, storms of logins."""

from __future__ import annotations

import asyncio
import errno
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biogate_security import audit_log, private_file, status
from biogate_security.audit import AuditUnavailableError
from biogate_security.audit_log import AuditLog
from biogate_security.audit_store import writer
from biogate_security.audit_store.segment import segment_path
from biogate_security.audit_store.state import AuditOptions
from biogate_security.audit_store.verify import verify_log
from biogate_security.own_certificate import ApplicationIdentity
from biogate_security.passwords import Passwords
from biogate_security.pki import Pki
from biogate_security.users import Account

SECRET = "correct horse battery"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit"


async def outcome(awaited):
    (result,) = await asyncio.gather(awaited, return_exceptions=True)
    return result


# The audit log


async def test_a_full_disk_refuses_the_record_keeps_the_chain_and_goes_on_with_more_room(
    path, entry, caplog
):
    log = await AuditLog.open(path, options=AuditOptions(max_bytes=128 * 1024))
    large = [log.record(entry(new="x" * 1000)) for _ in range(20)]
    stored = (await asyncio.gather(*large))[-1]
    while not isinstance(refused := await outcome(log.record(entry(new="x" * 1000))), Exception):
        stored = refused
    assert "full" in str(refused)
    with pytest.raises(AuditUnavailableError, match="full"):
        await log.record(entry(new="x" * 1000))
    assert sum("audit log unavailable" in record.message for record in caplog.records) == 1
    report = await log.verify()
    assert (report.ok, report.head.seq) == (True, stored)
    await log.close()
    roomier = await AuditLog.open(path, options=AuditOptions(max_bytes=1024 * 1024))
    assert await roomier.record(entry(new="x" * 1000)) == stored + 1
    assert (await roomier.verify()).ok
    await roomier.close()


async def test_a_locked_file_refuses_and_the_next_record_after_it_has_the_next_number(
    path, entry, monkeypatch, caplog
):
    caplog.set_level("INFO")
    monkeypatch.setattr(writer, "BUSY_TIMEOUT_S", 0.01)
    log = await AuditLog.open(path)
    assert await log.record(entry()) == 1
    with closing(sqlite3.connect(segment_path(path, 1), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            with pytest.raises(AuditUnavailableError, match="locked"):
                await log.record(entry())
        other.execute("ROLLBACK")
    assert await log.record(entry()) == 2
    assert log.counters.refused == 3
    messages = [r.message for r in caplog.records if "available" in r.message]
    assert messages == [
        "audit log unavailable: what needs a record is refused",
        "audit log available again",
    ]
    assert (await log.verify()).ok
    await log.close()


@pytest.mark.parametrize("how", ["moved", "removed", "replaced"])
async def test_a_file_that_is_no_longer_there_is_noticed_at_the_next_record(path, entry, how):
    log = await AuditLog.open(path)
    await log.record(entry())
    file = segment_path(path, 1)
    if how == "replaced":
        shutil.copy(file, file.with_name("copy"))
        file.with_name("copy").replace(file)
    elif how == "moved":
        file.rename(file.with_name("elsewhere"))
    else:
        file.unlink()
    for _ in range(2):
        with pytest.raises(AuditUnavailableError, match=r"No such file|moved or replaced"):
            await log.record(entry())
    await log.close()


async def test_a_record_that_another_program_slips_in_is_refused_or_found(path, entry):
    log = await AuditLog.open(path)
    await log.record(entry())
    with closing(sqlite3.connect(segment_path(path, 1))) as other:
        other.execute(
            "INSERT INTO records (seq, body, leaf, hash) VALUES (2, '{}', x'', zeroblob(32))"
        )
        other.commit()
    with pytest.raises(AuditUnavailableError, match="without a gap"):
        await log.record(entry())
    assert await log.record(entry()) == 3
    assert (await log.verify()).first_broken_seq == 2
    await log.close()


NO_DATABASE = b"not a database, but long enough " * 40


@pytest.mark.parametrize("content", [NO_DATABASE, b"SQLite format 3\0"])
async def test_a_file_that_is_no_database_cannot_be_used_and_is_left_alone(path, content):
    path.mkdir()
    file = segment_path(path, 1)
    file.write_bytes(content)
    with pytest.raises(AuditUnavailableError, match=r"cannot be used: .*000001\.sqlite: "):
        await AuditLog.open(path)
    assert file.read_bytes() == content


async def test_another_programs_database_is_left_alone(path):
    path.mkdir()
    with closing(sqlite3.connect(segment_path(path, 1))) as other:
        other.execute("CREATE TABLE history (time INTEGER)")
    with pytest.raises(AuditUnavailableError, match="another kind of SQLite file"):
        await AuditLog.open(path)
    with closing(sqlite3.connect(segment_path(path, 1))) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("history",)]


async def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(AuditUnavailableError, match="No such file"):
        await AuditLog.open(tmp_path / "nowhere" / "audit")


async def test_a_log_that_cannot_be_opened_is_not_kept_locked(path):
    path.mkdir()
    segment_path(path, 1).write_bytes(NO_DATABASE)
    with pytest.raises(AuditUnavailableError):
        await AuditLog.open(path)
    segment_path(path, 1).unlink()
    await (await AuditLog.open(path)).close()


async def test_more_waiting_records_than_the_bound_are_refused_at_once(path, entry, monkeypatch):
    monkeypatch.setattr(audit_log, "MAX_WAITING", 10)
    log = await AuditLog.open(path)
    asked = [log.record(entry()) for _ in range(12)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert results[:10] == list(range(1, 11))
    assert [type(result) for result in results[10:]] == [AuditUnavailableError] * 2
    assert "10 records wait" in str(results[11])
    await log.close()


async def test_hostile_text_is_stored_and_read_back_harmless(log, entry):
    hostile = "ok\x00\n2026-11-24 WRITE allowed\x1b[2J\u202e\ud800" + "x" * 1_000_000
    await log.record(entry(user=hostile, new=hostile, reason=hostile, roles=(hostile,) * 3))
    (stored,) = await log.query()
    assert "\n" not in stored.record.new
    assert stored.record.user.startswith("ok\\u0000\\u000a2026-11-24 WRITE")
    assert len(stored.record.new) < 5000
    assert (await log.verify()).ok


WRITER = """
import asyncio, pathlib, sys
from biogate_security.audit import AuditRecord
from biogate_security.audit_log import AuditLog

async def main():
    log = await AuditLog.open(pathlib.Path(sys.argv[1]))
    async def one():
        while True:
            print(await log.record(AuditRecord("write", 0, "olga", new="1")), flush=True)
    await asyncio.gather(*(one() for _ in range(8)))

asyncio.run(main())
"""


@pytest.fixture
def killed(path):
    """What a writer had answered when it was killed while it wrote."""
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE) as writer:
        answered = [int(writer.stdout.readline()) for _ in range(200)]
        writer.send_signal(signal.SIGKILL)
        return answered + [int(line) for line in writer.stdout if line.endswith(b"\n")]


async def test_every_record_that_was_answered_survives_a_killed_process(path, entry, killed):
    report = verify_log(path)
    assert report.ok
    assert report.records >= max(killed)
    log = await AuditLog.open(path)
    assert await log.record(entry()) == report.records + 1
    await log.close()


@pytest.fixture
async def torn(tmp_path, entry):
    """Copies of a log and its write-ahead log as they lie on disk after ten commits."""
    folder = tmp_path / "whole"
    folder.mkdir()
    log = await AuditLog.open(folder)
    for number in range(10):
        await log.record(entry(new=str(number)))
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    await log.close()
    return copy


@given(cut=st.integers(0, 60_000))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_write_ahead_log_cut_anywhere_leaves_a_chain_that_verifies(torn, cut):
    whole = (torn / "000001.sqlite-wal").read_bytes()
    work = torn.with_name("work")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    shutil.copy(torn / "000001.sqlite", work)
    shutil.copytree(torn / "keys", work / "keys")
    (work / "000001.sqlite-wal").write_bytes(whole[: max(0, len(whole) - cut)])
    with closing(sqlite3.connect(work / "000001.sqlite")) as database:
        made = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'records'").fetchone()
    if made:
        report = verify_log(work / "000001.sqlite")
        assert report.ok
        assert report.records <= 10
        assert report.records == 10 or cut > 0


# Files


@pytest.fixture
def full_disk(monkeypatch):
    """From now on no private file reaches the disk."""

    def fail(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(private_file.os, "fsync", fail)


async def test_a_full_disk_leaves_the_users_as_they_were(users, tmp_path, full_disk):
    with pytest.raises(OSError, match="No space left"):
        await users.make_missing([Account("operator", frozenset({"Operator"}))])
    assert users.names == []
    assert list(tmp_path.iterdir()) == []


async def test_a_login_is_good_even_if_its_renewed_hash_cannot_be_stored(
    users, tmp_path, monkeypatch, caplog
):
    await users.add("olga", SECRET, ())
    before = (tmp_path / "users.json").read_bytes()
    monkeypatch.setattr(Passwords, "is_outdated", lambda *_: True)
    monkeypatch.setattr(Path, "replace", _no_space)
    assert await users.authenticate("olga", SECRET)
    assert "password hash not renewed" in caplog.text
    assert (tmp_path / "users.json").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["users.json"]


def _no_space(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


# The PKI folder


@pytest.fixture
def pki(tmp_path, clock):
    identity = ApplicationIdentity("urn:example:gateway", ["127.0.0.1"])
    return Pki(tmp_path / "pki", identity, clock=clock.ticks)


def test_a_stranger_is_refused_also_when_it_cannot_be_kept(pki, party, monkeypatch, caplog):
    monkeypatch.setattr(Path, "replace", _no_space)
    assert pki.validate(party().der) == status.BAD_CERTIFICATE_UNTRUSTED
    assert pki.rejected() == []
    assert pki.counters["not_kept"] == 1
    assert "No space left" in caplog.records[-1].error


def test_while_the_trust_folder_is_gone_nobody_is_trusted(pki, party, tmp_path, caplog):
    client, trusted = party(), tmp_path / "pki" / "trusted"
    (trusted / "certs" / "client.der").write_bytes(client.der)
    assert pki.validate(client.der) == status.GOOD
    trusted.rename(tmp_path / "elsewhere")
    for _ in range(3):
        assert pki.validate(client.der) == status.BAD_CERTIFICATE_UNTRUSTED
    assert sum("nobody is trusted" in record.message for record in caplog.records) == 1
    (tmp_path / "elsewhere").rename(trusted)
    assert pki.validate(client.der) == status.GOOD


def test_a_folder_or_a_dangling_link_in_the_trust_list_is_no_obstacle(pki, party, tmp_path):
    client, certs = party(), tmp_path / "pki" / "trusted" / "certs"
    (certs / "folder.der").mkdir()
    (certs / "link.der").symlink_to(tmp_path / "nowhere")
    (certs / "client.der").write_bytes(client.der)
    assert pki.validate(client.der) == status.GOOD


# Logins


async def test_a_storm_of_logins_hashes_two_at_once_and_refuses_what_is_over_the_bound(users, gate):
    storm = [
        asyncio.create_task(users.authenticate(f"name {n}", "x", f"192.0.2.{n % 50}"))
        for n in range(200)
    ]
    await asyncio.wait([storm[-1]])
    assert users.counters["too_many_logins_at_once"] == 200 - 32 - 2
    gate.opened.set()
    assert await asyncio.gather(*storm) == [None] * 200
    assert gate.most == 2
    assert gate.total == 32 + 2


async def test_a_flood_of_logins_from_one_source_does_not_starve_another(users, gate):
    await users.add("olga", SECRET, ())
    flood = [
        asyncio.create_task(users.authenticate(f"name {n}", "x", "192.0.2.66")) for n in range(100)
    ]
    await gate.begun()
    await gate.begun()
    login = asyncio.create_task(users.authenticate("olga", SECRET, "192.0.2.1"))
    await asyncio.sleep(0)
    gate.opened.set()
    assert await login
    await asyncio.gather(*flood)
    assert users.counters["too_many_logins_at_once"] == 100 - 8 - 2


async def test_the_addresses_of_one_ipv6_network_take_turns_as_one(users, gate):
    flood = [
        asyncio.create_task(users.authenticate(f"name {n}", "x", f"[2001:db8::{n:x}]"))
        for n in range(1, 41)
    ]
    await asyncio.wait([flood[-1]])
    assert users.counters["too_many_logins_at_once"] == 40 - 8 - 2
    gate.opened.set()
    await asyncio.gather(*flood)


async def test_guesses_made_at_the_same_time_do_not_pass_the_lock(users, gate):
    await users.add("olga", SECRET, ())
    guesses = [asyncio.create_task(users.authenticate("olga", f"guess {n}")) for n in range(30)]
    await gate.begun()
    gate.opened.set()
    await asyncio.gather(*guesses)
    # Five fail one after another; one more may have been under way beside the fifth.
    assert 5 <= gate.total <= 6
    counters = users.counters
    assert counters["locked_out"] + counters["too_many_logins_at_once"] == 30 - gate.total


async def test_an_account_disabled_while_its_password_is_checked_does_not_get_in(users, gate):
    await users.add("olga", SECRET, ())
    login = asyncio.create_task(users.authenticate("olga", SECRET))
    await gate.begun()
    users.set_disabled("olga", disabled=True)
    gate.opened.set()
    assert await login is None


async def test_a_password_replaced_while_it_is_checked_does_not_get_in(users, gate):
    await users.add("olga", SECRET, ())
    login = asyncio.create_task(users.authenticate("olga", SECRET))
    await gate.begun()
    await users.set_password("olga", "another long secret")
    gate.opened.set()
    assert await login is None
    assert await users.authenticate("olga", "another long secret")
