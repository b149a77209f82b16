"""Reading peers' certificates: DER, chains, thumbprints and the names in them (Part 6, 6.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtensionOID, NameOID

MAX_CHAIN_LENGTH = 10
MAX_CERTIFICATE_BYTES = 16 * 1024
# Strangers' keys are used before anybody is trusted (Part 4, 6.1.3, steps 2 and 3). Larger ones
# than these are of no security policy, and would take many milliseconds each.
MAX_RSA_BITS, MAX_RSA_EXPONENT_BITS = 8192, 32
MAX_CURVE_BITS = 384

# A critical extension that we do not act on must make the certificate unusable (RFC 5280, 4.2).
_UNDERSTOOD = frozenset(
    {
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    }
)
# What the library raises for bytes that are no certificate, or none that it knows.
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
)
_UNSAFE_IN_FILE_NAME = re.compile(r"[^A-Za-z0-9 ._-]")


class CertificateFormatError(ValueError):
    """Bytes that are not one or more usable X.509 v3 certificates."""


def read_chain(der: bytes) -> list[x509.Certificate]:
    """The certificates of `der`: the owner's, then its issuers' (Part 6, 6.2.6).

    Raises CertificateFormatError, also for more than MAX_CHAIN_LENGTH certificates.
    """
    chain: list[x509.Certificate] = []
    for piece in _split(der):
        if len(chain) == MAX_CHAIN_LENGTH:
            raise CertificateFormatError(f"more than {MAX_CHAIN_LENGTH} certificates in one chain")
        chain.append(read_certificate(piece))
    if not chain:
        raise CertificateFormatError("no certificate")
    return chain


def read_certificate(der: bytes) -> x509.Certificate:
    """One certificate whose every part that we look at can be read.

    Raises CertificateFormatError.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        extensions = certificate.extensions
        key = certificate.public_key()
        # Read lazily by the library: now is the time to find out that it cannot.
        _ = (certificate.subject, certificate.issuer, certificate.signature_hash_algorithm)
        _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    except _UNREADABLE as error:
        raise CertificateFormatError(f"not a readable certificate: {error}") from error
    except x509.UnsupportedGeneralNameType as error:
        raise CertificateFormatError(f"unknown kind of alternative name: {error}") from error
    if certificate.version is not x509.Version.v3:
        raise CertificateFormatError("not a version 3 certificate")
    if not _is_usable(key):
        raise CertificateFormatError("its key is of another kind, or larger, than any that is used")
    for extension in extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            raise CertificateFormatError(
                f"critical extension {extension.oid.dotted_string} is not understood"
            )
    return certificate


def _is_usable(key: CertificatePublicKeyTypes) -> bool:
    if isinstance(key, rsa.RSAPublicKey):
        exponent_bits = key.public_numbers().e.bit_length()
        return key.key_size <= MAX_RSA_BITS and exponent_bits <= MAX_RSA_EXPONENT_BITS
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.key_size <= MAX_CURVE_BITS
    return isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey)


def thumbprint(certificate: x509.Certificate) -> str:
    """The thumbprint by which OPC UA names a certificate: SHA-1 of its DER, upper-case hex.

    An identifier only (Part 6, 6.2.2): trust is decided by `fingerprint`.
    """
    return certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303


def fingerprint(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the DER."""
    return certificate.fingerprint(hashes.SHA256())


def common_name(certificate: x509.Certificate) -> str:
    """The subject's CommonName, or "" where it has none."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def application_uris(certificate: x509.Certificate) -> list[str]:
    """The URIs of the SubjectAltName; an application instance certificate has exactly one."""
    names = _alternative_names(certificate)
    return names.get_values_for_type(x509.UniformResourceIdentifier) if names else []


def host_names(certificate: x509.Certificate) -> set[str]:
    """The DNS names and IP addresses of the SubjectAltName, as text."""
    names = _alternative_names(certificate)
    if names is None:
        return set()
    addresses = names.get_values_for_type(x509.IPAddress)
    return {*names.get_values_for_type(x509.DNSName), *(str(address) for address in addresses)}


def file_name(certificate: x509.Certificate) -> str:
    """`CommonName [THUMBPRINT].der`, with nothing of a stranger's name that means something."""
    return readable_file_name(common_name(certificate), thumbprint(certificate), ".der")


def readable_file_name(name: str, mark: str, suffix: str) -> str:
    """`name [mark]suffix`, with only what is harmless of `name`."""
    readable = _UNSAFE_IN_FILE_NAME.sub("_", name)[:64].strip(" .")
    return f"{readable or 'unnamed'} [{mark}]{suffix}"


def _alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _split(der: bytes) -> Iterator[bytes]:
    """The DER SEQUENCEs that follow one another in `der`."""
    start = 0
    while start < len(der):
        end = start + _sequence_length(der, start)
        if end - start > MAX_CERTIFICATE_BYTES:
            raise CertificateFormatError(f"a certificate of over {MAX_CERTIFICATE_BYTES} bytes")
        if end > len(der):
            raise CertificateFormatError(f"cut short: {end - start} bytes announced at {start}")
        yield der[start:end]
        start = end


def _sequence_length(der: bytes, start: int) -> int:
    """Header and body length of the SEQUENCE at `start` (X.690, 8.1.3)."""
    header = der[start : start + 2]
    if len(header) < 2 or header[0] != 0x30:
        raise CertificateFormatError(f"no DER SEQUENCE at byte {start}")
    if header[1] < 0x80:
        return 2 + header[1]
    size = header[1] & 0x7F
    if not 1 <= size <= 4:
        raise CertificateFormatError(f"bad DER length at byte {start}")
    return 2 + size + int.from_bytes(der[start + 2 : start + 2 + size], "big")
