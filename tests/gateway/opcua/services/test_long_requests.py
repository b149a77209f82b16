"""Requests that take long hold up nobody, and what they may take is bounded."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.codec import encode_message
from biogate.opcua.front_end import Limits
from biogate.opcua.services import write
from biogate.opcua.services.server_methods import bind_server_methods
from biogate.opcua.space.values import CallSource
from biogate.opcua.turns import Turns
from biogate_nodesets.model import Node
from biogate_security.policy import Action

S = ua.StatusCodes
A = ua.AttributeIds
MODELLING_RULE = ua.NodeId(78)
"""Mandatory: thousands of nodes refer to it."""


def nid(name: str) -> ua.NodeId:
    return ua.NodeId(name, 1)


def read(*names: str) -> ua.ReadRequest:
    request = ua.ReadRequest()
    request.Parameters.NodesToRead = [ua.ReadValueId(nid(name), A.Value) for name in names]
    return request


def browse(*nodes: ua.NodeId, page: int = 0) -> ua.BrowseRequest:
    request = ua.BrowseRequest()
    request.Parameters.RequestedMaxReferencesPerNode = page
    request.Parameters.NodesToBrowse = [
        ua.BrowseDescription(node, ua.BrowseDirection.Both, ua.NodeId(), True, 0, 63)
        for node in nodes
    ]
    return request


def client_status(response: Any) -> int:
    status: int = response.ResponseHeader.ServiceResult.value
    return status


def translate(count: int) -> ua.TranslateBrowsePathsToNodeIdsRequest:
    name = ua.RelativePathElement(ua.NodeId(), False, True, ua.QualifiedName("Reactor", 1))
    request = ua.TranslateBrowsePathsToNodeIdsRequest()
    path = ua.BrowsePath(ua.NodeId(ua.ObjectIds.ObjectsFolder), ua.RelativePath([name]))
    request.Parameters.BrowsePaths = [path] * count
    return request


async def subscribed(client: Any) -> int:
    response = await client.ask_async(ua.CreateSubscriptionRequest())
    number: int = response.Parameters.SubscriptionId
    return number


def create_items(subscription: int, count: int) -> ua.CreateMonitoredItemsRequest:
    item = ua.MonitoredItemCreateRequest(
        ua.ReadValueId(nid("Text"), A.Value), 2, ua.MonitoringParameters(ClientHandle=1)
    )
    request = ua.CreateMonitoredItemsRequest()
    request.Parameters = ua.CreateMonitoredItemsParameters(subscription, 2, [item] * count)
    return request


@pytest.fixture
async def busy(make_bench: Callable[..., Any]) -> Any:
    """A front end that does one step of a request at a time."""
    bench = make_bench(Limits(max_running_requests_per_session=1))
    bench.front_end.context.turns = Turns(slice_s=0.0)
    return bench


@pytest.mark.parametrize(
    "request_made", [read(*["Constant"] * 200), browse(*[nid("Reactor")] * 200), translate(200)]
)
async def test_a_short_request_overtakes_a_long_one(busy: Any, request_made: Any) -> None:
    client, other = await busy.session(1), await busy.session(2)
    long = client.send(request_made)
    short = await other.ask_async(read("Constant"))
    assert short.Results[0].Value.Value == 42
    assert not client.answered(long)
    results = (await client.wait(long)).Results
    assert [result.StatusCode.value for result in results] == [S.Good] * 200


async def test_what_is_learned_of_a_long_request_takes_turns_too(busy: Any) -> None:
    """Three steps for each item: to find it, to encode it, to plan how to do so again."""
    client, other = await busy.session(1), await busy.session(2)
    steps = 0
    long = client.send(read(*["pH"] * 100))
    while not client.answered(long):
        await other.ask_async(read("Constant"))
        await asyncio.sleep(0)
        steps += 1
    assert busy.front_end.context.read_plans.size
    assert steps > 250


async def test_a_read_shows_no_more_than_may_be_seen_by_then(
    bench: Any, client: Any, plant: Any
) -> None:
    """A conduit that is closed is closed, also for what was found out before."""
    plant.set("ph", 7.0)

    def closed_meanwhile() -> ua.DataValue:
        bench.policy.deny(Action.READ, nid("pH"))
        return ua.DataValue(ua.Variant(1))

    plant.space.bind(nid("Live"), CallSource(closed_meanwhile))
    before, live, after = client.ask(read("pH", "Live", "pH")).Results
    assert (before.Value.Value, live.Value.Value) == (7.0, 1)
    assert after.StatusCode.value == S.BadUserAccessDenied


async def test_browse_next_and_creating_items_take_turns_too(busy: Any) -> None:
    client, other = await busy.session(1), await busy.session(2)
    first = await client.ask_async(browse(*[nid("Reactor")] * 5, page=1))
    request = ua.BrowseNextRequest()
    request.Parameters.ReleaseContinuationPoints = False
    request.Parameters.ContinuationPoints = [r.ContinuationPoint for r in first.Results]
    subscription = await subscribed(client)
    for long_request in (request, create_items(subscription, 500)):
        long = client.send(long_request)
        await other.ask_async(read("Constant"))
        assert not client.answered(long)
        assert client.status(await client.wait(long)) == S.Good


async def test_rights_that_change_while_browsing_on_end_it(busy: Any) -> None:
    """What is left was found with other rights: neither shown, nor kept for the next request."""
    client = await busy.session()
    first = await client.ask_async(browse(nid("Reactor"), page=5))
    request = ua.BrowseNextRequest()
    request.Parameters.ReleaseContinuationPoints = False
    request.Parameters.ContinuationPoints = [first.Results[0].ContinuationPoint]
    browsing = client.send(request)
    busy.policy.deny(Action.BROWSE, nid("SetPoint"))
    (result,) = (await client.wait(browsing)).Parameters.Results
    assert result.StatusCode.value == S.BadContinuationPointInvalid
    assert not result.References
    assert not result.ContinuationPoint


async def test_nodes_that_go_while_browsing_are_left_out(busy: Any, plant: Any) -> None:
    client = await busy.session()
    gone = Node(nid("Gone"), ua.NodeClass.Object, ua.QualifiedName("Gone", 1), ua.LocalizedText())
    gone.add_reference(ua.NodeId(ua.ObjectIds.HasComponent), nid("Reactor"), forward=False)
    plant.space.add_nodes([gone])
    browsing = client.send(browse(nid("Reactor")))
    plant.space.remove_nodes([gone.node_id])
    (result,) = (await client.wait(browsing)).Results
    assert result.StatusCode.value == S.Good
    assert gone.node_id not in [reference.NodeId for reference in result.References]
    assert nid("pH") in [reference.NodeId for reference in result.References]


async def test_a_device_that_does_not_answer_holds_up_no_reading(busy: Any) -> None:
    busy.commands.gate = asyncio.Event()
    client = await busy.session()
    request = ua.WriteRequest()
    value = ua.DataValue(ua.Variant(1.0, ua.VariantType.Float))
    request.Parameters.NodesToWrite = [ua.WriteValue(nid("SetPoint"), A.Value, Value=value)]
    writing = client.send(request)
    await busy.commands.seen(1)
    assert len((await client.ask_async(read(*["Constant"] * 50))).Results) == 50
    assert not client.answered(writing)
    busy.commands.gate.set()
    await client.wait(writing)


async def test_a_device_that_does_not_answer_keeps_no_client_from_its_session(busy: Any) -> None:
    """Nor from going on where it was after its connection broke (Part 4, 5.7.3)."""
    busy.commands.gate = asyncio.Event()
    client = await busy.session()
    request = ua.WriteRequest()
    value = ua.DataValue(ua.Variant(1.0, ua.VariantType.Float))
    request.Parameters.NodesToWrite = [ua.WriteValue(nid("SetPoint"), A.Value, Value=value)]
    writing = [client.send(request) for _ in range(2)]
    await busy.commands.seen(1)
    again = busy.client(2)
    again.token = client.token
    assert client.status(await again.activate()) == S.Good
    assert (await again.ask_async(read("Constant"))).Results[0].Value.Value == 42
    busy.commands.gate.set()
    for one in writing:
        assert client.status(await client.wait(one)) == S.Good


async def test_between_two_methods_others_have_their_turn(busy: Any) -> None:
    client, other = await busy.session(1), await busy.session(2)
    subscription = await subscribed(client)
    bind_server_methods(busy.front_end.context.space, busy.front_end.subscriptions)
    number = ua.Variant(subscription, ua.VariantType.UInt32)
    request = ua.CallRequest()
    request.Parameters.MethodsToCall = [
        ua.CallMethodRequest(
            ua.NodeId(2253), ua.NodeId(ua.ObjectIds.Server_GetMonitoredItems), [number]
        )
    ] * 50
    calling = client.send(request)
    assert (await other.ask_async(read("Constant"))).Results[0].Value.Value == 42
    assert not client.answered(calling)
    results = (await client.wait(calling)).Results
    assert [result.StatusCode.value for result in results] == [S.Good] * 50


async def test_items_of_a_subscription_that_ends_meanwhile_are_not_left_behind(busy: Any) -> None:
    client = await busy.session()
    subscription = await subscribed(client)
    creating = client.send(create_items(subscription, 500))
    request = ua.DeleteSubscriptionsRequest()
    request.Parameters.SubscriptionIds = [subscription]
    assert (await client.ask_async(request)).Results[0].value == S.Good
    assert client.status(await client.wait(creating)) == S.BadSubscriptionIdInvalid
    again = await subscribed(client)
    results = (await client.ask_async(create_items(again, 10))).Results
    assert [result.StatusCode.value for result in results] == [S.Good] * 10
    busy.front_end.tick()  # samples what is left to sample


async def test_a_response_is_bounded_whatever_the_client_takes(
    make_bench: Callable[..., Any],
) -> None:
    """A value of the nodesets may have 300 kB, and be asked for ten thousand times."""
    client = await make_bench(Limits(max_response_size=20_000)).session()
    assert client.status(client.ask(read(*["Text"] * 500))) == S.Good
    assert client.status(client.ask(read(*["Text"] * 1000))) == S.BadResponseTooLarge
    assert client.status(client.ask(browse(*[nid("Reactor")] * 50))) == S.BadResponseTooLarge


async def test_a_large_value_is_held_once_however_often_it_is_asked_for(client: Any) -> None:
    """The largest value of the nodesets: a client that may do nothing but read asks for it."""
    request = read()
    schema = ua.ReadValueId(ua.NodeId(ua.ObjectIds.OpcUa_XmlSchema), A.Value)
    request.Parameters.NodesToRead = [schema] * 500
    tracemalloc.start()
    try:
        response = await client.ask_async(request)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert client.status(response) == S.BadResponseTooLarge
    assert most < 2 * Limits().max_response_size


async def test_the_results_of_all_requests_under_way_are_bounded_together(
    make_bench: Callable[..., Any],
) -> None:
    """Who asks for little is answered, and what is over leaves its room to others."""
    bench = make_bench()
    context = bench.front_end.context
    context.turns = Turns(slice_s=0.0)
    context.results_held = held = ByteBudget(100_000)
    clients = [await bench.session(channel) for channel in range(3)]
    large = [client.send(read(*["Text"] * 4000)) for client in clients]
    small = await clients[0].ask_async(read("Text"))
    assert client_status(small) == S.Good
    answers = [await client.wait(one) for client, one in zip(clients, large, strict=True)]
    codes = [client_status(answer) for answer in answers]
    assert sorted(set(codes)) == [S.Good, S.BadServerTooBusy]
    assert held.used == 0
    assert client_status(await clients[0].ask_async(read(*["Text"] * 4000))) == S.Good
    given_up = clients[0].send(read(*["Text"] * 4000))
    await bench.front_end.context.queue.stop(0.0)
    assert clients[0].answered(given_up)
    assert held.used == 0


async def test_what_browse_looks_at_is_bounded(make_bench: Callable[..., Any]) -> None:
    """Whether it finds anything or not: the work is in looking."""
    client = await make_bench(Limits(max_browse_steps=1000)).session()
    request = browse(nid("Reactor"), MODELLING_RULE, nid("pH"))
    codes = [result.StatusCode.value for result in client.ask(request).Results]
    assert codes == [S.Good, S.BadQueryTooComplex, S.BadQueryTooComplex]


async def test_a_value_that_cannot_be_encoded_fails_alone_and_is_told_once(
    client: Any, plant: Any, caplog: pytest.LogCaptureFixture
) -> None:
    text = "\ud800"  # half of a surrogate pair is no text
    plant.space.bind(nid("Live"), CallSource(lambda: ua.DataValue(ua.Variant(text))))
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            live, constant = client.ask(read("Live", "Constant")).Results
            assert (live.StatusCode.value, constant.Value.Value) == (S.BadEncodingError, 42)
    (record,) = caplog.records
    assert record.node == "ns=1;s=Live"


def part_of_blob(index_range: str, part: bytes) -> ua.WriteValue:
    value = ua.DataValue(ua.Variant(ua.ByteString(part), ua.VariantType.ByteString))
    return ua.WriteValue(nid("StoredBlob"), A.Value, index_range, value)


@pytest.fixture
def unaudited_blob(plant: Any) -> Iterator[None]:
    source = plant.space.source(nid("StoredBlob"))
    plant.space.bind(nid("StoredBlob"), dataclasses.replace(source, unaudited=True))
    yield
    plant.space.bind(nid("StoredBlob"), source)


@pytest.mark.usefixtures("unaudited_blob")
async def test_parts_of_a_large_value_are_written_in_turns(
    client: Any, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each makes a copy of the whole: a thousand of them at once would be a thousand copies."""
    monkeypatch.setattr(write, "SLICE_S", 0.0)
    await client.write(part_of_blob("", b"...."))
    bench.commands.batches.clear()
    other = await bench.session(2)
    request = ua.WriteRequest()
    request.Parameters.NodesToWrite = [
        part_of_blob(f"{n % 3}:{n % 3 + 1}", bytes((65 + n, 65 + n))) for n in range(7)
    ]
    writing = client.send(request)
    assert (await other.ask_async(read("Constant"))).Results[0].Value.Value == 42
    assert not client.answered(writing)
    assert [status.value for status in (await client.wait(writing)).Results] == [S.Good] * 7
    assert [len(batch.tag) for batch in bench.commands.batches] == [1] * 7
    assert client.read_value("StoredBlob").Value.Value == b"GGFF"


