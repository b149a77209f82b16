"""Zones and conduits decide (IEC 62443-3-2; IEC 62443-3-3, SR 5.1 and 5.2)."""

from __future__ import annotations

from typing import Any

import pytest

from biogate_security.policy import Action, Resource, Subject, WriteLimits
from biogate_security.role_policy import RolePolicy
from biogate_security.zones import (
    NO_ZONE,
    Conduit,
    PartPattern,
    SecurityLevels,
    Window,
    Zone,
    ZonePolicy,
    ZoneTable,
)

LOOK = (Action.BROWSE, Action.READ)
PH, PH_SIGNAL = "BR101/pH/SensorValue", "AE101/ph"


def test_within_a_zone_the_roles_decide(policy: Any, subject: Any, part: Any, noon: int) -> None:
    zones = policy()
    for role, allowed in (("Operator", True), ("Observer", False)):
        decision = zones.decide(
            subject("cell", role), Action.WRITE, part("x", is_setpoint=True, device="d"), noon
        )
        assert (decision.allow, decision.conduit) == (allowed, "")


def test_nothing_crosses_but_by_a_rule(policy: Any, ask: Any, rule: Any) -> None:
    assert ask(policy(), Action.READ, PH).rule == "conduit-default-deny"
    assert ask(policy(source="model"), Action.READ, PH).rule == "no-conduit"
    open_to_ph = policy(rule(*LOOK, on=("BR101/pH",)))
    assert ask(open_to_ph, Action.READ, PH).allow
    assert not ask(open_to_ph, Action.READ, "BR101/DO/SensorValue").allow
    assert not ask(open_to_ph, Action.SUBSCRIBE, PH).allow


def test_a_conduit_does_not_grant_what_the_roles_do_not(
    policy: Any, subject: Any, part: Any, rule: Any, noon: int
) -> None:
    zones = policy(rule(Action.WRITE))
    resource = part("x", is_setpoint=True)
    decision = zones.decide(subject("dmz", "Observer"), Action.WRITE, resource, noon)
    assert (decision.allow, decision.rule, decision.conduit) == (False, "default-deny", "across")


def test_a_conduit_leads_one_way(
    policy: Any, subject: Any, part: Any, rule: Any, noon: int
) -> None:
    zones = policy(rule(*LOOK))
    back = zones.decide(subject("cell"), Action.READ, part("x", "dmz"), noon)
    assert (back.allow, back.rule) == (False, "no-conduit")


def test_deny_beats_allow(policy: Any, ask: Any, rule: Any) -> None:
    zones = policy(rule(*LOOK), deny=(rule(*LOOK, on=("BR101/pH",), name="secret"),))
    assert ask(zones, Action.READ, "BR101/DO/SensorValue").allow
    decision = ask(zones, Action.READ, PH)
    assert (decision.allow, decision.rule, decision.conduit) == (False, "secret", "across")


def test_what_is_denied_is_denied_wherever_the_value_shows(
    policy: Any, ask: Any, rule: Any
) -> None:
    faces = {("cell", PH): (PH_SIGNAL,), ("cell", PH_SIGNAL): (PH,)}
    zones = policy(rule(*LOOK), deny=(rule(*LOOK, on=("BR101/pH",)),), faces=faces)
    assert not ask(zones, Action.READ, PH_SIGNAL).allow
    # What is allowed is allowed at the node that the rule names.
    narrow = policy(rule(*LOOK, on=("BR101/pH",)), faces=faces)
    assert ask(narrow, Action.READ, PH).allow
    assert not ask(narrow, Action.READ, PH_SIGNAL).allow


def test_the_way_to_a_part_may_be_browsed_and_no_more(policy: Any, ask: Any, rule: Any) -> None:
    zones = policy(rule(*LOOK, on=("BR101/pH/*",)))
    assert ask(zones, Action.BROWSE, "BR101").allow
    assert ask(zones, Action.BROWSE, "BR101/pH").allow
    assert not ask(zones, Action.READ, "BR101/pH").allow
    assert not ask(zones, Action.BROWSE, "BR101/DO").allow
    assert not ask(zones, Action.BROWSE, "BR102").allow


def test_what_belongs_to_no_zone_is_hidden_from_all(
    policy: Any, subject: Any, part: Any, rule: Any, noon: int
) -> None:
    zones = policy(rule(*LOOK))
    for zone in ("cell", "dmz", "model"):
        assert not zones.decide(subject(zone), Action.BROWSE, part("x", NO_ZONE), noon).allow
        assert not zones.reaches(zone, Action.BROWSE, NO_ZONE, "x")


