"""Runs scenarios against servers in interleaved rounds, and takes medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.processes import Kind, Load, MeasuringError, Server
from benchmarks.scenarios import SIM_HZ, VARIABLES, Scenario

Figures = dict[str, Any]
Tell = Callable[[str], None]
_SETTLE_S = 2.0
_NOT_MEDIANS = frozenset({"round", "server", "scenario", "unit", "goal_us", "wrong"})


def measure(
    kinds: Sequence[Kind], scenarios: Sequence[Scenario], rounds: int, seconds: float, tell: Tell
) -> list[Figures]:
    """The figures of each scenario, server and round: each round takes all servers in turn.

    Where a server does not start or answers wrongly there is `wrong` in place of figures, and
    everything else goes on.
    """
    figures: list[Figures] = []
    for number in range(1, rounds + 1):
        for together in _parts(scenarios):
            for kind in kinds:
                for figure in _part(kind, together, seconds):
                    figures.append({"round": number, "server": kind.name, **figure})
                    tell(_line(figures[-1]))
    return figures


def _parts(scenarios: Sequence[Scenario]) -> Iterator[Sequence[Scenario]]:
    """What one start of a server serves: all the requests, or one kind of publishing."""
    requests = [s for s in scenarios if not s.clients]
    if requests:
        yield requests
    yield from ([s] for s in scenarios if s.clients)


def _part(kind: Kind, scenarios: Sequence[Scenario], seconds: float) -> Iterator[Figures]:
    publishing = scenarios[0].clients > 0
    try:
        with running(kind, sim_hz=SIM_HZ if publishing else 0, tree=not publishing) as processes:
            for scenario in scenarios:
                try:
                    yield scenario_figures(scenario, *processes, seconds)
                except MeasuringError as error:
                    yield _wrong(scenario, error)
    except MeasuringError as error:
        yield from (_wrong(scenario, error) for scenario in scenarios)


def _wrong(scenario: Scenario, error: MeasuringError) -> Figures:
    return {"scenario": scenario.name, "unit": scenario.unit, "wrong": str(error)}


@contextmanager
def running(kind: Kind, *, sim_hz: float, tree: bool) -> Iterator[tuple[Server, Load]]:
    """A server, and a load generator that knows it. Raises MeasuringError."""
    with (
        Server(kind, sim_hz=sim_hz, tree=tree, variables=VARIABLES) as server,
        Load(server, VARIABLES) as load,
    ):
        yield server, load


def scenario_figures(scenario: Scenario, server: Server, load: Load, seconds: float) -> Figures:
    """One scenario's figures of one run. Raises MeasuringError for a wrong answer."""
    if not scenario.clients:
        cpu = server.cpu_s()
        result = load.ask("operations", work=scenario.name, seconds=seconds)
        figures = _figures(result, server.cpu_s() - cpu)
    else:
        figures = published(
            server, load, scenario.clients, scenario.sampling_interval_ms, 2 * seconds
        )
    figures["resident_mib"] = server.resident_mib()
    return {"scenario": scenario.name, "unit": scenario.unit, **figures}


def published(
    server: Server, load: Load, clients: int, sampling_interval_ms: float, seconds: float
) -> Figures:
    """What so many subscribers get, once they have settled, and what it costs the server."""
    load.ask("subscribe", clients=clients, sampling_interval_ms=sampling_interval_ms)
    server.go()
    time.sleep(_SETTLE_S)
    cpu = server.cpu_s()
    result = load.ask("measure", seconds=seconds)
    figures = _figures(result, server.cpu_s() - cpu)
    nominal = clients * VARIABLES * SIM_HZ * result["seconds"]
    # By chance a window has a message more or less than its share.
    figures["delivered_share"] = min(result["values"] / nominal, 1.0)
    figures["lost"] = max(result["changes"] - result["values"], 0)
    figures["overflows"] = result["overflows"]
    return figures


def _figures(result: Figures, cpu_s: float) -> Figures:
    if not result["values"]:
        raise MeasuringError("nothing was delivered")
    return {
        "cpu_us": cpu_s / result["values"] * 1e6,
        "per_s": result["values"] / result["seconds"],
        "server_share": cpu_s / result["seconds"],
        "load_share": result["cpu_s"] / result["seconds"],
        "p50_ms": result["p50_ms"],
        "p99_ms": result["p99_ms"],
    }


def _line(figure: Figures) -> str:
    found = figure.get("wrong") or f"{figure['cpu_us']:.3g} µs per {figure['unit']}"
    return f"round {figure['round']}  {figure['server']:<10} {figure['scenario']:<20} {found}"


def medians(figures: Sequence[Figures]) -> dict[str, dict[str, Figures]]:
    """Scenario → server → the median of each figure, or `wrong` if any round was."""
    grouped: dict[str, dict[str, list[Figures]]] = {}
    for figure in figures:
        of_scenario = grouped.setdefault(figure["scenario"], {})
        of_scenario.setdefault(figure["server"], []).append(figure)
    return {
        scenario: {server: _median(rounds) for server, rounds in servers.items()}
        for scenario, servers in grouped.items()
    }


def _median(rounds: Sequence[Figures]) -> Figures:
    for figure in rounds:
        if "wrong" in figure:
            return {"wrong": figure["wrong"]}
    keys = [
        key for key, value in rounds[0].items() if key not in _NOT_MEDIANS and value is not None
    ]
    return {key: statistics.median(figure[key] for figure in rounds) for key in keys}
