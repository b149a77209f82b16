"""Wiping a data folder that goes out of service (IEC 62443-4-2, CR 4.2 and RE(2)).

Each file is overwritten once with random bytes, written to the disk, read back, and removed. What
the disk itself has kept of it elsewhere (an SSD's spare blocks, a journal, a snapshot) is beyond
any program: docs/security/hardening.md.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from biogate_security.folder_lock import DataFolder
from biogate_security.private_file import PRIVATE_FILE_MODE, sync_folder

_PIECE_BYTES = 1 << 20
_SNIFFED_BYTES = 4096
_PRIVATE_KEY = b"PRIVATE KEY-----"


class Content(StrEnum):
    """What a file of a data folder holds; what is worst in wrong hands goes first."""

    KEY = "private key"
    ACCOUNTS = "accounts"
    TRUST = "certificates and trust lists"
    SETTINGS = "settings"
    CACHE = "cache"
    TRAIL = "audit trail"


_ORDER = {content: number for number, content in enumerate(Content)}
_FOLDERS = {
    "pki": Content.TRUST,
    "zones": Content.TRUST,
    "prove": Content.TRUST,
    "nodesets": Content.CACHE,
    "audit": Content.TRAIL,
}
_FILES = {
    "users.json": Content.ACCOUNTS,
    "conduits.json": Content.SETTINGS,
    "password-rules.json": Content.SETTINGS,
    "format.json": Content.SETTINGS,
    "audit.sqlite": Content.TRAIL,
}
_MARKS = ("format.json", "users.json", "audit", "audit.sqlite", "pki")


class NoDataFolderError(ValueError):
    """The folder is none of biogate's; nothing was touched."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file (or link) of the data folder: `path` below it, what it holds, its size in bytes."""

    path: str
    content: Content
    size: int


@dataclass(frozen=True, slots=True)
class Wiped:
    """What became of a file; `problem` "" where it is gone and was read back as overwritten."""

    file: Found
    problem: str = ""


@dataclass(frozen=True, slots=True)
class WipePlan:
    """What is wiped, in this order; `kept` stays as the audit trail, `foreign` is not biogate's."""

    folder: Path
    files: tuple[Found, ...]
    kept: tuple[Found, ...]
    foreign: tuple[str, ...]
    keep_audit: bool


def plan_wipe(folder: Path, *, keep_audit: bool) -> WipePlan:
    """Look at a data folder. Of an audit trail that is kept, only its private keys are wiped.

    Raises NoDataFolderError, OSError.
    """
    if not folder.is_dir() or not any((folder / mark).exists() for mark in _MARKS):
        raise NoDataFolderError(f"{folder} is no data folder of biogate: nothing was touched")
    files: list[Found] = []
    kept: list[Found] = []
    foreign: list[str] = []
    keep_format = keep_audit and (folder / "audit").is_dir()
    for entry in sorted(folder.iterdir()):
        content = _content_of(entry)
        if entry.name == DataFolder.LOCK_FILE:
            continue
        if content is None:
            foreign.append(entry.name)
            continue
        for path in _files_of(entry):
            found = _found(folder, path, content)
            of_format = keep_format and entry.name == "format.json"
            stays = of_format or (keep_audit and content is Content.TRAIL)
            (kept if stays and found.content is not Content.KEY else files).append(found)
    files.sort(key=lambda each: (_ORDER[each.content], each.path))
    return WipePlan(folder, tuple(files), tuple(kept), tuple(foreign), keep_audit)


def wipe(plan: WipePlan) -> Iterator[Wiped]:
    """Wipe file by file, telling what became of each; then remove the folders that are empty."""
    for found in plan.files:
        yield Wiped(found, _problem(plan.folder / found.path))
    for name in _FOLDERS:
        _remove_empty(plan.folder / name)
    with suppress(OSError):
        sync_folder(plan.folder)


def what_is_left(plan: WipePlan) -> tuple[str, ...]:
    """Files of the plan that are there after all, and files that came meanwhile, by a new look at
    the folder. Raises OSError."""
    try:
        now = plan_wipe(plan.folder, keep_audit=plan.keep_audit)
    except NoDataFolderError:
        return ()
    return tuple(found.path for found in now.files)


def _content_of(entry: Path) -> Content | None:
    """What an entry of the folder holds: drafts begin with a dot and the name they shall have."""
    if entry.is_dir() and not entry.is_symlink():
        return _FOLDERS.get(entry.name)
    if entry.is_symlink():
        return _FOLDERS.get(entry.name) or _FILES.get(entry.name)
    for name, content in _FILES.items():
        if entry.name == name or entry.name.startswith((f".{name}.", f"{name}-", f"{name}.")):
            return content
    return None


def _files_of(entry: Path) -> Iterator[Path]:
    """The entry itself, or all files in it; links are not followed."""
    if entry.is_symlink() or not entry.is_dir():
        yield entry
        return

    def fail(error: OSError) -> None:
        raise error

    for parent, folders, names in os.walk(entry, onerror=fail):
        folders.sort()
        links = (each for each in folders if (Path(parent) / each).is_symlink())
        for name in sorted([*names, *links]):
            yield Path(parent) / name


def _found(folder: Path, path: Path, content: Content) -> Found:
    info = path.lstat()
    if stat.S_ISREG(info.st_mode) and _is_key(path):
        content = Content.KEY
    return Found(path.relative_to(folder).as_posix(), content, info.st_size)


def _is_key(path: Path) -> bool:
    if path.parent.name == "private":
        return True
    try:
        with path.open("rb") as file:
            return _PRIVATE_KEY in file.read(_SNIFFED_BYTES)
    except OSError:
        return False  # it is wiped as what its folder holds, and that tells what is wrong


def _problem(path: Path) -> str:
    """Wipe one file; what went wrong, "" for nothing. It is removed even where it could not be
    overwritten."""
    problem = ""
    try:
        if stat.S_ISREG(path.lstat().st_mode):
            problem = _overwritten(path)
    except OSError as error:
        problem = f"not overwritten: {error.strerror or error}"
    try:
        path.unlink()
        sync_folder(path.parent)
    except OSError as error:
        return f"{problem}; not removed: {error.strerror or error}".removeprefix("; ")
    return f"{problem}, but removed" if problem else ""


def _overwritten(path: Path) -> str:
    """Overwrite a file in its place. What is wrong with what is read back; raises OSError."""
    with suppress(OSError):
        path.chmod(PRIVATE_FILE_MODE)
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        size = os.fstat(descriptor).st_size
        wrote = _fill(descriptor, size)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # to be read from the disk
        return (
            "" if _read_back(descriptor, size) == wrote else "not overwritten: it reads otherwise"
        )
    finally:
        os.close(descriptor)


def _fill(descriptor: int, size: int) -> bytes:
    """Write random bytes over the whole file; their SHA-256."""
    digest, done = hashlib.sha256(), 0
    while done < size:
        piece = secrets.token_bytes(min(_PIECE_BYTES, size - done))
        number = os.pwrite(descriptor, piece, done)
        digest.update(piece[:number])
        done += number
    return digest.digest()


def _read_back(descriptor: int, size: int) -> bytes:
    digest, done = hashlib.sha256(), 0
    while done < size:
        piece = os.pread(descriptor, min(_PIECE_BYTES, size - done), done)
        if not piece:
            break
        digest.update(piece)
        done += len(piece)
    return digest.digest()


def _remove_empty(folder: Path) -> None:
    """Remove the folders that hold nothing any more, from the bottom up."""
    if folder.is_symlink() or not folder.is_dir():
        return
    for parent, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):
            Path(parent).rmdir()
