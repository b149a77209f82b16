"""The key that signs a log's checkpoints, in files: the private half 0600, the public one beside.

`audit.pem` is PKCS #8; `audit.pub` is one line as notes.VerifyingKey writes it; replaced keys
leave `audit-<key id>.pub`. While a change of key is under way, the next one is `audit-next.pem`.
"""

from __future__ import annotations

import logging
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from biogate_security.audit_store.notes import SigningKey, VerifyingKey
from biogate_security.private_file import close_to_others, make_private_folder, write_private

_PUBLIC_MODE = 0o644
_log = logging.getLogger(__name__)


class KeyFiles:
    """The key files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._current, self._next = folder / "audit.pem", folder / "audit-next.pem"
        self._public = folder / "audit.pub"

    def load_or_make(self, name: str) -> tuple[SigningKey, bool]:
        """The key, and whether it is new. Raises OSError, ValueError (not an Ed25519 key)."""
        make_private_folder(self.folder)
        if new := not self._current.exists():
            _write(self._current, SigningKey.generate(name))
        key = _read(self._current, name)
        self._keep_public(key.verifying)
        return key, new

    def load_next(self, name: str) -> SigningKey | None:
        """The next key of a change that was not finished, if there is one."""
        return _read(self._next, name) if self._next.exists() else None

    def make_next(self, name: str) -> SigningKey:
        """Make and store the next key; it counts from `promote_next` on."""
        key = SigningKey.generate(name)
        _write(self._next, key)
        return key

    def promote_next(self, key: SigningKey) -> None:
        """The next key is the key now; the old private half is gone."""
        self._next.replace(self._current)
        self._keep_public(key.verifying)

    def drop_next(self) -> None:
        """Give up a change of key that no checkpoint announced."""
        self._next.unlink(missing_ok=True)

    def _keep_public(self, key: VerifyingKey) -> None:
        before = self._public.read_text().strip() if self._public.exists() else ""
        if before == str(key):
            return
        if before:
            old = VerifyingKey.parse(before)
            write_private(
                self.folder / f"audit-{old.key_id.hex()}.pub", f"{old}\n".encode(), _PUBLIC_MODE
            )
        write_private(self._public, f"{key}\n".encode(), _PUBLIC_MODE)


def public_keys(folder: Path) -> tuple[VerifyingKey, ...]:
    """The public keys of a folder. Raises ValueError naming a file that holds none."""
    return tuple(read_public_key(path) for path in sorted(folder.glob("*.pub")))


def read_public_key(path: Path) -> VerifyingKey:
    """The key of one file. Raises OSError, ValueError naming the file."""
    try:
        return VerifyingKey.parse(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read(path: Path, name: str) -> SigningKey:
    if close_to_others(path):
        _log.warning("the audit key was open to others; closed", extra={"file": str(path)})
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is no private key in PEM form: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} is no Ed25519 key")
    return SigningKey(name, key)


def _write(path: Path, key: SigningKey) -> None:
    pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_private(path, pem)
