"""docs/site-file.md describes the file that the code reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from biogate.demo import DEMO_SITE
from biogate.site import (
    SiteError,
    audit_model,
    load_site,
    model,
    node_model,
    parse_site,
    signature_model,
    zone_model,
)
from biogate.site.data_types import BUILT_IN_TYPES
from biogate.site.structure import _KINDS

MODELS = (
    model.Site,
    audit_model.AuditConfig,
    model.OpcUaConfig,
    model.DeviceConfig,
    model.SignalConfig,
    model.UnitConfig,
    model.UserConfig,
    node_model.NodeSection,
    node_model.ObjectConfig,
    node_model.VariableConfig,
    node_model.CounterSource,
    node_model.MethodConfig,
    node_model.OutputConfig,
    model.ZoneConfig,
    model.ZoneOpcUaConfig,
    zone_model.TargetConfig,
    zone_model.ConduitConfig,
    zone_model.AllowConfig,
    zone_model.DenyConfig,
    zone_model.WindowConfig,
    zone_model.BoundsConfig,
    signature_model.SignatureConfig,
    *_KINDS.values(),
)


@pytest.mark.parametrize("shape", MODELS)
def test_every_key_is_documented(project: Path, shape: type) -> None:
    text = (project / "docs" / "site-file.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(\w+)(?:: [^`]*)?`", text))

    fields = shape.model_fields  # type: ignore[attr-defined]
    assert {field.alias or name for name, field in fields.items()} <= documented


def test_every_kind_of_function_is_documented(project: Path) -> None:
    text = (project / "docs" / "site-file.md").read_text(encoding="utf-8")

    for kind, shape in _KINDS.items():
        roles = [*shape.MEASURED, *shape.TARGETS]  # type: ignore[attr-defined]
        (row,) = re.findall(rf"^\| `{kind}` \| (.*?) \|", text, flags=re.MULTILINE)
        assert sorted(re.findall(r"`(\w+)`", row)) == sorted(roles)


def test_every_built_in_type_is_documented(project: Path) -> None:
    text = (project / "docs" / "site-file.md").read_text(encoding="utf-8")

    assert set(BUILT_IN_TYPES) <= set(re.findall(r"`(\w+)`", text))


def test_the_example_of_nodes_is_a_site(project: Path, load) -> None:
    text = (project / "docs" / "site-file.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```yaml\n(nodes:\n.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    head = "biogate: 1\nenterprise: E\nsite: S\narea: A\nprocess_cell: C\n"

    site = load(head + example)

    assert list(site.nodes["skid"].objects["Skid"].methods) == ["Skid.Dilution"]


def test_the_fixture_is_a_site_without_devices(project: Path) -> None:
    site = load_site(project / "examples" / "fixture-site.yaml")

    assert (site.devices, site.units) == ({}, {})


def test_the_shown_mistakes_are_what_the_program_says(project: Path) -> None:
    """The two sample lines, provoked in the demo file with the real profiles."""
    text = (project / "docs" / "site-file.md").read_text(encoding="utf-8")
    broken = DEMO_SITE.read_text(encoding="utf-8")
    broken = broken.replace("hamilton/arc-ph", "hamilton/arc-hp").replace(
        "unit_letter", "unit_leter"
    )

    with pytest.raises(SiteError) as raised:
        parse_site(broken.encode(), "my-site.yaml", folder=project)

    said = [re.sub(r":\d+:\d+:", ":", str(problem)) for problem in raised.value.problems]
    shown = re.findall(r"^my-site\.yaml:\d+:\d+: .*$", text, flags=re.MULTILINE)
    assert [re.sub(r":\d+:\d+:", ":", line) for line in shown] == said
