"""Argon2id hashes of passwords (RFC 9106), and passwords that people can type."""

from __future__ import annotations

import base64
import math
import secrets
import unicodedata
from dataclasses import dataclass

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from biogate_security.common_passwords import is_common
from biogate_security.password_demands import CharacterKind, PasswordDemands

MAX_PASSWORD_BYTES = 1024
_TOO_LONG = f"a password has at most {MAX_PASSWORD_BYTES} bytes"
# No characters that look alike: 31 of them, so 16 hold 79 bits.
_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 4, 4


class PasswordError(ValueError):
    """A password that may not be set; the message says what is asked for, never the password."""


@dataclass(frozen=True, slots=True)
class HashParameters:
    """Cost of one hash; each stored hash names its own (PHC string format)."""

    time_cost: int = 3
    memory_kib: int = 64 * 1024
    parallelism: int = 1


class Passwords:
    """Hashes and verifies. Each call takes its full time: keep it off the event loop."""

    def __init__(self, parameters: HashParameters, demands: PasswordDemands) -> None:
        self.demands = demands
        self._hasher = PasswordHasher(
            time_cost=parameters.time_cost,
            memory_cost=parameters.memory_kib,
            parallelism=parameters.parallelism,
            type=Type.ID,
        )
        self.dummy_hash = _unmatched_hash(parameters)

    def check_new(self, password: str, name: str = "") -> None:
        """Raise PasswordError for a password that the user `name` may not be given."""
        if len(password) < self.demands.minimum_length:
            least = self.demands.minimum_length
            raise PasswordError(f"a password needs at least {least} characters")
        if _to_bytes(password) is None:
            raise PasswordError(_TOO_LONG)
        if missing := self.demands.missing(password):
            raise PasswordError(f"a password needs {missing}")
        if is_common(password, name):
            raise PasswordError("a password is more than common words, rows and the user's name")

    def hash(self, password: str) -> str:
        """The Argon2id hash in PHC string format, with a salt of its own.

        Raises PasswordError for a password that is too long.
        """
        if (usable := _to_bytes(password)) is None:
            raise PasswordError(_TOO_LONG)
        return self._hasher.hash(usable)

    def verify(self, stored: str, password: str) -> bool:
        """True when `password` made `stored`; one that is too long takes as long and is wrong."""
        offered = _to_bytes(password)
        try:
            return self._hasher.verify(stored, offered or b"") and offered is not None
        except VerificationError:
            return False

    def is_outdated(self, stored: str) -> bool:
        """True when `stored` was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)


def is_password_hash(text: str) -> bool:
    """True for an Argon2id hash in PHC string format."""
    try:
        return extract_parameters(text).type is Type.ID
    except InvalidHashError:
        return False


def _unmatched_hash(parameters: HashParameters) -> str:
    """A hash of no password, verified for unknown users so that they take as long as others."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32)
    )
    cost = f"m={parameters.memory_kib},t={parameters.time_cost},p={parameters.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"


def readable_password(demands: PasswordDemands | None = None) -> str:
    """A random password of four groups, 79 bits, or of more where a longer one is asked for."""
    demands = demands or PasswordDemands()
    number = max(_GROUPS, math.ceil((demands.minimum_length + 1) / (_GROUP + 1)))
    while True:
        groups = ["".join(secrets.choice(_READABLE) for _ in range(_GROUP)) for _ in range(number)]
        if CharacterKind.UPPER in demands.kinds:
            groups[0] = groups[0].upper()
        password = "-".join(groups)
        if not demands.missing(password):
            return password


def _to_bytes(password: str) -> bytes | None:
    """NFC, so that one typed character is one whatever the keyboard (RFC 8265, 4.2).

    None for what is too long, as it was given or so. Composing takes time with the square of the
    length, which all others would have to wait.
    """
    if len(password) > MAX_PASSWORD_BYTES:
        return None
    composed = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    return composed if len(composed) <= MAX_PASSWORD_BYTES else None
