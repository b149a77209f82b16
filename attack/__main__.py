"""`python -m attack`: run the battery against a server of its own, on the loopback interface.

Exit code 0: every case passed; 1: one did not, or the server did not start; 2: no such case.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from rich.console import Console

from attack import report
from attack.case import Case
from attack.cases import GROUPS
from attack.run import Bounds, Verdict, run_cases
from attack.target import StartError, Target

_NODESETS = Path(__file__).parents[1] / "biogate-data" / "nodesets"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    chosen = [case for case in _all() if _wanted(case, options.only)]
    if options.list:
        report.listing(GROUPS)
        return 0
    if not chosen:
        print(f"no case matches {' '.join(options.only)}; --list shows them", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="biogate-attack-") as folder:
        data = Path(folder)
        if options.nodesets.is_dir():
            (data / "nodesets").symlink_to(options.nodesets.absolute())
        try:
            verdicts = _run(chosen, data, options)
        except StartError as error:
            print(f"the server did not start: {error}", file=sys.stderr)
            return 1
    if options.json:
        options.json.write_text(json.dumps(report.as_json(verdicts), indent=1) + "\n")
    if not options.brief:
        Console(width=None if sys.stdout.isatty() else 220).print(report.table(verdicts))
    print(report.summary(verdicts, len(chosen)))
    whole = len(verdicts) == len(chosen)
    return 0 if whole and all(verdict.passed for verdict in verdicts) else 1


def _run(chosen: Sequence[Case], data: Path, options: argparse.Namespace) -> list[Verdict]:
    target = Target.start(data)
    done: list[Verdict] = []

    def told(verdict: Verdict) -> None:
        done.append(verdict)
        print(report.line(verdict, len(done), len(chosen)), flush=True)

    try:
        bounds = Bounds(latency=not options.no_latency)
        return run_cases(chosen, target, bounds, scale=options.scale, told=told)
    finally:
        target.stop()


def _all() -> list[Case]:
    return [case for cases in GROUPS.values() for case in cases]


def _wanted(case: Case, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(case.id, pattern) for pattern in patterns)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m attack", description=__doc__)
    parser.add_argument("--list", action="store_true", help="show the cases and stop")
    parser.add_argument(
        "--only", nargs="+", default=(), metavar="CASE", help="ids, * stands for all"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    parser.add_argument("--brief", action="store_true", help="no table at the end")
    parser.add_argument("--no-latency", action="store_true", help="judge no times (a busy machine)")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="size of floods, 1 is what is meant"
    )
    parser.add_argument("--nodesets", type=Path, default=_NODESETS, help="the fetched nodesets")
    return parser


if __name__ == "__main__":
    sys.exit(main())
