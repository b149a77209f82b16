"""A run's figures as tables: for a terminal, and for the README."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.processes import OURS
from benchmarks.scenarios import SCENARIOS, Scenario

Result = Mapping[str, Any]
_NOTHING = "–"
Text = Callable[[float | None], str]


@dataclass(frozen=True)
class Sheet:
    """A table: its title, its columns, and rows of as many texts."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def sheets(result: Result) -> list[Sheet]:
    """All tables of a run."""
    measured = [s for s in SCENARIOS if s.name in result["medians"]]
    tables = []
    if measured:
        tables += [_cost(result, measured), _around(result, measured)]
    if any(s.clients for s in measured):
        tables.append(_delivery(result, [s for s in measured if s.clients]))
    if result["most_clients"]:
        tables.append(_most_clients(result))
    return tables


def _cost(result: Result, scenarios: Sequence[Scenario]) -> Sheet:
    servers = list(result["servers"])
    peers = [server for server in servers if server != OURS]
    columns = ["work", *servers, "goal", "met", *(f"{peer} / {OURS}" for peer in peers)]
    rows = []
    for scenario in scenarios:
        costs = {server: _figure(result, scenario, server, "cpu_us") for server in servers}
        ours = costs.get(OURS)
        rows.append(
            [
                f"{scenario.title}, per {scenario.unit}",
                *(_number(costs[server]) for server in servers),
                _NOTHING if scenario.goal_us is None else f"≤ {scenario.goal_us:g}",
                _verdict(ours, scenario.goal_us),
                *(_times(costs[peer], ours) for peer in peers),
            ]
        )
    return Sheet("Server CPU, µs", columns, rows)


def _verdict(cost: float | None, goal: float | None) -> str:
    if cost is None or goal is None:
        return _NOTHING
    return "yes" if cost <= goal else f"no: {cost / goal:.1f} ×"


def _around(result: Result, scenarios: Sequence[Scenario]) -> Sheet:
    columns = ["work", "server", "per second", "server's core", "load's core", "p50 ms", "p99 ms",
               "memory MiB"]  # fmt: skip
    keys: Mapping[str, Text] = {
        "per_s": _whole,
        "server_share": _share,
        "load_share": _share,
        "p50_ms": _number,
        "p99_ms": _number,
        "resident_mib": _whole,
    }
    title = "Rates, and times: a request's round trip; published, SourceTimestamp to receipt"
    return Sheet(title, columns, _by_server(result, scenarios, keys))


def _delivery(result: Result, scenarios: Sequence[Scenario]) -> Sheet:
    columns = ["work", "server", "of 10 Hz delivered", "changes left out", "with Overflow bit"]
    keys: Mapping[str, Text] = {"delivered_share": _share, "lost": _whole, "overflows": _whole}
    return Sheet("Delivery", columns, _by_server(result, scenarios, keys))


def _by_server(
    result: Result, scenarios: Sequence[Scenario], keys: Mapping[str, Text]
) -> list[list[str]]:
    return [
        [scenario.name if first else "", server]
        + [text(_figure(result, scenario, server, key)) for key, text in keys.items()]
        for scenario in scenarios
        for first, server in ((n == 0, s) for n, s in enumerate(result["servers"]))
    ]


def _most_clients(result: Result) -> Sheet:
    found = result["most_clients"]
    rows = [[server, str(f["clients"]), f["ended"]] for server, f in found.items()]
    title = "Most clients with 99 % of 1,000 values × 10 Hz delivered"
    return Sheet(title, ["server", "clients", "the search ended since"], rows)


def _figure(result: Result, scenario: Scenario, server: str, key: str) -> float | None:
    figure = result["medians"][scenario.name].get(server, {}).get(key)
    return None if figure is None else float(figure)


def _number(value: float | None) -> str:
    if value is None:
        return _NOTHING
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _whole(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:,.0f}"


def _share(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.1%}"


def _times(peer: float | None, ours: float | None) -> str:
    return _NOTHING if peer is None or not ours else f"{peer / ours:.1f} ×"


def notes(result: Result) -> list[str]:
    """What a reader must know about the run: when, where, what; and what went wrong."""
    versions = ", ".join(f"{name} {version}" for name, version in result["servers"].items())
    lines = [f"{result['date']}, {result['machine']}; {versions}."]
    taken = f"Medians of {result['rounds']} interleaved rounds of {result['seconds']:g} s"
    load = f"load average of the machine at the end {result['load_average']}"
    lines.append(f"{taken}, publishing twice as long; {load}.")
    for scenario, servers in result["medians"].items():
        lines += [f"{s}, {scenario}: {f['wrong']}" for s, f in servers.items() if "wrong" in f]
    return lines + [f"{name} was not measured: {why}." for name, why in result["missing"].items()]


def print_tables(result: Result, console: Console) -> None:
    """Show everything on a terminal."""
    for sheet in sheets(result):
        table = Table(*sheet.columns, title=sheet.title, title_justify="left")
        for column in table.columns[1:]:
            column.justify = "right"
            column.no_wrap = True
        for row in sheet.rows:
            table.add_row(*row)
        console.print(table)
    for line in notes(result):
        console.print(line, markup=False, highlight=False)


def markdown(result: Result) -> str:
    """The same for the README."""
    parts = ["\n".join(f"{line}\n" for line in notes(result))]
    for sheet in sheets(result):
        rule = ["---", *("---:" for _ in sheet.columns[1:])]
        lines = [_markdown_row(row) for row in (sheet.columns, rule, *sheet.rows)]
        parts.append(f"### {sheet.title}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
