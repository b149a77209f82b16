"""Requests for a certificate of the own application (PKCS #10; Part 12, 7.9.3 and 7.10.10)."""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from biogate_security.key_kinds import RSA, OwnKey, kind_of
from biogate_security.own_certificate import ApplicationIdentity, extensions_of

MAX_SUBJECT_LENGTH = 1024
_MAX_PARTS = 16
_OIDS = {
    "CN": NameOID.COMMON_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "DC": NameOID.DOMAIN_COMPONENT,
    "L": NameOID.LOCALITY_NAME,
    "S": NameOID.STATE_OR_PROVINCE_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "C": NameOID.COUNTRY_NAME,
}
# `key=value` up to the next "/" or ","; a value that holds one of these is quoted.
_PART = re.compile(r'\s*([A-Za-z]+)\s*=\s*("([^"]*)"|[^/,"]*)\s*(?:[/,]|$)')


def signing_request(key: OwnKey, identity: ApplicationIdentity, subject: x509.Name) -> bytes:
    """The request in DER; it asks for what an application instance certificate needs."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension, critical in extensions_of(key.public_key(), identity, self_signed=False):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, (kind_of(key) or RSA).hash).public_bytes(Encoding.DER)


def parse_subject(text: str) -> x509.Name:
    """A subject as Part 12, 7.9.4 writes it: `CN=gateway/O=Plant/C=DE`; commas do, too.

    Raises ValueError that says what is wrong.
    """
    if len(text) > MAX_SUBJECT_LENGTH:
        raise ValueError(f"a subject of more than {MAX_SUBJECT_LENGTH} characters")
    attributes: list[x509.NameAttribute[str]] = []
    start = len(text) - len(text.lstrip("/"))
    while start < len(text):
        part = _PART.match(text, start)
        if part is None or len(attributes) == _MAX_PARTS:
            raise ValueError(f"not a subject from character {start}: write CN=name/O=organization")
        kind, value = part[1].upper(), part[3] if part[3] is not None else part[2].strip()
        if kind not in _OIDS:
            raise ValueError(f"{part[1]} is no part of a subject: use {', '.join(_OIDS)}")
        attributes.append(x509.NameAttribute(_OIDS[kind], value))
        start = part.end()
    if not any(attribute.oid == NameOID.COMMON_NAME for attribute in attributes):
        raise ValueError("a subject needs a CN")
    return x509.Name(attributes)
