"""kill -9 during 10,000 audited writes: every effect has its record, and the chain verifies.

A process writes as the gateway does: the intention is recorded, then the effect happens (a line
in a pipe, which outlives the process), then the outcome is recorded. It is killed at some moment
and started again, until 10,000 effects have happened. Segments are small, so that it is killed
while it rotates and signs, too.
"""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

from biogate_security.audit_log import AuditLog
from biogate_security.audit_store.query import query_log
from biogate_security.audit_store.segment import segment_files
from biogate_security.audit_store.state import AuditOptions
from biogate_security.audit_store.verify import read_kept, verify_log

EFFECTS = 10_000
OPTIONS = "AuditOptions(segment_bytes=200_000, checkpoint_every=100)"
WRITER = f"""
import asyncio, os, pathlib, sys
from biogate_security.audit import AuditRecord
from biogate_security.audit_log import AuditLog
from biogate_security.audit_store.state import AuditOptions

async def main():
    log = await AuditLog.open(pathlib.Path(sys.argv[1]), options={OPTIONS})
    async def one(writer):
        number = 0
        while True:
            value = f"{{os.getpid()}}-{{writer}}-{{number}}"
            seq = await log.record(AuditRecord("write", 0, "olga", new=value))
            os.write(1, f"{{seq}} {{value}}\\n".encode())
            done = await log.record(AuditRecord("write-outcome", 0, "olga", new=value))
            os.write(1, f"{{done}} {{value}}\\n".encode())
            number += 1
    await asyncio.gather(*(one(writer) for writer in range(32)))

asyncio.run(main())
"""


def run_and_kill(folder, lines):
    """The lines that a writer wrote until it was killed after some of them."""
    command = [sys.executable, "-c", WRITER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        told = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.readlines()
    return [line.decode().split() for line in told if line.endswith(b"\n")]


def test_every_effect_of_ten_thousand_writes_has_its_record_whenever_the_process_is_killed(
    tmp_path,
):
    folder, told, chance = tmp_path / "audit", [], random.Random(4)
    while len(told) < 2 * EFFECTS:
        told += run_and_kill(folder, chance.randint(500, 4500))
        report = verify_log(folder)
        assert report.ok, report.problems
    assert len(segment_files(folder)) > 5
    stored = {str(each.seq): each.record.new for each in query_log(folder)}
    lost = [(seq, value) for seq, value in told if stored.get(seq) != value]
    assert lost == []


async def test_after_a_kill_the_log_goes_on_and_the_checkpoints_kept_before_still_fit(
    tmp_path, entry
):
    folder = tmp_path / "audit"
    run_and_kill(folder, 1000)
    (day,) = (folder / "checkpoints").glob("2*.txt")
    kept = read_kept(day)
    run_and_kill(folder, 1000)
    before = verify_log(folder).records
    log = await AuditLog.open(folder, options=AuditOptions(checkpoint_every=100))
    assert log.opening.ok
    assert await log.record(entry()) == before + 1
    await log.close()
    assert verify_log(folder, kept).ok
    with closing(sqlite3.connect(max(segment_files(folder).values()))) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
