"""HistoryRead (Part 4, 5.11.3; Part 11, 6.5) over a history in memory."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from asyncua import ua

from biogate.opcua.codec.datetimes import from_ticks, to_ticks
from biogate.opcua.front_end import Limits
from biogate.opcua.ports import RawPage, RawQuery
from biogate_security.policy import Action

S = ua.StatusCodes
IDS = ua.ObjectIds
T0 = 134_000_000_000_000_000
SECOND = 10_000_000
PH, GAS, STAGE = (ua.NodeId(name, 1) for name in ("pH", "Gas", "Stage"))
SOURCE, SERVER, BOTH, NEITHER = range(4)


class MemoryHistory:
    """`rows` of each tag: (source time, value, status) in order of time."""

    def __init__(self) -> None:
        self.rows: dict[str, list[tuple[int, Any, int]]] = {}
        self.queries: list[tuple[RawQuery, int]] = []
        self.failing = False

    def has_history(self, tag: str) -> bool:
        return tag in self.rows

    async def read_raw(self, query: RawQuery, most: int) -> RawPage:
        self.queries.append((query, most))
        if self.failing:
            raise OSError("the disk is gone")
        rows = self._asked(query)
        first = int(query.resume or b"0")
        page = rows[first : first + most]
        end = first + len(page)
        numbers = [value if isinstance(value, float) else np.nan for _, value, _ in page]
        columns = (
            np.array(numbers, np.float64),
            np.array([status for _, _, status in page], np.uint32),
            np.array([time for time, _, _ in page], np.int64),
            np.array([time + 1 for time, _, _ in page], np.int64),
        )
        held = {row: one[1] for row, one in enumerate(page) if not isinstance(one[1], float)}
        objects = {row: value for row, value in held.items() if value is not None}
        return RawPage(columns, objects, b"%d" % end if end < len(rows) else None)

    def _asked(self, query: RawQuery) -> list[tuple[int, Any, int]]:
        rows, start, end = self.rows[query.tag], query.start, query.end
        backward = not start or 0 < end < start
        if backward:
            rows, start, end = [(-t, v, s) for t, v, s in reversed(rows)], -start, -end
            if not start:
                start, end = end, 0
        inside = [row for row in rows if row[0] >= start and (not end or row[0] < end)]
        if query.bounds:
            before = [row for row in rows if row[0] < start][-1:]
            if not inside or inside[0][0] != start:
                inside[:0] = before or [(start, None, S.BadBoundNotFound)]
            inside += [row for row in rows if row[0] >= end][:1] or [
                (end, None, S.BadBoundNotFound)
            ]
        if not query.start or not query.end:
            inside = inside[: query.limit]
        return [(abs(time), value, status) for time, value, status in inside]


@pytest.fixture
def history(bench: Any) -> MemoryHistory:
    """Ten values of the pH, a second apart; three texts of the gas."""
    memory = MemoryHistory()
    memory.rows["ph"] = [(T0 + n * SECOND, float(n), 0) for n in range(10)]
    memory.rows["gas"] = [(T0 + n * SECOND, text, 0) for n, text in enumerate(("air", "O2", "N2"))]
    bench.front_end.context.history = memory
    return memory


def at(second: float) -> Any:
    return from_ticks(T0 + round(second * SECOND))


NEVER = from_ticks(0)


def raw(start: Any = NEVER, end: Any = NEVER, count: int = 0, **more: Any) -> Any:
    return ua.ReadRawModifiedDetails(
        IsReadModified=more.pop("modified", False),
        StartTime=start,
        EndTime=end,
        NumValuesPerNode=count,
        ReturnBounds=more.pop("bounds", False),
    )


def node(
    node_id: ua.NodeId = PH, point: bytes | None = None, encoding: str = "", index_range: str = ""
) -> ua.HistoryReadValueId:
    return ua.HistoryReadValueId(
        node_id, index_range or None, ua.QualifiedName(encoding or None), point
    )


async def ask(
    client: Any, details: Any, *nodes: Any, timestamps: int = BOTH, release: bool = False
) -> Any:
    request = ua.HistoryReadRequest()
    request.Parameters = ua.HistoryReadParameters(details, timestamps, release, list(nodes))
    return await client.ask_async(request)


async def read(client: Any, details: Any, *nodes: Any, **kwargs: Any) -> Sequence[Any]:
    """The results of a request that is answered."""
    response = await ask(client, details, *nodes, **kwargs)
    assert client.status(response) == S.Good
    return response.Results


def values(result: Any) -> list[Any]:
    return [value.Value.Value for value in result.HistoryData.DataValues]


ALL = raw(at(0), at(10))

# -- the request as a whole ---------------------------------------------------------------------


# 5.11.3.3; 5.11.3.2: Neither is not valid.
@pytest.mark.parametrize(
    ("details", "nodes", "timestamps", "status"),
    [
        (ALL, [], BOTH, S.BadNothingToDo),
        (ALL, [node()] * 4, BOTH, S.BadTooManyOperations),
        (ALL, [node()], NEITHER, S.BadTimestampsToReturnInvalid),
        (ALL, [node()], 4, S.BadTimestampsToReturnInvalid),
        (ua.ExtensionObject(), [node()], BOTH, S.BadHistoryOperationInvalid),
        (ua.Range(), [node()], BOTH, S.BadHistoryOperationInvalid),
        (ua.ReadEventDetails(NumValuesPerNode=1), [node()] * 3, BOTH, S.BadTooManyOperations),
        # Part 11, 6.5.4: as many aggregates as nodes.
        (ua.ReadProcessedDetails(AggregateType=[ua.NodeId(IDS.AggregateFunction_Average)]),
         [node()] * 2, BOTH, S.BadAggregateListMismatch),
    ],
)  # fmt: skip
async def test_a_request_that_makes_no_sense_is_refused(
    make_bench: Any, details: Any, nodes: list[Any], timestamps: int, status: int
) -> None:
    limits = Limits(max_nodes_per_history_read_data=3, max_nodes_per_history_read_events=2)
    client = await make_bench(limits).session()
    response = await ask(client, details, *nodes, timestamps=timestamps)
    assert client.status(response) == status


# Part 11, 6.5.3.1: two of the three must be given.
@pytest.mark.parametrize(
    "details",
    [
        raw(),
        raw(at(0)),
        raw(end=at(9)),
        raw(count=5),
        ua.ReadEventDetails(NumValuesPerNode=5, StartTime=NEVER, EndTime=NEVER),
    ],
)
async def test_two_of_start_end_and_count_must_be_there(client: Any, details: Any) -> None:
    response = await ask(client, details, node())
    assert client.status(response) == S.BadHistoryOperationInvalid


# -- node by node -------------------------------------------------------------------------------


# 5.11.3.4: a status for each node, whatever the others are.
async def test_each_node_has_a_status_of_its_own(client: Any, history: MemoryHistory) -> None:
    results = await read(
        client,
        ALL,
        node(),
        node(ua.NodeId("nowhere", 1)),
        node(ua.NodeId()),
        node(encoding="Default XML"),
        node(encoding="Default Klingon"),
        node(index_range="2-4"),
        node(STAGE),
        node(ua.NodeId("Constant", 1)),
        node(ua.NodeId("Reactor", 1)),
        node(point=b"invented"),
        node(GAS),
    )
    assert [result.StatusCode.value for result in results] == [
        S.Good,
        S.BadNodeIdUnknown,
        S.BadNodeIdInvalid,
        S.BadDataEncodingUnsupported,
        S.BadDataEncodingInvalid,
        S.BadIndexRangeInvalid,
        S.BadHistoryOperationUnsupported,
        S.BadHistoryOperationUnsupported,
        S.BadHistoryOperationUnsupported,
        S.BadContinuationPointInvalid,
        S.Good,
    ]


# 5.11.3.4: Bad_HistoryOperationUnsupported, but only for a node and a request without other faults.
async def test_without_a_history_every_node_is_unsupported(client: Any) -> None:
    nodes = [node(), node(ua.NodeId("nowhere", 1)), node(encoding="Default XML")]
    statuses = [result.StatusCode.value for result in await read(client, ALL, *nodes)]
    expected = [S.BadHistoryOperationUnsupported, S.BadNodeIdUnknown, S.BadDataEncodingUnsupported]
    assert statuses == expected


# Part 3, 8.55: ReadHistory.
async def test_who_may_not_read_history_is_told_so(
    bench: Any, client: Any, plant: Any, history: MemoryHistory
) -> None:
    plant.set("ph", 7.0)
    bench.policy.deny(Action.READ_HISTORY, PH)
    (result,) = await read(client, ALL, node())
    assert result.StatusCode.value == S.BadUserAccessDenied
    assert history.queries == []
    assert client.read_value("pH").StatusCode.value == S.Good


@pytest.mark.parametrize("action", [Action.READ_HISTORY, Action.BROWSE])
async def test_a_right_that_goes_while_a_history_is_read_is_gone(
    bench: Any, client: Any, history: MemoryHistory, monkeypatch: Any, action: Action
) -> None:
    """A history may take its time, and a conduit may be closed meanwhile."""
    read_raw = history.read_raw

    async def slowly(query: RawQuery, most: int) -> RawPage:
        page = await read_raw(query, most)
        bench.policy.deny(action, PH)
        return page

    monkeypatch.setattr(history, "read_raw", slowly)
    (result,) = await read(client, ALL, node())
    denied, hidden = S.BadUserAccessDenied, S.BadNodeIdUnknown
    assert result.StatusCode.value == (hidden if action is Action.BROWSE else denied)
    assert not result.ContinuationPoint


async def test_the_history_of_a_hidden_node_looks_absent(
    bench: Any, client: Any, history: MemoryHistory
) -> None:
    bench.policy.deny(Action.BROWSE, PH)
    (result,) = await read(client, ALL, node())
    assert result.StatusCode.value == S.BadNodeIdUnknown


# Part 11, 6.5.4.2 and 6.5.3.3: what is not offered says so for each node.
@pytest.mark.parametrize(
    ("details", "status"),
    [
        (raw(at(0), at(9), modified=True), S.BadHistoryOperationUnsupported),
        (ua.ReadAtTimeDetails(ReqTimes=[at(0)]), S.BadHistoryOperationUnsupported),
        (ua.ReadAnnotationDataDetails(ReqTimes=[at(0)]), S.BadHistoryOperationUnsupported),
        (ua.ReadEventDetails(1, at(0), at(9)), S.BadHistoryOperationUnsupported),
        (ua.ReadProcessedDetails(at(0), at(9), 1000.0,
                                 [ua.NodeId(IDS.AggregateFunction_Average)]),
         S.BadAggregateNotSupported),
    ],
)  # fmt: skip
async def test_other_kinds_of_history_are_not_supported(
    client: Any, history: MemoryHistory, details: Any, status: int
) -> None:
    (result,) = await read(client, details, node())
    assert result.StatusCode.value == status


async def test_a_history_that_fails_takes_no_other_node_with_it(
    client: Any, history: MemoryHistory, caplog: pytest.LogCaptureFixture
) -> None:
    history.failing = True
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            results = await read(client, ALL, node(), node(ua.NodeId("nowhere", 1)))
            codes = [result.StatusCode.value for result in results]
            assert codes == [S.BadInternalError, S.BadNodeIdUnknown]
    assert len(caplog.records) == 1
    history.failing = False
    assert values((await read(client, ALL, node()))[0]) == [float(n) for n in range(10)]


# -- values -------------------------------------------------------------------------------------


# Part 11, 6.5.3.2: forward, and backward when the end comes before the start.
@pytest.mark.parametrize(
    ("details", "expected"),
    [
        (raw(at(2), at(5)), [2, 3, 4]),
        (raw(at(5), at(2)), [5, 4, 3]),
        (raw(at(7), count=2), [7, 8]),
        (raw(end=at(7), count=2), [7, 6]),
        (raw(at(8), count=100), [8, 9]),
    ],
)
async def test_raw_values_come_forward_and_backward(
    client: Any, history: MemoryHistory, details: Any, expected: list[int]
) -> None:
    (result,) = await read(client, details, node())
    assert values(result) == expected
    assert (result.StatusCode.value, result.ContinuationPoint) == (S.Good, None)


# Part 11, 6.5.3.2: bounding values; one that is not there is null and Bad_BoundNotFound.
async def test_bounds_belong_to_the_answer_where_they_are_asked_for(
    client: Any, history: MemoryHistory
) -> None:
    (inside,) = await read(client, raw(at(2.5), at(4.5), bounds=True), node())
    assert values(inside) == [2, 3, 4, 5]
    (outside,) = await read(client, raw(at(8.5), at(20), bounds=True), node())
    statuses = [value.StatusCode.value for value in outside.HistoryData.DataValues]
    assert values(outside) == [8, 9, None]
    assert statuses == [0, 0, S.BadBoundNotFound]
    assert outside.HistoryData.DataValues[-1].SourceTimestamp == at(20)


# 5.11.3.2: the timestamps that are asked for.
@pytest.mark.parametrize(
    ("timestamps", "source", "server"),
    [(SOURCE, True, False), (SERVER, False, True), (BOTH, True, True)],
)
async def test_values_have_the_timestamps_that_are_asked_for(
    client: Any, history: MemoryHistory, timestamps: int, source: bool, server: bool
) -> None:
    (result,) = await read(client, raw(at(3), count=1), node(), timestamps=timestamps)
    (value,) = result.HistoryData.DataValues
    assert value.SourceTimestamp == (at(3) if source else None)
    assert (value.ServerTimestamp is not None) is server


async def test_values_are_of_the_variables_type_and_keep_their_status(
    client: Any, history: MemoryHistory
) -> None:
    history.rows["ph"] = [(T0, 7.0, S.UncertainLastUsableValue), (T0 + SECOND, None, S.BadNoData)]
    double, floating, text = await read(
        client, ALL, node(), node(ua.NodeId("pHFloat", 1)), node(GAS)
    )
    first, second = double.HistoryData.DataValues
    assert (first.Value.VariantType, first.Value.Value) == (ua.VariantType.Double, 7.0)
    assert first.StatusCode.value == S.UncertainLastUsableValue
    assert (second.Value.Value, second.StatusCode.value) == (None, S.BadNoData)
    assert floating.HistoryData.DataValues[0].Value.VariantType == ua.VariantType.Float
    assert values(text) == ["air", "O2", "N2"]


async def test_an_index_range_takes_a_part_of_each_value(
    client: Any, history: MemoryHistory
) -> None:
    text, number = await read(client, ALL, node(GAS, index_range="0:1"), node(index_range="0"))
    assert values(text) == ["ai", "O2", "N2"]
    statuses = {value.StatusCode.value for value in number.HistoryData.DataValues}
    assert statuses == {S.BadIndexRangeNoData}


# Part 4, table of common codes: Good_NoData.
async def test_a_window_without_values_says_so(client: Any, history: MemoryHistory) -> None:
    (result,) = await read(client, raw(at(100), at(200)), node())
    assert (result.StatusCode.value, values(result)) == (S.GoodNoData, [])


# -- continuation points ------------------------------------------------------------------------


# 7.9: page by page until all is told.
@pytest.mark.parametrize(("count", "most"), [(3, 1000), (0, 3), (1000, 3)])
async def test_a_long_history_comes_page_by_page(
    make_bench: Any, history: MemoryHistory, count: int, most: int
) -> None:
    bench = make_bench(Limits(max_history_values_per_result=most))
    bench.front_end.context.history = history
    client = await bench.session()
    pages, point = [], None
    while point is not None or not pages:
        (result,) = await read(client, raw(at(0), at(10), count), node(point=point))
        pages.append(values(result))
        point = result.ContinuationPoint
        assert result.StatusCode.value == (S.GoodMoreData if point else S.Good)
    assert pages == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


async def point_of(client: Any) -> bytes:
    (result,) = await read(client, raw(at(0), at(10), 2), node())
    return result.ContinuationPoint


async def test_a_point_is_good_for_its_node_and_once(client: Any, history: MemoryHistory) -> None:
    history.rows["stage"] = history.rows["ph"]
    point = await point_of(client)
    (other,) = await read(client, ALL, node(STAGE, point=point))
    assert other.StatusCode.value == S.BadContinuationPointInvalid
    point = await point_of(client)
    (first,) = await read(client, ALL, node(point=point))
    (again,) = await read(client, ALL, node(point=point))
    assert values(first) == [2, 3]
    assert again.StatusCode.value == S.BadContinuationPointInvalid


# 5.11.3.2: releaseContinuationPoints.
async def test_points_are_released(client: Any, history: MemoryHistory) -> None:
    point = await point_of(client)
    results = await read(client, ALL, node(point=point), node(point=b"invented"), release=True)
    codes = [result.StatusCode.value for result in results]
    assert codes == [S.Good, S.BadContinuationPointInvalid]
    assert [result.HistoryData for result in results] == [ua.ExtensionObject()] * 2
    (after,) = await read(client, ALL, node(point=point))
    assert after.StatusCode.value == S.BadContinuationPointInvalid


# 7.9: a request may use up the points of earlier ones, but not its own.
async def test_points_are_limited_per_session(make_bench: Any, history: MemoryHistory) -> None:
    bench = make_bench(Limits(max_history_continuation_points=2))
    bench.front_end.context.history = history
    client = await bench.session()
    old = await point_of(client)
    results = await read(client, raw(at(0), at(10), 2), *[node()] * 3)
    codes = [result.StatusCode.value for result in results]
    assert codes == [S.GoodMoreData, S.GoodMoreData, S.BadNoContinuationPoints]
    (after,) = await read(client, ALL, node(point=old))
    assert after.StatusCode.value == S.BadContinuationPointInvalid


async def test_points_belong_to_a_session_and_its_rights(
    bench: Any, client: Any, history: MemoryHistory
) -> None:
    point = await point_of(client)
    stranger = await bench.session(channel_id=2)
    (stolen,) = await read(stranger, ALL, node(point=point))
    assert stolen.StatusCode.value == S.BadContinuationPointInvalid
    bench.policy.deny(Action.WRITE, STAGE)
    (late,) = await read(client, ALL, node(point=point))
    assert late.StatusCode.value == S.BadContinuationPointInvalid


async def test_points_end_with_the_session(bench: Any, client: Any, history: MemoryHistory) -> None:
    await point_of(client)
    (session,) = bench.front_end.context.sessions
    assert len(session.history_points) == 1
    client.ask(ua.CloseSessionRequest(DeleteSubscriptions=True))
    assert len(session.history_points) == 0


async def test_the_reader_is_asked_for_what_the_request_says(
    client: Any, history: MemoryHistory
) -> None:
    await read(client, raw(at(1), at(4), 2, bounds=True), node())
    start, end = to_ticks(at(1)), to_ticks(at(4))
    assert history.queries == [(RawQuery("ph", start, end, 2, bounds=True), 2)]
