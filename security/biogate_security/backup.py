"""Backups of a data folder in one file: consistent while it is in use, verified before restoring.

A gzipped tar of the folder's files, then `manifest.json` (size, mode and SHA-256 of each) and
`manifest.note`, which signs the manifest with the audit log's key. SQLite files are copied by
SQLite's own backup, so that a writer beside is no harm. Private keys are left out unless asked for.
IEC 62443-3-3, SR 7.3 and 7.3 RE(1).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import secrets
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from biogate_security.audit_store.notes import Note, SigningKey, VerifyingKey, sign_note
from biogate_security.audit_store.segment import open_reader
from biogate_security.filetime import now_ticks, to_iso
from biogate_security.private_file import PRIVATE_FILE_MODE, PRIVATE_FOLDER_MODE, sync_folder

FORMAT = 1
MANIFEST, SIGNATURE = "manifest.json", "manifest.note"
_PREFIX = "data/"
_MARK = "biogate_backup"
_SQLITE = b"SQLite format 3\0"
_DATABASE = ".sqlite"
_PRIVATE_KEY = b"PRIVATE KEY-----"
_SNIFFED_BYTES = 4096
_PIECE_BYTES = 1 << 20
_MOST_MANIFEST_BYTES = 64 << 20
# What belongs to a running process, or is half-written.
_PASSING = (".lock", "-wal", "-shm", "-journal")
Progress = Callable[[str], None]


class BackupError(Exception):
    """The backup cannot be made or is not to be trusted; the message says what and where."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in a backup. `files` by path: size, mode, SHA-256. `left_out`: path → why."""

    created: str
    version: str
    with_keys: bool
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    signed_by: VerifyingKey | None = None


def write_backup(
    folder: Path,
    target: Path,
    *,
    version: str,
    with_keys: bool = False,
    key: SigningKey | None = None,
    clock: Callable[[], int] = now_ticks,
    progress: Progress | None = None,
) -> Manifest:
    """Back up `folder` into the new file `target` (0600), signed with `key`.

    Raises BackupError (the target exists, nothing to back up), OSError, sqlite3.Error.
    """
    if target.exists():
        raise BackupError(f"{target} exists: choose another name, backups are not overwritten")
    signed_by = None if key is None else key.verifying
    manifest = Manifest(to_iso(clock()), version, with_keys, signed_by=signed_by)
    # Made by nobody else: a file or link that waits under this name would be somebody's to read.
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:
                _add_files(archive, folder, manifest, progress)
                _add_manifest(archive, manifest, key)
            file.flush()
            os.fsync(descriptor)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(target.parent)
    return manifest


def unpack_backup(
    source: Path, folder: Path, keys: tuple[VerifyingKey, ...] | None = None
) -> Manifest:
    """Unpack a backup into the new folder `folder`, and compare all with its manifest.

    `keys` are those that may have signed it; None takes whatever key the backup names. Raises
    BackupError naming what does not fit, OSError; what was unpacked is then to be removed.
    """
    folder.mkdir(mode=PRIVATE_FOLDER_MODE)
    found: dict[str, dict[str, Any]] = {}
    own: dict[str, bytes] = {}
    try:
        with tarfile.open(source, mode="r:gz") as archive:
            for member in archive:
                if member.name in (MANIFEST, SIGNATURE):
                    own[member.name] = _read_member(archive, member)
                else:
                    path = _path_of(member)
                    found[path] = _unpack(archive, member, folder / path)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, ValueError) as error:
        raise BackupError(f"{source} is no backup, or a damaged one: {error}") from error
    manifest = _parse(source, own.get(MANIFEST, b""), own.get(SIGNATURE, b""), keys)
    _compare(source, manifest, found)
    return manifest


def _add_files(
    archive: tarfile.TarFile, folder: Path, manifest: Manifest, progress: Progress | None
) -> None:
    for relative in _in_order(folder, manifest):
        path, name = folder / relative, relative.as_posix()
        try:
            with path.open("rb") as file:
                start = file.read(_SNIFFED_BYTES)
            if not manifest.with_keys and ("private" in relative.parts or _PRIVATE_KEY in start):
                manifest.left_out[name] = "private key"
                continue
            if progress is not None:
                progress(name)
            _add_file(archive, path, name, manifest, is_database=start.startswith(_SQLITE))
        except FileNotFoundError:
            manifest.left_out[name] = "removed meanwhile"
    if not manifest.files:
        raise BackupError(f"there is nothing to back up in {folder}")


def _in_order(folder: Path, manifest: Manifest) -> Iterator[Path]:
    """The files' paths below the folder, databases last and looked for last: of a log that grows
    meanwhile, no checkpoint then is of records that are not in the backup."""
    for databases in (False, True):
        for path in _walk(folder, manifest):
            if (path.suffix == _DATABASE) is databases:
                yield path.relative_to(folder)


