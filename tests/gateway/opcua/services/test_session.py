"""Sessions: their tokens, channels, users and lifetimes (Part 4, 5.7)."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.front_end import Limits
from biogate.opcua.transport.policies import (
    NONE_URI,
    POLICY_URIS,
    RSA_POLICIES,
    load_certificate,
    sign_data,
    verify_data,
)
from biogate_security.pki import Pki
from biogate_security.roles import Identity

S = ua.StatusCodes
BASIC = RSA_POLICIES[POLICY_URIS["Basic256Sha256"]]
CLIENT_URI = "urn:test:client"


@pytest.fixture(scope="module")
def client_pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """The certificate of a client application."""
    return Pki.open(tmp_path_factory.mktemp("client-pki"), CLIENT_URI, ["127.0.0.1"])


@pytest.fixture(scope="module")
def other_pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """The certificate of another application that claims the same ApplicationUri."""
    return Pki.open(tmp_path_factory.mktemp("other-pki"), CLIENT_URI, ["127.0.0.1"])


def secure(bench: Any, pki: Pki, channel_id: int = 1) -> Any:
    return bench.client(
        channel_id,
        security_policy_uri=BASIC.uri,
        security_mode=ua.MessageSecurityMode.SignAndEncrypt,
        client_certificate=pki.certificate_der,
        client_chain=pki.certificate_der,
    )


def create_secure(client: Any, pki: Pki, uri: str = CLIENT_URI, nonce: bytes = b"n" * 32) -> Any:
    return client.create_session(
        ClientDescription=ua.ApplicationDescription(ApplicationUri=uri),
        ClientCertificate=pki.certificate_der,
        ClientNonce=nonce,
    )


def client_signature(client: Any, bench: Any, pki: Pki, nonce: bytes | None = None) -> Any:
    data = bench.pki.certificate_der + (client.nonce if nonce is None else nonce)
    return sign_data(BASIC.uri, pki.private_key, data)


def password_token(
    bench: Any,
    nonce: bytes,
    password: str = "correct horse",
    *,
    user: str = "operator",
    length_error: int = 0,
) -> ua.UserNameIdentityToken:
    secret = password.encode() + nonce
    plain = struct.pack("<I", len(secret) + length_error) + secret
    key = load_certificate(bench.pki.certificate_der).public_key()
    return ua.UserNameIdentityToken(
        PolicyId="username_basic256sha256",
        UserName=user,
        Password=BASIC.encrypt(key, plain),
        EncryptionAlgorithm=BASIC.encryption_uri,
    )


# -- CreateSession ------------------------------------------------------------------------------


def test_session_and_token_are_different_and_unguessable(bench: Any) -> None:
    first, second = (bench.client().create_session().Parameters for _ in range(2))
    tokens = {first.AuthenticationToken, second.AuthenticationToken}
    ids = {first.SessionId, second.SessionId}
    assert len(tokens | ids) == 4
    assert all(len(token.Identifier) == 32 for token in tokens)
    assert first.ServerNonce != second.ServerNonce
    assert len(first.ServerNonce) == 32


@pytest.mark.parametrize(
    ("asked_ms", "revised_ms"),
    [(30_000.0, 30_000.0), (0.0, 3_600_000.0), (1.0, 10_000.0), (1e12, 3_600_000.0)],
)
def test_the_timeout_is_revised_into_its_bounds(
    bench: Any, asked_ms: float, revised_ms: float
) -> None:
    client = bench.client()
    request = ua.CreateSessionRequest()
    request.Parameters = ua.CreateSessionParameters(RequestedSessionTimeout=asked_ms)
    assert client.ask(request).Parameters.RevisedSessionTimeout == revised_ms


def test_a_session_for_another_server_is_refused(bench: Any) -> None:
    response = bench.client().create_session(ServerUri="urn:someone:else")
    assert response.ResponseHeader.ServiceResult.value == S.BadServerUriInvalid


def test_create_session_lists_the_endpoints_that_discovery_lists(bench: Any) -> None:
    client = bench.client()
    endpoints = client.ask(ua.GetEndpointsRequest()).Endpoints
    assert client.create_session().Parameters.ServerEndpoints == endpoints


def test_the_server_signs_certificate_and_nonce_of_its_client(bench: Any, client_pki: Pki) -> None:
    client = secure(bench, client_pki)
    result = create_secure(client, client_pki).Parameters
    signed = client_pki.certificate_der + b"n" * 32
    verify_data(BASIC.uri, bench.pki.certificate_der, signed, result.ServerSignature)
    assert result.ServerCertificate == bench.pki.certificate_der


def test_the_session_belongs_to_the_certificate_of_its_channel(
    bench: Any, client_pki: Pki, other_pki: Pki
) -> None:
    client = secure(bench, client_pki)
    assert client.status(create_secure(client, other_pki)) == S.BadSecurityChecksFailed
    request = ua.CreateSessionRequest()
    assert client.status(client.ask(request)) == S.BadSecurityChecksFailed


def test_the_application_uri_must_be_that_of_the_certificate(bench: Any, client_pki: Pki) -> None:
    client = secure(bench, client_pki)
    response = create_secure(client, client_pki, uri="urn:test:impostor")
    assert client.status(response) == S.BadCertificateUriInvalid


def test_a_short_client_nonce_is_refused(bench: Any, client_pki: Pki) -> None:
    client = secure(bench, client_pki)
    assert client.status(create_secure(client, client_pki, nonce=b"n" * 31)) == S.BadNonceInvalid


async def test_sessions_never_activated_make_room_for_new_ones(
    make_bench: Callable[..., Any],
) -> None:
    """Part 4, 5.7.2: reclaim, do not refuse."""
    bench = make_bench(Limits(max_sessions=3))
    active = await bench.session(1)
    idle = [bench.client(2), bench.client(3)]
    for client in idle:
        client.create_session()
    newcomer = await bench.session(4)
    assert idle[0].status(await idle[0].activate()) == S.BadSessionIdInvalid
    for client in (active, newcomer):
        assert client.status(client.ask(ua.ReadRequest())) == S.BadNothingToDo


async def test_active_sessions_are_never_reclaimed(
    make_bench: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(Limits(max_sessions=2))
    for channel in (1, 2):
        await bench.session(channel)
    client = bench.client(3)
    assert client.status(client.create_session()) == S.BadTooManySessions
    (line,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert (line.message, line.status) == ("session refused", "BadTooManySessions")  # type: ignore[attr-defined]


async def test_everybody_may_log_in_at_once(bench: Any) -> None:
    """As they do when a network comes back: nobody's login is pushed out by another's."""
    clients = [bench.client(channel) for channel in range(Limits().max_sessions)]
    for client in clients:
        assert client.status(client.create_session()) == S.Good
    for client in clients:
        assert client.status(await client.activate()) == S.Good


async def test_sessions_whose_clients_are_gone_make_room_the_longest_gone_first(
    make_bench: Callable[..., Any],
) -> None:
    """A hundred logins that are left alone must not keep everybody out until they time out."""
    bench = make_bench(Limits(max_sessions=3))
    clients = []
    for channel in (1, 2, 3):
        bench.clock.now += 1
        clients.append(await bench.session(channel))
    for gone in (2, 0):
        bench.front_end.dispatcher.on_closed(clients[gone].handle)
    await bench.session(4)
    sessions = bench.front_end.context.sessions
    assert [sessions.find(client.token) is not None for client in clients] == [False, True, True]
    await bench.session(5)
    assert [sessions.find(client.token) is not None for client in clients] == [False, True, False]
    assert clients[1].status(bench.client(6).create_session()) == S.BadTooManySessions


async def test_one_channel_holds_a_bounded_number_of_sessions(
    make_bench: Callable[..., Any],
) -> None:
    bench = make_bench(Limits(max_sessions_per_channel=2))
    for _ in range(2):
        await bench.session(1)
    other = bench.client(2)
    other.create_session()
    client = bench.client(1)
    assert client.status(client.create_session()) == S.BadTooManySessions
    assert client.status(await other.activate()) == S.Good


async def test_who_creates_many_sessions_pushes_out_none_but_their_own(
    make_bench: Callable[..., Any],
) -> None:
    bench = make_bench(Limits(max_sessions=5, max_unactivated_sessions_per_channel=3))
    login = bench.client(1)
    login.create_session()
    flood = bench.client(2)
    for _ in range(10):
        assert flood.status(flood.create_session()) == S.Good
    assert login.status(await login.activate()) == S.Good


# -- ActivateSession ----------------------------------------------------------------------------


async def test_every_activation_gives_a_fresh_nonce(client: Any) -> None:
    nonces = {client.nonce}
    for _ in range(3):
        await client.activate()
        nonces.add(client.nonce)
    assert len(nonces) == 4


async def test_an_activated_session_protects_its_connection(bench: Any) -> None:
    client = bench.client()
    client.create_session()
    assert not client.handle.active
    await client.activate()
    assert client.handle.active
    client.ask(ua.CloseSessionRequest())
    assert not client.handle.active


async def test_the_client_signs_the_servers_certificate_and_nonce(
    bench: Any, client_pki: Pki, other_pki: Pki
) -> None:
    client = secure(bench, client_pki)
    create_secure(client, client_pki)
    used = client.nonce
    for signature in (
        ua.SignatureData(),
        client_signature(client, bench, other_pki),
        client_signature(client, bench, client_pki, nonce=b"x" * 32),
    ):
        response = await client.activate(signature=signature)
        assert client.status(response) == S.BadApplicationSignatureInvalid
    right = client_signature(client, bench, client_pki)
    assert client.status(await client.activate(signature=right)) == S.Good
    replayed = client_signature(client, bench, client_pki, nonce=used)
    response = await client.activate(signature=replayed)
    assert client.status(response) == S.BadApplicationSignatureInvalid


async def test_a_session_is_first_activated_where_it_was_created(bench: Any) -> None:
    client, other = bench.client(1), bench.client(2)
    client.create_session()
    other.token, other.nonce = client.token, client.nonce
    assert other.status(await other.activate()) == S.BadSecureChannelIdInvalid


async def test_a_session_moves_to_a_new_channel_of_the_same_client(
    bench: Any, client_pki: Pki
) -> None:
    client, again = secure(bench, client_pki, 1), secure(bench, client_pki, 2)
    create_secure(client, client_pki)
    await client.activate(signature=client_signature(client, bench, client_pki))
    again.token, again.nonce = client.token, client.nonce
    response = await again.activate(signature=client_signature(again, bench, client_pki))
    assert again.status(response) == S.Good
    assert again.status(again.ask(ua.ReadRequest())) == S.BadNothingToDo
    assert client.status(client.ask(ua.ReadRequest())) == S.BadSecureChannelIdInvalid
    assert (client.handle.active, again.handle.active) == (False, True)


async def test_a_session_does_not_move_to_another_client_or_to_less_security(
    bench: Any, client_pki: Pki, other_pki: Pki
) -> None:
    client = secure(bench, client_pki, 1)
    create_secure(client, client_pki)
    await client.activate(signature=client_signature(client, bench, client_pki))
    stranger, plain = secure(bench, other_pki, 2), bench.client(3)
    for thief in (stranger, plain):
        thief.token, thief.nonce = client.token, client.nonce
    signature = client_signature(stranger, bench, other_pki)
    response = await stranger.activate(signature=signature)
    assert stranger.status(response) == S.BadSecureChannelIdInvalid
    assert plain.status(await plain.activate()) == S.BadSecureChannelIdInvalid
    assert client.status(client.ask(ua.ReadRequest())) == S.BadNothingToDo


async def test_a_moved_session_keeps_its_user(bench: Any) -> None:
    client, again = bench.client(1), bench.client(2)
    client.create_session()
    await client.activate(password_token(bench, client.nonce))
    again.token, again.nonce = client.token, client.nonce
    assert again.status(await again.activate()) == S.BadIdentityChangeNotSupported
    response = await again.activate(password_token(bench, again.nonce))
    assert again.status(response) == S.Good


async def test_a_user_whose_roles_have_changed_comes_back_with_the_new_ones(bench: Any) -> None:
    client, again = bench.client(1), bench.client(2)
    client.create_session()
    await client.activate(password_token(bench, client.nonce))
    bench.users.operator = Identity("operator", frozenset({"AuthenticatedUser", "Observer"}))
    again.token, again.nonce = client.token, client.nonce
    response = await again.activate(password_token(bench, again.nonce))
    assert again.status(response) == S.Good
    (session,) = bench.front_end.context.sessions
    assert session.rights.subject.roles == {"AuthenticatedUser", "Observer"}


async def test_the_user_of_a_session_may_change_on_its_channel(client: Any, bench: Any) -> None:
    """Session Change User: a wrong user leaves the session as it was."""
    wrong = password_token(bench, client.nonce, "wrong")
    assert client.status(await client.activate(wrong)) == S.BadUserAccessDenied
    assert client.status(client.ask(ua.ReadRequest())) == S.BadNothingToDo
    await client.activate(password_token(bench, client.nonce))
    (session,) = bench.front_end.context.sessions
    assert session.subject.user == "operator"
    assert session.subject.roles == {"AuthenticatedUser", "Operator"}


# -- user identity tokens -----------------------------------------------------------------------


async def test_a_subject_says_who_where_and_how(bench: Any, client_pki: Pki) -> None:
    client = secure(bench, client_pki)
    create_secure(client, client_pki)
    await client.activate(signature=client_signature(client, bench, client_pki))
    (session,) = bench.front_end.context.sessions
    subject = session.subject
    assert (subject.user, subject.roles) == (None, {"Anonymous", "TrustedApplication"})
    assert subject.authentication == "Anonymous"
    assert (subject.application_uri, subject.address) == (CLIENT_URI, "127.0.0.1")
    assert (subject.security_policy_uri, subject.security_mode) == (BASIC.uri, "SignAndEncrypt")
    assert len(subject.certificate_sha256) == 64


async def test_no_token_is_an_anonymous_token(bench: Any) -> None:
    """Part 4, 5.7.3.2."""
    client = bench.client()
    client.create_session()
    assert client.status(await client.activate(ua.ExtensionObject())) == S.Good


async def test_anonymous_is_refused_where_it_is_not_offered(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(anonymous=False)
    client = bench.client()
    client.create_session()
    for token in (ua.AnonymousIdentityToken(PolicyId="anonymous"), ua.ExtensionObject()):
        assert client.status(await client.activate(token)) == S.BadIdentityTokenRejected


async def test_a_token_that_is_not_offered_is_logged_once_for_a_session(
    make_bench: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    client = make_bench(anonymous=False).client()
    client.create_session()
    for _ in range(3):
        await client.activate(ua.AnonymousIdentityToken(PolicyId="anonymous"))
    assert [r.message for r in caplog.records] == ["login refused: BadIdentityTokenRejected"]


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (ua.AnonymousIdentityToken(PolicyId="other"), S.BadIdentityTokenInvalid),
        (ua.AnonymousIdentityToken(), S.BadIdentityTokenInvalid),
        (ua.X509IdentityToken(PolicyId="x509"), S.BadIdentityTokenRejected),
        (ua.IssuedIdentityToken(PolicyId="jwt"), S.BadIdentityTokenRejected),
        (ua.Argument(), S.BadIdentityTokenInvalid),
        (ua.ExtensionObject(ua.NodeId(1, 9), b"abc"), S.BadIdentityTokenInvalid),
    ],
)
async def test_only_the_policies_of_the_endpoint_are_accepted(
    bench: Any, token: Any, status: int
) -> None:
    client = bench.client()
    client.create_session()
    assert client.status(await client.activate(token)) == status


async def test_a_user_logs_in_with_an_encrypted_password_on_any_channel(bench: Any) -> None:
    client = bench.client()
    client.create_session()
    assert client.channel.security_policy_uri == NONE_URI
    assert client.status(await client.activate(password_token(bench, client.nonce))) == S.Good
    assert bench.users.asked == [("operator", "correct horse", "127.0.0.1")]


async def test_a_password_in_clear_is_refused_unread(bench: Any) -> None:
    client = bench.client()
    client.create_session()
    token = ua.UserNameIdentityToken(
        PolicyId="username_basic256sha256", UserName="operator", Password=b"correct horse"
    )
    assert client.status(await client.activate(token)) == S.BadIdentityTokenInvalid
    assert not bench.users.asked


async def test_only_the_algorithm_of_the_policy_is_accepted(bench: Any) -> None:
    """RSA PKCS#1 v1.5 is a padding oracle."""
    client = bench.client()
    client.create_session()
    token = password_token(bench, client.nonce)
    token.EncryptionAlgorithm = "http://www.w3.org/2001/04/xmlenc#rsa-1_5"
    assert client.status(await client.activate(token)) == S.BadIdentityTokenInvalid
    assert not bench.users.asked