async def test_rights_that_change_between_two_turns_leave_no_plan_to_write(
    client: Any, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "SLICE_S", 0.0)
    value = ua.DataValue(ua.Variant(1.0, ua.VariantType.Double))
    request = ua.WriteRequest()
    request.Parameters.NodesToWrite = [
        ua.WriteValue(nid(name), A.Value, Value=value) for name in ("PlainDouble", "PlainOther")
    ]
    writing = client.send(request)
    for _ in range(2):  # to the second item
        await asyncio.sleep(0)
    bench.policy.deny(Action.WRITE, nid("PlainDouble"))
    assert [status.value for status in (await client.wait(writing)).Results] == [S.Good] * 2
    results = (await client.ask_async(request)).Results
    assert [status.value for status in results] == [S.BadUserAccessDenied, S.Good]


async def test_a_session_that_closes_meanwhile_gets_no_more_items(busy: Any) -> None:
    """Its subscription may be the next to give way."""
    client = await busy.session()
    creating = client.send(create_items(await subscribed(client), 500))
    close = ua.CloseSessionRequest(DeleteSubscriptions=False)
    assert client.status(await client.ask_async(close)) == S.Good
    assert client.status(await client.wait(creating)) == S.BadSessionClosed
    assert len(busy.front_end.subscriptions.manager.items) < 500


