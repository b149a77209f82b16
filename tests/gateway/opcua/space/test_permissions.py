"""What nodes ask of roles and channels (Part 3, 5.2.9-5.2.11, 8.55 and 8.56)."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.space.attributes import read_attribute
from biogate.opcua.space.rights import Rights
from biogate_nodesets.model import RolePermission
from biogate_security.policy import Action, Decision, Subject
from biogate_security.role_policy import RolePolicy
from biogate_security.roles import Role

ANYONE = Subject(None, frozenset({"Anonymous"}))
ADMIN = Subject("root", frozenset({"AuthenticatedUser", "SecurityAdmin"}))
ANONYMOUS_ROLE, ADMIN_ROLE = ua.NodeId(15644), ua.NodeId(15704)
A = ua.AttributeIds
S = ua.StatusCodes


class Open:
    """Allows everything: what is refused is refused by the node."""

    epoch = 1

    def decide(self, subject: Subject, action: Action, resource: Any, now: int) -> Decision:
        return Decision(True, "test")


class Closed(Open):
    """Allows nothing."""

    def decide(self, subject: Subject, action: Action, resource: Any, now: int) -> Decision:
        return Decision(False, "test")


@pytest.fixture
def space(make: Any) -> Any:
    look = RolePermission(ANONYMOUS_ROLE, 0x21)  # Browse, Read
    everything = RolePermission(ADMIN_ROLE, 0x1FFFF)
    make.node("open", "Variable")
    make.node("shown", "Variable", role_permissions=(look, everything))
    make.node("secret", "Variable", role_permissions=(everything,))
    make.node("sealed", "Variable", access_restrictions=0x03)
    make.node("signed", "Variable", access_restrictions=0x01)
    make.node("unseen", "Variable", access_restrictions=0x0A)
    return make.space()


def may(space: Any, subject: Subject, name: str, policy: Any = None) -> set[Action]:
    view = Rights(policy or Open(), space, lambda: 0).view(subject)
    node = space.get(ua.NodeId(name, 1))
    return {action for action in Action if view.may(action, node)}


def test_a_node_without_permissions_leaves_it_to_the_policy(space: Any) -> None:
    assert may(space, ANYONE, "open") == set(Action)
    assert may(space, ANYONE, "open", Closed()) == set()


def test_a_role_may_what_it_is_permitted_and_no_more(space: Any) -> None:
    looking = {Action.BROWSE, Action.READ, Action.SUBSCRIBE}
    assert may(space, ANYONE, "shown") == looking
    assert may(space, ANYONE, "secret") == set()
    assert may(space, ADMIN, "shown") == may(space, ADMIN, "secret") == set(Action)


def test_every_session_has_the_role_anonymous_too(space: Any) -> None:
    operator = Subject("op", frozenset({"AuthenticatedUser", "Operator"}))
    assert Action.READ in may(space, operator, "shown")
    assert may(space, operator, "secret") == set()


def test_permissions_never_allow_what_the_policy_denies(space: Any) -> None:
    assert may(space, ADMIN, "secret", Closed()) == set()


@pytest.mark.parametrize(
    ("name", "mode", "allowed"),
    [
        ("sealed", "None", {Action.BROWSE}),
        ("sealed", "Sign", {Action.BROWSE}),
        ("sealed", "SignAndEncrypt", set(Action)),
        ("signed", "None", {Action.BROWSE}),
        ("signed", "Sign", set(Action)),
        ("unseen", "Sign", set()),
        ("unseen", "SignAndEncrypt", set(Action)),
    ],
)
def test_access_restrictions_ask_for_a_secure_channel(
    space: Any, name: str, mode: str, allowed: set[Action]
) -> None:
    assert may(space, replace(ADMIN, security_mode=mode), name) == allowed


def test_the_status_tells_a_weak_channel_from_a_missing_right(space: Any) -> None:
    view = Rights(Open(), space, lambda: 0).view(ANYONE)
    sealed, secret = (space.get(ua.NodeId(name, 1)) for name in ("sealed", "secret"))
    assert view.refusal(Action.READ, sealed) == S.BadSecurityModeInsufficient
    assert view.refusal(Action.READ, secret) == S.BadUserAccessDenied


def attribute(space: Any, subject: Subject, name: str, attribute_id: int) -> Any:
    view = Rights(Open(), space, lambda: 0).view(subject)
    variant = read_attribute(space.get(ua.NodeId(name, 1)), attribute_id, space, view)
    return None if variant is None else variant.Value


def test_the_attributes_show_what_is_enforced(space: Any) -> None:
    looking = ua.RolePermissionType(ANONYMOUS_ROLE, ua.PermissionType(0x21))
    everything = ua.RolePermissionType(ADMIN_ROLE, ua.PermissionType(0x1FFFF))
    assert attribute(space, ANYONE, "shown", A.UserRolePermissions) == [looking]
    assert attribute(space, ADMIN, "shown", A.UserRolePermissions) == [looking, everything]
    assert attribute(space, ADMIN, "shown", A.RolePermissions) == [looking, everything]
    assert attribute(space, ADMIN, "sealed", A.AccessRestrictions) == 3


def test_role_permissions_are_for_who_may_read_them(space: Any) -> None:
    assert attribute(space, ANYONE, "shown", A.RolePermissions) is None
    assert attribute(space, ANYONE, "open", A.RolePermissions) is None
    assert attribute(space, ANYONE, "open", A.AccessRestrictions) is None


def by_role(permissions: list[Any]) -> dict[int, int]:
    return {entry.RoleId.Identifier: int(entry.Permissions) for entry in permissions}


def test_a_node_that_states_none_shows_what_the_policy_lets_each_role_do(space: Any) -> None:
    view = Rights(RolePolicy("read"), space, lambda: 0).view(ADMIN)
    node = space.get(ua.NodeId("open", 1))
    variant = read_attribute(node, A.RolePermissions, space, view)
    assert variant is not None
    shown = by_role(variant.Value)
    look, write, review = 0x01 | 0x20 | 0x80, 0x40, 0x02
    assert shown[15644] == look
    assert shown[15668] == look
    assert shown[16036] == look | write
    assert shown[15704] == look | review
    assert 18625 not in shown


def test_a_user_sees_the_permissions_of_their_own_roles(space: Any) -> None:
    operator = Subject("op", frozenset({"AuthenticatedUser", "Operator"}))
    view = Rights(RolePolicy("none"), space, lambda: 0).view(operator)
    node = space.get(ua.NodeId("open", 1))
    variant = read_attribute(node, A.UserRolePermissions, space, view)
    assert variant is not None
    assert by_role(variant.Value) == {15656: 0xA1, 15680: 0xA1}


@pytest.mark.parametrize("anonymous", ["none", "read", "operate"])
def test_what_is_shown_to_a_user_is_what_they_may(space: Any, anonymous: Any) -> None:
    """Neither more nor less than what is enforced, whatever roles they have."""
    for number in range(8):
        for roles in combinations(Role, number):
            check_shown(space, RolePolicy(anonymous), frozenset(roles))


def check_shown(space: Any, policy: RolePolicy, roles: frozenset[str]) -> None:
    view = Rights(policy, space, lambda: 0).view(Subject("someone", roles))
    node = space.get(ua.NodeId("open", 1))
    variant = read_attribute(node, A.UserRolePermissions, space, view)
    assert variant is not None
    shown = 0
    for mask in by_role(variant.Value).values():
        shown |= mask
    for bit, action in (
        (0x01, Action.BROWSE),
        (0x20, Action.READ),
        (0x40, Action.WRITE),
        (0x80, Action.READ_HISTORY),
    ):
        assert bool(shown & bit) == view.may(action, node)
