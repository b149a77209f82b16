"""A data folder that goes out of service (IEC 62443-4-2, CR 4.2 and RE(2))."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from biogate_security import wipe as wiping
from biogate_security.wipe import Content, NoDataFolderError, plan_wipe, what_is_left, wipe

KEY = b"-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\n"
FILES = {
    "format.json": b"{}",
    "users.json": b'{"olga": "$argon2id$"}',
    ".users.json.0a1b2c3d": b'{"olga": "a draft that a crash has left"}',
    "conduits.json": b"{}",
    "password-rules.json": b"{}",
    "pki/own/private/application.pem": KEY,
    "pki/own/certs/application.der": b"certificate",
    "pki/trusted/certs/mes.der": b"certificate",
    "zones/cell/pki/own/private/application.pem": KEY,
    "nodesets/cache/Opc.Ua.NodeSet2.bin": b"x" * 3_000_000,
    "audit/000001.sqlite": b"SQLite format 3\0",
    "audit/keys/audit.pem": KEY,
    "audit/keys/audit.pub": b"audit+1+key",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    for name, content in FILES.items():
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return data


def there(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}


def test_keys_go_first_and_all_goes(folder: Path) -> None:
    plan = plan_wipe(folder, keep_audit=False)
    assert [found.content for found in plan.files][:4] == [Content.KEY] * 3 + [Content.ACCOUNTS]
    results = list(wipe(plan))
    assert {each.file.path for each in results} == set(FILES)
    assert {each.problem for each in results} == {""}
    assert (there(folder), what_is_left(plan)) == (set(), ())
    assert list(folder.iterdir()) == []


def test_a_trail_that_is_kept_loses_its_private_key_only(folder: Path) -> None:
    plan = plan_wipe(folder, keep_audit=True)
    list(wipe(plan))
    kept = {"audit/000001.sqlite", "audit/keys/audit.pub", "format.json"}
    assert there(folder) == {found.path for found in plan.kept} == kept
    assert what_is_left(plan) == ()
    assert (folder / "audit/000001.sqlite").read_bytes() == FILES["audit/000001.sqlite"]


def test_every_byte_is_overwritten_in_its_place(folder: Path) -> None:
    """Another name for the same place on the disk shows what is there when the file is gone."""
    names = ("pki/own/private/application.pem", "nodesets/cache/Opc.Ua.NodeSet2.bin")
    for number, name in enumerate(names):
        os.link(folder / name, folder.parent / f"place-{number}")
    list(wipe(plan_wipe(folder, keep_audit=False)))
    for number, name in enumerate(names):
        now = (folder.parent / f"place-{number}").read_bytes()
        assert len(now) == len(FILES[name])
        assert now[:20] != FILES[name][:20]
        assert now[-20:] != FILES[name][-20:]
        assert now.count(b"x") < len(now) / 100 + 10


def test_what_is_not_ours_and_what_links_lead_to_stays(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "nodeset.xml").write_text("theirs")
    (folder / "pki/trusted/certs/link.der").symlink_to(elsewhere / "nodeset.xml")
    (folder / "pki/issuer").symlink_to(elsewhere)
    (folder / "notes.txt").write_text("mine")
    (folder / "own").mkdir()
    (folder / "own" / "data").write_text("mine")
    plan = plan_wipe(folder, keep_audit=False)
    assert plan.foreign == ("notes.txt", "own")
    list(wipe(plan))
    assert there(folder) == {"notes.txt", "own/data"}
    assert (elsewhere / "nodeset.xml").read_text() == "theirs"


@pytest.mark.parametrize("files", [(), ("notes.txt",), (".ssh/id_rsa", "work/pki.txt")])
def test_a_folder_that_is_none_of_ours_is_not_touched(
    tmp_path: Path, files: tuple[str, ...]
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(KEY)
    with pytest.raises(NoDataFolderError, match="nothing was touched"):
        plan_wipe(tmp_path, keep_audit=False)
    with pytest.raises(NoDataFolderError):
        plan_wipe(tmp_path / "missing", keep_audit=False)
    assert there(tmp_path) == set(files)


def test_a_file_that_its_owner_may_not_write_is_wiped(folder: Path) -> None:
    (folder / "users.json").chmod(0o400)
    assert not any(each.problem for each in wipe(plan_wipe(folder, keep_audit=False)))


def test_one_that_reads_otherwise_than_it_was_written_is_told_and_takes_no_other_with_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite

    def stale(descriptor: int, data: bytes, offset: int) -> int:
        lost = Path(f"/proc/self/fd/{descriptor}").readlink().name == "users.json"
        return len(data) if lost else real(descriptor, data, offset)

    monkeypatch.setattr(wiping.os, "pwrite", stale)
    results = {each.file.path: each.problem for each in wipe(plan_wipe(folder, keep_audit=False))}
    assert results["users.json"] == "not overwritten: it reads otherwise, but removed"
    assert [path for path, problem in results.items() if problem] == ["users.json"]
    assert there(folder) == set()


def test_what_cannot_be_removed_is_told_and_found_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.unlink

    def fail(path: Path, *arguments: bool, **names: bool) -> None:
        if path.name == "mes.der":
            raise PermissionError(1, "Operation not permitted")
        real(path, *arguments, **names)

    monkeypatch.setattr(Path, "unlink", fail)
    plan = plan_wipe(folder, keep_audit=True)
    told = [each for each in wipe(plan) if each.problem]
    assert [each.problem for each in told] == ["not removed: Operation not permitted"]
    assert what_is_left(plan) == ("pki/trusted/certs/mes.der",)
