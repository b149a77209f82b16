"""Users by certificate and by issued token: who has not the key is nobody (Part 4, 7.40)."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import serialization

from attack.case import Bench, Case, Outcomes, outcome
from attack.client import Session
from attack.secure import Identity, base64url, make_identity, new_key, web_token
from attack.target import ISSUER, ISSUER_KEY, SERVER_URI, USER
from attack.wire import extension, text

_STRANGER = new_key(2048, 3)
INVALID = ("fault BadIdentityTokenInvalid",)
SIGNATURE = ("fault BadUserSignatureInvalid",)
DENIED = ("fault BadUserAccessDenied",)
UNTRUSTED = (
    "fault BadIdentityTokenRejected",
    "fault BadCertificate*",
    "fault BadSecurityChecksFailed",
    *DENIED,
)


# -- certificates ---------------------------------------------------------------------------------


def by_certificate(
    who: Callable[[Bench], Identity] = lambda _: USER,
    sign: Callable[[Session, Identity], bytes] = lambda s, who: s.signature(who.key),
    policy_id: str | None = None,
) -> Callable[[Bench], Outcomes]:
    """ActivateSession with a user's certificate and some signature."""

    def attack(bench: Bench) -> Outcomes:
        with bench.target.channel(source="127.0.0.70") as channel:
            session, identity = channel.create_session(), who(bench)
            policy = session.policy_of(2).PolicyId if policy_id is None else policy_id
            token = extension(327, text(policy) + text(identity.der))
            signature = sign(session, identity)
            return outcome(lambda: session.activate_with(token, user_signature=signature))

    return attack


class _Noise(Identity):
    """An identity whose certificate is none."""

    def __init__(self, other: Identity) -> None:
        object.__setattr__(self, "key", other.key)
        object.__setattr__(self, "certificate", other.certificate)

    @property
    def der(self) -> bytes:
        return b"\x30\x82\x01\x00" + b"x" * 256


def _replayed(bench: Bench) -> Outcomes:
    """The signature of one login for the next one."""
    with bench.target.channel(source="127.0.0.70") as channel:
        session = channel.create_session()
        token = extension(327, text(session.policy_of(2).PolicyId) + text(USER.der))
        signature = session.signature(USER.key)
        session.activate_with(token, user_signature=signature)
        return outcome(lambda: session.activate_with(token, user_signature=signature))


# -- issued tokens --------------------------------------------------------------------------------


def claims(**changes: Any) -> dict[str, Any]:
    """What a right token says."""
    now = int(time.time())
    right = {"iss": ISSUER, "aud": SERVER_URI, "sub": "olga", "roles": ["operators"]}
    return {**right, "iat": now, "exp": now + 300, **changes}


def by_token(
    *make: Callable[[], bytes], nonce: bytes | None = None, algorithm: str | None = None
) -> Callable[[Bench], Outcomes]:
    """ActivateSession with issued tokens, encrypted as a password is."""

    def attack(bench: Bench) -> Outcomes:
        found: list[str] = []
        with bench.target.channel(source="127.0.0.71") as channel:
            for each in make:
                session = channel.create_session()
                secret = session.encrypted(each(), session.nonce if nonce is None else nonce)
                way = session.user_policy()[1].encryption_uri if algorithm is None else algorithm
                body = text(session.policy_of(3).PolicyId) + text(secret) + text(way)
                found += outcome(
                    lambda s=session, b=body: s.activate_with(extension(940, b))  # type: ignore[misc]
                )
        return found

    return attack


def signed(**changes: Any) -> Callable[[], bytes]:
    """A token of the issuer, whatever it says."""
    return lambda: web_token(claims(**changes), ISSUER_KEY)


def _with_public_key_as_secret() -> bytes:
    """The confusion of algorithms: the public key, which all know, as the secret of a MAC."""
    pem = ISSUER_KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    unsigned = web_token(claims(), None, {"alg": "HS256"}).rpartition(b".")[0]
    return unsigned + b"." + base64url(hmac.digest(pem, unsigned, "sha256"))


def _with_key_inside() -> bytes:
    numbers = _STRANGER.public_key().public_numbers()
    key = {
        "kty": "RSA",
        "n": base64url(numbers.n.to_bytes(256, "big")).decode(),
        "e": base64url(numbers.e.to_bytes(3, "big")).decode(),
    }
    return web_token(claims(), _STRANGER, {"jwk": key})


