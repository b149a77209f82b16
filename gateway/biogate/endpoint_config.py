"""From the site file to the configuration of an OPC UA endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from biogate.accounts import user_tokens
from biogate.builder import software_revision
from biogate.opcua.config import FrontEndConfig, Limits
from biogate.site import Site
from biogate.site.model import OpcUaConfig
from biogate_security.users import UserStore


def site_endpoint(site: Site, users: UserStore, port: int | None) -> FrontEndConfig:
    """The endpoint of a site without zones; `port` takes the place of the site file's."""
    return _endpoint(site.opcua, site.application_uri, port, user_tokens(site, users))


def zone_endpoint(site: Site, users: UserStore, name: str, port: int | None) -> FrontEndConfig:
    """The endpoint of a zone; `port` takes the place of the site file's."""
    opcua = site.zone_opcua(name)
    uri = opcua.application_uri or f"{site.application_uri}:{name}"
    return replace(_endpoint(opcua, uri, port, user_tokens(site, users)), zone=name)


def _endpoint(
    opcua: OpcUaConfig, application_uri: str, port: int | None, tokens: Mapping[str, Any]
) -> FrontEndConfig:
    return FrontEndConfig(
        application_uri=application_uri,
        host=opcua.host,
        port=opcua.port if port is None else port,
        application_name=opcua.application_name,
        software_version=software_revision(),
        security=opcua.security_policies,
        modes=opcua.security_modes,
        anonymous=opcua.anonymous != "none",
        diagnostics=opcua.diagnostics,
        listen=opcua.listen,
        reverse_connect=opcua.reverse_connect,
        suppressed=opcua.suppress_certificate_errors,
        notice=opcua.notice.strip(),
        limits=Limits(max_sessions_per_user=opcua.sessions_per_user),
        **tokens,
    )
