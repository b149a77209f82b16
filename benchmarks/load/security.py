"""Basic256Sha256 of a client, on top of `cryptography` (Part 6, 6.7; Part 7, 6.6)."""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.x509.oid import NameOID

from benchmarks.load.answers import WrongAnswerError

POLICY_NONE = "http://opcfoundation.org/UA/SecurityPolicy#None"
POLICY = "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256"
SIGNATURE = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
APPLICATION_URI = "urn:benchmark:load"
NONCE_SIZE = 32
_SIGNATURE_SIZE = 32
_BLOCK = 16
_OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
_OAEP_OVERHEAD = 42


@dataclass(frozen=True)
class Identity:
    """A client application's certificate and key."""

    certificate: bytes
    key: rsa.RSAPrivateKey

    def sign(self, data: bytes) -> bytes:
        """RSA PKCS#1 v1.5 with SHA-256."""
        return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())


@cache
def identity() -> Identity:
    """A certificate of this process, made when it is first asked for."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "load generator")])
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("key_agreement", "crl_sign", "encipher_only", "decipher_only"), False
    ) | dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_cert_sign",
        ),
        True,
    )
    uri = x509.UniformResourceIdentifier(APPLICATION_URI)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([uri, x509.DNSName("localhost")]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Identity(certificate.public_bytes(serialization.Encoding.DER), key)


class Keys:
    """One direction of a token: HMAC-SHA256 and AES-256-CBC."""

    def __init__(self, secret: bytes, seed: bytes) -> None:
        material = _p_sha256(secret, seed, 32 + 32 + _BLOCK)
        self._signing = material[:32]
        self._cipher = Cipher(algorithms.AES(material[32:64]), modes.CBC(material[64:]))

    def seal(self, header: bytes, sequence: bytes, body: bytes | memoryview) -> bytes:
        """A chunk: `header` gets its size, `sequence` and `body` are signed and encrypted."""
        padded = -(len(sequence) + len(body) + 1 + _SIGNATURE_SIZE) % _BLOCK
        plain = b"".join((sequence, body, bytes([padded]) * (padded + 1)))
        size = len(header) + len(plain) + _SIGNATURE_SIZE
        header = header[:4] + struct.pack("<I", size) + header[8:]
        signature = hmac.digest(self._signing, header + plain, "sha256")
        return header + self._cipher.encryptor().update(plain + signature)

    def unseal(self, chunk: bytes | memoryview, header_size: int) -> memoryview:
        """Sequence header and body of a chunk. Raises WrongAnswerError for a bad signature."""
        plain = self._cipher.decryptor().update(chunk[header_size:])
        signed = b"".join((chunk[:header_size], plain[:-_SIGNATURE_SIZE]))
        expected = hmac.digest(self._signing, signed, "sha256")
        if not hmac.compare_digest(expected, plain[-_SIGNATURE_SIZE:]):
            raise WrongAnswerError("a chunk with a wrong signature")
        end = len(plain) - _SIGNATURE_SIZE
        return memoryview(plain)[: end - plain[end - 1] - 1]


def _p_sha256(secret: bytes, seed: bytes, size: int) -> bytes:
    result, chained = b"", seed
    while len(result) < size:
        chained = hmac.digest(secret, chained, "sha256")
        result += hmac.digest(secret, chained + seed, "sha256")
    return result[:size]


def nonce() -> bytes:
    """A new client nonce."""
    return os.urandom(NONCE_SIZE)


def asymmetric_header(server_certificate: bytes) -> bytes:
    """The security header of OpenSecureChannel (Part 6, 6.7.2.3)."""
    thumbprint = hashlib.sha1(server_certificate, usedforsecurity=False).digest()
    parts = (POLICY.encode(), identity().certificate, thumbprint)
    return b"".join(struct.pack("<i", len(part)) + part for part in parts)


def seal_open(header: bytes, plain: bytes, server_certificate: bytes) -> bytes:
    """An OPN chunk: signed with the own key, encrypted for the server's."""
    public: Any = x509.load_der_x509_certificate(server_certificate).public_key()
    block, own = public.key_size // 8, identity().key.key_size // 8
    room = block - _OAEP_OVERHEAD
    padded = -(len(plain) + 1 + own) % room
    plain += bytes([padded]) * (padded + 1)
    blocks = (len(plain) + own) // room
    header = header[:4] + struct.pack("<I", len(header) + blocks * block) + header[8:]
    plain += identity().sign(header + plain)
    cipher = (public.encrypt(plain[i : i + room], _OAEP) for i in range(0, len(plain), room))
    return header + b"".join(cipher)


def unseal_open(chunk: bytes, header_size: int, server_certificate: bytes) -> bytes:
    """Sequence header and body of the server's OPN chunk, its signature checked."""
    public: Any = x509.load_der_x509_certificate(server_certificate).public_key()
    key, size = identity().key, identity().key.key_size // 8
    secret = chunk[header_size:]
    plain = b"".join(key.decrypt(secret[i : i + size], _OAEP) for i in range(0, len(secret), size))
    end = len(plain) - public.key_size // 8
    public.verify(plain[end:], chunk[:header_size] + plain[:end], padding.PKCS1v15(),
                  hashes.SHA256())  # fmt: skip
    return plain[: end - plain[end - 1] - 1]
