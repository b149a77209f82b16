"""View service set: Browse, BrowseNext, TranslateBrowsePathsToNodeIds, RegisterNodes (5.9)."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

from biogate.opcua.codec import encode_message
from biogate.opcua.errors import ServiceError, StatusError
from biogate.opcua.lanes.browse import learn
from biogate.opcua.services.context import RequestContext, Result, Service
from biogate.opcua.services.continuation import ContinuationPoint
from biogate.opcua.services.limits import check_count
from biogate.opcua.services.results import ResultList
from biogate.opcua.services.translate import PathTranslator
from biogate.opcua.space.browse import Page, encode_page, first_page
from biogate.opcua.space.work_budget import WorkBudget
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.turns import Work

_GOOD, _NULL = b"\0\0\0\0", b"\xff\xff\xff\xff"
_count = Struct("<i").pack


def browse(ctx: RequestContext, request: ua.BrowseRequest) -> Result:
    """The references of nodes (5.9.2). No View is served: naming one is Bad_ViewIdUnknown."""
    parameters = request.Parameters
    limits = ctx.server.config.limits
    if not parameters.View.ViewId.is_null():
        raise ServiceError(StatusCodes.BadViewIdUnknown)
    descriptions = check_count(parameters.NodesToBrowse, limits.max_nodes_per_browse)
    asked = int(parameters.RequestedMaxReferencesPerNode)
    page = min(asked or limits.max_references_per_node, limits.max_references_per_node)
    return ctx.in_turns(_browse(ctx, descriptions, page))


def _browse(
    ctx: RequestContext, descriptions: Sequence[ua.BrowseDescription], size: int
) -> Work[ResultList]:
    results = ctx.results(ua.BrowseResponse)
    budget = WorkBudget(ctx.server.config.limits.max_browse_steps)
    key, whole = ctx.rights.key, list[bytes]()
    for description in descriptions:
        try:
            page = yield from _first_page(ctx, description, size, budget)
            result = _answer(ctx, page, size, int(description.ResultMask))
            if not page.rest:
                whole.append(result)
        except StatusError as error:
            result = _failed(error.status)
        results.add_encoded(result)
        yield
    if len(whole) == len(descriptions) and ctx.rights.key == key:
        learn(ctx.server, ctx.session, ctx.usual_message, key, whole)
    return results


def _first_page(
    ctx: RequestContext, description: ua.BrowseDescription, size: int, budget: WorkBudget
) -> Work[Page]:
    pages = ctx.server.browse_pages
    page = pages.find(description, size, ctx.rights.key)
    if page is None:
        page, key = yield from first_page(ctx.server.space, ctx.rights, description, size, budget)
        pages.keep(description, size, key, page)
    return page


def _answer(ctx: RequestContext, page: Page, size: int, result_mask: int) -> bytes:
    """The BrowseResult, encoded. Raises StatusError Bad_NoContinuationPoints."""
    if not page.rest:
        return b"".join((_GOOD, _NULL, _count(page.count), page.body))
    point = ContinuationPoint(page.rest, size, result_mask, ctx.rights.key, ctx.request_id)
    name = ctx.session.continuation_points.add(point)
    if name is None:
        raise StatusError(StatusCodes.BadNoContinuationPoints)
    return b"".join((_GOOD, _count(len(name)), name, _count(page.count), page.body))


def _failed(status: int) -> bytes:
    return encode_message(ua.BrowseResult(StatusCode=ua.StatusCode(ua.UInt32(status))))


def browse_next(ctx: RequestContext, request: ua.BrowseNextRequest) -> Result:
    """The next references, or the release of continuation points (5.9.3)."""
    parameters = request.Parameters
    limit = ctx.server.config.limits.max_nodes_per_browse
    names = check_count(parameters.ContinuationPoints, limit)
    points = [ctx.session.continuation_points.take(n or b"", ctx.rights.key) for n in names]
    if parameters.ReleaseContinuationPoints:
        return ua.BrowseNextResponse()
    return ctx.in_turns(_browse_next(ctx, points))


def _browse_next(
    ctx: RequestContext, points: Sequence[ContinuationPoint | None]
) -> Work[ResultList]:
    results = ctx.results(ua.BrowseNextResponse)
    for point in points:
        try:
            result = yield from _browse_on(ctx, point)
        except StatusError as error:
            result = _failed(error.status)
        results.add_encoded(result)
        yield
    return results


def _browse_on(ctx: RequestContext, point: ContinuationPoint | None) -> Work[bytes]:
    if point is None:
        raise StatusError(StatusCodes.BadContinuationPointInvalid)
    page = yield from encode_page(ctx.server.space, point.rest, point.page, point.result_mask)
    if ctx.rights.key != point.rights_key:  # meanwhile
        raise StatusError(StatusCodes.BadContinuationPointInvalid)
    return _answer(ctx, page, point.page, point.result_mask)


def translate(ctx: RequestContext, request: ua.TranslateBrowsePathsToNodeIdsRequest) -> Result:
    """The nodes at the end of browse paths (5.9.4), within one budget of work per request."""
    limits = ctx.server.config.limits
    paths = check_count(request.Parameters.BrowsePaths, limits.max_nodes_per_translate)
    return ctx.in_turns(_translate(ctx, paths))


def _translate(ctx: RequestContext, paths: Sequence[ua.BrowsePath]) -> Work[ResultList]:
    translator = PathTranslator(ctx.server.space, ctx.rights, ctx.server.config.limits)
    results = ctx.results(ua.TranslateBrowsePathsToNodeIdsResponse)
    for path in paths:
        result = yield from translator.translate(path)
        results.add(result)
        yield
    return results


def register_nodes(
    ctx: RequestContext, request: ua.RegisterNodesRequest
) -> ua.RegisterNodesResponse:
    """The NodeIds themselves: access by NodeId is as fast as it gets (5.9.5).

    They may be unknown; with one that is null the whole request is refused (5.9.5.3).
    """
    limit = ctx.server.config.limits.max_nodes_per_register_nodes
    nodes = check_count(request.Parameters.NodesToRegister, limit)
    if any(node.is_null() for node in nodes):
        raise ServiceError(StatusCodes.BadNodeIdInvalid)
    response = ua.RegisterNodesResponse()
    response.Parameters.RegisteredNodeIds = list(nodes)
    return response


def unregister_nodes(
    ctx: RequestContext, request: ua.UnregisterNodesRequest
) -> ua.UnregisterNodesResponse:
    """Nothing is held for registered nodes (5.9.6)."""
    limit = ctx.server.config.limits.max_nodes_per_register_nodes
    check_count(request.Parameters.NodesToUnregister, limit)
    return ua.UnregisterNodesResponse()


SERVICES = (
    Service(ua.BrowseRequest, browse),
    Service(ua.BrowseNextRequest, browse_next),
    Service(ua.TranslateBrowsePathsToNodeIdsRequest, translate),
    Service(ua.RegisterNodesRequest, register_nodes),
    Service(ua.UnregisterNodesRequest, unregister_nodes),
)
