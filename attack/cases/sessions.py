"""Sessions: their tokens, their channels, their number (Part 4, 5.7)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from asyncua.ua import ua_binary

from attack.case import Bench, Case, Outcomes, in_session, outcome
from attack.client import CURRENT_TIME, Channel, Session, create_session_body
from attack.secure import make_identity, new_key
from attack.target import PASSWORDS
from attack.wire import NULL_NODE, array, f64, node, read_id, request, text, u32

_READ = f64(0) + u32(2) + array([read_id(CURRENT_TIME)])
UNKNOWN = ("fault BadSessionIdInvalid",)
ELSEWHERE = ("fault BadSecureChannelIdInvalid", *UNKNOWN)
_CHECKS = ("fault BadSecurityChecksFailed",)


def _with_token(*tokens: bytes) -> Callable[[Bench], Outcomes]:
    """A Read with authentication tokens that nobody was given."""

    def attack(bench: Bench) -> Outcomes:
        with bench.target.channel() as channel:
            return [
                o
                for t in tokens
                for o in outcome(lambda t=t: channel.ask(request("ReadRequest", _READ, t)))
            ]

    return attack


def _own_id(bench: Bench) -> Outcomes:
    """The public SessionId in place of the secret."""
    session = bench.target.session()
    with session.channel as channel:
        public = ua_binary.nodeid_to_binary(session.id)
        if public == session.secret:
            return "the SessionId is the secret"
        return outcome(lambda: channel.ask(request("ReadRequest", _READ, public)))


def _not_activated(message: str, parameters: bytes) -> Callable[[Bench], Outcomes]:
    def attack(bench: Bench) -> Outcomes:
        with bench.target.channel() as channel:
            session = channel.create_session()
            first = outcome(lambda: session.ask(message, parameters))
            return [*first, *outcome(session.activate)]

    return attack


def _stolen(
    use: Callable[[Session, Channel], Any], identity: Any = None
) -> Callable[[Bench], Outcomes]:
    """A session's token on another channel; afterwards the session must be as it was."""

    def attack(bench: Bench) -> Outcomes:
        owner = bench.target.session("operator")
        with owner.channel, bench.target.channel(identity=identity) as other:
            found = outcome(lambda: use(owner, other))
            alive = outcome(lambda: owner.ask("ReadRequest", _READ))
            return found if alive == ["Good"] else [*found, f"the owner: {alive[0]}"]

    return attack


def _read_there(owner: Session, other: Channel) -> Any:
    return other.ask(owner.body("ReadRequest", _READ))


def _close_there(owner: Session, other: Channel) -> Any:
    return other.ask(owner.body("CloseSessionRequest", b"\1"))


def _activate_there(owner: Session, other: Channel, user: str | None = None) -> Any:
    mine, owner.channel = owner.channel, other
    try:
        owner.activate(user, PASSWORDS.get(user or "", ""))
    finally:
        owner.channel = mine


def _move(policy: str, mode: int, user: str | None) -> Callable[[Bench], Outcomes]:
    """A session moved to a channel of other security, or for another user."""

    def attack(bench: Bench) -> Outcomes:
        owner = bench.target.session("operator")
        with owner.channel, bench.target.channel(policy, mode) as other:
            return outcome(lambda: _activate_there(owner, other, user))

    return attack


def _first_elsewhere(bench: Bench) -> Outcomes:
    """Fixation: who creates a session activates it, on the same channel."""
    with bench.target.channel() as one, bench.target.channel() as other:
        session = one.create_session()
        return outcome(lambda: _activate_there(session, other))


def _after_close(bench: Bench) -> Outcomes:
    session = bench.target.session("operator")
    with session.channel:
        session.ask("CloseSessionRequest", b"\1")
        return [
            *outcome(lambda: session.ask("ReadRequest", _READ)),
            *outcome(lambda: session.activate("operator", PASSWORDS["operator"])),
            *outcome(lambda: session.ask("CloseSessionRequest", b"\1")),
        ]


def _after_disconnect(bench: Bench) -> Outcomes:
    """The secret of a session whose connection is gone opens nothing on a stranger's channel."""
    session = bench.target.session("operator")
    session.channel.close()
    with bench.target.channel() as other:
        return outcome(lambda: _read_there(session, other))


def _tokens(bench: Bench) -> Outcomes:
    """Secrets are long, random, and have nothing to do with each other."""
    with bench.target.channel() as channel:
        made = [channel.create_session() for _ in range(5)]
    secret = {bytes(s.secret[3:]) for s in made}
    prefix = {s.secret[7:15] for s in made}
    right = len(secret) == len(prefix) == 5 and min(len(s.secret) for s in made) >= 32 + 7
    return "Good" if right else "the secrets are short or alike"


