"""Signed notes (C2SP signed-note): text, a blank line, one line for each Ed25519 signature.

A key is written as `name+keyid+base64(0x01 | public key)`; its id is the first four bytes of
SHA-256(name | 0x0A | 0x01 | public key). Several keys may sign one note.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"
_ID_BYTES, _KEY_BYTES = 4, 32
_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)")
_NAME = re.compile(r"[^\s+]+")


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key with the name that it signs by."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that find the key; they prove nothing."""
        named = self.name.encode() + b"\n" + _ED25519 + self.public
        return hashlib.sha256(named).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        encoded = base64.b64encode(_ED25519 + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key that `str` wrote. Raises ValueError for anything else."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        decoded = _from_base64(encoded)
        key = cls(name, decoded[1:])
        if len(decoded) != 1 + _KEY_BYTES or decoded[:1] != _ED25519 or not _NAME.fullmatch(name):
            raise ValueError("not an Ed25519 key in the form name+id+base64")
        if key.key_id.hex() != key_id:
            raise ValueError(f"the key's id is {key.key_id.hex()}, not {key_id}")
        return key

    def signed(self, note: Note) -> bool:
        """Whether one of the note's signatures is this key's."""
        own = (self.name, self.key_id)
        message = note.text.encode()
        return any(
            (name, key_id) == own and self._verifies(message, signature)
            for name, key_id, signature in note.signatures
        )

    def _verifies(self, message: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with the name that it signs by."""

    name: str
    private: Ed25519PrivateKey

    @classmethod
    def generate(cls, name: str) -> Self:
        """A new key."""
        return cls(name, Ed25519PrivateKey.generate())

    @property
    def verifying(self) -> VerifyingKey:
        """Its public half."""
        return VerifyingKey(self.name, self.private.public_key().public_bytes_raw())

    def line(self, text: str) -> str:
        """The signature line of a note with this text."""
        signed = self.verifying.key_id + self.private.sign(text.encode())
        return f"— {self.name} {base64.b64encode(signed).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note taken apart: its text with the last newline; (name, key id, signature) of each."""

    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]

    @classmethod
    def parse(cls, note: str) -> Self:
        """Raises ValueError for what is no signed note in UTF-8."""
        note.encode()
        text, blank, signatures = note.rpartition("\n\n")
        lines = [_LINE.fullmatch(line) for line in signatures.removesuffix("\n").split("\n")]
        if not blank or not text or not signatures.endswith("\n"):
            raise ValueError("not a signed note: text, a blank line, signatures")
        found = []
        for line in lines:
            if line is None or len(data := _from_base64(line[2])) <= _ID_BYTES:
                raise ValueError("not a signed note: a signature line is not one")
            found.append((line[1], data[:_ID_BYTES], data[_ID_BYTES:]))
        return cls(text + "\n", tuple(found))


def sign_note(text: str, *keys: SigningKey) -> str:
    """The note that says `text` (which ends with a newline), signed by each key."""
    return f"{text}\n{''.join(key.line(text) for key in keys)}"


def split_notes(content: str) -> list[str]:
    """The notes of a file that holds one after another, also with blank lines between."""
    notes: list[str] = []
    draft: list[str] = []
    for line in content.splitlines():
        if notes and line.startswith("— ") and not draft:
            notes[-1] += f"{line}\n"
            continue
        draft.append(line)
        if line.startswith("— "):
            notes.append("".join(f"{each}\n" for each in draft).lstrip("\n"))
            draft = []
        elif not line and len(draft) == 1:
            draft = []
    return [*notes, "\n".join(draft)] if draft else notes


def _from_base64(text: str) -> bytes:
    """Canonical base64 only, so that a signature has one form. Raises ValueError."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from error
    if base64.b64encode(decoded).decode() != text:
        raise ValueError("not base64 in its canonical form")
    return decoded
