"""Certificates of made-up authorities, applications and users, for tests over sockets and files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@cache
def rsa_key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@dataclass
class Party:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def thumbprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA1()).hex().upper()

    def crl(self, *revoked: Party, days: float = 7, age_days: float = 1) -> bytes:
        """A list of that age, up to date for so many days more."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - timedelta(days=age_days))
            .next_update(now + timedelta(days=days))
        )
        for party in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(party.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(now).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def usage(*uses: str) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    others = ("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: name in uses for name in (*names, *others)})


def made(
    name: str,
    number: int,
    *,
    uri: str | None = None,
    issuer: Party | None = None,
    days: float = 90,
) -> Party:
    """An application's certificate where it has a URI, else an authority's; valid for `days`."""
    key, now = rsa_key(number), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now + timedelta(days=days))
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
