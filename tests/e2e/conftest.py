"""Fixtures that start real processes and stop them, by their process ids."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from e2e.driving import NodeClient, Start, started_programs


@pytest.fixture
async def programs() -> AsyncIterator[Start]:
    """Starts programs that are stopped at the end of the test."""
    async with started_programs() as start:
        yield start


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_programs() -> AsyncIterator[Start]:
    """Starts programs that are stopped at the end of the module's tests."""
    async with started_programs() as start:
        yield start


@pytest.fixture(scope="session")
def new_data(nodeset_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes data folders that hold nothing but the fetched and compiled nodesets."""

    def make() -> Path:
        folder = tmp_path_factory.mktemp("data")
        (folder / "nodesets").symlink_to(nodeset_cache)
        return folder

    return make


@pytest.fixture
async def node_client() -> AsyncIterator[NodeClient]:
    """A node-opcua client, not yet connected."""
    client = await NodeClient.start()
    yield client
    await client.close()
