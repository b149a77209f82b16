"""FindServers and GetEndpoints (Part 4, 5.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.endpoints import TRANSPORT_PROFILE

S = ua.StatusCodes
PREFIX = "http://opcfoundation.org/UA/SecurityPolicy#"
APPLICATION_URI = "urn:test:biogate"


def endpoints(client: Any, *profiles: str) -> list[ua.EndpointDescription]:
    request = ua.GetEndpointsRequest()
    request.Parameters.ProfileUris = list(profiles)
    return client.ask(request).Endpoints


def servers(client: Any, *uris: str) -> list[ua.ApplicationDescription]:
    request = ua.FindServersRequest()
    request.Parameters.ServerUris = list(uris)
    return client.ask(request).Servers


def test_a_server_finds_itself_and_nobody_else(bench: Any) -> None:
    client = bench.client()
    (server,) = servers(client)
    assert server.ApplicationUri == APPLICATION_URI
    assert server.ApplicationType == ua.ApplicationType.Server
    assert server.DiscoveryUrls == [bench.front_end.endpoint_url]
    assert servers(client, APPLICATION_URI) == [server]
    assert servers(client, "urn:another") == []


def test_endpoints_are_complete(bench: Any) -> None:
    offered = endpoints(bench.client())
    assert [(e.SecurityPolicyUri, e.SecurityMode.name) for e in offered] == [
        (PREFIX + "None", "None_"),
        (PREFIX + "Basic256Sha256", "Sign"),
        (PREFIX + "Basic256Sha256", "SignAndEncrypt"),
    ]
    for endpoint in offered:
        assert endpoint.EndpointUrl == bench.front_end.endpoint_url
        assert endpoint.Server.ApplicationUri == APPLICATION_URI
        assert endpoint.ServerCertificate == bench.pki.certificate_der
        assert endpoint.TransportProfileUri == TRANSPORT_PROFILE


def test_stronger_endpoints_have_higher_levels_and_none_the_lowest(bench: Any) -> None:
    levels = [endpoint.SecurityLevel for endpoint in endpoints(bench.client())]
    assert levels == sorted(levels)
    assert levels[0] == 0


def test_a_password_policy_is_never_without_encryption(bench: Any) -> None:
    for endpoint in endpoints(bench.client()):
        policies = {policy.PolicyId: policy for policy in endpoint.UserIdentityTokens}
        assert len(policies) == len(endpoint.UserIdentityTokens) == 2
        (password,) = (p for p in policies.values() if p.TokenType == ua.UserTokenType.UserName)
        assert password.SecurityPolicyUri == PREFIX + "Basic256Sha256"


def test_only_offered_transports_have_endpoints(bench: Any) -> None:
    client = bench.client()
    assert endpoints(client, "http://opcfoundation.org/UA-Profile/Transport/wss") == []
    assert len(endpoints(client, TRANSPORT_PROFILE)) == 3


def test_endpoints_follow_the_configuration(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(
        security=("Aes256_Sha256_RsaPss",),
        modes=("SignAndEncrypt",),
        anonymous=False,
        hostname="reactor.example",
        port=4841,
    )
    (endpoint,) = endpoints(bench.client(discovery_only=True))
    assert endpoint.EndpointUrl == "opc.tcp://reactor.example:4841"
    assert endpoint.SecurityPolicyUri == PREFIX + "Aes256_Sha256_RsaPss"
    assert [p.TokenType for p in endpoint.UserIdentityTokens] == [ua.UserTokenType.UserName]


@pytest.mark.parametrize(
    ("field", "name", "hint"),
    [("security", "Basic256", "Basic256Sha256"), ("modes", "Encrypt", "SignAndEncrypt")],
)
def test_an_unknown_policy_or_mode_is_an_error_that_lists_the_known(
    make_bench: Callable[..., Any], field: str, name: str, hint: str
) -> None:
    with pytest.raises(ValueError, match=f"{name!r}; there are .*{hint}"):
        make_bench(**{"security": ("Basic256Sha256",), field: (name,)})
