"""What the audit log takes in a second, what a lone writer pays, and how long it holds the loop.

.venv/bin/python -m benchmarks.audit [--seconds 3] [--folder DIR]

Every record is on the disk (fsync) before it counts. The disk decides: `--folder` names one on
the disk that is meant; the figures of the disk alone stand beside.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from biogate_security.audit import AuditRecord
from biogate_security.audit_log import AuditLog
from biogate_security.audit_store.verify import verify_log
from biogate_security.filetime import now_ticks

WRITERS = (1, 8, 64, 512, 2048)


@dataclass
class Measured:
    """Of one number of writers; times in seconds."""

    writers: int
    seconds: float
    records: int
    commits: int
    cpu: float
    waits: list[float] = field(default_factory=list)
    stalls: list[float] = field(default_factory=list)

    def row(self) -> str:
        """One line of the table."""
        waits = sorted(self.waits)
        cells = (
            f"{self.writers:,}",
            f"{self.records / self.seconds:,.0f}",
            f"{self.records / max(1, self.commits):,.1f}",
            f"{1e3 * statistics.median(waits):,.2f}",
            f"{1e3 * waits[int(len(waits) * 0.99)]:,.2f}",
            f"{1e6 * self.cpu / self.records:,.1f}",
            f"{1e3 * max(self.stalls):,.1f}",
        )
        return f"| {' | '.join(cells)} |"


def record_of(number: int) -> AuditRecord:
    """A write as the gateway records it."""
    return AuditRecord(
        event="write",
        time=now_ticks(),
        user="operator",
        roles=("Operator",),
        session_id="i=4711",
        application_uri="urn:client:mes",
        certificate_sha256="ab" * 32,
        address="127.0.0.1:51234",
        zone="cell",
        node_id="nsu=urn:biogate:example:plant;s=BR101/pH/ControllerFunction/TargetValue",
        tag="RC101.ph_setpoint",
        attribute="Value",
        old=repr(7.0 + number % 7 / 10),
        new=repr(7.0 + number % 5 / 10),
        rule="role Operator",
        authentication="UserName",
    )


async def watch_loop(stalls: list[float]) -> None:
    """How late a timer of 1 ms comes: what others would have to wait for the loop."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        stalls.append(time.perf_counter() - before - 0.001)


async def measure(log: AuditLog, writers: int, seconds: float) -> Measured:
    """Keep `writers` records waiting for `seconds`."""
    measured = Measured(writers, seconds, 0, 0, 0.0)
    watching = asyncio.create_task(watch_loop(measured.stalls))
    records, commits = log.counters.records, log.counters.commits
    begun, cpu = time.perf_counter(), time.process_time()
    end = begun + seconds

    async def write() -> None:
        number = 0
        while (before := time.perf_counter()) < end:
            await log.record(record_of(number))
            measured.waits.append(time.perf_counter() - before)
            number += 1

    await asyncio.gather(*(write() for _ in range(writers)))
    measured.seconds = time.perf_counter() - begun
    measured.cpu = time.process_time() - cpu
    measured.records = log.counters.records - records
    measured.commits = log.counters.commits - commits
    watching.cancel()
    return measured


def fsyncs_per_second(folder: Path, seconds: float = 1.0) -> float:
    """What the disk alone does: append 4 KiB, fsync, and again."""
    file = folder / "fsync"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    try:
        count, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            os.write(descriptor, bytes(4096))
            os.fsync(descriptor)
            count += 1
    finally:
        os.close(descriptor)
        file.unlink()
    return count / seconds


def verified_per_second(folder: Path) -> float:
    """Records a second of a whole verification, in one process."""
    begun = time.perf_counter()
    report = verify_log(folder)
    if not report.ok:
        raise SystemExit(f"the log does not verify: {report.problems[0]}")
    return report.records / (time.perf_counter() - begun)


async def run(folder: Path, seconds: float) -> None:
    """Measure all and print the tables."""
    print(f"The disk alone: {fsyncs_per_second(folder):,.0f} fsyncs of 4 KiB a second\n")
    print(
        "| writers | records/s | records a commit | median ms | 99 % ms | CPU µs | loop held ms |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|")
    await with_log(folder / "audit", lambda log: each_size(log, seconds))
    size = sum(file.stat().st_size for file in (folder / "audit").glob("*.sqlite"))
    rate = verified_per_second(folder / "audit")
    print(f"\nVerified: {rate:,.0f} records/s; the log takes {size / (1 << 20):,.0f} MiB")


async def each_size(log: AuditLog, seconds: float) -> None:
    """One row for each number of writers."""
    for writers in WRITERS:
        print((await measure(log, writers, seconds)).row(), flush=True)
    print(f"\n{size_of_record(log):,.0f} bytes a record")


def size_of_record(log: AuditLog) -> float:
    """Bytes that a record takes in its segments."""
    files = log.folder.glob("*.sqlite")
    return sum(file.stat().st_size for file in files) / max(1, log.counters.records)


async def with_log(folder: Path, work: Callable[[AuditLog], Awaitable[None]]) -> None:
    """Open a log, work with it, close it."""
    log = await AuditLog.open(folder)
    try:
        await work(log)
    finally:
        await log.close()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="of each row")
    parser.add_argument("--folder", type=Path, help="where to write; default: a temporary folder")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="biogate-audit-", dir=options.folder))
    try:
        asyncio.run(run(folder, options.seconds))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
