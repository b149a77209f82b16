"""Administering a PKI: what a change has to satisfy before it may take effect (Part 12, 7.8-7.10).

Nothing here changes what is in use but `commit`, and then only what `Pki.poll` comes upon.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    load_pem_private_key,
    pkcs12,
)

from biogate_security import own_certificate, pki_commit, status, trust_check
from biogate_security.certificate import CertificateFormatError, fingerprint, read_certificate
from biogate_security.certificate_validation import Requirements, validate
from biogate_security.filetime import from_unix_ns
from biogate_security.key_kinds import RSA, KeyKind, OwnKey
from biogate_security.own_certificate import KEY_SIZES_BITS, belong_together, pem_of
from biogate_security.pki import Pki, certificate_change, list_change
from biogate_security.pki_update import (
    AcceptedCertificate,
    OwnUpdate,
    PkiChange,
    PkiError,
    PkiUpdate,
    PkiUpdateError,
)
from biogate_security.private_file import write_private
from biogate_security.signing_request import parse_subject, signing_request
from biogate_security.trust_content import Group, TrustContent
from biogate_security.trust_list import TrustList, trust_list_of

MIN_NONCE_BYTES = 32
KEY_FORMATS = ("PEM", "PFX")
# A new own certificate may come without its authorities' lists; all else its clients would see.
_NEED_NOT_HOLD = frozenset(
    {
        status.BAD_CERTIFICATE_REVOCATION_UNKNOWN,
        status.BAD_CERTIFICATE_ISSUER_REVOCATION_UNKNOWN,
    }
)


class PkiAdministrator:
    """Satisfies the front end's `PkiAdmin` port over a `Pki`; the command line uses it, too.

    Methods that prepare raise PkiUpdateError with the StatusCode for whoever asked. All but
    `poll` may run in a thread, one at a time. `groups` are the trust lists that somebody asks:
    users' are asked where users log in, which may be another process.
    """

    def __init__(self, pki: Pki, groups: Collection[Group] = tuple(Group)) -> None:
        self._pki = pki
        self.groups = tuple(groups)

    def trust_list(self, group: Group) -> TrustContent:
        """The trust list in the files. Raises OSError."""
        return self._pki.trust_lists[group].content()

    def last_update(self, group: Group) -> int:
        """When a file of the trust list came or changed last, in FILETIME ticks. Raises OSError."""
        folders = self._pki.trust_lists[group].paths.all()
        paths = [*folders, *(path for folder in folders for path in folder.iterdir())]
        return from_unix_ns(max(path.stat().st_mtime_ns for path in paths))

    def rejected_certificates(self) -> Sequence[bytes]:
        """Newest first. Raises OSError."""
        found = []
        for path in reversed(self._pki.rejected()):
            try:
                found.append(path.read_bytes())
            except FileNotFoundError:
                continue  # moved away just now
        return found

    # -- the own certificate --------------------------------------------------------------------

    def signing_request(
        self, subject: str, *, new_key: bool, nonce: bytes = b"", kind: KeyKind = RSA
    ) -> bytes:
        """A request for a certificate of the present key, or of a new RSA one (Part 12, 7.10.10).

        The new key waits in the folder for `check_certificate`, in place of one that waited
        before. The caller has to bring entropy for it, 32 bytes or more (`nonce`); it is the
        operating system's that is used.
        """
        own, identity = self._pki.pair(kind), self._pki.identity
        try:
            name = parse_subject(subject) if subject else own.certificate.subject
        except ValueError as error:
            raise PkiUpdateError(status.BAD_INVALID_ARGUMENT, str(error)) from error
        if not new_key:
            return signing_request(own.private_key, identity, name)
        if kind is not RSA:
            raise PkiUpdateError(status.BAD_NOT_SUPPORTED, "no key of a curve waits here")
        if len(nonce) < MIN_NONCE_BYTES:
            raise PkiUpdateError(
                status.BAD_INVALID_ARGUMENT, f"a nonce of less than {MIN_NONCE_BYTES} bytes"
            )
        key = own_certificate.new_key(max(identity.key_bits, own.private_key.key_size))
        place = own_certificate.requested_key_path(self._pki.folder / "own")
        write_private(place, pem_of(key))
        return signing_request(key, identity, name)

    def check_certificate(
        self,
        certificate: bytes,
        issuers: Sequence[bytes] = (),
        key_format: str = "",
        key: bytes = b"",
        kind: KeyKind = RSA,
    ) -> OwnUpdate:
        """What a new own certificate with a key of `kind` would change (Part 12, 7.10.5).

        It has to be sound, for this application and its server, and complete with its issuers,
        which come from the trust list or with it. Its key is the one given, the one that waits
        since `signing_request`, or the present one.
        """
        leaf = _read(certificate)
        private = self._key_of(leaf, kind, _read_key(key_format, key) if key else None)
        chain = [_read(der) for der in issuers]
        self._check_own(leaf, chain)
        der = leaf.public_bytes(Encoding.DER)
        present = self._pki.pair(kind).private_key
        same = private.public_key() == present.public_key()
        return OwnUpdate(der, None if same else pem_of(private), tuple(issuers), kind=kind)

    def _key_of(self, leaf: x509.Certificate, kind: KeyKind, given: OwnKey | None) -> OwnKey:
        waiting = self._requested_key() if kind is RSA else ()
        candidates = [given] if given else [*waiting, self._pki.pair(kind).private_key]
        for key in candidates:
            if belong_together(leaf, key):
                return key
        raise PkiUpdateError(
            status.BAD_SECURITY_CHECKS_FAILED, "the certificate is not of a key that is known here"
        )

    def _requested_key(self) -> Iterator[OwnKey]:
        path = own_certificate.requested_key_path(self._pki.folder / "own")
        if path.exists():
            try:
                yield own_certificate.load_key(path)
            except PkiError as error:
                raise PkiUpdateError(status.BAD_SECURITY_CHECKS_FAILED, str(error)) from error

    def _check_own(self, leaf: x509.Certificate, chain: Sequence[x509.Certificate]) -> None:
        parsed = trust_check.parse_content(self.trust_list(Group.APPLICATION))
        known = trust_list_of(
            (leaf, *parsed.trusted),
            (*parsed.issuers, *chain),
            (*parsed.trusted_crls, *parsed.issuer_crls),
        )
        curves = frozenset(kind.name for kind in self._pki.kinds if kind is not RSA)
        requirements = Requirements(purpose="server", curves=curves, suppress=_NEED_NOT_HOLD)
        failure = validate(
            leaf.public_bytes(Encoding.DER),
            known,
            self._pki.now,
            application_uri=self._pki.identity.application_uri,
            requirements=requirements,
        ).failure
        if failure is not None:
            raise PkiUpdateError(failure.status, failure.reason)

    # -- trust lists ----------------------------------------------------------------------------

    def check_trust_list(self, group: Group, content: TrustContent) -> None:
        """Check all of a list that shall take the place of the group's (Part 12, 7.8.2.5)."""
        trust_check.check_content(content, self._pki.now)

    def check_trusted(self, group: Group, certificate: bytes) -> TrustContent:
        """The list with one more trusted certificate (Part 12, 7.8.2.6)."""
        return trust_check.with_trusted(group, self.trust_list(group), certificate, self._pki.now)

    def without(self, group: Group, thumbprint: str, *, trusted: bool) -> TrustContent:
        """The list without a certificate and an authority's revocation lists (7.8.2.7)."""
        return trust_check.without(self.trust_list(group), thumbprint, trusted=trusted)

    # -- taking effect --------------------------------------------------------------------------

    def describe(self, update: PkiUpdate) -> Sequence[PkiChange]:
        """What an update would change. Raises OSError."""
        update = self._with_issuers(update)
        changes = []
        if update.own is not None:
            new = _read(update.own.certificate)
            present = self._pki.pair(update.own.kind).certificate
            changes.append(certificate_change(present, new))
        for group, content in update.lists.items():
            before, after = self._indexed(self.trust_list(group)), self._indexed(content)
            changes += list_change(group, before, after)
        return changes

    @staticmethod
    def _indexed(content: TrustContent) -> TrustList:
        parsed = trust_check.parse_content(content)
        crls = (*parsed.trusted_crls, *parsed.issuer_crls)
        return trust_list_of(parsed.trusted, parsed.issuers, crls)

    def commit(self, update: PkiUpdate) -> None:
        """Let all of it take effect, or none. Raises PkiUpdateError or OSError."""
        update = self._with_issuers(update)
        with self._held():
            pki_commit.commit(self._pki.folder, update)
        self._forget_rejected()

    def poll(self) -> Sequence[PkiChange]:
        """What changed since the last time."""
        return self._pki.poll()

    def judge_again(self, chain: bytes) -> int:
        """The StatusCode of the certificate of a channel that is open."""
        return self._pki.judge_again(chain)

    def take_accepted(self) -> Sequence[AcceptedCertificate]:
        """What was accepted in spite of a fault that the site suppresses, since the last time."""
        return self._pki.take_accepted()

    def _with_issuers(self, update: PkiUpdate) -> PkiUpdate:
        """The authorities of the own certificate are kept, so that it stays complete."""
        issuers = () if update.own is None else update.own.issuers
        lists = dict(update.lists)
        content = lists.get(Group.APPLICATION) or self.trust_list(Group.APPLICATION)
        new = dict.fromkeys(
            der for der in issuers if der not in (*content.trusted, *content.issuers)
        )
        if new:
            lists[Group.APPLICATION] = replace(content, issuers=(*content.issuers, *new))
        return replace(update, lists=lists)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Nobody is judged by half of a list."""
        for trust in self._pki.trust_lists.values():
            trust.held = True
        try:
            yield
        finally:
            for trust in self._pki.trust_lists.values():
                trust.held = False

    def _forget_rejected(self) -> None:
        """What is trusted now is rejected no longer."""
        trusted = {
            fingerprint(_read(der)) for group in Group for der in self.trust_list(group).trusted
        }
        for path in self._pki.rejected():
            try:
                refused = fingerprint(read_certificate(path.read_bytes()))
            except (CertificateFormatError, FileNotFoundError):
                continue
            if refused in trusted:
                path.unlink(missing_ok=True)


def _read(der: bytes) -> x509.Certificate:
    try:
        return read_certificate(der)
    except CertificateFormatError as error:
        raise PkiUpdateError(status.BAD_CERTIFICATE_INVALID, str(error)) from error


def _read_key(key_format: str, content: bytes) -> rsa.RSAPrivateKey:
    """A key in PEM, or with its certificate in PKCS #12 without a password."""
    key: object
    try:
        if key_format == "PEM":
            key = load_pem_private_key(content, password=None)
        elif key_format == "PFX":
            key = pkcs12.load_key_and_certificates(content, None)[0]
        else:
            raise PkiUpdateError(
                status.BAD_NOT_SUPPORTED, f"a key is read as {' or '.join(KEY_FORMATS)}"
            )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiUpdateError(status.BAD_NOT_SUPPORTED, "the key cannot be read") from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size not in KEY_SIZES_BITS:
        raise PkiUpdateError(status.BAD_NOT_SUPPORTED, f"not an RSA key of {KEY_SIZES_BITS} bits")
    return key
