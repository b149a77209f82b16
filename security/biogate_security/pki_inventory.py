"""What lies in a PKI folder, for people: whose certificates, where, and why they were refused.

Works on the files alone, so that it does for the folder of a gateway that runs or is stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from biogate_security import own_certificate, status
from biogate_security.certificate import (
    CertificateFormatError,
    application_uris,
    common_name,
    file_name,
    thumbprint,
)
from biogate_security.certificate_validation import Purpose, Requirements, validate
from biogate_security.key_kinds import KINDS
from biogate_security.log_text import safe_text
from biogate_security.pki_update import PkiError
from biogate_security.private_file import make_private_folder, write_private
from biogate_security.trust_content import Group
from biogate_security.trust_list import TrustFolders, parse_certificate

_MAX_TEXT = 200
_PURPOSES: dict[Group, Purpose] = {Group.APPLICATION: "client", Group.USER: "user"}


class Place(StrEnum):
    """Where a certificate lies."""

    OWN = "own"
    TRUSTED = "trusted"
    ISSUER = "issuer"
    TRUSTED_USER = "trusted user"
    ISSUER_USER = "user issuer"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file. `certificate` is None for one that cannot be read; `note` says why.

    For a rejected one `note` says what would refuse it now.
    """

    place: Place
    file: Path
    certificate: x509.Certificate | None
    note: str = ""

    @property
    def thumbprint(self) -> str:
        """SHA-1 in upper-case hex, "" for an unreadable file."""
        return thumbprint(self.certificate) if self.certificate else ""

    @property
    def subject(self) -> str:
        """Its name, made safe to print."""
        if self.certificate is None:
            return ""
        return safe_text(self.certificate.subject.rfc4514_string(), _MAX_TEXT)

    @property
    def uri(self) -> str:
        """Its ApplicationUri, made safe to print."""
        if self.certificate is None:
            return ""
        return safe_text(" ".join(application_uris(self.certificate)), _MAX_TEXT)


def folders(root: Path) -> dict[Place, Path]:
    """The folder of each place."""
    application, user = Group.APPLICATION.folders(root), Group.USER.folders(root)
    return {
        Place.OWN: own_certificate.certificate_path(root / "own").parent,
        Place.TRUSTED: application.trusted,
        Place.ISSUER: application.issuers,
        Place.TRUSTED_USER: user.trusted,
        Place.ISSUER_USER: user.issuers,
        Place.REJECTED: root / "rejected" / "certs",
    }


def inventory(root: Path, now: datetime) -> list[Entry]:
    """Every certificate of the folder, by place, then by name. Raises OSError."""
    entries = [entry for place in Place for entry in entries_in(root, place)]
    own = {own_certificate.certificate_path(root / "own", kind) for kind in KINDS.values()}
    shown = [one for one in entries if one.place is not Place.OWN or one.file in own]
    return [with_reason(root, one, now) if one.place is Place.REJECTED else one for one in shown]


def entries_in(root: Path, place: Place) -> Iterator[Entry]:
    """The certificates of one place, by file name. Raises OSError."""
    folder = folders(root)[place]
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        if path.name.startswith(".") or not path.is_file():
            continue
        try:
            yield Entry(place, path, parse_certificate(path.read_bytes()))
        except CertificateFormatError as error:
            yield Entry(place, path, None, safe_text(str(error), _MAX_TEXT))


def with_reason(root: Path, entry: Entry, now: datetime) -> Entry:
    """The entry with what would refuse its certificate now, as an application's."""
    if entry.certificate is None:
        return entry
    reason = refusal(root, Group.APPLICATION, entry.certificate, now)
    nothing = "nothing any more; or its application says another URI than its certificate"
    return replace(entry, note=reason or nothing)


def refusal(root: Path, group: Group, certificate: x509.Certificate, now: datetime) -> str:
    """Why a certificate is refused now, "" where it is not.

    Keys are accepted of the kinds of which there is an own certificate.
    """
    curves = frozenset(kind.name for kind in own_certificate.curves_in(root / "own"))
    failure = validate(
        certificate.public_bytes(Encoding.DER),
        TrustFolders(root, group).current(),
        now,
        requirements=Requirements(purpose=_PURPOSES[group], curves=curves),
    ).failure
    if failure is None:
        return ""
    return f"{status.name(failure.status)}: {safe_text(failure.reason, _MAX_TEXT)}"


def matching(entries: list[Entry], prefix: str) -> list[Entry]:
    """Those whose thumbprint begins so; spaces and colons do not count."""
    wanted = prefix.replace(":", "").replace(" ", "").upper()
    return [entry for entry in entries if wanted and entry.thumbprint.startswith(wanted)]


def move(entry: Entry, root: Path, place: Place) -> Path:
    """Put a certificate into another place, under its usual name; where it is then.

    Raises PkiError for a file that is no certificate, OSError where it cannot be moved.
    """
    if entry.certificate is None:
        raise PkiError(f"{entry.file}: {entry.note}")
    target = folders(root)[place] / file_name(entry.certificate)
    make_private_folder(target.parent)
    entry.file.replace(target)
    return target


def add(root: Path, place: Place, certificate: x509.Certificate) -> Path:
    """Put a certificate into a place; where it is then. Raises OSError."""
    target = folders(root)[place] / file_name(certificate)
    make_private_folder(target.parent)
    der = certificate.public_bytes(Encoding.DER)
    write_private(target, der, 0o644)
    return target


def readable_name(certificate: x509.Certificate) -> str:
    """Its common name, made safe to print."""
    return safe_text(common_name(certificate), _MAX_TEXT) or "(no name)"
