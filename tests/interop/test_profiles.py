"""A profile is claimed when each mandatory unit has a test (Part 7; docs/conformance.md)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from biogate.opcua.config import FrontEndConfig
from biogate.opcua.space.profiles import claimed_profiles

BASE = "http://opcfoundation.org/UA-Profile/"
HERE = Path(__file__).parent

EMBEDDED_2017 = """
Address Space Atomicity, Address Space Base, Address Space Full Array Only, Attribute Read,
Base Info Core Structure, Base Info GetMonitoredItems Method, Base Info ResendData Method,
Base Info Type System, Discovery Find Servers Self, Discovery Get Endpoints, Monitor Basic,
Monitor Items 10, Monitor Items 100, Monitor Items 2, Monitor MinQueueSize_02,
Monitor QueueSize_1, Monitor Triggering, Monitor Value Change, Monitored Items Deadband Filter,
Protocol UA TCP, Security Default ApplicationInstance Certificate, Security Invalid user token,
Security Policy Required, Security User Name Password, SecurityPolicy Support, Session Base,
Session General Service Behaviour, Session Minimum 1, Session Minimum 2 Parallel,
Subscription Basic, Subscription Minimum 02, Subscription Minimum 1, Subscription Publish Min 02,
Subscription Publish Min 05, Subscription PublishRequest Queue Overflow, UA Binary Encoding,
UA Secure Conversation, View Basic, View Minimum Continuation Point 01, View RegisterNodes,
View TranslateBrowsePath
"""
EVENTS_2022 = """
Address Space Events 2, Base Info ContentFilter, Base Info Events Capabilities,
Base Info Server Capabilities MaxMonitoredItemsQueueSize,
Base Info Server Capabilities Subscriptions, Monitor Basic, Monitor Events, Monitor Items 2,
Monitor QueueSize_ServerMax, Subscription Basic, Subscription Multiple,
Subscription Publish Basic, Subscription PublishRequest Queue Overflow,
Subscription Retransmission Queue
"""
METHODS_2022 = "Address Space Method, Base Info Method Capabilities, Method Call"
MANDATORY = {
    BASE + "Server/EmbeddedUA2017": EMBEDDED_2017,
    BASE + "Server/StandardEventSubscription2022": EVENTS_2022,
    BASE + "Server/Methods2022": METHODS_2022,
    BASE + "Server/DataAccess": "Data Access DataItems",
    BASE + "Security/UserToken/Server/UserNamePassword": (
        "Security Invalid user token, Security User Name Password 2"
    ),
    BASE + "Security/UserToken/Server/Anonymous": "Security User Anonymous Server",
    BASE + "Security/UserToken/Server/X509Certificate": (
        "Security User X509, Security Invalid user token"
    ),
    BASE + "Security/UserToken/Server/JsonWebToken": (
        "Security Invalid user token, Security User JWT IssuedToken, Security User JWT Token Policy"
    ),
}
"""Mandatory units of what is claimed, as the OPC Foundation's profile database has them."""


def proven(project: Path) -> dict[str, list[str]]:
    """The tests of each unit, from the tables of docs/conformance.md."""
    rows = re.findall(
        r"^\|(?: `[^`|]+` \|)? ([A-Z][^`|]+?) \| (.*test_.*) \|$",
        (project / "docs" / "conformance.md").read_text(),
        re.MULTILINE,
    )
    return {unit: re.findall(r"`(test_\w+\.py::test_\w+)`", tests) for unit, tests in rows}


def test_every_mandatory_unit_of_a_claimed_profile_has_a_test(project: Path) -> None:
    units = proven(project)
    everything = FrontEndConfig("urn:test", user_certificates=True, issued_tokens="{}")
    for profile in claimed_profiles(everything):
        if profile.startswith(BASE):
            wanted = {" ".join(unit.split()) for unit in MANDATORY[profile].split(",")}
            assert wanted <= {unit for unit, tests in units.items() if tests}, profile


def test_every_test_that_proves_a_unit_exists(project: Path) -> None:
    for unit, tests in proven(project).items():
        for test in tests:
            file, _, name = test.partition("::")
            functions = ast.walk(ast.parse((HERE / file).read_text()))
            assert name in {getattr(f, "name", "") for f in functions}, f"{unit}: {test}"


def test_without_a_secured_policy_less_is_claimed() -> None:
    tokens = {"user_certificates": True, "issued_tokens": "{}"}
    config = FrontEndConfig("urn:test", security=("None",), anonymous=False, **tokens)
    bare = claimed_profiles(config)
    assert BASE + "Security/UserToken/Server/X509Certificate" not in bare
    assert BASE + "Security/UserToken/Server/JsonWebToken" not in bare
    assert BASE + "Server/EmbeddedUA2017" not in bare
    assert BASE + "Security/UserToken/Server/Anonymous" not in bare
