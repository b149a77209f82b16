"""Where our server's time goes in a scenario: the functions that took most, by cProfile.

    python -m benchmarks.hot_spots publish-20 read-1

A profile costs time of its own, most where functions are small: it says where to look, and
`python -m benchmarks` says what it came to.
"""

from __future__ import annotations

import argparse
import pstats
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import scenario_figures
from benchmarks.processes import KINDS, Load, Server
from benchmarks.scenarios import SCENARIOS, SIM_HZ, Scenario


def profiled(scenario: Scenario, seconds: float, file: Path) -> float:
    """Run a scenario against our server, its profile into `file`; server CPU in µs per unit."""
    ours = replace(KINDS[0], command=[*KINDS[0].command, "--profile", str(file)])
    publishing = scenario.clients > 0
    with (
        Server(ours, sim_hz=SIM_HZ if publishing else 0, tree=not publishing) as server,
        Load(server) as load,
    ):
        if not publishing:
            server.go()
        return float(scenario_figures(scenario, server, load, seconds)["cpu_us"])


def main() -> None:
    """Profile what the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hot_spots",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("scenario", nargs="+", choices=names, metavar="SCENARIO", help=f"{names}")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each (3)")
    parser.add_argument("--functions", type=int, default=20, help="to show (20)")
    arguments = parser.parse_args()
    for scenario in SCENARIOS:
        if scenario.name not in arguments.scenario:
            continue
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "profile"
            cost_us = profiled(scenario, arguments.seconds, file)
            print(f"{scenario.title}: {cost_us:.3g} µs per {scenario.unit} while profiled")
            pstats.Stats(str(file)).sort_stats("tottime").print_stats(arguments.functions)


if __name__ == "__main__":
    main()
