"""Rights in front of nodes, decided once per epoch (docs/architecture.md, decision 10)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.errors import StatusError
from biogate.opcua.space.places import Place
from biogate.opcua.space.rights import Rights
from biogate.opcua.space.values import TagSource
from biogate_security.policy import Action, Decision, Resource, Subject

ALICE = Subject("alice", frozenset({"Operator"}), session_id="1")


class Policy:
    """Keeps what it is asked, and says no to Bob."""

    def __init__(self) -> None:
        self.epoch = 1
        self.asked: list[tuple[Action, Resource, int]] = []

    def decide(self, subject: Subject, action: Action, resource: Resource, now: int) -> Decision:
        self.asked.append((action, resource, now))
        return Decision(subject.user != "bob", "test")


@pytest.fixture
def policy() -> Policy:
    return Policy()


@pytest.fixture
def space(make: Any, node_id: Any) -> Any:
    make.node("plain", "Variable")
    make.node("setpoint", "Variable")
    made = make.space()
    source = TagSource(4, ua.VariantType.Double, "RC101.agitator", "RC101", writable=True)
    made.bind(node_id("setpoint"), source)
    return made


def test_the_policy_learns_what_is_behind_a_node(space: Any, policy: Policy, node_id: Any) -> None:
    view = Rights(policy, space, lambda: 99).view(ALICE)
    for name in ("plain", "setpoint"):
        assert view.may(Action.WRITE, space.get(node_id(name)))
    assert policy.asked == [
        (Action.WRITE, Resource("ns=1;s=plain"), 99),
        (
            Action.WRITE,
            Resource("ns=1;s=setpoint", "Value", "RC101.agitator", "RC101", is_setpoint=True),
            99,
        ),
    ]


def test_a_decision_is_kept_until_policy_or_space_change(
    space: Any, policy: Policy, node_id: Any
) -> None:
    view = Rights(policy, space, lambda: 0).view(ALICE)
    node = space.get(node_id("plain"))
    keys = set()
    for change in (lambda: None, lambda: setattr(policy, "epoch", 2), lambda: space.add_nodes([])):
        change()
        keys.add(view.key)
        for _ in range(3):
            assert view.may(Action.READ, node)
    assert len(keys) == len(policy.asked) == 3
    view.may(Action.BROWSE, node)
    assert len(policy.asked) == 4


def test_sessions_of_equal_subjects_share_a_view(space: Any, policy: Policy) -> None:
    rights = Rights(policy, space, lambda: 0)
    view = rights.view(ALICE)
    assert rights.view(replace(ALICE, session_id="2")) is view
    assert rights.view(replace(ALICE, address="10.0.0.1")) is not view


def test_keys_of_different_views_differ(space: Any, policy: Policy) -> None:
    rights = Rights(policy, space, lambda: 0)
    first = rights.view(ALICE).key  # this view is gone at once
    second = rights.view(replace(ALICE, user="carol")).key
    assert first != second


def test_what_may_not_be_browsed_looks_absent(space: Any, policy: Policy, node_id: Any) -> None:
    bob = Rights(policy, space, lambda: 0).view(replace(ALICE, user="bob"))
    statuses = []
    for name in ("plain", "absent"):
        assert bob.visible(node_id(name)) is None
        with pytest.raises(StatusError) as error:
            bob.require_visible(node_id(name))
        statuses.append(error.value.status)
    assert statuses == [ua.StatusCodes.BadNodeIdUnknown] * 2
    with pytest.raises(StatusError) as error:
        bob.require_visible(ua.NodeId())
    assert error.value.status == ua.StatusCodes.BadNodeIdInvalid


class Window(Policy):
    """Allows between two times."""

    opens, closes = 100, 200

    def decide(self, subject: Subject, action: Action, resource: Resource, now: int) -> Decision:
        self.asked.append((action, resource, now))
        edges = [edge for edge in (self.opens, self.closes) if edge > now]
        return Decision(self.opens <= now < self.closes, "test", until=min(edges, default=None))


class Clock:
    now = 150

    def __call__(self) -> int:
        return self.now


def test_a_decision_is_kept_no_longer_than_it_says(space: Any, node_id: Any) -> None:
    policy, clock = Window(), Clock()
    view = Rights(policy, space, clock).view(ALICE)
    plain, setpoint = (space.get(node_id(name)) for name in ("plain", "setpoint"))
    assert view.may(Action.READ, plain)
    key = view.key
    clock.now = 199
    assert view.may(Action.READ, plain)
    assert (view.key, len(policy.asked)) == (key, 1)
    clock.now = 200
    assert view.key != key
    key = view.key
    assert not view.may(Action.READ, plain)
    assert not view.may(Action.READ, setpoint)
    assert view.key == key


def test_a_window_that_opens_is_noticed_too(space: Any, node_id: Any) -> None:
    policy, clock = Window(), Clock()
    clock.now = 99
    view = Rights(policy, space, clock).view(ALICE)
    plain = space.get(node_id("plain"))
    assert not view.may(Action.READ, plain)
    clock.now = 100
    assert view.may(Action.READ, plain)


def test_a_clock_that_is_set_back_makes_all_be_asked_again(space: Any, node_id: Any) -> None:
    policy, clock = Window(), Clock()
    view = Rights(policy, space, clock).view(ALICE)
    plain = space.get(node_id("plain"))
    assert view.may(Action.READ, plain)
    key, clock.now = view.key, 50
    assert view.key != key
    assert not view.may(Action.READ, plain)


def test_the_policy_learns_where_a_node_belongs(space: Any, policy: Policy, node_id: Any) -> None:
    space.declare_place(node_id("setpoint"), Place("cell", "BR101/Agitation/TargetValue"))
    view = Rights(policy, space, lambda: 0).view(ALICE)
    view.may(Action.READ, space.get(node_id("setpoint")))
    view.may(Action.READ, space.get(node_id("plain")))
    (_, placed, _), (_, plain, _) = policy.asked
    assert (placed.zone, placed.part) == ("cell", "BR101/Agitation/TargetValue")
    assert (plain.zone, plain.part) == ("", "")
