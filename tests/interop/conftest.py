"""The real program with the fixture site, and clients that share no code with it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import Client
from e2e.certificates import client_identity
from e2e.driving import started_programs
from interop.asyncua_wire import AsyncuaWire
from interop.node_wire import NodeProcess, NodeWire
from interop.wire import Security, Wire

CLIENT_URI = "urn:test:interop"
NAMESPACE = "urn:battery:fixture"
TYPES_NAMESPACE = "urn:battery:fixture:types"
ACCOUNTS = ("operator", "engineer", "observer", "supervisor", "admin")
CLIENTS = ("asyncua", "node-opcua")
SECURITIES = (
    Security(),
    Security("Basic256Sha256", "Sign"),
    Security("Basic256Sha256", "SignAndEncrypt"),
    Security("Aes128_Sha256_RsaOaep", "SignAndEncrypt"),
    Security("Aes256_Sha256_RsaPss", "Sign"),
    Security("Aes256_Sha256_RsaPss", "SignAndEncrypt"),
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "clause(name): Part and clause that a check proves")


@dataclass(frozen=True)
class Fixture:
    """The running program: how to reach it, its accounts and its namespaces."""

    url: str
    passwords: dict[str, str]
    namespace: int
    types_namespace: int

    def id(self, name: str) -> str:
        """The NodeId of a node of the fixture."""
        return f"ns={self.namespace};s={name}"

    def type_id(self, name: str) -> str:
        """The NodeId of a variable of a certain type."""
        return f"ns={self.types_namespace};s={name}"

    def account(self, name: str) -> tuple[str, str]:
        """Name and password."""
        return name, self.passwords[name]


Connect = Callable[..., Awaitable[Wire]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(
    project: Path, nodeset_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Fixture]:
    """`biogate run examples/fixture-site.yaml`, once for all checks."""
    data = tmp_path_factory.mktemp("fixture-data")
    (data / "nodesets").symlink_to(nodeset_cache)
    passwords = {name: f"{name}-{os.urandom(8).hex()}" for name in ACCOUNTS}
    site = project / "examples" / "fixture-site.yaml"
    async with started_programs() as start:
        program = await start(
            *("run", str(site), "--port", "0", "--quiet", "--data", str(data)),
            env={f"BIOGATE_PASSWORD_{name.upper()}": word for name, word in passwords.items()},
        )
        url = (await program.line(r"endpoint: (opc\.tcp://\S+)"))[1]
        async with Client(url) as client:
            namespaces = [
                await client.get_namespace_index(uri) for uri in (NAMESPACE, TYPES_NAMESPACE)
            ]
        yield Fixture(url, passwords, *namespaces)


@pytest.fixture(scope="session")
def client_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key of asyncua's client."""
    return client_identity(tmp_path_factory.mktemp("asyncua"), CLIENT_URI)


@pytest.fixture(scope="session")
def expired_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key of a client whose certificate ended yesterday."""
    folder = tmp_path_factory.mktemp("expired")
    return client_identity(folder, CLIENT_URI, valid_until=datetime.now(UTC) - timedelta(days=1))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def connect(
    server: Fixture, client_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Connect]:
    """Opens sessions: `await connect("asyncua", security, account)`; the caller closes them."""
    process = await NodeProcess.start()
    pki = tmp_path_factory.mktemp("node-opcua")

    async def open_session(
        client: str, security: Security = SECURITIES[0], user: tuple[str, str] | None = None
    ) -> Any:
        if client == "asyncua":
            return await AsyncuaWire.connect(server.url, security, client_files, CLIENT_URI, user)
        return await NodeWire.connect(process, server.url, security, pki, user)

    yield open_session
    await process.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=CLIENTS)
async def wire(request: pytest.FixtureRequest, connect: Connect) -> AsyncIterator[Wire]:
    """An anonymous session on policy None, of each client."""
    session = await connect(request.param)
    yield session
    await session.close()


@pytest_asyncio.fixture(
    scope="session",
    loop_scope="session",
    params=[(client, security) for client in CLIENTS for security in SECURITIES],
    ids=lambda param: f"{param[0]}-{param[1].name}",
)
async def any_wire(request: pytest.FixtureRequest, connect: Connect) -> AsyncIterator[Wire]:
    """An anonymous session on each policy and mode, of each client."""
    session = await connect(*request.param)
    yield session
    await session.close()


@pytest_asyncio.fixture(loop_scope="session", params=CLIENTS)
async def open_wire(
    request: pytest.FixtureRequest, connect: Connect
) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """Opens sessions of one client that are closed at the end of the check."""
    opened: list[Wire] = []

    async def open_session(*arguments: Any, **named: Any) -> Wire:
        session = await connect(request.param, *arguments, **named)
        opened.append(session)
        return session

    yield open_session
    for session in opened:
        await session.close()
