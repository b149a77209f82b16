"""Who logs in: secrets, nonces, tokens, guesses (Part 4, 5.7.3 and 7.40)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from attack.case import Bench, Case, Outcomes, outcome
from attack.client import Session
from attack.secure import RSA_15, new_key
from attack.target import PASSWORDS
from attack.wire import extension, node, text, u8, u32

ATTACKER = "127.0.0.66"
"""Where guesses come from, so that their source is locked and not the other clients'."""

INVALID = ("fault BadIdentityTokenInvalid",)
REJECTED = ("fault BadIdentityTokenRejected",)
DENIED = ("fault BadUserAccessDenied",)


def login(make: Callable[[Session], bytes], **options: Any) -> Callable[[Bench], Outcomes]:
    """ActivateSession with an identity token."""

    def attack(bench: Bench) -> Outcomes:
        with bench.target.channel(source=ATTACKER, **options) as channel:
            session = channel.create_session()
            return outcome(lambda: session.activate_with(make(session)))

    return attack


def named(
    user: str | bytes | None = "victim", password: str | bytes = PASSWORDS["victim"], **wrong: Any
) -> Callable[[Session], bytes]:
    """A user name token, wrong in some way."""
    return lambda session: session.user_token(user, password, **wrong)


def _replay(bench: Bench) -> Outcomes:
    """A secret that was right once, sent again with a later nonce, and on another session."""
    with bench.target.channel(source=ATTACKER) as channel:
        first = channel.create_session()
        token = first.user_token("victim", PASSWORDS["victim"])
        first.activate_with(token)
        second = channel.create_session()
        return [
            *outcome(lambda: first.activate_with(token)),
            *outcome(lambda: second.activate_with(token)),
        ]


def _client_signature(make: Callable[[Session], bytes | None]) -> Callable[[Bench], Outcomes]:
    def attack(bench: Bench) -> Outcomes:
        with bench.target.channel(source=ATTACKER) as channel:
            session = channel.create_session()
            return outcome(lambda: session.activate(signature=make(session)))

    return attack


def _replayed_signature(bench: Bench) -> Outcomes:
    """The signature of the first activation for a second one: the nonce has changed."""
    with bench.target.channel(source=ATTACKER) as channel:
        session = channel.create_session()
        signature = session.signature()
        session.activate(signature=signature)
        return outcome(lambda: session.activate(signature=signature))


def _nonces(bench: Bench) -> Outcomes:
    """Each activation brings a nonce that was never there."""
    with bench.target.channel(source=ATTACKER) as channel:
        session = channel.create_session()
        seen = {bytes(session.nonce)}
        for _ in range(bench.many(20)):
            session.activate()
            seen.add(bytes(session.nonce))
        enough = len(seen) == bench.many(20) + 1 and min(map(len, seen)) >= 32
        return "Good" if enough else f"{len(seen)} nonces"


def _guesses(users: Callable[[int], str], number: int, source: str) -> Callable[[Bench], Outcomes]:
    """Wrong passwords, one after the other."""

    def attack(bench: Bench) -> Outcomes:
        found: list[str] = []
        with bench.target.channel(source=source) as channel:
            for guess in range(bench.many(number)):
                session = channel.create_session()
                found += outcome(
                    lambda s=session, g=guess: s.activate(users(g), f"guess-{g}-12345")
                )
        return found

    return attack


def _locked(bench: Bench) -> Outcomes:
    """After many guesses the right password does not help for a while, from there."""
    _guesses(lambda _: "victim", 25, "127.0.0.67")(Bench(bench.target))
    with bench.target.channel(source="127.0.0.67") as channel:
        return outcome(lambda: channel.create_session().activate("victim", PASSWORDS["victim"]))


def _others_not_locked(bench: Bench) -> Outcomes:
    """A source that is locked out locks out nobody else."""
    _guesses(lambda guess: f"nobody{guess}", 40, "127.0.0.68")(bench)
    return bench.served("operator")


def _enumeration(bench: Bench) -> Outcomes:
    """Unknown, disabled, and known with a wrong password: one code."""
    found: list[str] = []
    for number, user in enumerate(("nobody at all", "gone", "observer", "", "admin")):
        with bench.target.channel(source=f"127.0.0.{90 + number}") as channel:
            found += outcome(
                lambda u=user, c=channel: c.create_session().activate(u, "wrong password 1")
            )
    return found


def _timing(bench: Bench) -> Outcomes:
    """An unknown user takes as long as a known one: within a factor of two, at the least."""
    best = {}
    for number, user in enumerate(("observer", "nobody")):
        with bench.target.channel(source=f"127.0.0.{100 + number}") as channel:
            times = []
            for _ in range(3):
                session = channel.create_session()
                token = session.user_token(user, "wrong password 1")
                started = time.monotonic()
                outcome(lambda s=session, t=token: s.activate_with(t))
                times.append(time.monotonic() - started)
            best[user] = min(times)
    ratio = best["observer"] / best["nobody"]
    return "Good" if 0.3 < ratio < 3 else f"a known user takes {ratio:.1f} times as long"


