"""Secure channels of the ECC policies: opened, renewed, tampered with (Part 6, 6.7 and 6.8)."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biogate.opcua.transport import elliptic
from biogate.opcua.transport.assembly import SequenceCheck
from biogate.opcua.transport.framing import TransportError
from biogate.opcua.transport.policies import CryptographyError

S = ua.StatusCodes
SIGN, ENCRYPT = 2, 3
FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def flipped(data: bytes, place: int, bit: int = 1) -> bytes:
    changed = bytearray(data)
    changed[place] ^= bit
    return bytes(changed)


# -- key agreement ------------------------------------------------------------------------------

# RFC 5869, A.1 to A.3: hash, secret, salt, info, size, result.
RFC_5869 = [
    (
        b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), 42,
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(80)), bytes(range(0x60, 0xB0)), bytes(range(0xB0, 0x100)), 82,
        ("b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c6"
        "5e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"),
    ),
    (
        b"\x0b" * 22, b"", b"", 42,
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("secret", "salt", "info", "size", "result"), RFC_5869)
def test_the_tests_own_hkdf_gives_what_rfc_5869_has(lab, secret, salt, info, size, result):
    assert lab.hkdf("sha256", secret, salt, info, size).hex() == result


@given(secret=st.binary(min_size=1, max_size=48), keys=st.binary(max_size=192))
@pytest.mark.parametrize(
    ("algorithm", "name", "size"),
    [
        (hashes.SHA256(), "sha256", 64),
        (hashes.SHA384(), "sha384", 96),
        (hashes.SHA256(), "sha256", 32),
    ],
)
@FEW
def test_keys_are_derived_with_length_label_and_both_public_keys_as_salt(
    lab, secret, keys, algorithm, name, size
):
    salt = size.to_bytes(2, "little") + b"opcua-client" + keys
    expected = lab.hkdf(name, secret, salt, salt, size)
    assert elliptic.derive(algorithm, secret, b"opcua-client", keys, size) == expected


# RFC 5903, 8.1 and 8.2: two private keys, their public ones, the x that they share.
RFC_5903 = [
    (
        ec.SECP256R1(),
        "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
        (
            "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63"
            "56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab"
        ),
        "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de",
    ),
    (
        ec.SECP384R1(),
        (
            "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655"
            "e35b538041e649ee3faef896783ab194"
        ),
        (
            "e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d"
            "0d1ac43a0336def96fda41d0774a3571dcfbec7aacf3196472169e838430367f"
            "66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c"
        ),
        (
            "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4"
            "d603135569b9e9d09cf5d4a270f59746"
        ),
    ),
]


@pytest.mark.parametrize(("curve", "private", "public", "common"), RFC_5903)
def test_the_shared_secret_is_the_x_of_rfc_5903(monkeypatch, curve, private, public, common):
    key = ec.derive_private_key(int(private, 16), curve)
    monkeypatch.setattr(elliptic.ec, "generate_private_key", lambda curve: key)
    assert elliptic.EphemeralKey(curve).agree(bytes.fromhex(public)).hex() == common


def test_numbers_are_as_long_as_the_field_whatever_their_value(suite):
    """A leading zero byte comes once in 256 times."""
    key = ec.generate_private_key(suite.curve)
    lengths = {len(elliptic.sign(key, suite.hash, bytes((i,)))) for i in range(200)}
    assert lengths == {2 * suite.field}
    assert {len(elliptic.EphemeralKey(suite.curve).public) for _ in range(200)} == {2 * suite.field}


def test_no_key_agrees_with_itself(suite):
    key = elliptic.EphemeralKey(suite.curve)
    with pytest.raises(CryptographyError):
        key.agree(key.public)


# -- opening ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [SIGN, ENCRYPT])
async def test_a_client_written_from_the_standard_opens_a_channel_and_is_served(lab, suite, mode):
    client = lab.client(suite, mode)
    result = client.open()
    assert len(result.ServerNonce) == 2 * suite.field
    assert lab.bench.front_end  # served below
    response = await client.ask(ua.GetEndpointsRequest())
    shown = {
        (endpoint.SecurityPolicyUri, int(endpoint.SecurityMode)): endpoint.ServerCertificate
        for endpoint in response.Endpoints
    }
    assert shown[suite.uri, mode] == client.server_der
    assert client.wire.channel.security_policy_uri == suite.uri


async def test_each_policys_endpoints_show_the_certificate_of_its_curve(lab, p256):
    client = lab.client(p256)
    client.open()
    for endpoint in (await client.ask(ua.GetEndpointsRequest())).Endpoints:
        key = x509.load_der_x509_certificate(endpoint.ServerCertificate).public_key()
        policy = endpoint.SecurityPolicyUri.partition("#")[2]
        if policy in lab.suites:
            assert key.curve.name == lab.suites[policy].curve.name
        else:
            assert key.key_size == 2048


def test_clients_that_take_what_ranks_highest_find_a_policy_that_all_know(lab):
    endpoints = lab.bench.front_end.context.endpoints.descriptions
    best = max(endpoints, key=lambda endpoint: endpoint.SecurityLevel)
    assert best.SecurityPolicyUri.endswith("Basic256Sha256")


@pytest.mark.parametrize("mode", [SIGN, ENCRYPT])
async def test_a_renewed_channel_has_new_keys_and_its_old_token_lasts_a_while(lab, suite, mode):
    client = lab.client(suite, mode)
    client.open()
    before, token_id = client.sending, client.token_id
    client.open(kind=1)
    assert client.token_id != token_id
    assert client.sending.signing != before.signing
    receiving, client.receiving = client.receiving, None
    answer = client.wire.send(
        client.message(ua.ua_binary.struct_to_binary(ua.FindServersRequest()), before, token_id)
    )
    assert answer[:4] == b"MSGF"
    client.receiving, client.expected_number = receiving, client.expected_number + 1
    assert (await client.ask(ua.GetEndpointsRequest())).Endpoints


def test_numbers_start_at_0_in_both_directions(lab, p256):
    """LegacySequenceNumbers is FALSE for ECC policies (Part 6, 6.7.2.4)."""
    client = lab.client(p256)
    client.open()
    assert client.next_number == client.expected_number == 1


def test_after_the_last_number_comes_0_and_nothing_else():
    for last, number, good in (
        (2**32 - 1, 0, True), (2**32 - 1, 1, False), (2**32 - 2, 0, False), (2**32 - 5, 5, False),
    ):  # fmt: skip
        check = SequenceCheck(legacy=False)
        check.accept(last)
        if good:
            check.accept(number)
            continue
        with pytest.raises(TransportError):
            check.accept(number)


async def test_a_client_whose_numbers_start_over_goes_on_at_0(lab, p256):
    client = lab.client(p256)
    client.next_number = 2**32 - 1
    client.open()
    client.next_number = 0
    assert (await client.ask(ua.GetEndpointsRequest())).Endpoints
    other = lab.client(p256)
    other.next_number = 2**32 - 1
    other.open()
    other.next_number = 7
    other.wire.send(other.message(ua.ua_binary.struct_to_binary(ua.GetEndpointsRequest())))
    assert other.wire.refusal == S.BadSequenceNumberInvalid


def test_the_servers_own_numbers_start_over_at_0(lab, p256):
    client = lab.client(p256)
    client.open()
    secure = client.wire.connection._secure
    secure._next_sequence_number = 2**32 - 1
    assert [secure.next_sequence_number() for _ in range(3)] == [2**32 - 1, 0, 1]


async def test_a_padding_size_of_0_behind_the_request_is_let_pass_and_nothing_else_is(lab, p256):
    """Some clients sign one, though what is not encrypted has no padding (6.7.2.1)."""
    client = lab.client(p256)
    client.open(after=b"\0")
    assert (await client.ask(ua.GetEndpointsRequest())).Endpoints
    for after in (b"\1", b"\0\0", b"\0\1"):
        with pytest.raises(lab.refused):
            lab.client(p256).open(after=after)


# -- what is refused ----------------------------------------------------------------------------


def opening(lab: Any, suite: Any, **changes: Any) -> tuple[Any, bytes]:
    client = lab.client(suite)
    nonce = lab.point(suite, ec.generate_private_key(suite.curve))
    return client, client.open_frame(nonce, **changes)


def refusal(lab: Any, client: Any, frame: bytes) -> int:
    with pytest.raises(lab.refused) as refused:
        client.take_open(None, client.wire.send(frame))
    assert client.wire.connection.closed
    return refused.value.args[0]


def test_a_signature_with_any_byte_changed_is_refused(lab, suite):
    _, frame = opening(lab, suite)
    for place in range(len(frame) - 2 * suite.field, len(frame)):
        assert refusal(lab, lab.client(suite), flipped(frame, place)) == S.BadSecurityChecksFailed


def test_what_was_signed_cannot_be_changed_behind_the_certificate(lab, p256):
    client, frame = opening(lab, p256)
    start = frame.index(client.identity.der) + len(client.identity.der)
    for place in range(start, len(frame) - 2 * p256.field):
        assert refusal(lab, lab.client(p256), flipped(frame, place)) in (
            S.BadSecurityChecksFailed,
            S.BadDecodingError,  # the length of the thumbprint, which comes first
            S.BadEncodingLimitsExceeded,
        )


def test_signatures_of_other_forms_are_refused(lab, p256):
    _, frame = opening(lab, p256)
    signed, signature = frame[:-64], frame[-64:]
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    der = encode_dss_signature(r, s)
    resized = signed[:4] + (len(signed) + len(der)).to_bytes(4, "little") + signed[8:]
    for wrong in (
        signed + bytes(64),
        signed + signature[:32] + bytes(32),
        signed + bytes(32) + signature[32:],
        signed + b"\xff" * 64,
        signed + signature[32:] + signature[:32],
        resized + der,
    ):
        assert refusal(lab, lab.client(p256), wrong) == S.BadSecurityChecksFailed


def test_a_signature_by_another_key_is_refused(lab, suite):
    client, frame = opening(lab, suite, signer=ec.generate_private_key(suite.curve))
    assert refusal(lab, client, frame) == S.BadSecurityChecksFailed


def not_on_the_curve(suite: Any, good: bytes) -> bytes:
    return flipped(good, -1)


@pytest.mark.parametrize(
    "spoil",
    [
        not_on_the_curve,
        lambda suite, good: bytes(len(good)),
        lambda suite, good: b"\xff" * len(good),
        lambda suite, good: good[: suite.field] + bytes(suite.field),
        lambda suite, good: good[:-1],
        lambda suite, good: good + b"\0",
        lambda suite, good: b"\x04" + good[:-1],
        lambda suite, good: b"\x04" + good,
        lambda suite, good: b"\x02" + good[: suite.field],
        lambda suite, good: b"n" * 32,
        lambda suite, good: b"",
    ],
)
def test_a_nonce_that_is_no_point_of_the_curve_is_refused(lab, suite, spoil):
    good = lab.point(suite, ec.generate_private_key(suite.curve))
    client = lab.client(suite)
    frame = client.open_frame(spoil(suite, good))
    assert refusal(lab, client, frame) == S.BadNonceInvalid


def test_a_key_is_not_agreed_upon_twice_in_a_row(lab, p256):
    own = ec.generate_private_key(p256.curve)
    client = lab.client(p256)
    client.take_open(own, client.wire.send(client.open_frame(lab.point(p256, own))))
    frame = client.open_frame(lab.point(p256, own), kind=1)
    assert refusal(lab, client, frame) == S.BadNonceInvalid


@pytest.mark.parametrize(
    "curve", [ec.SECP384R1(), ec.SECP521R1(), ec.BrainpoolP256R1(), ec.SECP256K1()]
)
def test_a_certificate_of_another_curve_is_refused(lab, p256, curve):
    other = lab.make_identity(ec.generate_private_key(curve), "other")
    client = lab.client(p256, identity=other)
    frame = client.open_frame(
        lab.point(p256, ec.generate_private_key(p256.curve)), signer=lab.identities[p256.name].key
    )
    assert refusal(lab, client, frame) == S.BadSecurityChecksFailed


def test_an_rsa_certificate_is_refused_under_an_ecc_policy(lab, p256):
    client = lab.client(p256, identity=lab.identities["RSA"])
    frame = client.open_frame(
        lab.point(p256, ec.generate_private_key(p256.curve)), signer=lab.identities[p256.name].key
    )
    assert refusal(lab, client, frame) == S.BadSecurityChecksFailed


def test_a_certificate_of_a_curve_is_refused_under_an_rsa_policy(lab, p256):
    uri = "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256"
    own = x509.load_der_x509_certificate(lab.pki.certificate_der).fingerprint(hashes.SHA1())
    client, frame = opening(lab, p256, uri=uri, thumbprint=own)
    assert refusal(lab, client, frame) == S.BadSecurityChecksFailed


def test_the_opening_has_to_name_the_certificate_of_the_policys_curve(lab, p256):
    for kind in ("RSA", "nistP384"):
        der = lab.pki.certificate_of(kind)
        wrong = x509.load_der_x509_certificate(der).fingerprint(hashes.SHA1())
        client, frame = opening(lab, p256, thumbprint=wrong)
        assert refusal(lab, client, frame) == S.BadSecurityChecksFailed


def test_a_policy_that_is_not_offered_is_refused(lab, make_bench, p256):
    lab.bench = make_bench(security=("ECC_nistP384",))
    client, frame = opening(lab, p256)
    assert refusal(lab, client, frame) == S.BadSecurityPolicyRejected


async def test_a_replayed_opening_gives_a_channel_that_nobody_can_use(lab, p256):
    first = lab.client(p256)
    own = ec.generate_private_key(p256.curve)
    frame = first.open_frame(lab.point(p256, own))
    first.take_open(own, first.wire.send(frame))
    message = first.message(ua.ua_binary.struct_to_binary(ua.GetEndpointsRequest()))
    replayer = lab.client(p256)
    assert replayer.wire.send(frame)[:4] == b"OPNF"
    channel = replayer.wire.channel.channel_id.to_bytes(4, "little")
    replayer.wire.send(message[:8] + channel + message[12:])
    assert replayer.wire.refusal == S.BadSecurityChecksFailed


async def test_a_replayed_message_is_refused(lab, suite):
    client = lab.client(suite)
    client.open()
    message = client.message(ua.ua_binary.struct_to_binary(ua.GetEndpointsRequest()))
    client.wire.send(message)
    client.wire.send(message)
    assert client.wire.refusal == S.BadSequenceNumberInvalid


@pytest.mark.parametrize("mode", [SIGN, ENCRYPT])
def test_a_message_with_any_byte_changed_is_refused(lab, suite, mode):
    body = ua.ua_binary.struct_to_binary(ua.GetEndpointsRequest())
    client = lab.client(suite, mode)
    client.open()
    size = len(client.message(body))
    for place in range(16, size, 7):
        client = lab.client(suite, mode)
        client.open()
        client.wire.send(flipped(client.message(body), place))
        assert client.wire.refusal == S.BadSecurityChecksFailed


@given(data=st.binary(max_size=300), place=st.integers(0, 1200), cut=st.booleans())
@FEW
def test_an_opening_with_anything_in_it_is_answered_by_an_error_and_no_fault(
    lab, p256, data, place, cut
):
    client, frame = opening(lab, p256)
    place %= len(frame)
    spoiled = frame[:place] + data + (b"" if cut else frame[place + len(data) :])
    spoiled = spoiled[:4] + len(spoiled).to_bytes(4, "little") + spoiled[8:]
    if spoiled != frame:
        client.wire.send(spoiled)
        assert client.wire.channel is None
