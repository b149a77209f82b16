"""Nodeset files come from the user's folder, the cache or npm; each error says what to do."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from biogate_nodesets import CATALOGUE, NodesetSourceError, fetch, npm
from biogate_nodesets.fetch import locate, sha256_of

AMB = CATALOGUE["AMB"]
FakeNpm = Callable[[str], None]


@pytest.fixture
def fake_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNpm:
    """Put an `npm` on the PATH that runs a shell script and nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def install(script: str) -> None:
        program = folder / "npm"
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o700)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")

    return install


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def pin(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    digest = hashlib.sha512(path.read_bytes()).digest()
    monkeypatch.setattr(npm, "NPM_INTEGRITY", "sha512-" + base64.b64encode(digest).decode())


# `npm pack --ignore-scripts --pack-destination FOLDER PACKAGE@VERSION`
PACK = '[ "$1 $2 $3" = "pack --ignore-scripts --pack-destination" ] && cp "{}" "$4/package.tgz"'


def test_a_folder_that_the_user_names_comes_first(tmp_path: Path, nodeset_cache: Path) -> None:
    found = locate(["ns0", "AMB"], folder=nodeset_cache, cache=tmp_path)
    assert found == {
        "ns0": nodeset_cache / CATALOGUE["ns0"].file,
        "AMB": nodeset_cache / AMB.file,
    }
    assert list(tmp_path.iterdir()) == []


def test_what_the_folder_lacks_comes_from_the_cache(tmp_path: Path, nodeset_cache: Path) -> None:
    assert locate(["AMB"], folder=tmp_path, cache=nodeset_cache) == {
        "AMB": nodeset_cache / AMB.file
    }


def test_what_the_cache_lacks_comes_from_npm(
    tmp_path: Path, nodeset_cache: Path, fake_npm: FakeNpm, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (nodeset_cache / AMB.file).read_bytes()
    package = archive(tmp_path / "real.tgz", {f"package/nodesets/{AMB.file}": content})
    pin(monkeypatch, package)
    fake_npm(PACK.format(package))
    lines: list[str] = []
    cache = tmp_path / "data" / "nodesets"
    assert locate(["AMB"], folder=None, cache=cache, progress=lines.append) == {
        "AMB": cache / AMB.file
    }
    assert sha256_of(cache / AMB.file) == AMB.sha256
    assert lines == [
        "fetching node-opcua-nodesets 2.185.0 with npm",
        "fetched AMB 1.01.1 (Opc.Ua.AMB.NodeSet2.xml)",
    ]
    fake_npm("exit 9")
    assert locate(["AMB"], folder=None, cache=cache) == {"AMB": cache / AMB.file}


def test_a_damaged_file_in_the_cache_is_fetched_again(
    tmp_path: Path, nodeset_cache: Path, fake_npm: FakeNpm, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / AMB.file).write_text("damaged", encoding="utf-8")
    content = (nodeset_cache / AMB.file).read_bytes()
    package = archive(tmp_path / "real.tgz", {f"package/nodesets/{AMB.file}": content})
    pin(monkeypatch, package)
    fake_npm(PACK.format(package))
    lines: list[str] = []
    locate(["AMB"], folder=None, cache=tmp_path, progress=lines.append)
    assert sha256_of(tmp_path / AMB.file) == AMB.sha256
    assert "is not the pinned AMB 1.01.1" in lines[0]


def test_a_wrong_file_in_the_user_s_folder_is_an_error(tmp_path: Path, nodeset_cache: Path) -> None:
    shutil.copy(nodeset_cache / CATALOGUE["IA"].file, tmp_path / AMB.file)
    with pytest.raises(NodesetSourceError, match="is not the pinned AMB") as caught:
        locate(["AMB"], folder=tmp_path, cache=nodeset_cache)
    assert f"expected {AMB.sha256}" in str(caught.value)
    assert "Put the file of 2024-02-27 there, or remove it" in str(caught.value)


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NodesetSourceError, match="nowhere does not exist"):
        locate(["AMB"], folder=tmp_path / "nowhere", cache=tmp_path)


def test_a_cache_that_cannot_be_written_is_an_error(
    tmp_path: Path, nodeset_cache: Path, fake_npm: FakeNpm, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (nodeset_cache / AMB.file).read_bytes()
    package = archive(tmp_path / "real.tgz", {f"package/nodesets/{AMB.file}": content})
    pin(monkeypatch, package)
    fake_npm(PACK.format(package))
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(NodesetSourceError, match=r"cannot be kept in .* Name another data folder"):
        locate(["AMB"], folder=None, cache=tmp_path / "file" / "nodesets")


def test_a_missing_npm_is_an_error_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NodesetSourceError, match=r"npm is not installed.*Install Node.js"):
        locate(["AMB"], folder=None, cache=tmp_path)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'npm error code ENOTFOUND' >&2; exit 1", "no network"),
        ("echo 'npm error code ECONNREFUSED' >&2; exit 1", "no network"),
        ("echo 'npm error code E404' >&2; exit 1", "does not have this version"),
        ("echo 'npm error code E403' >&2; exit 1", "refuses access"),
        ("echo 'something else' >&2; exit 3", "it says: something else"),
        ("exit 3", "nothing, exit code 3"),
    ],
)
def test_a_failure_of_npm_is_explained(
    script: str, message: str, tmp_path: Path, fake_npm: FakeNpm
) -> None:
    fake_npm(script)
    with pytest.raises(NodesetSourceError, match=message) as caught:
        locate(["AMB"], folder=None, cache=tmp_path)
    assert "Or name a folder that holds the NodeSet2 files" in str(caught.value)


