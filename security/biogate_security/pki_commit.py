"""Changes of several files of a PKI folder that take effect together or not at all.

All that is new is written into a folder, which one rename makes the folder `.commit`: from then
on the change has happened. Carrying it out can be begun again as often as it takes, so that a
crash in the middle is made good by the next one who opens the PKI.
"""

from __future__ import annotations

import logging
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from biogate_security import own_certificate, status
from biogate_security.certificate import (
    CertificateFormatError,
    file_name,
    readable_file_name,
    thumbprint,
)
from biogate_security.folder_lock import FileLock, LockHeldError
from biogate_security.key_kinds import KINDS, RSA, KeyKind
from biogate_security.pki_update import OwnUpdate, PkiUpdate, PkiUpdateError
from biogate_security.private_file import make_private_folder, sync_folder, write_private
from biogate_security.trust_content import Group, TrustContent
from biogate_security.trust_list import parse_certificate, parse_crl

_COMMITTED = ".commit"
_KEEP_OLD_KEY = "keep-old-key"
_PUBLIC_MODE = 0o644
_log = logging.getLogger(__name__)


def commit(root: Path, update: PkiUpdate) -> None:
    """Let an update that has been checked take effect.

    Raises PkiUpdateError where another process changes the folder now, or OSError: nothing has
    changed then, or the next `recover` completes it.
    """
    with _locked(root):
        _carry_out(root)
        _clear_away(root)
        draft = _beside(root)
        try:
            _write_draft(draft, update)
            _sync_tree(draft)
            draft.rename(root / _COMMITTED)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        sync_folder(root)
        _carry_out(root)


def recover(root: Path) -> None:
    """Complete a change that was cut short; nothing where another process is about to.

    Raises OSError.
    """
    if not is_under_way(root):
        return
    try:
        with _locked(root):
            _carry_out(root)
    except PkiUpdateError:
        return
    _log.warning("a change of certificates was completed", extra={"folder": str(root)})


def is_under_way(root: Path) -> bool:
    """Whether a change has begun and is not complete."""
    return (root / _COMMITTED).exists()


def archived_name(path: Path, old: bytes) -> str:
    """What the file of an own certificate or key is called once the certificate `old` is not."""
    try:
        mark = thumbprint(parse_certificate(old))
    except CertificateFormatError:
        mark = "unreadable"
    return f"{path.stem} [{mark}]{path.suffix}"


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    try:
        lock = FileLock(root / "pki.lock", f"PKI folder {root}")
    except LockHeldError as error:
        raise PkiUpdateError(status.BAD_RESOURCE_UNAVAILABLE, str(error)) from error
    with lock:
        yield


def _sync_tree(folder: Path) -> None:
    """What is in it is on the disk before its new name is."""
    for path in (*(one for one in folder.rglob("*") if one.is_dir()), folder):
        sync_folder(path)


def _write_draft(draft: Path, update: PkiUpdate) -> None:
    make_private_folder(draft)
    if update.own is not None:
        _write_own(draft / "own", update.own)
    for group, content in update.lists.items():
        for place, named in zip(group.folders(draft).all(), _named(content), strict=True):
            make_private_folder(place)
            for name, der in named.items():
                write_private(place / name, der, _PUBLIC_MODE)


def _write_own(folder: Path, own: OwnUpdate) -> None:
    make_private_folder(folder)
    stem = own.kind.file_stem
    write_private(folder / f"{stem}.der", own.certificate, _PUBLIC_MODE)
    if own.key_pem is not None:
        write_private(folder / f"{stem}.pem", own.key_pem)
    if own.keep_old_key:
        write_private(folder / _KEEP_OLD_KEY, b"")


def _named(content: TrustContent) -> Iterator[dict[str, bytes]]:
    for part, is_list in (
        (content.trusted, False),
        (content.trusted_crls, True),
        (content.issuers, False),
        (content.issuer_crls, True),
    ):
        yield {_crl_name(der) if is_list else _certificate_name(der): der for der in part}


def _certificate_name(der: bytes) -> str:
    return file_name(x509.load_der_x509_certificate(der))


def _crl_name(der: bytes) -> str:
    return crl_file_name(x509.load_der_x509_crl(der))


def crl_file_name(crl: x509.CertificateRevocationList) -> str:
    """`Issuer [SHA1].crl`."""
    names = crl.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    issuer = str(names[0].value) if names else ""
    return readable_file_name(issuer, crl.fingerprint(hashes.SHA1()).hex().upper(), ".crl")  # noqa: S303


def _carry_out(root: Path) -> None:
    committed = root / _COMMITTED
    if not committed.exists():
        return
    for group in Group:
        for source, target in zip(
            group.folders(committed).all(), group.folders(root).all(), strict=True
        ):
            if source.exists():
                is_list = source.name == "crl"
                _replace_all(source, target, _crl_der if is_list else _certificate_der)
    for kind in KINDS.values():
        if (committed / "own" / f"{kind.file_stem}.der").exists():
            _replace_own(committed / "own", root / "own", kind)
    # It is not removed under this name: what is left of it, file by file, is another change.
    done = _beside(root)
    committed.rename(done)
    sync_folder(root)
    shutil.rmtree(done)


def _beside(root: Path) -> Path:
    """A name for a change that does not count yet, or no longer."""
    return root / f"{_COMMITTED}.{secrets.token_hex(4)}"


def _clear_away(root: Path) -> None:
    """Remove what crashes left of such, with the keys in it."""
    for left in root.glob(f"{_COMMITTED}.*"):
        shutil.rmtree(left, ignore_errors=True)


def _replace_all(source: Path, target: Path, der_of: Callable[[Path], bytes | None]) -> None:
    """Let `target` hold what `source` holds; files that are neither list nor certificate stay."""
    make_private_folder(target)
    wanted = {path.read_bytes(): path.name for path in source.iterdir()}
    present = {}
    for path in target.iterdir():
        der = None if path.name.startswith(".") or not path.is_file() else der_of(path)
        if der is not None:
            present[path] = der
    for der in wanted.keys() - set(present.values()):
        write_private(target / wanted[der], der, _PUBLIC_MODE)
    for path, der in present.items():
        if der not in wanted:
            path.unlink(missing_ok=True)
    sync_folder(target)


def _certificate_der(path: Path) -> bytes | None:
    try:
        return parse_certificate(path.read_bytes()).public_bytes(Encoding.DER)
    except CertificateFormatError:
        return None


def _crl_der(path: Path) -> bytes | None:
    try:
        return parse_crl(path.read_bytes()).public_bytes(Encoding.DER)
    except CertificateFormatError:
        return None


def _replace_own(source: Path, own: Path, kind: KeyKind) -> None:
    """The old certificate stays beside the new one; so does its key, if that is wanted."""
    place = own_certificate.certificate_path(own, kind)
    key_place = own_certificate.key_path(own, kind)
    der = (source / f"{kind.file_stem}.der").read_bytes()
    key_source = source / f"{kind.file_stem}.pem"
    new_key = key_source.read_bytes() if key_source.exists() else None
    old = place.read_bytes() if place.exists() else der
    if old != der:
        write_private(place.with_name(archived_name(place, old)), old, _PUBLIC_MODE)
        if new_key is not None and (source / _KEEP_OLD_KEY).exists() and key_place.exists():
            old_key = key_place.read_bytes()
            if old_key != new_key:
                write_private(key_place.with_name(archived_name(key_place, old)), old_key)
    if new_key is not None:
        write_private(key_place, new_key)
        if kind is RSA:
            own_certificate.requested_key_path(own).unlink(missing_ok=True)
    write_private(place, der, _PUBLIC_MODE)
