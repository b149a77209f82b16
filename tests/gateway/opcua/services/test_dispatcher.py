"""Requests that are refused before a service sees them, and services that fail (Part 4, 5.3)."""

from __future__ import annotations

import asyncio
import logging
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from asyncua import ua
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biogate.opcua.codec import encode_message
from biogate.opcua.front_end import Limits

S = ua.StatusCodes


def write_request(name: str, value: float) -> ua.WriteRequest:
    request = ua.WriteRequest()
    variant = ua.Variant(value, ua.VariantType.Float)
    request.Parameters.NodesToWrite = [
        ua.WriteValue(ua.NodeId(name, 1), ua.AttributeIds.Value, Value=ua.DataValue(variant))
    ]
    return request


@pytest.mark.parametrize(
    "request_type", [ua.QueryFirstRequest, ua.AddNodesRequest, ua.HistoryUpdateRequest]
)
def test_a_service_that_is_not_offered_is_a_fault(client: Any, request_type: type) -> None:
    fault = client.answer(client.send(request_type(), handle=99))
    assert isinstance(fault, ua.ServiceFault)
    assert client.status(fault) == S.BadServiceUnsupported
    assert fault.ResponseHeader.RequestHandle == 99


async def test_all_arrays_of_a_request_share_a_bound(make_bench: Callable[..., Any]) -> None:
    """What takes long to decode is refused while it is decoded, not when it is counted."""
    client = await make_bench(Limits(max_elements_per_message=10)).session()
    path = ua.BrowsePath(ua.NodeId(85), ua.RelativePath([ua.RelativePathElement()] * 4))
    request = ua.TranslateBrowsePathsToNodeIdsRequest()
    for count, status in ((2, S.Good), (3, S.BadEncodingLimitsExceeded)):
        request.Parameters.BrowsePaths = [path] * count
        assert client.status(client.ask(request)) == status


async def test_an_array_of_the_published_length_is_taken_and_no_longer_one(client: Any) -> None:
    """MaxArrayLength, Part 5, 6.3.2."""
    for more, status in ((0, S.Good), (1, S.BadEncodingLimitsExceeded)):
        texts = ["x"] * (Limits().max_array_length + more)
        request = ua.WriteRequest()
        request.Parameters.NodesToWrite = [
            ua.WriteValue(ua.NodeId("Gas", 1), 13, Value=ua.DataValue(ua.Variant(texts)))
        ]
        assert client.status(await client.ask_async(request)) == status


def test_a_response_is_no_service(client: Any) -> None:
    fault = client.answer(client.send_bytes(encode_message(ua.ReadResponse())))
    assert client.status(fault) == S.BadServiceUnsupported


def test_a_malformed_body_is_a_fault_with_the_request_handle(client: Any) -> None:
    request = ua.ReadRequest(RequestHeader=ua.RequestHeader(client.token, RequestHandle=31))
    fault = client.answer(client.send_bytes(encode_message(request)[:-1]))
    assert isinstance(fault, ua.ServiceFault)
    assert client.status(fault) == S.BadDecodingError
    assert fault.ResponseHeader.RequestHandle == 31


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_is_answered_once_and_the_session_lives_on(client: Any, data: Any) -> None:
    """Requests with bytes changed, cut off or added: a fault or an answer, never silence."""
    header = ua.RequestHeader(client.token, RequestHandle=1)
    kind = data.draw(st.sampled_from([ua.ReadRequest, ua.BrowseRequest, ua.BrowseNextRequest]))
    message = bytearray(encode_message(kind(RequestHeader=header)))
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(4, len(message) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(message)))
    sent = client.send_bytes(bytes(message[:cut]) + data.draw(st.binary(max_size=20)))
    assert client.answered(sent)
    assert client.status(client.ask(ua.ReadRequest())) == S.BadNothingToDo


