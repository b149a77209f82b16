"""The secure channel: policies, certificates, signatures, numbers, tokens (Part 6, 6.7).

Long, since it is one table in which each case says everything about itself.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from attack.case import Bench, Case, Outcomes, before_login, on_channel, outcome
from attack.client import Channel, RefusedError, frame
from attack.secure import NONE, URI, Identity, make_identity, new_key, revocation_list
from attack.wire import array, f64, node, read_id, request, text, u32

CHECKS = ("ERR BadSecurityChecksFailed",)
_MODE = ("ERR BadSecurityModeRejected",)
_POLICY = ("ERR BadSecurityPolicyRejected",)
_UNKNOWN = ("ERR BadTcpSecureChannelUnknown",)
_SEQUENCE = ("ERR BadSequenceNumberInvalid",)
_DISCOVER = request("FindServersRequest", text(None) + u32(0) * 2)


def opening(
    policy: str | None = "Basic256Sha256", mode: int = 3, **wrong: object
) -> Callable[[Bench], Outcomes]:
    """OpenSecureChannel, wrong in some way."""

    def attack(bench: Bench) -> Outcomes:
        with bench.target.unopened(policy, mode) as channel:
            channel.hello()
            return outcome(lambda: channel.open(**wrong))

    return attack


def opening_as(*makers: Callable[[Bench], Identity]) -> Callable[[Bench], Outcomes]:
    """OpenSecureChannel with certificates that are not to be trusted."""

    def attack(bench: Bench) -> Outcomes:
        found: list[str] = []
        for make in makers:
            with bench.target.unopened(identity=make(bench)) as channel:
                channel.hello()
                found += outcome(channel.open)
        return found

    return attack


def opening_with(*chains: Callable[[Bench], bytes]) -> Callable[[Bench], Outcomes]:
    """OpenSecureChannel whose SenderCertificate is something else than the signer's certificate."""

    def attack(bench: Bench) -> Outcomes:
        found: list[str] = []
        for chain in chains:
            with bench.target.unopened() as channel:
                channel.hello()
                channel.sent_certificate = chain(bench)
                found += outcome(channel.open)
        return found

    return attack


def renewing(
    prepare: Callable[[Channel], object] = lambda _: None, **wrong: object
) -> Callable[[Bench], Outcomes]:
    """A renewal that is wrong in some way, on an open channel."""

    def attack(bench: Bench) -> Outcomes:
        with bench.target.channel() as channel:
            prepare(channel)
            return outcome(lambda: channel.open(**{"kind": 1, **wrong}))

    return attack


def _loop(_: Bench) -> Identity:
    """Two authorities that vouch for each other, and a client of one of them."""
    one = make_identity("loop one", authority=True, uri=None, key=new_key(2048, 1))
    other = make_identity("loop two", authority=True, uri=None, key=new_key(2048, 2), issuer=one)
    one = make_identity("loop one", authority=True, uri=None, key=new_key(2048, 1), issuer=other)
    leaf = make_identity("leaf", issuer=one)
    return _Chained(leaf.key, leaf.certificate, leaf.der + one.der + other.der + one.der)


class _Chained(Identity):
    """An identity that sends more than its own certificate."""

    def __init__(self, key: object, certificate: x509.Certificate, chain: bytes) -> None:
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "certificate", certificate)
        object.__setattr__(self, "_chain", chain)

    @property
    def der(self) -> bytes:
        return self._chain  # type: ignore[attr-defined,no-any-return]


def _long_chain(_: Bench) -> Identity:
    """Twenty authorities on top of each other."""
    issuer = make_identity("root", authority=True, uri=None, key=new_key(2048, 1))
    chain = issuer.der
    for number in range(20):
        issuer = make_identity(
            f"ca {number}", authority=True, uri=None, issuer=issuer, key=new_key(2048, 1)
        )
        chain = issuer.der + chain
    leaf = make_identity("leaf", issuer=issuer)
    return _Chained(leaf.key, leaf.certificate, leaf.der + chain)


def _ec_certificate(_: Bench) -> bytes:
    """A certificate whose key is of another kind than the policy's."""
    template = make_identity("ec")
    key = ec.generate_private_key(ec.SECP256R1())
    now = template.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(now.subject)
        .issuer_name(now.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now.not_valid_before_utc)
        .not_valid_after(now.not_valid_after_utc)
    )
    return Identity(template.key, builder.sign(key, hashes.SHA256())).der


