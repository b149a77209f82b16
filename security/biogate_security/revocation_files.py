"""Taking a revocation list into the trust lists that hold its authority (RFC 5280, 5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from biogate_security.certificate import CertificateFormatError
from biogate_security.certificate_validation import is_signed_by
from biogate_security.pki_commit import crl_file_name
from biogate_security.pki_update import PkiError
from biogate_security.private_file import make_private_folder, write_private
from biogate_security.trust_content import Group
from biogate_security.trust_list import parse_certificate, parse_crl


@dataclass(frozen=True, slots=True)
class ImportedList:
    """Where a list came to lie, and what it took the place of."""

    file: Path
    replaced: tuple[Path, ...] = ()


def import_crl(root: Path, crl: x509.CertificateRevocationList) -> list[ImportedList]:
    """Put a list beside each certificate of its authority, in place of older ones of it.

    Raises PkiError where no authority here signed it or a newer one is here, or OSError.
    """
    taken = []
    for group in Group:
        paths = group.folders(root)
        for certificates, lists in (
            (paths.trusted, paths.trusted_crls),
            (paths.issuers, paths.issuer_crls),
        ):
            issuer = _issuer_in(certificates, crl)
            if issuer is not None:
                taken.append(_put(lists, crl, issuer))
    if not taken:
        raise PkiError(
            f"no authority here signed the revocation list of {crl.issuer.rfc4514_string()}:"
            " import its certificate first (biogate pki trust FILE, with --issuer for one that"
            " is not to be trusted by itself)"
        )
    return taken


def issuer_of(
    crl: x509.CertificateRevocationList, certificates: list[x509.Certificate]
) -> x509.Certificate | None:
    """The authority among these that signed the list."""
    for certificate in certificates:
        named = certificate.subject == crl.issuer
        if named and is_signed_by(crl, certificate.public_key()):
            return certificate
    return None


def is_current(crl: x509.CertificateRevocationList, now: datetime) -> bool:
    """Whether the list says of itself that it is up to date."""
    end = crl.next_update_utc
    return end is not None and crl.last_update_utc <= now <= end


def _issuer_in(folder: Path, crl: x509.CertificateRevocationList) -> x509.Certificate | None:
    certificates = []
    for path in _files(folder):
        try:
            certificates.append(parse_certificate(path.read_bytes()))
        except CertificateFormatError:
            continue  # the doctor tells of it
    return issuer_of(crl, certificates)


def _put(
    folder: Path, crl: x509.CertificateRevocationList, issuer: x509.Certificate
) -> ImportedList:
    make_private_folder(folder)
    older = []
    for path in _files(folder):
        try:
            present = parse_crl(path.read_bytes())
        except CertificateFormatError:
            continue
        if issuer_of(present, [issuer]) is None:
            continue
        if present.last_update_utc > crl.last_update_utc:
            raise PkiError(
                f"{path} is newer ({present.last_update_utc:%Y-%m-%d %H:%M}) than the list to"
                f" import ({crl.last_update_utc:%Y-%m-%d %H:%M})"
            )
        older.append(path)
    target = folder / crl_file_name(crl)
    write_private(target, crl.public_bytes(Encoding.DER), 0o644)
    replaced = tuple(path for path in older if path != target)
    for path in replaced:
        path.unlink(missing_ok=True)
    return ImportedList(target, replaced)


def _files(folder: Path) -> list[Path]:
    if not folder.exists():
        return []
    return sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
