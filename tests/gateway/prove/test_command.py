"""`biogate security prove`: what the command line says, before anything is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from biogate.cli.prove import _logins
from biogate.cli.security import app
from biogate.prove.session import read_site


def test_an_account_that_a_zone_does_not_admit_is_told(zones_site: Path, tmp_path: Path) -> None:
    for pair in ("cell=mes", "cell=nobody", "office=olga"):
        arguments = ["prove", str(zones_site), "--data", str(tmp_path), "--as", pair]
        told = CliRunner().invoke(app, arguments)

        assert told.exit_code == 2
        assert pair in told.output


def test_a_password_that_nobody_can_be_asked_for_is_told(
    zones_site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BIOGATE_PASSWORD_OLGA", raising=False)

    told = CliRunner().invoke(app, ["prove", str(zones_site), "--as", "cell=olga"])

    assert told.exit_code == 2
    assert "password of olga" in told.output


def test_without_a_choice_all_accounts_with_a_password_in_the_environment_are_tried(
    zones_site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, content = read_site(zones_site)
    monkeypatch.setenv("BIOGATE_PASSWORD_OLGA", "a long word")
    monkeypatch.setenv("BIOGATE_PASSWORD_MES", "another long word")
    for user in ("ADA", "HISTORIAN", "ADVISER"):
        monkeypatch.delenv(f"BIOGATE_PASSWORD_{user}", raising=False)

    found = {zone: [each.user for each in logins] for zone, logins in _logins(content, ()).items()}

    assert found == {"cell": ["olga"], "dmz": ["mes"]}


def test_a_site_file_with_mistakes_names_them(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("biogate: 1\n", encoding="utf-8")

    told = CliRunner().invoke(app, ["prove", str(site), "--rehearse"])

    assert told.exit_code == 2
    assert "key enterprise is missing" in told.output


def test_a_gateway_that_does_not_run_could_not_be_tried(
    zones_site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_ports
) -> None:
    """Nobody listens on the ports of the site file."""
    text = zones_site.read_text(encoding="utf-8")
    for port, free in zip((4840, 4841, 4842), unused_ports(3), strict=True):
        text = text.replace(f"port: {port}", f"port: {free}")
    site = tmp_path / "site.yaml"
    site.write_text(text, encoding="utf-8")
    monkeypatch.setenv("BIOGATE_PASSWORD_OLGA", "a long word")

    arguments = ["prove", str(site), "--data", str(tmp_path), "--as", "cell=olga"]
    told = CliRunner().invoke(app, arguments)

    assert told.exit_code == 2
    assert "zone cell could not be tried" in told.output
    assert "zone dmz could not be tried: no account" in told.output
