"""The security policies on offer, as a table (Part 7, 6.6; Part 6, 6.7).

A row names the algorithms of one policy; everything else is the same for all RSA policies. Any
failure of cryptography is a CryptographyError without a reason: what a peer may learn from the
difference between two failures is how to forge.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from biogate.opcua.stack import security_policies, ua, uacrypto
from biogate.opcua.transport.symmetric import AES_BLOCK, CryptographyError, SymmetricKeys

__all__ = [
    "NONE_URI",
    "POLICIES",
    "POLICY_URIS",
    "SIGN",
    "SIGN_AND_ENCRYPT",
    "CryptographyError",
    "SecurityPolicy",
    "SymmetricKeys",
    "decrypt_secret",
    "leaf_of",
    "load_certificate",
    "sign_data",
    "thumbprint_of",
    "verify_data",
]

SIGN = ua.MessageSecurityMode.Sign
SIGN_AND_ENCRYPT = ua.MessageSecurityMode.SignAndEncrypt


@dataclass(frozen=True, slots=True)
class SecurityPolicy:
    """One row: an RSA policy's algorithms. The functions are asyncua's.

    `padding_overhead` is what OAEP takes of each RSA block, in bytes; key lengths are in bits,
    the others in bytes. `level` orders endpoints by strength, for Sign; SignAndEncrypt adds 20.
    """

    name: str
    uri: str
    level: int
    signature_uri: str
    encryption_uri: str
    sign_with: Callable[[Any, bytes], bytes]
    verify_with: Callable[[Any, bytes, bytes], None]
    encrypt_with: Callable[[Any, bytes], bytes]
    decrypt_with: Callable[[Any, bytes], bytes]
    padding_overhead: int
    encrypting_key_length: int
    signing_key_length: int = 32
    nonce_length: int = 32
    min_key_bits: int = 2048
    max_key_bits: int = 4096

    def security_level(self, mode: ua.MessageSecurityMode) -> int:
        """SecurityLevel of an EndpointDescription (Part 4, 7.14): more is better."""
        return self.level + (20 if mode == SIGN_AND_ENCRYPT else 0)

    def public_key(self, certificate: Any) -> Any:
        """The RSA key of an x509 certificate.

        Raises CryptographyError if the policy bars it, or it is no key at all.
        """
        try:
            key = certificate.public_key()
        except Exception as error:  # as for a signature
            raise CryptographyError from error
        bits = getattr(key, "key_size", 0)
        if not hasattr(key, "encrypt") or not self.min_key_bits <= bits <= self.max_key_bits:
            raise CryptographyError
        return key

    def sign(self, private_key: Any, data: bytes) -> bytes:
        """The signature of `data`, as long as the key."""
        return self.sign_with(private_key, data)

    def verify(self, certificate: Any, data: bytes, signature: bytes) -> None:
        """Raises CryptographyError."""
        try:
            self.verify_with(certificate, data, signature)
        except Exception as error:  # whatever the library has against it, the answer is the same
            raise CryptographyError from error

    def encrypt(self, public_key: Any, data: bytes) -> bytes:
        """RSA block by block."""
        size = public_key.key_size // 8 - self.padding_overhead
        blocks = (data[i : i + size] for i in range(0, len(data), size))
        return b"".join(self.encrypt_with(public_key, block) for block in blocks)

    def decrypt(self, private_key: Any, data: bytes) -> bytes:
        """RSA block by block. Raises CryptographyError."""
        size = private_key.key_size // 8
        if not data or len(data) % size:
            raise CryptographyError
        try:
            blocks = [
                self.decrypt_with(private_key, data[i : i + size])
                for i in range(0, len(data), size)
            ]
        except Exception as error:
            raise CryptographyError from error
        return b"".join(blocks)

    def derive(self, secret: bytes, seed: bytes) -> SymmetricKeys:
        """The keys that P_SHA256 makes of the other side's nonce and one's own (6.7.5)."""
        sizes = (self.signing_key_length, self.encrypting_key_length, AES_BLOCK)
        return SymmetricKeys(*uacrypto.p_sha256(secret, seed, sizes))


def _row(name: str, level: int, theirs: Any, **functions: Any) -> SecurityPolicy:
    return SecurityPolicy(
        name=name,
        uri=theirs.URI,
        level=level,
        signature_uri=theirs.AsymmetricSignatureURI,
        encryption_uri=theirs.AsymmetricEncryptionURI,
        encrypting_key_length=theirs.symmetric_key_size,
        **functions,
    )


_PKCS1_SHA256 = {"sign_with": uacrypto.sign_sha256, "verify_with": uacrypto.verify_sha256}
_PSS_SHA256 = {"sign_with": uacrypto.sign_pss_sha256, "verify_with": uacrypto.verify_pss_sha256}
_OAEP_SHA1 = {
    "encrypt_with": uacrypto.encrypt_rsa_oaep,
    "decrypt_with": uacrypto.decrypt_rsa_oaep,
    "padding_overhead": 42,
}
_OAEP_SHA256 = {
    "encrypt_with": uacrypto.encrypt_rsa_oaep_sha256,
    "decrypt_with": uacrypto.decrypt_rsa_oaep_sha256,
    "padding_overhead": 66,
}

NONE_URI: str = security_policies.SecurityPolicyNone.URI
"""The policy without security."""

POLICIES: dict[str, SecurityPolicy] = {
    row.uri: row
    for row in (
        _row(
            "Basic256Sha256",
            50,
            security_policies.SecurityPolicyBasic256Sha256,
            **_PKCS1_SHA256,
            **_OAEP_SHA1,
        ),
        _row(
            "Aes128_Sha256_RsaOaep",
            55,
            security_policies.SecurityPolicyAes128Sha256RsaOaep,
            **_PKCS1_SHA256,
            **_OAEP_SHA1,
        ),
        _row(
            "Aes256_Sha256_RsaPss",
            60,
            security_policies.SecurityPolicyAes256Sha256RsaPss,
            **_PSS_SHA256,
            **_OAEP_SHA256,
        ),
    )
}
"""The secured policies by URI. Basic128Rsa15 and Basic256 are withdrawn and left out."""

POLICY_URIS: dict[str, str] = {"None": NONE_URI} | {row.name: row.uri for row in POLICIES.values()}
"""Policy URIs by the short names that a site file uses."""


def decrypt_secret(policy_uri: str, private_key: Any, ciphertext: bytes) -> bytes:
    """The plain bytes of a user token's secret: its length, the secret, the server's nonce.

    Part 4, 7.40.2.2. Raises CryptographyError, for an unknown policy too.
    """
    policy = POLICIES.get(policy_uri)
    if policy is None:
        raise CryptographyError
    return policy.decrypt(private_key, ciphertext)


def sign_data(policy_uri: str, private_key: Any, data: bytes) -> ua.SignatureData:
    """SignatureData over `data` (Part 4, 7.36); an empty one under policy None."""
    policy = POLICIES.get(policy_uri)
    signature = ua.SignatureData()
    if policy is not None:
        signature.Algorithm = ua.String(policy.signature_uri)
        signature.Signature = ua.ByteString(policy.sign(private_key, data))
    return signature


def verify_data(
    policy_uri: str, certificate_der: bytes, data: bytes, signature: ua.SignatureData
) -> None:
    """Raises CryptographyError unless `signature` over `data` is of the certificate's key and of
    the algorithm that the policy names."""
    policy = POLICIES.get(policy_uri)
    if policy is None or signature.Algorithm != policy.signature_uri:
        raise CryptographyError
    policy.verify(load_certificate(certificate_der), data, signature.Signature or b"")


def load_certificate(der: bytes) -> Any:
    """The x509 certificate of `der`. Raises CryptographyError."""
    leaf = leaf_of(der)
    try:
        return uacrypto.x509_from_der(leaf)
    except Exception as error:  # several kinds, not all of them ValueErrors
        raise CryptographyError from error


def leaf_of(chain: bytes) -> bytes:
    """The first certificate of DER certificates one behind the other (Part 6, 6.2.6).

    Raises CryptographyError when the length that it announces is not there.
    """
    if len(chain) < 4 or chain[0] != 0x30:
        raise CryptographyError
    length, header = chain[1], 2
    if length & 0x80:
        octets = length & 0x7F
        header += octets
        length = int.from_bytes(chain[2:header], "big")
        if not 1 <= octets <= 3:
            raise CryptographyError
    if header + length > len(chain):
        raise CryptographyError
    return chain[: header + length]


def thumbprint_of(certificate_der: bytes) -> bytes:
    """SHA-1 of a certificate's DER, its name on the wire (Part 6, 6.7.2.3)."""
    return hashlib.sha1(certificate_der, usedforsecurity=False).digest()
