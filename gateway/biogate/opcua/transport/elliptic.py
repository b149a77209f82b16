"""Elliptic curves under the ECC policies: keys on the wire, signatures, and what is derived.

Part 6, 6.8.1: a public key is its x and y, a signature its r and s, each as long as the curve's
field and big-endian; the secret that two keys share is an x.
"""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from biogate.opcua.transport.symmetric import CryptographyError

__all__ = ["EphemeralKey", "derive", "sign", "verify"]

_UNCOMPRESSED = b"\x04"  # SEC 1, 2.3.3; never on OPC UA's wire


class EphemeralKey:
    """A key that is made for one agreement; `public` is what the other side is sent."""

    def __init__(self, curve: ec.EllipticCurve) -> None:
        self._key = ec.generate_private_key(curve)
        numbers = self._key.public_key().public_numbers()
        size = field_size(curve)
        self.public = numbers.x.to_bytes(size) + numbers.y.to_bytes(size)

    def agree(self, other: bytes) -> bytes:
        """The secret shared with whoever has the key to this public one.

        Raises CryptographyError for what is no point of the curve, or is this key's own.
        """
        if other == self.public:
            raise CryptographyError
        try:
            point = _UNCOMPRESSED + other
            key = ec.EllipticCurvePublicKey.from_encoded_point(self._key.curve, point)
            return self._key.exchange(ec.ECDH(), key)
        except ValueError as error:
            raise CryptographyError from error


def field_size(curve: ec.EllipticCurve) -> int:
    """Bytes of a coordinate."""
    return (curve.key_size + 7) // 8


def sign(key: Any, hash_: hashes.HashAlgorithm, data: bytes) -> bytes:
    """The signature of `data`: r and s."""
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hash_)))
    size = field_size(key.curve)
    return r.to_bytes(size) + s.to_bytes(size)


def verify(key: Any, hash_: hashes.HashAlgorithm, data: bytes, signature: bytes) -> None:
    """Raises CryptographyError unless it is that of `data` by the key to this public one."""
    size = field_size(key.curve)
    if len(signature) != 2 * size:
        raise CryptographyError
    r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
    try:
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hash_))
    except (InvalidSignature, ValueError) as error:
        raise CryptographyError from error


def derive(
    hash_: hashes.HashAlgorithm, secret: bytes, label: bytes, keys: bytes, size: int
) -> bytes:
    """`size` bytes by HKDF (RFC 5869). Salt and info are the same (6.8.1, steps 1 to 3).

    `keys` are the two public keys: first that of the side whose material it is.
    """
    salt = size.to_bytes(2, "little") + label + keys
    return HKDF(hash_, size, salt, salt).derive(secret)