@pytest.mark.parametrize("zone", ["", NO_ZONE, "elsewhere"])
def test_who_belongs_to_no_zone_may_nothing(
    policy: Any, subject: Any, part: Any, zone: str, noon: int
) -> None:
    for where in ("", "cell", zone):
        decision = policy().decide(subject(zone), Action.BROWSE, part("x", where), noon)
        assert (decision.allow, decision.rule) == (False, "no-zone")


def test_what_every_zone_has_is_for_the_roles(policy: Any, subject: Any, noon: int) -> None:
    server = Resource("i=2253")
    assert policy().decide(subject("dmz"), Action.READ, server, noon).allow
    nobody = Subject(None, frozenset({"Anonymous"}), zone="dmz")
    assert not policy().decide(nobody, Action.READ, server, noon).allow


def test_each_zone_says_what_strangers_may(policy: Any, noon: int) -> None:
    zones = policy(zones={"dmz": Zone("dmz", anonymous="read")})
    server = Resource("i=2253")
    for zone, allowed in (("dmz", True), ("cell", False)):
        nobody = Subject(None, frozenset({"Anonymous"}), zone=zone)
        assert zones.decide(nobody, Action.READ, server, noon).allow is allowed


def test_a_closed_conduit_lets_nothing_pass(policy: Any, ask: Any, rule: Any) -> None:
    zones = policy(rule(*LOOK), open=False)
    assert ask(zones, Action.READ, PH).rule == "conduit-closed"
    before = zones.epoch
    assert zones.set_conduit_open("across", True)
    assert zones.epoch != before
    assert ask(zones, Action.READ, PH).allow
    assert not zones.set_conduit_open("across", True)
    assert zones.set_conduit_open("across", False)
    assert not ask(zones, Action.READ, PH).allow
    with pytest.raises(KeyError):
        zones.set_conduit_open("nowhere", True)


def test_a_closed_conduit_goes_on_denying(ask: Any, rule: Any) -> None:
    """Else closing one of two conduits would let more pass."""
    ends = (Zone("cell"), Zone("dmz"))
    table = ZoneTable(
        ends,
        (
            Conduit("a", "dmz", "cell", allow=(rule(*LOOK),)),
            Conduit("b", "dmz", "cell", deny=(rule(*LOOK, on=("BR101/pH",)),), open=False),
        ),
    )
    assert not ask(ZonePolicy(RolePolicy(), table), Action.READ, PH).allow


@pytest.mark.parametrize(
    ("limits", "subject_has", "allowed"),
    [
        ({"roles": frozenset({"Operator"})}, {}, True),
        ({"roles": frozenset({"Supervisor"})}, {}, False),
        ({"users": frozenset({"mes"})}, {}, True),
        ({"users": frozenset({"ada"})}, {}, False),
        ({"authentication": frozenset({"Certificate"})}, {"authentication": "Certificate"}, True),
        ({"authentication": frozenset({"Certificate"})}, {}, False),
        ({"security_mode": "SignAndEncrypt"}, {}, True),
        ({"security_mode": "SignAndEncrypt"}, {"security_mode": "Sign"}, False),
        ({"security_mode": "Sign"}, {"security_mode": "None"}, False),
        ({"security_mode": "Sign"}, {"security_mode": "Invalid"}, False),
    ],
)
def test_a_rule_asks_for_roles_users_authentication_and_security(
    policy: Any, ask: Any, rule: Any, limits: Any, subject_has: Any, allowed: bool
) -> None:
    zones = policy(rule(*LOOK, **limits))
    assert ask(zones, Action.READ, PH, **subject_has).allow is allowed


@pytest.mark.parametrize("action", [Action.WRITE, Action.CALL])
def test_without_logging_in_nothing_is_changed_across_a_conduit(
    policy: Any, rule: Any, part: Any, action: Action, noon: int
) -> None:
    nobody = Subject(None, frozenset({"Anonymous"}), security_mode="SignAndEncrypt", zone="dmz")
    resource = part("x", is_setpoint=action is Action.WRITE)
    for authentication, allowed in ((None, False), (frozenset({"Anonymous"}), True)):
        zones = policy(
            rule(action, authentication=authentication),
            zones={"dmz": Zone("dmz", anonymous="operate")},
        )
        assert zones.decide(nobody, action, resource, noon).allow is allowed


