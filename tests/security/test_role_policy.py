"""Rights by role (Part 3, 4.9.2; Part 18): what no rule allows is denied."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biogate_security.policy import STATUS_AND_TIME, Action, Policy, Resource, Subject
from biogate_security.role_policy import DENY_RULE, RULES, RolePolicy, Rule, Scope, scope_of
from biogate_security.roles import Role

SETPOINT = Resource("ns=2;s=feed", tag="BR101.Feed", device="RC101", is_setpoint=True)
MEASURED = Resource("ns=2;s=ph", tag="BR101.pH", device="AE101")
CONFIGURATION = Resource("ns=2;s=limit")
VARIABLE = Resource("ns=3;s=recipe", tag="skid.recipe", is_setpoint=True)
METHOD = Resource("ns=2;s=start")
RESEND_DATA = Resource("i=12873")
VIEW = {
    Action.BROWSE,
    Action.READ,
    Action.SUBSCRIBE,
    Action.RECEIVE_EVENTS,
    Action.READ_HISTORY,
}

_ids = st.sampled_from(["ns=2;s=feed", "ns=2;s=ph", "i=12873", "i=11492", "i=2253"])
_resources = st.builds(
    Resource,
    _ids,
    st.sampled_from(["Value", "DisplayName", "UserRolePermissions"]),
    st.sampled_from(["", "BR101.pH"]),
    st.sampled_from(["", "AE101"]),
    st.booleans(),
)
_roles = st.frozensets(st.sampled_from([*Role, "Invented"]))
_policies = st.builds(
    RolePolicy,
    st.sampled_from(["none", "read", "operate"]),
    unaudited=st.frozensets(_ids, max_size=5),
)


def decide(policy, roles, action, resource):
    return policy.decide(Subject("olga", frozenset(roles)), action, resource, 0)


@pytest.fixture
def policy():
    return RolePolicy()


# Each row: what a session with this one role may do besides looking.
@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.AUTHENTICATED_USER, set()),
        (Role.OBSERVER, set()),
        (
            Role.OPERATOR,
            {(Action.WRITE, SETPOINT), (Action.WRITE, VARIABLE), (Action.CALL, METHOD)},
        ),
        (
            Role.ENGINEER,
            {(Action.WRITE, CONFIGURATION), (Action.WRITE, VARIABLE), (Action.CALL, METHOD)},
        ),
        (Role.SUPERVISOR, {(Action.CALL, METHOD)}),
        (Role.CONFIGURE_ADMIN, {(Action.WRITE, CONFIGURATION), (Action.WRITE, VARIABLE)}),
        (Role.SECURITY_ADMIN, set()),
    ],
)
def test_each_role_may_look_and_do_what_its_row_says_and_no_more(policy, role, allowed):
    written = (SETPOINT, VARIABLE, MEASURED, CONFIGURATION)
    asked = {(Action.WRITE, r) for r in written} | {(Action.CALL, METHOD)}
    assert {ask for ask in asked if decide(policy, [role], *ask).allow} == allowed
    for resource in (SETPOINT, MEASURED, CONFIGURATION, METHOD):
        assert all(decide(policy, [role], action, resource).allow for action in VIEW)
    assert decide(policy, [role], Action.CALL, RESEND_DATA).allow


def test_anonymous_sessions_look_only_where_the_site_lets_them(policy):
    everything = [(a, r) for a in Action for r in (SETPOINT, MEASURED, METHOD, RESEND_DATA)]
    assert not any(decide(policy, [Role.ANONYMOUS], a, r).allow for a, r in everything)
    open_policy = RolePolicy("read")
    for action, resource in everything:
        expected = action in VIEW or (action is Action.CALL and resource is RESEND_DATA)
        assert decide(open_policy, [Role.ANONYMOUS], action, resource).allow is expected


def test_on_a_test_rig_anyone_writes_variables_and_calls_methods_but_turns_no_set_point():
    rig = RolePolicy("operate")
    asked = [(a, r) for a in Action for r in (SETPOINT, VARIABLE, MEASURED, CONFIGURATION, METHOD)]
    allowed = {(a, r) for a, r in asked if decide(rig, [Role.ANONYMOUS], a, r).allow}
    assert {(a, r) for a, r in allowed if a not in VIEW} == {
        (Action.WRITE, VARIABLE),
        *((Action.CALL, resource) for _, resource in asked),
    }


@pytest.mark.parametrize("node", ["i=2290", "i=3707"])
def test_strangers_do_not_learn_who_else_is_connected(policy, node):
    diagnostics = Resource(node)
    for action in (Action.READ, Action.SUBSCRIBE):
        assert not decide(RolePolicy("read"), [Role.ANONYMOUS], action, diagnostics).allow
        assert decide(RolePolicy("operate"), [Role.ANONYMOUS], action, diagnostics).allow
        assert decide(policy, [Role.OBSERVER], action, diagnostics).allow
    assert decide(RolePolicy("read"), [Role.ANONYMOUS], Action.BROWSE, diagnostics).allow


def test_attributes_other_than_value_are_written_by_nobody(policy):
    name = Resource("ns=2;s=feed", "DisplayName", is_setpoint=True)
    assert not decide(policy, Role, Action.WRITE, name).allow


# ALCOA+, contemporaneous: the server says when a value was written, and how good it is.
@pytest.mark.parametrize("role", Role)
def test_engineers_say_how_good_a_variable_is_and_from_when(policy, role):
    asked = {each: replace(each, attribute=STATUS_AND_TIME) for each in (VARIABLE, SETPOINT)}
    engineer = role in (Role.ENGINEER, Role.CONFIGURE_ADMIN)
    assert decide(policy, [role], Action.WRITE, asked[VARIABLE]).allow is engineer
    assert not decide(policy, [role], Action.WRITE, asked[SETPOINT]).allow
    rig = RolePolicy("operate")
    assert decide(rig, [Role.ANONYMOUS], Action.WRITE, asked[VARIABLE]).allow
    assert not decide(rig, [Role.ANONYMOUS], Action.WRITE, asked[SETPOINT]).allow


def test_a_decision_says_which_rule_and_why(policy):
    allowed = decide(policy, [Role.OPERATOR], Action.WRITE, SETPOINT)
    assert (allowed.rule, allowed.reason) == ("operate", "operators may write set-points")
    denied = decide(policy, [Role.OBSERVER], Action.WRITE, SETPOINT)
    assert denied.rule == DENY_RULE
    assert denied.reason == "no rule lets roles Observer write a set-point"
    assert "roles none" in decide(policy, [], Action.READ, MEASURED).reason


def test_an_unknown_anonymous_mode_is_an_error():
    with pytest.raises(ValueError, match="'write' is not one of none, read, operate"):
        RolePolicy("write")


def test_the_epoch_moves_when_decisions_may_change(policy):
    before = policy.epoch
    policy.allow_anonymous("read")
    assert policy.epoch != before
    assert decide(policy, [Role.ANONYMOUS], Action.READ, MEASURED).allow


def test_a_site_may_bring_its_own_table():
    rule = Rule("maintenance", ("Observer",), (Action.WRITE,), (Scope.SETPOINT,), "tonight only")
    policy = RolePolicy(rules=[*RULES, rule])
    assert decide(policy, [Role.OBSERVER], Action.WRITE, SETPOINT).rule == "maintenance"
    assert not decide(RolePolicy(rules=[]), Role, Action.READ, MEASURED).allow


def test_it_satisfies_the_seam(policy):
    seam: Policy = policy
    assert seam.epoch == policy.epoch


def test_every_rule_has_its_own_id_and_a_reason():
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.reason for rule in RULES)


@given(_policies, _roles, st.sampled_from([*Role, "Invented"]), st.sampled_from(Action), _resources)
def test_another_role_never_takes_a_right_away(policy, roles, more, action, resource):
    if decide(policy, roles, action, resource).allow:
        assert decide(policy, roles | {more}, action, resource).allow


@given(_policies, _roles, st.text(), _resources)
def test_an_unknown_action_is_denied_whoever_asks(policy, roles, action, resource):
    if action not in set(Action):
        decision = decide(policy, roles, action, resource)
        assert (decision.allow, decision.rule) == (False, DENY_RULE)


@given(_policies, st.sampled_from(Action), _resources, st.sets(st.text(min_size=1)))
def test_made_up_roles_give_nothing(policy, action, resource, roles):
    roles -= set(Role)
    assert not decide(policy, roles, action, resource).allow


@given(_policies, _roles, st.sampled_from(Action), _resources)
def test_what_reaches_a_device_is_always_audited(policy, roles, action, resource):
    decision = decide(policy, roles, action, resource)
    if resource.device:
        assert decision.audited


@given(_policies, _roles, st.sampled_from(Action), _resources, st.integers())
def test_the_same_question_has_the_same_answer(policy, roles, action, resource, now):
    asked = Subject("olga", roles)
    assert policy.decide(asked, action, resource, now) == policy.decide(asked, action, resource, 0)


def test_only_a_variable_without_a_device_can_be_declared_unaudited():
    names = [each.node_id for each in (CONFIGURATION, VARIABLE, SETPOINT, MEASURED)]
    policy = RolePolicy(unaudited=names)
    assert not decide(policy, [Role.OPERATOR], Action.WRITE, VARIABLE).audited
    assert not decide(policy, [Role.ENGINEER], Action.WRITE, CONFIGURATION).audited
    assert decide(policy, [Role.OPERATOR], Action.WRITE, SETPOINT).audited
    assert decide(policy, [Role.OPERATOR], Action.READ, MEASURED).audited
    assert decide(RolePolicy(), [Role.ENGINEER], Action.WRITE, CONFIGURATION).audited


def test_a_measured_value_of_a_device_is_not_configuration():
    assert scope_of(Action.WRITE, MEASURED) is Scope.DEVICE_VALUE
    assert scope_of(Action.WRITE, Resource("x", tag="computed")) is Scope.DEVICE_VALUE


# IEC 62443-3-3, SR 5.2 RE 2. Rules of zones are not asked about what belongs to no zone.
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("method", ["SetConduit", "Isolate", "ListConduits"])
def test_who_answers_for_security_opens_conduits_and_supervisors_close_them(policy, role, method):
    resource = Resource(f"ns=5;s=Conduits.{method}", part=f"Conduits/{method}")
    may = role is Role.SECURITY_ADMIN or (role is Role.SUPERVISOR and method != "SetConduit")
    assert decide(policy, [role], Action.CALL, resource).allow is may


def test_a_method_of_a_zone_that_is_called_alike_is_any_method(policy):
    resource = Resource("ns=5;s=Isolate", zone="cell", part="Conduits/Isolate")
    assert scope_of(Action.CALL, resource) is Scope.METHOD