def _flood(number: int, activate: bool) -> Callable[[Bench], Outcomes]:
    """Sessions without end, on a few channels."""

    def attack(bench: Bench) -> Outcomes:
        found: list[str] = []
        channels = [bench.target.channel(source="127.0.0.79") for _ in range(4)]
        try:
            for count in range(bench.many(number)):
                channel = channels[count % 4]
                found += outcome(channel.login if activate else channel.create_session)
            bench.target.session().channel.close()
        finally:
            for channel in channels:
                channel.close()
        return found

    return attack


def _across_channels(bench: Bench) -> Outcomes:
    """A session on each of many channels, never activated: the oldest make room."""
    channels = []
    try:
        for _ in range(bench.many(120)):
            channel = bench.target.channel(source="127.0.0.80")
            channels.append(channel)
            channel.create_session()
        return bench.served("operator")
    finally:
        for channel in channels:
            channel.close()


def _created(**wrong: Any) -> Callable[[Bench], Outcomes]:
    """CreateSession that does not fit its channel."""

    def attack(bench: Bench) -> Outcomes:
        with bench.target.channel() as channel:
            return outcome(lambda: channel.ask(create_session_body(channel, **wrong)))

    return attack


def _timeout(*asked: float) -> Callable[[Bench], Outcomes]:
    def attack(bench: Bench) -> Outcomes:
        found: list[str] = []
        with bench.target.channel() as channel:
            for timeout_ms in asked:
                response = channel.ask(create_session_body(channel, timeout_ms=timeout_ms))
                revised = response.Parameters.RevisedSessionTimeout
                within = 1000 <= revised <= 3_600_000
                found.append("Good" if within else f"{timeout_ms} was revised to {revised}")
        return found

    return attack


def _expires(bench: Bench) -> Outcomes:
    """A session that says nothing ends."""
    with bench.target.channel(timeout_s=20) as channel:
        session = channel.create_session(timeout_ms=1.0)
        session.activate()
        time.sleep(11.5)
        return outcome(lambda: session.ask("ReadRequest", _READ))


def _server_uri(bench: Bench) -> Outcomes:
    with bench.target.channel() as channel:
        body = create_session_body(channel)
        url = text("opc.tcp://127.0.0.1")
        return outcome(
            lambda: channel.ask(body.replace(text(None) + url, text("urn:other") + url, 1))
        )


_STRANGER = make_identity("somebody else", key=new_key(2048, 4))

