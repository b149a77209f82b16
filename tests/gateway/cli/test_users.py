"""`biogate users`: accounts of a data folder, each change on record."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import pytest

from biogate_security.audit_chain import StoredRecord
from biogate_security.audit_store.query import Filter, query_log
from biogate_security.audit_store.verify import LOG_FOLDER
from biogate_security.folder_lock import DataFolder
from biogate_security.password_demands import CharacterKind, PasswordDemands
from biogate_security.passwords import HashParameters
from biogate_security.users import UserStore


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = HashParameters(time_cost=1, memory_kib=8)
    monkeypatch.setattr("biogate_security.users.HashParameters", lambda: parameters)


def records(data: Path) -> list[StoredRecord]:
    return [
        each
        for each in query_log(data / LOG_FOLDER, Filter())
        if each.record.event.startswith(("user", "password"))
    ]


def identity(data: Path, name: str, password: str) -> Any:
    return asyncio.run(UserStore(data / "users.json").authenticate(name, password))


def test_an_account_is_added_with_a_password_for_one_login(biogate: Any, data: Path) -> None:
    run = biogate("users", "add", "olga", "--role", "Operator", "--data", str(data))
    assert run.code == 0
    (password,) = re.findall(r"password: (\S+)  \(of olga; shown only this once", run.out)
    assert identity(data, "olga", password).must_change_password
    (record,) = records(data)
    assert (record.record.event, record.record.new) == ("user-added", "olga: Operator")
    assert record.record.user
    assert password not in repr(record)
    listed = biogate("users", "list", "--data", str(data)).out
    assert "olga: Operator; must change the password; made by an administrator" in listed


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_what_root_changes_stays_the_gateways(biogate: Any, data: Path) -> None:
    """Else `sudo biogate users reset` would leave a users file that the gateway cannot read."""
    data.mkdir()
    os.chown(data, 12345, 12345)
    assert biogate("users", "add", "olga", "--data", str(data)).code == 0
    assert biogate("users", "reset", "olga", "--data", str(data)).code == 0
    owners = {path: path.stat().st_uid for path in data.rglob("*")}
    assert len(owners) > 8
    assert set(owners.values()) == {12345}, owners


def test_a_password_is_renewed_and_roles_and_states_change(biogate: Any, data: Path) -> None:
    where = ("--data", str(data))
    biogate("users", "add", "olga", "--role", "Operator", *where)
    again = biogate("users", "reset", "olga", *where)
    (password,) = re.findall(r"password: (\S+)", again.out)
    assert biogate("users", "roles", "olga", "Engineer", "Observer", *where).code == 0
    assert identity(data, "olga", password).roles == {"Engineer", "Observer", "AuthenticatedUser"}
    assert biogate("users", "disable", "olga", *where).out == "olga is disabled\n"
    assert identity(data, "olga", password) is None
    assert "disabled" in biogate("users", "list", *where).out
    assert biogate("users", "enable", "olga", *where).out == "olga is enabled\n"
    assert identity(data, "olga", password)
    assert [each.record.event for each in records(data)] == [
        "user-added",
        "password-reset",
        "user-changed",
        "user-changed",
        "user-changed",
    ]


def test_a_user_with_a_certificate_has_no_password(biogate: Any, data: Path) -> None:
    where = ("--data", str(data))
    run = biogate("users", "add", "olga", "--certificate", "ab:" * 19 + "ab", *where)
    assert (run.code, run.out) == (0, "olga added\n")
    assert f"certificate {'ab' * 20}; no password" in biogate("users", "list", *where).out


def test_a_change_that_cannot_be_says_why_and_is_recorded_as_not_done(
    biogate: Any, data: Path
) -> None:
    run = biogate("users", "roles", "nobody", "Engineer", "--data", str(data))
    assert run.code == 1
    assert "there is no user 'nobody'" in run.err
    assert [each.record.event for each in records(data)] == ["user-changed", "user-changed-outcome"]
    run = biogate("users", "add", "olga", "--role", "Boss", "--data", str(data))
    assert "no such role: Boss" in run.err


def test_beside_a_running_gateway_the_methods_of_opc_ua_are_named(biogate: Any, data: Path) -> None:
    with DataFolder.lock(data):
        run = biogate("users", "reset", "olga", "--data", str(data))
        assert run.code == 1
        assert "is in use by process" in run.err
        assert "ServerConfiguration/UserManagement" in run.err
        assert biogate("users", "list", "--data", str(data)).code == 0
    assert not (data / "users.json").exists()


def test_a_password_that_is_asked_for_is_set(
    biogate: Any, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = iter(["short", "wet blue kettle 9", "another dry kettle"])
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(asked))
    where = ("--data", str(data))
    run = biogate("users", "add", "olga", "--ask", *where)
    assert (run.code, "at least 12 characters" in run.err) == (1, True)
    assert biogate("users", "add", "olga", "--ask", *where).out == "olga added\n"
    assert biogate("users", "passwd", "olga", *where).code == 0
    assert identity(data, "olga", "another dry kettle")


def test_the_command_line_asks_for_what_the_site_file_does(
    biogate: Any, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IEC 62443-4-2, CR 1.7: whatever way a password is set."""
    data.mkdir()
    demands = PasswordDemands(14, frozenset({CharacterKind.UPPER}))
    demands.keep(data)
    asked = iter(["wet blue kettle 9", "Wet blue kettle 9", "Wet kettle 9"])
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(asked))
    where = ("--data", str(data))
    made = re.findall(r"password: (\S+)", biogate("users", "add", "olga", *where).out)
    assert demands.missing(made[0]) == ""
    run = biogate("users", "passwd", "olga", *where)
    assert (run.code, "a password needs an upper-case letter" in run.err) == (1, True)
    assert biogate("users", "passwd", "olga", *where).code == 0
    assert "at least 14 characters" in biogate("users", "passwd", "olga", *where).err
    assert identity(data, "olga", "Wet blue kettle 9")


def test_rules_that_cannot_be_read_are_named(biogate: Any, data: Path) -> None:
    data.mkdir()
    (data / "password-rules.json").write_text("{}")
    run = biogate("users", "add", "olga", "--data", str(data))
    assert (run.code, "does not say what passwords are asked for" in run.err) == (1, True)
