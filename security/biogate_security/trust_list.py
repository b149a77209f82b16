"""Trust lists in folders (Part 12, annex F), read again whenever a file in them changes."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from biogate_security.certificate import (
    CertificateFormatError,
    common_name,
    fingerprint,
    read_certificate,
    thumbprint,
)
from biogate_security.log_text import safe_text
from biogate_security.private_file import make_private_folder
from biogate_security.trust_content import Group, TrustContent

MAX_FILE_BYTES = 16 * 1024 * 1024
_PEM_MARK = b"-----BEGIN"
_Parsed = TypeVar("_Parsed", x509.Certificate, x509.CertificateRevocationList)
_Stamp = tuple[str, int, int, int]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrustList:
    """What the folders say. Subjects and issuers are DER names; trusted ones come first.

    `signatures` is what was found of them: (id of a revocation list, fingerprint of an issuer) →
    whether the list is the issuer's. A long list takes as long to verify each time.
    """

    trusted: frozenset[bytes] = frozenset()
    by_subject: Mapping[bytes, Sequence[x509.Certificate]] = field(default_factory=dict)
    crls_by_issuer: Mapping[bytes, Sequence[x509.CertificateRevocationList]] = field(
        default_factory=dict
    )
    signatures: dict[tuple[int, bytes], bool] = field(
        default_factory=dict, compare=False, repr=False
    )


class TrustFolders:
    """One group's `trusted` and `issuer` folders, each with `certs` and `crl`.

    While `held`, `current` keeps to what it knows: somebody changes several files that belong
    together.
    """

    def __init__(self, root: Path, group: Group = Group.APPLICATION) -> None:
        """Make the folders where missing. Raises OSError."""
        self.paths = group.folders(root)
        for folder in self.paths.all():
            make_private_folder(folder)
        self.held = False
        self._stamps: frozenset[_Stamp] | None = None
        self._list = TrustList()

    @property
    def readable(self) -> bool:
        """False while the folders cannot be read, when `current` trusts nobody."""
        return self._stamps is not None

    def current(self) -> TrustList:
        """The trust list as the folders are now; an empty one while they cannot be read.

        A file that cannot be read is left out, with one warning each time it changes: it never
        takes others with it.
        """
        if self.held:
            return self._list
        try:
            stamps = frozenset(stamp for path in self.paths.all() for stamp in _stamps(path))
            if stamps != self._stamps:
                known = self._stamps or frozenset()
                self._list = self._read({path for path, *_ in stamps - known})
                self._stamps = stamps
        except OSError as error:
            self._distrust_all(error)
        return self._list

    def content(self) -> TrustContent:
        """What the readable files hold, as DER. Raises OSError."""
        paths = self.paths
        return TrustContent(
            tuple(map(_der, _parse_all(paths.trusted, parse_certificate, set()))),
            tuple(map(_der, _parse_all(paths.trusted_crls, parse_crl, set()))),
            tuple(map(_der, _parse_all(paths.issuers, parse_certificate, set()))),
            tuple(map(_der, _parse_all(paths.issuer_crls, parse_crl, set()))),
        )

    def _distrust_all(self, error: OSError) -> None:
        if self._list != TrustList() or self._stamps is not None:
            _log.error("trust list unreadable: nobody is trusted", extra={"error": str(error)})
        self._list, self._stamps = TrustList(), None

    def _read(self, changed: set[str]) -> TrustList:
        paths = self.paths
        trusted = list(_parse_all(paths.trusted, parse_certificate, changed))
        issuers = _parse_all(paths.issuers, parse_certificate, changed)
        crls = (
            crl
            for folder in (paths.trusted_crls, paths.issuer_crls)
            for crl in _parse_all(folder, parse_crl, changed)
        )
        return trust_list_of(trusted, issuers, crls)


def trust_list_of(
    trusted: Sequence[x509.Certificate],
    issuers: Iterable[x509.Certificate],
    crls: Iterable[x509.CertificateRevocationList],
) -> TrustList:
    """A trust list of these, indexed by name."""
    by_subject: dict[bytes, list[x509.Certificate]] = defaultdict(list)
    for certificate in (*trusted, *issuers):
        by_subject[certificate.subject.public_bytes()].append(certificate)
    by_issuer: dict[bytes, list[x509.CertificateRevocationList]] = defaultdict(list)
    for crl in crls:
        by_issuer[crl.issuer.public_bytes()].append(crl)
    return TrustList(frozenset(map(fingerprint, trusted)), dict(by_subject), dict(by_issuer))


def entries_of(trust: TrustList) -> frozenset[str]:
    """A line for people about each certificate and revocation list."""
    certificates = (
        f"{'trusted' if fingerprint(certificate) in trust.trusted else 'issuer'} certificate "
        f"{safe_text(common_name(certificate), 64)} [{thumbprint(certificate)}]"
        for named in trust.by_subject.values()
        for certificate in named
    )
    crls = (
        f"revocation list of {safe_text(crl.issuer.rfc4514_string(), 64)}"
        f" of {crl.last_update_utc:%Y-%m-%d %H:%M} with {len(crl)} entries"
        for named in trust.crls_by_issuer.values()
        for crl in named
    )
    return frozenset((*certificates, *crls))


def _der(parsed: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    return parsed.public_bytes(serialization.Encoding.DER)


def _stamps(folder: Path) -> Iterator[_Stamp]:
    for path in folder.iterdir():
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue  # moved away between the two calls: the next look sees a settled folder
        if not path.name.startswith(".") and path.is_file():
            yield (str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino)


def _parse_all(
    folder: Path, parse: Callable[[bytes], _Parsed], changed: set[str]
) -> Iterator[_Parsed]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise CertificateFormatError(f"over {MAX_FILE_BYTES} bytes")
            yield parse(path.read_bytes())
        except (OSError, CertificateFormatError) as error:
            if str(path) in changed:
                _log.warning(
                    "file in the trust list left out",
                    extra={"file": str(path), "error": str(error)},
                )


def parse_certificate(content: bytes) -> x509.Certificate:
    """A certificate in DER or PEM. Raises CertificateFormatError."""
    if content.lstrip().startswith(_PEM_MARK):
        try:
            pem = x509.load_pem_x509_certificate(content)
        except ValueError as error:
            raise CertificateFormatError(f"not a PEM certificate: {error}") from error
        content = pem.public_bytes(serialization.Encoding.DER)
    return read_certificate(content)


def parse_crl(content: bytes) -> x509.CertificateRevocationList:
    """A revocation list in DER or PEM. Raises CertificateFormatError."""
    pem = content.lstrip().startswith(_PEM_MARK)
    load = x509.load_pem_x509_crl if pem else x509.load_der_x509_crl
    try:
        crl = load(content)
        _ = (crl.issuer, crl.extensions, crl.next_update_utc, crl.last_update_utc)
    except (ValueError, x509.DuplicateExtension) as error:
        raise CertificateFormatError(f"not a readable revocation list: {error}") from error
    return crl
