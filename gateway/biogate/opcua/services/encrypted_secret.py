"""EccEncryptedSecret: a password or token as a client encrypts it (Part 4, 7.40.2.5; Part 6, 6.8).

What was not signed by the client's certificate is not decrypted. Whatever is wrong, there is one
answer. Part 4 leaves to a figure what is signed: here it is everything before the signature,
TypeId and Length included. Only the certificate of the channel may have made it.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from biogate.opcua.codec import DecodeError, DecodeLimits, Reader
from biogate.opcua.transport.elliptic import EphemeralKey
from biogate.opcua.transport.policies import (
    CryptographyError,
    EccPolicy,
    leaf_of,
    load_certificate,
)

TYPE_ID = 17546
"""NodeId of the DataType EccEncryptedSecret, in namespace 0."""
_MOST_AROUND = 32_768
_LIMITS = DecodeLimits(max_string_length=256, max_byte_string_length=_MOST_AROUND, max_depth=1)


@dataclass(frozen=True, slots=True)
class Keyhole:
    """What a secret is opened with: the key it was encrypted for, who encrypted it, the nonce.

    `certificate` is the channel's client certificate in DER, `nonce` the last ServerNonce.
    """

    policy: EccPolicy
    key: EphemeralKey
    certificate: bytes
    nonce: bytes


@dataclass(frozen=True, slots=True)
class _Envelope:
    sender_key: bytes
    encrypted: bytes


def open_secret(data: bytes, keyhole: Keyhole, most: int) -> bytes | None:
    """The secret, of `most` bytes at most; None for anything that is not right."""
    if len(data) > most + _MOST_AROUND:
        return None
    try:
        envelope = _verified(data, keyhole)
        plain = keyhole.policy.decrypt_secret(keyhole.key, envelope.sender_key, envelope.encrypted)
        secret = _payload(plain, keyhole.nonce)
    except (CryptographyError, DecodeError):
        return None
    return secret if len(secret) <= most else None


def _verified(data: bytes, keyhole: Keyhole) -> _Envelope:
    """Raises DecodeError, or CryptographyError for what the client has not signed like this."""
    policy = keyhole.policy
    certificate = load_certificate(keyhole.certificate)
    end = len(data) - policy.signature_size(policy.public_key(certificate))
    reader = Reader(data, _LIMITS)
    _expect(_is_of_type(reader) and reader.uint32() == len(data) - reader.pos)
    _expect(reader.string() == policy.uri)
    sent = reader.byte_string()
    _expect(not sent or leaf_of(sent) == keyhole.certificate)
    reader.take(8)  # SigningTime: that it is new, the nonce and the key prove
    size = reader.number("H", 2)
    start = reader.pos
    sender_key, receiver_key = reader.byte_string() or b"", reader.byte_string() or b""
    _expect(size == reader.pos - start)
    _expect(hmac.compare_digest(receiver_key, keyhole.key.public) and reader.pos < end)
    policy.verify(certificate, data[:end], data[end:])
    return _Envelope(sender_key, data[reader.pos : end])


def _is_of_type(reader: Reader) -> bool:
    """Whether it begins with the TypeId, and the mask that says that a body follows."""
    type_id = reader.node_id()
    numeric = type_id.NamespaceIndex == 0 and type_id.Identifier == TYPE_ID
    return numeric and reader.data[reader.take(1)] == 1


def _payload(plain: bytes, nonce: bytes) -> bytes:
    """Nonce, secret, padding and its size. Raises DecodeError or CryptographyError."""
    reader = Reader(plain, _LIMITS)
    sent, secret = reader.byte_string() or b"", reader.byte_string() or b""
    padding = plain[reader.pos : -2]
    size = int.from_bytes(plain[-2:], "little")
    _expect(len(plain) - reader.pos >= 2 and padding == bytes((size & 0xFF,)) * size)
    _expect(hmac.compare_digest(sent, nonce))
    return secret


def _expect(holds: bool) -> None:
    if not holds:
        raise CryptographyError