def _walk(folder: Path, manifest: Manifest) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise error

    for parent, folders, names in os.walk(folder, onerror=fail):
        folders.sort()
        for name in sorted(
            [*names, *(each for each in folders if (Path(parent) / each).is_symlink())]
        ):
            path = Path(parent) / name
            if path.is_symlink() or not path.is_file():
                manifest.left_out[path.relative_to(folder).as_posix()] = "not a file of the folder"
            elif not name.endswith(_PASSING) and not name.startswith("."):
                yield path


def _add_file(
    archive: tarfile.TarFile, path: Path, name: str, manifest: Manifest, *, is_database: bool
) -> None:
    mode = path.stat().st_mode & 0o777
    with tempfile.TemporaryFile() as copy:
        if is_database:
            _copy_database(path, copy)
        else:
            copy.write(path.read_bytes())
        size = copy.tell()
        copy.seek(0)
        digest = hashlib.file_digest(copy, "sha256").hexdigest()
        copy.seek(0)
        info = tarfile.TarInfo(_PREFIX + name)
        info.size, info.mode = size, mode
        archive.addfile(info, copy)
    manifest.files[name] = {"size": size, "mode": mode, "sha256": digest}


def _copy_database(path: Path, copy: IO[bytes]) -> None:
    """One consistent state of a database, in one file without a write-ahead log."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        closing(open_reader(path)) as source,
    ):
        file = Path(scratch) / "copy"
        with closing(sqlite3.connect(file)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
        with file.open("rb") as content:
            while piece := content.read(_PIECE_BYTES):
                copy.write(piece)


def _add_manifest(archive: tarfile.TarFile, manifest: Manifest, key: SigningKey | None) -> None:
    content = json.dumps(
        {
            _MARK: FORMAT,
            "created": manifest.created,
            "version": manifest.version,
            "with_keys": manifest.with_keys,
            "key": None if key is None else str(key.verifying),
            "left_out": manifest.left_out,
            "files": manifest.files,
        },
        indent=1,
        ensure_ascii=False,
    ).encode("utf-8", "surrogateescape")
    own = {MANIFEST: content}
    if key is not None:
        own[SIGNATURE] = sign_note(_signed_text(content), key).encode()
    for name, data in own.items():
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), PRIVATE_FILE_MODE
        archive.addfile(info, io.BytesIO(data))


def _signed_text(manifest: bytes) -> str:
    return f"biogate backup\nsha256 {hashlib.sha256(manifest).hexdigest()}\n"


def _path_of(member: tarfile.TarInfo) -> str:
    """A member's path below the folder. Raises BackupError for one that leads elsewhere."""
    if not member.isfile() or not member.name.startswith(_PREFIX):
        raise BackupError(f"the backup holds {member.name!r}, which is no file of a data folder")
    return _inside(member.name.removeprefix(_PREFIX))


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise BackupError(f"the backup holds {name!r}, which leads out of the data folder")
    return path.as_posix()


def _read_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    if file is None or member.size > _MOST_MANIFEST_BYTES:
        raise BackupError(f"the backup's {member.name} is no file, or too large")
    return file.read()


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> dict[str, Any]:
    file = archive.extractfile(member)
    if file is None:
        raise BackupError(f"the backup's {member.name} is no file")
    for parent in reversed([each for each in path.parents if not each.exists()]):
        parent.mkdir(mode=PRIVATE_FOLDER_MODE)
    digest, mode = hashlib.sha256(), member.mode & 0o777
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as target:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
            target.write(piece)
        target.flush()
        os.fsync(descriptor)
    return {"size": member.size, "mode": mode, "sha256": digest.hexdigest()}


def _parse(
    source: Path, content: bytes, note: bytes, keys: tuple[VerifyingKey, ...] | None
) -> Manifest:
    try:
        read = json.loads(content)
        if read[_MARK] != FORMAT:
            raise ValueError(f"format {read[_MARK]}, not {FORMAT}")
        if not isinstance(read["files"], dict) or not isinstance(read["left_out"], dict):
            raise TypeError("files and left_out are no objects")
        key = None if read["key"] is None else VerifyingKey.parse(str(read["key"]))
        manifest = Manifest(
            str(read["created"]),
            str(read["version"]),
            read["with_keys"] is True,
            read["files"],
            read["left_out"],
            key,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{source}: {MANIFEST} is missing or damaged: {error!r}") from error
    for name in manifest.left_out:
        _inside(name)
    trusted = ((key,) if key else ()) if keys is None else keys
    if (key is not None or keys is not None) and not _is_signed(content, note, trusted):
        raise BackupError(f"{source}: the manifest is not signed by a key that counts")
    return manifest


def _is_signed(content: bytes, note: bytes, keys: tuple[VerifyingKey, ...]) -> bool:
    try:
        signed = Note.parse(note.decode())
    except ValueError:
        return False
    return signed.text == _signed_text(content) and any(key.signed(signed) for key in keys)


def _compare(source: Path, manifest: Manifest, found: dict[str, dict[str, Any]]) -> None:
    for name in sorted({*manifest.files, *found}):
        if name not in found:
            raise BackupError(f"{source}: {name} is in the manifest and not in the backup")
        if manifest.files.get(name) != found[name]:
            raise BackupError(f"{source}: {name} is not the file that was backed up")
