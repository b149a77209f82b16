"""Certificate validation in the order of Part 4, 6.1.3: the first failing step decides.

Pure: a certificate, a trust list and a time in, a result out. The host name step is a client's
and is not here: a server does not know where its client should be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from biogate_security import status
from biogate_security.certificate import (
    MAX_CHAIN_LENGTH,
    CertificateFormatError,
    application_uris,
    fingerprint,
    read_chain,
)
from biogate_security.key_kinds import kind_of
from biogate_security.trust_list import TrustList

# The steps that Part 4 lets an administrator suppress; the finding is still reported.
SUPPRESSIBLE = frozenset(
    {
        status.BAD_CERTIFICATE_POLICY_CHECK_FAILED,
        status.BAD_CERTIFICATE_TIME_INVALID,
        status.BAD_CERTIFICATE_ISSUER_TIME_INVALID,
        status.BAD_CERTIFICATE_USE_NOT_ALLOWED,
        status.BAD_CERTIFICATE_REVOCATION_UNKNOWN,
        status.BAD_CERTIFICATE_ISSUER_REVOCATION_UNKNOWN,
    }
)
# What a site may let pass, by the names of TrustListValidationOptions (Part 12, 7.8.2.10).
SUPPRESSIBLE_BY_SITE: Mapping[str, int] = {
    "expired": status.BAD_CERTIFICATE_TIME_INVALID,
    "issuer_expired": status.BAD_CERTIFICATE_ISSUER_TIME_INVALID,
    "revocation_unknown": status.BAD_CERTIFICATE_REVOCATION_UNKNOWN,
    "issuer_revocation_unknown": status.BAD_CERTIFICATE_ISSUER_REVOCATION_UNKNOWN,
}
Purpose = Literal["client", "server", "user", "any"]
_APPLICATION_USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
)
# What a certificate is for → the bits of its KeyUsage, and its ExtendedKeyUsage (Part 6, 6.2.2).
_USES: Mapping[Purpose, tuple[str, ...]] = {
    "client": _APPLICATION_USES,
    "server": _APPLICATION_USES,
    "user": ("digital_signature",),
    "any": (),
}
_SIGNS_ONLY = ("digital_signature",)
"""What is asked of a key that cannot encrypt (Part 6, 6.2.2)."""
_EXTENDED_USES: Mapping[Purpose, x509.ObjectIdentifier] = {
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
}


@dataclass(frozen=True, slots=True)
class Requirements:
    """What an acceptable certificate is (the key sizes are those of the RSA policies, Part 7).

    `purpose`: "client" and "server" are applications, "user" is a person, "any" is not asked.
    `curves`: names of kinds of keys (`key_kinds.CURVES`) that are accepted besides RSA.
    `suppress` holds codes of SUPPRESSIBLE whose findings do not refuse, and are still reported.
    """

    min_key_bits: int = 2048
    max_key_bits: int = 4096
    hashes: frozenset[str] = frozenset({"sha256", "sha384", "sha512"})
    purpose: Purpose = "client"
    curves: frozenset[str] = frozenset()
    suppress: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if refused := self.suppress - SUPPRESSIBLE:
            names = ", ".join(sorted(map(status.name, refused)))
            raise ValueError(f"{names} may not be suppressed (Part 4, 6.1.3)")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one step found wrong: the precise code and a sentence for the log."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Validation:
    """`failure` is None for an acceptable certificate; `leaf` is None for an unreadable one."""

    leaf: x509.Certificate | None
    failure: Finding | None
    suppressed: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class _Case:
    chain: Sequence[x509.Certificate]
    gap: str | None
    trust: TrustList
    now: datetime
    application_uri: str | None
    requirements: Requirements


def validate(
    der: bytes,
    trust: TrustList,
    now: datetime,
    *,
    application_uri: str | None = None,
    requirements: Requirements | None = None,
) -> Validation:
    """Judge the certificate (or chain) `der`; its URI must be `application_uri` where given."""
    try:
        sent = read_chain(der)
    except CertificateFormatError as error:
        return Validation(None, Finding(status.BAD_CERTIFICATE_INVALID, str(error)))
    chain, gap = build_chain(sent, trust)
    case = _Case(chain, gap, trust, now, application_uri, requirements or Requirements())
    suppressed: list[Finding] = []
    for step in STEPS:
        for finding in step(case):
            if finding.status not in case.requirements.suppress:
                return Validation(sent[0], finding, tuple(suppressed))
            suppressed.append(finding)
    return Validation(sent[0], None, tuple(suppressed))


def build_chain(
    sent: Sequence[x509.Certificate], trust: TrustList
) -> tuple[list[x509.Certificate], str | None]:
    """The chain from the leaf towards a root, and what is missing of it (None: complete).

    Issuers come from the trust list first, then from what the peer sent. Bounded in length, and
    a loop ends it.
    """
    chain = [sent[0]]
    seen = {fingerprint(sent[0])}
    while chain[-1].issuer != chain[-1].subject:
        issuer = _find_issuer(chain[-1], sent, trust)
        if issuer is None:
            return chain, f"no certificate of issuer {chain[-1].issuer.rfc4514_string()}"
        if fingerprint(issuer) in seen:
            return chain, "the issuers form a loop"
        if len(chain) == MAX_CHAIN_LENGTH:
            return chain, f"longer than {MAX_CHAIN_LENGTH} certificates"
        seen.add(fingerprint(issuer))
        chain.append(issuer)
    return chain, None


def _find_issuer(
    certificate: x509.Certificate, sent: Sequence[x509.Certificate], trust: TrustList
) -> x509.Certificate | None:
    """The first candidate by name whose key made the signature, else the first by name."""
    known = trust.by_subject.get(certificate.issuer.public_bytes(), ())
    named = [*known, *(other for other in sent if other.subject == certificate.issuer)]
    fitting = (candidate for candidate in named if _issued(candidate, certificate))
    return next(fitting, named[0] if named else None)


@lru_cache(maxsize=128)
def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Asked more than once of the same two: to find the issuer, by the step, and at each login."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _links(case: _Case) -> Iterator[tuple[int, x509.Certificate, x509.Certificate]]:
    """Place, certificate and issuer of every certificate but the root."""
    for place, certificate in enumerate(case.chain[:-1]):
        yield place, certificate, case.chain[place + 1]


def _subject(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()


def _chain(case: _Case) -> Iterator[Finding]:
    if case.gap is not None:
        yield Finding(status.BAD_CERTIFICATE_CHAIN_INCOMPLETE, case.gap)


def _signatures(case: _Case) -> Iterator[Finding]:
    root = case.chain[-1]
    for certificate, issuer in (*((c, i) for _, c, i in _links(case)), (root, root)):
        if not _issued(issuer, certificate):
            reason = f"the signature of {_subject(certificate)} is not its issuer's"
            yield Finding(status.BAD_CERTIFICATE_INVALID, reason)


def _security_policy(case: _Case) -> Iterator[Finding]:
    for certificate in case.chain:
        if problem := _weakness(certificate, case.requirements):
            reason = f"{_subject(certificate)}: {problem}"
            yield Finding(status.BAD_CERTIFICATE_POLICY_CHECK_FAILED, reason)


def _weakness(certificate: x509.Certificate, wanted: Requirements) -> str | None:
    key = certificate.public_key()
    kind = kind_of(key)
    if isinstance(key, ec.EllipticCurvePublicKey) and wanted.curves:
        if kind is None or kind.name not in wanted.curves:
            allowed = ", ".join(sorted(wanted.curves))
            return f"its key is of the curve {key.curve.name}, allowed {allowed}"
    elif not isinstance(key, rsa.RSAPublicKey):
        return "its key is not an RSA key"
    elif not wanted.min_key_bits <= key.key_size <= wanted.max_key_bits:
        return f"{key.key_size} bit key, allowed {wanted.min_key_bits} to {wanted.max_key_bits}"
    algorithm = certificate.signature_hash_algorithm
    if algorithm is None or algorithm.name not in wanted.hashes:
        return f"signed with {algorithm.name if algorithm else 'an unknown hash'}"
    return None


def _trust(case: _Case) -> Iterator[Finding]:
    if case.trust.trusted.isdisjoint(map(fingerprint, case.chain)):
        reason = "neither the certificate nor an issuer of it is in trusted/certs"
        yield Finding(status.BAD_CERTIFICATE_UNTRUSTED, reason)


def _validity(case: _Case) -> Iterator[Finding]:
    code = status.BAD_CERTIFICATE_TIME_INVALID
    for certificate in case.chain:
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not start <= case.now <= end:
            reason = f"{_subject(certificate)} is valid {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d}"
            yield Finding(code, reason)
        code = status.BAD_CERTIFICATE_ISSUER_TIME_INVALID


def _application_uri(case: _Case) -> Iterator[Finding]:
    """Exactly one URI in the SubjectAltName, the application's own (Part 6, 6.2.2)."""
    named, wanted = application_uris(case.chain[0]), case.application_uri
    if wanted is not None and named != [wanted]:
        reason = f"it is for {named}, the application says {wanted!r}"
        yield Finding(status.BAD_CERTIFICATE_URI_INVALID, reason)
    elif case.requirements.purpose in _EXTENDED_USES and len(named) != 1:
        reason = f"it names {len(named)} URIs, an application's certificate names one"
        yield Finding(status.BAD_CERTIFICATE_URI_INVALID, reason)


