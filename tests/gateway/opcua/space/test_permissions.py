"""What nodes ask of roles and channels (Part 3, 5.2.9-5.2.11, 8.55 and 8.56)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.space.attributes import read_attribute
from biogate.opcua.space.rights import Rights
from biogate_nodesets.model import RolePermission
from biogate_security.policy import Action, Decision, Subject

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
    assert attribute(space, ANYONE, "open", A.UserRolePermissions) is None
    assert attribute(space, ANYONE, "open", A.AccessRestrictions) is None
