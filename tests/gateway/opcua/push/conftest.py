"""A front end with push management on a free port, and asyncua's client to administer it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from pki_parties import Party, made, signed

from biogate.opcua.front_end import FrontEnd, FrontEndConfig
from biogate.opcua.space.address_space import AddressSpace
from biogate.tags.table import TagTable
from biogate_nodesets import load_model
from biogate_security.audit import AuditRecord, AuditUnavailableError
from biogate_security.key_kinds import KeyKind
from biogate_security.own_certificate import pem_of
from biogate_security.pki import Pki
from biogate_security.pki_admin import PkiAdministrator
from biogate_security.role_policy import RolePolicy

SERVER_URI, CLIENT_URI = "urn:test:gateway", "urn:test:administrator"
ENCRYPT, SIGN = ua.MessageSecurityMode.SignAndEncrypt, ua.MessageSecurityMode.Sign
CONFIGURATION = "i=12637"
PASSWORD = "correct horse"
_ROLES = {"admin": {"SecurityAdmin"}, "other": {"SecurityAdmin"}, "operator": {"Operator"}}


class Users:
    """Everyone's password is PASSWORD; roles by name."""

    async def authenticate(self, name: str, password: str, source: str = "") -> Any:
        if password != PASSWORD or name not in _ROLES:
            return None
        roles = frozenset({"AuthenticatedUser", *_ROLES[name]})
        return SimpleNamespace(
            user=name,
            roles=roles,
            must_change_password=False,
            until=None,
            authentication="UserName",
        )


@dataclass
class Audit:
    """Keeps the records; `down`: it cannot store those of that event."""

    records: list[AuditRecord] = field(default_factory=list)
    down: str = ""
    more: asyncio.Event = field(default_factory=asyncio.Event)

    async def record(self, record: AuditRecord) -> int:
        if self.down and record.event == self.down:
            raise AuditUnavailableError("the disk is full")
        self.records.append(record)
        self.more.set()
        return len(self.records)

    def of(self, prefix: str) -> list[AuditRecord]:
        return [record for record in self.records if record.event.startswith(prefix)]

    async def until(self, event: str) -> AuditRecord:
        """The first record of that event, soon."""
        async with asyncio.timeout(10):
            while not (found := [one for one in self.records if one.event == event]):
                self.more.clear()
                await self.more.wait()
        return found[0]


@dataclass
class Plant:
    """A front end, its PKI folder and its administrators."""

    front_end: FrontEnd
    pki: Pki
    audit: Audit
    client_party: Party
    folder: Path
    clients: list[Client] = field(default_factory=list)
    lost: dict[Client, asyncio.Event] = field(default_factory=dict)

    async def connect(
        self,
        user: str = "admin",
        mode: ua.MessageSecurityMode = ENCRYPT,
        party: Party | None = None,
        uri: str = CLIENT_URI,
    ) -> Client:
        """A client with a session of that user."""
        party = party or self.client_party
        certificate, key = self.folder / "client.der", self.folder / "client.pem"
        certificate.write_bytes(party.der)
        key.write_bytes(pem_of(party.key))
        client = Client(self.front_end.endpoint_url, timeout=5)
        client.application_uri = uri
        client.set_user(user)
        client.set_password(PASSWORD)
        await client.set_security(SecurityPolicyBasic256Sha256, certificate, key, mode=mode)
        await client.connect()
        self.clients.append(client)
        self.lost[client] = lost = asyncio.Event()
        told = client.uaclient.protocol.on_connection_lost

        def connection_lost(error: Exception | None) -> None:
            lost.set()
            told(error)

        client.uaclient.protocol.on_connection_lost = connection_lost
        return client

    async def cut_off(self, client: Client) -> None:
        """Wait until the server has closed the client's connection."""
        async with asyncio.timeout(10):
            await self.lost[client].wait()


@pytest.fixture
def authority() -> Party:
    return made("authority", 2)


@pytest.fixture
def make_party() -> Callable[..., Party]:
    """`make_party("name", key_number, uri=..., issuer=...)`."""
    return made


@pytest.fixture
def sign() -> Callable[[bytes, Party], bytes]:
    """`sign(request, authority)`: the certificate."""
    return signed


@pytest.fixture
def suppressed() -> tuple[str, ...]:
    """What does not refuse a client's certificate."""
    return ()


@pytest.fixture
def curves() -> tuple[KeyKind, ...]:
    """Of which there is an own certificate, and whose policies are offered, besides RSA."""
    return ()


@pytest.fixture
async def plant(
    tmp_path: Path,
    nodeset_cache: Path,
    suppressed: tuple[str, ...],
    curves: tuple[KeyKind, ...],
) -> AsyncIterator[Plant]:
    client_party = made("administrator", 1, uri=CLIENT_URI)
    pki = Pki.open(tmp_path / "pki", SERVER_URI, ["127.0.0.1"], curves=curves, suppress=suppressed)
    trusted = tmp_path / "pki" / "trusted" / "certs" / "administrator.der"
    trusted.write_bytes(client_party.der)
    pki.poll()
    model = load_model(["ns0"], cache=nodeset_cache, application_uri=SERVER_URI)
    audit = Audit()
    policies = ("Basic256Sha256", *(f"ECC_{kind.name}" for kind in curves))
    front_end = FrontEnd(
        FrontEndConfig(SERVER_URI, port=0, security=policies, anonymous=False),
        AddressSpace(model),
        TagTable(),
        commands=SimpleNamespace(),
        policy=RolePolicy(),
        authenticator=Users(),
        pki=pki,
        audit=audit,
        pki_admin=PkiAdministrator(pki),
    )
    await front_end.start()
    plant = Plant(front_end, pki, audit, client_party, tmp_path)
    yield plant
    for client in plant.clients:
        try:
            await client.disconnect()
        except (ConnectionError, TimeoutError, ua.UaError):
            pass  # the test had its connection closed
    await front_end.stop()


Call = Callable[..., Awaitable[Any]]


@pytest.fixture
def call() -> Call:
    """`call(client, object, method, *variants)`: the outputs, or ua.UaStatusCodeError."""

    async def run(client: Client, owner: str, method: str, *arguments: ua.Variant) -> Any:
        node = client.get_node(owner)
        return await node.call_method(ua.NodeId.from_string(method), *arguments)

    return run
