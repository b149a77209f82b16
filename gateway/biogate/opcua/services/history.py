"""HistoryRead (Part 4, 5.11.3; Part 11, 6.5): raw values, as far as somebody keeps them.

Everything about a request is checked whether there is a history or not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from biogate.opcua.codec.datetimes import to_ticks
from biogate.opcua.errors import ServiceError, StatusError
from biogate.opcua.ports import HistoryReader, RawPage, RawQuery
from biogate.opcua.services.attribute import checked_timestamps
from biogate.opcua.services.context import RequestContext, Service
from biogate.opcua.services.continuation import HistoryPoint
from biogate.opcua.services.limits import check_count
from biogate.opcua.services.read_value import check_encoding, data_value
from biogate.opcua.services.results import ResultList
from biogate.opcua.space.index_range import apply_index_range, parse_index_range
from biogate.opcua.space.tag_values import project
from biogate.opcua.space.values import TagSource
from biogate.opcua.stack import StatusCodes, ua
from biogate_security.policy import Action

_log = logging.getLogger(__name__)

# The classes that are decoded; `ua` may show refined ones under the same names.
_decoded = ua.uaprotocol_auto
_SOURCE = (ua.TimestampsToReturn.Source, ua.TimestampsToReturn.Both)
_SERVER = (ua.TimestampsToReturn.Server, ua.TimestampsToReturn.Both)


@dataclass(frozen=True, slots=True)
class _Read:
    """What one request asks of each of its nodes."""

    ctx: RequestContext
    query: RawQuery | None
    refusal: int
    timestamps: ua.TimestampsToReturn


async def history_read(ctx: RequestContext, request: ua.HistoryReadRequest) -> ResultList:
    """The history of nodes, each with a status of its own."""
    parameters = request.Parameters
    details, limits = parameters.HistoryReadDetails, ctx.server.config.limits
    of_events = isinstance(details, _EVENTS)
    most = (
        limits.max_nodes_per_history_read_events
        if of_events
        else limits.max_nodes_per_history_read_data
    )
    nodes = check_count(parameters.NodesToRead, most)
    timestamps = ua.TimestampsToReturn.Both
    if not of_events:  # which have fields instead (Part 11, 6.5.2)
        timestamps = checked_timestamps(parameters.TimestampsToReturn)
        if timestamps is ua.TimestampsToReturn.Neither:
            raise ServiceError(StatusCodes.BadTimestampsToReturnInvalid)
    results = ctx.results(ua.HistoryReadResponse)
    if parameters.ReleaseContinuationPoints:
        for node in nodes:
            results.add(_release(ctx, node))
        return results
    query, refusal = _checked_details(details, nodes)
    reading = _Read(ctx, query, refusal, timestamps)
    for node in nodes:
        results.add(await _read(reading, node))
        await asyncio.sleep(0)  # a history that is at hand does not wait by itself
    return results


# -- details ------------------------------------------------------------------------------------

_EVENTS = (_decoded.ReadEventDetails, _decoded.ReadEventDetails2)
_Checked = tuple[RawQuery | None, int]


def _checked_details(details: Any, nodes: Sequence[ua.HistoryReadValueId]) -> _Checked:
    """What to read of each node, or the status that each gets.

    Raises ServiceError Bad_HistoryOperationInvalid for details that are none, or whose times and
    count say not what to read.
    """
    check = _DETAILS.get(type(details))
    if check is None:
        raise ServiceError(StatusCodes.BadHistoryOperationInvalid)
    return check(details, nodes)


def _check_window(details: Any) -> tuple[int, int, int]:
    """Two of start, end and count must be there (Part 11, 6.5.2 and 6.5.3)."""
    start, end = to_ticks(details.StartTime), to_ticks(details.EndTime)
    count = int(details.NumValuesPerNode)
    if (start > 0) + (end > 0) + (count > 0) < 2:
        raise ServiceError(StatusCodes.BadHistoryOperationInvalid)
    return start, end, count


def _raw(details: Any, _nodes: Sequence[ua.HistoryReadValueId]) -> _Checked:
    start, end, count = _check_window(details)
    if details.IsReadModified:
        return None, StatusCodes.BadHistoryOperationUnsupported
    return RawQuery("", start, end, count, bounds=details.ReturnBounds), StatusCodes.Good


def _events(details: Any, _nodes: Sequence[ua.HistoryReadValueId]) -> _Checked:
    _check_window(details)
    return None, StatusCodes.BadHistoryOperationUnsupported


def _processed(details: Any, nodes: Sequence[ua.HistoryReadValueId]) -> _Checked:
    """Aggregates: one for each node (Part 11, 6.5.4)."""
    if len(details.AggregateType or ()) != len(nodes):
        raise ServiceError(StatusCodes.BadAggregateListMismatch)
    if not (to_ticks(details.StartTime) and to_ticks(details.EndTime)):
        raise ServiceError(StatusCodes.BadHistoryOperationInvalid)
    return None, StatusCodes.BadAggregateNotSupported


def _unsupported(_details: Any, _nodes: Sequence[ua.HistoryReadValueId]) -> _Checked:
    return None, StatusCodes.BadHistoryOperationUnsupported


_DETAILS: Mapping[type, Callable[[Any, Sequence[ua.HistoryReadValueId]], _Checked]] = {
    _decoded.ReadRawModifiedDetails: _raw,
    _decoded.ReadProcessedDetails: _processed,
    _decoded.ReadAtTimeDetails: _unsupported,
    _decoded.ReadAnnotationDataDetails: _unsupported,
    **dict.fromkeys(_EVENTS, _events),
}


# -- nodes --------------------------------------------------------------------------------------


async def _read(reading: _Read, node: ua.HistoryReadValueId) -> ua.HistoryReadResult:
    try:
        source, reader = _check_node(reading.ctx, node)
        if reading.query is None:
            raise StatusError(reading.refusal)
        return await _read_page(reading, node, source, reader, reading.query)
    except StatusError as error:
        return _result(error.status)


def _check_node(
    ctx: RequestContext, node: ua.HistoryReadValueId
) -> tuple[TagSource, HistoryReader]:
    """Where the node's history is. Raises StatusError."""
    found = ctx.rights.require_visible(node.NodeId)
    check_encoding(node.DataEncoding, is_value=True)
    if node.IndexRange:
        parse_index_range(node.IndexRange)
    if not ctx.rights.may(Action.READ_HISTORY, found):
        raise StatusError(ctx.rights.refusal(Action.READ_HISTORY, found))
    source, reader = ctx.server.space.source(node.NodeId), ctx.server.history
    if reader is None or not isinstance(source, TagSource) or not reader.has_history(source.name):
        raise StatusError(StatusCodes.BadHistoryOperationUnsupported)
    return source, reader


