"""Files that only their owner may read, written whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

PRIVATE_FILE_MODE = 0o600
PRIVATE_FOLDER_MODE = 0o700
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write_private(
    path: Path, content: bytes, mode: int = PRIVATE_FILE_MODE, *, durable: bool = True
) -> None:
    """Replace `path` by `content` atomically; on the disk when this returns, if `durable`.

    A crash leaves the old file or the new one, never a part. Raises OSError; the old file is
    then untouched.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        _write(draft, content, mode, durable=durable)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def make_private_folder(path: Path) -> None:
    """Make `path` and its parents where missing, `path` with mode 0700. Raises OSError."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(mode=PRIVATE_FOLDER_MODE, parents=True, exist_ok=True)
    for made in reversed(missing):
        give_to_owner(made, made.parent)


def give_to_owner(made: int | Path, folder: Path) -> None:
    """What root makes in somebody's folder is theirs, or the gateway could not use it: an open
    file, or a folder. It stays root's where root may not give away. Raises OSError."""
    if os.geteuid() == 0 and (owner := folder.stat()).st_uid != 0:
        with suppress(PermissionError):
            os.chown(made, owner.st_uid, owner.st_gid)


def close_to_others(path: Path) -> bool:
    """Take away group's and others' rights; True when there were any. Raises OSError."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & _OTHERS:
        return False
    descriptor = os.open(path, os.O_RDONLY)  # a zone's process may change modes of no name
    try:
        os.fchmod(descriptor, mode & ~_OTHERS)
    finally:
        os.close(descriptor)
    return True


def _write(path: Path, content: bytes, mode: int, *, durable: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        give_to_owner(descriptor, path.parent)
        file.write(content)
        if durable:
            file.flush()
            os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Bring the folder's names to the disk: what was made, renamed, removed. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
