"""Issued tokens: JWTs (RFC 7519) of one identity provider (Part 6, 6.5).

Keys come from one file (a JWKS, RFC 7517) and never from a token; algorithms are pinned. Needs
the extra `jwt`, whose library is imported when an issuer is configured.
"""

from __future__ import annotations

import importlib
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from biogate_security.filetime import TICKS_PER_SECOND, now_ticks
from biogate_security.roles import Identity, Role
from biogate_security.user_file import UserStoreError, check_name, check_roles

MAX_TOKEN_BYTES = 4096
MAX_KEYS = 32
MAX_JWKS_BYTES = 256 * 1024
MIN_RSA_BITS = 2048
ALGORITHMS = ("RS256", "PS256", "ES256")
_KEY_TYPES = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC"}
# Whatever else a header may hold tells where to get a key, or what else must be understood.
_HEADERS = frozenset({"alg", "kid", "typ"})
_UNIX_EPOCH_S = 11_644_473_600
_log = logging.getLogger(__name__)


class IssuedTokenError(Exception):
    """Issued tokens cannot be accepted as configured; the message says what to do."""


class TokenRefusedError(Exception):
    """A token is not accepted; the message says why, for the log only."""


@dataclass(frozen=True, slots=True)
class TokenRules:
    """Whose tokens are accepted, and what they are worth here.

    `roles` maps values of the claim `roles_claim` to roles of Part 18; a claim's name may lead
    into objects by dots (`realm_access.roles`). Times are in seconds; a token older than
    `max_age_s` is refused even before it expires.
    """

    issuer: str
    audience: str
    jwks_file: Path
    roles: Mapping[str, Sequence[str]]
    algorithms: tuple[str, ...] = ALGORITHMS
    roles_claim: str = "roles"
    user_claim: str = "sub"
    leeway_s: float = 60.0
    max_age_s: float = 12 * 3600.0

    def __post_init__(self) -> None:
        if unknown := set(self.algorithms) - set(ALGORITHMS):
            raise ValueError(f"no such algorithm: {', '.join(sorted(unknown))}")


@dataclass(slots=True)
class _Keys:
    stamp: tuple[int, int, int] | None = None
    by_id: Mapping[str, Any] = field(default_factory=dict)


