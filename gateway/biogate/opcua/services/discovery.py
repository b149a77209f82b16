"""Discovery service set: FindServers and GetEndpoints (Part 4, 5.5). They need no session."""

from __future__ import annotations

from biogate.opcua.endpoints import TRANSPORT_PROFILE
from biogate.opcua.services.context import Needs, RequestContext, Service
from biogate.opcua.stack import ua


def find_servers(ctx: RequestContext, request: ua.FindServersRequest) -> ua.FindServersResponse:
    """This server, unless the client asks for others only (5.5.2)."""
    application = ctx.server.endpoints.application
    uris = request.Parameters.ServerUris
    wanted = not uris or application.ApplicationUri in uris
    return ua.FindServersResponse(Servers=[application] if wanted else [])


def get_endpoints(ctx: RequestContext, request: ua.GetEndpointsRequest) -> ua.GetEndpointsResponse:
    """All endpoints, unless the client asks for other transports only (5.5.4)."""
    profiles = request.Parameters.ProfileUris
    wanted = not profiles or TRANSPORT_PROFILE in profiles
    return ua.GetEndpointsResponse(
        Endpoints=list(ctx.server.endpoints.descriptions) if wanted else []
    )


SERVICES = (
    Service(ua.FindServersRequest, find_servers, Needs.DISCOVERY),
    Service(ua.GetEndpointsRequest, get_endpoints, Needs.DISCOVERY),
)
