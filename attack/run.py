"""Runs cases one after the other and looks, after each, what state the server is in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self

from attack.case import Bench, Case
from attack.probe import Probe
from attack.target import Target

FRESH_MS = 500.0
STALL_MS = 500.0
GROWTH_MIB = 64.0
LOG_LINES = 100
"""What is allowed after, and during, each case."""


@dataclass
class Verdict:
    """What a case did. Times in milliseconds, memory in MiB."""

    case: Case
    outcomes: tuple[str, ...] = ()
    seconds: float = 0.0
    fresh_ms: float | None = None
    stall_ms: float = 0.0
    growth_mib: float = 0.0
    peak_mib: float = 0.0
    log_lines: int = 0
    breaches: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.breaches


@dataclass(frozen=True)
class Bounds:
    """What a case may cost others. Without `latency` no times are judged."""

    latency: bool = True

    def broken(self, verdict: Verdict) -> Iterator[str]:
        """What a verdict's figures breach."""
        if verdict.growth_mib >= GROWTH_MIB:
            yield f"memory grew by {verdict.growth_mib:.0f} MiB"
        if verdict.log_lines > LOG_LINES:
            yield f"{verdict.log_lines} log lines"
        if not self.latency:
            return
        if verdict.fresh_ms is not None and verdict.fresh_ms > FRESH_MS:
            yield f"a fresh client waited {verdict.fresh_ms:.0f} ms"
        if verdict.stall_ms > STALL_MS:
            yield f"the event loop stalled for {verdict.stall_ms:.0f} ms"


class _Peak:
    """The most memory that the server holds while a case runs."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.mib = 0.0

    def _watch(self) -> None:
        while not self._stop.wait(0.05) and self._target.alive:
            self.mib = max(self.mib, self._target.resident_mib())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def run_cases(
    cases: Iterable[Case],
    target: Target,
    bounds: Bounds,
    *,
    scale: float = 1.0,
    told: Callable[[Verdict], None] = lambda _: None,
) -> list[Verdict]:
    """The verdicts. Ends early when the server is gone."""
    bench = Bench(target, scale)
    verdicts: list[Verdict] = []
    with Probe(target) as probe:
        for case in cases:
            verdict = judge(case, bench, probe, bounds)
            verdicts.append(verdict)
            told(verdict)
            if not target.alive:
                break
    return verdicts


def judge(case: Case, bench: Bench, probe: Probe, bounds: Bounds) -> Verdict:
    """Run one case and look what it has done."""
    verdict, target = Verdict(case), bench.target
    before_mib, first_line = target.resident_mib(), len(target.errors)
    probe.mark()
    started = time.monotonic()
    with _Peak(target) as peak:
        verdict.outcomes = case.run(bench)
    verdict.seconds = time.monotonic() - started
    if not target.alive:
        verdict.breaches.append(f"the server ended with {target.process.returncode}")
        return verdict
    report = probe.report()
    verdict.fresh_ms, verdict.stall_ms = report["fresh_ms"], report["slowest_ms"]
    verdict.growth_mib = _growth(target, before_mib)
    verdict.peak_mib = max(0.0, peak.mib - before_mib)
    lines = target.errors[first_line:]
    verdict.log_lines = len(lines)
    if verdict.fresh_ms is None:
        verdict.breaches.append(f"a fresh client is not served: {report['why']}")
    verdict.breaches += [f"a client lost its session: {why}" for why in report["lost"]]
    verdict.breaches += [f"came back: {wrong}" for wrong in case.wrong(verdict.outcomes)]
    if not verdict.outcomes:
        verdict.breaches.append("nothing came back")
    verdict.breaches += [f"log: {line}" for line in lines if line.startswith("    Traceback")]
    verdict.breaches += bounds.broken(verdict)
    return verdict


def _growth(target: Target, before_mib: float) -> float:
    """What is held in the end; what the case's connections held may take a moment to go."""
    end = time.monotonic() + 3.0
    growth = target.resident_mib() - before_mib
    while growth >= GROWTH_MIB and time.monotonic() < end:
        time.sleep(0.1)
        growth = target.resident_mib() - before_mib
    return growth