class IssuedTokens:
    """Judges tokens by the rules and the keys of the JWKS file, read again when it changes."""

    def __init__(self, rules: TokenRules, *, clock: Callable[[], int] = now_ticks) -> None:
        """`clock` gives FILETIME ticks. Raises IssuedTokenError."""
        try:
            self._jwk: Any = importlib.import_module("joserfc.jwk")
            self._jwt: Any = importlib.import_module("joserfc.jwt")
            self._errors: Any = importlib.import_module("joserfc.errors")
        except ImportError as error:
            raise IssuedTokenError(
                f"issued tokens need the extra jwt: install biogate[jwt] ({error})"
            ) from error
        for roles in rules.roles.values():
            try:
                check_roles(frozenset(roles))
            except UserStoreError as error:
                raise IssuedTokenError(f"issued tokens: roles: {error}") from error
        self._rules = rules
        self._clock = clock
        self._keys = _Keys()
        self._keys = self._read()

    def identity(self, token: bytes) -> Identity:
        """Whose token it is, until it expires. Raises TokenRefusedError."""
        if len(token) > MAX_TOKEN_BYTES:
            raise TokenRefusedError(f"longer than {MAX_TOKEN_BYTES} bytes")
        keys = self._current()
        try:
            decoded = self._jwt.decode(
                token.decode("ascii"),
                lambda obj: self._key_for(obj.headers(), keys),
                algorithms=list(self._rules.algorithms),
            )
        except (self._errors.JoseError, ValueError, TypeError, RecursionError) as error:
            raise TokenRefusedError(f"not a token that can be verified: {error}") from error
        return self._judge(decoded.claims)

    # -- keys -----------------------------------------------------------------------------------

    def _key_for(self, headers: Mapping[str, Any], keys: Mapping[str, Any]) -> Any:
        if unknown := headers.keys() - _HEADERS:
            raise TokenRefusedError(f"header {', '.join(sorted(unknown))} is not accepted")
        key_id = headers.get("kid")
        key = next(iter(keys.values())) if key_id is None and len(keys) == 1 else None
        if isinstance(key_id, str):
            key = keys.get(key_id)
        if key is None:
            raise TokenRefusedError("no key with its kid is in the JWKS file")
        if key.key_type != _KEY_TYPES.get(str(headers.get("alg"))):
            raise TokenRefusedError("its alg does not fit the key with its kid")
        return key

    def _current(self) -> Mapping[str, Any]:
        """The keys as the file has them now; none while it cannot be used."""
        try:
            if _stamp(self._rules.jwks_file) != self._keys.stamp:
                self._keys = self._read()
                _log.info("keys of the token issuer read", extra=self._where)
        except (IssuedTokenError, OSError) as error:
            if self._keys.by_id:
                _log.error("no token is accepted: %s", error, extra=self._where)
            self._keys = _Keys()
        return self._keys.by_id

    @property
    def _where(self) -> dict[str, str]:
        return {"file": str(self._rules.jwks_file), "issuer": self._rules.issuer}

    def _read(self) -> _Keys:
        """Raises IssuedTokenError."""
        path = self._rules.jwks_file
        try:
            stamp = _stamp(path)
            if stamp[1] > MAX_JWKS_BYTES:
                raise IssuedTokenError(f"{path}: over {MAX_JWKS_BYTES} bytes")
            document = json.loads(path.read_bytes())
            entries = document["keys"]
        except OSError as error:
            raise IssuedTokenError(f"{path}: {error.strerror}") from error
        except (ValueError, TypeError, KeyError) as error:
            raise IssuedTokenError(f"{path}: not a JSON Web Key Set (RFC 7517)") from error
        if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_KEYS:
            raise IssuedTokenError(f"{path}: keys: a list of 1 to {MAX_KEYS} keys")
        keys: dict[str, Any] = {}
        for number, entry in enumerate(entries):
            try:
                self._add_key(keys, entry)
            except (self._errors.JoseError, ValueError, TypeError, KeyError) as error:
                raise IssuedTokenError(f"{path}: keys[{number}]: {error}") from error
        if not keys:
            raise IssuedTokenError(f"{path}: no key is for signatures")
        return _Keys(stamp, keys)

    def _add_key(self, keys: dict[str, Any], entry: Any) -> None:
        if not isinstance(entry, dict) or entry.get("kty") not in ("RSA", "EC"):
            raise ValueError("not an RSA or EC key")
        if "d" in entry:
            raise ValueError("a private key: only public keys belong here")
        if entry.get("use", "sig") != "sig":
            return
        key_id = entry.get("kid", "")
        if not isinstance(key_id, str) or key_id in keys:
            raise ValueError("kid: missing more than once, or not unique")
        key = self._jwk.import_key(entry)
        if key.key_type == "RSA" and key.public_key.key_size < MIN_RSA_BITS:
            raise ValueError(f"an RSA key of fewer than {MIN_RSA_BITS} bits")
        if key.key_type == "EC" and entry.get("crv") != "P-256":
            raise ValueError("an EC key of another curve than P-256")
        keys[key_id] = key

    # -- claims ---------------------------------------------------------------------------------

    def _judge(self, claims: Mapping[str, Any]) -> Identity:
        rules = self._rules
        now_s = self._clock() / TICKS_PER_SECOND - _UNIX_EPOCH_S
        if claims.get("iss") != rules.issuer:
            raise TokenRefusedError("of another issuer")
        audience = claims.get("aud")
        if rules.audience not in (audience if isinstance(audience, list) else [audience]):
            raise TokenRefusedError("for another audience")
        expires_s, issued_s = _time(claims, "exp"), _time(claims, "iat")
        begins_s = _time(claims, "nbf") if "nbf" in claims else issued_s
        if now_s >= expires_s + rules.leeway_s:
            raise TokenRefusedError("expired")
        if now_s < max(begins_s, issued_s) - rules.leeway_s:
            raise TokenRefusedError("not valid yet")
        if now_s - issued_s > rules.max_age_s + rules.leeway_s:
            raise TokenRefusedError(f"issued more than {rules.max_age_s:g} s ago")
        ends_s = min(expires_s, issued_s + rules.max_age_s) + rules.leeway_s
        until = int((ends_s + _UNIX_EPOCH_S) * TICKS_PER_SECOND)
        user = _claim(claims, rules.user_claim)
        try:
            check_name(user if isinstance(user, str) else "")
        except UserStoreError as error:
            raise TokenRefusedError(f"{rules.user_claim}: {error}") from error
        roles = self._roles(_claim(claims, rules.roles_claim))
        return Identity(user, roles | {Role.AUTHENTICATED_USER}, "IssuedToken", until=until)

    def _roles(self, values: object) -> frozenset[str]:
        """The roles that the claim's values stand for here; a token without any is refused."""
        given = values.split() if isinstance(values, str) else values
        names = [name for name in given if isinstance(name, str)] if isinstance(given, list) else []
        roles = frozenset(role for name in names for role in self._rules.roles.get(name, ()))
        if not roles:
            raise TokenRefusedError(f"{self._rules.roles_claim}: no role of this site")
        return roles


def _stamp(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _time(claims: Mapping[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519, 2)."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TokenRefusedError(f"{name}: missing, or not a number")
    if not math.isfinite(value) or not 0 <= value < 1e11:
        raise TokenRefusedError(f"{name}: not a time")
    return float(value)


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, or by the way of names to it."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
