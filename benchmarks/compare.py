"""Server CPU, rates, latency, losses and memory of OPC UA servers under the same load."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import most_clients
from benchmarks.measure import Tell, measure, medians
from benchmarks.processes import KINDS, OURS, Kind, MeasuringError, given
from benchmarks.report import markdown, print_tables
from benchmarks.scenarios import SCENARIOS, Scenario

_HERE = Path(__file__).parent
RESULT = _HERE / "results.json"
README = _HERE / "README.md"
_BEGIN, _END = "<!-- figures: begin -->\n", "<!-- figures: end -->"
_FIRST = {OURS: 40}
_SEARCH_S = {OURS: 120.0}
_PEER_SEARCH_S = 40.0
_WIDTH = 140
_EXAMPLES = """\
examples:
  python -m benchmarks                                     all of it, some 13 minutes
  python -m benchmarks --rounds 1 --no-search              a first look, 3 minutes
  python -m benchmarks --servers biogate --scenarios read-1 --rounds 5
  python -m benchmarks --peer "open62541=./my_server"      and a server of yours, which takes the
                                                           options of `benchmarks.serve`
  python -m benchmarks --from benchmarks/results.json      show an earlier run
  python -m benchmarks --from benchmarks/results.json --readme    and put it into the README
  python -m benchmarks warm_start columns codec            other figures: see the README
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    names = ", ".join(s.name for s in SCENARIOS)
    result = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=f"scenarios: {names}\n\n{_EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("other", nargs="*", help="other figures instead: warm_start, columns, codec")
    add("--servers", default="all", help="names with commas: biogate, asyncua, node-opcua (all)")
    add("--scenarios", default="all", help="names with commas, see below (all)")
    add("--peer", action="append", default=[], metavar="NAME=COMMAND", help="one more server")
    add("--rounds", type=int, default=3, help="interleaved rounds; figures are medians (3)")
    add("--seconds", type=float, default=3.0, help="of each measurement; publishing twice that (3)")
    add("--no-search", action="store_true", help="leave out the search for the most clients")
    add("--json", type=Path, default=RESULT, help=f"where the result goes ({RESULT.name})")
    add("--from", type=Path, dest="earlier", metavar="FILE", help="show this earlier result")
    add("--readme", action="store_true", help="put the tables into benchmarks/README.md too")
    return result


def chosen(text: str, names: Sequence[str], what: str) -> list[str]:
    """The names that a comma-separated list picks. Raises ValueError for an unknown one."""
    if text == "all":
        return list(names)
    picked = [name.strip() for name in text.split(",")]
    for name in picked:
        if name not in names:
            raise ValueError(f"no {what} {name!r}; there are {', '.join(names)}")
    return picked


def machine() -> str:
    """Processor, cores, system and interpreter."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(": ", 1)[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    python = platform.python_version()
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {python}"


def run(arguments: argparse.Namespace, kinds: Sequence[Kind], tell: Tell) -> dict[str, Any]:
    """Measure what the command line asks for. Raises ValueError for a name that is unknown."""
    names = chosen(arguments.scenarios, [s.name for s in SCENARIOS], "scenario")
    scenarios: list[Scenario] = [s for s in SCENARIOS if s.name in names]
    missing = {kind.name: kind.missing() for kind in kinds if kind.missing()}
    for name, why in missing.items():
        tell(f"{name} is left out: {why}")
    present = [kind for kind in kinds if kind.name not in missing]
    figures = measure(present, scenarios, arguments.rounds, arguments.seconds, tell)
    search = {} if arguments.no_search else _search(present, tell)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "load_average": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "packages": {name: version(name) for name in ("numpy", "cryptography")},
        "servers": {kind.name: kind.version() for kind in present},
        "missing": missing,
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "medians": medians(figures),
        "most_clients": search,
        "figures": figures,
    }


def _search(kinds: Sequence[Kind], tell: Tell) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in kinds:
        budget_s = _SEARCH_S.get(kind.name, _PEER_SEARCH_S)
        try:
            found[kind.name] = most_clients.search(kind, _FIRST.get(kind.name, 1), budget_s, tell)
        except MeasuringError as error:
            found[kind.name] = {"clients": 0, "ended": str(error)}
    return found


def write_readme(result: dict[str, Any]) -> None:
    """Put the tables where the README has its marks."""
    text = README.read_text(encoding="utf-8")
    head, _, rest = text.partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    README.write_text(f"{head}{_BEGIN}\n{markdown(result)}\n{_END}{tail}", encoding="utf-8")


def main(commands: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    """Measure, or show what was measured. The exit code: 1 where an answer was wrong."""
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    if arguments.earlier:
        result = json.loads(arguments.earlier.read_text(encoding="utf-8"))
    else:
        try:
            kinds = [*KINDS, *map(given, arguments.peer)]
            names = chosen(arguments.servers, [kind.name for kind in kinds], "server")
            result = run(
                arguments,
                [kind for kind in kinds if kind.name in names],
                lambda line: console.print(line, markup=False, highlight=False),
            )
        except ValueError as error:
            commands.error(str(error))
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_tables(result, console)
    if arguments.readme:
        write_readme(result)
    servers = [figures for row in result["medians"].values() for figures in row.values()]
    return 1 if any("wrong" in figures for figures in servers) else 0
