"""A benchmark server of its own process, and a session of the load generator on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.layout import NAMESPACE
from benchmarks.load.session import Session, Target, discover
from benchmarks.processes import KINDS, Server


@pytest.fixture(scope="session")
def server(nodeset_cache: Path) -> Iterator[Server]:
    """`benchmarks.serve` with the tree; nothing changes before a test lets it."""
    with Server(KINDS[0], sim_hz=50, tree=True) as running:
        yield running


@pytest.fixture(scope="session")
def target(server: Server) -> Target:
    """What the load generator found out about it."""
    return discover(server.port, NAMESPACE)


@pytest.fixture
def session(target: Target) -> Iterator[Session]:
    """A session without security."""
    with target.connect() as connected:
        yield connected
