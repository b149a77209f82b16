"""The prover against gateways that run: it finds what is not as the site file states.

Its client is asyncua's, its reading of the site file its own; nothing here asks the policy.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from biogate import Gateway
from biogate.prove.access import Login
from biogate.prove.identity import client_identity
from biogate.prove.session import Options, prove

SITE = """
biogate: 1
enterprise: Example
site: Test
area: A
process_cell: C
namespace: urn:test:prove
front_ends: in_process
users:
  ines: {{roles: [Operator]}}
  otto: {{roles: [Operator]}}
nodes:
  inner:
    namespace: urn:test:inner
    objects:
      Inner:
        variables:
          Inner.Open: {{type: Double, value: 1, writable: true}}
          Inner.Secret: {{type: Double, value: 2, writable: true}}
        methods:
          Inner.Double:
            inputs: {{x: {{type: Double}}}}
            outputs: {{y: {{type: Double, expression: 2 * x}}}}
  outer:
    namespace: urn:test:outer
    objects:
      Outer:
        variables:
          Outer.Value: {{type: String, writable: true}}
zones:
  inside: {{sections: [inner], users: [ines], target: {{SI: 2}}, opcua: {{port: {inside}}}}}
  outside: {{sections: [outer], users: [otto], target: {{SI: 2}}, opcua: {{port: {outside}}}}}
conduits:
  out-to-in:
    from: outside
    to: inside
    allow:
      - actions: [browse, read, subscribe]
        on: [{seen}]
      - actions: [write]
        on: [inner/Inner/Open]
        rate_per_minute: 8
        bounds: {{inner/Inner/Open: {{low: 0, high: {high}, max_step: 10}}}}
"""
PASSWORDS = {"ines": "a long word for ines", "otto": "a long word for otto"}
USERS = {"inside": "ines", "outside": "otto"}


@dataclass
class Plant:
    """A gateway that runs, its data folder, and site files for the same ports."""

    folder: Path
    ports: list[int]
    gateway: Gateway | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def site(self, name: str, **changes: Any) -> Path:
        """The site file, with some things other than the gateway serves."""
        inside, outside = self.ports
        values = {"inside": inside, "outside": outside, "seen": "inner/Inner/Open", "high": 10}
        file = self.folder / f"{name}.yaml"
        file.write_text(SITE.format(**{**values, **changes}), encoding="utf-8")
        return file


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plant(
    nodeset_cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
    unused_ports: Callable[[int], list[int]],
) -> AsyncIterator[Plant]:
    """A gateway with both zones, which trust the prover's certificates."""
    plant = Plant(tmp_path_factory.mktemp("plant"), unused_ports(2))
    plant.data.mkdir()
    (plant.data / "nodesets").symlink_to(nodeset_cache)
    for zone in USERS:
        trusted = plant.data / "zones" / zone / "pki" / "trusted" / "certs"
        trusted.mkdir(parents=True)
        shutil.copy(client_identity(plant.data / "prove" / zone, zone).certificate, trusted)
    with pytest.MonkeyPatch.context() as patch:
        for user, password in PASSWORDS.items():
            patch.setenv(f"BIOGATE_PASSWORD_{user.upper()}", password)
        async with Gateway.from_file(plant.site("served"), data=plant.data) as gateway:
            plant.gateway = gateway
            yield plant


def options(plant: Plant, **changes: Any) -> Options:
    logins = {
        zone: [Login(user, frozenset({"Operator"}), PASSWORDS[user])]
        for zone, user in USERS.items()
    }
    usual = {
        "data": plant.data,
        "report": plant.folder / "report",
        "rehearse": False,
        "allow_writes": False,
        "sample": 0,
        "logins": logins,
    }
    return Options(**{**usual, **changes})


def reported(plant: Plant) -> dict[str, Any]:
    return json.loads((plant.folder / "report" / "evidence.json").read_text(encoding="utf-8"))


def of_verdict(report: dict[str, Any], verdict: str) -> set[tuple[str, str, str]]:
    return {
        (each["kind"], each["action"], each["part"])
        for each in report["attempts"]
        if each["verdict"] == verdict
    }


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_nothing_is_written_to_a_plant_but_what_should_be_refused(plant: Plant) -> None:
    code = await prove(plant.site("stated"), options(plant), print)

    left_out = of_verdict(reported(plant), "not covered")
    assert code == 0
    assert plant.gateway
    assert plant.gateway.read("inner.Inner.Open").value == 1
    assert ("within", "write", "inner/Inner/Open") in left_out
    assert ("bounds", "write", "inner/Inner/Open") in left_out
    assert ("rate", "write", "inner/Inner/Open") in left_out


async def test_a_conduit_that_lets_more_pass_than_is_stated_is_found(plant: Plant) -> None:
    """The gateway serves a conduit that the site file does not have any more."""
    stated = plant.site("stated", seen="inner/Inner/Double")

    code = await prove(stated, options(plant), print)

    leaks = of_verdict(reported(plant), "leaks")
    assert code == 1
    assert ("conduit", "read", "inner/Inner/Open") in leaks
    assert ("conduit", "browse", "inner/Inner/Open") in leaks
    assert ("conduit", "subscribe", "inner/Inner/Open") in leaks
    assert {kind for kind, _, _ in leaks} == {"conduit", "walk"}


async def test_a_conduit_that_blocks_what_it_should_let_is_found(plant: Plant) -> None:
    code = await prove(plant.site("stated", seen="inner"), options(plant), print)

    report = reported(plant)
    assert code == 1
    assert of_verdict(report, "leaks") == set()
    assert ("conduit", "read", "inner/Inner/Secret") in of_verdict(report, "blocks")


async def test_a_zone_that_trusts_no_prover_could_not_be_tried(
    plant: Plant, tmp_path: Path
) -> None:
    lines: list[str] = []

    code = await prove(plant.site("stated"), options(plant, data=tmp_path), lines.append)

    assert code == 2
    assert any("zone inside could not be tried" in line for line in lines)
    assert any("what zone inside has to trust" in line for line in lines)
    assert reported(plant)["attempts"] == []


async def test_ctrl_c_ends_the_attempts_and_the_report_is_written(plant: Plant) -> None:
    lines: list[str] = []

    def tell(line: str) -> None:
        if not lines:
            os.kill(os.getpid(), signal.SIGINT)
        lines.append(line)

    code = await prove(plant.site("stated"), options(plant), tell)

    report = reported(plant)
    assert code == 2
    assert report["run"]["complete"] is False
    assert report["attempts"]
    assert lines[-1].endswith("stopped before the end")


async def test_a_bound_wider_than_stated_is_found_once_values_may_be_written(plant: Plant) -> None:
    code = await prove(plant.site("stated", high=5), options(plant, allow_writes=True), print)

    leaks = of_verdict(reported(plant), "leaks")
    assert code == 1
    assert leaks == {("bounds", "write", "inner/Inner/Open")}
