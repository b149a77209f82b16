"""Attempts and results without a gateway."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from biogate.prove.attempt import Attempt, Expected, Result, Verdict
from biogate_adapters.document import parse_document

MakeResult = Callable[..., Result]


@pytest.fixture
def zones_site(project: Path) -> Path:
    """The example with three zones."""
    return project / "examples" / "zones-site.yaml"


@pytest.fixture
def zones_data(zones_site: Path) -> dict[str, Any]:
    """Its YAML."""
    data = parse_document(zones_site.read_bytes(), str(zones_site)).data
    assert isinstance(data, dict)
    return data


@pytest.fixture
def result() -> MakeResult:
    """Makes results of a kind with a verdict."""

    def make(kind: str, verdict: Verdict, number: int = 1, **changes: Any) -> Result:
        attempt = Attempt(
            kind, "dmz", "cell", "mes", "read", "BR101/pH", Expected.REFUSED, "no rule lets it pass"
        )
        return Result(f"A{number:04}", attempt, "BadNodeIdUnknown", verdict, **changes)

    return make


@pytest.fixture(scope="session")
def unused_ports() -> Callable[[int], list[int]]:
    """Ports of loopback that nobody listens on now."""

    def find(number: int) -> list[int]:
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
        ports = [int(each.getsockname()[1]) for each in sockets]
        for each in sockets:
            each.close()
        return ports

    return find