@pytest.mark.parametrize(
    ("levels", "least"),
    [
        ({}, "None"),
        ({"SI": 1}, "Sign"),
        ({"SI": 2}, "SignAndEncrypt"),
        ({"DC": 1}, "SignAndEncrypt"),
        ({"IAC": 4, "UC": 4, "RDF": 4, "TRE": 4, "RA": 4}, "None"),
    ],
)
def test_target_levels_ask_for_security_modes(
    policy: Any, ask: Any, rule: Any, levels: Any, least: str
) -> None:
    """IEC 62443-3-3: SR 3.1 RE 1 from SI 2, SR 4.1 from DC 1."""
    target = SecurityLevels(**levels)
    assert target.least_mode == least
    modes = ("None", "Sign", "SignAndEncrypt")
    fits = [mode for mode in modes if modes.index(mode) >= modes.index(least)]
    for where in (
        {"target": target},
        {"zones": {"dmz": Zone("dmz", target=target)}},
        {"zones": {"cell": Zone("cell", target=target)}},
    ):
        zones = policy(rule(*LOOK), **where)
        allowed = [m for m in modes if ask(zones, Action.READ, PH, security_mode=m).allow]
        assert allowed == fits


def test_within_a_zone_its_target_level_counts(
    policy: Any, subject: Any, part: Any, noon: int
) -> None:
    zones = policy(zones={"cell": Zone("cell", target=SecurityLevels(DC=1))})
    for mode, allowed in (("Sign", False), ("SignAndEncrypt", True)):
        asker = subject("cell", security_mode=mode)
        assert zones.decide(asker, Action.READ, part("x"), noon).allow is allowed


def test_a_model_turns_a_setpoint_within_bounds_only(policy: Any, ask: Any, rule: Any) -> None:
    feed = "BR101/Feed/TargetValue"
    bounds = {PartPattern(feed): WriteLimits(0.0, 60.0, 5.0)}
    for given, allowed in (
        ({}, False),
        ({"bounds": {PartPattern(feed): WriteLimits(high=60.0)}}, False),
        ({"bounds": {PartPattern("BR101/Base"): WriteLimits(0.0, 60.0)}}, False),
        ({"bounds": bounds}, True),
    ):
        zones = policy(rule(Action.WRITE, **given), source="model")
        assert ask(zones, Action.WRITE, feed, zone="model").allow is allowed
    limits = ask(zones, Action.WRITE, feed, zone="model").limits
    assert limits == (WriteLimits(0.0, 60.0, 5.0, conduit="across"),)
    # Somebody else is not asked for bounds.
    assert ask(policy(rule(Action.WRITE)), Action.WRITE, feed).allow


def test_a_model_turns_no_setpoint_of_a_device_in_its_own_zone(
    policy: Any, subject: Any, part: Any, noon: int
) -> None:
    zones = policy()
    pump = part("P1/speed", "model", device="P1", is_setpoint=True)
    decision = zones.decide(subject("model"), Action.WRITE, pump, noon)
    assert (decision.allow, decision.rule) == (False, "model-setpoint")
    output = part("advice/Feed", "model", is_setpoint=True)
    assert zones.decide(subject("model"), Action.WRITE, output, noon).allow


def test_bounds_hold_for_every_node_that_shows_the_value(policy: Any, ask: Any, rule: Any) -> None:
    target, signal = "BR101/Feed/TargetValue", "RC101/feed"
    zones = policy(
        rule(Action.WRITE, bounds={PartPattern(target): WriteLimits(0.0, 60.0)}),
        faces={("cell", target): (signal,), ("cell", signal): (target,)},
    )
    assert ask(zones, Action.WRITE, signal).limits == (WriteLimits(0, 60, conduit="across"),)
    assert ask(zones, Action.WRITE, "RC101/base").limits == ()


def test_all_bounds_of_a_rule_count(policy: Any, ask: Any, rule: Any) -> None:
    zones = policy(
        rule(
            Action.WRITE,
            bounds={
                PartPattern("BR101/*"): WriteLimits(0.0, 50.0, 10.0),
                PartPattern("BR101/pH"): WriteLimits(6.0, 80.0),
            },
            per_minute=3.0,
        )
    )
    found = ask(zones, Action.WRITE, "BR101/pH/TargetValue").limits
    assert found == (WriteLimits(6.0, 50.0, 10.0, 3.0, "across"),)


