"""A PKI that trusts everyone: for a benchmark on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from benchmarks.layout import APPLICATION_URI
from biogate_security.own_certificate import ApplicationIdentity
from biogate_security.pki import Pki


class OpenPki:
    """The own certificate; every other is good."""

    def __init__(self, certificate_der: bytes, private_key: Any) -> None:
        self.certificate_der = certificate_der
        self.private_key = private_key

    @classmethod
    def made_in(cls, folder: Path) -> Self:
        """With a new certificate, kept in `folder`."""
        pki = Pki(folder, ApplicationIdentity(APPLICATION_URI, ["127.0.0.1", "localhost"]))
        return cls(pki.certificate_der, pki.private_key)

    @classmethod
    def read(cls, certificate: Path, key: Path) -> Self:
        """With files in DER or PEM. Raises ValueError for what they cannot be read as."""
        data = certificate.read_bytes()
        is_pem = data.lstrip().startswith(b"-----")
        load = x509.load_pem_x509_certificate if is_pem else x509.load_der_x509_certificate
        data_of_key = key.read_bytes()
        if data_of_key.lstrip().startswith(b"-----"):
            private = serialization.load_pem_private_key(data_of_key, password=None)
        else:
            private = serialization.load_der_private_key(data_of_key, password=None)
        return cls(load(data).public_bytes(serialization.Encoding.DER), private)

    def certificate_of(self, kind: str) -> bytes:
        """The only one there is."""
        return self.certificate_der

    def private_key_of(self, kind: str) -> Any:
        """Its key."""
        return self.private_key

    def validate(self, der: bytes, application_uri: str | None = None) -> int:
        """Good, whoever it is."""
        return 0