async def test_a_subscription_that_changes_hands_gets_no_more_items_from_the_session_before(
    busy: Any,
) -> None:
    """They would be checked by the rights of who has it no longer."""
    client, heir = await busy.session(1), await busy.session(2)
    subscription = await subscribed(client)
    creating = client.send(create_items(subscription, 500))
    manager = busy.front_end.subscriptions.manager
    manager._access.may_take_over = lambda owner, before: True
    request = ua.TransferSubscriptionsRequest()
    request.Parameters.SubscriptionIds = [subscription]
    (result,) = (await heir.ask_async(request)).Parameters.Results
    assert result.StatusCode.value == S.Good
    assert client.status(await client.wait(creating)) == S.BadSubscriptionIdInvalid
    assert len(manager.items) < 500


# -- decoding -----------------------------------------------------------------------------------


def long_read(count: int = 2000) -> ua.ReadRequest:
    return read(*["A name that is long enough to fill a message"] * count)


async def test_a_long_request_is_decoded_in_turns(busy: Any) -> None:
    client, other = await busy.session(1), await busy.session(2)
    begun = 0

    class Counting(Turns):
        def begin(self, work: Any) -> Any:
            nonlocal begun
            begun += 1
            return super().begin(work)

    busy.front_end.context.turns = Counting(slice_s=0.0)
    long = client.send(long_read())
    assert begun == 1  # it waits, decoded in part; nothing of it has been looked at
    assert (await other.ask_async(read("Constant"))).Results[0].Value.Value == 42
    assert not client.answered(long)
    results = (await client.wait(long)).Results
    assert [result.StatusCode.value for result in results] == [S.BadNodeIdUnknown] * 2000


