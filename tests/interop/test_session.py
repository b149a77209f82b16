"""Sessions: activation, users, transfer to another channel, Cancel, limits, with two clients."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asyncua import Client, ua
from interop.asking import OBJECTS, SERVER_STATUS, S, clause, read, value_id, value_of, write
from interop.asyncua_wire import AsyncuaWire
from interop.conftest import CLIENT_URI, SECURITIES
from interop.node_wire import ClientError
from interop.wire import ServiceFaultError, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECURED = SECURITIES[1:]
REFUSED_LOGIN = (S.BadUserAccessDenied, S.BadIdentityTokenRejected)


async def login_status(connect: Any, client: str, *arguments: Any) -> int:
    """The status that a login ends with."""
    try:
        session = await connect(client, *arguments)
    except ServiceFaultError as fault:
        return fault.status
    except ua.UaStatusCodeError as error:
        return int(error.code)
    except ClientError as error:
        return next(c for c in REFUSED_LOGIN if ua.StatusCode(c).name in str(error))
    await session.close()
    return int(S.Good)


@clause("Part 4, 7.40.4")
@pytest.mark.parametrize("security", SECURITIES, ids=lambda s: s.name)
@pytest.mark.parametrize("client", ["asyncua", "node-opcua"])
async def test_an_account_logs_in_on_every_policy(connect, server, client, security):
    status = await login_status(connect, client, security, server.account("operator"))
    assert status == S.Good


@clause("Part 4, 5.7.3.3")
@pytest.mark.parametrize("account", [("operator", "wrong"), ("nobody", "x"), ("operator", "")])
@pytest.mark.parametrize("client", ["asyncua", "node-opcua"])
async def test_a_wrong_login_is_refused(connect, server, client, account):
    status = await login_status(connect, client, SECURED[1], account)
    assert status in (*REFUSED_LOGIN, S.BadIdentityTokenInvalid)


@clause("Part 4, 5.7.3.1")
async def test_a_session_changes_its_user(open_wire, server):
    wire = await open_wire(SECURED[1], server.account("observer"))
    assert await write(wire, server.id("Int32RW"), ["Int32", 1]) == S.BadUserAccessDenied
    assert await wire.change_user(*server.account("operator")) == S.Good
    assert await write(wire, server.id("Int32RW"), ["Int32", 1]) == S.Good


@clause("Part 4, 5.7.3.1")
async def test_a_wrong_user_leaves_the_session_as_it_was(open_wire, server):
    wire = await open_wire(SECURED[1], server.account("operator"))
    status = await wire.change_user("operator", "wrong")
    assert status in (*REFUSED_LOGIN, S.BadIdentityChangeNotSupported)
    assert await write(wire, server.id("Int32RW"), ["Int32", 2]) == S.Good


@clause("Part 4, 5.7.5.1")
async def test_cancelling_nothing_counts_none(any_wire):
    assert (await any_wire.ask("Cancel", RequestHandle=123_456))["CancelCount"] == 0


@clause("Part 4, 5.7.5.1")
async def test_a_waiting_publish_is_cancelled(connect):
    session = await connect("asyncua")
    try:
        await session.ask("CreateSubscription", RequestedPublishingInterval=10_000)
        protocol = session.client.uaclient.protocol
        waiting = asyncio.create_task(refused(session, "Publish", SubscriptionAcknowledgements=[]))
        await asyncio.sleep(0)
        await read(session, OBJECTS, 1)
        first = protocol._request_handle - 1
        counts = [
            (await session.ask("Cancel", RequestHandle=handle))["CancelCount"]
            for handle in (first, first - 1)
        ]
        assert sum(counts) == 1
        assert await waiting == S.BadRequestCancelledByClient
    finally:
        await session.close()


@clause("Part 4, 7.33")
async def test_the_request_handle_comes_back_with_a_time(wire):
    answer = await wire.ask("Read", NodesToRead=[value_id(SERVER_STATUS)], TimestampsToReturn=2)
    header = answer["ResponseHeader"]
    assert header["RequestHandle"] > 0
    assert header["Timestamp"] is not None
    assert header["ServiceResult"] == S.Good


@clause("Part 4, 5.7.2.2")
@pytest.mark.parametrize("requested", [0, 1, 60_000, 1e12])
async def test_the_session_timeout_is_revised(server, requested):
    client = Client(server.url, timeout=10)
    client.session_timeout = requested
    await client.connect_socket()
    try:
        await client.send_hello()
        await client.open_secure_channel()
        result = await client.create_session()
        assert 1000 <= client.session_timeout <= 24 * 3_600_000
        assert len(result.ServerNonce) >= 32
        await client.activate_session()
        await client.close_session()
    finally:
        client.disconnect_socket()


@clause("Part 4, 5.7.2.1")
async def test_before_it_is_activated_a_session_does_nothing(server):
    client = Client(server.url, timeout=10)
    await client.connect_socket()
    try:
        await client.send_hello()
        await client.open_secure_channel()
        await client.create_session()
        with pytest.raises(ua.uaerrors.BadSessionNotActivated):
            await client.get_node(ua.NodeId(85)).read_browse_name()
    finally:
        client.disconnect_socket()


@clause("Part 4, 7.32")
@pytest.mark.parametrize("token", [ua.NodeId(), ua.NodeId(b"x" * 32, 1), ua.NodeId(7, 0)])
async def test_a_forged_token_is_no_session(connect, token):
    session = await connect("asyncua")
    protocol = session.client.uaclient.protocol
    own = protocol.authentication_token
    try:
        protocol.authentication_token = token
        status = await refused(session, "Read", NodesToRead=[value_id(OBJECTS, 1)])
        assert status in (S.BadSessionIdInvalid, S.BadSecurityChecksFailed)
    finally:
        protocol.authentication_token = own
        await session.close()


@clause("Part 4, 5.7.4.1")
async def test_a_closed_session_is_gone(connect):
    session = await connect("asyncua")
    await session.ask("CloseSession", DeleteSubscriptions=True)
    status = await refused(session, "Read", NodesToRead=[value_id(OBJECTS, 1)])
    assert status in (S.BadSessionIdInvalid, S.BadSessionClosed)
    session.client.disconnect_socket()
    session.client._closing = True
    await session.client.disconnect()


@clause("Part 4, 5.7.3.1")
async def test_a_token_does_not_work_on_another_channel(connect):
    mine, other = await connect("asyncua"), await connect("asyncua")
    protocol = other.client.uaclient.protocol
    own = protocol.authentication_token
    try:
        protocol.authentication_token = mine.client.uaclient.protocol.authentication_token
        status = await refused(other, "Read", NodesToRead=[value_id(OBJECTS, 1)])
        assert status in (S.BadSecureChannelIdInvalid, S.BadSessionIdInvalid)
    finally:
        protocol.authentication_token = own
        await mine.close()
        await other.close()


@clause("Part 4, 5.7.3.1")
async def test_a_secured_session_moves_to_a_new_channel(connect, server):
    session = await connect("asyncua", SECURED[1], server.account("operator"))
    client = session.client
    subscription = await session.ask("CreateSubscription", RequestedPublishingInterval=1000)
    token, nonce = client.uaclient.protocol.authentication_token, client._server_nonce
    try:
        client.disconnect_socket()
        await client.connect_socket()
        await client.send_hello()
        await client.open_secure_channel()
        client.uaclient.protocol.authentication_token = token
        client._server_nonce = nonce
        await client.activate_session(*server.account("operator"))
        assert await write(session, server.id("Int32RW"), ["Int32", 3]) == S.Good
        modified = await session.ask(
            "ModifySubscription",
            SubscriptionId=subscription["SubscriptionId"],
            RequestedPublishingInterval=500,
        )
        assert modified["RevisedPublishingInterval"] == 500
    finally:
        await session.close()


@clause("Part 4, 6.1.3")
async def test_a_certificate_of_another_application_is_refused(connect, server, client_files):
    with pytest.raises(ua.UaStatusCodeError) as refusal:
        await AsyncuaWire.connect(server.url, SECURED[1], client_files, "urn:somebody:else")
    assert refusal.value.code in (S.BadCertificateUriInvalid, S.BadSecurityChecksFailed)


@clause("Part 4, 6.1.3")
async def test_an_expired_certificate_is_refused(connect, server, expired_files):
    with pytest.raises((ua.UaStatusCodeError, ConnectionError)) as refusal:
        await AsyncuaWire.connect(server.url, SECURED[1], expired_files, CLIENT_URI)
    if isinstance(refusal.value, ua.UaStatusCodeError):
        assert refusal.value.code in (S.BadCertificateTimeInvalid, S.BadSecurityChecksFailed)


@clause("Part 6, 7.1.2.3")
async def test_no_response_is_larger_than_the_client_takes(server):
    client = Client(server.url, timeout=10)
    client.max_messagesize = 20_000
    async with client:
        session = AsyncuaWire(client)
        items = [value_id(server.id("Int32RO"))] * 10
        assert await refused(session, "Read", NodesToRead=items) == S.Good
        status = await refused(session, "Read", NodesToRead=items * 200, TimestampsToReturn=2)
        assert status == S.BadResponseTooLarge
        assert await refused(session, "Read", NodesToRead=items) == S.Good


def token(kind: str, **fields: object) -> dict[str, object]:
    return {"$": kind, **fields}


@clause("Part 4, 5.7.3.3")
@pytest.mark.parametrize(
    "identity",
    [
        token("AnonymousIdentityToken", PolicyId="no such policy"),
        token("UserNameIdentityToken", PolicyId="no such policy", UserName="operator"),
        token("UserNameIdentityToken", PolicyId=None, UserName=None, Password=None),
    ],
    ids=["anonymous", "user", "empty"],
)
async def test_an_unknown_token_policy_is_refused(connect, identity):
    session = await connect("asyncua")
    status = await refused(session, "ActivateSession", UserIdentityToken=identity)
    assert status in (S.BadIdentityTokenInvalid, S.BadIdentityTokenRejected)
    await session.close()


@clause("Part 4, 5.7.3.2")
async def test_no_token_at_all_is_anonymous(connect, server):
    session = await connect("asyncua")
    assert await refused(session, "ActivateSession", UserIdentityToken=None) == S.Good
    assert await value_of(session, server.id("Int32RO")) == 42
    await session.close()


@clause("Part 4, 5.7.2.3")
async def test_a_short_nonce_is_invalid_on_a_secured_channel(connect, server):
    session = await connect("asyncua", SECURED[1])
    policy = session.client.security_policy
    status = await refused(
        session,
        "CreateSession",
        ClientDescription={"ApplicationUri": CLIENT_URI},
        EndpointUrl=server.url,
        ClientNonce="00" * 8,
        ClientCertificate=policy.host_certificate.hex(),
        RequestedSessionTimeout=60_000,
    )
    assert status == S.BadNonceInvalid
    await session.close()


@clause("Part 5, 6.3.2")
async def test_the_number_of_sessions_is_bounded(connect, wire):
    maximum = await value_of(wire, "ns=0;i=24095")
    created, status = [], 0
    while not status and len(created) <= maximum:
        try:
            created.append(await connect("asyncua"))
        except ua.UaStatusCodeError as error:
            status = error.code
    await asyncio.gather(*(session.close() for session in created))
    assert status == S.BadTooManySessions
    assert 0 < len(created) < maximum  # this check's own client has one, too


@clause("Part 7, 6.6.44")
async def test_many_sessions_work_side_by_side(connect, server):
    sessions = await asyncio.gather(*(connect("asyncua") for _ in range(20)))
    try:
        values = await asyncio.gather(
            *(value_of(session, server.id("Int32RO")) for session in sessions)
        )
        assert values == [42] * 20
    finally:
        await asyncio.gather(*(session.close() for session in sessions))


@clause("Part 4, 5.10.1")
@pytest.mark.parametrize("service", ["QueryFirst", "QueryNext"])
async def test_an_unknown_service_is_unsupported(wire, service):
    assert await refused(wire, service) == S.BadServiceUnsupported


@clause("Part 4, 5.8.1")
@pytest.mark.parametrize(
    ("service", "field"),
    [
        ("AddNodes", "NodesToAdd"),
        ("AddReferences", "ReferencesToAdd"),
        ("DeleteNodes", "NodesToDelete"),
        ("DeleteReferences", "ReferencesToDelete"),
    ],
)
async def test_nobody_changes_the_address_space(wire, service, field):
    assert await refused(wire, service, **{field: []}) == S.BadServiceUnsupported