def _usage(case: _Case) -> Iterator[Finding]:
    if problem := _leaf_misuse(case.chain[0], case.requirements.purpose):
        yield Finding(status.BAD_CERTIFICATE_USE_NOT_ALLOWED, problem)
    for place, _, issuer in _links(case):
        if not _may_issue(issuer, issuers_below=place):
            reason = f"{_subject(issuer)} may not issue certificates here"
            yield Finding(status.BAD_CERTIFICATE_ISSUER_USE_NOT_ALLOWED, reason)


def _leaf_misuse(leaf: x509.Certificate, purpose: Purpose) -> str | None:
    uses, extended_use = _USES[purpose], _EXTENDED_USES.get(purpose)
    if uses and not isinstance(leaf.public_key(), rsa.RSAPublicKey):
        uses = _SIGNS_ONLY
    try:
        if uses:
            usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
            for use in uses:
                if not getattr(usage, use):
                    return f"KeyUsage lacks {use}"
        if extended_use is not None:
            extended = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            if extended_use not in extended:
                return f"ExtendedKeyUsage lacks {purpose} authentication"
    except x509.ExtensionNotFound as error:
        return f"{error.oid._name} is missing"
    return None


def _may_issue(issuer: x509.Certificate, issuers_below: int) -> bool:
    """A CA by basicConstraints and keyUsage, with room for the CAs below it (RFC 5280, 4.2.1)."""
    try:
        basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    roomy = basic.path_length is None or basic.path_length >= issuers_below
    return basic.ca and usage.key_cert_sign and roomy