@pytest.mark.parametrize("cut", [1, 9, 40_000])
async def test_a_long_request_that_is_malformed_is_refused_like_a_short_one(
    busy: Any, cut: int
) -> None:
    client = await busy.session()
    request = long_read()
    request.RequestHeader = ua.RequestHeader(
        AuthenticationToken=client.token, RequestHandle=ua.UInt32(31)
    )
    fault = await client.wait(client.send_bytes(encode_message(request)[:-cut]))
    assert client_status(fault) == S.BadDecodingError
    assert fault.ResponseHeader.RequestHandle == 31
    assert (await client.ask_async(read("Constant"))).Results[0].Value.Value == 42


async def test_a_long_request_of_nobody_is_not_decoded(busy: Any) -> None:
    client = await busy.session()
    client.token = ua.NodeId(bytes(32))
    assert client_status(client.ask(long_read())) == S.BadSessionIdInvalid


async def test_a_session_that_closes_takes_its_half_decoded_request_with_it(busy: Any) -> None:
    client = await busy.session()
    long = client.send(long_read())
    closed = client.send(ua.CloseSessionRequest())
    assert client_status(await client.wait(closed)) == S.Good
    assert client_status(await client.wait(long)) in (S.BadSessionClosed, S.BadSessionIdInvalid)
