"""A PKI folder in use: the own certificate, whom it trusts, and whom it turned away."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from biogate_security import own_certificate, pki_commit, status
from biogate_security.certificate import (
    application_uris,
    common_name,
    file_name,
    fingerprint,
    thumbprint,
)
from biogate_security.certificate_validation import (
    SUPPRESSIBLE_BY_SITE,
    Finding,
    Requirements,
    Validation,
    validate,
)
from biogate_security.filetime import TICKS_PER_SECOND, now_ticks, to_datetime
from biogate_security.key_kinds import KINDS, RSA, KeyKind, OwnKey
from biogate_security.log_budget import LogBudget
from biogate_security.log_text import safe_text
from biogate_security.own_certificate import ApplicationIdentity, OwnCertificate
from biogate_security.pki_update import (
    AcceptedCertificate,
    OwnUpdate,
    PkiChange,
    PkiError,
    PkiUpdate,
)
from biogate_security.private_file import make_private_folder, write_private
from biogate_security.trust_content import Group
from biogate_security.trust_list import TrustFolders, TrustList, entries_of

MAX_REJECTED = 100
MAX_AUTO_TRUSTED = 100
_MAX_NAME = 64
_MAX_REASON = 300
_WARN_EVERY = timedelta(days=1)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CertificateVerdict:
    """The outcome for one certificate: the precise code is for the log and the audit record.

    `wire_status` is what the peer may be told (Part 4, 6.1.3).
    """

    status: int
    reason: str
    thumbprint: str = ""
    common_name: str = ""
    suppressed: tuple[Finding, ...] = ()

    @property
    def wire_status(self) -> int:
        """The code that may reach the peer."""
        return status.wire_status(self.status)


class Pki:
    """`own`, `trusted`, `issuer`, `trustedUser`, `issuerUser` and `rejected` under one folder.

    The layout is that of Part 12, annex F, and of UA .NET Standard. A file moved from
    rejected/certs to trusted/certs is trusted from the next validation on, and one taken out is
    not; `poll` tells what was changed by whatever hand. Not safe for use by several threads at
    once.
    """

    def __init__(
        self,
        folder: Path,
        identity: ApplicationIdentity,
        *,
        requirements: Requirements | None = None,
        curves: Sequence[KeyKind] = (),
        auto_trust: bool = False,
        max_rejected: int = MAX_REJECTED,
        clock: Callable[[], int] = now_ticks,
    ) -> None:
        """Open or make the folder; `clock` gives FILETIME ticks.

        `curves`: the kinds of keys of which there is to be an own certificate besides RSA, and
        that peers' certificates may have.
        `auto_trust` moves an otherwise acceptable self-signed certificate to trusted/certs the
        first time it is seen: for a demo on loopback, where anyone who can connect is you.
        Raises PkiError, or OSError where the folder cannot be used.
        """
        self._folder = folder
        self._identity = identity
        accepted = requirements or Requirements()
        names = accepted.curves.union(kind.name for kind in curves)
        self._requirements = replace(accepted, curves=names)
        self._auto_trust = auto_trust
        self._max_rejected = max_rejected
        self._clock = clock
        self._rejected = folder / "rejected" / "certs"
        make_private_folder(self._rejected)
        pki_commit.recover(folder)
        self.trust_lists = {group: TrustFolders(folder, group) for group in Group}
        self._known = {group: trust.current() for group, trust in self.trust_lists.items()}
        self._own = {
            kind: own_certificate.load_or_create(self._own_folder, identity, self.now, kind)
            for kind in (RSA, *curves)
        }
        self._own_files = {
            kind: own_certificate.FilePair(self._own_folder, kind) for kind in self._own
        }
        self._log_budget = LogBudget()
        self._accepted: dict[tuple[str, int], AcceptedCertificate] = {}
        self.counters: Counter[str] = Counter()
        self._warn_again = self.now
        self._warn_daily()

    @classmethod
    def open(
        cls,
        folder: Path,
        application_uri: str,
        hostnames: Sequence[str],
        *,
        curves: Sequence[KeyKind] = (),
        auto_trust: bool = False,
        suppress: Collection[str] = (),
        clock: Callable[[], int] = now_ticks,
    ) -> Self:
        """A Pki with the usual requirements; own certificate made on first start.

        `suppress`: what does not refuse a peer's certificate (names of SUPPRESSIBLE_BY_SITE).
        """
        identity = ApplicationIdentity(application_uri, hostnames)
        codes = frozenset(SUPPRESSIBLE_BY_SITE[name] for name in suppress)
        requirements = Requirements(suppress=codes)
        return cls(
            folder,
            identity,
            requirements=requirements,
            curves=curves,
            auto_trust=auto_trust,
            clock=clock,
        )

    @property
    def folder(self) -> Path:
        """Where it all lies."""
        return self._folder

    @property
    def identity(self) -> ApplicationIdentity:
        """What the own certificate has to say."""
        return self._identity

    @property
    def own(self) -> OwnCertificate:
        """The own RSA certificate and its key, as they are in use."""
        return self._own[RSA]

    def pair(self, kind: KeyKind) -> OwnCertificate:
        """The own certificate and key of a kind. Raises KeyError."""
        return self._own[kind]

    @property
    def kinds(self) -> tuple[KeyKind, ...]:
        """The kinds of keys of which there is an own certificate."""
        return tuple(self._own)

    @property
    def now(self) -> datetime:
        """The present time of its clock."""
        return to_datetime(self._clock())

    @property
    def certificate_der(self) -> bytes:
        """The own RSA certificate."""
        return self.certificate_of(RSA.name)

    @property
    def private_key(self) -> OwnKey:
        """The own private RSA key."""
        return self._own[RSA].private_key

    def certificate_of(self, kind: str) -> bytes:
        """The own certificate with a key of that kind, by its name. Raises KeyError."""
        certificate = self._own[KINDS[kind]].certificate
        return certificate.public_bytes(serialization.Encoding.DER)

    def private_key_of(self, kind: str) -> OwnKey:
        """The own private key of that kind. Raises KeyError."""
        return self._own[KINDS[kind]].private_key

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the own certificates now: end of validity, host names, URI."""
        return tuple(
            warning if kind is RSA else f"{kind.name}: {warning}"
            for kind, own in self._own.items()
            for warning in own_certificate.warnings_of(own.certificate, self._identity, self.now)
        )

    @property
    def is_for_another_application(self) -> bool:
        """True where the own certificate names another ApplicationUri than this application's."""
        return application_uris(self.own.certificate) != [self._identity.application_uri]

    def renew(self, *, new_key: bool = True, kinds: Collection[KeyKind] | None = None) -> None:
        """Make new self-signed certificates; the old ones and their keys stay, renamed.

        `kinds`: of which kinds of keys; None: of all that there are.

        Clients that trusted the old ones must be given the new ones. Raises PkiError,
        PkiUpdateError or OSError.
        """
        for kind in self.kinds if kinds is None else kinds:
            key = None if new_key else self._own[kind].private_key
            own = own_certificate.new_pair(self._identity, self.now, key, kind)
            der = own.certificate.public_bytes(serialization.Encoding.DER)
            pem = own_certificate.pem_of(own.private_key)
            update = OwnUpdate(der, pem, keep_old_key=True, kind=kind)
            pki_commit.commit(self._folder, PkiUpdate(update))
            self._take_over(kind, own)

    def poll(self) -> list[PkiChange]:
        """What changed in the folders since the last time; a new own certificate is now in use.

        A pair that is not complete or does not fit is left alone, and logged once.
        """
        self._warn_daily()
        changes = []
        for kind, before in list(self._own.items()):
            own = self._changed_own(kind)
            if own is None:
                continue
            self._take_over(kind, own)
            if own.certificate != before.certificate:
                changes.append(certificate_change(before.certificate, own.certificate))
        for group, trust in self.trust_lists.items():
            known, current = self._known[group], trust.current()
            if trust.readable and current is not known:
                self._known[group] = current
                changes += list_change(group, known, current)
        return changes

    def _warn_daily(self) -> None:
        """Say what is wrong with the own certificate, until somebody renews it."""
        if self.now < self._warn_again:
            return
        self._warn_again = self.now + _WARN_EVERY
        for warning in self.warnings:
            _log.warning(
                "own certificate: %s; clients may refuse it. `biogate pki renew` makes another",
                warning,
                extra={"folder": str(own_certificate.certificate_path(self._own_folder).parent)},
            )

    def _changed_own(self, kind: KeyKind) -> OwnCertificate | None:
        """The pair in the files, if they were touched and fit."""
        if pki_commit.is_under_way(self._folder) or not self._own_files[kind].changed():
            return None
        try:
            return own_certificate.load(self._own_folder, kind)
        except (PkiError, OSError) as error:
            _log.error("own certificate not taken over: the one before stays in use: %s", error)
            return None

    def _take_over(self, kind: KeyKind, own: OwnCertificate) -> None:
        self._own[kind] = own
        self._own_files[kind].changed()

    def validate(self, der: bytes, application_uri: str | None = None) -> int:
        """The precise StatusCode of a peer's certificate; see `inspect`.

        Send a peer only `status.wire_status` of it.
        """
        return self.inspect(der, application_uri).status

    def inspect(self, der: bytes, application_uri: str | None = None) -> CertificateVerdict:
        """Judge a peer's certificate (DER, its issuers may follow), by Part 4, 6.1.3.

        A readable one that is refused is logged and kept in rejected/certs, unless its very
        signature is wrong or too many come at once; while it lies there it is only counted.
        Never raises for what a peer can send.
        """
        result = self._validate(der, application_uri)
        if self._auto_trust and _untrusted(result):
            result = self._welcome(der, application_uri, result)
        verdict = _verdict(result)
        self.counters[status.name(verdict.status)] += 1
        if result.leaf is not None and result.failure is not None:
            self._reject(result.leaf, verdict)
        elif result.leaf is not None:
            self._accept(result.leaf, verdict)
        return verdict

    def judge_again(self, der: bytes) -> int:
        """The StatusCode of a certificate that was good when its channel was opened.

        It leaves no trace, and while the trust list cannot be read whoever is in stays in.
        """
        trust = self.trust_lists[Group.APPLICATION]
        current = trust.current()
        if not trust.readable:
            return status.GOOD
        failure = validate(der, current, self.now, requirements=self._requirements).failure
        return failure.status if failure else status.GOOD

    def rejected(self) -> list[Path]:
        """The files of rejected/certs, oldest first."""
        found = []
        for path in self._rejected.glob("*.der"):
            try:
                found.append((path.stat().st_mtime_ns, path))
            except FileNotFoundError:
                continue  # somebody trusts it, or deletes it, just now
        return [path for _, path in sorted(found)]

    @property
    def _own_folder(self) -> Path:
        return self._folder / "own"

    def _validate(
        self, der: bytes, application_uri: str | None, welcome: x509.Certificate | None = None
    ) -> Validation:
        trust = self.trust_lists[Group.APPLICATION].current()
        if welcome is not None:
            trust = replace(trust, trusted=trust.trusted | {fingerprint(welcome)})
        return validate(
            der,
            trust,
            self.now,
            application_uri=application_uri,
            requirements=self._requirements,
        )

    def _welcome(self, der: bytes, application_uri: str | None, refused: Validation) -> Validation:
        """Trust a self-signed certificate in which nothing else is wrong."""
        leaf = refused.leaf
        if leaf is None or leaf.issuer != leaf.subject:
            return refused
        result = self._validate(der, application_uri, welcome=leaf)
        if result.failure is not None:
            return result
        place = self.trust_lists[Group.APPLICATION].paths.trusted / file_name(leaf)
        if not self._keep(place, leaf, MAX_AUTO_TRUSTED, durable=True):
            return refused
        _log.warning(
            "certificate trusted on first use, as any is (for demos and test rigs only)",
            extra={"certificate": _readable_name(leaf), "file": str(place)},
        )
        return result

    def take_accepted(self) -> list[AcceptedCertificate]:
        """What was accepted in spite of something since the last time, the newest of it."""
        taken, self._accepted = list(self._accepted.values()), {}
        return taken

    def _accept(self, leaf: x509.Certificate, verdict: CertificateVerdict) -> None:
        """Said and kept once for each certificate and fault, until it is taken."""
        for finding in verdict.suppressed:
            name = status.name(finding.status)
            self.counters[f"suppressed {name}"] += 1
            key = (verdict.thumbprint, finding.status)
            if key in self._accepted or len(self._accepted) >= MAX_REJECTED:
                continue
            der = leaf.public_bytes(serialization.Encoding.DER)
            reason = safe_text(finding.reason, _MAX_REASON)
            self._accepted[key] = AcceptedCertificate(der, finding.status, reason)
            self._warn(
                f"certificate accepted in spite of {name}: {reason}",
                certificate=verdict.common_name,
                thumbprint=verdict.thumbprint,
            )

    def _reject(self, leaf: x509.Certificate, verdict: CertificateVerdict) -> None:
        place = self._rejected / file_name(leaf)
        if place.exists():
            return
        told = self._warn(
            f"certificate refused: {status.name(verdict.status)}: "
            f"{safe_text(verdict.reason, _MAX_REASON)}",
            certificate=verdict.common_name,
            thumbprint=verdict.thumbprint,
        )
        if verdict.status == status.BAD_CERTIFICATE_INVALID:
            return  # a forged signature: no administrator can make it trusted
        if not told:
            self.counters["not_kept"] += 1
            return
        try:
            for oldest in self.rejected()[: -(self._max_rejected - 1) or None]:
                oldest.unlink(missing_ok=True)
        except OSError as error:
            self.counters["not_kept"] += 1
            self._warn("certificate not kept", file=str(place), error=str(error))
            return
        self._keep(place, leaf, self._max_rejected, durable=False)

    def _keep(
        self, place: Path, certificate: x509.Certificate, most: int, *, durable: bool
    ) -> bool:
        """Write a stranger's certificate into a folder that may hold `most`; False if it cannot.

        Strangers come on the event loop: what they leave behind does not wait for the disk.
        """
        problem = f"{place.parent} holds {most} certificates already"
        try:
            if sum(1 for _ in place.parent.glob("*.der")) < most:
                der = certificate.public_bytes(serialization.Encoding.DER)
                write_private(place, der, 0o644, durable=durable)
                return True
        except OSError as error:
            problem = str(error)
        self.counters["not_kept"] += 1
        self._warn("certificate not kept", file=str(place), error=problem)
        return False

    def _warn(self, message: str, **context: str) -> bool:
        """Log it, unless there were too many lines already: then False."""
        left_out = self._log_budget.spend(self._clock() / TICKS_PER_SECOND)
        if left_out is not None:
            _log.warning(message, extra={**context, "lines_left_out": left_out})
        return left_out is not None


