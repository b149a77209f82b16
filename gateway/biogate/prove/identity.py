"""Client certificates that the prover comes with: made once, kept in a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from biogate.prove.access import ClientIdentity
from biogate_security import own_certificate
from biogate_security.own_certificate import ApplicationIdentity

URI = "urn:biogate:security:prove"


def client_identity(
    folder: Path, zone: str, applications: Sequence[str] | None = None
) -> ClientIdentity:
    """The client application that comes to a zone; its key and certificate are made if missing.

    Where the zone lists ApplicationUris, it is the first of them. Raises PkiError, or OSError.
    """
    uri = applications[0] if applications else f"{URI}:{zone}"
    identity = ApplicationIdentity(uri, ["localhost", "127.0.0.1"], "biogate security prove")
    own_certificate.load_or_create(folder, identity, datetime.now(UTC))
    certificate = own_certificate.certificate_path(folder)
    digest = hashlib.sha256(certificate.read_bytes()).hexdigest()
    return ClientIdentity(uri, certificate, own_certificate.key_path(folder), digest)
