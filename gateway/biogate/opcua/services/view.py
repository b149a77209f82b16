"""View service set: Browse, BrowseNext, TranslateBrowsePathsToNodeIds, RegisterNodes (5.9)."""

from __future__ import annotations

from collections.abc import Sequence

from biogate.opcua.errors import ServiceError, StatusError
from biogate.opcua.services.context import RequestContext, Service
from biogate.opcua.services.continuation import ContinuationPoint
from biogate.opcua.services.limits import check_count
from biogate.opcua.services.translate import PathTranslator
from biogate.opcua.space.browse import describe, matching_references
from biogate.opcua.stack import StatusCodes, ua
from biogate_nodesets.model import Reference


def browse(ctx: RequestContext, request: ua.BrowseRequest) -> ua.BrowseResponse:
    """The references of nodes (5.9.2). No View is served: naming one is Bad_ViewIdUnknown."""
    parameters = request.Parameters
    limits = ctx.server.config.limits
    if not parameters.View.ViewId.is_null():
        raise ServiceError(StatusCodes.BadViewIdUnknown)
    descriptions = check_count(parameters.NodesToBrowse, limits.max_nodes_per_browse)
    asked = int(parameters.RequestedMaxReferencesPerNode)
    page = min(asked or limits.max_references_per_node, limits.max_references_per_node)
    return ua.BrowseResponse(Results=[_browse_one(ctx, d, page) for d in descriptions])


def _browse_one(
    ctx: RequestContext, description: ua.BrowseDescription, page: int
) -> ua.BrowseResult:
    try:
        references = matching_references(ctx.server.space, ctx.rights, description)
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


def browse_next(ctx: RequestContext, request: ua.BrowseNextRequest) -> ua.BrowseNextResponse:
    """The next references, or the release of continuation points (5.9.3)."""
    parameters = request.Parameters
    limit = ctx.server.config.limits.max_nodes_per_browse
    names = check_count(parameters.ContinuationPoints, limit)
    points = [ctx.session.continuation_points.take(n or b"", ctx.rights.key) for n in names]
    response = ua.BrowseNextResponse()
    if not parameters.ReleaseContinuationPoints:
        response.Parameters.Results = [_browse_on(ctx, point) for point in points]
    return response


def _browse_on(ctx: RequestContext, point: ContinuationPoint | None) -> ua.BrowseResult:
    if point is None:
        return _failed(StatusCodes.BadContinuationPointInvalid)
    try:
        return _answer(ctx, point.rest, point.page, point.result_mask)
    except StatusError as error:
        return _failed(error.status)


def translate(
    ctx: RequestContext, request: ua.TranslateBrowsePathsToNodeIdsRequest
) -> ua.TranslateBrowsePathsToNodeIdsResponse:
    """The nodes at the end of browse paths (5.9.4), within one budget of work per request."""
    limits = ctx.server.config.limits
    paths = check_count(request.Parameters.BrowsePaths, limits.max_nodes_per_translate)
    translator = PathTranslator(ctx.server.space, ctx.rights, limits)
    return ua.TranslateBrowsePathsToNodeIdsResponse(
        Results=[translator.translate(path) for path in paths]
    )


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
