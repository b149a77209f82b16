"""A running gateway under attack, and the client that watches it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attack.probe import Probe
from attack.target import Target


@pytest.fixture(scope="session")
def target(nodeset_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """`biogate run` of the battery's site, in a process of its own."""
    data = tmp_path_factory.mktemp("attacked")
    (data / "nodesets").symlink_to(nodeset_cache)
    running = Target.start(data)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def probe(target: Target) -> Iterator[Probe]:
    """The client that is there all the time."""
    with Probe(target) as watching:
        yield watching
