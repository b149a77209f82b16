"""The demo site: the worked example has to be right, and the plan says what it means."""

from __future__ import annotations

from pathlib import Path

from biogate.demo import DEMO_SITE
from biogate.site import load_site, plan_site


def test_the_demo_site_loads_and_names_every_function_of_the_demo_bioreactor(catalogue) -> None:
    site = load_site(DEMO_SITE, profiles=catalogue)

    assert list(site.devices) == ["AE101", "AE102", "FIC101", "RC101"]
    assert site.all_simulated
    assert list(site.units["BR101"].functions) == [
        "pH",
        "DO",
        "Temperature",
        "Agitation",
        "GasFlow",
        "Feed",
        "Base",
        "Weight",
    ]


def test_the_example_is_the_packaged_demo_site(project: Path) -> None:
    assert (project / "examples" / "demo-site.yaml").resolve() == DEMO_SITE.resolve()


def test_none_in_the_security_policies_is_the_policy_and_not_a_null(catalogue) -> None:
    site = load_site(DEMO_SITE, profiles=catalogue)

    assert site.opcua.security_policies == ("None", "Basic256Sha256")


def test_the_plan_applies_the_set_up_of_the_device_and_the_range_of_the_function(catalogue) -> None:
    plan = plan_site(load_site(DEMO_SITE, profiles=catalogue), catalogue)

    functions = {each.name: each for each in plan.units["BR101"].functions}
    flow = functions["GasFlow"].bindings["current"]
    assert (flow.tag, flow.signal.unit, flow.signal.low, flow.signal.high) == (
        "FIC101.mass_flow",
        "L2",
        0.0,
        10.0,
    )
    setpoint = functions["GasFlow"].bindings["target"].signal
    assert (setpoint.write_low, setpoint.write_high) == (0.0, 10.0)
    ph = functions["pH"]
    assert (ph.kind, ph.bindings["value"].signal.high) == ("compensated_sensor", 14.0)
    assert ph.bindings["compensation"].signal.high == 130.0
    assert plan.units["BR101"].hierarchy == (
        "Example Bio",
        "Pilot Plant",
        "Upstream",
        "Cell 1",
        "BR101",
    )
