"""ServerDiagnostics tells what happened (Part 5, 6.3.3 and 12.9-12.15)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.codec import decode_variant, encode_message, encode_variant
from biogate.opcua.codec.limits import DecodeLimits
from biogate.opcua.codec.reader import Reader
from biogate.opcua.server_diagnostics import ServerDiagnostics

I = ua.ObjectIds  # noqa: E741
A = ua.AttributeIds
SUMMARY = I.Server_ServerDiagnostics_ServerDiagnosticsSummary
SESSIONS = I.Server_ServerDiagnostics_SessionsDiagnosticsSummary_SessionDiagnosticsArray
SECURITY = I.Server_ServerDiagnostics_SessionsDiagnosticsSummary_SessionSecurityDiagnosticsArray
SUBSCRIPTIONS = I.Server_ServerDiagnostics_SubscriptionDiagnosticsArray


@pytest.fixture
def diagnostics(bench: Any) -> ServerDiagnostics:
    return ServerDiagnostics(bench.front_end.context, bench.front_end.subscriptions.all)


def shown(diagnostics: ServerDiagnostics, identifier: int) -> Any:
    """A value as it comes out of the wire."""
    return decode_variant(encode_variant(diagnostics.values()[identifier]())).Value


async def subscribe(client: Any, interval_ms: float = 100.0) -> int:
    request = ua.CreateSubscriptionRequest()
    request.Parameters = ua.CreateSubscriptionParameters(interval_ms, 300, 10, 50, True, 7)
    response = await client.ask_async(request)
    return response.Parameters.SubscriptionId


async def test_the_summary_counts_sessions(bench: Any, diagnostics: ServerDiagnostics) -> None:
    first = await bench.session(1)
    await bench.session(2)
    summary = shown(diagnostics, SUMMARY)
    assert (summary.CurrentSessionCount, summary.CumulatedSessionCount) == (2, 2)
    first.ask(ua.CloseSessionRequest(DeleteSubscriptions=True))
    bench.clock.now += 4000
    bench.front_end.tick()
    summary = shown(diagnostics, SUMMARY)
    assert (summary.CurrentSessionCount, summary.CumulatedSessionCount) == (0, 2)
    assert (summary.SessionTimeoutCount, summary.SessionAbortCount) == (1, 0)


async def test_a_session_used_before_its_activation_is_aborted(
    bench: Any, diagnostics: ServerDiagnostics
) -> None:
    client = bench.client()
    client.create_session()
    client.read()
    summary = shown(diagnostics, SUMMARY)
    assert (summary.SessionAbortCount, summary.SessionTimeoutCount) == (1, 0)
    assert summary.SecurityRejectedRequestsCount == summary.RejectedRequestsCount == 1


async def test_the_summary_tells_refused_logins_from_refused_requests(
    bench: Any, diagnostics: ServerDiagnostics
) -> None:
    client = await bench.session()
    client.read()  # nothing to do
    stranger = bench.client(2)
    stranger.create_session()
    await stranger.activate(ua.UserNameIdentityToken(PolicyId="no such policy"))
    summary = shown(diagnostics, SUMMARY)
    assert (summary.RejectedRequestsCount, summary.SecurityRejectedRequestsCount) == (2, 1)
    assert (summary.RejectedSessionCount, summary.SecurityRejectedSessionCount) == (1, 1)


@pytest.mark.parametrize("audit_entry", [None, "out of the lane"])
async def test_publish_requests_that_are_refused_later_are_counted(
    bench: Any, diagnostics: ServerDiagnostics, audit_entry: str | None
) -> None:
    """Whether the fault is sent at once, or when the request has waited."""
    client = await bench.session()
    header = ua.RequestHeader(AuthenticationToken=client.token, AuditEntryId=audit_entry)
    publish = encode_message(ua.PublishRequest(RequestHeader=header))
    await client.wait(client.send_bytes(publish))
    number = await subscribe(client)
    waiting = client.send_bytes(publish)
    request = ua.DeleteSubscriptionsRequest()
    request.Parameters.SubscriptionIds = [number]
    await client.ask_async(request)
    assert client.status(await client.wait(waiting)) == ua.StatusCodes.BadNoSubscription
    assert shown(diagnostics, SUMMARY).RejectedRequestsCount == 2
    (session,) = shown(diagnostics, SESSIONS)
    assert (session.PublishCount.TotalCount, session.PublishCount.ErrorCount) == (2, 2)
    assert bench.front_end.dispatcher.counters["BadNoSubscription"] == 2


async def test_each_member_of_the_summary_has_a_node_of_its_own(
    bench: Any, diagnostics: ServerDiagnostics
) -> None:
    client = await bench.session()
    await subscribe(client, 100.0)
    await subscribe(client, 100.0)
    await subscribe(client, 250.0)
    summary = shown(diagnostics, SUMMARY)
    assert summary.CurrentSubscriptionCount == summary.CumulatedSubscriptionCount == 3
    assert summary.PublishingIntervalCount == 2
    for name, expected in dataclasses.asdict(summary).items():
        node = getattr(I, f"Server_ServerDiagnostics_ServerDiagnosticsSummary_{name}")
        assert shown(diagnostics, node) == expected


async def test_a_session_shows_who_it_is_and_what_it_asked(
    bench: Any, diagnostics: ServerDiagnostics
) -> None:
    client = bench.client()
    client.create_session(
        ClientDescription=ua.ApplicationDescription(ApplicationUri="urn:test:client"),
        EndpointUrl="opc.tcp://gateway:4840",
        MaxResponseMessageSize=1_000_000,
    )
    await client.activate()
    client.read_value("pH")
    client.read_value("pH")
    client.read()  # nothing to do
    await subscribe(client)
    bench.clock.now += 3
    (session,) = shown(diagnostics, SESSIONS)
    assert (session.SessionName, session.EndpointUrl) == ("test", "opc.tcp://gateway:4840")
    assert session.ClientDescription.ApplicationUri == "urn:test:client"
    assert session.ActualSessionTimeout == 60_000
    assert session.MaxResponseMessageSize == 1_000_000
    assert session.ReadCount == ua.ServiceCounterDataType(3, 1)
    assert session.CreateSubscriptionCount == ua.ServiceCounterDataType(1, 0)
    assert session.TotalRequestCount == ua.ServiceCounterDataType(5, 1)
    assert session.CurrentSubscriptionsCount == 1
    waited = session.ClientConnectionTime - session.ClientLastContactTime
    assert waited.total_seconds() == 3  # the wall clock of this front end stands still


async def test_session_security_is_laid_out_as_part_5_says(
    bench: Any, diagnostics: ServerDiagnostics
) -> None:
    """Encoding is a String, where asyncua has a mask."""
    client = await bench.session()
    (entry,) = shown(diagnostics, SECURITY)
    assert entry.TypeId.Identifier == I.SessionSecurityDiagnosticsDataType_Encoding_DefaultBinary
    reader = Reader(entry.Body, DecodeLimits())
    assert reader.node_id() == next(iter(bench.front_end.context.sessions)).session_id
    assert reader.string() == ""
    assert (reader.uint32(), reader.string()) == (1, "")
    assert [reader.string() for _ in range(3)] == ["Anonymous", "UA Binary", "opc.tcp"]
    assert reader.uint32() == ua.MessageSecurityMode.None_
    assert reader.string() == client.channel.security_policy_uri
    assert reader.byte_string() is None
    reader.finish()


async def test_session_security_is_for_administrators_on_an_encrypted_channel(
    client: Any, plant: Any
) -> None:
    """Part 5, 7.16: the node's own RolePermissions and AccessRestrictions see to it."""
    (value,) = client.read(ua.ReadValueId(ua.NodeId(SECURITY), A.Value)).Results
    assert value.StatusCode.value == ua.StatusCodes.BadNodeIdUnknown


