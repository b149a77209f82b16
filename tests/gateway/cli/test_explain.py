"""`biogate security explain`: the decision, the rule, and why no other one decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from biogate.cli.security import app

FEED = "BR101/Feed/TargetValue"
PH = "BR101/pH/SensorValue"


@pytest.fixture
def explain(project: Path) -> Any:
    """Run it on the example with three zones: exit code and output."""

    def run(*arguments: str, site: str = "zones-site.yaml") -> tuple[int, str]:
        path = str(project / "examples" / site)
        result = CliRunner().invoke(app, ["explain", path, *arguments])
        return result.exit_code, result.output

    return run


def test_it_names_the_rule_and_the_conduit_that_allow(explain: Any) -> None:
    code, said = explain("mes", PH, "read", "--zone", "dmz")
    assert code == 0
    assert f"mes of zone dmz may read {PH} of zone cell" in said
    assert "decided by  dmz-to-cell.allow[0]: allow" in said
    assert "conduit     dmz-to-cell" in said
    assert "dmz-to-cell.deny[0]  does not hold: it is about other parts" in said


def test_it_names_the_rule_that_denies(explain: Any) -> None:
    code, said = explain("mes", "BR101/Temperature/TargetValue", "read", "--zone", "dmz")
    assert code == 1
    assert "decided by  dmz-to-cell.deny[0]: deny" in said
    assert "it may not be browsed, so that it does not exist for them" in said


def test_it_tells_limits_and_until_when(explain: Any) -> None:
    code, said = explain("adviser", "RC101.feed_setpoint", "write", "--zone", "model")
    assert code == 0
    assert FEED in said
    assert "0 to 60, steps of at most 5, 30 a minute over conduit model-to-cell" in said
    night = explain("historian", PH, "history", "--zone", "dmz", "--at", "2026-03-02T22:30")
    assert night[0] == 0
    assert "until       Tue 2026-03-03 06:00:00 UTC" in night[1]
    day = explain("historian", PH, "history", "--zone", "dmz", "--at", "2026-03-02T12:00+02:00")
    assert day[0] == 1
    assert "its time window is closed" in day[1]
    assert "until       Mon 2026-03-02 18:00:00 UTC" in day[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("olga", FEED, "write", "--zone", "cell"), "decided by  operate: allow"),
        (
            ("olga", "s=BR101.Unit.FunctionSet.Feed.TargetValue", "write",
             "--zone", "cell"),
            "operators may write set-points",
        ),
    ],
)  # fmt: skip
def test_within_a_zone_it_names_the_rule_of_the_role(
    explain: Any, arguments: Any, said: str
) -> None:
    code, output = explain(*arguments)
    assert code == 0
    assert said in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("olga", FEED, "write", "--zone", "cell", "--mode", "Sign"), "asks for SignAndEncrypt"),
        (("olga", FEED, "read", "--zone", "dmz"), "olga may not log in from zone dmz"),
        (("olga", PH, "write", "--zone", "cell"), "nobody can write it"),
        (("ada", PH, "call", "--zone", "cell"), "it is no method"),
        (("anonymous", PH, "read", "--zone", "cell"), "no rule lets roles Anonymous read"),
        (
            ("adviser", FEED, "write", "--zone", "model", "--auth", "IssuedToken"),
            "it is about other kinds of authentication",
        ),
    ],
)
def test_it_says_what_stands_in_the_way(explain: Any, arguments: Any, said: str) -> None:
    code, output = explain(*arguments)
    assert code == 1
    assert "may not" in output
    assert said in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("mes", PH, "read"), "--zone cell | dmz | model"),
        (
            ("mes", PH, "read", "--zone", "dmx"),
            "no zone dmx, but cell, dmz, model; did you mean dmz",
        ),
        (("mess", PH, "read", "--zone", "dmz"), "did you mean mes?"),
        (("mes", "BR101/pX", "read", "--zone", "dmz"), "did you mean BR101/pH?"),
        (("mes", PH, "read", "--zone", "dmz", "--at", "noon"), "is no time such as"),
    ],
)
def test_what_it_cannot_tell_it_says(explain: Any, arguments: Any, said: str) -> None:
    code, output = explain(*arguments)
    assert code == 2
    assert said in output


def test_a_site_without_zones_is_explained_by_roles(explain: Any) -> None:
    code, said = explain("operator", "RC101.feed_setpoint", "write", site="demo-site.yaml")
    assert code == 0
    assert "operators may write set-points" in said
    code, said = explain("operator", PH, "read", "--zone", "x", site="demo-site.yaml")
    assert code == 2
    assert "the site has no zones" in said


def test_a_site_with_mistakes_is_told(explain: Any, tmp_path: Path) -> None:
    broken = tmp_path / "site.yaml"
    broken.write_text("biogate: 2\n")
    code, said = explain("a", "b", "read", site=str(broken))
    assert code == 2
    assert "this biogate reads version 1" in said