def _revocation_known(case: _Case) -> Iterator[Finding]:
    code = status.BAD_CERTIFICATE_REVOCATION_UNKNOWN
    for _, _, issuer in _links(case):
        if not any(_is_fresh(crl, case.now) for crl in _crls_of(issuer, case.trust)):
            yield Finding(code, f"no current revocation list of {_subject(issuer)}")
        code = status.BAD_CERTIFICATE_ISSUER_REVOCATION_UNKNOWN


def _revoked(case: _Case) -> Iterator[Finding]:
    """A serial number in any authentic list counts, also in one that is out of date."""
    code = status.BAD_CERTIFICATE_REVOKED
    for _, certificate, issuer in _links(case):
        for crl in _crls_of(issuer, case.trust):
            if crl.get_revoked_certificate_by_serial_number(certificate.serial_number):
                yield Finding(code, f"{_subject(certificate)} is revoked by {_subject(issuer)}")
        code = status.BAD_CERTIFICATE_ISSUER_REVOKED


def _crls_of(
    issuer: x509.Certificate, trust: TrustList
) -> Iterator[x509.CertificateRevocationList]:
    """The complete lists that the issuer's key signed; one with a scope of its own is not that."""
    for crl in trust.crls_by_issuer.get(issuer.subject.public_bytes(), ()):
        scoped = any(extension.critical for extension in crl.extensions)
        if not scoped and _may_sign_crls(issuer) and _signed_by(crl, issuer, trust):
            yield crl


def _signed_by(
    crl: x509.CertificateRevocationList, issuer: x509.Certificate, trust: TrustList
) -> bool:
    key = (id(crl), fingerprint(issuer))
    if key not in trust.signatures:
        trust.signatures[key] = is_signed_by(crl, issuer.public_key())
    return trust.signatures[key]


def _may_sign_crls(issuer: x509.Certificate) -> bool:
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return False


def is_signed_by(crl: x509.CertificateRevocationList, key: CertificatePublicKeyTypes) -> bool:
    """True when the list's signature was made by the private key to this one."""
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return False
    try:
        return crl.is_signature_valid(key)
    except (ValueError, UnsupportedAlgorithm):
        return False


def _is_fresh(crl: x509.CertificateRevocationList, now: datetime) -> bool:
    end = crl.next_update_utc
    return end is not None and crl.last_update_utc <= now <= end


# Part 4, 6.1.3. Step 1 (structure) is `read_chain`.
STEPS: tuple[Callable[[_Case], Iterator[Finding]], ...] = (
    _chain,
    _signatures,
    _security_policy,
    _trust,
    _validity,
    _application_uri,
    _usage,
    _revocation_known,
    _revoked,
)
