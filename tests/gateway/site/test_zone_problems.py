"""Zones and conduits in the site file: what is wrong with them is told with its place."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from biogate.demo import DEMO_SITE
from biogate.site import SiteError, load_site, parse_site, plan_site, site_json_schema
from biogate.site.part_finder import UnknownPartError, find_part
from biogate.site.part_list import list_parts
from biogate.site.zone_table import zone_table
from biogate_security.policy import Action, WriteLimits
from biogate_security.zones import NO_ZONE

PLANT = """\
biogate: 1
enterprise: Example Bio
site: Pilot Plant
area: Upstream
process_cell: Cell 1
users:
  olga: {roles: [Operator]}
  mes: {roles: [Observer]}
devices:
  AE101: {profile: hamilton/arc-ph, address: tcp://10.0.0.5:502}
  RC101: {profile: generic/reactor-controller, address: tcp://10.0.0.7:502}
units:
  BR101:
    functions:
      pH: {kind: compensated_sensor, value: AE101.ph, compensation: AE101.temperature}
      Agitation: {kind: control, current: RC101.agitator_speed, target: RC101.agitator_setpoint}
nodes:
  orders:
    namespace: urn:x:orders
    objects:
      Orders:
        variables:
          Orders.Batch: {type: String, writable: true}
          Orders.Amount: {type: Double, writable: true, write_range: [0, 10]}
          Orders.Slot: {type: Int32, repeat: 3}
        methods:
          Orders.Next: {inputs: {a: {type: Double}}, outputs: {b: {type: Double, expression: a}}}
"""
ZONES = """\
zones:
  cell:
    devices: [AE101, RC101]
    units: [BR101]
    users: [olga]
    opcua: {port: 4840}
  dmz:
    sections: [orders]
    users: [mes]
    opcua: {port: 4841}
"""
CONDUIT = """\
conduits:
  up:
    from: dmz
    to: cell
    allow:
      - {actions: [browse, read]}
"""
GOOD = PLANT + ZONES + CONDUIT


def said(problems: list[Any]) -> list[str]:
    return [str(problem).partition(": ")[2] for problem in problems]


def replaced(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def test_zones_without_mistakes_load(load: Any) -> None:
    site = load(GOOD)
    assert list(site.zones) == ["cell", "dmz"]
    assert site.conduits["up"].from_ == "dmz"
    assert site.front_ends == "processes"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # what a zone names
        ("[AE101, RC101]", "[AE101, RC102]", "zones.cell.devices[1]: there is no device RC102"),
        ("units: [BR101]\n    u", "units: [B]\n    u", "zones.cell.units[0]: there is no unit B"),
        (
            "[orders]",
            "[order]",
            "there is no section of nodes order; allowed: orders; did you mean",
        ),
        (
            "[olga]\n",
            "[olge]\n",
            "there is no account olge; allowed: olga, mes; did you mean olga?",
        ),
        ("[orders]", "[orders, orders]", "orders stands in the list twice"),
        # what belongs to one zone
        ("sections: [orders]", "devices: [AE101]", "device AE101 is in zone cell already"),
        (
            "[AE101, RC101]",
            "[RC101]",
            "unit BR101 is in zone cell, and its device AE101 in no zone",
        ),
        ("  dmz:\n", "  dmz:\n    computed: true\n", None),
        # endpoints
        ("4841", "4840", "127.0.0.1:4840 is already the endpoint of zone cell"),
        ("{port: 4841}", "{port: 0}", None),
        (
            "  dmz:\n",
            "  dmz:\n    target: {SI: 2}\n",
            None,
        ),
        (
            "{port: 4841}",
            "{security_modes: [Sign]}\n    target: {DC: 1}",
            "zones.dmz.opcua.security_modes: target SI 0, DC 1 asks for SignAndEncrypt",
        ),
        ("{port: 4841}", "{port: 4841, anonymous: operate}", "anonymous clients may not operate"),
        ("{port: 4841}", "{trust_any_client: true}", "AE101 is not for any client"),
        # shapes
        ("users: [mes]", "networks: [10.0.0.1/8]", "is no network such as 192.0.2.0/24"),
        ("users: [mes]", "certificates: [abc]", "'abc' cannot stand here; allowed: SHA-256 or"),
        ("users: [mes]", "target: {SI: 5}", "5 is out of bounds; allowed: at most 4"),
        ("users: [mes]", "target: {SL: 1}", "unknown key SL; allowed: IAC, UC, SI, DC, RDF"),
        ("users: [mes]", "kind: robot", "'robot' is not known; allowed: plant, model"),
        ("{port: 4841}", "{prt: 4841}", "unknown key prt; allowed: host, port"),
        ("  orders:\n", "  Computed:\n", "Computed is already the name of what is computed"),
    ],
)
def test_mistakes_in_zones(
    load: Any, problems_of: Any, old: str, new: str, message: str | None
) -> None:
    text = replaced(GOOD, old, new)
    if message is None:
        load(text)
        return
    assert any(message in line for line in said(problems_of(text))), said(problems_of(text))


RULE = "{actions: [browse, read]}"
WRITES = "actions: [browse, write], bounds: "
AGITATION = "BR101/Agitation/TargetValue"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("from: dmz", "from: dmx", "conduits.up.from: there is no zone dmx; allowed: cell, dmz"),
        ("to: cell", "to: dmz", "conduits.up.to: the conduit leads from dmz to itself"),
        ("    from: dmz\n", "", "conduits.up: key from is missing"),
        (RULE, "{actions: [read]}", "nothing of cell may be browsed"),
        (RULE, "{actions: []}", "the list is empty"),
        (RULE, "{actions: [look]}", "'look' is not known; allowed: browse, read"),
        (RULE, "{actions: [browse], users: [bob]}", "there is no account bob"),
        (RULE, "{actions: [browse], roles: [Boss]}", "'Boss' is not known; allowed: Anonymous"),
        # patterns
        (
            RULE,
            "{actions: [browse], on: [BR101/ph]}",
            "allow[0].on[0]: BR101/ph is no part of zone cell; allowed: AE101, AE101/ph",
        ),
        (RULE, "{actions: [browse], on: [BR101/ph]}", "did you mean BR101/pH?"),
        (RULE, "{actions: [browse], on: [orders]}", "orders is no part of zone cell"),
        (RULE, "{actions: [browse], on: [BR101/*/SensorValue]}", None),
        (RULE, "{actions: [browse], on: [Computed/x]}", "Computed/x is no part of zone cell"),
        (RULE, "{actions: [browse], on: [a//b]}", "'a//b' is no pattern"),
        (f"{RULE}\n", f"{RULE}\n    deny:\n      - {{on: [X]}}\n", "deny[0].on[0]: X is no part"),
        # windows
        (RULE, '{actions: [browse], window: {from: "6:00"}}', "allowed: a time of the day"),
        (RULE, '{actions: [browse], window: {until: "24:30"}}', "allowed: a time of the day"),
        (
            RULE,
            '{actions: [browse], window: {from: "06:00", until: "06:00"}}',
            "allow[0].window: a window that starts when it ends",
        ),
        (RULE, "{actions: [browse], window: {days: [Monday]}}", "allowed: mon, tue, wed"),
        # security
        (
            RULE,
            "{actions: [browse], security_mode: Sign}\n    target: {SI: 2}",
            "allow[0].security_mode: the target levels of the conduit and its zones ask for Sign",
        ),
        ("{port: 4841}", "{port: 1, security_modes: [Sign]}", None),
        # limits
        (RULE, "{actions: [browse], rate_per_minute: 5}", "writes and calls are counted, and the"),
        (RULE, f"{{actions: [browse], bounds: {{{AGITATION}: {{low: 1}}}}}}", "bounds are for wr"),
        (RULE, f"{{{WRITES}{{BR101/Agitation: {{}}}}}}", "bounds need low, high or max_step"),
        (RULE, f"{{{WRITES}{{BR101/pH: {{low: 1}}}}}}", "BR101/pH cannot be written"),
        (RULE, f"{{{WRITES}{{{AGITATION}: {{low: 9, high: 1}}}}}}", "low (9) must not be more"),
        (RULE, f"{{{WRITES}{{{AGITATION}: {{low: -1}}}}}}", f"wider than what {AGITATION} takes"),
        (RULE, f"{{{WRITES}{{{AGITATION}: {{max_step: 0}}}}}}", "0 is out of bounds"),
        (RULE, f"{{{WRITES}{{{AGITATION}: {{low: 10, high: 20}}}}}}", None),
    ],
)
def test_mistakes_in_conduits(
    load: Any, problems_of: Any, old: str, new: str, message: str | None
) -> None:
    text = replaced(GOOD, old, new)
    if message is None:
        load(text)
        return
    assert any(message in line for line in said(problems_of(text))), said(problems_of(text))


def test_a_rule_that_no_endpoint_can_meet_is_a_mistake(problems_of: Any) -> None:
    text = replaced(GOOD, "{port: 4841}", "{port: 1, security_modes: [Sign]}")
    text = replaced(text, "to: cell", "to: cell\n    target: {DC: 1}")
    (line,) = said(problems_of(text))
    assert "asks for SignAndEncrypt, which the endpoint of zone dmz does not offer" in line


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("actions: [browse, write]", "zone dmz is a model's: it writes within bounds only"),
        (f"{WRITES}{{{AGITATION}: {{low: 1}}}}", "it writes between low and high only"),
    ],
)
def test_a_model_needs_bounds(problems_of: Any, rule: str, message: str) -> None:
    text = replaced(GOOD, "  dmz:\n", "  dmz:\n    kind: model\n").replace(RULE, f"{{{rule}}}")
    assert any(message in line for line in said(problems_of(text)))


def test_bounds_are_for_numbers(problems_of: Any) -> None:
    text = replaced(GOOD, "from: dmz\n    to: cell", "from: cell\n    to: dmz")
    text = replaced(text, RULE, "{actions: [browse, write], bounds: {orders/Orders: {low: 1}}}")
    assert any("orders/Orders/Batch is no number" in line for line in said(problems_of(text)))


def test_conduits_need_zones(problems_of: Any) -> None:
    assert said(problems_of(PLANT + CONDUIT)) == ["conduits: conduits join zones: add zones: ..."]


def test_one_mistake_does_not_hide_another(problems_of: Any) -> None:
    text = replaced(GOOD, RULE, "{actions: [browse], on: [X], users: [bob]}")
    text = replaced(text, "4841", "4840")
    text = replaced(text, "[orders]", "[order]")
    assert len(problems_of(text)) == 4


def test_the_table_has_what_the_file_says(load: Any, catalogue: Any) -> None:
    text = replaced(GOOD, "users: [mes]", "certificates: [" + "AB" * 20 + "]\n    target: {SI: 2}")
    rule = (
        f"{{actions: [browse, write, history, events], on: [BR101], rate_per_minute: 7, "
        f'window: {{days: [fri], from: "22:00", until: "06:00"}}, security_mode: SignAndEncrypt, '
        f"bounds: {{{AGITATION}: {{low: 10, high: 20, max_step: 5}}}}}}"
    )
    table = zone_table(plan_site(load(replaced(text, RULE, rule)), catalogue))
    zone = table.zone("dmz")
    assert zone is not None
    assert (zone.certificates, zone.target.SI) == (frozenset({"ab" * 20}), 2)
    (conduit,) = table.conduits
    (found,) = conduit.allow
    assert found.name == "up.allow[0]"
    assert found.actions == {
        Action.BROWSE,
        Action.WRITE,
        Action.READ_HISTORY,
        Action.RECEIVE_EVENTS,
    }
    assert found.window is not None
    assert (found.window.days, found.window.start, found.window.end) == (("fri",), 1320, 360)
    assert list(found.bounds.values()) == [WriteLimits(10, 20, 5)]
    assert table.faces["cell", AGITATION] == ("RC101/agitator_setpoint",)
    assert set(table.faces["cell", "AE101/ph"]) == {"BR101/pH/SensorValue", "BR101/pH/RawValue"}


def test_what_is_in_no_zone_is_in_none(load: Any) -> None:
    site = load(replaced(GOOD, "    sections: [orders]\n", ""))
    assert {part.zone for part in list_parts(site, {}) if part.name == "orders"} == {NO_ZONE}
    assert {part.zone for part in list_parts(load(PLANT), {})} == {""}


RIGS = ": for test rigs only"


def test_a_zone_says_what_differs_from_the_site(
    load: Any, catalogue: Any, problems_of: Any
) -> None:
    text = GOOD + "opcua: {port: 1, anonymous: read, security_modes: [Sign]}\n"
    site = load(replaced(text, "{port: 4841}", "{port: 9, anonymous: none}"))
    cell, dmz = site.zone_opcua("cell"), site.zone_opcua("dmz")
    assert (cell.anonymous, cell.port, dmz.anonymous, dmz.port) == ("read", 4840, "none", 9)
    assert cell.security_modes == ("Sign",)
    table = zone_table(plan_site(site, catalogue))
    assert [zone.anonymous for zone in table.zones] == ["read", "none"]
    asks = replaced(text, "  dmz:\n", "  dmz:\n    target: {SI: 2}\n")
    assert any("which is not offered" in line for line in said(problems_of(asks)))


def test_what_the_zones_let_strangers_do_and_what_nobody_sees_is_warned_of(load: Any) -> None:
    assert load(GOOD).dangers == ()
    text = replaced(
        GOOD, "address: tcp://10.0.0.5:502", "address: tcp://127.0.0.1:0, simulated: true"
    )
    text = replaced(
        text, "address: tcp://10.0.0.7:502", "address: tcp://127.0.0.1:0, simulated: true"
    )
    text = replaced(
        text, "{port: 4841}", "{port: 4841, anonymous: operate, trust_any_client: true}"
    )
    text = replaced(text, "    sections: [orders]\n", "")
    assert load(text).dangers == (
        f"zone dmz: anonymous: operate lets anyone who reaches the port write and call{RIGS}",
        f"zone dmz: trust_any_client trusts every client certificate at first sight{RIGS}",
        "orders is in no zone, so that no client can see it",
    )


@pytest.mark.parametrize(
    ("signals", "message"),
    [
        ("agitator_setpoint: {max_step: 5, writes_per_minute: 10}", None),
        ("agitator_speed: {max_step: 5}", "max_step: agitator_speed cannot be written"),
        ("agitator_speed: {writes_per_minute: 5}", "writes_per_minute: agitator_speed cannot be"),
        ("agitator_setpoint: {max_step: 0}", "0 is out of bounds; allowed: more than 0"),
    ],
)
def test_a_signal_can_have_a_step_and_a_rate_of_its_own(
    load: Any, problems_of: Any, catalogue: Any, signals: str, message: str | None
) -> None:
    text = replaced(GOOD, "tcp://10.0.0.7:502}", f"tcp://10.0.0.7:502, signals: {{{signals}}}}}")
    if message is not None:
        assert any(message in line for line in said(problems_of(text)))
        return
    device = plan_site(load(text), catalogue).devices["RC101"]
    limits = device.write_limits(device.profile.by_name["agitator_setpoint"])
    assert limits == WriteLimits(max_step=5, per_minute=10, conduit="RC101.agitator_setpoint")
    assert device.write_limits(device.profile.by_name["agitator_speed"]) is None


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("BR101/pH/SensorValue", "BR101/pH/SensorValue"),
        ("BR101/pH/IsEnabled", "BR101/pH/IsEnabled"),
        ("AE101.ph", "BR101/pH/SensorValue"),
        ("RC101.agitator_setpoint", AGITATION),
        ("ns=4;s=BR101.Unit.FunctionSet.Agitation.TargetValue", AGITATION),
        ("s=BR101.Unit.FunctionSet.Agitation.TargetValue.EURange", AGITATION),
        ("nsu=urn:x:orders;s=Orders.Slot2", "orders/Orders/Slot2"),
        ("orders.Orders.Batch", "orders/Orders/Batch"),
        ("ns=7;s=Signals.AE101.ph", "AE101/ph"),
        ("ns=7;s=Orders.Next", "orders/Orders/Next"),
    ],
)
def test_a_part_is_found_by_what_people_call_it(
    load: Any, catalogue: Any, name: str, found: str
) -> None:
    plan = plan_site(load(GOOD), catalogue)
    signals = {key: device.profile.by_name for key, device in plan.devices.items()}
    assert find_part(list_parts(plan.site, signals), name).name == found


def test_what_is_no_part_is_told_with_the_nearest_one(load: Any) -> None:
    with pytest.raises(UnknownPartError, match=r"no BR101/pX: did you mean BR101/pH\?"):
        find_part(list_parts(load(GOOD), {}), "BR101/pX")
    with pytest.raises(UnknownPartError, match="the site has no nsu=urn:y;s=Orders"):
        find_part(list_parts(load(GOOD), {}), "nsu=urn:y;s=Orders")


def test_the_schema_describes_every_key() -> None:
    definitions = site_json_schema()["$defs"]
    for name in ("ZoneConfig", "ConduitConfig", "AllowConfig", "DenyConfig", "WindowConfig"):
        for key, value in definitions[name]["properties"].items():
            assert value.get("description"), f"{name}.{key}"
    assert "from" in definitions["ConduitConfig"]["properties"]


def test_the_example_of_the_guide_is_a_site(project: Path) -> None:
    text = (project / "docs" / "zones.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```yaml\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    demo = DEMO_SITE.read_text(encoding="utf-8")
    site = parse_site((demo + example).encode(), "site.yaml", folder=project)
    assert set(site.conduits) == {"dmz-to-cell", "advice"}


def test_the_plant_in_three_zones_is_a_site(project: Path) -> None:
    assert set(load_site(project / "examples" / "zones-site.yaml").zones) == {
        "cell",
        "dmz",
        "model",
    }


RICH = (
    "{actions: [browse, write], on: [BR101/*], users: [mes], roles: [Operator], "
    'window: {days: [mon], from: "06:00", until: "07:00"}, rate_per_minute: 5, '
    f"bounds: {{{AGITATION}: {{low: 10, high: 20}}}}}}"
)
TREE = YAML(typ="safe", pure=True).load(GOOD.replace(RULE, RICH))
WRONG = ([], {}, 1, None, "x", True, [1], {"a": 1}, [["browse"]], -1, "*", "", 1e300)


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in the zones and conduits."""
    if path:
        yield path
    keys = tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        if path or key in ("zones", "conduits"):
            yield from places(tree[key], (*path, key))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(places(TREE))), st.sampled_from(WRONG))
def test_whatever_stands_anywhere_it_loads_or_is_told(
    catalogue: Any, path: tuple[Any, ...], value: Any
) -> None:
    changed = copy.deepcopy(TREE)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    try:
        content = json.dumps(changed).encode()
        site = parse_site(content, "s.yaml", folder=Path("/plant"), profiles=catalogue)
    except SiteError:
        return
    zone_table(plan_site(site, catalogue))
