"""The Server object: every Variable has its value, and it is true (Part 5, 6.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.codec import decode_variant
from biogate.opcua.config import FrontEndConfig, Limits
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.attributes import is_readable
from biogate.opcua.space.server_object import ServerState, bind_server_object
from biogate.opcua.space.values import CallSource, StaticSource
from biogate_nodesets.cache import load_model

I = ua.ObjectIds  # noqa: E741
URI = "urn:test:biogate"
LIMITS = Limits(max_nodes_per_read=123, max_sessions=7, min_sampling_interval_ms=25.0)


class WallClock:
    now = 134_000_000_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture(scope="module")
def clock() -> WallClock:
    return WallClock()


@pytest.fixture(scope="module")
def state(clock: WallClock) -> ServerState:
    config = FrontEndConfig(URI, limits=LIMITS, software_version="1.2.3")
    return ServerState(config, clock.now, clock)


@pytest.fixture(scope="module")
def space(nodeset_cache: Path, state: ServerState) -> AddressSpace:
    space = AddressSpace(load_model(None, cache=nodeset_cache, application_uri=URI))
    bind_server_object(space, state, {})
    return space


def value(space: AddressSpace, identifier: int) -> ua.Variant:
    source = space.source(ua.NodeId(identifier))
    if isinstance(source, StaticSource):
        return decode_variant(source.value)
    assert isinstance(source, CallSource)
    return source.read().Value


def below(space: AddressSpace, root: ua.NodeId) -> list[ua.NodeId]:
    """All nodes that Server is made of, as a client finds them by browsing."""
    wanted = (ua.NodeId(I.HasComponent), ua.NodeId(I.HasProperty))
    found, waiting = [], [root]
    while waiting:
        current = waiting.pop()
        found.append(current)
        references = space.nodes[current].references
        waiting += [r.target for r in references if r.forward and r.type in wanted]
    return found


def test_every_variable_of_the_server_object_has_a_typed_value(space: AddressSpace) -> None:
    """But for the diagnostics, which are switched off."""
    diagnostics = set(below(space, ua.NodeId(I.Server_ServerDiagnostics)))
    for node_id in below(space, ua.NodeId(I.Server)):
        node = space.nodes[node_id]
        if node.node_class != ua.NodeClass.Variable or node_id in diagnostics:
            continue
        source = space.source(node_id)
        assert source is not None, node.browse_name
        variant = (
            source.read().Value if isinstance(source, CallSource) else decode_variant(source.value)  # type: ignore[union-attr]
        )
        assert variant.VariantType == space.types.built_in(node.data_type), node.browse_name
        assert variant.is_array is (node.value_rank >= 1), node.browse_name


def test_every_method_of_the_server_object_runs_something(space: AddressSpace) -> None:
    classes = {space.nodes[n].node_class for n in below(space, ua.NodeId(I.Server))}
    assert ua.NodeClass.Method not in classes


def test_mandatory_members_stay(space: AddressSpace) -> None:
    """Part 5, 6.3.1 to 6.3.3: what ServerType and its parts must have."""
    for identifier in (
        I.Server_ServerArray,
        I.Server_NamespaceArray,
        I.Server_ServerStatus,
        I.Server_ServiceLevel,
        I.Server_Auditing,
        I.Server_ServerCapabilities_ServerProfileArray,
        I.Server_ServerCapabilities_SoftwareCertificates,
        I.Server_ServerCapabilities_ModellingRules,
        I.Server_ServerCapabilities_AggregateFunctions,
        I.Server_ServerDiagnostics_ServerDiagnosticsSummary,
        I.Server_ServerDiagnostics_SubscriptionDiagnosticsArray,
        I.Server_ServerDiagnostics_SessionsDiagnosticsSummary,
        I.Server_ServerDiagnostics_EnabledFlag,
        I.Server_VendorServerInfo,
        I.Server_ServerRedundancy_RedundancySupport,
    ):
        assert space.get(ua.NodeId(identifier)) is not None


def test_no_reference_leads_nowhere(space: AddressSpace) -> None:
    for node in space.nodes.values():
        for reference in node.references:
            assert reference.target in space.nodes, (node.node_id, reference)


def test_the_types_keep_all_their_members(space: AddressSpace, nodeset_cache: Path) -> None:
    """What is taken out of the instance stays in ServerType and the other types."""
    whole = load_model(None, cache=nodeset_cache, application_uri=URI)
    for node_id, node in whole.nodes.items():
        if node.node_class not in (ua.NodeClass.Object, ua.NodeClass.Variable, ua.NodeClass.Method):
            assert node_id in space.nodes


def test_the_arrays_of_names(space: AddressSpace) -> None:
    assert value(space, I.Server_NamespaceArray).Value == space.namespaces
    assert value(space, I.Server_NamespaceArray).Value[1] == URI
    assert value(space, I.Server_ServerArray).Value == [URI]


def test_the_status_is_live(space: AddressSpace, state: ServerState, clock: WallClock) -> None:
    clock.now += 10_000_000
    status = value(space, I.Server_ServerStatus).Value
    assert status.StartTime == state.started_ticks
    assert status.CurrentTime == clock.now == value(space, I.Server_ServerStatus_CurrentTime).Value
    assert status.State == ua.ServerState.Running
    assert status.BuildInfo.SoftwareVersion == "1.2.3"
    state.state = ua.ServerState.Shutdown
    assert value(space, I.Server_ServerStatus_State).Value == ua.ServerState.Shutdown
    state.state = ua.ServerState.Running


def test_published_limits_are_the_enforced_ones(space: AddressSpace) -> None:
    capabilities: dict[int, Any] = {
        I.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead: 123,
        I.Server_ServerCapabilities_MaxSessions: 7,
        I.Server_ServerCapabilities_MinSupportedSampleRate: 25.0,
        I.Server_ServerCapabilities_MaxBrowseContinuationPoints: (
            LIMITS.max_browse_continuation_points
        ),
        I.Server_ServerCapabilities_MaxQueryContinuationPoints: 0,
        I.Server_ServerCapabilities_MaxHistoryContinuationPoints: (
            LIMITS.max_history_continuation_points
        ),
        I.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData: (
            LIMITS.max_nodes_per_history_read_data
        ),
        I.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadEvents: (
            LIMITS.max_nodes_per_history_read_events
        ),
        I.Server_ServerCapabilities_MaxSelectClauseParameters: LIMITS.max_select_clause_parameters,
        I.Server_ServerCapabilities_MaxWhereClauseParameters: LIMITS.max_where_clause_parameters,
    }
    for identifier, expected in capabilities.items():
        assert value(space, identifier).Value == expected


def properties(space: AddressSpace, metadata: ua.NodeId) -> dict[str, Any]:
    nodes = [space.nodes[n] for n in space.nodes[metadata].targets(ua.NodeId(I.HasProperty))]
    return {n.browse_name.Name: decode_variant(space.source(n.node_id).value).Value for n in nodes}  # type: ignore[misc, union-attr]


def test_every_namespace_is_described(space: AddressSpace) -> None:
    """Part 5, 6.3.14: a NamespaceMetadata object for each, named after its URI."""
    folder = space.nodes[ua.NodeId(I.Server_Namespaces)]
    names = []
    for metadata in folder.targets(ua.NodeId(I.HasComponent)):
        name, values = space.nodes[metadata].browse_name, properties(space, metadata)
        names.append(name)
        assert values["NamespaceUri"] == name.Name == space.namespaces[name.NamespaceIndex]
        assert values["NamespacePublicationDate"].year >= 2013
        assert values["IsNamespaceSubset"] in (True, False)
        assert (values["NamespaceVersion"] is None) == (name.Name == URI)
    assert sorted(name.NamespaceIndex for name in names) == list(range(len(space.namespaces)))


def test_a_nodeset_without_metadata_gets_it_from_the_catalogue(space: AddressSpace) -> None:
    uri = "http://www.OPCFoundation.org/UA/2013/01/ISA95"
    values = properties(space, ua.NodeId(f"NamespaceMetadata.{uri}", 1))
    assert values["NamespaceVersion"] == "1.00"
    assert values["NamespacePublicationDate"].isoformat()[:10] == "2013-11-06"


def test_diagnostics_that_are_off_cannot_be_read(space: AddressSpace) -> None:
    """Part 5, 6.3.3: the static nodes stay, and answer Bad_NotReadable."""
    for identifier in (
        I.Server_ServerDiagnostics_ServerDiagnosticsSummary,
        I.Server_ServerDiagnostics_ServerDiagnosticsSummary_CurrentSessionCount,
        I.Server_ServerDiagnostics_SessionsDiagnosticsSummary_SessionDiagnosticsArray,
    ):
        assert not is_readable(space.nodes[ua.NodeId(identifier)])
    assert is_readable(space.nodes[ua.NodeId(I.Server_ServerDiagnostics_EnabledFlag)])


def test_nothing_is_claimed_that_is_not_there(space: AddressSpace) -> None:
    assert value(space, I.Server_Auditing).Value is False
    assert value(space, I.Server_ServerDiagnostics_EnabledFlag).Value is False
    assert value(space, I.Server_ServerRedundancy_RedundancySupport).Value == 0
    for absent in (
        I.HistoryServerCapabilities,
        I.ServerConfiguration,
        I.PublishSubscribe,
        I.Server_ServerCapabilities_RoleSet,
        I.Server_ServerCapabilities_OperationLimits_MaxNodesPerNodeManagement,
    ):
        assert space.get(ua.NodeId(absent)) is None