async def test_every_way_to_fail_with_a_password_looks_the_same(bench: Any) -> None:
    client = bench.client()
    client.create_session()
    garbled = password_token(bench, client.nonce)
    garbled.Password = b"\x00" * 256
    for token in (
        password_token(bench, client.nonce, "wrong"),
        password_token(bench, client.nonce, user="nobody"),
        password_token(bench, b"x" * 32),
        password_token(bench, client.nonce, length_error=-1),
        password_token(bench, client.nonce, length_error=1000),
        garbled,
    ):
        assert client.status(await client.activate(token)) == S.BadUserAccessDenied
    assert len(bench.users.asked) == 6
    assert not [who for who in bench.users.asked if who[:2] == ("operator", "correct horse")]


async def test_a_password_too_long_for_an_account_is_not_even_decrypted(bench: Any) -> None:
    """Each block of it costs a private-key operation, which anyone could ask for by hundreds."""
    client = bench.client()
    client.create_session()
    for length, read in ((1024, True), (10_000, False)):
        answer = await client.activate(password_token(bench, client.nonce, "x" * length))
        assert client.status(answer) == S.BadUserAccessDenied
        assert (bench.users.asked[-1][1] == "x" * length) is read


async def test_a_recorded_password_cannot_be_replayed(bench: Any) -> None:
    client = bench.client()
    client.create_session()
    recorded = password_token(bench, client.nonce)
    assert client.status(await client.activate(recorded)) == S.Good
    assert client.status(await client.activate(recorded)) == S.BadUserAccessDenied