def _same_nonce(bench: Bench) -> Outcomes:
    with bench.target.unopened() as channel:
        channel.hello()
        nonce = secrets.token_bytes(32)
        channel.open(nonce=nonce)
        return outcome(lambda: channel.open(kind=1, nonce=nonce))


def _replayed(bench: Bench) -> Outcomes:
    """A recorded chunk, sent once more."""
    with bench.target.channel() as channel:
        recorded = channel.chunk(_DISCOVER)
        channel.send(recorded)
        channel.hear()
        channel.send(recorded)
        return channel.end()


def _foreign(part: str) -> Callable[[Bench], Outcomes]:
    """A chunk of one channel on the connection of another."""

    def attack(bench: Bench) -> Outcomes:
        with bench.target.channel(policy=None) as one, bench.target.channel(policy=None) as other:
            if part == "open":
                other.send(other.open_frame(b"", kind=1, channel_id=one.channel_id))
            else:
                other.send(other.chunk(_DISCOVER, channel_id=one.channel_id, kind=part.encode()))
            end = other.end()
            return [end, *outcome(lambda: one.ask(_DISCOVER))]

    return attack


def _beyond_discovery(message: str, parameters: bytes) -> Callable[[Bench], Outcomes]:
    return before_login(request(message, parameters))


def _create_on_none(bench: Bench) -> Outcomes:
    with bench.target.channel(policy=None) as channel:
        return outcome(channel.create_session)


def _token_life(bench: Bench) -> Outcomes:
    """A token of the least lifetime (10 s) and the quarter that it may be used longer."""
    with bench.target.unopened(policy=None, timeout_s=20) as channel:
        channel.hello()
        channel.open(lifetime_ms=1)
        if not 1 < channel.lifetime_ms <= 60_000:
            return f"the lifetime was revised to {channel.lifetime_ms} ms"
        return channel.end()


def _lifetime_huge(bench: Bench) -> Outcomes:
    with bench.target.unopened(policy=None) as channel:
        channel.hello()
        channel.open(lifetime_ms=0xFFFF_FFFF)
        within = channel.lifetime_ms <= 3_600_000
        return "Good" if within else f"the lifetime was revised to {channel.lifetime_ms} ms"


def _wrap(bench: Bench) -> Outcomes:
    """Sequence numbers start anywhere and start over behind 2^32 - 1024."""
    with bench.target.unopened(policy=None) as channel:
        channel.hello()
        channel.sequence = 0xFFFF_FFFF - 3
        channel.open()
        found = [o for _ in range(8) for o in outcome(lambda: channel.ask(_DISCOVER))]
        channel.send(channel.chunk(_DISCOVER, sequence=channel.sequence + 2))
        return [*found, channel.end()]


def _errors_alike(bench: Bench) -> Outcomes:
    """Each failure of cryptography is the same answer, word for word."""
    reasons = set()
    for broken in ("mac", "padding"):
        with bench.target.channel() as channel:
            channel.send(channel.chunk(_DISCOVER, broken=broken))
            ended = channel.end()
            reasons.add((ended, channel.reason))
    return [end for end, _ in reasons] if len(reasons) == 1 else f"{len(reasons)} answers"


def _error_is_short(bench: Bench) -> Outcomes:
    """What an ERR says is short and tells nothing of the inside."""
    with bench.target.channel() as channel:
        channel.send(channel.chunk(b"\xff" * 500, kind=b"CLO", chunk=b"F", sequence=9))
        ended = channel.end()
        return (
            ended if len(channel.reason) <= 64 else f"a reason of {len(channel.reason)} characters"
        )


def _certificate_noise(bench: Bench) -> list[bytes]:
    der = bench.target.identity.der
    return [
        b"",
        b"x",
        der[:100],
        der[:-1],
        b"\x30\x82\xff\xff" + der,
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30" * 60_000,
    ]


