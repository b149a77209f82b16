"""Keys, certificates and the security of chunks, by the book (Part 6, 6.2 and 6.7)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

URI = "http://opcfoundation.org/UA/SecurityPolicy#"
NONE = f"{URI}None"
SIGN, SIGN_AND_ENCRYPT = 2, 3
CLIENT_URI = "urn:battery:attack:client"


@dataclass(frozen=True)
class Identity:
    """An application: its key and its certificate."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)


@cache
def new_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """The key of that number, made once."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def make_identity(
    name: str = "attacker",
    *,
    uri: str | None = CLIENT_URI,
    issuer: Identity | None = None,
    key: rsa.RSAPrivateKey | None = None,
    valid: tuple[int, int] = (-1, 30),
    authority: bool = False,
    usage: bool = True,
    sign_with: hashes.HashAlgorithm | None = None,
) -> Identity:
    """A certificate, self-signed without `issuer`; `valid` are days from now."""
    key = key or new_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=valid[0]))
        .not_valid_after(now + timedelta(days=valid[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(_usage(usage, authority), critical=True)
    )
    if uri is not None:
        names = x509.SubjectAlternativeName(
            [x509.UniformResourceIdentifier(uri), x509.DNSName("localhost")]
        )
        builder = builder.add_extension(names, critical=False)
    if not authority:
        client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(client, critical=False)
    certificate = builder.sign(issuer.key if issuer else key, sign_with or hashes.SHA256())
    return Identity(key, certificate)


def revocation_list(
    authority: Identity,
    revoked: Iterable[Identity],
    *,
    signer: Identity | None = None,
    valid: tuple[int, int] = (-1, 10),
) -> bytes:
    """A CRL of `authority` in DER, signed by `signer` if that is somebody else."""
    now = datetime.now(UTC)
    start, end = (now + timedelta(days=days) for days in valid)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(start)
        .next_update(end)
        .add_extension(x509.CRLNumber(1), critical=False)
    )
    for each in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(each.certificate.serial_number)
        builder = builder.add_revoked_certificate(entry.revocation_date(start).build())
    crl = builder.sign((signer or authority).key, hashes.SHA256())
    return crl.public_bytes(serialization.Encoding.DER)


def _usage(whole: bool, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=whole,
        key_encipherment=whole,
        data_encipherment=whole,
        key_agreement=False,
        key_cert_sign=True if authority else whole,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


@dataclass(frozen=True)
class Policy:
    """A security policy: OAEP's hash, the length of AES keys in bytes, PSS or PKCS #1."""

    name: str
    oaep: hashes.HashAlgorithm
    key_length: int
    encryption_uri: str
    signature_uri: str
    pss: bool = False

    @property
    def uri(self) -> str:
        return URI + self.name

    def sign(self, key: rsa.RSAPrivateKey, data: bytes) -> bytes:
        return key.sign(data, self._scheme(), hashes.SHA256())

    def verify(self, key: Any, signature: bytes, data: bytes) -> None:
        key.verify(signature, data, self._scheme(), hashes.SHA256())

    def encrypt(self, key: Any, data: bytes) -> bytes:
        size = key.key_size // 8 - self._overhead
        blocks = (data[i : i + size] for i in range(0, len(data), size))
        return b"".join(key.encrypt(block, self._oaep()) for block in blocks)

    def decrypt(self, key: rsa.RSAPrivateKey, data: bytes) -> bytes:
        size = key.key_size // 8
        blocks = (data[i : i + size] for i in range(0, len(data), size))
        return b"".join(key.decrypt(block, self._oaep()) for block in blocks)

    def plain_block(self, key: Any) -> int:
        return int(key.key_size) // 8 - self._overhead

    @property
    def _overhead(self) -> int:
        return 2 * self.oaep.digest_size + 2

    def _oaep(self) -> padding.OAEP:
        return padding.OAEP(padding.MGF1(self.oaep), self.oaep, None)

    def _scheme(self) -> Any:
        if not self.pss:
            return padding.PKCS1v15()
        return padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)


_RSA_OAEP = "http://www.w3.org/2001/04/xmlenc#rsa-oaep"
_RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
RSA_15 = "http://www.w3.org/2001/04/xmlenc#rsa-1_5"
POLICIES = {
    policy.name: policy
    for policy in (
        Policy("Basic256Sha256", hashes.SHA1(), 32, _RSA_OAEP, _RSA_SHA256),
        Policy("Aes128_Sha256_RsaOaep", hashes.SHA1(), 16, _RSA_OAEP, _RSA_SHA256),
        Policy(
            "Aes256_Sha256_RsaPss",
            hashes.SHA256(),
            32,
            "http://opcfoundation.org/UA/security/rsa-oaep-sha2-256",
            "http://opcfoundation.org/UA/security/rsa-pss-sha2-256",
            pss=True,
        ),
    )
}


def base64url(data: bytes) -> bytes:
    """Base64 as in a JSON Web Token: of its own alphabet, without padding (RFC 7515)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def web_token(
    claims: Mapping[str, object],
    key: rsa.RSAPrivateKey | None,
    header: Mapping[str, object] | None = None,
    signature: bytes | None = None,
) -> bytes:
    """A JSON Web Token, signed by `key` unless it brings a signature of its own."""
    head = {"alg": "RS256", "typ": "JWT", "kid": "battery", **(header or {})}
    parts = (json.dumps(part).encode() for part in (head, dict(claims)))
    data = b".".join(base64url(part) for part in parts)
    if signature is None and key is not None:
        signature = key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return data + b"." + base64url(signature or b"")


def key_set(key: rsa.RSAPrivateKey) -> str:
    """The JWKS of one key (RFC 7517)."""
    numbers = key.public_key().public_numbers()
    fields = {
        name: base64url(value.to_bytes(-(-value.bit_length() // 8), "big")).decode()
        for name, value in (("n", numbers.n), ("e", numbers.e))
    }
    return json.dumps({"keys": [{"kty": "RSA", "kid": "battery", "use": "sig", **fields}]})


def thumbprint(der: bytes) -> bytes:
    return hashlib.sha1(der, usedforsecurity=False).digest()


@dataclass(frozen=True)
class Keys:
    """One direction of a security token."""

    signing: bytes
    encrypting: bytes
    vector: bytes

    @staticmethod
    def derive(policy: Policy, secret: bytes, seed: bytes) -> Keys:
        """P_SHA256 (6.7.5)."""
        want = 32 + policy.key_length + 16
        out, block = b"", seed
        while len(out) < want:
            block = hmac.digest(secret, block, "sha256")
            out += hmac.digest(secret, block + seed, "sha256")
        cut = 32 + policy.key_length
        return Keys(out[:32], out[32:cut], out[cut:want])

    def mac(self, data: bytes) -> bytes:
        return hmac.digest(self.signing, data, "sha256")

    def encrypt(self, data: bytes) -> bytes:
        encryptor = self._cipher().encryptor()
        return encryptor.update(data) + encryptor.finalize()

    def decrypt(self, data: bytes) -> bytes:
        decryptor = self._cipher().decryptor()
        return decryptor.update(data) + decryptor.finalize()

    def _cipher(self) -> Any:
        return Cipher(algorithms.AES(self.encrypting), modes.CBC(self.vector))


def filled(size: int, block: int, *, wide: bool) -> bytes:
    """The padding behind `size` bytes (signature counted), with its sizes."""
    fill = -(size + 1 + wide) % block
    return bytes([fill & 0xFF]) * (fill + 1) + (bytes([fill >> 8]) if wide else b"")
