"""The application's own instance certificate and key (Part 6, 6.2.2; Part 12 annex F folders)."""

from __future__ import annotations

import ipaddress
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from biogate_security.certificate import (
    CertificateFormatError,
    application_uris,
    common_name,
    host_names,
    read_certificate,
    thumbprint,
)
from biogate_security.key_kinds import CURVES, RSA, KeyKind, OwnKey, kind_of
from biogate_security.pki_update import PkiError
from biogate_security.private_file import close_to_others, make_private_folder, write_private

KEY_SIZES_BITS = (2048, 3072, 4096)
RENEWAL_WARNING = timedelta(days=30)
_CLOCK_SKEW = timedelta(hours=1)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ApplicationIdentity:
    """What the own certificate says. `hostnames` are DNS names and IP addresses as text.

    Raises PkiError where a part cannot stand in a certificate.
    """

    application_uri: str
    hostnames: Sequence[str]
    common_name: str = "biogate"
    key_bits: int = 2048
    validity: timedelta = timedelta(days=5 * 365)

    def __post_init__(self) -> None:
        if self.key_bits not in KEY_SIZES_BITS:
            raise PkiError(f"key size {self.key_bits} bits is not one of {KEY_SIZES_BITS}")
        if not self.hostnames:
            raise PkiError("the certificate needs at least one host name or IP address")
        for kind, text in (("URI", self.application_uri), *(("host", h) for h in self.hostnames)):
            if not text or not text.isascii() or not text.isprintable() or " " in text:
                raise PkiError(f"{kind} {text!r} cannot stand in a certificate: use plain ASCII")


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """The certificate and its private key."""

    certificate: x509.Certificate
    private_key: OwnKey = field(repr=False)


class FilePair:
    """Tells when the files of the own certificate and its key were touched."""

    def __init__(self, folder: Path, kind: KeyKind = RSA) -> None:
        self._paths = (certificate_path(folder, kind), key_path(folder, kind))
        self._seen = self._stamps()

    def changed(self) -> bool:
        """True if a file is not as it was when this was asked last, or at the beginning."""
        before, self._seen = self._seen, self._stamps()
        return before != self._seen

    def _stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(map(_stamp, self._paths))


def load_or_create(
    folder: Path, identity: ApplicationIdentity, now: datetime, kind: KeyKind = RSA
) -> OwnCertificate:
    """What lies in `folder`/certs and `folder`/private, made where both are missing.

    A key alone (a start that was cut short) gets a certificate; a certificate without its key
    is an error. Raises PkiError, or OSError for a folder that cannot be used.
    """
    certificate_file, key_file = certificate_path(folder, kind), key_path(folder, kind)
    make_private_folder(certificate_file.parent)
    make_private_folder(key_file.parent)
    if certificate_file.exists():
        return _load(certificate_file, key_file, kind)
    if not key_file.exists():
        key = _new_key_of(kind, identity.key_bits)
        write_private(key_file, pem_of(key))
        _log.info("private key created", extra={"file": str(key_file), "bits": key.key_size})
    return _certify(certificate_file, load_key(key_file, kind=kind), identity, now)


def load(folder: Path, kind: KeyKind = RSA) -> OwnCertificate:
    """The pair in `folder`. Raises PkiError, also where it is not complete, or OSError."""
    if not certificate_path(folder, kind).exists():
        raise PkiError(f"{certificate_path(folder, kind)} is missing")
    return _load(certificate_path(folder, kind), key_path(folder, kind), kind)


def curves_in(folder: Path) -> tuple[KeyKind, ...]:
    """The kinds of which there is a certificate or a key in `folder`, besides RSA."""
    return tuple(
        kind
        for kind in CURVES.values()
        if certificate_path(folder, kind).exists() or key_path(folder, kind).exists()
    )


def new_pair(
    identity: ApplicationIdentity,
    now: datetime,
    key: OwnKey | None = None,
    kind: KeyKind = RSA,
) -> OwnCertificate:
    """A self-signed certificate for `key`, or for a key of `kind` that is made for it."""
    key = key or _new_key_of(kind, identity.key_bits)
    return OwnCertificate(self_signed(key, identity, now), key)


def warnings_of(
    certificate: x509.Certificate, identity: ApplicationIdentity, now: datetime
) -> tuple[str, ...]:
    """What is wrong with the own certificate, in sentences: clients may refuse it."""
    found = []
    end = certificate.not_valid_after_utc
    if now >= end:
        found.append(f"it expired on {end:%Y-%m-%d}")
    elif now >= end - RENEWAL_WARNING:
        found.append(f"it expires on {end:%Y-%m-%d}")
    if now < certificate.not_valid_before_utc:
        found.append(f"it is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}")
    if application_uris(certificate) != [identity.application_uri]:
        found.append(
            f"it is for {', '.join(application_uris(certificate)) or 'no ApplicationUri'}, "
            f"not for {identity.application_uri}"
        )
    missing = sorted({normal_host(host) for host in identity.hostnames} - host_names(certificate))
    if missing:
        found.append(f"it does not name {', '.join(missing)}")
    return tuple(found)


def certificate_path(folder: Path, kind: KeyKind = RSA) -> Path:
    """Where the own certificate lies in the own folder."""
    return folder / "certs" / f"{kind.file_stem}.der"


def requested_key_path(folder: Path) -> Path:
    """Where a new private key waits for its certificate (PEM, PKCS#8)."""
    return folder / "private" / "requested.pem"


def key_path(folder: Path, kind: KeyKind = RSA) -> Path:
    """Where the private key lies in the own folder (PEM, PKCS#8)."""
    return folder / "private" / f"{kind.file_stem}.pem"


