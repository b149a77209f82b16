"""`biogate sim site`: what it says of input that it cannot use (tests/gateway/sim has the rest)."""

from __future__ import annotations

from pathlib import Path

DEMO = Path("gateway/biogate/demo/demo-site.yaml")


def test_a_missing_site_file_is_told(biogate, tmp_path: Path) -> None:
    outcome = biogate("sim", "site", str(tmp_path / "no.yaml"))

    assert outcome.code == 2
    assert "no.yaml:1:1: cannot be read" in outcome.err


def test_a_folder_without_a_recording_is_told(biogate, project: Path, tmp_path: Path) -> None:
    outcome = biogate("sim", "site", str(project / DEMO), "--replay", str(tmp_path))

    assert outcome.code == 2
    assert f"{tmp_path / 'online.CSV'}:1:1: cannot be read" in outcome.err


def test_an_unknown_device_gets_a_suggestion(biogate, project: Path) -> None:
    outcome = biogate("sim", "site", str(project / DEMO), "--only", "AE1011")

    assert outcome.code == 2
    assert "no simulated device AE1011" in outcome.err
    assert "did you mean AE101?" in outcome.err


def test_a_speed_beyond_its_range_is_refused(biogate, project: Path) -> None:
    outcome = biogate("sim", "site", str(project / DEMO), "--speed", "0")

    assert outcome.code == 2
    assert "--speed" in outcome.err
