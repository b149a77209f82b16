"""What the program tells of a gateway that is up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from biogate.cli.live import format_value
from biogate.cli.welcome import tell
from biogate.demo import DEMO_SITE
from biogate.gateway import Gateway
from biogate.site import OpcUaConfig, Site, UserConfig, load_site


@dataclass
class StandIn:
    """What `tell` asks of a gateway."""

    site: Site
    first_passwords: Mapping[str, str] = field(default_factory=dict)
    endpoint_url: str = "opc.tcp://127.0.0.1:4840"
    endpoint_urls: Mapping[str, str] = field(
        default_factory=lambda: {"": "opc.tcp://127.0.0.1:4840"}
    )
    declared_variables: int = 0
    tags: tuple[Any, ...] = ()

    def node_ids(self, tag: str) -> tuple[str, ...]:
        return ()


Told = list[str]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Any:
    """`told(site, passwords)` → the lines that are printed."""

    def lines(site: Site, **passwords: str) -> Told:
        tell(cast(Gateway, StandIn(site, passwords)), 1.0)
        return capsys.readouterr().out.splitlines()

    return lines


@pytest.fixture
def site() -> Site:
    return load_site(DEMO_SITE)


def test_the_one_account_of_the_default_is_named_with_its_password(told, site: Site) -> None:
    lines = told(site, operator="4q73-4wm4")

    assert "  security: None, Basic256Sha256 (Sign, SignAndEncrypt)" in lines
    assert "  accounts: anyone may read; writing needs the account operator" in lines
    assert "  password: 4q73-4wm4  (of operator; made now, shown only this once)" in lines
    assert not [line for line in lines if "WARNING" in line]


def test_the_administrators_password_is_for_one_login(told, site: Site) -> None:
    lines = told(site, operator="4q73-4wm4", administrator="7mfu-ay6d")

    assert (
        "  password: 7mfu-ay6d  (of administrator; must be changed at the first login, within 24 "
        "hours; shown only this once)"
    ) in lines


def test_the_accounts_of_the_file_are_named_with_their_roles(told, site: Site) -> None:
    users = {
        "olga": UserConfig(roles=("Operator", "Observer")),
        "eve": UserConfig(roles=("Observer",), disabled=True),
    }
    opcua = OpcUaConfig(anonymous="none")

    lines = told(site.model_copy(update={"users": users, "opcua": opcua}))

    assert (
        "  accounts: reading needs an account; olga (Operator, Observer), eve (Observer, disabled)"
        in lines
    )
    assert "  security: Basic256Sha256 (Sign, SignAndEncrypt)" in lines


def test_where_anyone_may_write_the_one_account_is_named_with_its_role(told, site: Site) -> None:
    lines = told(site.model_copy(update={"opcua": OpcUaConfig(anonymous="operate")}))

    assert (
        "  accounts: anyone may read, write variables and call methods; operator (Operator)"
        in lines
    )


def test_what_lets_strangers_in_is_warned_of(told, site: Site) -> None:
    opcua = OpcUaConfig(anonymous="operate", trust_any_client=True)

    lines = told(site.model_copy(update={"opcua": opcua}))

    warnings = [line for line in lines if line.startswith("  WARNING:")]
    assert len(warnings) == 2
    assert all(line.endswith("for test rigs only") for line in warnings)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (1.23456789, "1.2346"),
        (float("nan"), "nan"),
        (7, "7"),
        ("x" * 50, "x" * 37 + "..."),
    ],
)
def test_a_value_fits_its_column(value: object, text: str) -> None:
    assert format_value(value) == text
