"""HistoryRead: what holds whether or not somebody stores history, with two clients."""

from __future__ import annotations

import time
from typing import Any

import pytest
from interop.asking import ACCESS_LEVEL, BOTH, UNKNOWN, S, clause, read, value_of
from interop.wire import Message, ServiceFaultError, Wire, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOW = int(time.time() * 1000)
HOUR = 3_600_000
READS_HISTORY = 4


def raw(**fields: Any) -> Message:
    return {
        "$": "ReadRawModifiedDetails",
        "IsReadModified": False,
        "StartTime": NOW - HOUR,
        "EndTime": NOW + HOUR,
        "NumValuesPerNode": 10,
        "ReturnBounds": False,
    } | fields


def request(*nodes: str, details: Message | None = None, **fields: Any) -> Message:
    return {
        "HistoryReadDetails": details or raw(),
        "TimestampsToReturn": BOTH,
        "ReleaseContinuationPoints": False,
        "NodesToRead": [
            {"NodeId": node, "IndexRange": None, "DataEncoding": None, "ContinuationPoint": None}
            for node in nodes
        ],
    } | fields


async def history(wire: Wire, *nodes: str, **fields: Any) -> list[Message]:
    answer = await wire.ask("HistoryRead", **request(*nodes, **fields))
    return list(answer["Results"])


@clause("Part 4, 5.11.3.4")
async def test_a_node_without_history_says_so(any_wire, server):
    (result,) = await history(any_wire, server.id("Int32RO"))
    assert result["StatusCode"] == S.BadHistoryOperationUnsupported
    assert result["HistoryData"] is None


@clause("Part 4, 5.11.3.4")
async def test_history_that_nobody_stores_is_unsupported(wire, server):
    (result,) = await history(wire, server.id("HistRO"))
    good = (S.Good, S.GoodNoData, S.GoodMoreData)
    assert result["StatusCode"] in (S.BadHistoryOperationUnsupported, *good)


@clause("Part 4, 5.11.3.4")
async def test_each_node_has_its_own_result(wire, server):
    results = await history(wire, UNKNOWN, server.id("Int32RO"), "")
    assert results[0]["StatusCode"] == S.BadNodeIdUnknown
    assert results[1]["StatusCode"] == S.BadHistoryOperationUnsupported
    assert results[2]["StatusCode"] in (S.BadNodeIdUnknown, S.BadNodeIdInvalid)


@clause("Part 4, 5.11.3.3")
async def test_no_nodes_are_nothing_to_do(any_wire):
    assert await refused(any_wire, "HistoryRead", **request()) == S.BadNothingToDo


@clause("Part 4, 5.11.3.3")
@pytest.mark.parametrize("timestamps", [3, 4])
async def test_history_has_timestamps(wire, server, timestamps):
    fields = request(server.id("HistRO"), TimestampsToReturn=timestamps)
    assert await refused(wire, "HistoryRead", **fields) == S.BadTimestampsToReturnInvalid


@clause("Part 4, 5.11.3.3")
async def test_without_details_nothing_is_read(wire, server):
    fields = request(server.id("HistRO")) | {"HistoryReadDetails": None}
    status = await refused(wire, "HistoryRead", **fields)
    assert status in (S.BadHistoryOperationInvalid, S.BadHistoryOperationUnsupported)


@clause("Part 11, 6.5.3")
async def test_a_window_without_two_bounds_is_invalid(wire, server):
    details = raw(StartTime=None, EndTime=None, NumValuesPerNode=0)
    status = await refused(wire, "HistoryRead", **request(server.id("HistRO"), details=details))
    assert status == S.BadHistoryOperationInvalid


@clause("Part 11, 6.5.4")
async def test_aggregates_that_nobody_computes_are_unsupported(wire, server):
    details = {
        "$": "ReadProcessedDetails",
        "StartTime": NOW - HOUR,
        "EndTime": NOW,
        "ProcessingInterval": 1000.0,
        "AggregateType": [UNKNOWN],
    }
    fields = request(server.id("HistRO"), details=details)
    try:
        answer = await wire.ask("HistoryRead", **fields)
        status = answer["Results"][0]["StatusCode"]
    except ServiceFaultError as fault:
        status = fault.status
    assert status in (S.BadAggregateNotSupported, S.BadHistoryOperationUnsupported)


@clause("Part 5, 6.3.11")
async def test_more_than_max_nodes_per_history_read_is_too_many_operations(wire, server):
    limit = await value_of(wire, "ns=0;i=12165")
    fields = request(*[server.id("HistRO")] * (limit + 1))
    assert await refused(wire, "HistoryRead", **fields) == S.BadTooManyOperations


@clause("Part 4, 7.9")
async def test_an_invented_continuation_point_is_invalid(wire, server):
    fields = request(server.id("HistRO"))
    fields["NodesToRead"][0]["ContinuationPoint"] = "0011223344"
    answer = await wire.ask("HistoryRead", **fields)
    assert answer["Results"][0]["StatusCode"] in (
        S.BadContinuationPointInvalid,
        S.BadHistoryOperationUnsupported,
    )


@clause("Part 3, 8.57")
async def test_the_access_level_says_who_has_history(wire, server):
    with_history = (await read(wire, server.id("HistRO"), ACCESS_LEVEL))["Value"][1]
    without = (await read(wire, server.id("Int32RO"), ACCESS_LEVEL))["Value"][1]
    assert with_history & READS_HISTORY
    assert not without & READS_HISTORY


@clause("Part 4, 5.11.5.1")
async def test_history_is_not_updated(wire):
    status = await refused(wire, "HistoryUpdate", HistoryUpdateDetails=[])
    assert status in (S.BadServiceUnsupported, S.BadNothingToDo)