def test_each_rule_that_allows_stands_for_itself(policy: Any, ask: Any, rule: Any) -> None:
    narrow = rule(Action.WRITE, bounds={PartPattern("x"): WriteLimits(6, 7)}, name="narrow")
    wide = rule(Action.WRITE, bounds={PartPattern("x"): WriteLimits(0, 9, 0.1)}, name="wide")
    free = rule(Action.WRITE, name="free")
    two = (WriteLimits(0, 9, 0.1, conduit="across"), WriteLimits(6, 7, conduit="across"))
    for order in ((narrow, wide), (wide, narrow)):
        assert ask(policy(*order), Action.WRITE, "x").limits == two
    decision = ask(policy(narrow, free, wide), Action.WRITE, "x")
    assert (decision.rule, decision.limits) == ("free", ())


def test_a_decision_says_until_when_it_holds(policy: Any, ask: Any, rule: Any, noon: int) -> None:
    hour = 3600 * 10_000_000
    night = rule(*LOOK, window=Window(start=18 * 60, end=6 * 60))
    closed = ask(policy(night), Action.READ, PH)
    assert (closed.allow, closed.until) == (False, noon + 6 * hour)
    later = ask(policy(night), Action.READ, PH, now=noon + 7 * hour)
    assert (later.allow, later.until) == (True, noon + 18 * hour)
    # A rule about somebody else has no part in it.
    assert ask(policy(rule(*LOOK)), Action.READ, PH).until is None
    other = rule(*LOOK, users=frozenset({"ada"}), window=Window(end=60))
    assert ask(policy(rule(*LOOK), other), Action.READ, PH).until is None


def test_a_clock_that_is_set_back_is_asked_again(
    policy: Any, ask: Any, rule: Any, noon: int
) -> None:
    zones = policy(rule(*LOOK, window=Window(start=11 * 60, end=13 * 60)))
    assert ask(zones, Action.READ, PH).allow
    assert not ask(zones, Action.READ, PH, now=noon - 2 * 3600 * 10_000_000).allow


def test_an_unaudited_variable_stays_unaudited_across_a_conduit(
    subject: Any, part: Any, rule: Any, noon: int
) -> None:
    table = ZoneTable(
        (Zone("cell"), Zone("dmz")),
        (Conduit("across", "dmz", "cell", allow=(rule(Action.WRITE),)),),
    )
    zones = ZonePolicy(RolePolicy(unaudited=["ns=1;s=x"]), table)
    for name, audited in (("x", False), ("y", True)):
        resource = part(name, is_setpoint=True)
        assert zones.decide(subject(), Action.WRITE, resource, noon).audited is audited


def test_reaching_asks_for_neither_time_nor_role(policy: Any, rule: Any) -> None:
    never = Window(days=("sun",), start=0, end=1)
    zones = policy(
        rule(*LOOK, on=("BR101/pH",), roles=frozenset({"Supervisor"}), window=never),
        deny=(
            rule(*LOOK, on=("BR101/pH/RawValue",)),
            rule(*LOOK, on=("BR101/pH/SensorValue",), users=frozenset({"ada"})),
        ),
        open=False,
    )
    reaches = zones.reaches
    assert reaches("dmz", Action.READ, "cell", "BR101/pH/SensorValue")
    assert not reaches("dmz", Action.READ, "cell", "BR101/pH/RawValue")
    assert not reaches("dmz", Action.WRITE, "cell", "BR101/pH/SensorValue")
    assert reaches("dmz", Action.BROWSE, "cell", "BR101")
    assert not reaches("dmz", Action.READ, "cell", "BR101")
    assert not reaches("model", Action.BROWSE, "cell", "BR101")
    assert reaches("model", Action.BROWSE, "", "")
    assert reaches("cell", Action.WRITE, "cell", "anything")
    assert not reaches("nowhere", Action.BROWSE, "", "")


def test_a_table_names_each_zone_and_conduit_once() -> None:
    cell, dmz = Zone("cell"), Zone("dmz")
    with pytest.raises(ValueError, match="two zones are named cell"):
        ZoneTable((cell, cell))
    conduit = Conduit("a", "dmz", "cell")
    with pytest.raises(ValueError, match="two conduits are named a"):
        ZoneTable((cell, dmz), (conduit, conduit))
    for ends in (("dmz", "dmz"), ("dmz", "moon")):
        with pytest.raises(ValueError, match="does not join two"):
            ZoneTable((cell, dmz), (Conduit("b", *ends),))
