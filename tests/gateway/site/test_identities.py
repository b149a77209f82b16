"""Users' certificates and token issuers in the site file."""

from __future__ import annotations

from pathlib import Path

import pytest

from biogate.accounts import issued_tokens, issuer_endpoint, user_tokens, wanted_accounts
from biogate.site import SiteError, load_site
from biogate.storage import Storage
from biogate_security.issued_tokens import IssuedTokenError
from biogate_security.password_demands import PasswordDemands
from biogate_security.passwords import PasswordError
from biogate_security.users import UserStore

HEAD = """
biogate: 1
enterprise: E
site: S
area: A
process_cell: C
nodes:
  rig:
    namespace: urn:rig
    objects: {Rig: {variables: {Level: {type: Double, value: 1}}}}
"""
USERS = """
users:
  olga: {roles: [Operator], certificate: "AB:CD %s"}
  ada: {roles: [Engineer]}
"""
TOKENS = """
opcua:
  issued_tokens:
    issuer: https://login.example
    jwks_file: keys.json
    roles: {plant: [Operator]}
"""
THUMBPRINT = "abcd" + "0" * 60


def parsed(tmp_path: Path, text: str):
    file = tmp_path / "site.yaml"
    file.write_text(HEAD + text)
    return load_site(file)


def problems(tmp_path: Path, text: str) -> str:
    with pytest.raises(SiteError) as caught:
        parsed(tmp_path, text)
    return str(caught.value)


def test_a_thumbprint_may_be_written_with_separators(tmp_path: Path) -> None:
    site = parsed(tmp_path, USERS % ("0" * 60))
    assert site.accounts["olga"].certificate == THUMBPRINT
    users = UserStore(tmp_path / "users.json")
    olga, ada = wanted_accounts(site, users, {})
    assert (olga.certificates, ada.certificates) == ((THUMBPRINT,), ())
    assert user_tokens(site, users) == {"user_certificates": True, "issued_tokens": None}


@pytest.mark.parametrize("rest", ["", "0" * 10, "x" * 60])
def test_what_is_no_thumbprint_is_told_with_its_place(tmp_path: Path, rest: str) -> None:
    text = problems(tmp_path, USERS % rest)
    assert "site.yaml:13" in text
    assert "a thumbprint is 40 (SHA-1) or 64 (SHA-256) hexadecimal digits" in text


def test_two_users_cannot_have_one_certificate(tmp_path: Path) -> None:
    one = f'{{roles: [Operator], certificate: "{THUMBPRINT}"}}'
    text = problems(tmp_path, f"\nusers:\n  olga: {one}\n  ada: {one}\n")
    assert "the certificate of ada is that of olga already" in text


def test_a_site_without_certificates_and_issuer_offers_neither(tmp_path: Path) -> None:
    users = UserStore(tmp_path / "users.json")
    assert user_tokens(parsed(tmp_path, ""), users) == {
        "user_certificates": False,
        "issued_tokens": None,
    }
    by_name = parsed(tmp_path, "\nopcua: {user_certificates: common_name}\n")
    assert user_tokens(by_name, users)["user_certificates"]


async def test_an_account_that_an_administrator_gave_a_certificate_makes_it_an_offer(
    tmp_path: Path,
) -> None:
    users = UserStore(tmp_path / "users.json")
    await users.add("eva", None, {"Operator"}, certificates=(THUMBPRINT,))
    assert user_tokens(parsed(tmp_path, ""), users)["user_certificates"]


def test_the_keys_of_an_issuer_lie_beside_the_site_file(tmp_path: Path) -> None:
    text = problems(tmp_path, TOKENS)
    assert f"there is no file {tmp_path / 'keys.json'}" in text
    (tmp_path / "keys.json").write_text("{")
    site = parsed(tmp_path, TOKENS)
    with pytest.raises(IssuedTokenError, match="not a JSON Web Key Set"):
        issued_tokens(site)
    tokens = site.opcua.issued_tokens
    assert tokens is not None
    assert '"ua:resourceId": "urn:biogate:e:s:gateway"' in issuer_endpoint(site, tokens)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("algorithms", "[HS256]", "HS256"),
        ("roles", "{plant: [Boss]}", "Boss"),
        ("leeway_s", "4000", "leeway_s"),
        ("keys_url", "https://x", "unknown key keys_url"),
    ],
)
def test_an_issuer_that_is_wrong_is_told(
    tmp_path: Path, key: str, value: str, message: str
) -> None:
    (tmp_path / "keys.json").write_text("{}")
    lines = [line for line in TOKENS.splitlines() if not line.strip().startswith(f"{key}:")]
    text = problems(tmp_path, "\n".join([*lines, f"    {key}: {value}", ""]))
    assert message in text


async def test_a_site_may_ask_for_longer_passwords_and_not_for_shorter_ones(
    tmp_path: Path,
) -> None:
    site = parsed(tmp_path, "\npasswords: {minimum_length: 16}\n")
    storage = await Storage.open(tmp_path / "data", site, auto_trust=False)
    assert storage.accounts.password_rules.minimum_length == 16
    with pytest.raises(PasswordError, match="at least 16 characters"):
        storage.users.check_password("fifteen letters")
    await storage.close()
    assert "minimum_length" in problems(tmp_path, "\npasswords: {minimum_length: 8}\n")
    assert "unknown key min" in problems(tmp_path, "\npasswords: {min: 18}\n")


async def test_a_site_asks_for_kinds_of_characters_and_says_how_often_somebody_may_fail(
    tmp_path: Path,
) -> None:
    rules = "{require: [upper, digit], attempts: 2, longest_wait_s: 60}"
    site = parsed(tmp_path, f"\npasswords: {rules}\n")
    storage = await Storage.open(tmp_path / "data", site, auto_trust=False)
    with pytest.raises(PasswordError, match="an upper-case letter, a digit"):
        storage.users.check_password("no such thing here")
    for _ in range(3):
        assert await storage.users.authenticate("operator", "wrong", "192.0.2.1") is None
    refused = dict(storage.users.counters)
    assert await storage.users.authenticate("operator", "wrong", "192.0.2.1") is None
    await storage.close()
    assert refused == {"wrong_user_name_or_password": 3}
    assert storage.users.counters["locked_out"] == 1
    assert PasswordDemands.of(tmp_path / "data") == site.passwords.demands


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("{require: [runes]}", "require"),
        ("{require: [upper, upper]}", "upper"),
        ("{attempts: 0}", "attempts"),
        ("{attempts: 11}", "attempts"),
        ("{longest_wait_s: 29}", "longest_wait_s"),
        ("{longest_wait_s: 3601}", "longest_wait_s"),
    ],
)
def test_rules_that_lock_nobody_or_everybody_are_mistakes(
    tmp_path: Path, rules: str, said: str
) -> None:
    assert said in problems(tmp_path, f"\npasswords: {rules}\n")


def test_who_users_are_does_not_differ_by_zone(tmp_path: Path) -> None:
    zone = """
zones:
  cell:
    sections: [rig]
    opcua: {user_certificates: common_name}
"""
    assert "user_certificates is for the whole site" in problems(tmp_path, zone)