def test_an_npm_that_hangs_is_stopped(
    tmp_path: Path, fake_npm: FakeNpm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npm, "_TIMEOUT_S", 0.05)
    fake_npm("exec sleep 30")
    with pytest.raises(NodesetSourceError, match="did not finish within"):
        locate(["AMB"], folder=None, cache=tmp_path)


def test_another_package_than_the_pinned_one_is_refused(
    tmp_path: Path, nodeset_cache: Path, fake_npm: FakeNpm
) -> None:
    content = (nodeset_cache / AMB.file).read_bytes()
    package = archive(tmp_path / "other.tgz", {f"package/nodesets/{AMB.file}": content})
    fake_npm(PACK.format(package))
    with pytest.raises(NodesetSourceError, match="than the pinned one: integrity is sha512-"):
        locate(["AMB"], folder=None, cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_the_pinned_package_with_a_wrong_file_is_refused(
    tmp_path: Path, fake_npm: FakeNpm, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = archive(tmp_path / "p.tgz", {f"package/nodesets/{AMB.file}": b"<UANodeSet/>"})
    pin(monkeypatch, package)
    fake_npm(PACK.format(package))
    with pytest.raises(NodesetSourceError, match="a fault of biogate's catalogue"):
        locate(["AMB"], folder=None, cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_only_the_wanted_regular_files_are_taken_out_of_the_archive(tmp_path: Path) -> None:
    path = tmp_path / "evil.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name in ("../../escape.xml", "/etc/escape.xml", "package/other.xml"):
            member = tarfile.TarInfo(name)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"evil"))
        link = tarfile.TarInfo("package/nodesets/link.xml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
        member = tarfile.TarInfo("package/nodesets/good.xml")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"good"))
    assert npm.extract(path, ["good.xml"]) == {"good.xml": b"good"}
    for name in ("link.xml", "escape.xml", "../../escape.xml"):
        with pytest.raises(NodesetSourceError, match=f"does not hold {name}"):
            npm.extract(path, [name])
    assert [entry.name for entry in tmp_path.iterdir()] == ["evil.tgz"]


def test_a_file_of_absurd_size_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npm, "_MAX_FILE_SIZE", 3)
    path = archive(tmp_path / "big.tgz", {"package/nodesets/big.xml": b"four"})
    with pytest.raises(NodesetSourceError, match=r"does not hold big\.xml"):
        npm.extract(path, ["big.xml"])


def test_an_archive_that_is_none_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "none.tgz"
    path.write_bytes(b"none")
    with pytest.raises(NodesetSourceError, match=r"none\.tgz cannot be unpacked"):
        npm.extract(path, ["x.xml"])


def test_hashes_are_sha256(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert fetch.sha256_of(path).startswith("ba7816bf8f01cfea414140de5dae2223")
