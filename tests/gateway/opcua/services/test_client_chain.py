"""A client whose certificate comes from an authority that the server has never seen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from biogate.opcua.transport.policies import POLICY_URIS
from biogate_security.pki import Pki

S = ua.StatusCodes
CLIENT_URI = "urn:test:client"


@pytest.fixture(scope="module")
def chain(ca_files: list[bytes]) -> list[bytes]:
    """A client's certificate and that of the authority that issued it, DER."""
    return ca_files[:2]


@pytest.fixture(scope="module")
def ca_files() -> list[bytes]:
    """A client's certificate, its issuer, the root, and the revocation lists of both, DER."""
    root, issuing, client = (rsa.generate_private_key(65537, 2048) for _ in range(3))
    return [
        _issued("client", client, "issuing", issuing),
        _issued("issuing", issuing, "root", root, ca=True),
        _issued("root", root, "root", root, ca=True),
        _revocation_list("issuing", issuing),
        _revocation_list("root", root),
    ]


@pytest.fixture(scope="module")
def ca_pki(tmp_path_factory: pytest.TempPathFactory, ca_files: list[bytes]) -> Pki:
    """A server that trusts the root, and has never seen the authority below it."""
    folder = tmp_path_factory.mktemp("ca-pki")
    pki = Pki.open(folder, "urn:test:biogate", ["127.0.0.1"])
    _, _, root, *lists = ca_files
    (folder / "trusted" / "certs" / "root.der").write_bytes(root)
    for number, content in enumerate(lists):
        (folder / "trusted" / "crl" / f"{number}.crl").write_bytes(content)
    return pki


_CLIENT_USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
)
_CA_USES = ("key_cert_sign", "crl_sign")
_USES = (*_CLIENT_USES, *_CA_USES, "key_agreement", "encipher_only", "decipher_only")


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _issued(
    name: str,
    key: rsa.RSAPrivateKey,
    issuer: str,
    issuer_key: rsa.RSAPrivateKey,
    *,
    ca: bool = False,
) -> bytes:
    now = datetime.now(UTC)
    used = _CA_USES if ca else _CLIENT_USES
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=10))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .add_extension(x509.KeyUsage(**{use: use in used for use in _USES}), critical=True)
    )
    if not ca:
        alternative = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(CLIENT_URI)])
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(alternative, critical=False)
        builder = builder.add_extension(purposes, critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(Encoding.DER)


def _revocation_list(issuer: str, key: rsa.RSAPrivateKey) -> bytes:
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder().issuer_name(_named(issuer))
    builder = builder.last_update(now - timedelta(days=1)).next_update(now + timedelta(days=10))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_issuers_that_came_only_with_the_channel_are_judged_with(
    make_bench: Callable[..., Any], chain: list[bytes], ca_pki: Pki
) -> None:
    """Part 4, 6.1.3: the chain is built from the trust list and from what the client sent."""
    bench = make_bench()
    bench.front_end.context.pki = ca_pki
    leaf = chain[0]
    for issuers, status in ((b"", S.BadSecurityChecksFailed), (chain[1], S.Good)):
        client = bench.client(
            security_policy_uri=POLICY_URIS["Basic256Sha256"],
            security_mode=ua.MessageSecurityMode.SignAndEncrypt,
            client_certificate=leaf,
            client_chain=leaf + issuers,
        )
        response = client.create_session(
            ClientDescription=ua.ApplicationDescription(ApplicationUri=CLIENT_URI),
            ClientCertificate=leaf,
            ClientNonce=b"n" * 32,
        )
        assert client.status(response) == status
