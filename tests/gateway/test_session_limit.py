"""A site says how many sessions a user may have (IEC 62443-3-3, SR 2.7)."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from asyncua import Client, ua

from biogate import Gateway

SITE = """
biogate: 1
enterprise: Acme
site: Hall 9
area: USP
process_cell: Train 1
nodes:
  cell: {namespace: "urn:test:cell", objects: {Cell: {variables: {Feed: {type: Double}}}}}
users: {olga: {roles: [Operator]}, ada: {roles: [Observer]}}
opcua: {security_policies: ["None", Basic256Sha256], sessions_per_user: 2}
zones:
  cell: {sections: [cell], opcua: {port: 0}}
  dmz: {opcua: {port: 0, sessions_per_user: 1}}
"""


def client_of(gateway: Gateway, zone: str, user: str) -> Client:
    client = Client(gateway.endpoint_urls[zone], timeout=10)
    client.set_user(user)
    client.set_password(gateway.first_passwords[user])
    return client


@pytest.mark.parametrize(("zone", "most"), [("cell", 2), ("dmz", 1)])
async def test_one_more_session_of_a_user_is_refused_and_others_are_not(
    tmp_path: Path, nodeset_cache: Path, zone: str, most: int
) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(textwrap.dedent(SITE), encoding="utf-8")
    gateway = Gateway.from_file(
        path, data=tmp_path / "data", nodesets=nodeset_cache, front_ends="in_process"
    )
    async with gateway:
        clients = [client_of(gateway, zone, "olga") for _ in range(most)]
        for client in clients:
            await client.connect()
        with pytest.raises(ua.UaStatusCodeError) as refused:
            await client_of(gateway, zone, "olga").connect()
        assert refused.value.code == ua.StatusCodes.BadTooManySessions
        async with client_of(gateway, zone, "ada") as other:
            await other.nodes.server_state.read_value()
        await clients.pop().disconnect()
        async with client_of(gateway, zone, "olga") as again:
            await again.nodes.server_state.read_value()
        for client in clients:
            await client.nodes.server_state.read_value()
            await client.disconnect()
