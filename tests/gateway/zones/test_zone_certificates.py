"""Each zone has its own key, certificate and trust list, and renews and administers them alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography.hazmat.primitives.serialization import Encoding
from pki_parties import Party, made

from biogate import Gateway
from biogate.cli.assembly import build
from biogate_security.audit_store.query import query_log
from biogate_security.certificate import application_uris
from biogate_security.own_certificate import load, pem_of

V, T = ua.Variant, ua.VariantType
CLIENT_URI = "urn:test:administrator"


def own(gateway: Gateway, zone: str) -> Any:
    return load(gateway._data / "zones" / zone / "pki" / "own")


def biogate(*arguments: str) -> int:
    """The exit code of a command that runs in this process, beside the gateway."""
    with pytest.raises(SystemExit) as exited:
        build()(list(arguments), prog_name="biogate")
    code = exited.value.code
    return code if isinstance(code, int) else 0


@pytest.fixture
def connect(client_of: Callable[..., Client], tmp_path: Path) -> Callable[..., Any]:
    """A client over an encrypted channel."""

    async def connect(gateway: Gateway, zone: str, user: str, party: Party) -> Client:
        certificate, key = tmp_path / "client.der", tmp_path / "client.pem"
        certificate.write_bytes(party.der)
        key.write_bytes(pem_of(party.key))
        client = client_of(gateway, zone, user)
        client.application_uri = CLIENT_URI
        await client.set_security(
            SecurityPolicyBasic256Sha256,
            certificate,
            key,
            mode=ua.MessageSecurityMode.SignAndEncrypt,
        )
        await client.connect()
        return client

    return connect


@pytest.fixture
def site(zones_site: Path, tmp_path: Path) -> Path:
    """The same site without zones."""
    path = tmp_path / "site.yaml"
    path.write_text(zones_site.read_text("utf-8").partition("zones:")[0], "utf-8")
    return path


def lost(client: Client) -> asyncio.Event:
    """Set when the client's connection is closed."""
    event, told = asyncio.Event(), client.uaclient.protocol.on_connection_lost

    def connection_lost(error: Exception | None) -> None:
        event.set()
        told(error)

    client.uaclient.protocol.on_connection_lost = connection_lost
    return event


async def test_zones_share_no_key_and_renew_alone(running: Any, connect: Any) -> None:
    party = made("administrator", 1, uri=CLIENT_URI)
    async with running("processes") as gateway:
        cell, dmz = own(gateway, "cell"), own(gateway, "dmz")
        assert cell.private_key.private_numbers() != dmz.private_key.private_numbers()
        base = gateway.site.application_uri
        assert application_uris(cell.certificate) == [f"{base}:cell"]
        assert application_uris(dmz.certificate) == [f"{base}:dmz"]
        boss = await connect(gateway, "cell", "boss", party)
        mes = await connect(gateway, "dmz", "mes", party)
        gone, stays = lost(boss), lost(mes)
        data = str(gateway._data)
        code = await asyncio.to_thread(biogate, "pki", "renew", "--zone", "cell", "--data", data)
        assert code == 0
        async with asyncio.timeout(15):
            await gone.wait()
        again = await connect(gateway, "cell", "boss", party)
        offered = again.security_policy.peer_certificate
        assert offered == own(gateway, "cell").certificate.public_bytes(Encoding.DER)
        assert own(gateway, "dmz").certificate == dmz.certificate
        assert not stays.is_set()
        for client in (again, mes):
            await client.disconnect()


async def test_a_zones_administrator_changes_that_zones_trust_list_and_the_core_records_it(
    running: Any, connect: Any
) -> None:
    party, guest = made("administrator", 1, uri=CLIENT_URI), made("guest", 2, uri="urn:test:guest")
    async with running("in_process") as gateway:
        boss = await connect(gateway, "cell", "boss", party)
        trust_list = boss.get_node("i=12642")
        arguments = (V(guest.der, T.ByteString), V(True, T.Boolean))
        await trust_list.call_method(ua.NodeId(12668), *arguments)
        names = {
            path.name.partition(" ")[0]
            for path in (gateway._data / "zones" / "cell" / "pki" / "trusted" / "certs").iterdir()
        }
        assert "guest" in names
        # Users log in through the core: their trust list is not this process's to change.
        groups = await boss.get_node("i=14053").get_children()
        assert [group.nodeid.Identifier for group in groups] == [14156]
        await boss.disconnect()
        data = gateway._data
    assert not list((data / "zones" / "dmz" / "pki" / "trusted" / "certs").glob("guest*"))
    records = [each.record for each in query_log(data / "audit")]
    (change,) = [one for one in records if one.event == "trust-list-update"]
    assert (change.user, change.zone) == ("boss", "cell")
    assert guest.thumbprint in change.new


async def test_a_site_without_zones_takes_notice_of_the_command_line(
    running: Any, connect: Any, site: Path
) -> None:
    party = made("administrator", 1, uri=CLIENT_URI)
    async with running(site=site, port=0) as gateway:
        boss = await connect(gateway, "", "boss", party)
        assert await boss.get_node("i=12640").read_value() == 1 << 20
        gone = lost(boss)
        arguments = ("pki", "renew", "--data", str(gateway._data))
        assert await asyncio.to_thread(biogate, *arguments) == 0
        async with asyncio.timeout(15):
            await gone.wait()
        again = await connect(gateway, "", "boss", party)
        offered = again.security_policy.peer_certificate
        await again.disconnect()
        data = gateway._data
    assert offered == load(data / "pki" / "own").certificate.public_bytes(Encoding.DER)
    records = [each.record for each in query_log(data / "audit")]
    (change,) = [one for one in records if one.event == "certificate-changed"]
    assert change.old != change.new
