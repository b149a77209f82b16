"""What can be changed about a PKI, and what was found changed, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from biogate_security import status
from biogate_security.key_kinds import RSA, KeyKind
from biogate_security.trust_content import Group, TrustContent


class PkiError(Exception):
    """A PKI folder cannot be used; the message says which file and what to do."""


class PkiUpdateError(PkiError):
    """A change that is refused; `status` is the StatusCode for whoever asked for it."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{status.name(code)}: {reason}")
        self.status = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class OwnUpdate:
    """A new own certificate (DER) that has been checked; its key in PEM unless it stays.

    It takes the place of the one of `kind`.
    `issuers` came with it; they are kept beside those that the trust list names.
    """

    certificate: bytes
    key_pem: bytes | None = field(default=None, repr=False)
    issuers: tuple[bytes, ...] = ()
    keep_old_key: bool = False
    kind: KeyKind = RSA


@dataclass(frozen=True, slots=True)
class PkiUpdate:
    """Changes that take effect together or not at all."""

    own: OwnUpdate | None = None
    lists: Mapping[Group, TrustContent] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PkiChange:
    """Something that is now other than it was: `group` None is the own certificate.

    `removed` and `added` are lines for people: what kind of thing, its thumbprint and its name.
    """

    group: Group | None
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def old(self) -> str:
        """What was taken out, as an audit record's old value."""
        return "; ".join(self.removed)

    @property
    def new(self) -> str:
        """What came in, as an audit record's new value."""
        return "; ".join(self.added)


@dataclass(frozen=True, slots=True)
class AcceptedCertificate:
    """A peer's certificate (DER) that was accepted though a suppressible step failed."""

    certificate: bytes
    status: int
    reason: str
