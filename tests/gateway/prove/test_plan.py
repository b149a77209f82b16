"""Which parts are tried, and what is made of the answers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from biogate.prove.attempt import REFUSALS, Expected, Verdict, judge
from biogate.prove.parts import Kind, Part, parts_of
from biogate.prove.plan import Planner, fits
from biogate.prove.reading import Asker, SiteRules
from biogate.site import load_site, plan_site

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
MES = Asker("dmz", "mes", frozenset({"Engineer"}))
ADVISER = Asker("model", "adviser", frozenset({"Operator"}))


@pytest.fixture
def parts(zones_site: Path) -> tuple[Part, ...]:
    return parts_of(plan_site(load_site(zones_site)))


@pytest.fixture
def planner(parts: tuple[Part, ...], zones_data: dict[str, Any]) -> Planner:
    return Planner(SiteRules(zones_data), parts, 2)


def named(parts: tuple[Part, ...], name: str) -> Part:
    return next(part for part in parts if part.name == name)


def test_parts_have_the_names_of_rules_and_the_nodes_of_the_server(
    parts: tuple[Part, ...],
) -> None:
    target = named(parts, "BR101/Feed/TargetValue")
    method = named(parts, "advice/Advice/Doubling")

    assert target.node == "urn:example-bio:zones;BR101.Unit.FunctionSet.Feed.TargetValue"
    assert target.kind is Kind.SETPOINT
    assert (method.node, method.owner) == (
        "urn:example-bio:advice;Advice.Doubling",
        "urn:example-bio:advice;Advice",
    )
    assert named(parts, "orders/Orders/Amount").kind is Kind.VARIABLE
    assert named(parts, "AE101").notifies


def test_one_value_has_the_same_faces_everywhere(planner: Planner, parts: tuple[Part, ...]) -> None:
    asked = planner.asked(named(parts, "RC101/feed_setpoint"))

    assert asked.faces == ("BR101/Feed/TargetValue",)
    assert asked.is_setpoint


def test_of_each_action_some_are_tried_that_pass_and_some_that_do_not(planner: Planner) -> None:
    tried = [planned.attempt for planned in planner.crossings(MES, "cell", NOON)]
    by_action = {
        action: {each.expected for each in tried if each.action == action}
        for action in {each.action for each in tried}
    }

    assert by_action["read"] == {Expected.LET, Expected.REFUSED}
    assert by_action["browse"] == {Expected.LET, Expected.REFUSED}
    assert by_action["write"] == {Expected.REFUSED}
    assert any("deny" in each.because for each in tried)
    assert {each.kind for each in tried} == {"conduit"}


def test_every_rule_that_decides_is_tried(planner: Planner) -> None:
    because = {each.attempt.because for each in planner.crossings(ADVISER, "cell", NOON)}

    assert "conduit model-to-cell allow[0]" in because
    assert "conduit model-to-cell allow[2]" in because


def test_a_window_is_a_kind_of_its_own(planner: Planner) -> None:
    historian = Asker("dmz", "historian", frozenset({"Observer"}))
    night = NOON.replace(hour=23)

    def windows(now: datetime) -> set[Expected]:
        planned = planner.crossings(historian, "cell", now)
        return {each.attempt.expected for each in planned if each.attempt.kind == "window"}

    assert windows(NOON) == {Expected.REFUSED}
    assert windows(night) == {Expected.LET}


def test_hidden_is_what_may_not_be_browsed(planner: Planner) -> None:
    hidden = {part.name for part in planner.hidden(MES, NOON).values()}

    assert "RC101/feed_setpoint" in hidden
    assert "BR101/Temperature/TargetValue" in hidden
    assert "BR101" not in hidden
    assert "BR101/pH/SensorValue" not in hidden


@pytest.mark.parametrize(
    ("expected", "status", "verdict"),
    [
        (Expected.LET, "Good", Verdict.AS_STATED),
        (Expected.LET, "BadHistoryOperationUnsupported", Verdict.AS_STATED),
        (Expected.LET, "BadNodeIdUnknown", Verdict.BLOCKS),
        (Expected.REFUSED, "BadUserAccessDenied", Verdict.AS_STATED),
        (Expected.REFUSED, "Good", Verdict.LEAKS),
        (Expected.REFUSED, "BadOutOfRange", Verdict.LEAKS),
    ],
)
def test_only_a_refusal_is_a_refusal(expected: Expected, status: str, verdict: Verdict) -> None:
    assert judge(expected, status, REFUSALS) is verdict


def test_actions_are_asked_of_parts_that_can_answer() -> None:
    method = Part("s/m", "u;m", Kind.METHOD, "s")

    assert [action for action in ("read", "write", "call", "browse") if fits(action, method)] == [
        "call",
        "browse",
    ]
