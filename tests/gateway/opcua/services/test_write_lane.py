"""A Write whose like was taken before goes by its plan: with the same outcome as the ordinary path,
and only while the plan holds (Part 4, 5.11.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biogate.opcua.codec import encode_message
from biogate.opcua.ports import StoredWrites
from biogate_security.policy import Action

S = ua.StatusCodes
A = ua.AttributeIds
T = ua.VariantType
NOW = 134_000_000_000_000_000
TYPES: dict[str, tuple[ua.VariantType, st.SearchStrategy[Any]]] = {
    "PlainDouble": (T.Double, st.floats()),
    "PlainOther": (T.Double, st.floats()),
    "PlainFloat": (T.Float, st.floats(width=32)),
    "PlainInt32": (T.Int32, st.integers(-(2**31), 2**31 - 1)),
    "PlainUInt16": (T.UInt16, st.integers(0, 2**16 - 1)),
    "PlainSByte": (T.SByte, st.integers(-128, 127)),
    "PlainBoolean": (T.Boolean, st.booleans()),
}
STATUSES = st.none() | st.sampled_from([S.UncertainSubNormal, S.BadSensorFailure, 0x480])
TIMES = st.none() | st.integers(-1, 1) | st.integers(NOW, NOW + 10**9) | st.just(2**63 - 1)


def nid(name: str) -> ua.NodeId:
    return ua.NodeId(name, 1)


def value_of(
    name: str, type_: ua.VariantType, value: Any, status: int | None = None, time: Any = None
) -> ua.WriteValue:
    data = ua.DataValue(ua.Variant(value, type_), status, time)
    return ua.WriteValue(nid(name), A.Value, Value=data)


def message(client: Any, items: list[ua.WriteValue], **header: Any) -> bytes:
    request = ua.WriteRequest()
    request.Parameters.NodesToWrite = items
    request.RequestHeader = ua.RequestHeader(client.token, RequestHandle=7, **header)
    return encode_message(request)


async def answer(client: Any, data: bytes) -> bytes:
    request_id = client.send_bytes(data)
    await client.wait(request_id)
    sent: bytes = client.handle.sent[request_id]
    return sent


async def by_lane(client: Any, items: list[ua.WriteValue]) -> bytes:
    """The answer of the lane; it comes at once."""
    data = message(client, items)
    assert client.front_end.context.write_plans.find(_session(client), data) is not None
    request_id = client.send_bytes(data)
    assert client.answered(request_id)
    sent: bytes = client.handle.sent[request_id]
    return sent


def _session(client: Any) -> Any:
    return client.front_end.context.sessions.find(client.token)


def columns(batches: list[StoredWrites]) -> list[Any]:
    """The rows of batches, which are more than one where the machine is busy."""
    return [
        np.concatenate([getattr(each, name) for each in batches]).view(bits).tolist()
        for name, bits in (
            ("tag", np.int32),
            ("value", np.uint64),
            ("status", np.uint32),
            ("source_time", np.int64),
        )
    ]


@st.composite
def requests(draw: Any) -> tuple[list[ua.WriteValue], list[ua.WriteValue]]:
    """Two requests of the same shape."""
    first, second = [], []
    for name in draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=6)):
        type_, values = TYPES[name]
        statuses = st.just(None) if draw(st.booleans()) else STATUSES.filter(bool)
        times = st.just(None) if draw(st.booleans()) else TIMES.filter(bool)
        for items in (first, second):
            items.append(value_of(name, type_, draw(values), draw(statuses), draw(times)))
    return first, second


@given(both=requests())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_lane_and_ordinary_path_do_the_same(
    make_bench: Callable[..., Any], both: tuple[list[ua.WriteValue], list[ua.WriteValue]]
) -> None:
    """With an AuditEntryId the ordinary path takes it."""

    async def run() -> None:
        bench = make_bench()
        client = await bench.session()
        batches = bench.commands.batches
        await answer(client, message(client, both[0]))
        first = len(batches)
        ordinary = await answer(client, message(client, both[1], AuditEntryId="x"))
        second = len(batches)
        lane = await by_lane(client, both[1])
        assert lane == ordinary
        assert columns(batches[second:]) == columns(batches[first:second])

    asyncio.run(run())


async def test_the_values_are_there_when_the_answer_is(client: Any) -> None:
    await answer(client, message(client, [value_of("PlainDouble", T.Double, 1.0)]))
    await by_lane(client, [value_of("PlainDouble", T.Double, 2.0)])
    assert client.read_value("PlainDouble").Value.Value == 2.0


@pytest.mark.parametrize(
    "items",
    [
        [value_of("PlainDouble", T.Double, 1.0), value_of("Nowhere", T.Double, 1.0)],
        [value_of("PlainDouble", T.Double, 1.0), value_of("StoredInt32", T.Int32, 1)],
        [value_of("PlainState", T.Int32, 3)],
        [value_of("PlainArray", T.Int32, [3])],
        [value_of("PlainDouble", T.Null, None, S.BadSensorFailure)],
        [value_of("PlainOther", T.Double, 1.0), value_of("PlainDouble", T.Float, 1.0)],
    ],
)
async def test_whatever_needs_a_look_at_its_value_has_no_plan(
    client: Any, items: list[ua.WriteValue]
) -> None:
    for _ in range(2):
        data = message(client, items)
        await answer(client, data)
        assert client.front_end.context.write_plans.find(_session(client), data) is None


@pytest.mark.parametrize(
    "other",
    [
        value_of("PlainOthes", T.Double, 1.0),
        value_of("PlainOther", T.Int64, 1),
        ua.WriteValue(nid("PlainOther"), A.DisplayName, Value=ua.DataValue(ua.Variant(1.0))),
        value_of("PlainOther", T.Double, 1.0, S.BadSensorFailure),
    ],
)
async def test_a_plan_is_for_the_same_nodes_types_and_fields(
    client: Any, other: ua.WriteValue
) -> None:
    await answer(client, message(client, [value_of("PlainOther", T.Double, 1.0)]))
    data = message(client, [other])
    assert client.front_end.context.write_plans.find(_session(client), data) is None


async def test_a_change_of_rights_ends_the_plan(client: Any, bench: Any) -> None:
    items = [value_of("PlainDouble", T.Double, 1.0)]
    await answer(client, message(client, items))
    await by_lane(client, items)
    bench.policy.deny(Action.WRITE, nid("PlainDouble"))
    response = await client.write(*items)
    assert [status.value for status in response.Results] == [S.BadUserAccessDenied]


async def test_a_session_that_ends_leaves_no_plan(client: Any) -> None:
    await answer(client, message(client, [value_of("PlainDouble", T.Double, 1.0)]))
    plans = client.front_end.context.write_plans
    assert plans.size
    client.ask(ua.CloseSessionRequest())
    assert not plans.size
