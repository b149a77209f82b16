"""Whoever stops waiting leaves nothing half done, locked or running."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from biogate_security.audit import AuditUnavailableError
from biogate_security.audit_log import AuditLog
from biogate_security.audit_store.verify import verify_log

SECRET = "correct horse battery"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit"


async def cancelled(task):
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_caller_that_is_cancelled_leaves_its_record_and_disturbs_no_other(log, entry):
    tasks = [asyncio.create_task(log.record(entry(new=str(n)))) for n in range(5)]
    await asyncio.sleep(0)
    await cancelled(tasks.pop(2))
    assert await asyncio.gather(*tasks) == [1, 2, 4, 5]
    assert [stored.record.new for stored in await log.query()] == ["0", "1", "2", "3", "4"]
    assert await log.record(entry()) == 6
    assert (await log.verify()).ok


async def test_a_cancelled_writer_refuses_what_waits_and_gives_the_file_back(path, entry):
    threads = threading.active_count()
    log = await AuditLog.open(path)
    waiting = [asyncio.create_task(log.record(entry())) for _ in range(1500)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    await cancelled(log._writer)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    refused = [result for result in results if isinstance(result, AuditUnavailableError)]
    stored = [result for result in results if isinstance(result, int)]
    assert len(refused) + len(stored) == 1500
    assert refused
    assert "writer was stopped" in str(refused[0])
    with pytest.raises(AuditUnavailableError, match="closed"):
        await log.record(entry())
    await log.close()
    report = verify_log(path)
    assert report.ok
    assert report.records >= len(stored)
    await (await AuditLog.open(path)).close()
    assert threading.active_count() <= threads + 2  # the loop's own pool for to_thread


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 40, 200])
async def test_an_opening_cancelled_at_any_point_leaves_the_log_free(path, entry, turns):
    opening = asyncio.create_task(AuditLog.open(path))
    for _ in range(turns):
        await asyncio.sleep(0)
    opening.cancel()
    (result,) = await asyncio.gather(opening, return_exceptions=True)
    if isinstance(result, AuditLog):
        await result.close()
    log = await AuditLog.open(path)
    assert await log.record(entry()) == 1
    await log.close()


async def test_a_cancelled_close_still_stores_what_waits_and_closes(path, entry):
    log = await AuditLog.open(path)
    waiting = [asyncio.create_task(log.record(entry())) for _ in range(100)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(log.close())
    await asyncio.sleep(0)
    await cancelled(closing)
    assert await asyncio.gather(*waiting) == list(range(1, 101))
    await log.close()
    await (await AuditLog.open(path)).close()


FORGETFUL = """
import asyncio, pathlib, sys
from biogate_security.audit import AuditRecord
from biogate_security.audit_log import AuditLog

async def main():
    log = await AuditLog.open(pathlib.Path(sys.argv[1]))
    await log.record(AuditRecord("write", 0, "olga"))
    raise RuntimeError("and nobody closes")

asyncio.run(main())
"""


def test_a_program_that_dies_of_an_error_ends_although_nobody_closed_the_log(path):
    done = subprocess.run(
        [sys.executable, "-c", FORGETFUL, path], capture_output=True, timeout=30, check=False
    )
    assert b"nobody closes" in done.stderr
    assert done.returncode == 1
    assert verify_log(path).records == 1


async def test_a_login_given_up_counts_as_a_guess(users, gate):
    await users.add("olga", SECRET, ())
    for number in range(5):
        gate.opened.clear()
        login = asyncio.create_task(users.authenticate("olga", f"guess {number}"))
        await gate.begun()
        await cancelled(login)
        gate.opened.set()
        await users.close()
    assert await users.authenticate("olga", SECRET) is None
    assert users.counters["locked_out"] == 1


async def test_logins_given_up_hold_their_place_until_their_hash_is_done(users, gate):
    for _ in range(40):
        login = asyncio.create_task(users.authenticate("nobody", "x"))
        await asyncio.sleep(0)
        login.cancel()
        await asyncio.gather(login, return_exceptions=True)
    await gate.begun()
    await gate.begun()
    assert gate.total == 2
    assert users.counters["too_many_logins_at_once"] == 40 - 8 - 2
    gate.opened.set()
    await users.close()
    assert gate.most == 2
    await users.add("olga", SECRET, ())
    assert await users.authenticate("olga", SECRET)
