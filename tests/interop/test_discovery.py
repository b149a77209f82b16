"""Discovery: FindServers and GetEndpoints, with two clients."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from asyncua import Client, ua
from cryptography import x509
from interop.asking import S, clause, value_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

PREFIX = "http://opcfoundation.org/UA/SecurityPolicy#"
BINARY = "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary"
POLICIES = ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")


@clause("Part 4, 5.5.4.2")
async def test_the_endpoints_are_those_of_the_site(any_wire, server):
    endpoints = (await any_wire.ask("GetEndpoints", EndpointUrl=server.url))["Endpoints"]
    offered = {(e["SecurityPolicyUri"], e["SecurityMode"]) for e in endpoints}
    assert offered == {(f"{PREFIX}None", 1)} | {
        (PREFIX + policy, mode) for policy in POLICIES for mode in (2, 3)
    }
    assert {e["TransportProfileUri"] for e in endpoints} == {BINARY}
    assert all(e["EndpointUrl"].startswith("opc.tcp://") for e in endpoints)


@clause("Part 7, 6.6.161")
async def test_deprecated_policies_are_not_offered(wire, server):
    endpoints = (await wire.ask("GetEndpoints", EndpointUrl=server.url))["Endpoints"]
    names = {e["SecurityPolicyUri"].removeprefix(PREFIX) for e in endpoints}
    assert not names & {"Basic128Rsa15", "Basic256"}


@clause("Part 4, 7.14")
async def test_security_levels_tell_the_better_endpoint(wire, server):
    endpoints = (await wire.ask("GetEndpoints", EndpointUrl=server.url))["Endpoints"]
    levels = {(e["SecurityPolicyUri"], e["SecurityMode"]): e["SecurityLevel"] for e in endpoints}
    weakest = levels.pop((f"{PREFIX}None", 1))
    assert weakest < min(levels.values())
    for policy in POLICIES:
        assert levels[PREFIX + policy, 2] < levels[PREFIX + policy, 3]


@clause("Part 4, 5.5.4.2")
@pytest.mark.parametrize(("profiles", "some"), [([BINARY], True), (["urn:none"], False)])
async def test_endpoints_are_filtered_by_transport(wire, server, profiles, some):
    answer = await wire.ask("GetEndpoints", EndpointUrl=server.url, ProfileUris=profiles)
    assert bool(answer["Endpoints"]) == some


@clause("Part 4, 7.42")
async def test_user_token_policies_have_names_of_their_own(wire, server):
    endpoints = (await wire.ask("GetEndpoints", EndpointUrl=server.url))["Endpoints"]
    for endpoint in endpoints:
        tokens = endpoint["UserIdentityTokens"]
        assert len({token["PolicyId"] for token in tokens}) == len(tokens) > 0
    kinds = {t["TokenType"] for e in endpoints for t in e["UserIdentityTokens"]}
    assert {0, 1} <= kinds


@clause("Part 4, 7.40.4")
async def test_a_password_never_travels_in_clear(wire, server):
    endpoints = (await wire.ask("GetEndpoints", EndpointUrl=server.url))["Endpoints"]
    for endpoint in endpoints:
        for token in endpoint["UserIdentityTokens"]:
            if token["TokenType"] == 1:
                effective = token["SecurityPolicyUri"] or endpoint["SecurityPolicyUri"]
                assert effective != f"{PREFIX}None"


@clause("Part 4, 5.5.2.2")
async def test_the_server_finds_itself(wire, server):
    servers = (await wire.ask("FindServers", EndpointUrl=server.url))["Servers"]
    endpoints = (await wire.ask("GetEndpoints", EndpointUrl=server.url))["Endpoints"]
    uris = {one["ApplicationUri"] for one in servers}
    assert len(servers) == 1
    assert uris == {endpoint["Server"]["ApplicationUri"] for endpoint in endpoints}
    assert servers[0]["ApplicationType"] == 0
    assert servers[0]["DiscoveryUrls"]


@clause("Part 4, 5.5.2.2")
async def test_servers_are_filtered_by_their_uri(wire, server):
    (own,) = (await wire.ask("FindServers", EndpointUrl=server.url))["Servers"]
    uri = own["ApplicationUri"]
    found = await wire.ask("FindServers", EndpointUrl=server.url, ServerUris=[uri])
    other = await wire.ask("FindServers", EndpointUrl=server.url, ServerUris=["urn:other"])
    assert len(found["Servers"]) == 1
    assert other["Servers"] == []


@clause("Part 6, 6.2.2")
async def test_the_certificate_is_that_of_the_application(wire, server):
    endpoints = (await wire.ask("GetEndpoints", EndpointUrl=server.url))["Endpoints"]
    secured = [e for e in endpoints if e["SecurityMode"] != 1]
    raw = {e["ServerCertificate"] for e in secured}
    assert len(raw) == 1
    certificate = x509.load_der_x509_certificate(bytes.fromhex(raw.pop()))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    assert uris == [secured[0]["Server"]["ApplicationUri"]]
    now = datetime.now(UTC)
    assert certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    assert certificate.public_key().key_size >= 2048  # type: ignore[union-attr]


@clause("Part 4, 5.5.4.1")
async def test_endpoints_need_no_session(server):
    endpoints = await Client(server.url).connect_and_get_server_endpoints()
    assert {e.SecurityMode for e in endpoints} == set(ua.MessageSecurityMode) - {
        ua.MessageSecurityMode.Invalid
    }


@clause("Part 5, 6.3.1")
async def test_the_uri_of_the_application_is_the_first_server_and_second_namespace(wire, server):
    (own,) = (await wire.ask("FindServers", EndpointUrl=server.url))["Servers"]
    namespaces = await value_of(wire, "ns=0;i=2255")
    servers = await value_of(wire, "ns=0;i=2254")
    assert namespaces[:2] == ["http://opcfoundation.org/UA/", own["ApplicationUri"]]
    assert servers[0] == own["ApplicationUri"]


@clause("Part 4, 5.5.1")
async def test_registering_is_for_discovery_servers(wire):
    from interop.wire import refused

    status = await refused(wire, "RegisterServer", Server={"ServerUri": "urn:x"})
    assert status == S.BadServiceUnsupported