def _disabled(bench: Bench) -> Outcomes:
    return login(named("gone", PASSWORDS["gone"]))(bench)


def _flood(bench: Bench) -> Outcomes:
    """Passwords to be hashed, all at once, on many sessions: others are served meanwhile."""
    found: list[str] = []
    with bench.target.channel(source="127.0.0.69") as channel:
        for _ in range(bench.many(10)):
            sessions = [channel.create_session() for _ in range(4)]
            for session in sessions:
                channel.say(
                    session.activate_body(session.user_token("victim", secrets.token_hex(8)))
                )
            for _ in sessions:
                _, response = channel.hear()
                found.append("refused" if response.ResponseHeader.ServiceResult.value else "let in")
    return found


def _upgrade(bench: Bench) -> Outcomes:
    """A session without a user writes nothing, whatever its requests look like."""
    from attack.cases.writes import write

    with bench.target.channel() as channel:
        session = channel.login()
        found = write(session, bench.target.node("Int32"), 6, b"\1\0\0\0")
        found += outcome(lambda: session.activate("operator", "wrong password 1"))
        return [*found, *write(session, bench.target.node("Int32"), 6, b"\1\0\0\0")]


CASES = (
    Case(
        "password-right",
        "the right password logs in (without it the other cases prove nothing)",
        "Part 4, 5.7.3",
        login(named("observer", PASSWORDS["observer"])),
        ("Good",),
    ),
    Case(
        "password-in-clear",
        "a password that is not encrypted is not looked at",
        "Part 4, 7.40.2; CWE-319",
        login(named(secret=PASSWORDS["victim"].encode(), algorithm="")),
        INVALID,
    ),
    Case(
        "password-rsa-15",
        "RSA with PKCS #1 v1.5 is not decrypted",
        "Part 4, 7.40.2; CWE-780",
        login(named(algorithm=RSA_15)),
        INVALID,
    ),
    Case(
        "password-other-algorithm",
        "a secret is encrypted as its policy says",
        "Part 4, 7.40.2",
        login(named(algorithm="http://opcfoundation.org/UA/security/rsa-oaep-sha2-256")),
        INVALID,
    ),
    Case(
        "password-no-algorithm",
        "the algorithm is named",
        "Part 4, 7.40.2",
        login(named(algorithm="")),
        INVALID,
    ),
    Case(
        "policy-id-wrong",
        "a token follows a policy of this endpoint",
        "Part 4, 7.40.1",
        login(named(policy_id="anything")),
        INVALID,
    ),
    Case(
        "policy-id-of-another-type",
        "a PolicyId of another token type is wrong",
        "Part 4, 7.40.1",
        login(
            lambda s: s.user_token("victim", PASSWORDS["victim"], policy_id=s.policy_of(0).PolicyId)
        ),
        INVALID,
    ),
    Case(
        "policy-id-anonymous-wrong",
        "so it is for anonymous users",
        "Part 4, 7.40.1",
        login(lambda s: extension(321, text("anything"))),
        INVALID,
    ),
    Case(
        "password-old-nonce",
        "a secret holds the server's last nonce",
        "Part 4, 7.40.2.2; CWE-294",
        login(named(nonce=b"\0" * 32)),
        DENIED,
    ),
    Case(
        "password-without-nonce",
        "a secret without a nonce is refused",
        "Part 4, 7.40.2.2; CWE-294",
        login(named(nonce=b"")),
        DENIED,
    ),
    Case(
        "password-replayed",
        "a secret works once, and for one session",
        "Part 4, 7.40.2.2; CWE-294",
        _replay,
        DENIED,
    ),
    Case(
        "password-empty",
        "an empty password is no password",
        "CWE-258",
        login(named(password="")),
        DENIED,
    ),
    Case(
        "password-long",
        "a password of more than a kilobyte is not decrypted",
        "Part 4, 7.40.2; CWE-400",
        login(named(password="x" * 10_000)),
        DENIED,
    ),
    Case(
        "password-not-utf8",
        "a password is UTF-8",
        "Part 4, 7.40.2",
        login(named(password=b"\xff\xfe\xfd" * 5)),
        DENIED,
    ),
    Case(
        "password-noise",
        "ciphertext that is noise is answered as a wrong password is",
        "Part 4, 7.40.2; CWE-203",
        login(lambda s: s.user_token("victim", "", secret=secrets.token_bytes(256))),
        DENIED,
    ),
    Case(
        "password-ciphertext-cut",
        "so is ciphertext of half a block",
        "Part 4, 7.40.2; CWE-203",
        login(lambda s: s.user_token("victim", "", secret=b"x" * 100)),
        DENIED,
    ),
    Case(
        "password-length-lies",
        "a secret's length is what is there",
        "Part 4, 7.40.2.2; CWE-1284",
        login(
            lambda s: s.user_token(
                "victim",
                "",
                secret=s.user_policy()[1].encrypt(
                    s.channel.server.public_key(), u32(0xFFFF_FFFF) + b"x" * 40
                ),
            )
        ),
        DENIED,
    ),
    Case(
        "user-name-missing", "no user name is no user", "Part 4, 7.40.3", login(named(None)), DENIED
    ),
    Case(
        "user-name-long",
        "a user name is bounded",
        "CWE-770",
        login(named("u" * 60_000)),
        (
            "fault BadEncodingLimitsExceeded",
            "fault BadRequestTooLarge",
            "ERR BadTcpMessageTooLarge",
            *DENIED,
        ),
    ),
    Case(
        "user-name-with-line-breaks",
        "a user name forges no log line",
        "CWE-117",
        login(named("x\n    Traceback (most recent call last):\r\n\x1b[2J", "wrong password 1")),
        DENIED,
    ),
    Case("user-disabled", "an account that is shut is shut", "CWE-284", _disabled, DENIED),
    Case(
        "user-enumeration",
        "unknown, shut or wrong password: one answer",
        "Part 4, 5.7.3; CWE-204",
        _enumeration,
        DENIED,
        waits_s=1,
    ),
    Case("user-timing", "an unknown user takes as long", "CWE-208", _timing, ("Good",), waits_s=2),
    Case(
        "password-guessing",
        "guesses are refused, all alike",
        "IEC 62443-4-2 CR 1.11; CWE-307",
        _guesses(lambda _: "victim", 25, "127.0.0.65"),
        DENIED,
    ),
    Case(
        "password-lock-out",
        "after many guesses the right one is refused as well",
        "IEC 62443-4-2 CR 1.11; CWE-307",
        _locked,
        DENIED,
        waits_s=4,
    ),
    Case(
        "password-spraying",
        "one guess for each of many users locks its source, and nobody else",
        "IEC 62443-4-2 CR 1.11; CWE-307",
        _others_not_locked,
        ("Good",),
    ),
    Case(
        "password-flood",
        "hashing passwords leaves time for others",
        "CWE-400",
        _flood,
        ("refused",),
    ),
    Case(
        "anonymous-upgrade",
        "a session without a user stays one until a login succeeds",
        "Part 4, 5.7.3; CWE-269",
        _upgrade,
        ("result BadUserAccessDenied", *DENIED),
    ),
    Case(
        "token-of-other-type",
        "a structure that is no identity token is refused",
        "Part 4, 7.40",
        login(lambda s: extension(14846, b"\0\0" + text("k") + b"\0")),
        (*INVALID, *REJECTED),
    ),
    Case(
        "token-type-unknown",
        "a token of an unknown type is refused",
        "Part 4, 7.40",
        login(lambda s: extension(999_999, b"x" * 50)),
        (*INVALID, *REJECTED),
    ),
    Case(
        "token-xml",
        "a token in XML is refused",
        "Part 4, 7.40",
        login(lambda s: node(323) + u8(2) + text("<x/>")),
        (*INVALID, *REJECTED),
    ),
    Case(
        "signature-missing",
        "ActivateSession is signed by the client",
        "Part 4, 5.7.3; CWE-347",
        _client_signature(lambda s: text(None) * 2),
        ("fault BadApplicationSignatureInvalid",),
    ),
    Case(
        "signature-of-another",
        "by the key of the channel's certificate",
        "Part 4, 5.7.3; CWE-347",
        _client_signature(lambda s: s.signature(new_key(2048, 3))),
        ("fault BadApplicationSignatureInvalid",),
    ),
    Case(
        "signature-of-old-nonce",
        "over the last nonce",
        "Part 4, 5.7.3; CWE-294",
        _client_signature(lambda s: s.signature(nonce=b"\0" * 32)),
        ("fault BadApplicationSignatureInvalid",),
    ),
    Case(
        "signature-other-algorithm",
        "with the algorithm of the policy",
        "Part 4, 7.36; CWE-757",
        _client_signature(
            lambda s: (
                text("http://www.w3.org/2000/09/xmldsig#rsa-sha1")
                + s.signature()[4 + len(s.channel.policy.signature_uri) :]
            )
        ),
        ("fault BadApplicationSignatureInvalid",),
    ),
    Case(
        "signature-replayed",
        "a signature works once",
        "Part 4, 5.7.3; CWE-294",
        _replayed_signature,
        ("fault BadApplicationSignatureInvalid",),
    ),
    Case(
        "nonces-fresh",
        "each activation brings a new nonce of 32 bytes or more",
        "Part 4, 5.7.3; CWE-323",
        _nonces,
        ("Good",),
    ),
)
