"""`biogate check`: exit code 0 or 2, one line for each mistake, then a summary."""

from __future__ import annotations

import json
import re

from biogate.demo import DEMO_SITE


def test_the_demo_site_passes(biogate) -> None:
    outcome = biogate("check", str(DEMO_SITE))

    assert outcome == (0, f"{DEMO_SITE}: no problems (4 devices, 1 unit, 8 functions)\n", "")


def test_five_different_mistakes_give_five_located_lines_and_exit_code_2(biogate, tmp_path) -> None:
    text = DEMO_SITE.read_text(encoding="utf-8")
    for right, wrong in (
        ("port: 4840", "port: 484000"),
        ("profile: hamilton/arc-ph", "profile: hamilton/ark-ph"),
        ("unit_letter: A", "unit_leter: A"),
        ("value: AE102.do", "value: AE102.d0"),
        ("Base:", "Feed:"),
    ):
        assert right in text
        text = text.replace(right, wrong)
    site = tmp_path / "site.yaml"
    site.write_text(text, encoding="utf-8")

    outcome = biogate("check", str(site))

    *problems, summary = outcome.out.splitlines()
    assert outcome.code == 2
    assert summary == f"{site}: 5 problems"
    lines = [int(re.match(rf"{re.escape(str(site))}:(\d+):\d+: ", line)[1]) for line in problems]
    wanted = ("port: 484000", "ark-ph", "unit_leter", "AE102.d0", "Feed:")
    found = [text.splitlines()[line - 1] for line in lines]
    assert all(mark in line for mark, line in zip(wanted, found, strict=True))
    assert lines == sorted(lines)


def test_a_file_that_is_not_there_is_one_located_problem(biogate, tmp_path) -> None:
    outcome = biogate("check", str(tmp_path / "no.yaml"))

    assert outcome.code == 2
    assert "no.yaml:1:1: cannot be read: No such file or directory\n" in outcome.out
    assert outcome.out.endswith("no.yaml: 1 problem\n")


def test_the_schema_accepts_what_the_demo_site_uses_and_completes_its_keys(biogate) -> None:
    schema = json.loads(biogate("schema").out)

    device = schema["$defs"]["DeviceConfig"]
    names = device["properties"]["profile"]["anyOf"][0]["enum"]
    assert "hamilton/arc-ph" in names
    assert device["additionalProperties"] is False
    assert device["required"] == ["profile", "address"]
    for key, described in device["properties"].items():
        assert described.get("description"), f"{key} has no description for the editor to show"
    assert schema["$schema"].endswith("2020-12/schema")


def test_the_schema_of_profiles_is_exported_too(biogate) -> None:
    assert "signals" in json.dumps(json.loads(biogate("schema", "profile").out))


def test_the_schema_is_written_to_a_file_or_the_reason_told(biogate, tmp_path) -> None:
    assert biogate("schema", "--output", str(tmp_path / "s.json")).out == ""
    assert json.loads((tmp_path / "s.json").read_text())["title"] == "biogate site file"

    outcome = biogate("schema", "--output", str(tmp_path / "no" / "s.json"))
    assert outcome.code == 2
    assert "cannot write" in outcome.err


def test_a_site_without_devices_is_counted_by_what_it_has(biogate, project) -> None:
    fixture = project / "examples" / "fixture-site.yaml"

    assert biogate("check", str(fixture)).out == (
        f"{fixture}: no problems (5,077 variables, 1 method)\n"
    )


def test_every_key_of_a_declared_node_is_described_for_the_editor(biogate) -> None:
    definitions = json.loads(biogate("schema").out)["$defs"]

    for name in ("NodeSection", "ObjectConfig", "VariableConfig", "MethodConfig", "OutputConfig"):
        for key, described in definitions[name]["properties"].items():
            assert described.get("description"), f"{name}.{key}"
    types = definitions["VariableConfig"]["properties"]["type"]["anyOf"][0]["enum"]
    assert "Int32" in types
