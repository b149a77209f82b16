"""`biogate wipe`: what people see, what stays, and the exit codes (IEC 62443-4-2, CR 4.2)."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path
from typing import Any

import pytest

from biogate.demo import DEMO_SITE
from biogate.site import load_site
from biogate.storage import Storage
from biogate_security.audit import AuditUnavailableError
from biogate_security.audit_log import AuditLog
from biogate_security.audit_store.query import query_log
from biogate_security.audit_store.verify import verify_log
from biogate_security.folder_lock import DataFolder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder as a start makes it."""
    folder = tmp_path / "data"

    async def make() -> None:
        site = load_site(DEMO_SITE)
        storage = await Storage.open(folder, site, auto_trust=True)
        await storage.make_accounts(site, {})
        await storage.close()

    asyncio.run(make())
    return folder


def files(data: Path) -> set[str]:
    return {p.relative_to(data).as_posix() for p in data.rglob("*") if not p.is_dir()}


def test_all_but_the_trail_goes_and_the_trail_says_so(biogate: Any, data: Path) -> None:
    before = files(data)
    assert {"users.json", "pki/own/private/application.pem", "audit/keys/audit.pem"} <= before
    run = biogate("wipe", str(data), "--yes")
    assert (run.code, run.err) == (0, "")
    assert "users.json: wiped (accounts, " in run.out
    assert "pki/own/private/application.pem: wiped (private key, " in run.out
    assert "audit/keys/audit.pem: wiped (private key, " in run.out
    assert "verified: none of them is left" in run.out
    left = files(data)
    assert {name for name in left if not name.startswith("audit/")} == {
        "biogate.lock",
        "format.json",
    }
    assert not [name for name in left if name.endswith(".pem")]
    assert verify_log(data).ok
    last = [each.record for each in query_log(data / "audit")][-1]
    assert (last.event, last.user, last.address) == (
        "data-wiped", getpass.getuser(), "command line",
    )  # fmt: skip
    again = biogate("audit", "verify", str(data))
    assert again.code == 0


def test_without_the_trail_the_folder_is_gone(biogate: Any, data: Path) -> None:
    run = biogate("wipe", str(data), "--yes", "--no-keep-audit")
    assert run.code == 0
    assert "WITH the audit trail" in run.out
    assert not data.exists()


@pytest.mark.parametrize("said", ["n", ""])
def test_second_thoughts_are_heard(
    biogate: Any, data: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    before = files(data)
    monkeypatch.setattr("typer.confirm", lambda _: said == "y")
    run = biogate("wipe", str(data))
    assert (run.code, "nothing was touched" in run.out) == (2, True)
    assert files(data) == before


def test_a_folder_that_a_gateway_has_is_not_touched(biogate: Any, data: Path) -> None:
    before = files(data)
    with DataFolder.lock(data):
        run = biogate("wipe", str(data), "--yes", "--no-keep-audit")
    assert run.code == 2
    assert "is in use by process" in run.err
    assert files(data) == before


def test_what_cannot_be_recorded_does_not_happen(
    biogate: Any, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any, **__: Any) -> int:
        raise AuditUnavailableError("the disk is full")

    before = files(data)
    monkeypatch.setattr(AuditLog, "record", full)
    run = biogate("wipe", str(data), "--yes")
    assert (run.code, "the disk is full" in run.err) == (2, True)
    assert before - files(data) == set()


def test_other_folders_are_refused(biogate: Any, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    run = biogate("wipe", str(tmp_path), "--yes", "--no-keep-audit")
    assert (run.code, "is no data folder" in run.err) == (2, True)
    assert files(tmp_path) == {"thesis.tex"}


def test_a_file_that_is_left_is_told_by_the_exit_code(
    biogate: Any, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.unlink

    def fail(path: Path, *arguments: bool, **names: bool) -> None:
        if path.name == "users.json":
            raise PermissionError(1, "Operation not permitted")
        real(path, *arguments, **names)

    monkeypatch.setattr(Path, "unlink", fail)
    run = biogate("wipe", str(data), "--yes")
    assert run.code == 1
    assert "LEFT: users.json" in run.err
    assert files(data) & {"users.json"}
