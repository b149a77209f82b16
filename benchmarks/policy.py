"""What a decision about rights costs: remembered, and made for the first time. µs, medians.

    python -m benchmarks policy

The site is examples/zones-site.yaml: three zones, four conduits, seven rules. "First" is with a
node that was never asked about, so that all rules of its conduit are looked through.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from biogate.site import load_site, plan_site
from biogate.site.zone_table import zone_table
from biogate_security.filetime import now_ticks
from biogate_security.policy import Action, Policy, Resource, Subject
from biogate_security.role_policy import RolePolicy
from biogate_security.zones import ZonePolicy

ASKED = 20_000
SITE = Path(__file__).parents[1] / "examples" / "zones-site.yaml"
_GOALS = {"remembered": 2.0, "first": 20.0}


def main() -> None:
    """Measure and print."""
    zones = ZonePolicy(RolePolicy(), zone_table(plan_site(load_site(SITE))))
    print(f"{'':32}{'remembered':>12}{'first':>12}   µs, medians of {ASKED:,}")
    for name, (policy, zone) in {
        "roles alone": (RolePolicy(), ""),
        "within a zone": (zones, "cell"),
        "across a conduit, read": (zones, "dmz"),
    }.items():
        _print(name, policy, _subject(zone), Action.READ)
    _print("across a conduit, with bounds", zones, _subject("model"), Action.WRITE)
    goals = ", ".join(f"{name} < {goal:g} µs" for name, goal in _GOALS.items())
    print(f"goals: {goals}")


def _print(name: str, policy: Policy, subject: Subject, action: Action) -> None:
    part = "BR101/Feed/TargetValue" if action is Action.WRITE else "BR101/pH/SensorValue"
    resource = Resource(
        "ns=9;s=x",
        tag="RC101.feed_setpoint",
        device="RC101",
        is_setpoint=action is Action.WRITE,
        zone="cell" if subject.zone else "",
        part=part,
    )
    others = [replace(resource, node_id=f"ns=9;s=x{number}") for number in range(ASKED)]
    now = now_ticks()
    remembered = _median(lambda _: policy.decide(subject, action, resource, now))
    first = _median(lambda number: policy.decide(subject, action, others[number], now))
    print(f"{name:32}{remembered:12.2f}{first:12.2f}")


def _subject(zone: str) -> Subject:
    return Subject(
        "adviser" if zone == "model" else "mes",
        frozenset({"AuthenticatedUser", "Operator"}),
        security_mode="SignAndEncrypt",
        zone=zone,
        authentication="UserName",
    )


def _median(ask: Callable[[int], object]) -> float:
    """One question at a time, in µs."""
    taken = []
    for number in range(ASKED):
        begun = time.perf_counter_ns()
        ask(number)
        taken.append(time.perf_counter_ns() - begun)
    return statistics.median(taken) / 1000


if __name__ == "__main__":
    main()
