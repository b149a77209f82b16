"""View service set: Browse, BrowseNext, TranslateBrowsePathsToNodeIds, RegisterNodes (5.9)."""

from __future__ import annotations

from collections.abc import Sequence

from biogate.opcua.errors import ServiceError, StatusError
from biogate.opcua.services.context import RequestContext, Result, Service
from biogate.opcua.services.continuation import ContinuationPoint
from biogate.opcua.services.limits import check_count
from biogate.opcua.services.results import ResultList
from biogate.opcua.services.translate import PathTranslator
from biogate.opcua.space.browse import describe, matching_references
from biogate.opcua.space.work_budget import WorkBudget
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.turns import Work
from biogate_nodesets.model import Reference


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
    ctx: RequestContext, descriptions: Sequence[ua.BrowseDescription], page: int
) -> Work[ResultList]:
    results = ctx.results(ua.BrowseResponse)
    budget = WorkBudget(ctx.server.config.limits.max_browse_steps)
    for description in descriptions:
        results.add(_browse_one(ctx, description, page, budget))
        yield
    return results


def _browse_one(
    ctx: RequestContext, description: ua.BrowseDescription, page: int, budget: WorkBudget
) -> ua.BrowseResult:
    try:
        references = matching_references(ctx.server.space, ctx.rights, description, budget)
        return _answer(ctx, references, page, int(description.ResultMask))
    except StatusError as error:
        return _failed(error.status)


def _answer(
    ctx: RequestContext, references: Sequence[Reference], page: int, result_mask: int
) -> ua.BrowseResult:
    result = ua.BrowseResult()
    rest = references[page:]
    if rest:
        point = ContinuationPoint(rest, page, result_mask, ctx.rights.key, ctx.request_id)
        name = ctx.session.continuation_points.add(point)
        if name is None:
            raise StatusError(StatusCodes.BadNoContinuationPoints)
        result.ContinuationPoint = ua.ByteString(name)
    result.References = [describe(ctx.server.space, r, result_mask) for r in references[:page]]
    return result


def _failed(status: int) -> ua.BrowseResult:
    return ua.BrowseResult(StatusCode=ua.StatusCode(ua.UInt32(status)))


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
        results.add(_browse_on(ctx, point))
        yield
    return results


def _browse_on(ctx: RequestContext, point: ContinuationPoint | None) -> ua.BrowseResult:
    if point is None:
        return _failed(StatusCodes.BadContinuationPointInvalid)
    try:
        return _answer(ctx, point.rest, point.page, point.result_mask)
    except StatusError as error:
        return _failed(error.status)


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
    """The NodeIds themselves: access by NodeId is as fast as it gets (5.9.5)."""
    limit = ctx.server.config.limits.max_nodes_per_register_nodes
    nodes = check_count(request.Parameters.NodesToRegister, limit)
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
