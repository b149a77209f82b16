"""Soak: clients connect, subscribe, misbehave and leave; memory stays flat and nothing is lost.

    python -m benchmarks.soak --minutes 30 --clients 20

A quarter of the clients subscribe to every change of 1,000 variables at 10 Hz for the whole time,
and must get all of them. The others come and go in a process of their own, each time in one of
the ways of `benchmarks/load/misbehaviour.py`. Exit code 0: the server held; 1: it did not, and
the last lines say how.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Any

from benchmarks.layout import NAMESPACE
from benchmarks.load.answers import WrongAnswerError
from benchmarks.load.misbehaviour import BEHAVIOURS, KeptError, Visit
from benchmarks.load.security import identity
from benchmarks.load.session import Target, discover
from benchmarks.processes import KINDS, Load, MeasuringError, Server
from benchmarks.scenarios import SIM_HZ

_QUEUE_SIZE = 100
_WARM_UP = 0.2
_PARTS = 8
_LINES = 30
_SAMPLE_S = 0.5
_SHOWN = 10


@dataclass
class Visits:
    """Who came, and what the server did wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def keep_coming(self, target: Target, seed: int, stop: Event) -> None:
        """One client after the other, until `stop`."""
        chance = random.Random(seed)
        names: list[str] = []
        while not stop.is_set():
            if not names:
                names = chance.sample(list(BEHAVIOURS), len(BEHAVIOURS))
            name = names.pop()
            try:
                BEHAVIOURS[name](Visit(target, chance, stop))
            except (KeptError, WrongAnswerError, OSError) as error:
                with self.lock:
                    self.errors.append(f"{name}: {type(error).__name__}: {error}")
            with self.lock:
                self.counts[name] += 1
            stop.wait(chance.uniform(0, 0.3))


@dataclass(frozen=True)
class Outcome:
    """What a soak found. `memory_mib` is the server's resident memory after the warm-up, as
    medians of equal parts of the time."""

    memory_mib: Sequence[float]
    delivered: int
    lost: int
    overflows: int
    visits: Counter[str]
    errors: Sequence[str]

    def faults(self, tolerance: float) -> list[str]:
        """Why the server did not hold; empty when it did."""
        found = []
        first = self.memory_mib[0]
        furthest = max(self.memory_mib, key=lambda mib: abs(mib - first))
        if abs(furthest - first) > tolerance * first:
            found.append(f"memory went from {first:.1f} to {furthest:.1f} MiB after the warm-up")
        if self.lost or self.overflows:
            found.append(f"{self.lost} values were lost, {self.overflows} came with Overflow")
        if not self.delivered:
            found.append("nothing was delivered")
        missing = [name for name in BEHAVIOURS if not self.visits[name]]
        if missing:
            found.append(f"too short: nobody came to {', '.join(missing)}")
        return found + [f"wrong in {error}" for error in self.errors[:_SHOWN]]


def soak(seconds: float, clients: int, *, seed: int, tell: Any = print) -> Outcome:
    """Run it. Raises MeasuringError when the server or the load generator ends."""
    steady = max(clients // 4, 1)
    visits, stop = Visits(), Event()
    with Server(KINDS[0], sim_hz=SIM_HZ, tree=False) as server, Load(server) as load:
        load.ask("subscribe", clients=steady, sampling_interval_ms=0, queue_size=_QUEUE_SIZE)
        server.go()
        time.sleep(1)
        load.ask("begin")
        target = discover(server.port, NAMESPACE)
        identity()  # made once, before threads ask for it
        threads = [
            Thread(target=visits.keep_coming, args=(target, seed + n, stop))
            for n in range(clients - steady)
        ]
        for thread in threads:
            thread.start()
        try:
            memory = _watch(server, load, visits, seconds, tell)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        got = load.ask("so_far")
    warm = memory[int(len(memory) * _WARM_UP) :]
    part = max(len(warm) // _PARTS, 1)
    parts = [statistics.median(warm[n : n + part]) for n in range(0, len(warm) - part + 1, part)]
    return Outcome(
        parts, got["values"], max(got["changes"] - got["values"], 0), got["overflows"],
        visits.counts, visits.errors,
    )  # fmt: skip


def _watch(server: Server, load: Load, visits: Visits, seconds: float, tell: Any) -> list[float]:
    """Resident memory of the server over the time, in MiB."""
    memory: list[float] = []
    started = time.monotonic()
    told = 0
    while (elapsed := time.monotonic() - started) < seconds:
        memory.append(server.resident_mib())
        if elapsed * _LINES / seconds >= told:
            told += 1
            got = load.ask("so_far")
            lost = max(got["changes"] - got["values"], 0)
            tell(
                f"{elapsed:7.0f} s  {memory[-1]:6.1f} MiB  {sum(visits.counts.values()):6} visits  "
                f"{got['values']:>12,} values delivered  {lost} lost  {len(visits.errors)} errors"
            )
        time.sleep(_SAMPLE_S)
    return memory


def main() -> int:
    """Run the soak that the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (30)")
    parser.add_argument("--clients", type=int, default=20, help="at the same time (20)")
    parser.add_argument("--tolerance", type=float, default=0.05, help="of memory, a share (0.05)")
    parser.add_argument("--seed", type=int, default=1, help="of the visitors' choices (1)")
    arguments = parser.parse_args()
    if arguments.clients < 2 or arguments.minutes <= 0:
        parser.error("a soak takes at least 2 clients and more than 0 minutes")
    try:
        outcome = soak(arguments.minutes * 60, arguments.clients, seed=arguments.seed, tell=_tell)
    except MeasuringError as error:
        _tell(f"FAILED: {error}")
        return 1
    _tell("memory, MiB: " + " ".join(f"{mib:.1f}" for mib in outcome.memory_mib))
    _tell("visits: " + ", ".join(f"{name} {n}" for name, n in sorted(outcome.visits.items())))
    faults = outcome.faults(arguments.tolerance)
    for fault in faults:
        _tell(f"FAILED: {fault}")
    if not faults:
        _tell(f"the server held: {outcome.delivered:,} values delivered, none lost")
    return 1 if faults else 0


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
