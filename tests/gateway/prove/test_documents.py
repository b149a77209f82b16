"""The generated documents: that what they say is what the site file and the program say."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ElementTree
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from biogate.cli.security import app
from biogate.opcua.config import Limits
from biogate.prove.attempt import Verdict
from biogate.prove.documents.diagram import diagram
from biogate.prove.documents.records import records
from biogate.prove.documents.sbom import sbom
from biogate.prove.documents.words import rule_text
from biogate.prove.evidence import evidence
from biogate.prove.report import Run, as_html, as_json, results_of

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def written(zones_site: Path, tmp_path: Path) -> Path:
    """The folder that `biogate security documents` wrote."""
    out = tmp_path / "out"
    arguments = ["documents", str(zones_site), "--out", str(out), "--data", str(tmp_path / "data")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return out


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_the_index_leads_to_every_document(written: Path) -> None:
    index = (written / "index.html").read_text(encoding="utf-8")
    files = {file.name for file in written.iterdir()} - {"index.html"}

    assert files == {
        *("zones.svg", "records.md", "matrix.html", "matrix.md", "matrix.json"),
        *("settings.json", "sbom.cdx.json"),
    }
    assert [name for name in files if f"href='{name}'" not in index] == []
    assert "docs/security/threat-model.md" in index


def test_the_diagram_has_every_zone_conduit_and_rule(zones_data: dict[str, Any]) -> None:
    shown = " ".join(" ".join(texts(diagram(zones_data))).split())

    for name in (*zones_data["zones"], *zones_data["conduits"]):
        assert name in shown
    assert "SL-T {2 2 2 1 2 2 2}" in shown
    assert "BR101/Feed/TargetValue from 0 to 60 in steps of at most 5" in shown
    assert "at most 30 a minute" in shown
    assert "18:00 to 06:00 UTC" in shown


def test_an_arrow_goes_from_the_clients_to_the_nodes(zones_data: dict[str, Any]) -> None:
    """Of dmz-to-cell to the left, of cell-to-dmz to the right; a closed one is dashed."""
    zones_data["conduits"]["cell-to-dmz"]["open"] = False
    root = ElementTree.fromstring(diagram(zones_data))
    arrows = [line for line in root.iter(f"{SVG}line") if "marker-end" in line.attrib]
    ways = [float(line.attrib["x2"]) > float(line.attrib["x1"]) for line in arrows]

    assert ways == [False, True, False, True]
    assert ["stroke-dasharray" in line.attrib for line in arrows] == [False, True, False, False]


def test_what_a_site_file_says_cannot_break_out_of_the_pages(
    zones_data: dict[str, Any], result
) -> None:
    zones_data["zones"]["cell"]["description"] = "<script>alert(1)</script>"
    hostile = result("conduit", Verdict.LEAKS, detail="<img src=x>")
    run = _run(site="<b>site</b>")

    assert "<script>" not in diagram(zones_data)
    page = as_html(run, [hostile], evidence([hostile]))
    assert "<img" not in page
    assert "<b>site" not in page


def test_the_records_say_what_is_known_and_what_the_owner_has_to_say(
    zones_data: dict[str, Any],
) -> None:
    text = records(zones_data)

    assert "## Zone cell" in text
    assert "device AE101 (hamilton/arc-ph at tcp://127.0.0.1:0, simulated)" in text
    assert "values to dmz (dmz-to-cell)" in text
    assert "commands from model (model-to-cell)" in text
    assert "| Accountable organisation | _to be filled in by the asset owner_ |" in text


def test_a_rule_is_told_whole() -> None:
    rule = {
        "actions": ["write"],
        "on": ["a/b"],
        "roles": ["Operator"],
        "authentication": ["Certificate"],
        "security_mode": "Sign",
        "window": {"days": ["mon"], "from": "06:00"},
        "rate_per_minute": 3,
        "bounds": {"a/b": {"high": 2}},
    }

    assert rule_text(rule) == (
        "write; on a/b; roles Operator; by Certificate; Sign; mon 06:00 to 24:00 UTC; "
        "at most 3 a minute; a/b to 2"
    )
    assert rule_text({"on": ["x"]}) == "anything; on x"


def test_settings_tell_what_is_in_effect(written: Path, tmp_path: Path) -> None:
    settings = json.loads((written / "settings.json").read_text(encoding="utf-8"))

    assert settings["limits"]["max_sessions"] == Limits().max_sessions
    assert settings["endpoints"]["cell"]["security_policies"] == ["Basic256Sha256"]
    assert settings["conduits"]["dmz-to-cell"]["from"] == "dmz"
    assert settings["accounts"]["olga"]["roles"] == ["Operator"]
    assert settings["logins"]["least_password_length"] >= 12
    assert settings["logins"]["back_off"]
    assert settings["trust_lists"] == {}


def test_settings_have_the_hashes_of_the_trust_lists(zones_site: Path, tmp_path: Path) -> None:
    trusted = tmp_path / "data" / "zones" / "cell" / "pki" / "trusted" / "certs"
    trusted.mkdir(parents=True)
    (trusted / "a.der").write_bytes(b"certificate")
    arguments = ["documents", str(zones_site), "--out", str(tmp_path), "--no-sbom"]

    CliRunner().invoke(app, [*arguments, "--data", str(tmp_path / "data")])

    settings = json.loads((tmp_path / "settings.json").read_text(encoding="utf-8"))
    assert list(settings["trust_lists"]["cell"]) == ["trusted/certs/a.der"]


def test_the_bill_of_materials_lists_what_is_installed() -> None:
    bill = json.loads(sbom())
    versions = {each["name"]: each["version"] for each in bill["components"]}
    needed = {each["ref"]: set(each.get("dependsOn", ())) for each in bill["dependencies"]}

    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "biogate"
    assert versions["asyncua"] == metadata.version("asyncua")
    assert "pytest" not in versions
    assert needed["biogate"] >= {"asyncua", "cryptography", "numpy"}
    assert needed["biogate"] <= set(versions)


def test_the_bill_is_valid_by_the_schema() -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom()) is None


def test_without_the_extra_it_is_named(
    zones_site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cyclonedx.model.bom", None)

    told = CliRunner().invoke(app, ["documents", str(zones_site), "--out", str(tmp_path)])

    assert told.exit_code == 2
    assert "biogate[sbom]" in told.output


def test_a_report_can_be_read_again_and_stands_in_the_matrix(
    zones_site: Path, tmp_path: Path, result
) -> None:
    results = [result("walk", Verdict.AS_STATED, 1), result("conduit", Verdict.LEAKS, 2)]
    file = tmp_path / "evidence.json"
    file.write_text(as_json(_run(), results, evidence(results)), encoding="utf-8")
    arguments = ["documents", str(zones_site), "--out", str(tmp_path), "--no-sbom"]

    told = CliRunner().invoke(app, [*arguments, "--evidence", str(file)])

    assert results_of(file.read_text(encoding="utf-8")) == results
    assert told.exit_code == 0, told.output
    matrix = json.loads((tmp_path / "matrix.json").read_text(encoding="utf-8"))
    boundary = next(row for row in matrix["requirements"] if row["id"] == "5.2")
    assert (boundary["standing"], boundary["attempts"]) == ("refuted", ["A0002"])


@pytest.mark.parametrize("text", ["no json", "[]", '{"attempts": [{"id": 1}]}'])
def test_what_is_no_report_is_named(zones_site: Path, tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(text, encoding="utf-8")
    arguments = ["documents", str(zones_site), "--out", str(tmp_path), "--no-sbom"]

    told = CliRunner().invoke(app, [*arguments, "--evidence", str(file)])

    assert told.exit_code == 2
    assert "is no evidence.json" in told.output


def test_a_site_without_zones_has_nothing_to_prove(project: Path, tmp_path: Path) -> None:
    site = project / "examples" / "fixture-site.yaml"

    for command in (["prove", str(site)], ["documents", str(site), "--out", str(tmp_path)]):
        told = CliRunner().invoke(app, command)

        assert told.exit_code == 2
        assert "has no zones" in told.output


def _run(site: str = "site.yaml") -> Run:
    from datetime import UTC, datetime

    now = datetime(2026, 1, 5, tzinfo=UTC)
    return Run(site, "0" * 64, "1.0", now, now, rehearsal=True, complete=True, could_not={})


@pytest.mark.parametrize("name", ["zones.svg", "matrix.md"])
def test_what_the_documentation_shows_is_what_is_generated(
    project: Path, written: Path, name: str
) -> None:
    """Where it is not: copy it there from `biogate security documents examples/zones-site.yaml`."""
    shown = {"zones.svg": "zones.svg", "matrix.md": "requirements.md"}[name]
    text = (project / "docs" / "security" / shown).read_text(encoding="utf-8")

    assert text == (written / name).read_text(encoding="utf-8")
