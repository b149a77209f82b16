"""A zone's clients are its members: by address, certificate and application (docs/zones.md).

Asked over sockets, with a client that we did not write.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from biogate import Gateway
from biogate.prove.access import ClientIdentity
from biogate.prove.client import Connection, RefusedError, Way, says_hello
from biogate.prove.identity import client_identity

SITE = """
biogate: 1
enterprise: Example
site: Test
area: A
process_cell: C
namespace: urn:test:admission
front_ends: in_process
users: {{ines: {{roles: [Operator]}}}}
nodes:
  s: {{namespace: urn:test:s, objects: {{S: {{variables: {{S.V: {{type: Double}}}}}}}}}}
zones:
  by-network: {{networks: [127.0.0.1/32], opcua: {{port: 0}}}}
  by-certificate: {{certificates: [{fingerprint}], opcua: {{port: 0}}}}
  by-application: {{applications: ["urn:test:known"], opcua: {{port: 0}}}}
"""
PASSWORD = "a long word for ines"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ClientIdentity]:
    """Two applications that every zone trusts; the zones list the first of them."""
    folder = tmp_path_factory.mktemp("clients")
    return {
        "known": client_identity(folder / "known", "", ["urn:test:known"]),
        "other": client_identity(folder / "other", "", ["urn:test:other"]),
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(
    clients: dict[str, ClientIdentity],
    nodeset_cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    site = folder / "site.yaml"
    site.write_text(SITE.format(fingerprint=clients["known"].fingerprint), encoding="utf-8")
    (folder / "nodesets").symlink_to(nodeset_cache)
    for zone in ("by-network", "by-certificate", "by-application"):
        trusted = folder / "zones" / zone / "pki" / "trusted" / "certs"
        trusted.mkdir(parents=True)
        for name, client in clients.items():
            shutil.copy(client.certificate, trusted / f"{name}.der")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIOGATE_PASSWORD_INES", PASSWORD)
        async with Gateway.from_file(site, data=folder) as running:
            yield running


async def answer(gateway: Gateway, zone: str, client: ClientIdentity) -> str:
    """Good, or why the client got no session."""
    way = Way(
        gateway.endpoint_urls[zone],
        client.application_uri,
        client.certificate,
        client.key,
        user="ines",
        password=PASSWORD,
    )
    try:
        connection = await Connection.open(way)
    except RefusedError as error:
        return error.status
    await connection.close()
    return "Good"


async def test_a_client_from_elsewhere_is_cut_off_at_accept(gateway: Gateway) -> None:
    """The whole of 127.0.0.0/8 is this machine."""
    url = gateway.endpoint_urls["by-network"]

    assert await says_hello(url, "127.0.0.1")
    assert not await says_hello(url, "127.0.0.2")
    assert await says_hello(gateway.endpoint_urls["by-certificate"], "127.0.0.2")


async def test_a_certificate_that_is_trusted_but_not_listed_opens_no_channel(
    gateway: Gateway, clients: dict[str, ClientIdentity]
) -> None:
    assert await answer(gateway, "by-certificate", clients["known"]) == "Good"
    assert await answer(gateway, "by-certificate", clients["other"]) == "BadSecurityChecksFailed"
    assert await answer(gateway, "by-network", clients["other"]) == "Good"


async def test_an_application_that_is_not_listed_gets_no_session(
    gateway: Gateway, clients: dict[str, ClientIdentity]
) -> None:
    assert await answer(gateway, "by-application", clients["known"]) == "Good"
    assert await answer(gateway, "by-application", clients["other"]) == "BadSecurityChecksFailed"
