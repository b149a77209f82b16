"""What the battery found: a line while it runs, a table and JSON at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from attack.case import Case
from attack.run import Verdict


def line(verdict: Verdict, number: int, total: int) -> str:
    """Progress."""
    mark = "ok  " if verdict.passed else "FAIL"
    fresh = "-" if verdict.fresh_ms is None else f"{verdict.fresh_ms:.0f}"
    text = f"{number:3}/{total} {mark} {verdict.case.id:34} {verdict.seconds:6.2f} s"
    text += f"  fresh {fresh:>4} ms  stall {verdict.stall_ms:4.0f} ms"
    text += f"  memory {verdict.growth_mib:+5.0f} (peak {verdict.peak_mib:.0f}) MiB"
    return "\n".join([text, *(f"         {breach}" for breach in verdict.breaches)])


def table(verdicts: Sequence[Verdict]) -> Table:
    """The whole table of results."""
    view = Table("case", "rule", "source", "came back", "fresh ms", "stall ms", "MiB", "")
    for verdict in verdicts:
        fresh = "-" if verdict.fresh_ms is None else f"{verdict.fresh_ms:.0f}"
        view.add_row(
            verdict.case.id,
            verdict.case.rule,
            verdict.case.source,
            ", ".join(verdict.outcomes),
            fresh,
            f"{verdict.stall_ms:.0f}",
            f"{verdict.growth_mib:+.0f}",
            "ok" if verdict.passed else "; ".join(verdict.breaches),
        )
    return view


def summary(verdicts: Sequence[Verdict], planned: int) -> str:
    """One line for everything."""
    failed = [verdict.case.id for verdict in verdicts if not verdict.passed]
    fresh = max((v.fresh_ms or 0.0 for v in verdicts), default=0.0)
    stall = max((v.stall_ms for v in verdicts), default=0.0)
    growth = max((v.growth_mib for v in verdicts), default=0.0)
    text = f"{len(verdicts) - len(failed)} of {planned} cases passed; "
    text += f"slowest fresh client {fresh:.0f} ms, longest stall {stall:.0f} ms, "
    text += f"most memory {growth:+.0f} MiB"
    return text + (f"\nfailed: {', '.join(failed)}" if failed else "")


def as_json(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """The verdicts for machines."""
    return [
        {
            "id": v.case.id,
            "rule": v.case.rule,
            "source": v.case.source,
            "expected": list(v.case.expect),
            "outcomes": list(v.outcomes),
            "seconds": round(v.seconds, 3),
            "fresh_ms": None if v.fresh_ms is None else round(v.fresh_ms, 1),
            "stall_ms": round(v.stall_ms, 1),
            "growth_mib": round(v.growth_mib, 1),
            "peak_mib": round(v.peak_mib, 1),
            "log_lines": v.log_lines,
            "breaches": v.breaches,
        }
        for v in verdicts
    ]


def listing(groups: Mapping[str, Sequence[Case]]) -> None:
    """The table of cases, by group."""
    console = Console()
    for name, cases in groups.items():
        view = Table("case", "rule", "source", "must come back", title=f"{name} ({len(cases)})")
        for case in cases:
            view.add_row(case.id, case.rule, case.source, ", ".join(case.expect))
        console.print(view)
    total = Counter({name: len(cases) for name, cases in groups.items()}).total()
    console.print(f"{total} cases")
