"""What is measured, by whom it was asked for and what the goal is (docs: benchmarks/README.md)."""

from __future__ import annotations

from dataclasses import dataclass

VARIABLES = 1000
SIM_HZ = 10.0


@dataclass(frozen=True)
class Scenario:
    """One row of the table. `goal_us` is server CPU time per `unit`, None for a row to compare.

    `clients` 0 means requests one after the other (`name` is then the load generator's word for
    it), else subscribers with `sampling_interval_ms`.
    """

    name: str
    title: str
    unit: str
    goal_us: float | None
    clients: int = 0
    sampling_interval_ms: float = 100.0


SCENARIOS = (
    Scenario("read-1", "Read, 1 value a request, 8 in flight", "operation", 15),
    Scenario("read-1000", "Read, 1,000 values a request", "value", 0.10),
    Scenario("read-1000-encrypted", "the same, SignAndEncrypt", "value", 0.22),
    Scenario("write-100", "Write, 100 values a request", "value", 2),
    Scenario("browse-100", "Browse, 100 nodes a request", "reference", 1),
    Scenario("connect", "connect + session + close", "operation", 1000),
    Scenario("publish-20", "publish to 20 clients", "value", 0.10, 20),
    Scenario("publish-5", "publish to 5 clients", "value", 0.3, 5),
    Scenario("publish-20-all", "publish every change to 20 clients", "value", None, 20, 0.0),
)
