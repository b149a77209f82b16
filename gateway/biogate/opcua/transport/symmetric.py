"""The security of MSG and CLO chunks: HMAC and AES-CBC (Part 6, 6.7.2 and 6.7.5).

Every chunk is signed with the same key and encrypted from the same initialization vector. To set
up a hash or a cipher takes as long as a kilobyte of work, so both are set up once per key.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import cached_property

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

AES_BLOCK = 16

_Bytes = bytes | bytearray | memoryview
_inner_pad = bytes(byte ^ 0x36 for byte in range(256))
_outer_pad = bytes(byte ^ 0x5C for byte in range(256))


class CryptographyError(Exception):
    """A signature, a padding, a ciphertext or a key is not what it should be."""


class SymmetricKeys:
    """One direction of one security token. `hash_name` is the HMAC's: "sha256" or "sha384"."""

    def __init__(
        self,
        signing: bytes,
        encrypting: bytes,
        initialization_vector: bytes,
        hash_name: str = "sha256",
    ) -> None:
        # RFC 2104: H(key ^ opad, H(key ^ ipad, data)), hashed as far as the key goes.
        key = signing.ljust(hashlib.new(hash_name).block_size, b"\0")
        self._inner = hashlib.new(hash_name, key.translate(_inner_pad))
        self._outer = hashlib.new(hash_name, key.translate(_outer_pad))
        self._aes = algorithms.AES(encrypting)
        self._vector = initialization_vector
        self._last = initialization_vector

    def sign(self, *parts: _Bytes) -> bytes:
        """The HMAC of the parts one behind the other."""
        inner = self._inner.copy()
        for part in parts:
            inner.update(part)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def verify(self, signature: _Bytes, *parts: _Bytes) -> None:
        """Raises CryptographyError."""
        if not hmac.compare_digest(self.sign(*parts), signature):
            raise CryptographyError

    def encrypt(self, data: _Bytes) -> bytes:
        """`data` must fill whole blocks, and not be empty."""
        # Each block is encrypted after XOR with the one before. This one, which is never sent,
        # becomes the initialization vector, so that the next starts as if it were the first.
        self._encryptor.update(_xor(self._before_vector, self._last))
        encrypted = self._encryptor.update(data)
        self._last = encrypted[-AES_BLOCK:]
        return encrypted

    def decrypt(self, data: _Bytes) -> bytes:
        """Raises CryptographyError."""
        if not data or len(data) % AES_BLOCK:
            raise CryptographyError
        self._decryptor.update(self._vector)
        return self._decryptor.update(data)

    @cached_property
    def _encryptor(self) -> CipherContext:
        return Cipher(self._aes, modes.CBC(self._vector)).encryptor()

    @cached_property
    def _decryptor(self) -> CipherContext:
        return Cipher(self._aes, modes.CBC(self._vector)).decryptor()

    @cached_property
    def _before_vector(self) -> bytes:
        """The block that AES alone turns into the initialization vector."""
        return Cipher(self._aes, modes.CBC(bytes(AES_BLOCK))).decryptor().update(self._vector)


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(AES_BLOCK)