CASES = (
    Case(
        "token-guessed",
        "a token that nobody was given names no session",
        "Part 4, 5.7.2; CWE-340",
        _with_token(
            node(1), node(1001), node(secrets.token_bytes(32)), node(b""), node("x"), node(1, 1)
        ),
        UNKNOWN,
    ),
    Case(
        "token-null",
        "without a token there is no session",
        "Part 4, 7.33; CWE-306",
        _with_token(NULL_NODE),
        UNKNOWN,
    ),
    Case(
        "token-session-id",
        "the public SessionId is not the secret",
        "Part 4, 5.7.2; CWE-522",
        _own_id,
        UNKNOWN,
    ),
    Case(
        "tokens-random",
        "secrets are random, of 32 bytes or more",
        "Part 4, 5.7.2; CWE-330",
        _tokens,
        ("Good",),
    ),
    Case(
        "not-activated-read",
        "before activation nothing is read, and the session ends",
        "Part 4, 5.7.2; CWE-306",
        _not_activated("ReadRequest", _READ),
        ("fault BadSessionNotActivated", *UNKNOWN),
    ),
    Case(
        "not-activated-subscribe",
        "before activation nothing is subscribed to",
        "Part 4, 5.7.2; CWE-306",
        _not_activated("CreateSubscriptionRequest", f64(100) + u32(10) + u32(5) + u32(0) + b"\1\0"),
        ("fault BadSessionNotActivated", *UNKNOWN),
    ),
    Case(
        "not-activated-call",
        "before activation nothing is called",
        "Part 4, 5.7.2; CWE-306",
        _not_activated("CallRequest", array([])),
        ("fault BadSessionNotActivated", *UNKNOWN),
    ),
    Case(
        "foreign-token-read",
        "a session's token is worthless on another channel",
        "Part 4, 5.7.1; CWE-384",
        _stolen(_read_there),
        ELSEWHERE,
    ),
    Case(
        "foreign-token-other-client",
        "and on one of another client",
        "Part 4, 5.7.1; CWE-384",
        _after_disconnect,
        ELSEWHERE,
    ),
    Case(
        "foreign-token-close",
        "nobody closes another channel's session",
        "Part 4, 5.7.4; CWE-639",
        _stolen(_close_there),
        ELSEWHERE,
    ),
    Case(
        "foreign-token-no-user",
        "a session is not taken over without its user's secret",
        "Part 4, 5.7.3; CWE-384",
        _stolen(_activate_there),
        ("fault BadIdentityChangeNotSupported",),
    ),
    Case(
        "foreign-token-other-user",
        "nor by another user",
        "Part 4, 5.7.3; CWE-384",
        _move("Basic256Sha256", 3, "observer"),
        ("fault BadIdentityChangeNotSupported",),
    ),
    Case(
        "move-to-less-security",
        "a session moves to no channel of less security",
        "Part 4, 5.7.3; CWE-757",
        _move("Basic256Sha256", 2, "operator"),
        ("fault BadSecureChannelIdInvalid", "fault BadSecurityModeInsufficient"),
    ),
    Case(
        "move-to-other-policy",
        "nor to one of another policy",
        "Part 4, 5.7.3",
        _move("Aes128_Sha256_RsaOaep", 3, "operator"),
        ("fault BadSecureChannelIdInvalid",),
    ),
    Case(
        "activate-elsewhere-first",
        "a session is activated first where it was created",
        "Part 4, 5.7.3; CWE-384",
        _first_elsewhere,
        ("fault BadSecureChannelIdInvalid",),
    ),
    Case(
        "after-close",
        "a closed session is gone for everything",
        "Part 4, 5.7.4; CWE-613",
        _after_close,
        UNKNOWN,
    ),
    Case(
        "create-other-certificate",
        "the certificate of CreateSession is the channel's",
        "Part 4, 5.7.2; CWE-295",
        _created(certificate=_STRANGER.der),
        _CHECKS,
    ),
    Case(
        "create-no-certificate",
        "it must be there",
        "Part 4, 5.7.2; CWE-295",
        _created(certificate=b""),
        _CHECKS,
    ),
    Case(
        "create-certificate-noise",
        "and be one",
        "Part 4, 5.7.2",
        _created(certificate=b"\x30\x82" + b"x" * 3000),
        _CHECKS,
    ),
    Case(
        "create-other-uri",
        "an application says the URI of its certificate",
        "Part 4, 5.7.2; CWE-290",
        _created(uri="urn:battery:attack:server"),
        ("fault BadCertificateUriInvalid",),
    ),
    Case(
        "create-nonce-short",
        "a client nonce has 32 bytes or more",
        "Part 4, 5.7.2; CWE-331",
        _created(nonce=b"x" * 31),
        ("fault BadNonceInvalid",),
    ),
    Case(
        "create-nonce-empty",
        "and is there",
        "Part 4, 5.7.2; CWE-331",
        _created(nonce=b""),
        ("fault BadNonceInvalid",),
    ),
    Case(
        "timeout-extreme",
        "session timeouts are revised into bounds",
        "Part 4, 5.7.2; CWE-613",
        _timeout(0.0, -1.0, 1e300, float("inf"), float("nan"), 1e-9),
        ("Good",),
    ),
    Case(
        "session-expires",
        "a session that says nothing ends",
        "Part 4, 5.7.2; CWE-613",
        _expires,
        UNKNOWN,
        waits_s=12,
    ),
    Case(
        "session-flood",
        "sessions never activated make room, and hold nobody up",
        "Part 4, 5.7.2; CWE-770",
        _flood(400, activate=False),
        ("Good", "fault BadTooManySessions"),
    ),
    Case(
        "session-flood-activated",
        "a client has a bounded number of sessions on a channel",
        "Part 4, 5.7.2; CWE-770",
        _flood(200, activate=True),
        ("Good", "fault BadTooManySessions"),
    ),
    Case(
        "session-flood-over-channels",
        "so do many channels together, and users still get in",
        "Part 4, 5.7.2; CWE-770",
        _across_channels,
        ("Good",),
    ),
    Case(
        "cancel-nothing",
        "Cancel finds nothing of others",
        "Part 4, 5.7.5",
        in_session(
            lambda s, _: (
                "Good"
                if s.ask("CancelRequest", u32(1)).Parameters.CancelCount == 0
                else "something was cancelled"
            )
        ),
        ("Good",),
    ),
    Case(
        "server-uri-wrong",
        "CreateSession for another server is refused",
        "Part 4, 5.7.2",
        _server_uri,
        ("fault BadServerUriInvalid",),
    ),
)
