"""A front end with push management on a free port, and asyncua's client to administer it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from biogate.opcua.front_end import FrontEnd, FrontEndConfig
from biogate.opcua.space.address_space import AddressSpace
from biogate.tags.table import TagTable
from biogate_nodesets import load_model
from biogate_security.audit import AuditRecord, AuditUnavailableError
from biogate_security.own_certificate import pem_of
from biogate_security.pki import Pki
from biogate_security.pki_admin import PkiAdministrator
from biogate_security.role_policy import RolePolicy

SERVER_URI, CLIENT_URI = "urn:test:gateway", "urn:test:administrator"
ENCRYPT, SIGN = ua.MessageSecurityMode.SignAndEncrypt, ua.MessageSecurityMode.Sign
CONFIGURATION = "i=12637"
PASSWORD = "correct horse"
_ROLES = {"admin": {"SecurityAdmin"}, "other": {"SecurityAdmin"}, "operator": {"Operator"}}


@cache
def rsa_key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@dataclass
class Party:
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def thumbprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA1()).hex().upper()

    def crl(self, *revoked: Party) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - timedelta(days=1))
            .next_update(now + timedelta(days=7))
        )
        for party in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(party.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(now).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def usage(*uses: str) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    others = ("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: name in uses for name in (*names, *others)})


def made(name: str, number: int, *, uri: str | None = None, issuer: Party | None = None) -> Party:
    """An application's certificate where it has a URI, else an authority's."""
    key, now = rsa_key(number), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(uri is None, None), critical=True)
    )
    if uri is None:
        builder = builder.add_extension(usage("key_cert_sign", "crl_sign"), critical=True)
    else:
        uses = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
        names = [x509.UniformResourceIdentifier(uri), x509.DNSName("localhost")]
        builder = (
            builder.add_extension(usage(*uses), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
        )
    signer = issuer.key if issuer else key
    return Party(builder.sign(signer, hashes.SHA256()), key)


def signed(request_der: bytes, authority: Party) -> bytes:
    """What an authority makes of a signing request."""
    request, now = x509.load_der_x509_csr(request_der), datetime.now(UTC)
    assert request.is_signature_valid
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(authority.certificate.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
    )
    for extension in request.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


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
async def plant(tmp_path: Path, nodeset_cache: Path) -> AsyncIterator[Plant]:
    client_party = made("administrator", 1, uri=CLIENT_URI)
    pki = Pki.open(tmp_path / "pki", SERVER_URI, ["127.0.0.1"])
    trusted = tmp_path / "pki" / "trusted" / "certs" / "administrator.der"
    trusted.write_bytes(client_party.der)
    pki.poll()
    model = load_model(["ns0"], cache=nodeset_cache, application_uri=SERVER_URI)
    audit = Audit()
    front_end = FrontEnd(
        FrontEndConfig(SERVER_URI, port=0, security=("Basic256Sha256",), anonymous=False),
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