def new_key(bits: int) -> rsa.RSAPrivateKey:
    """A fresh RSA key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def _new_key_of(kind: KeyKind, bits: int) -> OwnKey:
    """A fresh key of a kind; `bits` are an RSA key's, a curve has its own."""
    return new_key(bits) if kind.curve is None else ec.generate_private_key(kind.curve)


def self_signed(key: OwnKey, identity: ApplicationIdentity, now: datetime) -> x509.Certificate:
    """An application instance certificate with the extensions that Part 6, 6.2.2 asks for."""
    name = _subject(identity)
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + identity.validity)
    )
    for extension, critical in extensions_of(public, identity):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, (kind_of(key) or RSA).hash)


def extensions_of(
    public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    identity: ApplicationIdentity,
    *,
    self_signed: bool = True,
) -> list[tuple[x509.ExtensionType, bool]]:
    """Extensions and whether they are critical; a request (not `self_signed`) names no issuer.

    A key of a curve only signs: nothing is encrypted with it.
    """
    encrypts = isinstance(public, rsa.RSAPublicKey)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=encrypts,
        data_encipherment=encrypts,
        key_agreement=False,
        key_cert_sign=self_signed,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    both_ways = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    names = [x509.UniformResourceIdentifier(identity.application_uri)]
    hosts = [_general_name(host) for host in identity.hostnames]
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage, True),
        (x509.ExtendedKeyUsage(both_ways), False),
        (x509.SubjectAlternativeName([*names, *hosts]), False),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
    ]
    if self_signed:
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(public)
        extensions.append((authority, False))
    return extensions


def identity_of(certificate: x509.Certificate) -> ApplicationIdentity:
    """The identity that a certificate says; raises PkiError where it says none."""
    named = certificate.subject.get_attributes_for_oid(NameOID.DOMAIN_COMPONENT)
    first = {attribute.value for attribute in named}
    hosts = sorted(host_names(certificate), key=lambda host: (host not in first, host))
    uris = application_uris(certificate)
    key = certificate.public_key()
    bits = key.key_size if isinstance(key, rsa.RSAPublicKey) else 0
    return ApplicationIdentity(
        uris[0] if uris else "", hosts, common_name(certificate) or "biogate", bits
    )


def _subject(identity: ApplicationIdentity) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, identity.common_name[:64]),
            x509.NameAttribute(NameOID.DOMAIN_COMPONENT, identity.hostnames[0]),
        ]
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def normal_host(host: str) -> str:
    """A host name, or an IP address as certificates have it."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)


def _certify(
    path: Path, key: OwnKey, identity: ApplicationIdentity, now: datetime
) -> OwnCertificate:
    certificate = self_signed(key, identity, now)
    write_private(path, certificate.public_bytes(serialization.Encoding.DER), 0o644)
    _log.info(
        "own certificate created",
        extra={"file": str(path), "thumbprint": thumbprint(certificate)},
    )
    return OwnCertificate(certificate, key)


def _load(certificate_file: Path, key_file: Path, kind: KeyKind) -> OwnCertificate:
    try:
        certificate = read_certificate(certificate_file.read_bytes())
    except CertificateFormatError as error:
        raise PkiError(
            f"{certificate_file}: {error} (moved away with {key_file}, both are made anew)"
        ) from error
    if not key_file.exists():
        raise PkiError(
            f"{key_file} is missing, but {certificate_file} needs it (if the certificate is moved "
            "away, both are made anew)"
        )
    key = load_key(key_file, proven=True, kind=kind)
    if not belong_together(certificate, key):
        raise PkiError(
            f"{key_file} is not the key of {certificate_file} (if both are moved away, they are "
            "made anew)"
        )
    return OwnCertificate(certificate, key)


def belong_together(certificate: x509.Certificate, key: OwnKey) -> bool:
    """True when what the key signs, the certificate verifies."""
    public = certificate.public_key()
    if public != key.public_key():
        return False
    probe = secrets.token_bytes(32)
    try:
        if isinstance(key, rsa.RSAPrivateKey) and isinstance(public, rsa.RSAPublicKey):
            signature = key.sign(probe, padding.PKCS1v15(), hashes.SHA256())
            public.verify(signature, probe, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(
            public, ec.EllipticCurvePublicKey
        ):
            algorithm = ec.ECDSA(hashes.SHA256())
            public.verify(key.sign(probe, algorithm), probe, algorithm)
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True


def load_key(path: Path, *, proven: bool = False, kind: KeyKind = RSA) -> OwnKey:
    """The key in a file, of the kind that belongs there. Raises PkiError or OSError.

    `proven`: the caller lets it prove itself with its certificate, so that the tests of its
    primes, which take 50 ms of every start, are left out.
    """
    if close_to_others(path):
        _log.warning("private key was open to others; closed", extra={"file": str(path)})
    try:
        key = serialization.load_pem_private_key(
            path.read_bytes(), password=None, unsafe_skip_rsa_key_validation=proven
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiError(f"{path}: not a usable PEM key without a password") from error
    if isinstance(key, ec.EllipticCurvePrivateKey) and kind_of(key) is kind:
        return key
    if kind is not RSA:
        raise PkiError(f"{path}: not a key of the curve {kind.name}")
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size not in KEY_SIZES_BITS:
        raise PkiError(f"{path}: not an RSA key of {KEY_SIZES_BITS} bits")
    return key


def pem_of(key: OwnKey) -> bytes:
    """The key as it lies in its file: PEM, PKCS#8, without a password."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
