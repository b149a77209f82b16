"""What the process boundary of a security zone costs: CPU of core and zone together, µs per unit.

    python -m benchmarks zones

The same load drives the front end on the core's own table, and the one in a process of its own
that is fed over a link (docs/decisions/0020), in interleaved rounds; medians of three. The CPU of
the second is that of both processes.
"""

from __future__ import annotations

import sys
from importlib.metadata import version

from benchmarks.measure import measure, medians
from benchmarks.processes import KINDS, Kind
from benchmarks.scenarios import SCENARIOS

ROUNDS, SECONDS = 3, 3.0
_NAMES = ("read-1", "read-1000", "write-100", "publish-20", "publish-5", "publish-20-all")
ZONED = Kind("zone", (sys.executable, "-m", "benchmarks.serve_zone"), lambda: version("biogate"))


def main() -> None:
    """Measure and print."""
    scenarios = [each for each in SCENARIOS if each.name in _NAMES]
    figures = medians(
        measure([KINDS[0], ZONED], scenarios, ROUNDS, SECONDS, lambda line: print(line, flush=True))
    )
    print(f"{'':16}{'one process':>12}{'core + zone':>12}{'overhead':>10}   µs per unit; p50 ms")
    for scenario in scenarios:
        one, two = (figures[scenario.name][kind.name] for kind in (KINDS[0], ZONED))
        if "wrong" in one or "wrong" in two:
            print(f"{scenario.name:16}  {one.get('wrong') or two.get('wrong')}")
            continue
        more = two["cpu_us"] - one["cpu_us"]
        print(
            f"{scenario.name:16}{one['cpu_us']:12.3g}{two['cpu_us']:12.3g}{more:10.3g}"
            f"   per {scenario.unit}; {one['p50_ms']:.3g}, {two['p50_ms']:.3g}"
        )


if __name__ == "__main__":
    main()
