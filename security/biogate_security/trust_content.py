"""What a trust list consists of, as DER (Part 12, 7.8.2.8), and where its parts lie as files."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path


class Group(StrEnum):
    """A CertificateGroup (Part 12, 7.8.3): whose certificates a trust list is for."""

    APPLICATION = "application"
    USER = "user"

    def folders(self, root: Path) -> TrustFolderPaths:
        """Where the group's trust list lies under a PKI folder, as UA .NET Standard has it."""
        suffix = "User" if self is Group.USER else ""
        trusted, issuer = root / f"trusted{suffix}", root / f"issuer{suffix}"
        return TrustFolderPaths(
            trusted / "certs", trusted / "crl", issuer / "certs", issuer / "crl"
        )


@dataclass(frozen=True, slots=True)
class TrustFolderPaths:
    """The four folders of one trust list, named like the parts of `TrustContent`."""

    trusted: Path
    trusted_crls: Path
    issuers: Path
    issuer_crls: Path

    def all(self) -> tuple[Path, ...]:
        """All four, in the order of `TrustContent`."""
        return (self.trusted, self.trusted_crls, self.issuers, self.issuer_crls)


@dataclass(frozen=True, slots=True)
class TrustContent:
    """Certificates and revocation lists in DER, in the order of TrustListDataType."""

    trusted: tuple[bytes, ...] = ()
    trusted_crls: tuple[bytes, ...] = ()
    issuers: tuple[bytes, ...] = ()
    issuer_crls: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all that is in it, without the encoding around it."""
        return sum(len(der) for part in fields(self) for der in getattr(self, part.name))
