"""Certificates, trust lists and tokens from strangers: judged or refused, whatever they hold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attack.secure import make_identity, new_key
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from biogate.opcua.transport.policies import CryptographyError, load_certificate
from biogate_security.issued_tokens import IssuedTokens, TokenRefusedError, TokenRules
from biogate_security.pki import Pki
from biogate_security.status import GOOD

TRUSTED = make_identity("trusted", key=new_key(2048, 9))
AUTHORITY = make_identity("authority", uri=None, authority=True, key=new_key(2048, 8))
ISSUED = make_identity("issued", key=new_key(2048, 9), issuer=AUTHORITY)


@pytest.fixture(scope="module")
def make_pki(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Pki]:
    """Makes folders that trust nobody; they share one key, which takes long to make."""
    own = tmp_path_factory.mktemp("first")
    Pki.open(own, "urn:test:server", ["localhost"])

    def make() -> Pki:
        folder = tmp_path_factory.mktemp("pki")
        shutil.copytree(own, folder, dirs_exist_ok=True)
        return Pki.open(folder, "urn:test:server", ["localhost"])

    return make


@pytest.fixture(scope="module")
def pki(make_pki: Callable[[], Pki]) -> Pki:
    """One that trusts a certificate and an authority."""
    made = make_pki()
    trusted = made.folder / "trusted" / "certs"
    for name, identity in (("client", TRUSTED), ("authority", AUTHORITY)):
        (trusted / f"{name}.der").write_bytes(identity.der)
    return made


def spoilt(draw: st.DrawFn, der: bytes) -> bytes:
    """DER with some bytes other ones, too many or too few."""
    content = bytearray(der)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content) - 1))
        action = draw(st.sampled_from(["byte", "cut", "double"]))
        if action == "byte":
            content[at] = draw(st.integers(0, 255))
        elif action == "cut":
            del content[at : at + draw(st.integers(1, 30))]
            content = content or bytearray(1)
        else:
            content[at:at] = content[at : at + draw(st.integers(1, 30))]
    return bytes(content)


@st.composite
def chains(draw: st.DrawFn) -> bytes:
    """Certificates one behind the other, some of them spoilt."""
    chosen = draw(st.lists(st.sampled_from([TRUSTED, ISSUED, AUTHORITY]), min_size=1, max_size=4))
    parts = [spoilt(draw, one.der) if draw(st.booleans()) else one.der for one in chosen]
    return b"".join(parts)


# Part 4, 6.1.3: only what is byte for byte a trusted certificate, or signed by a trusted authority.
@settings(max_examples=250, deadline=None)
@given(chains())
def test_a_chain_is_trusted_only_if_its_leaf_is(pki: Pki, chain: bytes) -> None:
    if pki.validate(chain) == GOOD:
        assert chain.startswith((TRUSTED.der, ISSUED.der))


@settings(max_examples=250, deadline=None)
@given(st.one_of(chains(), st.binary(max_size=80)))
def test_the_transport_takes_a_chain_apart_or_refuses_it(chain: bytes) -> None:
    try:
        load_certificate(chain)
    except CryptographyError:
        pass


FILES = st.sampled_from(
    [TRUSTED.der, ISSUED.der, AUTHORITY.der, TRUSTED.der[:300], b"", b"\x30" * 1000, b"x" * 70_000]
)
NAMES = st.sampled_from(["a.der", "b.crt", "c.pem", "d", ".hidden.der", "e.txt", "ä.der", "f.crl"])
FOLDERS = st.sampled_from(["trusted/certs", "trusted/crl", "issuer/certs", "issuer/crl"])
KINDS = st.sampled_from(["file", "file", "file", "folder", "link to nothing", "unreadable"])


# A folder is edited by people and copied by scripts: one odd file takes no other with it.
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(FOLDERS, NAMES, KINDS, FILES), max_size=6))
def test_whatever_lies_in_the_folder_a_trusted_certificate_stays_trusted(
    make_pki: Callable[[], Pki], entries: list[tuple[str, str, str, bytes]]
) -> None:
    pki = make_pki()
    (pki.folder / "trusted" / "certs" / "kept.der").write_bytes(TRUSTED.der)
    for folder, name, kind, content in entries:
        _put(pki.folder / folder / name, kind, content)

    assert pki.validate(TRUSTED.der) == GOOD


def _put(path: Path, kind: str, content: bytes) -> None:
    if path.exists() or path.is_symlink():
        return
    if kind == "folder":
        path.mkdir()
    elif kind == "link to nothing":
        path.symlink_to(path.parent / "nothing")
    else:
        path.write_bytes(content)
        if kind == "unreadable":
            path.chmod(0)


# -- issued tokens -------------------------------------------------------------------------------

SIGNER = RSAKey.generate_key(2048, {"kid": "one"})
NOW_S = 1_764_000_000
_EPOCH_S = 11_644_473_600
RIGHT = {
    "iss": "https://login.example",
    "aud": "urn:test:server",
    "sub": "olga",
    "roles": ["operators"],
    "iat": NOW_S,
    "exp": NOW_S + 600,
}
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> IssuedTokens:
    file = tmp_path_factory.mktemp("issuer") / "jwks.json"
    file.write_text(json.dumps({"keys": [SIGNER.as_dict(private=False)]}))
    rules = TokenRules(RIGHT["iss"], RIGHT["aud"], file, {"operators": ("Operator",)})
    return IssuedTokens(rules, clock=lambda: (NOW_S + _EPOCH_S) * 10_000_000)


# RFC 8725: rightly signed, with any claims at all; nobody gets a role that was not mapped.
@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*RIGHT, "nbf", "jti"]), VALUES, max_size=4))
def test_claims_of_any_shape_give_the_mapped_roles_or_nothing(
    tokens: IssuedTokens, changes: dict[str, Any]
) -> None:
    claims = {**RIGHT, **changes}
    try:
        token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, SIGNER, algorithms=["RS256"])
    except (ValueError, TypeError):
        return  # the library makes no such token
    try:
        identity = tokens.identity(token.encode())
    except TokenRefusedError:
        return

    assert claims["iss"] == RIGHT["iss"]
    assert identity.user == claims["sub"]
    assert set(identity.roles) <= {"Operator", "AuthenticatedUser"}


# CWE-347: whoever signs, with whatever key, is not the issuer.
@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["HS256", "HS512"]), st.binary(min_size=1, max_size=40))
def test_a_token_signed_with_a_shared_secret_is_refused(
    tokens: IssuedTokens, algorithm: str, secret: bytes
) -> None:
    key = OctKey.import_key(secret.ljust(64, b"x"))
    token = jwt.encode({"alg": algorithm, "kid": "one"}, RIGHT, key, algorithms=[algorithm])

    with pytest.raises(TokenRefusedError):
        tokens.identity(token.encode())


def test_unspoilt_the_certificate_and_the_token_are_accepted(
    pki: Pki, tokens: IssuedTokens
) -> None:
    assert pki.validate(TRUSTED.der) == GOOD
    token = jwt.encode({"alg": "RS256", "kid": "one"}, RIGHT, SIGNER, algorithms=["RS256"])
    assert tokens.identity(token.encode()).user == "olga"