CASES = (
    Case(
        "user-certificate-right",
        "a user's certificate with a right signature logs in",
        "Part 4, 7.40.5",
        by_certificate(),
        ("Good",),
    ),
    Case(
        "user-certificate-unsigned",
        "a certificate alone proves nothing",
        "Part 4, 7.40.5; CWE-347",
        by_certificate(sign=lambda s, who: text(None) * 2),
        SIGNATURE,
    ),
    Case(
        "user-certificate-other-signer",
        "nor with the signature of another key",
        "Part 4, 7.40.5; CWE-347",
        by_certificate(sign=lambda s, who: s.signature(_STRANGER)),
        SIGNATURE,
    ),
    Case(
        "user-certificate-client-signature",
        "the application's signature is none of its user",
        "Part 4, 7.40.5; CWE-347",
        by_certificate(sign=lambda s, who: s.signature()),
        SIGNATURE,
    ),
    Case(
        "user-certificate-old-nonce",
        "the signature is over the last nonce",
        "Part 4, 7.40.5; CWE-294",
        by_certificate(sign=lambda s, who: s.signature(who.key, nonce=b"\0" * 32)),
        SIGNATURE,
    ),
    Case(
        "user-certificate-replayed",
        "and works once",
        "Part 4, 7.40.5; CWE-294",
        _replayed,
        SIGNATURE,
    ),
    Case(
        "user-certificate-stranger",
        "a certificate of the user's name that nobody trusts is a stranger's",
        "Part 4, 6.1.3; CWE-295",
        by_certificate(lambda _: make_identity("certified", uri=None, key=_STRANGER)),
        UNTRUSTED,
    ),
    Case(
        "user-certificate-expired",
        "one that has expired logs nobody in",
        "Part 4, 6.1.3; CWE-298",
        by_certificate(lambda _: make_identity("certified", key=_STRANGER, valid=(-30, -1))),
        UNTRUSTED,
    ),
    Case(
        "user-certificate-of-application",
        "a trusted program is no user",
        "Part 4, 6.1.3; CWE-295",
        by_certificate(lambda bench: bench.target.identity),
        UNTRUSTED,
    ),
    Case(
        "user-certificate-noise",
        "bytes that are no certificate sign nothing",
        "Part 4, 7.40.5",
        by_certificate(lambda bench: _Noise(bench.target.identity)),
        (*SIGNATURE, *INVALID),
    ),
    Case(
        "user-certificate-policy-wrong",
        "a certificate follows a policy of this endpoint",
        "Part 4, 7.40.1",
        by_certificate(policy_id="anything"),
        INVALID,
    ),
    Case(
        "issued-token-right",
        "a token of the issuer logs in",
        "Part 4, 7.40.6",
        by_token(signed()),
        ("Good",),
    ),
    Case(
        "issued-token-unsigned",
        "a token that nobody signed is refused",
        "RFC 8725, 3.1; CWE-347",
        by_token(
            lambda: web_token(claims(), None, {"alg": "none"}),
            lambda: web_token(claims(), None, {"alg": "None"}),
            lambda: web_token(claims(), None),
        ),
        DENIED,
    ),
    Case(
        "issued-token-other-key",
        "so is one that a stranger signed, whatever key it brings",
        "RFC 8725, 3.1; CWE-347",
        by_token(lambda: web_token(claims(), _STRANGER), _with_key_inside),
        DENIED,
    ),
    Case(
        "issued-token-algorithm-confused",
        "a public key is no shared secret",
        "RFC 8725, 3.1; CWE-327",
        by_token(_with_public_key_as_secret),
        DENIED,
    ),
    Case(
        "issued-token-claims-wrong",
        "issuer, audience, times and roles must be right",
        "RFC 8725, 3.8; CWE-863",
        by_token(
            signed(iss="https://elsewhere"),
            signed(aud="urn:another:server"),
            signed(aud=None),
            signed(exp=1),
            signed(exp="soon"),
            signed(nbf=4_000_000_000),
            signed(iat=4_000_000_000),
            signed(roles=["SecurityAdmin"]),
            signed(roles=None),
            signed(sub=""),
            signed(sub=None),
        ),
        DENIED,
    ),
    Case(
        "issued-token-names-an-account",
        "a token takes nobody's name",
        "CWE-290",
        by_token(signed(sub="admin"), signed(sub="operator")),
        DENIED,
    ),
    Case(
        "issued-token-old-nonce",
        "a token that was seen once cannot be sent again",
        "Part 4, 7.40.2.2; CWE-294",
        by_token(signed(), nonce=b"\0" * 32),
        DENIED,
    ),
    Case(
        "issued-token-in-clear",
        "a token that is not encrypted is not looked at",
        "Part 4, 7.40.2; CWE-319",
        by_token(signed(), algorithm=""),
        INVALID,
    ),
    Case(
        "issued-token-long",
        "a token is bounded",
        "CWE-400",
        by_token(signed(filler="x" * 8000)),
        DENIED,
    ),
    Case(
        "issued-token-noise",
        "bytes that are no token are refused as one",
        "Part 4, 7.40.6; CWE-20",
        by_token(lambda: b"", lambda: b"..", lambda: b"\xff" * 50, lambda: b"e30.e30.e30"),
        DENIED,
    ),
)
