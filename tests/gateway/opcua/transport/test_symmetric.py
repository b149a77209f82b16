"""Hashes and ciphers that are set up once do what new ones do (Part 6, 6.7.5; RFC 2104)."""

from __future__ import annotations

import hmac

import pytest
from asyncua.crypto import uacrypto
from hypothesis import given
from hypothesis import strategies as st

from biogate.opcua.transport.symmetric import CryptographyError, SymmetricKeys

VECTOR = bytes(range(16))
BLOCKS = st.integers(1, 40).flatmap(lambda n: st.binary(min_size=16 * n, max_size=16 * n))


@pytest.mark.parametrize("size", [16, 32])
@given(messages=st.lists(BLOCKS, min_size=1, max_size=6))
def test_every_message_is_encrypted_as_if_it_were_the_first(size, messages):
    key = bytes(range(100, 100 + size))
    sending, receiving = (SymmetricKeys(b"s" * 32, key, VECTOR) for _ in range(2))
    for message in messages:
        cipher = uacrypto.cipher_aes_cbc(key, VECTOR)
        expected = uacrypto.cipher_encrypt(cipher, message)
        assert sending.encrypt(message) == expected
        assert receiving.decrypt(memoryview(expected)) == message


@given(
    key=st.binary(min_size=1, max_size=64),
    messages=st.lists(st.lists(st.binary(max_size=300), max_size=4), min_size=1, max_size=4),
)
def test_a_signature_is_the_hmac_of_all_parts(key, messages):
    keys = SymmetricKeys(key, b"e" * 32, VECTOR)
    for parts in messages:
        signature = hmac.digest(key, b"".join(parts), "sha256")
        assert keys.sign(*parts) == signature
        keys.verify(signature, *parts)
        with pytest.raises(CryptographyError):
            keys.verify(signature[:-1] + bytes((signature[-1] ^ 1,)), *parts)


@pytest.mark.parametrize("data", [b"", b"x" * 15, b"x" * 17])
def test_what_fills_no_whole_blocks_is_refused_and_spoils_nothing(data):
    keys = SymmetricKeys(b"s" * 32, b"e" * 32, VECTOR)
    encrypted = keys.encrypt(b"m" * 32)
    with pytest.raises(CryptographyError):
        keys.decrypt(data)
    assert keys.decrypt(encrypted) == b"m" * 32
