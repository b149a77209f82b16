"""A site of two zones without devices, served by processes or within this one."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client

from biogate import Gateway

SITE = """
biogate: 1
enterprise: Acme
site: Hall 4
area: USP
process_cell: Train 1
users:
  op: {roles: [Operator]}
  mes: {roles: [Operator]}
  boss: {roles: [Supervisor, SecurityAdmin]}
opcua: {security_policies: ["None", Basic256Sha256], anonymous: read, trust_any_client: true}
nodes:
  cell:
    namespace: urn:test:cell
    objects:
      Cell:
        variables:
          Shared: {type: Double, value: 1, writable: true}
          Secret: {type: Double, value: 2, writable: true}
          Recipe: {type: String, value: fed-batch, writable: true}
          Alarm: {type: UInt16, writable: true, raises_event: the stirrer stands still}
          SecretAlarm: {type: UInt16, writable: true, raises_event: the recipe was changed}
        methods:
          Twice:
            inputs: {x: {type: Double}}
            outputs: {y: {type: Double, expression: 2 * x}}
          Purge: {outputs: {done: {type: Boolean, expression: 1 > 0}}}
  office:
    namespace: urn:test:office
    objects:
      Office:
        variables:
          Order: {type: Double, value: 5, writable: true}
          Fast: {type: Double, value: 0, writable: true, audited: false}
          FastText: {type: String, value: none, writable: true, audited: false}
zones:
  cell: {sections: [cell], users: [op, boss], opcua: {port: 0}}
  dmz: {sections: [office], users: [mes], opcua: {port: 0}}
  vault: {description: nobody connects here}
conduits:
  dmz-to-cell:
    from: dmz
    to: cell
    allow:
      - {actions: [browse, read, subscribe, history], on: [cell/Cell/Shared]}
      - {actions: [events], on: [cell/Cell/Alarm]}
      - {actions: [browse, call], on: [cell/Cell/Twice]}
      - actions: [write]
        on: [cell/Cell/Shared]
        bounds: {cell/Cell/Shared: {low: 0, high: 10}}
"""


@pytest.fixture(scope="session")
def zones_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site file."""
    path = tmp_path_factory.mktemp("site") / "site.yaml"
    path.write_text(textwrap.dedent(SITE), encoding="utf-8")
    return path


Running = Callable[..., Any]


@pytest.fixture(scope="session")
def running(
    zones_site: Path, nodeset_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Running:
    """Runs the gateway of the site: `async with running("processes") as gateway`."""

    @asynccontextmanager
    async def run(
        front_ends: Any = "processes", site: Path = zones_site, **more: Any
    ) -> AsyncIterator[Gateway]:
        data = tmp_path_factory.mktemp("data")
        (data / "nodesets").symlink_to(nodeset_cache)
        async with Gateway.from_file(site, data=data, front_ends=front_ends, **more) as gateway:
            yield gateway

    return run


@pytest.fixture(scope="session")
def client_of() -> Callable[..., Client]:
    """Makes a client of a zone, of a user or anonymous."""

    def make(gateway: Gateway, zone: str, user: str | None = None) -> Client:
        client = Client(gateway.endpoint_urls[zone], timeout=10)
        if user is not None:
            client.set_user(user)
            client.set_password(gateway.first_passwords[user])
        return client

    return make
