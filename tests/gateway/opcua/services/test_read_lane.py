"""A Read that was answered before is answered by its plan: with the same bytes, and only while the
plan holds (Part 4, 5.11.2)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biogate.opcua.codec import encode_message, encode_variant
from biogate.opcua.front_end import Limits
from biogate.opcua.lanes import read as read_lane
from biogate.opcua.lanes.lane import Lanes
from biogate.opcua.lanes.read_plan import FEW
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.values import CallSource, TagSource
from biogate.tags.table import NUMBER_RANGES, TagInfo, TagTable
from biogate_nodesets.cache import load_model
from biogate_nodesets.model import Node
from biogate_security.policy import Action, Subject

S = ua.StatusCodes
A = ua.AttributeIds
NOW = 134_000_000_000_000_000
NUMBERS = tuple(NUMBER_RANGES)
TAGS = 3


TOKEN = range(11, 43)  # where a request has the secret of its session


def nid(name: str) -> ua.NodeId:
    return ua.NodeId(name, 1)


def variable(name: str, **fields: Any) -> Node:
    kind = ua.NodeClass.Variable
    return Node(nid(name), kind, ua.QualifiedName(name, 1), ua.LocalizedText(name), **fields)


@pytest.fixture(scope="module")
def plant(nodeset_cache: Path) -> Any:
    """Three Double tags, each shown as every built-in type that goes by column, and others."""
    space = AddressSpace(load_model(["ns0"], cache=nodeset_cache, application_uri="urn:test:lane"))
    tags = TagTable()
    for tag in range(TAGS):
        tags.add(TagInfo(f"tag{tag}"))
        for name in NUMBERS:
            space.add_nodes([variable(f"{name}{tag}")])
            source = TagSource(tag, ua.VariantType[name], f"tag{tag}")
            space.bind(nid(f"{name}{tag}"), source)
    text = tags.add(TagInfo("text", "String"))
    row, empty = np.array([text], np.int32), np.array([np.nan])
    tags.apply(row, empty, np.array([0], np.uint32), np.array([NOW]), NOW, {0: "air"})
    space.add_nodes(
        [
            variable("Text"),
            variable("Constant", value=encode_variant(ua.Variant([1, 2], ua.VariantType.Int32))),
            variable("NotReadable", access_level=0),
            variable("Called"),
        ]
    )
    space.bind(nid("Text"), TagSource(text, ua.VariantType.String, "text"))
    space.bind(nid("Called"), CallSource(lambda: ua.DataValue(ua.Variant(tags.version.sum()))))
    return SimpleNamespace(space=space, tags=tags)


def request(items: list[ua.ReadValueId], timestamps: int = 2, **header: Any) -> ua.ReadRequest:
    read = ua.ReadRequest()
    read.Parameters = ua.ReadParameters(0.0, timestamps, items)
    read.RequestHeader = ua.RequestHeader(RequestHandle=7, **header)
    return read


def ask(client: Any, items: list[ua.ReadValueId], timestamps: int = 2, **header: Any) -> bytes:
    """The bytes of the answer; with an AuditEntryId the ordinary path gives it."""
    read = request(items, timestamps, AuthenticationToken=client.token, **header)
    request_id = client.send_bytes(encode_message(read))
    return bytes(client.handle.sent[request_id])


def ordinary(client: Any, items: list[ua.ReadValueId], timestamps: int = 2) -> bytes:
    return ask(client, items, timestamps, AuditEntryId="x")


def plans(client: Any) -> int:
    return int(client.front_end.context.read_plans.size)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The requests that went the ordinary way."""
    from biogate.opcua import server

    seen: list[bytes] = []
    original = server.decode_message

    def decode(message: bytes, *limits: Any) -> Any:
        seen.append(message)
        return original(message, *limits)

    monkeypatch.setattr(server, "decode_message", decode)
    return seen


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lane has all the time it needs, however busy the machine is."""
    monkeypatch.setattr(read_lane, "_OTHERS_S", 60.0)


VALUES = st.one_of(
    st.floats(),
    st.integers(-(2**33), 2**33).map(float),
    st.sampled_from([0.5, -0.5, 127.0, 128.0, 255.5, 65536.0, 3.5e38, np.inf, -np.inf, np.nan]),
)
STATUSES = st.sampled_from([0, 0, 0x40900000, S.BadNoCommunication, 0x00000480])
TIMES = st.sampled_from([0, NOW - 5, NOW])
STATES = st.lists(st.tuples(VALUES, STATUSES, TIMES, TIMES), min_size=TAGS, max_size=TAGS)
NUMBER_ITEMS = st.builds(
    lambda name, tag: ua.ReadValueId(nid(f"{name}{tag}"), A.Value),
    st.sampled_from(NUMBERS),
    st.integers(0, TAGS - 1),
)
OTHER_ITEMS = st.sampled_from(
    [
        ua.ReadValueId(nid("Text"), A.Value),
        ua.ReadValueId(nid("Text"), A.Value, IndexRange="0:1"),
        ua.ReadValueId(nid("Constant"), A.Value),
        ua.ReadValueId(nid("Constant"), A.Value, IndexRange="1"),
        ua.ReadValueId(nid("Constant"), A.Value, IndexRange="7"),
        ua.ReadValueId(nid("Double0"), A.Value, IndexRange="0"),
        ua.ReadValueId(nid("Double0"), A.Value, IndexRange="no range"),
        ua.ReadValueId(nid("Double0"), A.BrowseName),
        ua.ReadValueId(nid("Double0"), A.IsAbstract),
        ua.ReadValueId(nid("Double0"), 99),
        ua.ReadValueId(nid("Called"), A.Value),
        ua.ReadValueId(nid("Nowhere"), A.Value),
        ua.ReadValueId(ua.NodeId(), A.Value),
        ua.ReadValueId(nid("NotReadable"), A.Value),
        ua.ReadValueId(nid("Int160"), A.Value, DataEncoding=ua.QualifiedName("Default Binary")),
        ua.ReadValueId(nid("Int160"), A.Value, DataEncoding=ua.QualifiedName("Default XML")),
    ]
)
DOUBLES = st.builds(
    lambda tag: ua.ReadValueId(nid(f"Double{tag}"), A.Value), st.integers(0, TAGS - 1)
)
ITEMS = st.one_of(
    st.lists(st.one_of(NUMBER_ITEMS, OTHER_ITEMS), min_size=1, max_size=3 * FEW),
    st.lists(DOUBLES, min_size=1, max_size=3 * FEW),
)


def set_tags(tags: TagTable, state: list[tuple[float, int, int, int]]) -> None:
    for tag, (value, status, source_time, server_time) in enumerate(state):
        tags.apply(
            np.array([tag], np.int32),
            np.array([value]),
            np.array([status], np.uint32),
            np.array([source_time]),
            server_time,
        )


@pytest.mark.usefixtures("unhurried")
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(items=ITEMS, timestamps=st.integers(0, 3), before=STATES, after=STATES)
def test_the_lane_gives_the_same_bytes_as_the_ordinary_path(
    client: Any, plant: Any, decoded: list[bytes], items: Any, timestamps: int, before: Any,
    after: Any,
) -> None:  # fmt: skip
    set_tags(plant.tags, before)
    assert ask(client, items, timestamps) == ordinary(client, items, timestamps)
    decoded.clear()
    for state in (before, after):
        set_tags(plant.tags, state)
        by_lane = ask(client, items, timestamps)
        assert not decoded, "the request did not take the lane"
        assert by_lane == ordinary(client, items, timestamps)
        decoded.clear()


DOUBLE = ua.ReadValueId(nid("Double0"), A.Value)


@pytest.mark.parametrize("count", [1, 50])
def test_a_changed_policy_is_asked_again(
    bench: Any, client: Any, decoded: list[bytes], count: int
) -> None:
    items = [DOUBLE] * count
    ask(client, items)
    ask(client, items)
    assert len(decoded) == 1
    bench.policy.deny(Action.READ, nid("Double0"))
    denied = client.read(*items, timestamps=2)
    assert {result.StatusCode.value for result in denied.Results} == {S.BadUserAccessDenied}


@pytest.mark.parametrize("count", [1, 50])
def test_a_changed_address_space_is_looked_at_again(client: Any, plant: Any, count: int) -> None:
    node = variable("Fleeting")
    plant.space.add_nodes([node])
    plant.space.bind(nid("Fleeting"), TagSource(0, ua.VariantType.Double, "tag0"))
    items = [ua.ReadValueId(nid("Fleeting"), A.Value)] * count
    first = client.read(*items, timestamps=2)
    assert S.BadNodeIdUnknown not in {result.StatusCode.value for result in first.Results}
    plant.space.remove_nodes([nid("Fleeting")])
    gone = client.read(*items, timestamps=2)
    assert {result.StatusCode.value for result in gone.Results} == {S.BadNodeIdUnknown}


async def test_another_user_does_not_use_the_plans_of_the_one_before(
    client: Any, decoded: list[bytes]
) -> None:
    """ActivateSession may change the user of a session (5.7.3)."""
    ask(client, [DOUBLE])
    context = client.front_end.context
    other = Subject("other", frozenset({"Observer"}))
    session = context.sessions.find(client.token)
    session.activate(client.channel, other, context.rights.view(other))
    decoded.clear()
    ask(client, [DOUBLE])
    assert len(decoded) == 1


async def test_a_token_works_on_the_channel_of_its_session_only(bench: Any, client: Any) -> None:
    """5.7.1: a session that another channel names is Bad_SecureChannelIdInvalid."""
    ask(client, [DOUBLE])
    other = bench.client(channel_id=2)
    other.token = client.token
    response = other.read(DOUBLE, timestamps=2)
    assert other.status(response) == S.BadSecureChannelIdInvalid


async def test_a_closed_session_leaves_no_plan_and_gets_no_answer(client: Any) -> None:
    ask(client, [DOUBLE])
    assert plans(client)
    client.ask(ua.CloseSessionRequest(DeleteSubscriptions=True))
    assert not plans(client)
    assert client.status(client.read(DOUBLE, timestamps=2)) == S.BadSessionIdInvalid


async def test_a_request_by_lane_keeps_the_session_alive(bench: Any, client: Any) -> None:
    ask(client, [DOUBLE])
    for _ in range(3):
        bench.clock.now += 59.0
        ask(client, [DOUBLE])
        assert not bench.front_end.context.sessions.tick()


async def test_an_answer_that_the_client_cannot_take_is_refused_by_the_lane_too(
    client: Any,
) -> None:
    """Part 6, 7.1.2.3: Bad_ResponseTooLarge."""
    items = [DOUBLE] * 50
    ask(client, items)
    client.handle.max_response_size = 500
    assert client.status(client.read(*items, timestamps=2)) == S.BadResponseTooLarge


def test_requests_and_refusals_are_counted_in_the_lane_too(bench: Any, client: Any) -> None:
    dispatcher = bench.front_end.dispatcher
    before = dispatcher.counters["requests"]
    ask(client, [DOUBLE] * 20)
    ask(client, [DOUBLE] * 20)
    client.handle.max_response_size = 100
    ask(client, [DOUBLE] * 20)
    assert dispatcher.counters["requests"] == before + 3
    assert dispatcher.counters["BadResponseTooLarge"] == 1


@pytest.mark.parametrize(
    "broken",
    [
        lambda message: message[:-1],
        lambda message: message + b"\0",
        lambda message: message[:71],
        lambda message: message[:60],
        lambda message: message[:4],
    ],
)
def test_a_known_request_that_is_cut_or_longer_is_not_the_same(
    client: Any, broken: Callable[[bytes], bytes]
) -> None:
    read = request([DOUBLE], AuthenticationToken=client.token)
    message = encode_message(read)
    client.send_bytes(message)
    fault = client.answer(client.send_bytes(broken(message)))
    assert isinstance(fault, ua.ServiceFault)
    assert client.status(fault) == S.BadDecodingError


@pytest.fixture
async def with_and_without_lanes(make_bench: Callable[..., Any]) -> tuple[Any, Any]:
    """Clients of two servers, of which the second has the ordinary path only."""
    benches = [make_bench(), make_bench()]
    benches[1].front_end.dispatcher._lanes = Lanes(benches[1].front_end.context, {})
    one, other = [await bench.session() for bench in benches]
    return one, other


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    count=st.sampled_from([1, 2, 20]),
    changes=st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 255)), max_size=3),
    cut=st.integers(0, 4),
)
def test_whatever_is_wrong_with_a_known_request_the_answer_is_the_ordinary_one(
    with_and_without_lanes: Any, count: int, changes: list[tuple[int, int]], cut: int
) -> None:
    answers = []
    for client in with_and_without_lanes:
        known = encode_message(request([DOUBLE] * count, AuthenticationToken=client.token))
        client.send_bytes(known)
        wrong = bytearray(known)
        for position, byte in changes:
            if position % len(wrong) not in TOKEN:
                wrong[position % len(wrong)] = byte
        answers.append(client.handle.sent[client.send_bytes(bytes(wrong[: len(wrong) - cut]))])
    assert answers[0] == answers[1]


def test_a_lane_that_fails_is_a_fault_and_a_log_line(
    client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ask(client, [DOUBLE])

    def fail(*_: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr(client.front_end.context.read_plans, "find", fail)
    with caplog.at_level(logging.ERROR):
        response = client.read(DOUBLE, timestamps=2)
    assert client.status(response) == S.BadInternalError
    assert [record.message for record in caplog.records] == ["a lane failed"]


def test_what_is_mostly_no_numbers_has_no_plan(client: Any) -> None:
    """Each takes the ordinary path's time, so they are read in its turns."""
    ask(client, [ua.ReadValueId(nid("Text"), A.Value)] * 33)
    assert not plans(client)


