"""User certificates: whose they are is for the accounts to say, whether they are good is here.

Users have a trust list of their own, `trustedUser` and `issuerUser` under the PKI folder (Part 12,
7.8.3.4). The steps are those of Part 4, 6.1.3, without the application's URI and host name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes

from biogate_security import status
from biogate_security.certificate import common_name
from biogate_security.certificate_validation import Requirements, validate
from biogate_security.filetime import now_ticks, to_datetime
from biogate_security.key_kinds import KeyKind
from biogate_security.trust_content import Group
from biogate_security.trust_list import TrustFolders


@dataclass(frozen=True, slots=True)
class UserCertificate:
    """A certificate as it was judged: `status` is the precise code, `reason` is for the log.

    `thumbprints` are its SHA-1 and SHA-256 in lower-case hex; none where it is not readable.
    """

    status: int
    reason: str = ""
    thumbprints: tuple[str, ...] = ()
    common_name: str = ""


class UserCertificates:
    """Judges users' certificates by their trust list, which is read again when it changes."""

    def __init__(
        self,
        pki_folder: Path,
        *,
        curves: Collection[KeyKind] = (),
        clock: Callable[[], int] = now_ticks,
    ) -> None:
        """`curves`: kinds of keys that are accepted besides RSA; `clock` gives FILETIME ticks.

        Raises OSError where the folders cannot be made.
        """
        self._folders = TrustFolders(pki_folder, Group.USER)
        self._clock = clock
        names = frozenset(kind.name for kind in curves)
        self._requirements = Requirements(purpose="user", curves=names)

    def judge(self, chain_der: bytes) -> UserCertificate:
        """Judge a certificate in DER, its issuers may follow. Never raises for what users send."""
        result = validate(
            chain_der,
            self._folders.current(),
            to_datetime(self._clock()),
            requirements=self._requirements,
        )
        failure, leaf = result.failure, result.leaf
        code, reason = (failure.status, failure.reason) if failure else (status.GOOD, "")
        if leaf is None:
            return UserCertificate(code, reason)
        thumbprints = tuple(
            leaf.fingerprint(algorithm).hex()
            for algorithm in (hashes.SHA1(), hashes.SHA256())  # noqa: S303  OPC UA's thumbprint
        )
        return UserCertificate(code, reason, thumbprints, common_name(leaf))
