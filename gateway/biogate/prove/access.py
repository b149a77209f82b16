"""How the prover gets at each zone: where its endpoint is, as whom, with which certificate."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from biogate.prove.client import POLICIES, Way
from biogate.prove.reading import Asker

_DEFAULT_ACCOUNTS: Mapping[str, Any] = {"operator": {"roles": ["Operator"]}}


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """A client application: its URI, and the files of its certificate (DER) and key (PEM).

    `fingerprint` is the certificate's SHA-256 in hex.
    """

    application_uri: str
    certificate: Path
    key: Path
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Login:
    """An account that may be tried, by its password, or by the `certificate` where there is one.

    The user "" is nobody: an anonymous session.
    """

    user: str
    roles: frozenset[str]
    password: str = field(default="", repr=False)
    certificate: ClientIdentity | None = None

    @property
    def authentication(self) -> str:
        """The kind of user token (Part 4, 7.40)."""
        if not self.user:
            return "Anonymous"
        return "UserName" if self.certificate is None else "Certificate"


@dataclass(frozen=True, slots=True)
class ZoneAccess:
    """One zone's endpoint, and what to come to it with."""

    zone: str
    url: str
    identity: ClientIdentity
    logins: tuple[Login, ...]
    server_certificate: bytes
    policies: tuple[str, ...]
    modes: tuple[str, ...]
    anonymous: bool

    def way(self, login: Login | None, **changes: Any) -> Way:
        """How to come in as `login` (None: anonymously), with some things other than usual."""
        usual: dict[str, Any] = {
            "application_uri": self.identity.application_uri,
            "certificate": self.identity.certificate,
            "key": self.identity.key,
            "server_certificate": self.server_certificate,
            "policy": next((name for name in self.policies if name in POLICIES), None),
            "mode": self.modes[-1] if "SignAndEncrypt" not in self.modes else "SignAndEncrypt",
            **_credentials(login),
        }
        return Way(self.url, **{**usual, **changes})

    def asker(self, login: Login, mode: str | None = None) -> Asker:
        """The session that comes of `way`, as the rules see it."""
        usual = self.way(login)
        secure = "None" if usual.policy is None else usual.mode
        return Asker(self.zone, login.user, login.roles, login.authentication, mode or secure)


def _credentials(login: Login | None) -> dict[str, Any]:
    if login is None or not login.user:
        return {"user": None}
    if login.certificate is None:
        return {"user": login.user, "password": login.password}
    return {
        "user": None,
        "user_certificate": login.certificate.certificate,
        "user_key": login.certificate.key,
    }


def accounts_of(data: Mapping[str, Any], zone: str) -> dict[str, frozenset[str]]:
    """User → roles of the accounts that may log in at a zone, by the site file."""
    admitted = (data.get("zones") or {}).get(zone, {}).get("users")
    accounts = data.get("users") or _DEFAULT_ACCOUNTS
    return {
        name: frozenset(account["roles"])
        for name, account in accounts.items()
        if not account.get("disabled") and (admitted is None or name in admitted)
    }


def admits_anonymous(zone: Mapping[str, Any]) -> bool:
    """Whether a zone takes sessions without a user; one that lists its users does not."""
    opcua = zone.get("opcua") or {}
    return opcua.get("anonymous", "none") != "none" and zone.get("users") is None


def password_of(user: str) -> str | None:
    """The password of a user from the environment, by the rule of docs/site-file.md."""
    return os.environ.get("BIOGATE_PASSWORD_" + user.upper().replace("-", "_"))