def test_what_is_large_and_no_number_is_left_to_the_ordinary_path(
    client: Any, plant: Any, decoded: list[bytes]
) -> None:
    """It may take longer than a lane may, and is tried a few times only."""
    text = plant.tags.index("text")
    row, empty = np.array([text], np.int32), np.array([np.nan])

    def set_text(value: str) -> None:
        plant.tags.apply(row, empty, np.array([0], np.uint32), np.array([NOW]), NOW, {0: value})

    items = [DOUBLE, ua.ReadValueId(nid("Text"), A.Value)] * 3
    ask(client, items)
    set_text("x" * 100_000)
    decoded.clear()
    for _ in range(6):
        assert ask(client, items) == ordinary(client, items)
    assert len(decoded) == 12
    set_text("air")
    ask(client, items)
    assert len(decoded) == 13, "the plan was tried again"


async def test_a_read_of_the_largest_number_of_nodes_is_answered_within_its_turn(
    make_bench: Callable[..., Any], plant: Any
) -> None:
    client = await make_bench(Limits()).session()
    set_tags(plant.tags, [(1.0, 0, NOW, NOW)] * TAGS)
    items = [DOUBLE] * 10_000
    ask(client, items)
    read = encode_message(request(items, AuthenticationToken=client.token))
    loop = asyncio.get_running_loop()
    took_s = []
    for _ in range(5):
        started_s = loop.time()
        client.send_bytes(read)
        took_s.append(loop.time() - started_s)
    assert min(took_s) < 0.004
