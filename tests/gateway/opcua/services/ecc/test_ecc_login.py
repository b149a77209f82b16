"""Sessions and log-ins under the ECC policies (Part 4, 5.7 and 7.40; Part 6, 6.8.2 and 6.8.3)."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biogate.opcua.services.encrypted_secret import Keyhole, open_secret
from biogate.opcua.transport.elliptic import EphemeralKey
from biogate.opcua.transport.policies import ECC_POLICIES
from biogate_security.roles import Identity

S = ua.StatusCodes
ANONYMOUS = ua.AnonymousIdentityToken(PolicyId="anonymous")
RIGHT = b"correct horse"
SIGN, ENCRYPT = 2, 3


def status(response: Any) -> int:
    return response.ResponseHeader.ServiceResult.value


async def session(lab: Any, suite: Any, mode: int = ENCRYPT, **changes: Any) -> Any:
    client = lab.client(suite, mode)
    client.open()
    assert status(await client.create_session(**changes)) == S.Good
    return client


async def reads(client: Any) -> bool:
    request = ua.ReadRequest()
    request.Parameters.NodesToRead = [
        ua.ReadValueId(ua.NodeId("Constant", 1), ua.AttributeIds.Value)
    ]
    response = await client.ask(request)
    return status(response) == S.Good and response.Results[0].Value.Value == 42


@pytest.mark.parametrize("mode", [SIGN, ENCRYPT])
async def test_a_user_logs_in_with_a_password_and_reads(lab, suite, mode):
    client = await session(lab, suite, mode)
    assert status(await client.activate(client.password(RIGHT))) == S.Good
    assert await reads(client)
    held = lab.bench.front_end.context.sessions.find(client.authentication_token)
    assert held.subject.user == "operator"
    assert held.subject.security_policy_uri == suite.uri


async def test_without_a_user_a_session_needs_no_key(lab, suite):
    client = await session(lab, suite, key_policy=None)
    assert not client.receiver_key
    assert status(await client.activate(ANONYMOUS)) == S.Good
    assert await reads(client)


@pytest.mark.parametrize(
    "secret", [b"", b"x", b"wrong", "pässwörd".encode(), b"\xff\xfe", b"p" * 1024]
)
async def test_a_wrong_password_of_any_length_is_denied(lab, p256, secret):
    client = await session(lab, p256)
    assert status(await client.activate(client.password(secret))) == S.BadUserAccessDenied


async def test_whatever_is_wrong_with_a_secret_the_answer_is_that_of_a_wrong_password(lab, p256):
    client = await session(lab, p256)
    other = ec.generate_private_key(p256.curve)
    for spoiled in (
        client.envelope(RIGHT)[:-1],
        client.envelope(RIGHT) + b"\0",
        b"",
        b"\0" * 500,
        RIGHT,
        client.envelope(b"p" * 1025),
        client.envelope(RIGHT, type_id=b"\x01\x00\x89\x44"),  # RsaEncryptedSecret
        client.envelope(RIGHT, uri=lab.suites["ECC_nistP384"].uri),
        client.envelope(RIGHT, certificate=lab.identities["ECC_nistP384"].der),
        client.envelope(RIGHT, certificate=b"x"),
        client.envelope(RIGHT, padding=3),
        client.envelope(RIGHT, sender=bytes(64)),
        client.envelope(RIGHT, key_data_size=0),
        lab.make_envelope(p256, RIGHT, client.nonce, client.receiver_key, other),
        lab.make_envelope(p256, RIGHT, client.nonce, lab.point(p256, other), client.identity.key),
        lab.make_envelope(p256, RIGHT, b"n" * 32, client.receiver_key, client.identity.key),
    ):
        token = client.password(b"")
        token.Password = spoiled
        assert status(await client.activate(token)) == S.BadUserAccessDenied
    sent = client.password(RIGHT, certificate=client.identity.der)
    assert status(await client.activate(sent)) == S.Good


async def test_a_key_is_for_one_login_and_the_next_response_brings_another(lab, p256):
    client = await session(lab, p256)
    first, nonce, token = client.receiver_key, client.nonce, client.password(RIGHT)
    assert status(await client.activate(token)) == S.Good
    assert client.receiver_key != first
    assert client.nonce != nonce
    assert status(await client.activate(token)) == S.BadUserAccessDenied
    again = client.password(b"")
    again.Password = lab.make_envelope(p256, RIGHT, client.nonce, first, client.identity.key)
    assert status(await client.activate(again)) == S.BadUserAccessDenied
    assert status(await client.activate(client.password(RIGHT))) == S.Good


async def test_a_login_that_was_refused_does_not_spend_the_key(lab, p256):
    client = await session(lab, p256)
    assert status(await client.activate(client.password(b"wrong"))) == S.BadUserAccessDenied
    assert status(await client.activate(client.password(RIGHT))) == S.Good


async def test_who_has_not_asked_for_a_key_cannot_send_a_secret_and_may_ask_later(lab, p256):
    client = await session(lab, p256, key_policy=None)
    stranger = ec.generate_private_key(p256.curve)
    client.receiver_key = lab.point(p256, stranger)
    assert status(await client.activate(client.password(RIGHT))) == S.BadUserAccessDenied
    client.receiver_key = b""
    assert status(await client.activate(ANONYMOUS, key_policy=p256.uri)) == S.Good
    assert client.receiver_key


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "http://opcfoundation.org/UA/SecurityPolicy#None",
        "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256",
        "http://opcfoundation.org/UA/SecurityPolicy#ECC_nistP384",
        "http://opcfoundation.org/UA/SecurityPolicy#ECC_nistP256" + "x" * 3000,
    ],
)
async def test_a_key_of_another_policy_is_refused_in_the_header_and_the_session_lives(
    lab, p256, uri
):
    client = lab.client(p256)
    client.open()
    response = await client.create_session(key_policy=uri)
    assert status(response) == S.Good
    answer = lab.ecdh_key(response.ResponseHeader)
    assert answer.value == S.BadSecurityPolicyRejected
    assert status(await client.activate(ANONYMOUS)) == S.Good


async def test_endpoints_of_a_curve_name_no_policy_of_another_kind_of_key(lab):
    for endpoint in lab.bench.front_end.context.endpoints.descriptions:
        named = {p.SecurityPolicyUri for p in endpoint.UserIdentityTokens if p.SecurityPolicyUri}
        if endpoint.SecurityPolicyUri in ECC_POLICIES:
            assert named == {endpoint.SecurityPolicyUri}
        else:
            assert not named & ECC_POLICIES.keys()
    ids = {
        (policy.PolicyId, policy.SecurityPolicyUri, int(policy.TokenType))
        for endpoint in lab.bench.front_end.context.endpoints.descriptions
        for policy in endpoint.UserIdentityTokens
    }
    assert len({policy_id for policy_id, _, _ in ids}) == len(ids)


async def test_a_password_in_the_form_of_rsa_policies_is_denied(lab, p256):
    client = await session(lab, p256)
    token = client.password(RIGHT)
    token.PolicyId = "username_basic256sha256"
    assert status(await client.activate(token)) == S.BadIdentityTokenInvalid


async def test_the_algorithms_that_a_client_names_do_not_count(lab, p256):
    """Part 4, 7.36 and 7.40.4: under an ECC policy they are empty, and ignored if they are not."""
    client = await session(lab, p256)
    token = client.password(RIGHT)
    token.EncryptionAlgorithm = "http://www.w3.org/2001/04/xmlenc#rsa-oaep"
    signature = client.signature()
    signature.Algorithm = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
    client.signature = lambda: signature
    assert status(await client.activate(token)) == S.Good


async def test_the_clients_signature_is_asked_for(lab, suite):
    client = await session(lab, suite)
    other = ec.generate_private_key(suite.curve)
    forged = client.signature(other)
    real, client.signature = client.signature, lambda: forged
    assert status(await client.activate(ANONYMOUS)) == S.BadApplicationSignatureInvalid
    client.signature = real
    assert status(await client.activate(ANONYMOUS)) == S.Good


async def test_a_signature_is_written_in_one_way_only(lab, p256):
    client = await session(lab, p256)
    right = client.signature()
    r, s = right.Signature[:32], right.Signature[32:]
    for other in (r + b"\0" + s, b"\0" + r + s, right.Signature + b"\0", r, b""):
        spoiled = ua.SignatureData(Algorithm=None, Signature=other)
        client.signature = lambda spoiled=spoiled: spoiled
        assert status(await client.activate(ANONYMOUS)) == S.BadApplicationSignatureInvalid
    client.signature = lambda: right
    assert status(await client.activate(ANONYMOUS)) == S.Good


async def test_a_user_with_a_certificate_of_the_curve_logs_in(lab, suite):
    olga = lab.make_identity(ec.generate_private_key(suite.curve), "olga", "urn:test:olga")
    lab.bench.users.certificates[olga.der] = Identity(
        "olga", frozenset({"Engineer"}), "Certificate"
    )
    client = await session(lab, suite)
    token = ua.X509IdentityToken(
        PolicyId=f"certificate_{suite.name.lower()}", CertificateData=olga.der
    )
    forged = client.signature()
    refused = await client.activate(token, user_signature=forged)
    assert status(refused) == S.BadUserSignatureInvalid
    signed = client.signature(olga.key)
    assert status(await client.activate(token, user_signature=signed)) == S.Good
    held = lab.bench.front_end.context.sessions.find(client.authentication_token)
    assert held.subject.user == "olga"


async def test_a_users_rsa_certificate_does_not_do_on_a_channel_of_a_curve(lab, p256):
    client = await session(lab, p256)
    token = ua.X509IdentityToken(
        PolicyId="certificate_ecc_nistp256", CertificateData=lab.identities["RSA"].der
    )
    response = await client.activate(token, user_signature=client.signature())
    assert status(response) == S.BadUserSignatureInvalid


async def test_a_token_of_an_identity_provider_comes_encrypted_alike(lab, p256):
    lab.bench.users.tokens[b"a.b.c"] = Identity("ines", frozenset({"Operator"}), "IssuedToken")
    client = await session(lab, p256)
    token = ua.IssuedIdentityToken(PolicyId="jwt_ecc_nistp256", TokenData=client.envelope(b"a.b.d"))
    assert status(await client.activate(token)) == S.BadUserAccessDenied
    token.TokenData = client.envelope(b"a.b.c")
    assert status(await client.activate(token)) == S.Good


async def test_a_session_does_not_move_to_another_policy(lab, p256):
    client = await session(lab, p256)
    assert status(await client.activate(ANONYMOUS)) == S.Good
    elsewhere = lab.client(lab.suites["ECC_nistP384"])
    elsewhere.open()
    elsewhere.authentication_token, elsewhere.nonce = client.authentication_token, client.nonce
    assert status(await elsewhere.activate(ANONYMOUS)) == S.BadSecureChannelIdInvalid


async def test_a_session_moves_to_another_channel_of_its_client(lab, p256):
    client = await session(lab, p256)
    assert status(await client.activate(client.password(RIGHT))) == S.Good
    after = lab.client(p256)
    after.open()
    after.authentication_token, after.nonce = client.authentication_token, client.nonce
    after.receiver_key = client.receiver_key
    assert status(await after.activate(after.password(RIGHT))) == S.Good
    assert await reads(after)


# -- the additional header, which comes before anybody has logged in ----------------------------


async def test_more_parameters_than_anybody_sends_are_refused(lab, p256):
    client = lab.client(p256)
    client.open()
    request = ua.CreateSessionRequest()
    pair = ua.KeyValuePair(Key=ua.QualifiedName("x"), Value=ua.Variant(1))
    many = ua.AdditionalParametersType(Parameters=[pair] * 17)
    assert status(await client.ask(request, many)) == S.BadEncodingLimitsExceeded
    nobody = ua.AdditionalParametersType(Parameters=[pair] * 2000)
    assert status(await client.ask(request, nobody)) == S.BadEncodingLimitsExceeded


async def test_other_parameters_and_other_types_are_passed_over(lab, p256):
    for value in (ua.Variant(7), ua.Variant(None), ua.Variant(["a"]), ua.Variant(b"uri")):
        client = lab.client(p256)
        client.open()
        pairs = [
            ua.KeyValuePair(Key=ua.QualifiedName("Padding"), Value=ua.Variant(b"p" * 30)),
            ua.KeyValuePair(Key=ua.QualifiedName("ECDHPolicyUri"), Value=value),
        ]
        lab_asking = ua.AdditionalParametersType(Parameters=pairs)
        request = ua.CreateSessionRequest()
        request.Parameters = ua.CreateSessionParameters(
            ClientDescription=ua.ApplicationDescription(ApplicationUri="urn:test:ecc-client"),
            ClientCertificate=client.identity.der,
            ClientNonce=b"n" * 32,
        )
        response = await client.ask(request, lab_asking)
        assert status(response) == S.Good
        assert lab.ecdh_key(response.ResponseHeader) is None


async def test_on_a_channel_of_an_rsa_policy_or_none_nobody_gets_a_key(lab):
    client = lab.bench.client()
    request = ua.CreateSessionRequest()
    request.Parameters = ua.CreateSessionParameters(RequestedSessionTimeout=60_000.0)
    request.RequestHeader = ua.RequestHeader(
        RequestHandle=7,
        AdditionalHeader=lab.asking(lab.suites["ECC_nistP256"].uri),
    )
    response = client.answer(client.send_bytes(struct_to_binary(request)))
    assert status(response) == S.Good
    assert lab.ecdh_key(response.ResponseHeader) is None


@given(data=st.binary(max_size=200), type_id=st.sampled_from([17537, 17549, 14846, 0]))
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_an_additional_header_of_any_bytes_gets_an_answer_and_no_internal_error(
    lab, p256, data, type_id
):
    client = lab.client(p256)
    client.open()
    header = ua.RequestHeader(RequestHandle=9)
    body = struct_to_binary(ua.CreateSessionRequest(RequestHeader=header))
    plain = struct_to_binary(header)
    head = b"\x01\x00" + type_id.to_bytes(2, "little") + b"\x01" + lab.text(data)
    end = body.index(plain) + len(plain)
    response = await client.ask_bytes(body[: end - 3] + head + body[end:])
    assert status(response) not in (S.Good, S.BadInternalError, S.BadEncodingError)


# -- the envelope itself ------------------------------------------------------------------------


@pytest.fixture
def envelope(lab, suite):
    """An envelope, and what it is opened with."""
    key = EphemeralKey(ECC_POLICIES[suite.uri].curve)
    sender = lab.identities[suite.name]
    data = lab.make_envelope(suite, RIGHT, b"n" * 32, key.public, sender.key)
    return data, Keyhole(ECC_POLICIES[suite.uri], key, sender.der, b"n" * 32)


def test_an_envelope_opens_with_what_it_was_made_for(envelope):
    data, keyhole = envelope
    assert open_secret(data, keyhole, 64) == RIGHT
    assert open_secret(data, keyhole, len(RIGHT) - 1) is None


def test_an_envelope_with_any_byte_changed_does_not_open(envelope):
    data, keyhole = envelope
    for place in range(len(data)):
        spoiled = bytearray(data)
        spoiled[place] ^= 0x40
        assert open_secret(bytes(spoiled), keyhole, 64) is None


def test_an_envelope_that_was_cut_does_not_open(envelope):
    data, keyhole = envelope
    for size in range(len(data)):
        assert open_secret(data[:size], keyhole, 64) is None


def test_an_endless_envelope_is_not_read(envelope):
    data, keyhole = envelope
    assert open_secret(data + bytes(1 << 20), keyhole, 64) is None


@given(data=st.binary(max_size=400))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_are_an_envelope_by_chance(envelope, data):
    assert open_secret(data, envelope[1], 64) is None


@given(size=st.integers(0, 100))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_secrets_of_every_length_come_through(lab, p256, size):
    policy = ECC_POLICIES[p256.uri]
    key, sender = policy.new_key(), lab.identities[p256.name]
    data = lab.make_envelope(p256, b"s" * size, b"n" * 32, key.public, sender.key)
    assert open_secret(data, Keyhole(policy, key, sender.der, b"n" * 32), 100) == b"s" * size
