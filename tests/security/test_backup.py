"""Backups (IEC 62443-3-3, SR 7.3 and 7.3 RE(1)): consistent beside a writer, verified, without
private keys; and what was changed, cut or forged in one is not restored."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import sqlite3
import stat
import tarfile
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biogate_security.audit_log import AuditLog
from biogate_security.audit_store.keys import KeyFiles
from biogate_security.audit_store.notes import SigningKey
from biogate_security.audit_store.verify import verify_log
from biogate_security.backup import BackupError, unpack_backup, write_backup

PEM = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


@pytest.fixture
async def data(tmp_path, entry):
    """A data folder with a log, users, keys and a trust list."""
    folder = tmp_path / "data"
    for name in ("pki/own/private", "pki/own/certs", "pki/trusted/certs", "secrets"):
        (folder / name).mkdir(parents=True)
    log = await AuditLog.open(folder / "audit")
    for _ in range(20):
        await log.record(entry())
    await log.close()
    (folder / "users.json").write_text('{"format": 1}')
    (folder / "users.json").chmod(0o600)
    (folder / "pki/own/private/application.pem").write_text("a key in any form")
    (folder / "secrets/other.txt").write_text(PEM)
    (folder / "pki/own/certs/application.der").write_bytes(b"certificate")
    (folder / "pki/trusted/certs/mes.der").write_bytes(b"\x30" * 3_000_000)
    (folder / "biogate.lock").write_text("4711")
    (folder / ".users.json.draft").write_text("half")
    (folder / "link").symlink_to(tmp_path)
    return folder


@pytest.fixture
def key(data):
    return KeyFiles(data / "audit" / "keys").load_or_make("name")[0]


def backup(data, key, name="backup.tar.gz", **options):
    target = data.parent / name
    return target, write_backup(data, target, version="1.2", key=key, **options)


def files_of(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_was_backed_up_comes_back_and_private_keys_do_not(data, key, tmp_path):
    target, made = backup(data, key)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    read = unpack_backup(target, tmp_path / "new", (key.verifying,))
    assert (read.files, read.left_out) == (made.files, made.left_out)
    assert made.left_out == {
        "link": "not a file of the folder",
        "audit/keys/audit.pem": "private key",
        "pki/own/private/application.pem": "private key",
        "secrets/other.txt": "private key",
    }
    assert {"users.json", "audit/000001.sqlite", "pki/trusted/certs/mes.der"} <= files_of(
        tmp_path / "new"
    )
    assert not {"biogate.lock", ".users.json.draft", "audit/audit.lock"} & files_of(
        tmp_path / "new"
    )
    assert (tmp_path / "new/users.json").read_bytes() == (data / "users.json").read_bytes()
    assert stat.S_IMODE((tmp_path / "new/users.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new/pki").stat().st_mode) == 0o700
    assert verify_log(tmp_path / "new").records == 20


def test_with_the_keys_all_comes_back(data, key, tmp_path):
    target, made = backup(data, key, with_keys=True)
    assert made.with_keys
    unpack_backup(target, tmp_path / "new")
    assert (tmp_path / "new/secrets/other.txt").read_text() == PEM
    assert list(made.left_out) == ["link"]


async def test_a_backup_beside_a_writer_is_one_consistent_state(data, key, tmp_path, entry):
    log = await AuditLog.open(data / "audit")
    writing = [asyncio.create_task(log.record(entry())) for _ in range(3000)]
    await asyncio.wait(writing, return_when=asyncio.FIRST_COMPLETED)
    target, _ = await asyncio.to_thread(backup, data, key)
    await asyncio.gather(*writing)
    await log.close()
    unpack_backup(target, tmp_path / "new")
    report = verify_log(tmp_path / "new")
    assert report.ok
    assert 20 < report.records <= 3020
    with closing(sqlite3.connect(tmp_path / "new/audit/000001.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_no_checkpoint_in_a_backup_is_of_records_that_are_not(data, key, tmp_path, entry):
    """Else the trail that is restored is one whose tail was cut."""
    log = await AuditLog.open(data / "audit")
    loop = asyncio.get_running_loop()

    async def go_on():
        await log.record(entry())
        await log.rotate()
        await log.record(entry())
        await log.make_checkpoint()

    def copied(_name):
        asyncio.run_coroutine_threadsafe(go_on(), loop).result(30)

    await asyncio.to_thread(backup, data, key, progress=copied)
    await log.close()
    unpack_backup(data.parent / "backup.tar.gz", tmp_path / "new")
    assert verify_log(tmp_path / "new").problems == ()


def test_a_data_folder_may_lie_below_one_called_private(data, key, tmp_path):
    (tmp_path / "private").mkdir()
    moved = data.rename(tmp_path / "private" / "data")
    made = write_backup(moved, tmp_path / "backup.tar.gz", version="1.2", key=key)
    assert "users.json" in made.files
    assert made.left_out["pki/own/private/application.pem"] == "private key"


def test_a_backup_goes_into_no_file_that_somebody_laid_there(data, key, tmp_path, monkeypatch):
    """Whoever may write in the folder of the backups would have what is in it, keys as well."""
    opened = {}

    def observed(path, flags, *more, **options):
        opened[str(path)] = flags
        return real(path, flags, *more, **options)

    real = os.open
    monkeypatch.setattr(os, "open", observed)
    backup(data, key)
    (flags,) = (flags for path, flags in opened.items() if "backup.tar.gz" in path)
    assert flags & os.O_EXCL


def test_a_backup_is_not_overwritten_and_one_that_failed_leaves_nothing(data, key, tmp_path):
    target, _ = backup(data, key)
    with pytest.raises(BackupError, match="exists: choose another name"):
        backup(data, key)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BackupError, match="nothing to back up"):
        write_backup(tmp_path / "empty", tmp_path / "other", version="1")
    with pytest.raises(FileNotFoundError):
        write_backup(tmp_path / "nowhere", tmp_path / "other", version="1")
    assert {path.name for path in tmp_path.iterdir()} == {"data", "empty", target.name}


# What somebody did to it


def repack(target, change):
    """Pack it anew with `change(name, content)` → content, None to leave it out."""
    with tarfile.open(target) as archive:
        members = [(member, archive.extractfile(member).read()) for member in archive]
    with tarfile.open(target, "w:gz") as archive:
        for member, content in members:
            if (new := change(member.name, content)) is not None:
                member.size = len(new)
                archive.addfile(member, io.BytesIO(new))


def test_an_edited_file_is_named(data, key, tmp_path):
    target, _ = backup(data, key)
    repack(target, lambda name, content: content + b" " if name == "data/users.json" else content)
    with pytest.raises(BackupError, match=r"users\.json is not the file that was backed up"):
        unpack_backup(target, tmp_path / "new")


def test_a_missing_file_is_named(data, key, tmp_path):
    target, _ = backup(data, key)
    repack(target, lambda name, content: None if name == "data/users.json" else content)
    with pytest.raises(BackupError, match=r"users\.json is in the manifest and not in the backup"):
        unpack_backup(target, tmp_path / "new")


def test_a_manifest_made_to_fit_is_found_by_its_signature(data, key, tmp_path):
    target, _ = backup(data, key)

    def forge(name, content):
        if name != "manifest.json":
            return None if name == "data/users.json" else content
        manifest = json.loads(content)
        del manifest["files"]["users.json"]
        return json.dumps(manifest).encode()

    repack(target, forge)
    with pytest.raises(BackupError, match="not signed by a key that counts"):
        unpack_backup(target, tmp_path / "new")


def test_a_backup_signed_by_a_stranger_is_found_by_the_key_that_was_kept(data, key, tmp_path):
    target, _ = backup(data, SigningKey.generate("name"))
    with pytest.raises(BackupError, match="not signed by a key that counts"):
        unpack_backup(target, tmp_path / "new", (key.verifying,))


def test_a_backup_without_signature_is_refused_where_a_key_was_kept(data, key, tmp_path):
    target, made = backup(data, None)
    assert made.signed_by is None
    with pytest.raises(BackupError, match="not signed by a key that counts"):
        unpack_backup(target, tmp_path / "new", (key.verifying,))
    unpack_backup(target, tmp_path / "other")


@pytest.mark.parametrize("cut", [200, 1000, 100_000_000])
def test_a_cut_backup_is_refused(data, key, tmp_path, cut):
    target, _ = backup(data, key)
    content = target.read_bytes()
    target.write_bytes(content[: max(0, len(content) - cut)])
    with pytest.raises(BackupError, match=r"no backup, or a damaged one|missing or damaged"):
        unpack_backup(target, tmp_path / "new")


@pytest.mark.parametrize(
    "name", ["data/../outside", "data//etc/passwd", "outside", "data/a/../../b"]
)
def test_a_path_that_leads_out_of_the_folder_is_refused(data, key, tmp_path, name):
    target, _ = backup(data, key)
    with tarfile.open(target, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO(b""))
    with pytest.raises(BackupError, match=r"leads out of|no file of a data folder"):
        unpack_backup(target, tmp_path / "new")
    assert files_of(tmp_path / "new") == set()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_what_is_no_file_is_refused(data, key, tmp_path, kind):
    target, _ = backup(data, key)
    with tarfile.open(target, "w:gz") as archive:
        member = tarfile.TarInfo("data/users.json")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(BackupError, match="no file of a data folder"):
        unpack_backup(target, tmp_path / "new")


def test_a_member_that_comes_twice_is_refused(data, key, tmp_path):
    target, _ = backup(data, key)
    with tarfile.open(target, "w:gz") as archive:
        for content in (b"one", b"two"):
            member = tarfile.TarInfo("data/users.json")
            member.size = 3
            archive.addfile(member, io.BytesIO(content))
    with pytest.raises(FileExistsError):
        unpack_backup(target, tmp_path / "new")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
_fields = ("biogate_backup", "created", "version", "with_keys", "key", "left_out", "files")


@given(st.fixed_dictionaries(dict.fromkeys(_fields, _json)) | _json, st.binary(max_size=20))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_manifest_says_the_answer_is_one_error(tmp_path, manifest, note):
    if isinstance(manifest, dict) and "biogate_backup" in manifest:
        manifest["biogate_backup"] = 1
    target, folder = tmp_path / "made.tar.gz", tmp_path / "new"
    target.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(target, "w:gz") as archive:
        for name, content in (
            ("data/users.json", b"{}"),
            ("manifest.json", json.dumps(manifest).encode()),
            ("manifest.note", note),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    with pytest.raises(BackupError):
        unpack_backup(target, folder)