async def test_a_subscription_shows_its_parameters_and_what_it_sent(
    bench: Any, diagnostics: ServerDiagnostics
) -> None:
    client = await bench.session()
    subscription = await subscribe(client)
    request = ua.SetPublishingModeRequest()
    request.Parameters = ua.SetPublishingModeParameters(False, [subscription])
    client.ask(request)
    republish = ua.RepublishRequest()
    republish.Parameters = ua.RepublishParameters(subscription, 99)
    client.ask(republish)
    (shown_one,) = shown(diagnostics, SUBSCRIPTIONS)
    assert shown_one.SubscriptionId == subscription
    assert shown_one.SessionId == next(iter(bench.front_end.context.sessions)).session_id
    assert (shown_one.Priority, shown_one.PublishingInterval) == (7, 100.0)
    assert (shown_one.MaxLifetimeCount, shown_one.MaxKeepAliveCount) == (300, 10)
    assert shown_one.MaxNotificationsPerPublish == 50
    assert (shown_one.PublishingEnabled, shown_one.DisableCount) == (False, 1)
    assert (shown_one.RepublishRequestCount, shown_one.RepublishMessageCount) == (1, 0)
    assert (shown_one.NextSequenceNumber, shown_one.UnacknowledgedMessageCount) == (1, 0)
