"""A small profile catalogue, so that these tests do not depend on the real profiles."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from biogate.site import Problem, Site, SiteError, parse_site
from biogate_adapters.contract import Signal
from biogate_adapters.profile import ProfileError, ProfileProblem


@dataclass(frozen=True)
class FakeProfile:
    protocol: str
    signals: tuple[Signal, ...]

    @property
    def by_name(self) -> Mapping[str, Signal]:
        return {signal.name: signal for signal in self.signals}

    def with_signals(self, overrides: Mapping[str, Mapping[str, object]]) -> FakeProfile:
        if unknown := set(overrides) - set(self.by_name):
            raise ProfileError(f"no signal {unknown}")
        changed = (replace(each, **overrides.get(each.name, {})) for each in self.signals)
        return FakeProfile(self.protocol, tuple(changed))


def _signals(*declared: dict[str, object]) -> tuple[Signal, ...]:
    return tuple(
        Signal(**{"index": i, "data_type": "Float", **each})  # type: ignore[arg-type]
        for i, each in enumerate(declared)
    )


def _probe(name: str, low: float, high: float) -> FakeProfile:
    return FakeProfile(
        "modbus",
        _signals(
            {"name": name, "unit": "Q30", "low": low, "high": high},
            {"name": "temperature", "unit": "CEL", "low": 0.0, "high": 130.0},
            {"name": "status", "data_type": "UInt32"},
            {"name": "quality"},
        ),
    )


def _writable(name: str, high: float) -> dict[str, object]:
    limits = {"low": 0.0, "high": high, "write_low": 0.0, "write_high": high}
    return {"name": name, "writable": True, **limits}


FAKES = {
    "hamilton/arc-ph": _probe("ph", 0.0, 14.0),
    "hamilton/visiferm-do": _probe("do", 0.0, 300.0),
    "alicat/mfc": FakeProfile(
        "line",
        _signals(
            {"name": "mass_flow", "unit": "L2"},
            {"name": "flow_setpoint", "unit": "L2", "writable": True},
            {"name": "pressure"},
            {"name": "gas", "data_type": "String"},
        ),
    ),
    "generic/reactor-controller": FakeProfile(
        "modbus",
        _signals(
            {"name": "agitator_speed", "low": 0.0, "high": 1500.0},
            _writable("agitator_setpoint", 1500.0),
            {"name": "temperature", "unit": "CEL", "low": 0.0, "high": 100.0},
            _writable("temperature_setpoint", 60.0),
            {"name": "feed_rate", "low": 0.0, "high": 500.0},
            _writable("feed_setpoint", 500.0),
            {"name": "base_rate", "low": 0.0, "high": 500.0},
            _writable("base_setpoint", 500.0),
            {"name": "vessel_weight", "unit": "KGM", "low": 0.0, "high": 20.0},
            {"name": "stirrer_running", "data_type": "Boolean"},
        ),
    ),
}


class FakeCatalogue:
    def names(self) -> Sequence[str]:
        return sorted(FAKES)

    def load(self, name: str) -> FakeProfile:
        if name.endswith(".yaml"):
            Path(name).read_text(encoding="utf-8")
            problems = (ProfileProblem(name, 3, 5, "timing", "not a profile"),)
            raise ProfileError("1 mistakes in the profile", problems)
        return FAKES[name]


@pytest.fixture(scope="session")
def catalogue() -> FakeCatalogue:
    return FakeCatalogue()


Load = Callable[[str], Site]
ProblemsOf = Callable[[str], list[Problem]]


@pytest.fixture(scope="session")
def load(catalogue: FakeCatalogue) -> Load:
    """Parse a text as the file `site.yaml`."""

    def parse(text: str) -> Site:
        content = textwrap.dedent(text).encode()
        return parse_site(content, "site.yaml", folder=Path("/plant"), profiles=catalogue)

    return parse


@pytest.fixture(scope="session")
def problems_of(load: Load) -> ProblemsOf:
    """All problems of a text that must not load."""

    def problems(text: str) -> list[Problem]:
        with pytest.raises(SiteError) as raised:
            load(text)
        return raised.value.problems

    return problems
