"""What a trust list has to satisfy before it takes the place of another (Part 12, 7.8.2.5-7.8.2.7).

What Part 4 lets an administrator suppress does not count here, and revocation does not either: a
list that revokes one of its own certificates is right, and that one is refused when it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from biogate_security import status
from biogate_security.certificate import (
    CertificateFormatError,
    read_certificate,
    read_chain,
    thumbprint,
)
from biogate_security.certificate_validation import (
    SUPPRESSIBLE,
    Purpose,
    Requirements,
    build_chain,
    is_signed_by,
    validate,
)
from biogate_security.key_kinds import CURVES
from biogate_security.log_text import safe_text
from biogate_security.pki_update import PkiUpdateError
from biogate_security.trust_content import Group, TrustContent
from biogate_security.trust_list import TrustList, parse_crl, trust_list_of

_Parsed = TypeVar("_Parsed")
_PURPOSES: dict[Group, Purpose] = {Group.APPLICATION: "client", Group.USER: "user"}


@dataclass(frozen=True, slots=True)
class ParsedContent:
    """A `TrustContent`, read."""

    trusted: tuple[x509.Certificate, ...]
    trusted_crls: tuple[x509.CertificateRevocationList, ...]
    issuers: tuple[x509.Certificate, ...]
    issuer_crls: tuple[x509.CertificateRevocationList, ...]

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The trusted ones and the issuers."""
        return (*self.trusted, *self.issuers)


def parse_content(content: TrustContent) -> ParsedContent:
    """Read all of it. Raises PkiUpdateError Bad_CertificateInvalid."""
    return ParsedContent(
        _parse_all("trusted certificate", content.trusted, read_certificate),
        _parse_all("trusted revocation list", content.trusted_crls, parse_crl),
        _parse_all("issuer certificate", content.issuers, read_certificate),
        _parse_all("issuer revocation list", content.issuer_crls, parse_crl),
    )


def check_content(content: TrustContent, now: datetime) -> None:
    """Every certificate sound, its issuers in the list, every revocation list an issuer's.

    Raises PkiUpdateError with the code of the step of Part 4, 6.1.3, that failed.
    """
    parsed = parse_content(content)
    known = trust_list_of(parsed.certificates, (), ())
    for certificate in parsed.certificates:
        _check(certificate, known, now, "any")
    for crl in (*parsed.trusted_crls, *parsed.issuer_crls):
        named = known.by_subject.get(crl.issuer.public_bytes(), ())
        if not any(is_signed_by(crl, issuer.public_key()) for issuer in named):
            raise PkiUpdateError(
                status.BAD_CERTIFICATE_INVALID,
                f"no certificate of the list signed the revocation list of {_text(crl.issuer)}",
            )


def with_trusted(
    group: Group, content: TrustContent, chain_der: bytes, now: datetime
) -> TrustContent:
    """The list with one more trusted certificate, no authority's. Raises PkiUpdateError."""
    try:
        leaf = read_chain(chain_der)[0]
    except CertificateFormatError as error:
        raise PkiUpdateError(status.BAD_CERTIFICATE_INVALID, str(error)) from error
    if is_authority(leaf):
        raise PkiUpdateError(
            status.BAD_CERTIFICATE_INVALID,
            f"{_text(leaf.subject)} is an authority: write it with its revocation list",
        )
    parsed = parse_content(content)
    known = trust_list_of((*parsed.certificates, leaf), (), ())
    _check(leaf, known, now, _PURPOSES[group])
    der = leaf.public_bytes(Encoding.DER)
    if der in content.trusted:
        return content
    return TrustContent(
        (*content.trusted, der), content.trusted_crls, content.issuers, content.issuer_crls
    )


def without(content: TrustContent, thumb: str, *, trusted: bool) -> TrustContent:
    """The list without the certificate of that thumbprint, and without an authority's lists.

    Raises PkiUpdateError: Bad_InvalidArgument where there is none, Bad_CertificateChainIncomplete
    where another certificate needs it.
    """
    parsed = parse_content(content)
    part = parsed.trusted if trusted else parsed.issuers
    gone = next((one for one in part if thumbprint(one) == thumb.strip().upper()), None)
    if gone is None:
        raise PkiUpdateError(
            status.BAD_INVALID_ARGUMENT, f"no certificate with thumbprint {safe_text(thumb, 64)}"
        )
    stays_elsewhere = gone in (parsed.issuers if trusted else parsed.trusted)
    if not stays_elsewhere:
        _check_needless(gone, parsed)
    gone_der = gone.public_bytes(Encoding.DER)

    def kept(ders: Iterable[bytes]) -> tuple[bytes, ...]:
        return tuple(der for der in ders if der != gone_der)

    def lists(
        ders: Iterable[bytes], crls: Iterable[x509.CertificateRevocationList]
    ) -> tuple[bytes, ...]:
        same_name = [one for one in parsed.certificates if one.subject == gone.subject]
        keep_all = stays_elsewhere or len(same_name) > 1
        return tuple(
            der
            for der, crl in zip(ders, crls, strict=True)
            if keep_all or crl.issuer != gone.subject
        )

    return TrustContent(
        kept(content.trusted) if trusted else content.trusted,
        lists(content.trusted_crls, parsed.trusted_crls),
        content.issuers if trusted else kept(content.issuers),
        lists(content.issuer_crls, parsed.issuer_crls),
    )


def is_authority(certificate: x509.Certificate) -> bool:
    """True for a CA by its BasicConstraints."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _check_needless(gone: x509.Certificate, parsed: ParsedContent) -> None:
    known = trust_list_of(parsed.certificates, (), ())
    for other in parsed.certificates:
        chain, _ = build_chain([other], known)
        if other != gone and gone in chain:
            raise PkiUpdateError(
                status.BAD_CERTIFICATE_CHAIN_INCOMPLETE,
                f"{_text(other.subject)} needs {_text(gone.subject)}",
            )


def _check(
    certificate: x509.Certificate, known: TrustList, now: datetime, purpose: Purpose
) -> None:
    requirements = Requirements(purpose=purpose, curves=frozenset(CURVES), suppress=SUPPRESSIBLE)
    der = certificate.public_bytes(Encoding.DER)
    failure = validate(der, known, now, requirements=requirements).failure
    if failure is not None:
        reason = f"{_text(certificate.subject)}: {failure.reason}"
        raise PkiUpdateError(failure.status, safe_text(reason, 300))


def _parse_all(
    what: str, ders: Iterable[bytes], parse: Callable[[bytes], _Parsed]
) -> tuple[_Parsed, ...]:
    parsed = []
    for number, der in enumerate(ders):
        try:
            parsed.append(parse(der))
        except CertificateFormatError as error:
            raise PkiUpdateError(
                status.BAD_CERTIFICATE_INVALID, f"{what} {number}: {error}"
            ) from error
    return tuple(parsed)


def _text(name: x509.Name) -> str:
    return safe_text(name.rfc4514_string(), 100)