def _noise(bench: Bench) -> Outcomes:
    found: list[str] = []
    for noise in _certificate_noise(bench):
        with bench.target.unopened() as channel:
            channel.hello()
            clear = u32(0) + text(f"{URI}Basic256Sha256") + text(noise) + text(b"t" * 20)
            channel.send(frame(b"OPN", clear + b"x" * 256))
            found.append(channel.end())
    return found


def _untrusted_flood(bench: Bench) -> Outcomes:
    """Strangers' certificates fill neither disk nor log."""
    for number in range(bench.many(150)):
        stranger = make_identity(f"stranger {number}", key=new_key(2048, 3))
        try:
            bench.target.channel(identity=stranger, source="127.0.0.78").close()
        except RefusedError:
            continue
    kept = len(list((bench.target.data / "pki" / "rejected" / "certs").glob("*")))
    return "Good" if kept <= 100 else f"{kept} certificates were kept"


def _under_authority(crl: str) -> Callable[[Bench], Outcomes]:
    """A certificate of a trusted authority, with its revocation list: that "revokes" it, has
    "expired", is "forged" by another key, or is "missing". Its neighbour shows that the authority
    is trusted."""

    def attack(bench: Bench) -> Outcomes:
        ca = make_identity("attack ca", uri=None, authority=True, key=new_key(2048, 5))
        leaf = make_identity("leaf", issuer=ca, key=new_key(2048, 6))
        other = make_identity("neighbour", issuer=ca, key=new_key(2048, 7))
        folder = bench.target.data / "pki" / "trusted"
        certificate, list_file = folder / "certs" / "ca.der", folder / "crl" / "ca.crl"
        certificate.write_bytes(ca.der)
        if crl != "missing":
            signer = make_identity("attack ca", key=new_key(2048, 3)) if crl == "forged" else ca
            valid = (-10, -1) if crl == "expired" else (-1, 10)
            revoked = () if crl in ("forged", "expired") else (leaf,)
            list_file.write_bytes(revocation_list(ca, revoked, signer=signer, valid=valid))
        try:
            found = list(opening_as(lambda _: leaf)(bench))
            if crl == "revokes":
                found += [f"neighbour: {o}" for o in opening_as(lambda _: other)(bench)]
            return found
        finally:
            certificate.unlink()
            list_file.unlink(missing_ok=True)

    return attack


