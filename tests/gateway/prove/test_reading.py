"""The plain reading of zones and conduits, which the gateway's answers are compared with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from biogate.prove.attempt import Expected
from biogate.prove.reading import Asked, Asker, SiteRules, covers, is_open, leads_to, with_defaults

MONDAY_NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
OPERATOR = frozenset({"Operator"})


def rules(*allow: dict[str, Any], **conduit: Any) -> SiteRules:
    """Two zones and one conduit from `dmz` to `cell`."""
    return SiteRules(
        {
            "zones": {"cell": {"units": ["BR1"]}, "dmz": {"kind": conduit.pop("kind", "plant")}},
            "conduits": {"c": {"from": "dmz", "to": "cell", "allow": list(allow), **conduit}},
            "units": {"BR1": {"functions": {"pH": {"kind": "sensor", "value": "AE1.ph"}}}},
        }
    )


def asker(**changes: Any) -> Asker:
    return Asker(**{"zone": "dmz", "user": "mes", "roles": OPERATOR, **changes})


def expected(found: SiteRules, action: str, part: str = "BR1/pH/Value", **more: Any) -> Expected:
    who = more.pop("who", asker())
    return found.read(who, action, Asked(part, "cell", **more), MONDAY_NOON).expected


def test_a_pattern_names_what_lies_below_it_and_no_star_crosses_a_level() -> None:
    assert covers("BR1", "BR1/pH/Value")
    assert covers("BR1/*", "BR1/pH/Value")
    assert covers("*/p*", "BR1/pH")
    assert not covers("*/Value", "BR1/pH/Value")
    assert not covers("BR1/pH", "BR1")
    assert leads_to("BR1/pH", "BR1")
    assert not leads_to("BR1/pH", "BR2")


@pytest.mark.parametrize(
    ("window", "is_now"),
    [
        ({"from": "11:00", "until": "13:00"}, True),
        ({"from": "12:00", "until": "24:00"}, True),
        ({"from": "10:00", "until": "12:00"}, False),
        ({"from": "22:00", "until": "12:30"}, True),
        ({"from": "22:00", "until": "12:30", "days": ["mon"]}, False),
        ({"from": "22:00", "until": "12:30", "days": ["sun"]}, True),
        ({"days": ["tue"]}, False),
    ],
)
def test_a_window_is_open_by_its_first_day(window: dict[str, Any], is_now: bool) -> None:
    assert is_open(window, MONDAY_NOON) is is_now


def test_nothing_crosses_but_what_a_rule_names() -> None:
    found = rules({"actions": ["read"], "on": ["BR1/pH"]})

    assert expected(found, "read") is Expected.LET
    assert expected(found, "subscribe") is Expected.REFUSED
    assert expected(found, "read", "BR1/DO/Value") is Expected.REFUSED
    assert expected(found, "read", who=asker(zone="cell")) is Expected.LET
    assert expected(SiteRules({"zones": {"cell": {}, "dmz": {}}}), "read") is Expected.REFUSED


def test_the_way_to_what_may_be_browsed_may_be_browsed_and_is_never_denied() -> None:
    found = rules(
        {"actions": ["browse", "read"], "on": ["BR1/pH/Value"]}, deny=[{"on": ["BR1/pH/Secret"]}]
    )

    assert expected(found, "browse", "BR1") is Expected.LET
    assert expected(found, "read", "BR1") is Expected.REFUSED
    assert expected(found, "browse", "BR1/pH/Secret") is Expected.REFUSED


def test_a_value_that_is_denied_is_denied_under_its_other_names() -> None:
    found = rules({"actions": ["read"]}, deny=[{"on": ["AE1/ph"]}])

    assert expected(found, "read") is Expected.LET
    assert expected(found, "read", faces=("AE1/ph",)) is Expected.REFUSED


@pytest.mark.parametrize(
    "weaker",
    [{"target": {"SI": 2}}, {"target": {"DC": 1}}],
)
def test_levels_ask_for_encryption(weaker: dict[str, Any]) -> None:
    found = rules({"actions": ["read"]}, **weaker)

    assert expected(found, "read") is Expected.LET
    assert expected(found, "read", who=asker(security_mode="Sign")) is Expected.REFUSED


def test_roles_users_logins_and_closed_conduits_keep_out() -> None:
    rule = {"actions": ["read"], "roles": ["Engineer"]}
    assert expected(rules(rule), "read") is Expected.REFUSED
    assert expected(rules({"actions": ["read"], "users": ["ada"]}), "read") is Expected.REFUSED
    by_certificate = {"actions": ["read"], "authentication": ["Certificate"]}
    assert expected(rules(by_certificate), "read") is Expected.REFUSED
    assert expected(rules({"actions": ["read"]}, open=False), "read") is Expected.REFUSED
    assert expected(
        rules({"actions": ["write"]}), "write", who=asker(roles=frozenset({"Observer"}))
    ) is (Expected.REFUSED)


def test_a_model_writes_set_points_within_bounds_only() -> None:
    free = rules({"actions": ["write"]}, kind="model")
    bounds = {"BR1/pH/Value": {"low": 6, "high": 8, "max_step": 0.1}}
    bound = rules({"actions": ["write"], "bounds": bounds, "rate_per_minute": 6}, kind="model")
    asked = Asked("AE1/setpoint", "cell", is_setpoint=True, faces=("BR1/pH/Value",))

    reading = bound.read(asker(), "write", asked, MONDAY_NOON)

    assert free.read(asker(), "write", asked, MONDAY_NOON).expected is Expected.REFUSED
    assert reading.expected is Expected.LET
    assert (reading.low, reading.high, reading.max_step, reading.per_minute) == (6, 8, 0.1, 6)


def test_each_zone_says_what_strangers_may() -> None:
    def may(mode: str, action: str, **asked: Any) -> bool:
        found = SiteRules({"zones": {"cell": {"opcua": {"anonymous": mode}}}})
        stranger = Asker("cell", "", frozenset(), "Anonymous")
        return found.read(
            stranger, action, Asked("s/x", "cell", **asked), MONDAY_NOON
        ).expected is (Expected.LET)

    assert [may(mode, "read") for mode in ("none", "read", "operate")] == [False, True, True]
    assert [may(mode, "call") for mode in ("none", "read", "operate")] == [False, False, True]
    assert may("operate", "write")
    assert not may("operate", "write", is_setpoint=True)


def test_without_an_account_nothing_is_changed_across_a_conduit() -> None:
    found = rules({"actions": ["read", "write"]})
    found.zones["dmz"]["opcua"] = {"anonymous": "operate"}
    stranger = asker(user="", roles=frozenset(), authentication="Anonymous")

    assert expected(found, "read", who=stranger) is Expected.LET
    assert expected(found, "write", who=stranger) is Expected.REFUSED


def test_roles_that_nobody_is_given_count_in_rules() -> None:
    """Part 18, 4.2: AuthenticatedUser and TrustedApplication come with the session."""
    for role in ("AuthenticatedUser", "TrustedApplication"):
        assert expected(rules({"actions": ["read"], "roles": [role]}), "read") is Expected.LET
    assert expected(rules({"actions": ["read"], "roles": ["Anonymous"]}), "read") is (
        Expected.REFUSED
    )


def test_what_needs_a_signature_is_not_changed_by_a_plain_write() -> None:
    data = {
        "zones": {"cell": {}, "dmz": {}},
        "signatures": [{"on": ["BR1/pH"]}, {"on": ["BR1/start"], "actions": ["call"]}],
    }
    found, olga = SiteRules(data), asker(zone="cell")
    reading = found.read(
        olga, "write", Asked("AE1/ph", "cell", faces=("BR1/pH/Value",)), MONDAY_NOON
    )

    assert (reading.expected, reading.sort) == (Expected.REFUSED, "signature")
    assert expected(found, "call", "BR1/start", who=olga) is Expected.REFUSED
    assert expected(found, "write", "BR1/start", who=olga) is Expected.LET
    assert expected(found, "read", who=olga) is Expected.LET


def test_a_zones_endpoint_takes_what_it_does_not_say_from_the_sites() -> None:
    data = {
        "opcua": {"port": 1, "host": "10.0.0.1", "security_modes": ["SignAndEncrypt"]},
        "zones": {"a": {"opcua": {"host": "10.0.0.2"}}, "b": {}},
    }

    filled = with_defaults(data)

    assert filled["zones"]["a"]["opcua"] == {
        "host": "10.0.0.2",
        "security_modes": ["SignAndEncrypt"],
    }
    assert "opcua" not in filled["zones"]["b"]


def test_a_device_is_where_its_unit_is() -> None:
    assert rules().zone_of("AE1") == "cell"
    assert rules().zone_of("AE2") == "-"