def certificate_change(old: x509.Certificate, new: x509.Certificate) -> PkiChange:
    """The own certificate is another one."""
    return PkiChange(None, (_line(old),), (_line(new),))


def list_change(group: Group, old: TrustList, new: TrustList) -> list[PkiChange]:
    """What is other in a trust list; nothing where it only looks so."""
    before, after = entries_of(old), entries_of(new)
    removed, added = sorted(before - after), sorted(after - before)
    return [PkiChange(group, tuple(removed), tuple(added))] if removed or added else []


def _line(certificate: x509.Certificate) -> str:
    end = certificate.not_valid_after_utc
    return f"{_readable_name(certificate)} [{thumbprint(certificate)}] until {end:%Y-%m-%d}"


def _untrusted(result: Validation) -> bool:
    failure = result.failure
    return failure is not None and failure.status == status.BAD_CERTIFICATE_UNTRUSTED


def _readable_name(certificate: x509.Certificate) -> str:
    return safe_text(common_name(certificate), _MAX_NAME)


def _verdict(result: Validation) -> CertificateVerdict:
    failure, leaf = result.failure or Finding(status.GOOD, ""), result.leaf
    if leaf is None:
        return CertificateVerdict(failure.status, failure.reason)
    return CertificateVerdict(
        failure.status, failure.reason, thumbprint(leaf), _readable_name(leaf), result.suppressed
    )
