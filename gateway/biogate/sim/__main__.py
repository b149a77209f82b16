"""`python -m biogate.sim SITE.yaml`: the simulated devices of a site, as a process of their own.

Stdout tells, a line each: `clock wall_start=... plant_start_s=... rate=...`, `device NAME ADDRESS`
for every device, `ready`. Logs go to stderr. Exit codes: 0 ended as asked, 1 failed, 2 bad input.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from biogate.sim.run import run
from biogate.sim.site import SimulationOptions


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m biogate.sim", description=__doc__)
    parser.add_argument("site", type=Path, metavar="SITE.yaml")
    parser.add_argument("--speed", type=float, default=1.0, help="plant seconds per second")
    parser.add_argument("--replay", type=Path, metavar="FOLDER", help="recording to play")
    parser.add_argument("--only", action="append", default=[], metavar="DEVICE")
    parser.add_argument("--log-json", action="store_true", help="log lines as JSON")
    given = parser.parse_args()
    options = SimulationOptions(given.speed, given.replay, tuple(given.only))
    return run(given.site, options, log_json=given.log_json)


if __name__ == "__main__":
    sys.exit(main())
