"""What is wrong with a PKI folder, or soon will be, and what to do about it."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from biogate_security import own_certificate, pki_commit
from biogate_security.certificate import (
    CertificateFormatError,
    application_uris,
    host_names,
)
from biogate_security.key_kinds import RSA, KeyKind, kind_of
from biogate_security.own_certificate import ApplicationIdentity, OwnCertificate, normal_host
from biogate_security.pki import MAX_REJECTED
from biogate_security.pki_inventory import Entry, Place, entries_in, readable_name, refusal
from biogate_security.pki_update import PkiError
from biogate_security.revocation_files import is_current, issuer_of
from biogate_security.trust_check import is_authority
from biogate_security.trust_content import Group
from biogate_security.trust_list import parse_crl

SOON = timedelta(days=30)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_WEAK_HASHES = frozenset({"md5", "sha1"})
_MIN_BITS = 2048


class Severity(IntEnum):
    """How bad a finding is; the worst is the exit code of `biogate pki doctor`."""

    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong, and what to do."""

    severity: Severity
    subject: str
    what: str
    advice: str


@dataclass(frozen=True, slots=True)
class Examination:
    """What is examined: the folder, the present time, and the identity that the site asks for.

    `identity` is None where the site file is not known: URI and host names are then not compared.
    """

    root: Path
    now: datetime
    identity: ApplicationIdentity | None = None


def examine(case: Examination) -> list[Problem]:
    """All problems, those of the key and own certificate first. Raises OSError."""
    return [problem for check in CHECKS for problem in check(case)]


def _error(subject: object, what: str, advice: str) -> Problem:
    return Problem(Severity.ERROR, str(subject), what, advice)


def _warning(subject: object, what: str, advice: str) -> Problem:
    return Problem(Severity.WARNING, str(subject), what, advice)


_RENEW = "biogate pki renew, then give the new certificate to the clients"


def _own(case: Examination) -> Iterator[Problem]:
    own = case.root / "own"
    place = own_certificate.certificate_path(own)
    if not place.exists() and not own_certificate.key_path(own).exists():
        yield _error(place, "there is no own certificate", "start the gateway once: it makes one")
    else:
        yield from _pair(case, RSA)
    for kind in own_certificate.curves_in(own):
        yield from _pair(case, kind)


def _pair(case: Examination, kind: KeyKind) -> Iterator[Problem]:
    own = case.root / "own"
    place = own_certificate.certificate_path(own, kind)
    try:
        pair = own_certificate.load(own, kind)
    except PkiError as error:
        yield _error(
            place,
            str(error),
            "put the certificate and the key that belong together back, or move both away: the"
            " gateway makes new ones",
        )
        return
    yield from _validity(place, pair.certificate, case.now, _RENEW)
    yield from _strength(place, pair.certificate, _RENEW)
    yield from _identity(place, pair, case.identity)
    yield from _issuers(case, place, pair)


def _validity(
    subject: object, certificate: x509.Certificate, now: datetime, advice: str
) -> Iterator[Problem]:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < start:
        yield _error(
            subject,
            f"it is not valid before {start:%Y-%m-%d %H:%M}, and it is {now:%Y-%m-%d %H:%M} here",
            "set this machine's clock; if it is right, the certificate was made by one that is not",
        )
    elif now > end:
        yield _error(subject, f"it expired on {end:%Y-%m-%d}", advice)
    elif now > end - SOON:
        yield _warning(subject, f"it expires on {end:%Y-%m-%d}", advice)


def _strength(subject: object, certificate: x509.Certificate, advice: str) -> Iterator[Problem]:
    key, used = certificate.public_key(), certificate.signature_hash_algorithm
    if kind_of(key) is None:
        yield _error(subject, "its key is not an RSA key, nor of a curve that is known", advice)
    elif isinstance(key, rsa.RSAPublicKey) and key.key_size < _MIN_BITS:
        yield _error(subject, f"its key has {key.key_size} bits, {_MIN_BITS} are needed", advice)
    if used is None or used.name in _WEAK_HASHES:
        name = used.name if used else "an unknown hash"
        yield _error(subject, f"it is signed with {name}", advice)


def _identity(
    subject: object, pair: OwnCertificate, wanted: ApplicationIdentity | None
) -> Iterator[Problem]:
    uris = application_uris(pair.certificate)
    if len(uris) != 1:
        yield _error(subject, f"it names {len(uris)} ApplicationUris, not one", _RENEW)
    if wanted is None:
        return
    if uris and uris != [wanted.application_uri]:
        advice = f"{_RENEW}; or set opcua.application_uri in the site file to what it says"
        yield _error(
            subject, f"it is for {', '.join(uris)}, the site is {wanted.application_uri}", advice
        )
    missing = sorted({normal_host(h) for h in wanted.hostnames} - host_names(pair.certificate))
    if missing:
        what = f"it does not name {', '.join(missing)}: clients that compare will refuse it"
        yield _warning(subject, what, _RENEW)


def _issuers(case: Examination, place: Path, pair: OwnCertificate) -> Iterator[Problem]:
    """A certificate of an authority is only as good as the chain that is known here."""
    if pair.certificate.issuer == pair.certificate.subject:
        return
    known = [
        entry.certificate
        for folder in (Place.TRUSTED, Place.ISSUER)
        for entry in entries_in(case.root, folder)
        if entry.certificate is not None
    ]
    if not any(pair.certificate.issuer == issuer.subject for issuer in known):
        yield _warning(
            place,
            f"its authority {pair.certificate.issuer.rfc4514_string()} is not here",
            "biogate pki trust --issuer FILE",
        )


