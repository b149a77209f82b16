"""Fixtures that start real processes and stop them, by their process ids."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from e2e.driving import NodeClient, Program


@pytest.fixture
async def programs() -> AsyncIterator[Callable[..., Awaitable[Program]]]:
    """Starts programs that are stopped at the end of the test, by their process id."""
    started: list[Program] = []

    async def start(*arguments: str, env: dict[str, str] | None = None) -> Program:
        program = await Program.start(*arguments, env=env)
        started.append(program)
        return program

    yield start
    for program in started:
        await program.stop()


@pytest.fixture
async def node_client() -> AsyncIterator[NodeClient]:
    """A node-opcua client, not yet connected."""
    client = await NodeClient.start()
    yield client
    await client.close()
