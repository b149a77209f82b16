"""Certificates of made-up authorities, clocks that tests drive, cheap password hashes."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from biogate_security.audit import AuditRecord
from biogate_security.audit_log import AuditLog
from biogate_security.audit_store.segment import segment_path
from biogate_security.passwords import HashParameters, Passwords
from biogate_security.users import UserStore

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
CLIENT_URI = "urn:example:client"
ALL_USES = frozenset(
    {"digital_signature", "content_commitment", "key_encipherment", "data_encipherment"}
)
CA_USES = frozenset({"key_cert_sign", "crl_sign"})


@cache
def rsa_key(number: int, bits: int = 2048) -> rsa.RSAPrivateKey:
    """The same key for the same number: making one takes long."""
    return rsa.generate_private_key(65537, bits)


def ticks(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 10


class Clock:
    """Seconds (called) and FILETIME ticks (`.ticks()`), moved by the test."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.wall = NOW

    def __call__(self) -> float:
        return self.seconds

    def ticks(self) -> int:
        return ticks(self.wall)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds)


def _usage(uses: frozenset[str]) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    others = ("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: name in uses for name in (*names, *others)})


class Party:
    """A certificate with its key: what it says is what it was made with."""

    def __init__(self, certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> None:
        self.certificate = certificate
        self.key = key
        self.der = certificate.public_bytes(Encoding.DER)

    def crl(
        self,
        *revoked: Party,
        start: datetime = NOW,
        days: float = 7,
        key: int | None = None,
        scope: x509.IssuingDistributionPoint | None = None,
    ) -> bytes:
        """The DER revocation list of this authority."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(start - timedelta(days=1))
            .next_update(start + timedelta(days=days))
        )
        for party in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(party.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(start).build())
        if scope is not None:
            builder = builder.add_extension(scope, critical=True)
        signer = self.key if key is None else rsa_key(key)
        return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.DER)


def make_party(
    name: str = "client",
    key: int = 0,
    *,
    issuer: Party | None = None,
    signer: rsa.RSAPrivateKey | None = None,
    issuer_name: str | None = None,
    ca: bool = False,
    path_length: int | None = None,
    uris: tuple[str, ...] = (CLIENT_URI,),
    uses: frozenset[str] | None = None,
    purposes: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.CLIENT_AUTH,),
    start: datetime = NOW - timedelta(days=30),
    end: datetime = NOW + timedelta(days=365),
    bits: int = 2048,
    algorithm: hashes.HashAlgorithm | None = None,
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = (),
) -> Party:
    """A certificate right in every respect but those that the test names."""
    own = rsa_key(key, bits)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by = issuer.certificate.subject if issuer else subject
    if issuer_name is not None:
        by = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
    )
    wanted = (CA_USES if ca else ALL_USES) if uses is None else uses
    if wanted:
        builder = builder.add_extension(_usage(wanted), critical=True)
    if purposes and not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if uris and not ca:
        names = [x509.UniformResourceIdentifier(uri) for uri in uris]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical=critical)
    by_key = signer or (issuer.key if issuer else own)
    return Party(builder.sign(by_key, algorithm or hashes.SHA256()), own)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def party() -> Callable[..., Party]:
    """`party("name", key_number, issuer=..., ...)` makes a certificate."""
    return make_party


@pytest.fixture
def plant() -> SimpleNamespace:
    """A root, an issuing authority below it and a client's certificate from that."""
    root = make_party("root", 1, ca=True)
    issuing = make_party("issuing", 2, issuer=root, ca=True)
    return SimpleNamespace(
        root=root, issuing=issuing, client=make_party("client", 3, issuer=issuing)
    )


@pytest.fixture
def cheap() -> HashParameters:
    """Argon2id at its lowest cost: the tests are about what is around it."""
    return HashParameters(time_cost=1, memory_kib=8, parallelism=1)


@pytest.fixture
def users(tmp_path: Path, cheap: HashParameters, clock: Clock) -> UserStore:
    return UserStore(tmp_path / "users.json", parameters=cheap, clock=clock)


class HashGate:
    """Passwords are checked when `opened`; `begun()` returns when one more check has begun."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.running = self.most = self.total = 0
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._begun: asyncio.Queue[None] = asyncio.Queue()

    async def begun(self) -> None:
        await self._begun.get()

    def wait(self) -> None:
        with self._lock:
            self.running += 1
            self.total += 1
            self.most = max(self.most, self.running)
        self._loop.call_soon_threadsafe(self._begun.put_nowait, None)
        self.opened.wait(10)
        with self._lock:
            self.running -= 1


@pytest.fixture
async def gate(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HashGate]:
    """Holds every check of a password until the test opens it."""
    gate, real = HashGate(), Passwords.verify

    def verify(self: Passwords, stored: str, password: str) -> bool:
        gate.wait()
        return real(self, stored, password)

    monkeypatch.setattr(Passwords, "verify", verify)
    yield gate
    gate.opened.set()


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[AuditLog]:
    audit_log = await AuditLog.open(tmp_path / "audit")
    yield audit_log
    await audit_log.close()


@pytest.fixture
def tamper() -> Callable[..., None]:
    """`tamper(folder, *statements, segment=1)` does what an SQL shell can do to the file.

    The triggers go first, and are made anew.
    """

    def change(folder: Path, *statements: str, segment: int = 1) -> None:
        with closing(sqlite3.connect(segment_path(folder, segment))) as database:
            found = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = dict(found.fetchall())
            for name in triggers:
                database.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                database.execute(statement)
            for trigger in triggers.values():
                database.execute(trigger)
            database.commit()

    return change


@pytest.fixture
def entry() -> Callable[..., AuditRecord]:
    """`entry(new="2", ...)` is a record of a write by an operator."""

    def make(**changes: object) -> AuditRecord:
        fields = {"event": "write", "time": ticks(NOW), "user": "olga", "roles": ("Operator",)}
        return AuditRecord(**{**fields, **changes})

    return make
