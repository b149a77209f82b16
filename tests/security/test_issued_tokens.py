"""Issued tokens (JWT): pinned algorithms, keys of one file, and every claim checked (RFC 8725)."""

from __future__ import annotations

import base64
import hmac
import json
import os
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from biogate_security.authenticator import SiteAuthenticator
from biogate_security.issued_tokens import (
    IssuedTokenError,
    IssuedTokens,
    TokenRefusedError,
    TokenRules,
)
from biogate_security.x509_users import UserCertificates

ISSUER, AUDIENCE = "https://login.example", "urn:example:gateway"
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa"})
NOW_S = 1_764_000_000
EPOCH_S = 11_644_473_600


def ticks(seconds):
    return int((seconds + EPOCH_S) * 10_000_000)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("issuer") / "jwks.json"
    write_keys(path, RSA, EC)
    return path


def write_keys(path, *keys, **more):
    entries = [{**key.as_dict(private=False), **more} for key in keys]
    path.write_text(json.dumps({"keys": entries}))
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))


def rules(file, **changes):
    roles = {"plant-operators": ("Operator",), "plant-admins": ("Engineer", "SecurityAdmin")}
    return TokenRules(ISSUER, AUDIENCE, file, roles, **changes)


@pytest.fixture(scope="module")
def tokens(file):
    return IssuedTokens(rules(file), clock=lambda: ticks(NOW_S))


def claims(**changes):
    given = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "olga",
        "roles": ["plant-operators"],
        "iat": NOW_S - 10,
        "exp": NOW_S + 600,
        **changes,
    }
    return {name: value for name, value in given.items() if value is not ...}


def part(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def signed_by_hand(header, sign):
    """A token with any header: the library makes no dangerous ones."""
    head = {name: value for name, value in header.items() if value is not ...}
    data = part(json.dumps(head).encode()) + b"." + part(json.dumps(claims()).encode())
    return data + b"." + part(sign(data))


def sign_rsa(data):
    return RSA.private_key.sign(data, PKCS1v15(), SHA256())


def token(key=RSA, alg="RS256", header=None, **changes):
    head = {"alg": alg, "kid": key.kid, **(header or {})}
    head = {name: value for name, value in head.items() if value is not ...}
    return jwt.encode(head, claims(**changes), key, algorithms=[alg]).encode()


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256")])
def test_a_token_of_the_issuer_gives_user_roles_and_its_end(tokens, key, alg):
    identity = tokens.identity(token(key, alg))
    assert identity.user == "olga"
    assert identity.roles == {"Operator", "AuthenticatedUser"}
    assert identity.authentication == "IssuedToken"
    assert identity.until == ticks(NOW_S + 600 + 60)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": "https://elsewhere.example"}, "issuer"),
        ({"aud": "urn:another:gateway"}, "audience"),
        ({"aud": ...}, "audience"),
        ({"aud": ["urn:another:gateway"]}, "audience"),
        ({"exp": NOW_S - 61}, "expired"),
        ({"exp": ...}, "exp: missing"),
        ({"exp": True}, "exp: missing"),
        ({"exp": "tomorrow"}, "exp: missing"),
        ({"exp": 1e300}, "exp: not a time"),
        ({"iat": ...}, "iat: missing"),
        ({"iat": NOW_S + 120}, "not valid yet"),
        ({"nbf": NOW_S + 120}, "not valid yet"),
        ({"iat": NOW_S - 13 * 3600}, "issued more than"),
        ({"sub": ...}, "no user name"),
        ({"sub": "a\nb"}, "no user name"),
        ({"sub": 5}, "no user name"),
        ({"roles": ...}, "no role of this site"),
        ({"roles": ["someone else"]}, "no role of this site"),
        ({"roles": ["SecurityAdmin"]}, "no role of this site"),
        ({"roles": [{"a": 1}, None]}, "no role of this site"),
    ],
)
def test_a_claim_that_is_wrong_refuses_the_token(tokens, changes, why):
    with pytest.raises(TokenRefusedError, match=why):
        tokens.identity(token(**changes))


def test_clocks_may_differ_by_the_leeway(tokens):
    assert tokens.identity(token(exp=NOW_S - 59, iat=NOW_S - 100))
    assert tokens.identity(token(iat=NOW_S + 59, nbf=NOW_S + 59))


def test_roles_may_be_one_text_and_lie_deeper(file):
    deep = IssuedTokens(rules(file, roles_claim="realm.roles"), clock=lambda: ticks(NOW_S))
    identity = deep.identity(token(realm={"roles": "x plant-operators plant-admins"}))
    assert identity.roles == {"Operator", "Engineer", "SecurityAdmin", "AuthenticatedUser"}


@pytest.mark.parametrize(
    "header",
    [
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/cert"},
        {"jwk": STRANGER.as_dict(private=False)},
        {"x5c": ["MIIB"]},
        {"crit": ["exp"], "exp": 1},
        {"kid": "unknown"},
        {"kid": 7},
        {"kid": ...},
    ],
)
def test_a_header_that_brings_or_leads_to_a_key_is_refused(tokens, header):
    head = {"alg": "RS256", "kid": "rsa"}
    assert tokens.identity(signed_by_hand(head, sign_rsa))
    with pytest.raises(TokenRefusedError):
        tokens.identity(signed_by_hand({**head, **header}, sign_rsa))


def test_a_token_that_another_key_signed_is_refused(tokens):
    with pytest.raises(TokenRefusedError, match="not a token"):
        tokens.identity(token(STRANGER))


