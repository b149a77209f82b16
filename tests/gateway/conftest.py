"""A running gateway with simulated devices, for the tests of the public API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from biogate.sim.process import SimProcess


@pytest.fixture
def demo_site(project: Path) -> Path:
    """The site file of `biogate demo`."""
    return project / "examples" / "demo-site.yaml"


@pytest.fixture
async def simulators(demo_site: Path) -> AsyncIterator[SimProcess]:
    """The demo's devices in a process of their own, 60 times faster than real time."""
    async with await SimProcess.start(demo_site, speed=60.0) as process:
        yield process