CASES = (
    Case(
        "policy-not-offered",
        "a policy that no endpoint offers opens no channel",
        "Part 4, 5.6.2",
        opening(policy_uri=f"{URI}Basic256"),
        _POLICY,
    ),
    Case(
        "policy-rsa-15",
        "Basic128Rsa15 is not spoken",
        "Part 7, 6.6; CWE-327",
        opening(policy_uri=f"{URI}Basic128Rsa15"),
        _POLICY,
    ),
    Case(
        "policy-unknown",
        "a policy that nobody knows opens no channel",
        "Part 4, 5.6.2",
        opening(policy_uri="x" * 200),
        _POLICY,
    ),
    Case(
        "policy-uri-long",
        "a policy's URI is 255 bytes at most",
        "Part 6, 6.7.2.3",
        opening(policy_uri="x" * 300),
        ("ERR BadEncodingLimitsExceeded", "ERR BadDecodingError"),
    ),
    Case(
        "mode-none-on-secure-policy",
        "a secure policy has no mode None",
        "Part 4, 5.6.2; CWE-757",
        opening(mode=1),
        _MODE,
    ),
    Case(
        "mode-invalid",
        "a mode is one of those that there are",
        "Part 4, 5.6.2",
        opening(mode=0),
        _MODE,
    ),
    Case(
        "mode-secure-on-none",
        "the policy None has no other mode",
        "Part 4, 5.6.2",
        opening(
            policy=None,
            body=request("OpenSecureChannelRequest", u32(0) * 2 + u32(3) + text(b"") + u32(60_000)),
        ),
        _MODE,
    ),
    Case(
        "mode-out-of-range",
        "an enumeration has its own values only",
        "Part 6, 5.2.4",
        opening(
            policy=None,
            body=request(
                "OpenSecureChannelRequest", u32(0) * 2 + u32(77) + text(b"") + u32(60_000)
            ),
        ),
        ("ERR BadDecodingError", *_MODE),
    ),
    Case(
        "none-create-session",
        "without security there is discovery only: no session",
        "Part 4, 5.5.4; CWE-306",
        _create_on_none,
        ("fault BadSecurityPolicyRejected",),
    ),
    Case(
        "none-read",
        "without security nothing is read",
        "Part 4, 5.5.4; CWE-306",
        _beyond_discovery("ReadRequest", f64(0) + u32(2) + array([read_id(node(2258))])),
        ("fault BadSecurityPolicyRejected", "fault BadSessionIdInvalid"),
    ),
    Case(
        "none-browse",
        "without security nothing is browsed",
        "Part 4, 5.5.4; CWE-306",
        _beyond_discovery("BrowseRequest", node(0) + b"\0" * 12 + u32(0) + u32(0)),
        ("fault BadSecurityPolicyRejected", "fault BadSessionIdInvalid"),
    ),
    Case(
        "none-register-server",
        "nobody registers servers here",
        "Part 4, 5.5.5; CWE-306",
        _beyond_discovery("RegisterServerRequest", text("urn:x") * 2 + u32(0) * 6),
        ("fault BadServiceUnsupported",),
    ),
    Case(
        "certificate-self-signed",
        "a certificate that nobody trusts opens no channel",
        "Part 4, 6.1.3; CWE-295",
        opening_as(lambda _: make_identity("stranger", key=new_key(2048, 3))),
        CHECKS,
    ),
    Case(
        "certificate-expired",
        "one that has expired does not, nor one of tomorrow",
        "Part 4, 6.1.3; CWE-298",
        opening_as(
            lambda _: make_identity(valid=(-30, -1)), lambda _: make_identity(valid=(5, 30))
        ),
        (*CHECKS, "ERR BadCertificateTimeInvalid"),
    ),
    Case(
        "certificate-copied-key",
        "a certificate made anew for a trusted key is a stranger's",
        "Part 4, 6.1.3; CWE-295",
        opening_as(lambda b: make_identity("trusted", key=b.target.identity.key)),
        CHECKS,
    ),
    Case(
        "certificate-of-another",
        "who sends a trusted certificate must hold its key",
        "Part 6, 6.7.4; CWE-295",
        opening(signer=new_key(2048, 3)),
        CHECKS,
    ),
    Case(
        "certificate-weak-key",
        "a key of 1,024 bits is refused",
        "Part 7, 6.6; CWE-326",
        opening_as(lambda _: make_identity(key=new_key(1024))),
        CHECKS,
    ),
    Case(
        "certificate-elliptic",
        "a key of another kind than the policy's is refused",
        "Part 7, 6.6",
        opening_with(_ec_certificate),
        CHECKS,
    ),
    Case(
        "certificate-chain-loop",
        "authorities that vouch for each other are no way to trust",
        "Part 4, 6.1.3; CWE-835",
        opening_as(_loop),
        CHECKS,
    ),
    Case(
        "certificate-chain-long",
        "a chain has a bounded number of links",
        "Part 4, 6.1.3; CWE-674",
        opening_as(_long_chain),
        CHECKS,
    ),
    Case(
        "certificate-of-authority",
        "a certificate of an authority is none of an application",
        "Part 4, 6.1.3",
        opening_as(lambda _: make_identity("ca", authority=True)),
        (*CHECKS, "ERR BadCertificateUseNotAllowed"),
    ),
    Case(
        "certificate-of-server",
        "the server's own certificate names no client",
        "Part 4, 6.1.3; CWE-295",
        opening_with(lambda b: b.target.certificate.public_bytes(Encoding.DER)),
        CHECKS,
    ),
    Case(
        "certificate-noise",
        "bytes that are no certificate are refused",
        "Part 4, 6.1.3; CWE-20",
        _noise,
        (
            *CHECKS,
            "ERR BadDecodingError",
            "ERR BadTcpMessageTooLarge",
            "ERR BadEncodingLimitsExceeded",
        ),
    ),
    Case(
        "certificate-flood",
        "certificates of strangers are kept in a bounded number",
        "Part 12, F.1; CWE-400",
        _untrusted_flood,
        ("Good",),
    ),
    Case(
        "certificate-revoked",
        "a certificate that its authority revoked opens no channel, and no other suffers for it",
        "Part 4, 6.1.3; CWE-299",
        _under_authority("revokes"),
        (*CHECKS, "neighbour: Good"),
    ),
    Case(
        "certificate-revocation-unknown",
        "without a revocation list of its authority nobody knows, and it opens no channel",
        "Part 4, 6.1.3; CWE-299",
        _under_authority("missing"),
        (*CHECKS, "ERR BadCertificateRevocationUnknown"),
    ),
    Case(
        "certificate-revocation-expired",
        "an old revocation list says nothing",
        "Part 4, 6.1.3; CWE-299",
        _under_authority("expired"),
        (*CHECKS, "ERR BadCertificateRevocationUnknown"),
    ),
    Case(
        "certificate-revocation-forged",
        "nor one that another key signed",
        "Part 4, 6.1.3; CWE-347",
        _under_authority("forged"),
        (*CHECKS, "ERR BadCertificateRevocationUnknown"),
    ),
    Case(
        "certificate-without-uri",
        "a certificate without an ApplicationUri is none of an application",
        "Part 6, 6.2.2",
        opening_as(lambda _: make_identity("trusted", uri=None, key=new_key(2048, 3))),
        CHECKS,
    ),
    Case(
        "receiver-wrong",
        "an OPN for another server is refused",
        "Part 6, 6.7.2.3",
        opening(receiver=b"\0" * 20),
        CHECKS,
    ),
    Case(
        "receiver-missing", "so is one for nobody", "Part 6, 6.7.2.3", opening(receiver=b""), CHECKS
    ),
    Case(
        "open-other-request",
        "an OPN holds an OpenSecureChannelRequest",
        "Part 6, 6.7.4",
        opening(policy=None, body=_DISCOVER),
        ("ERR BadTcpMessageTypeInvalid",),
    ),
    Case(
        "open-nonce-short",
        "a nonce has the length of its policy",
        "Part 6, 6.7.5; CWE-331",
        opening(nonce=b"x" * 31),
        ("ERR BadNonceInvalid",),
    ),
    Case(
        "open-nonce-long",
        "a longer one is refused, too",
        "Part 6, 6.7.5",
        opening(nonce=b"x" * 64),
        ("ERR BadNonceInvalid",),
    ),
    Case(
        "open-nonce-empty",
        "a nonce must be there",
        "Part 6, 6.7.5; CWE-331",
        opening(nonce=b""),
        ("ERR BadNonceInvalid",),
    ),
    Case(
        "renew-same-nonce",
        "a nonce is used once",
        "Part 4, 5.6.2; CWE-323",
        _same_nonce,
        ("ERR BadNonceInvalid",),
    ),
    Case(
        "renew-before-issue",
        "what was never issued cannot be renewed",
        "Part 4, 5.6.2",
        opening(kind=1),
        ("ERR BadRequestTypeInvalid", *_UNKNOWN),
    ),
    Case(
        "issue-twice",
        "an open channel is renewed, not issued again",
        "Part 4, 5.6.2",
        renewing(kind=0),
        ("ERR BadRequestTypeInvalid",),
    ),
    Case(
        "renew-other-certificate",
        "a channel is renewed with the certificate that opened it",
        "Part 6, 6.7.4; CWE-295",
        renewing(lambda c: setattr(c, "identity", make_identity("other", key=new_key(2048, 3)))),
        CHECKS,
    ),
    Case(
        "renew-other-mode",
        "a channel keeps its mode",
        "Part 4, 5.6.2; CWE-757",
        renewing(mode=2),
        _MODE,
    ),
    Case(
        "renew-without-security",
        "a channel keeps its policy",
        "Part 4, 5.6.2; CWE-757",
        renewing(lambda c: setattr(c, "policy", None), policy_uri=NONE),
        _POLICY,
    ),
    Case(
        "message-bad-mac",
        "a chunk whose signature is wrong ends the channel",
        "Part 6, 6.7.2; CWE-345",
        on_channel(lambda c: c.chunk(_DISCOVER, broken="mac")),
        CHECKS,
    ),
    Case(
        "message-bad-mac-signed",
        "so it does where chunks are signed only",
        "Part 6, 6.7.2; CWE-345",
        on_channel(lambda c: c.chunk(_DISCOVER, broken="mac"), mode=2),
        CHECKS,
    ),
    Case(
        "message-in-clear",
        "a chunk without its security is refused",
        "Part 6, 6.7.2; CWE-319",
        on_channel(
            lambda c: frame(
                b"MSG",
                u32(c.channel_id) + u32(c.token_id) + u32(c.sequence + 1) + u32(9) + _DISCOVER,
            )
        ),
        CHECKS,
    ),
    Case(
        "message-block-cut",
        "ciphertext fills its blocks",
        "Part 6, 6.7.2",
        on_channel(lambda c: frame(b"MSG", u32(c.channel_id) + u32(c.token_id) + b"x" * 33)),
        CHECKS,
    ),
    Case(
        "message-empty",
        "a chunk of headers alone is refused",
        "Part 6, 6.7.2",
        on_channel(lambda c: frame(b"MSG", u32(c.channel_id) + u32(c.token_id) + b"x" * 16)),
        (*CHECKS, "ERR BadTcpMessageTypeInvalid"),
    ),
    Case(
        "errors-alike",
        "a wrong signature and a wrong padding are answered alike",
        "Part 6, 6.7.2; CWE-203",
        _errors_alike,
        CHECKS,
    ),
    Case(
        "error-is-short",
        "an ERR says little",
        "Part 6, 7.1.2.5; CWE-209",
        _error_is_short,
        ("ERR Bad*",),
    ),
    Case(
        "sequence-replayed",
        "a chunk sent once more is refused",
        "Part 6, 6.7.2.4; CWE-294",
        _replayed,
        _SEQUENCE,
    ),
    Case(
        "sequence-skipped",
        "a sequence number has no gaps",
        "Part 6, 6.7.2.4",
        on_channel(lambda c: c.chunk(_DISCOVER, sequence=c.sequence + 2)),
        _SEQUENCE,
    ),
    Case(
        "sequence-early-wrap",
        "numbers start over at the end of their range only",
        "Part 6, 6.7.2.4",
        on_channel(lambda c: c.chunk(_DISCOVER, sequence=0)),
        _SEQUENCE,
    ),
    Case(
        "sequence-wrap",
        "at the end of their range they start over, and go on without gaps",
        "Part 6, 6.7.2.4",
        _wrap,
        ("Good", *_SEQUENCE),
    ),
    Case(
        "channel-unknown",
        "a chunk of a channel that is not there is refused",
        "Part 6, 6.7.2.2",
        on_channel(lambda c: c.chunk(_DISCOVER, channel_id=c.channel_id + 1)),
        _UNKNOWN,
    ),
    Case(
        "channel-zero",
        "the channel 0 is no channel",
        "Part 6, 6.7.2.2; CWE-306",
        on_channel(lambda c: c.chunk(_DISCOVER, channel_id=0, token_id=0)),
        _UNKNOWN,
    ),
    Case(
        "channel-foreign-message",
        "a chunk of another connection's channel is refused, and that channel goes on",
        "Part 6, 6.7.2.2; CWE-639",
        _foreign("MSG"),
        ("Good", *_UNKNOWN),
    ),
    Case(
        "channel-foreign-close",
        "nobody closes another connection's channel",
        "Part 6, 6.7.2.2; CWE-639",
        _foreign("CLO"),
        ("Good", *_UNKNOWN),
    ),
    Case(
        "channel-foreign-renew",
        "nobody renews another connection's channel",
        "Part 6, 6.7.2.2; CWE-639",
        _foreign("open"),
        ("Good", *_UNKNOWN),
    ),
    Case(
        "token-unknown",
        "a token that was not issued is refused",
        "Part 6, 6.7.2.2",
        on_channel(lambda c: c.chunk(_DISCOVER, token_id=c.token_id + 1)),
        ("ERR BadSecureChannelTokenUnknown",),
    ),
    Case(
        "token-lifetime-huge",
        "a token lives an hour at most",
        "Part 4, 5.6.2; CWE-613",
        _lifetime_huge,
        ("Good",),
    ),
    Case(
        "token-lifetime",
        "a channel whose token has expired ends, a quarter of its lifetime later",
        "Part 4, 5.6.2; CWE-613",
        _token_life,
        ("ERR BadSecureChannelTokenUnknown",),
        waits_s=13,
    ),
)