def test_the_public_key_is_no_shared_secret(tokens):
    """The oldest trick: an HMAC keyed with the issuer's public key (RFC 8725, 2.1)."""
    public = RSA.as_pem(private=False)
    forged = signed_by_hand(
        {"alg": "HS256", "kid": "rsa"}, lambda data: hmac.digest(public, data, "sha256")
    )
    with pytest.raises(TokenRefusedError):
        tokens.identity(forged)


def test_a_token_without_a_signature_is_refused(tokens):
    head, body = (
        part(json.dumps(each).encode()) for each in ({"alg": "none", "kid": "rsa"}, claims())
    )
    for unsigned in (head + b"." + body + b".", head + b"." + body):
        with pytest.raises(TokenRefusedError):
            tokens.identity(unsigned)


def test_only_pinned_algorithms_are_accepted(file):
    strict = IssuedTokens(rules(file, algorithms=("PS256",)), clock=lambda: ticks(NOW_S))
    assert strict.identity(token(alg="PS256"))
    with pytest.raises(TokenRefusedError):
        strict.identity(token(alg="RS256"))
    with pytest.raises(ValueError, match="no such algorithm: HS256"):
        rules(file, algorithms=("HS256",))


def test_an_endless_token_is_refused_unread(tokens):
    with pytest.raises(TokenRefusedError, match="longer than 4096"):
        tokens.identity(token(filler="x" * 4096))


@settings(max_examples=60)
@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 255))
def test_no_bytes_do_more_than_be_refused(tokens, garbage, place, byte):
    broken = bytearray(token())
    broken[place % len(broken)] = byte
    for attempt in (garbage, bytes(broken)):
        try:
            assert tokens.identity(attempt).user == "olga"  # the byte may be the one that it was
        except TokenRefusedError:
            pass


def test_keys_are_read_again_when_the_file_changes(tmp_path, caplog):
    path = tmp_path / "jwks.json"
    write_keys(path, EC)
    rolling = IssuedTokens(rules(path), clock=lambda: ticks(NOW_S))
    with pytest.raises(TokenRefusedError):
        rolling.identity(token())
    write_keys(path, RSA, EC)
    assert rolling.identity(token())
    path.write_text("{")
    for _ in range(3):
        with pytest.raises(TokenRefusedError):
            rolling.identity(token())
    assert sum("no token is accepted" in record.message for record in caplog.records) == 1
    write_keys(path, RSA)
    assert rolling.identity(token())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a JSON Web Key Set"),
        ("[]", "not a JSON Web Key Set"),
        ('{"keys": []}', "1 to 32 keys"),
        ('{"keys": [{"kty": "oct", "k": "AAAA"}]}', r"keys\[0\]: not an RSA or EC key"),
        ('{"keys": [5]}', r"keys\[0\]: not an RSA or EC key"),
    ],
)
def test_a_file_that_is_no_key_set_says_what_is_wrong(tmp_path, content, message):
    path = tmp_path / "jwks.json"
    path.write_text(content)
    with pytest.raises(IssuedTokenError, match=message) as error:
        IssuedTokens(rules(path))
    assert str(path) in str(error.value)


def test_weak_private_or_other_keys_are_refused(tmp_path):
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [RSA.as_dict(private=True)]}))
    with pytest.raises(IssuedTokenError, match="private key"):
        IssuedTokens(rules(path))
    write_keys(path, ECKey.generate_key("P-384", {"kid": "p384"}))
    with pytest.raises(IssuedTokenError, match="P-256"):
        IssuedTokens(rules(path))
    write_keys(path, RSA, STRANGER)
    with pytest.raises(IssuedTokenError, match="unique"):
        IssuedTokens(rules(path))
    write_keys(path, RSA, use="enc")
    with pytest.raises(IssuedTokenError, match="no key is for signatures"):
        IssuedTokens(rules(path))
    with pytest.raises(IssuedTokenError, match="No such file"):
        IssuedTokens(rules(tmp_path / "missing.json"))


def test_without_the_library_the_extra_is_named(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "joserfc.jwk", None)
    with pytest.raises(IssuedTokenError, match=r"install biogate\[jwt\]"):
        IssuedTokens(rules(file))


def test_a_role_that_cannot_be_assigned_is_refused_at_load(file):
    with pytest.raises(IssuedTokenError, match="no such role: Boss"):
        IssuedTokens(TokenRules(ISSUER, AUDIENCE, file, {"boss": ("Boss",)}))


async def test_a_token_with_the_name_of_an_account_is_refused(users, tokens, tmp_path, caplog):
    """Else records would name one person for what another did."""
    site = SiteAuthenticator(users, UserCertificates(tmp_path / "pki"), tokens)
    assert (await site.authenticate_token(token())).user == "olga"
    await users.add("olga", None, {"Observer"})
    assert await site.authenticate_token(token()) is None
    assert await site.authenticate_token(b"nonsense", "192.0.2.1") is None
    assert caplog.records[-1].message == "login refused: issued token not accepted"


@pytest.mark.parametrize("removed", [False, True])
async def test_so_is_one_that_differs_in_case_or_was_an_accounts(users, tokens, tmp_path, removed):
    site = SiteAuthenticator(users, UserCertificates(tmp_path / "pki"), tokens)
    await users.add("Olga", None, {"Observer"})
    if removed:
        users.remove("Olga")
    assert await site.authenticate_token(token()) is None


async def test_a_site_without_an_issuer_accepts_no_token(users, tmp_path):
    site = SiteAuthenticator(users, UserCertificates(tmp_path / "pki"))
    assert await site.authenticate_token(token()) is None