def test_malformed_requests_of_a_connection_are_logged_once(
    client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        client.send_bytes(b"\x01\x00\x77\x02garbage")
    assert sum("request refused" in record.message for record in caplog.records) == 1
    assert client.front_end.dispatcher.counters["BadDecodingError"] == 20


def test_responses_carry_the_request_handle_and_the_time(client: Any, bench: Any) -> None:
    response = client.answer(client.send(ua.CloseSessionRequest(), handle=0xFFFF_FFFF))
    assert response.ResponseHeader.RequestHandle == 0xFFFF_FFFF
    assert response.ResponseHeader.Timestamp.year == 2025


@pytest.mark.parametrize("token", [ua.NodeId(), ua.NodeId(1001), ua.NodeId(b"x" * 32)])
def test_a_forged_token_names_no_session(client: Any, token: ua.NodeId) -> None:
    client.token = token
    assert client.status(client.ask(ua.ReadRequest())) == S.BadSessionIdInvalid


def test_a_token_is_worth_nothing_on_another_channel(client: Any, bench: Any) -> None:
    thief = bench.client(channel_id=2)
    thief.token = client.token
    assert thief.status(thief.ask(ua.BrowseRequest())) == S.BadSecureChannelIdInvalid
    assert thief.status(thief.ask(ua.CloseSessionRequest())) == S.BadSecureChannelIdInvalid
    assert client.status(client.ask(ua.ReadRequest())) == S.BadNothingToDo


def test_a_session_used_before_it_is_activated_is_closed(bench: Any) -> None:
    client = bench.client()
    client.create_session()
    assert client.status(client.ask(ua.ReadRequest())) == S.BadSessionNotActivated
    assert client.status(client.ask(ua.ReadRequest())) == S.BadSessionIdInvalid


def test_a_discovery_channel_serves_nothing_else(bench: Any) -> None:
    client = bench.client(discovery_only=True)
    assert client.status(client.ask(ua.GetEndpointsRequest())) == S.Good
    assert client.status(client.create_session()) == S.BadSecurityPolicyRejected


def test_before_login_large_requests_are_refused(bench: Any) -> None:
    """What an AdditionalHeader of a stranger may hold is bounded tightly."""
    client = bench.client()
    request = ua.GetEndpointsRequest()
    request.Parameters.ProfileUris = ["x"] * 1001
    assert client.status(client.ask(request)) == S.BadEncodingLimitsExceeded


@pytest.mark.parametrize(
    ("urls", "status"),
    [
        (["x"] * 1001, S.BadEncodingLimitsExceeded),
        (["x" * 4097], S.BadEncodingLimitsExceeded),
        (["x" * 4096] * 17, S.BadRequestTooLarge),
        (["x"] * 100, S.Good),
    ],
)
def test_a_session_beside_another_is_made_within_the_same_bounds(
    client: Any, urls: list[str], status: int
) -> None:
    """What a session keeps of its client must not grow with the rights of a connection."""
    request = ua.CreateSessionRequest()
    request.Parameters.ClientDescription.DiscoveryUrls = urls
    assert client.status(client.ask(request)) == status


async def test_a_request_that_waits_keeps_nothing_large_of_its_header(
    client: Any, bench: Any
) -> None:
    """Twenty Publish requests of each session wait, and each could hold 16 MB."""
    await client.ask_async(ua.CreateSubscriptionRequest())
    request = ua.PublishRequest()
    header = ua.RequestHeader(client.token, AuditEntryId="x" * 4097)
    request.RequestHeader = header
    refused = client.answer(client.send_bytes(encode_message(request)))
    assert client.status(refused) == S.BadEncodingLimitsExceeded
    header.AuditEntryId = "x" * 4096
    header.AdditionalHeader = ua.ExtensionObject(ua.NodeId(1, 1), b"x" * 1_000_000)
    message = encode_message(request)
    tracemalloc.start()
    try:
        for _ in range(20):
            client.send_bytes(message)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 1_000_000


async def test_a_service_that_fails_is_an_internal_error_and_the_session_lives_on(
    client: Any, bench: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(bench.front_end.context.tags, "snapshot", explode)
    request = ua.ReadRequest()
    request.Parameters.NodesToRead = [ua.ReadValueId(ua.NodeId("pH", 1), 13)]
    with caplog.at_level(logging.ERROR):
        assert client.status(client.ask(request)) == S.BadInternalError
    (record,) = caplog.records
    assert (record.service, record.session, record.address) == ("Read", "test", "127.0.0.1:50000")
    monkeypatch.undo()
    assert client.status(client.ask(request)) == S.Good


async def test_a_flood_of_strangers_makes_no_flood_of_lines(
    bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Each connection and each session may be new; what they cause is counted all the same."""
    for channel in range(100):
        client = bench.client(channel)
        client.send_bytes(b"?")
        client.create_session()
        token = ua.UserNameIdentityToken(PolicyId="username_basic256sha256", UserName="x")
        assert client.status(await client.activate(token)) == S.BadIdentityTokenInvalid
    lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert 1 <= len(lines) <= 60
    assert bench.front_end.dispatcher.counters["BadDecodingError"] == 100


async def test_requests_that_wait_do_not_hold_up_others(client: Any, bench: Any) -> None:
    bench.commands.gate = asyncio.Event()
    waiting = client.send(write_request("SetPoint", 1.0))
    await bench.commands.seen(1)
    assert client.status(client.ask(ua.ReadRequest())) == S.BadNothingToDo
    assert not client.answered(waiting)
    bench.commands.gate.set()
    assert (await client.wait(waiting)).Results[0].value == S.Good


async def test_a_session_runs_and_queues_a_bounded_number_of_requests(
    make_bench: Callable[..., Any],
) -> None:
    bench = make_bench(
        Limits(max_running_requests_per_session=2, max_queued_requests_per_session=1)
    )
    client, other = await bench.session(1), await bench.session(2)
    bench.commands.gate = asyncio.Event()
    sent = [client.send(write_request("SetPoint", float(i))) for i in range(4)]
    assert client.status(client.answer(sent[3])) == S.BadServerTooBusy
    others = other.send(write_request("SetPoint", 10.0))
    assert await bench.commands.seen(3) == [0.0, 1.0, 10.0]
    bench.commands.gate.set()
    for request_id in sent[:3]:
        assert (await client.wait(request_id)).Results[0].value == S.Good
    await other.wait(others)
    assert len(bench.commands.writes) == 4


async def test_large_requests_that_take_time_are_bounded_in_bytes(
    make_bench: Callable[..., Any],
) -> None:
    """Each of a hundred sessions may have 72 under way, and each may have 16 MB."""
    bench = make_bench(Limits(max_running_requests_per_session=1, max_large_requests_bytes=60_000))
    client = await bench.session()
    bench.commands.gate = asyncio.Event()

    def request(size: int) -> ua.WriteRequest:
        request = ua.WriteRequest()
        text = ua.DataValue(ua.Variant("x" * size))
        request.Parameters.NodesToWrite = [ua.WriteValue(ua.NodeId("Gas", 1), 13, Value=text)]
        return request

    sent = [client.send(request(size)) for size in (25_000, 25_000, 25_000, 5_000)]
    assert [client.answered(one) for one in sent] == [False, False, True, False]
    assert client.status(client.answer(sent[2])) == S.BadServerTooBusy
    cancel = ua.CancelRequest()
    cancel.Parameters.RequestHandle = 7
    assert client.ask(cancel).Parameters.CancelCount == 2
    sent = [sent[0], client.send(request(25_000))]
    bench.commands.gate.set()
    for one in sent:
        assert (await client.wait(one)).Results[0].value == S.Good
    sent = [client.send(request(25_000)) for _ in range(2)]
    for one in sent:
        assert (await client.wait(one)).Results[0].value == S.Good


async def test_cancel_answers_what_still_waits(make_bench: Callable[..., Any]) -> None:
    """Part 4, 5.7.5."""
    bench = make_bench(Limits(max_running_requests_per_session=1))
    client = await bench.session()
    bench.commands.gate = asyncio.Event()
    running = client.send(write_request("SetPoint", 1.0), handle=5)
    waiting = client.send(write_request("SetPoint", 2.0), handle=5)
    request = ua.CancelRequest()
    request.Parameters.RequestHandle = 5
    assert client.ask(request).Parameters.CancelCount == 1
    assert client.status(client.answer(waiting)) == S.BadRequestCancelledByClient
    request.Parameters.RequestHandle = 77
    assert client.ask(request).Parameters.CancelCount == 0
    bench.commands.gate.set()
    await client.wait(running)
    assert len(bench.commands.writes) == 1


async def test_a_request_that_waited_longer_than_its_client_does_is_not_run(
    make_bench: Callable[..., Any],
) -> None:
    """TimeoutHint, Part 4, 7.32: nobody reads the answer any more."""
    bench = make_bench(Limits(max_running_requests_per_session=1))
    client = await bench.session()
    bench.commands.gate = asyncio.Event()
    client.send(write_request("SetPoint", 1.0))
    late = client.send(write_request("SetPoint", 2.0), timeout_hint=1000)
    await bench.commands.seen(1)
    bench.clock.now += 1.5
    bench.commands.gate.set()
    assert client.status(await client.wait(late)) == S.BadTimeout
    assert len(bench.commands.writes) == 1


async def test_a_request_that_never_ends_is_given_up(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(Limits(max_request_duration_ms=1.0))
    client = await bench.session()
    bench.commands.gate = asyncio.Event()
    response = await client.ask_async(write_request("SetPoint", 1.0))
    assert client.status(response) == S.BadTimeout


async def test_closing_a_session_refuses_what_waits_and_finishes_what_runs(
    make_bench: Callable[..., Any],
) -> None:
    bench = make_bench(Limits(max_running_requests_per_session=1))
    client = await bench.session()
    bench.commands.gate = asyncio.Event()
    running = client.send(write_request("SetPoint", 1.0))
    waiting = client.send(write_request("SetPoint", 2.0))
    await bench.commands.seen(1)
    client.ask(ua.CloseSessionRequest())
    assert client.status(client.answer(waiting)) == S.BadSessionClosed
    bench.commands.gate.set()
    assert (await client.wait(running)).Results[0].value == S.Good


async def test_a_response_over_the_clients_limit_becomes_a_fault(bench: Any) -> None:
    """MaxResponseMessageSize, Part 4, 5.7.2.2."""
    client = bench.client()
    client.create_session(MaxResponseMessageSize=200)
    await client.activate()
    names = ["Text"] * 20
    response = client.read(*(ua.ReadValueId(ua.NodeId(n, 1), 13) for n in names))
    assert client.status(response) == S.BadResponseTooLarge
