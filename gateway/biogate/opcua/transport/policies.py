"""The security policies on offer, as a table (Part 7, 6.6; Part 6, 6.7 and 6.8).

A row names the algorithms of one policy; everything else is the same for all RSA policies, and for
all ECC policies. Any
failure of cryptography is a CryptographyError without a reason: what a peer may learn from the
difference between two failures is how to forge.
"""

from __future__ import annotations

import hashlib
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from biogate.opcua.stack import security_policies, ua, uacrypto
from biogate.opcua.transport import elliptic
from biogate.opcua.transport.symmetric import AES_BLOCK, CryptographyError, SymmetricKeys
from biogate_security.certificate import CertificateFormatError, read_certificate
from biogate_security.key_kinds import CURVES, RSA, KeyKind, kind_of

__all__ = [
    "ECC_POLICIES",
    "NONE_URI",
    "POLICIES",
    "POLICY_URIS",
    "RSA_POLICIES",
    "SIGN",
    "SIGN_AND_ENCRYPT",
    "Agreement",
    "CryptographyError",
    "EccPolicy",
    "RsaPolicy",
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


class Agreement(NamedTuple):
    """What an OpenSecureChannel came to: the server's nonce, and both sides' keys."""

    server_nonce: bytes
    client_keys: SymmetricKeys
    server_keys: SymmetricKeys


@dataclass(frozen=True, slots=True)
class SecurityPolicy(ABC):
    """One row: a policy's algorithms. Lengths are in bytes, those of keys of certificates in bits.

    `level` orders endpoints by strength, for Sign; SignAndEncrypt adds 20. `kind` names the kind
    of key that certificates must have. `signature_uri` is None where SignatureData names none
    (Part 4, 7.36).
    """

    name: str
    uri: str
    level: int
    encrypting_key_length: int
    signing_key_length: int
    nonce_length: int
    kind: str
    first_sequence_number: ClassVar[int]

    def security_level(self, mode: ua.MessageSecurityMode) -> int:
        """SecurityLevel of an EndpointDescription (Part 4, 7.14): more is better."""
        return self.level + (20 if mode == SIGN_AND_ENCRYPT else 0)

    @property
    @abstractmethod
    def signature_uri(self) -> str | None:
        """What SignatureData names as its algorithm."""

    def public_key(self, certificate: Any) -> Any:
        """The key of an x509 certificate.

        Raises CryptographyError if the policy bars it, or it is no key at all.
        """
        try:
            key = certificate.public_key()
        except Exception as error:  # as for a signature
            raise CryptographyError from error
        if not self._allows(key):
            raise CryptographyError
        return key

    @abstractmethod
    def _allows(self, key: Any) -> bool: ...

    @abstractmethod
    def signature_size(self, key: Any) -> int:
        """The bytes of a signature by this private key, or the one to this public key."""

    @abstractmethod
    def sign(self, private_key: Any, data: bytes) -> bytes:
        """The signature of `data`."""

    @abstractmethod
    def verify(self, certificate: Any, data: bytes, signature: bytes) -> None:
        """Raises CryptographyError."""

    @abstractmethod
    def agree(self, client_nonce: bytes) -> Agreement:
        """Keys for a token, from the client's nonce and one that is made. Raises
        CryptographyError for a nonce that cannot be one."""


@dataclass(frozen=True, slots=True)
class RsaPolicy(SecurityPolicy):
    """An RSA policy (Part 6, 6.7): the functions are asyncua's.

    `padding_overhead` is what OAEP takes of each RSA block, in bytes.
    """

    signature_algorithm: str
    encryption_uri: str
    sign_with: Callable[[Any, bytes], bytes]
    verify_with: Callable[[Any, bytes, bytes], None]
    encrypt_with: Callable[[Any, bytes], bytes]
    decrypt_with: Callable[[Any, bytes], bytes]
    padding_overhead: int
    min_key_bits: int = 2048
    max_key_bits: int = 4096
    first_sequence_number: ClassVar[int] = 1

    @property
    def signature_uri(self) -> str | None:
        """The algorithm, by which a signature has to call itself."""
        return self.signature_algorithm

    def _allows(self, key: Any) -> bool:
        bits = getattr(key, "key_size", 0)
        return hasattr(key, "encrypt") and self.min_key_bits <= bits <= self.max_key_bits

    def signature_size(self, key: Any) -> int:
        """As long as the key."""
        return int(key.key_size) // 8

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

    def agree(self, client_nonce: bytes) -> Agreement:
        """Each side's keys come from the other's nonce (6.7.5)."""
        nonce = secrets.token_bytes(self.nonce_length)
        return Agreement(nonce, self.derive(nonce, client_nonce), self.derive(client_nonce, nonce))

    def derive(self, secret: bytes, seed: bytes) -> SymmetricKeys:
        """The keys that P_SHA256 makes of the other side's nonce and one's own (6.7.5)."""
        sizes = (self.signing_key_length, self.encrypting_key_length, AES_BLOCK)
        return SymmetricKeys(*uacrypto.p_sha256(secret, seed, sizes))


@dataclass(frozen=True, slots=True)
class EccPolicy(SecurityPolicy):
    """An ECC policy (Part 6, 6.8): certificates sign, and nonces are keys that agree on others.

    Openings are signed and not encrypted, and what is not secret in them stays readable. One curve
    is for both kinds of keys. Part 6 lets a policy allow other curves for certificates; which these
    are is unknown here (Part 7's tables), so there are none.
    """

    hash: hashes.SHA256 | hashes.SHA384
    first_sequence_number: ClassVar[int] = 0

    @property
    def curve(self) -> ec.EllipticCurve:
        """Of certificates and ephemeral keys."""
        curve = CURVES[self.kind].curve
        assert curve is not None
        return curve

    @property
    def signature_uri(self) -> str | None:
        """None: SignatureData does not say it, and what a client says does not count."""
        return None

    def _allows(self, key: Any) -> bool:
        kind = kind_of(key)
        return kind is not None and kind.name == self.kind

    def signature_size(self, key: Any) -> int:
        """Two numbers of the curve's field."""
        return 2 * elliptic.field_size(key.curve)

    def sign(self, private_key: Any, data: bytes) -> bytes:
        """The signature of `data`: r and s."""
        return elliptic.sign(private_key, self.hash, data)

    def verify(self, certificate: Any, data: bytes, signature: bytes) -> None:
        """Raises CryptographyError."""
        elliptic.verify(self.public_key(certificate), self.hash, data, signature)

    def new_key(self) -> elliptic.EphemeralKey:
        """A key for one agreement."""
        return elliptic.EphemeralKey(self.curve)

    def agree(self, client_nonce: bytes) -> Agreement:
        """The nonces are public keys, and both sides' keys come from their secret (6.8.1)."""
        own = self.new_key()
        secret, server_nonce = own.agree(client_nonce), own.public
        return Agreement(
            server_nonce,
            self._keys(secret, b"opcua-client", client_nonce + server_nonce),
            self._keys(secret, b"opcua-server", server_nonce + client_nonce),
        )

    def _keys(self, secret: bytes, label: bytes, nonces: bytes) -> SymmetricKeys:
        signing, encrypting = self.signing_key_length, self.encrypting_key_length
        size = signing + encrypting + AES_BLOCK
        made = elliptic.derive(self.hash, secret, label, nonces, size)
        vector = made[signing + encrypting :]
        return SymmetricKeys(
            made[:signing], made[signing : signing + encrypting], vector, self.hash.name
        )

    def decrypt_secret(self, own: elliptic.EphemeralKey, sender: bytes, ciphertext: bytes) -> bytes:
        """What was encrypted for `own` with the key to the public key `sender` (6.8.3).

        Raises CryptographyError.
        """
        size = self.encrypting_key_length + AES_BLOCK
        made = elliptic.derive(
            self.hash, own.agree(sender), b"opcua-secret", sender + own.public, size
        )
        encrypting, vector = made[:-AES_BLOCK], made[-AES_BLOCK:]
        return SymmetricKeys(b"", encrypting, vector).decrypt(ciphertext)


def _row(name: str, level: int, theirs: Any, **functions: Any) -> RsaPolicy:
    return RsaPolicy(
        name=name,
        uri=theirs.URI,
        level=level,
        encrypting_key_length=theirs.symmetric_key_size,
        signing_key_length=32,
        nonce_length=32,
        kind=RSA.name,
        signature_algorithm=theirs.AsymmetricSignatureURI,
        encryption_uri=theirs.AsymmetricEncryptionURI,
        **functions,
    )


def _ecc_row(kind: KeyKind, level: int) -> EccPolicy:
    assert kind.curve is not None
    size = elliptic.field_size(kind.curve)
    return EccPolicy(
        name=f"ECC_{kind.name}",
        uri=f"http://opcfoundation.org/UA/SecurityPolicy#ECC_{kind.name}",
        level=level,
        encrypting_key_length=16 if size == 32 else 32,
        signing_key_length=kind.hash.digest_size,
        nonce_length=2 * size,
        kind=kind.name,
        hash=kind.hash,
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

RSA_POLICIES: dict[str, RsaPolicy] = {
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
"""The policies of RSA keys by URI. Basic128Rsa15 and Basic256 are withdrawn and left out."""

_ECC_LEVELS = {"nistP256": 41, "brainpoolP256r1": 42, "nistP384": 43, "brainpoolP384r1": 44}
ECC_POLICIES: dict[str, EccPolicy] = {
    row.uri: row for row in (_ecc_row(CURVES[name], level) for name, level in _ECC_LEVELS.items())
}
"""The policies of elliptic curves by URI.

They rank below those that every client knows, for clients that take what ranks highest.
"""

POLICIES: dict[str, SecurityPolicy] = {**RSA_POLICIES, **ECC_POLICIES}
"""The secured policies by URI."""

POLICY_URIS: dict[str, str] = {"None": NONE_URI} | {row.name: row.uri for row in POLICIES.values()}
"""Policy URIs by the short names that a site file uses."""


def decrypt_secret(policy_uri: str, private_key: Any, ciphertext: bytes) -> bytes:
    """The plain bytes of a user token's secret: its length, the secret, the server's nonce.

    Part 4, 7.40.2.2. Raises CryptographyError, for an unknown policy too.
    """
    policy = RSA_POLICIES.get(policy_uri)
    if policy is None:
        raise CryptographyError
    return policy.decrypt(private_key, ciphertext)


def sign_data(policy_uri: str, private_key: Any, data: bytes) -> ua.SignatureData:
    """SignatureData over `data` (Part 4, 7.36); an empty one under policy None."""
    policy = POLICIES.get(policy_uri)
    signature = ua.SignatureData()
    if policy is not None:
        uri = policy.signature_uri
        signature.Algorithm = None if uri is None else ua.String(uri)
        signature.Signature = ua.ByteString(policy.sign(private_key, data))
    return signature


def verify_data(
    policy_uri: str, certificate_der: bytes, data: bytes, signature: ua.SignatureData
) -> None:
    """Raises CryptographyError unless `signature` over `data` is of the certificate's key and of
    the algorithm that the policy names, if it names one.

    Nobody may have judged the certificate yet: a key that takes long to use is not used.
    """
    policy = POLICIES.get(policy_uri)
    if policy is None:
        raise CryptographyError
    if policy.signature_uri is not None and signature.Algorithm != policy.signature_uri:
        raise CryptographyError
    try:
        certificate = read_certificate(leaf_of(certificate_der))
    except CertificateFormatError as error:
        raise CryptographyError from error
    policy.verify(certificate, data, signature.Signature or b"")


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