async def test_a_session_closed_during_a_login_stays_closed(bench: Any) -> None:
    client = bench.client()
    client.create_session()
    request = ua.ActivateSessionRequest()
    request.Parameters.UserIdentityToken = password_token(bench, client.nonce)
    login = client.send(request)
    client.ask(ua.CloseSessionRequest())
    assert client.status(await client.wait(login)) == S.BadSessionIdInvalid
    assert not len(bench.front_end.context.sessions)


async def test_a_login_whose_connection_is_gone_meanwhile_does_not_succeed(bench: Any) -> None:
    """Else its session would count as connected for as long as it lives."""
    client = bench.client()
    client.create_session()
    request = ua.ActivateSessionRequest()
    request.Parameters.UserIdentityToken = password_token(bench, client.nonce)
    login = client.send(request)
    client.handle.channel = None
    bench.front_end.dispatcher.on_closed(client.handle)
    assert client.status(await client.wait(login)) == S.BadSecureChannelClosed
    (session,) = bench.front_end.context.sessions
    assert not session.active
    assert not session.connected
    assert not bench.front_end.context.connections.has_session(client.handle)


# -- the end of a session -----------------------------------------------------------------------


async def test_a_closed_session_is_gone(client: Any) -> None:
    assert client.status(client.ask(ua.CloseSessionRequest())) == S.Good
    assert client.status(client.ask(ua.ReadRequest())) == S.BadSessionIdInvalid
    assert client.status(client.ask(ua.CloseSessionRequest())) == S.BadSessionIdInvalid


