"""The battery in short form: small floods, no deadlines waited for, and no time is judged."""

from __future__ import annotations

import re

import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from attack.__main__ import main
from attack.case import Bench, Case
from attack.cases import GROUPS
from attack.probe import Probe
from attack.run import Bounds, Verdict, judge
from attack.secure import CLIENT_URI
from attack.target import PASSWORDS, Target
from cryptography.hazmat.primitives import serialization

ALL = [case for cases in GROUPS.values() for case in cases]
SHORT = [case for case in ALL if not case.waits_s]
SCALE = 0.02


@pytest.mark.parametrize("case", SHORT, ids=lambda case: case.id)
def test_the_gateway_keeps_the_rule(case: Case, target: Target, probe: Probe) -> None:
    verdict = judge(case, Bench(target, SCALE), probe, Bounds(latency=False))

    assert verdict.breaches == []


async def test_after_all_of_them_a_client_that_is_not_ours_is_served(
    target: Target, tmp_path
) -> None:
    key = target.identity.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "client.pem").write_bytes(key)
    (tmp_path / "client.der").write_bytes(target.identity.der)
    server = target.data / "pki" / "own" / "certs" / "application.der"
    client = Client(f"opc.tcp://127.0.0.1:{target.port}")
    client.application_uri = CLIENT_URI
    client.set_user("operator")
    client.set_password(PASSWORDS["operator"])
    await client.set_security(
        SecurityPolicyBasic256Sha256,
        str(tmp_path / "client.der"),
        str(tmp_path / "client.pem"),
        server_certificate=str(server),
    )
    async with client:
        node = client.get_node(ua.NodeId("Int32", target.namespaces[""]))
        await node.write_value(ua.DataValue(ua.Variant(5, ua.VariantType.Int32)))
        assert await node.read_value() == 5


def test_there_are_enough_cases_and_each_says_where_its_rule_comes_from() -> None:
    assert len(ALL) >= 120
    assert len({case.id for case in ALL}) == len(ALL)
    for case in ALL:
        assert re.search(r"Part \d+, |CWE-\d+|IEC 62443", case.source), case.id
        assert case.rule
        assert case.expect


# The battery must be able to fail: a wrong answer, a crash and each bound are told apart.


def test_an_answer_that_the_rule_does_not_allow_is_a_breach(target: Target, probe: Probe) -> None:
    case = Case("x", "x", "Part 4, 1", lambda _: ["Good", "fault BadTimeout"], ("Good",))

    verdict = judge(case, Bench(target), probe, Bounds(latency=False))

    assert verdict.breaches == ["came back: fault BadTimeout"]


def test_a_traceback_in_the_log_is_a_breach(target: Target, probe: Probe) -> None:
    def attack(_: Bench) -> str:
        target.errors.append("    Traceback (most recent call last):")
        return "Good"

    verdict = judge(
        Case("x", "x", "Part 4, 1", attack, ("Good",)),
        Bench(target),
        probe,
        Bounds(latency=False),
    )

    assert verdict.breaches == ["log:     Traceback (most recent call last):"]


def test_what_a_case_costs_others_has_bounds() -> None:
    verdict = Verdict(SHORT[0], fresh_ms=501, stall_ms=501, growth_mib=64, log_lines=101)

    assert len(list(Bounds().broken(verdict))) == 4
    assert len(list(Bounds(latency=False).broken(verdict))) == 2
    assert not list(Bounds().broken(Verdict(SHORT[0], fresh_ms=499, stall_ms=499)))


def test_the_command_lists_the_cases_and_knows_which_there_are(capsys) -> None:
    assert main(["--list"]) == 0
    assert f"{len(ALL)} cases" in capsys.readouterr().out
    assert main(["--only", "no-such-case"]) == 2
