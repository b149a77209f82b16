"""Methods that manage security are for SecurityAdmin alone, whatever a site lets others call."""

from __future__ import annotations

import pytest

from biogate_security.policy import Action, Resource, Subject
from biogate_security.role_policy import SECURITY_METHODS, RolePolicy
from biogate_security.roles import Role


@pytest.mark.parametrize("anonymous", ["none", "read", "operate"])
@pytest.mark.parametrize("role", list(Role))
def test_only_a_security_administrator_calls_them(anonymous, role):
    policy, subject = RolePolicy(anonymous), Subject("olga", frozenset({role}))
    for method in SECURITY_METHODS:
        decision = policy.decide(subject, Action.CALL, Resource(method), 0)
        assert decision.allow == (role is Role.SECURITY_ADMIN), (method, role)


def test_a_security_administrator_calls_no_other_method():
    subject = Subject("ada", frozenset({Role.SECURITY_ADMIN}))
    assert not RolePolicy().decide(subject, Action.CALL, Resource("ns=2;s=start"), 0).allow