async def test_a_session_can_be_closed_before_it_is_activated(bench: Any) -> None:
    client = bench.client()
    client.create_session()
    assert client.status(client.ask(ua.CloseSessionRequest())) == S.Good


async def test_a_silent_session_ends_at_its_timeout(client: Any, bench: Any) -> None:
    bench.clock.now += 59.0
    bench.front_end.tick()
    assert client.status(client.ask(ua.ReadRequest())) == S.BadNothingToDo
    bench.clock.now += 59.0
    bench.front_end.tick()
    assert client.status(client.ask(ua.ReadRequest())) == S.BadNothingToDo
    bench.clock.now += 60.5
    bench.front_end.tick()
    assert client.status(client.ask(ua.ReadRequest())) == S.BadSessionIdInvalid
    assert not client.handle.active


async def test_a_session_outlives_its_connection_until_the_timeout(client: Any, bench: Any) -> None:
    bench.front_end.dispatcher.on_closed(client.handle)
    again = bench.client(2)
    again.token, again.nonce = client.token, client.nonce
    assert again.status(await again.activate()) == S.Good


async def test_a_write_that_waits_remains_that_of_the_user_who_asked_for_it(
    make_bench: Callable[..., Any],
) -> None:
    """Somebody else takes the session over meanwhile: the record must not name them."""
    bench = make_bench(Limits(max_running_requests_per_session=1))
    bench.commands.gate = asyncio.Event()
    client = bench.client()
    client.create_session()
    await client.activate(password_token(bench, client.nonce))
    request = ua.WriteRequest()
    value = ua.DataValue(ua.Variant(1.0, ua.VariantType.Float))
    node = ua.NodeId("SetPoint", 1)
    request.Parameters.NodesToWrite = [ua.WriteValue(node, ua.AttributeIds.Value, Value=value)]
    waiting = [client.send(request) for _ in range(2)]
    await bench.commands.seen(1)
    assert client.status(await client.activate()) == S.Good
    waiting.append(client.send(request))
    bench.commands.gate.set()
    for one in waiting:
        await client.wait(one)
    users = [subject.user for subject, *_ in bench.commands.writes]
    assert users == ["operator", "operator", None]
