"""The security of OPN chunks: signature, RSA encryption, padding (Part 6, 6.7.2, 6.7.4, 6.8.1)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Any

from biogate.opcua.codec import DecodeLimits, Reader, Writer
from biogate.opcua.transport.framing import FINAL, HEADER_SIZE, OPEN, frame_header
from biogate.opcua.transport.policies import (
    NONE_URI,
    CryptographyError,
    RsaPolicy,
    SecurityPolicy,
    thumbprint_of,
)

SEQUENCE_HEADER = Struct("<II")
"""SequenceNumber and RequestId."""

_HEADER_LIMITS = DecodeLimits(max_string_length=255, max_byte_string_length=1 << 16)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk with its security taken off."""

    sequence_number: int
    request_id: int
    body: bytes

    @staticmethod
    def of(plain: bytes) -> Chunk:
        """Of the sequence header and what follows it. Raises CryptographyError."""
        if len(plain) < SEQUENCE_HEADER.size:
            raise CryptographyError
        sequence_number, request_id = SEQUENCE_HEADER.unpack_from(plain)
        return Chunk(sequence_number, request_id, plain[SEQUENCE_HEADER.size :])


@dataclass(frozen=True, slots=True)
class AsymmetricHeader:
    """The headers of an OPN chunk that are in clear (6.7.2.3); `size` is theirs, in bytes."""

    channel_id: int
    policy_uri: str
    sender_certificate: bytes
    receiver_thumbprint: bytes
    size: int

    @staticmethod
    def read(data: bytes) -> AsymmetricHeader:
        """Raises DecodeError."""
        reader = Reader(data, _HEADER_LIMITS)
        reader.take(HEADER_SIZE)
        channel_id = reader.uint32()
        uri, certificate = reader.string(), reader.byte_string()
        thumbprint = reader.byte_string()
        return AsymmetricHeader(
            channel_id, uri or "", certificate or b"", thumbprint or b"", reader.pos
        )


@dataclass(frozen=True, slots=True)
class Peer:
    """The other side of a secured channel: the leaf of its certificate, in DER and parsed."""

    der: bytes
    certificate: Any
    public_key: Any


def unseal_open(
    policy: SecurityPolicy | None, private_key: Any, peer: Peer | None, data: bytes, size: int
) -> Chunk:
    """Decrypts and verifies an OPN chunk whose clear headers take `size` bytes.

    Raises CryptographyError.
    """
    if policy is None or peer is None:
        return Chunk.of(data[size:])
    sealed, plain = False, data[size:]
    if isinstance(policy, RsaPolicy):
        sealed, plain = True, policy.decrypt(private_key, plain)
    signature_size = policy.signature_size(peer.public_key)
    if len(plain) <= signature_size:
        raise CryptographyError
    signed, signature = plain[:-signature_size], plain[-signature_size:]
    policy.verify(peer.certificate, data[:size] + signed, signature)
    if not sealed:
        return Chunk.of(signed)
    return Chunk.of(without_padding(signed, wide=private_key.key_size > 2048))


def seal_open(
    policy: SecurityPolicy | None,
    private_key: Any,
    peer: Peer | None,
    own_certificate: bytes,
    channel_id: int,
    plain: bytes,
) -> bytes:
    """An OPN chunk around `plain`, which is sequence header and body."""
    header = Writer()
    header.uint32(channel_id)
    if policy is None or peer is None:
        header.string(NONE_URI)
        header.byte_string(None)
        header.byte_string(None)
        size = HEADER_SIZE + len(header.buffer) + len(plain)
        return frame_header(OPEN, FINAL, size) + bytes(header.buffer) + plain
    header.string(policy.uri)
    header.byte_string(own_certificate)
    header.byte_string(thumbprint_of(peer.der))
    signature_size = policy.signature_size(private_key)
    if not isinstance(policy, RsaPolicy):
        size = HEADER_SIZE + len(header.buffer) + len(plain) + signature_size
        signed = frame_header(OPEN, FINAL, size) + bytes(header.buffer) + plain
        return signed + policy.sign(private_key, signed)
    block = peer.public_key.key_size // 8
    plain_block = block - policy.padding_overhead
    plain += padding(len(plain) + signature_size, plain_block, wide=block > 256)
    encrypted_size = (len(plain) + signature_size) // plain_block * block
    start = frame_header(OPEN, FINAL, HEADER_SIZE + len(header.buffer) + encrypted_size)
    start += bytes(header.buffer)
    signature = policy.sign(private_key, start + plain)
    return start + policy.encrypt(peer.public_key, plain + signature)


def padding(size: int, block: int, *, wide: bool) -> bytes:
    """PaddingSize, Padding and, for keys over 2048 bits, ExtraPaddingSize (6.7.2.5)."""
    fill = -(size + 1 + wide) % block
    return bytes((fill & 0xFF,)) * (fill + 1) + (bytes((fill >> 8,)) if wide else b"")


def without_padding(plain: bytes, *, wide: bool) -> bytes:
    """What is in front of the padding that ends `plain`. Raises CryptographyError."""
    return plain[: padding_start(plain, len(plain), wide=wide)]


def padding_start(plain: bytes, stop: int, *, wide: bool) -> int:
    """Where the padding begins that ends at `stop`. Raises CryptographyError."""
    end = stop - wide
    if end < 1:
        raise CryptographyError
    high = plain[stop - 1] if wide else 0
    low = plain[end - 1]
    start = end - 1 - (high << 8 | low)
    if start < 0 or plain[start:end] != bytes((low,)) * (end - start):
        raise CryptographyError
    return start