def _permissions(case: Examination) -> Iterator[Problem]:
    private = own_certificate.key_path(case.root / "own").parent
    for path in sorted(private.iterdir()) if private.exists() else ():
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _OTHERS:
            what = f"others than its owner may use it (mode {mode:04o})"
            advice = f"chmod 600 {path}; if others could read it, biogate pki renew"
            yield _error(path, what, advice)
    for folder in (case.root, *(p for group in Group for p in group.folders(case.root).all())):
        if folder.exists() and stat.S_IMODE(folder.stat().st_mode) & _OTHERS_WRITE:
            what = "others than its owner may put certificates into it"
            yield _error(folder, what, f"chmod go-w {folder}, and look at what is in it")


def _lists(case: Examination) -> Iterator[Problem]:
    for group, places in (
        (Group.APPLICATION, (Place.TRUSTED, Place.ISSUER)),
        (Group.USER, (Place.TRUSTED_USER, Place.ISSUER_USER)),
    ):
        entries = [entry for place in places for entry in entries_in(case.root, place)]
        yield from _unreadable(entries)
        trusted = [entry for entry in entries if entry.place is places[0]]
        for entry in entries:
            if entry.certificate is not None:
                advice = "get a new one from its owner, or biogate pki reject it"
                yield from _validity(_name(entry), entry.certificate, case.now, advice)
        yield from _refused(case, group, trusted)
        certificates = [e.certificate for e in entries if e.certificate is not None]
        yield from _revocation(case, group, certificates)


def _unreadable(entries: list[Entry]) -> Iterator[Problem]:
    for entry in entries:
        if entry.certificate is None:
            advice = "it is left out: put the right file there, or take it away"
            yield _warning(entry.file, f"it is no certificate: {entry.note}", advice)


def _refused(case: Examination, group: Group, trusted: list[Entry]) -> Iterator[Problem]:
    """Trusted, and refused all the same; what is said of dates is said already."""
    for entry in trusted:
        certificate = entry.certificate
        if certificate is None or is_authority(certificate):
            continue
        reason = refusal(case.root, group, certificate, case.now)
        if reason and "TimeInvalid" not in reason and "Revocation" not in reason:
            advice = "its owner needs another certificate, or its authority is missing here"
            yield _warning(_name(entry), f"it is trusted, and refused: {reason}", advice)


def _revocation(
    case: Examination, group: Group, certificates: list[x509.Certificate]
) -> Iterator[Problem]:
    paths = group.folders(case.root)
    authorities = [one for one in certificates if is_authority(one)]
    current: list[x509.Certificate] = []
    for folder in (paths.trusted_crls, paths.issuer_crls):
        for path in sorted(folder.iterdir()) if folder.exists() else ():
            try:
                crl = parse_crl(path.read_bytes())
            except CertificateFormatError as error:
                yield _warning(path, f"it is left out: {error}", "import the list again")
                continue
            issuer = issuer_of(crl, authorities)
            if issuer is None:
                what = f"no authority here signed it ({crl.issuer.rfc4514_string()})"
                yield _warning(path, what, "add the authority's certificate, or take it away")
            elif is_current(crl, case.now):
                current.append(issuer)
                yield from _ends_soon(path, crl, case.now)
    for authority in authorities:
        if authority not in current:
            yield _error(
                readable_name(authority),
                "there is no current revocation list of it: all its certificates are refused",
                "biogate pki import-crl FILE, with a list from the authority",
            )


def _ends_soon(path: Path, crl: x509.CertificateRevocationList, now: datetime) -> Iterator[Problem]:
    end, whole = crl.next_update_utc, timedelta(0)
    if end is not None:
        whole = end - crl.last_update_utc
    if end is not None and end - now < whole / 10:
        what = f"it is up to date until {end:%Y-%m-%d %H:%M} only"
        yield _warning(path, what, "biogate pki import-crl FILE, with the authority's next list")


def _left_behind(case: Examination) -> Iterator[Problem]:
    if pki_commit.is_under_way(case.root):
        yield _warning(case.root, "a change was cut short", "start the gateway: it completes it")
    requested = own_certificate.requested_key_path(case.root / "own")
    if requested.exists():
        yield _warning(
            requested,
            "a new key waits for its certificate",
            "biogate pki renew --certificate FILE, or delete it if the request was given up",
        )
    count = sum(1 for _ in entries_in(case.root, Place.REJECTED))
    if count >= MAX_REJECTED:
        yield _warning(
            "rejected",
            f"{count} certificates were refused: older ones make room for new ones",
            "find out who tries to connect (biogate pki list); trust or delete them",
        )


def _name(entry: Entry) -> str:
    name = "" if entry.certificate is None else readable_name(entry.certificate)
    return f"{entry.place} {name} [{entry.thumbprint[:8]}]"


CHECKS: tuple[Callable[[Examination], Iterator[Problem]], ...] = (
    _permissions,  # reading the key closes it to others
    _own,
    _lists,
    _left_behind,
)