async def _read_page(
    reading: _Read,
    node: ua.HistoryReadValueId,
    source: TagSource,
    reader: HistoryReader,
    query: RawQuery,
) -> ua.HistoryReadResult:
    ctx = reading.ctx
    query = replace(query, tag=source.name)
    if node.ContinuationPoint:
        query = _taken(ctx, node).query
    most = ctx.server.config.limits.max_history_values_per_result
    page = await _ask(ctx, node.NodeId, reader, query, min(query.limit or most, most))
    _check_node(ctx, node)  # the right may have gone meanwhile
    point = b""
    if page.more is not None:
        rest = replace(query, resume=page.more)
        kept = HistoryPoint(node.NodeId, rest, ctx.rights.key, ctx.request_id)
        name = ctx.session.history_points.add(kept)
        if name is None:
            raise StatusError(StatusCodes.BadNoContinuationPoints)
        point = name
    values = _values(page, source, node.IndexRange, reading.timestamps)
    status = StatusCodes.GoodMoreData if point else StatusCodes.Good
    return _result(status if values else StatusCodes.GoodNoData, point, values)


def _taken(ctx: RequestContext, node: ua.HistoryReadValueId) -> HistoryPoint:
    """The continuation point of the node. Raises StatusError."""
    point = ctx.session.history_points.take(node.ContinuationPoint, ctx.rights.key)
    if point is None or point.node_id != node.NodeId:
        raise StatusError(StatusCodes.BadContinuationPointInvalid)
    return point


async def _ask(
    ctx: RequestContext, node_id: ua.NodeId, reader: HistoryReader, query: RawQuery, most: int
) -> RawPage:
    """A page; a reader that fails is logged once, until it works again."""
    failing, key = ctx.server.failing, ("read the history of", node_id)
    try:
        page = await reader.read_raw(query, most)
    except Exception as error:
        if key not in failing:
            failing.add(key)
            _log.exception("a history could not be read", extra={"tag": query.tag})
        raise StatusError(StatusCodes.BadInternalError) from error
    failing.discard(key)
    return page


def _release(ctx: RequestContext, node: ua.HistoryReadValueId) -> ua.HistoryReadResult:
    try:
        _taken(ctx, node)
    except StatusError as error:
        return _result(error.status)
    return _result(StatusCodes.Good)


# -- values -------------------------------------------------------------------------------------


def _values(
    page: RawPage,
    source: TagSource,
    index_range: str | None,
    timestamps: ua.TimestampsToReturn,
) -> list[ua.DataValue]:
    ranges = parse_index_range(index_range) if index_range else None
    rows = zip(*(column.tolist() for column in page.columns), strict=True)
    values = []
    for row, (value, status, source_time, server_time) in enumerate(rows):
        variant, shown = project(source.projection, value, status, page.objects.get(row))
        if ranges is not None and variant is not None:
            variant, shown = _cut(variant, shown, ranges)
        shown_source = source_time if timestamps in _SOURCE else None
        shown_server = server_time if timestamps in _SERVER else None
        values.append(data_value(variant, shown, shown_source or None, shown_server or None))
    return values


def _cut(
    variant: ua.Variant, status: int, ranges: Sequence[slice]
) -> tuple[ua.Variant | None, int]:
    try:
        return apply_index_range(variant, ranges), status
    except StatusError as error:
        return None, error.status


def _result(
    status: int, point: bytes = b"", values: Sequence[ua.DataValue] | None = None
) -> ua.HistoryReadResult:
    data = None if values is None else _decoded.HistoryData(DataValues=list(values))
    return ua.HistoryReadResult(
        StatusCode=ua.StatusCode(ua.UInt32(status)),
        ContinuationPoint=ua.ByteString(point) if point else None,
        HistoryData=cast(Any, data),
    )


SERVICES = (Service(ua.HistoryReadRequest, history_read),)
