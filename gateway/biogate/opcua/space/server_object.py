"""The Server object's values (Part 5, 6.3): live, and equal to what is enforced.

What the nodeset lists as optional and this server does not have is taken out, so that no
Variable of the Server object is left without a value. While diagnostics are switched off their
nodes stay, and cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from biogate.opcua.codec import encode_variant
from biogate.opcua.config import FrontEndConfig, Limits
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.ids import HAS_COMPONENT, HAS_PROPERTY, ORGANIZES, SERVER
from biogate.opcua.space.namespaces import complete_namespaces
from biogate.opcua.space.profiles import claimed_profiles
from biogate.opcua.space.values import CallSource, StaticSource
from biogate.opcua.stack import ObjectIds, node_id, ua

_T = ua.VariantType
_SERVER_STATE = ua.ServerState
_SERVICE_LEVEL_HEALTHY = 255  # Part 4, 6.6.2.4.2: 200 to 255 is healthy

# Optional objects whose function this server lacks.
_ABSENT_OBJECTS = (
    ObjectIds.HistoryServerCapabilities,
    ObjectIds.DefaultHAConfiguration,
    ObjectIds.DefaultHEConfiguration,
    ObjectIds.PublishSubscribe,
    ObjectIds.Resources,
    ObjectIds.ServerLog,
    # For servers with fixed sampling intervals only (Part 5, 6.3.3).
    ObjectIds.Server_ServerDiagnostics_SamplingIntervalDiagnosticsArray,
)


# Optional objects of which stays what somebody has given a value or a function.
_MANAGED_OBJECTS = (
    ObjectIds.Server_ServerCapabilities_RoleSet,
    ObjectIds.ServerConfiguration,
)


def _empty(variant_type: ua.VariantType) -> ua.Variant:
    return ua.Variant([], variant_type, is_array=True)


@dataclass(slots=True)
class ServerState:
    """What ServerStatus shows. Times are FILETIME ticks; `state` is a ServerState number."""

    config: FrontEndConfig
    started_ticks: int
    wall_clock: Callable[[], int]
    state: int = _SERVER_STATE.Running
    service_level: int = _SERVICE_LEVEL_HEALTHY
    shutdown_reason: str = ""
    auditing: bool = False

    @property
    def build_info(self) -> ua.BuildInfo:
        """BuildInfo (Part 5, 12.4)."""
        return ua.BuildInfo(
            ProductUri=ua.String(self.config.product_uri),
            ManufacturerName=ua.String(self.config.manufacturer),
            ProductName=ua.String(self.config.application_name),
            SoftwareVersion=ua.String(self.config.software_version),
            BuildNumber=ua.String(self.config.software_version),
            BuildDate=cast(Any, 0),
        )

    @property
    def status(self) -> ua.ServerStatusDataType:
        """ServerStatus (Part 5, 12.10)."""
        return ua.ServerStatusDataType(
            StartTime=cast(Any, self.started_ticks),
            CurrentTime=cast(Any, self.wall_clock()),
            State=ua.ServerState(self.state),
            BuildInfo=self.build_info,
            ShutdownReason=ua.LocalizedText(self.shutdown_reason),
        )


def bind_server_object(
    space: AddressSpace, state: ServerState, diagnostics: Mapping[int, Callable[[], ua.Variant]]
) -> None:
    """Give the Server object its values, and take out what this server does not have.

    `diagnostics` reads the nodes of ServerDiagnostics by NodeId; empty when they are off.
    """
    for identifier, variant in _constants(state).items():
        _bind(space, identifier, StaticSource(encode_variant(variant)))
    for identifier, read in {**_live(space, state), **diagnostics}.items():
        _bind(space, identifier, CallSource(_now(read, state.wall_clock)))
    enabled = ua.Variant(Value=bool(diagnostics), VariantType=_T.Boolean)
    flag = ObjectIds.Server_ServerDiagnostics_EnabledFlag
    _bind(space, flag, StaticSource(encode_variant(enabled)))
    if not diagnostics:
        _hide_diagnostics(space)
    complete_namespaces(space, state.started_ticks)
    _prune(space)


def _bind(space: AddressSpace, identifier: int, source: StaticSource | CallSource) -> None:
    if space.get(node_id(identifier)) is not None:
        space.bind(node_id(identifier), source)


def _now(read: Callable[[], ua.Variant], clock: Callable[[], int]) -> Callable[[], ua.DataValue]:
    def data_value() -> ua.DataValue:
        now = cast(Any, clock())
        return ua.DataValue(read(), SourceTimestamp=now, ServerTimestamp=now)

    return data_value


def _live(space: AddressSpace, state: ServerState) -> Mapping[int, Callable[[], ua.Variant]]:
    ids = ObjectIds
    return {
        ids.Server_NamespaceArray: lambda: ua.Variant(list(space.namespaces), _T.String),
        ids.Server_ServiceLevel: lambda: ua.Variant(state.service_level, _T.Byte),
        ids.Server_ServerStatus: lambda: ua.Variant(state.status, _T.ExtensionObject),
        ids.Server_ServerStatus_CurrentTime: lambda: ua.Variant(state.wall_clock(), _T.DateTime),
        ids.Server_ServerStatus_State: lambda: ua.Variant(int(state.state), _T.Int32),
        ids.Server_ServerStatus_SecondsTillShutdown: lambda: ua.Variant(0, _T.UInt32),
        ids.Server_ServerStatus_ShutdownReason: lambda: ua.Variant(
            ua.LocalizedText(state.shutdown_reason), _T.LocalizedText
        ),
    }


def _constants(state: ServerState) -> Mapping[int, ua.Variant]:
    return {
        **_identity(state),
        **_capabilities(state.config.limits),
        **_operation_limits(state.config.limits),
    }


def _identity(state: ServerState) -> Mapping[int, ua.Variant]:
    ids, info = ObjectIds, state.build_info
    return {
        ids.Server_ServerArray: ua.Variant([state.config.application_uri], _T.String),
        ids.Server_Auditing: ua.Variant(Value=state.auditing, VariantType=_T.Boolean),
        ids.Server_ServerStatus_StartTime: ua.Variant(state.started_ticks, _T.DateTime),
        ids.Server_ServerStatus_BuildInfo: ua.Variant(info, _T.ExtensionObject),
        ids.Server_ServerStatus_BuildInfo_ProductUri: ua.Variant(info.ProductUri, _T.String),
        ids.Server_ServerStatus_BuildInfo_ManufacturerName: ua.Variant(
            info.ManufacturerName, _T.String
        ),
        ids.Server_ServerStatus_BuildInfo_ProductName: ua.Variant(info.ProductName, _T.String),
        ids.Server_ServerStatus_BuildInfo_SoftwareVersion: ua.Variant(
            info.SoftwareVersion, _T.String
        ),
        ids.Server_ServerStatus_BuildInfo_BuildNumber: ua.Variant(info.BuildNumber, _T.String),
        ids.Server_ServerStatus_BuildInfo_BuildDate: ua.Variant(info.BuildDate, _T.DateTime),
        ids.Server_ServerCapabilities_ServerProfileArray: ua.Variant(
            claimed_profiles(state.config), _T.String
        ),
        ids.Server_ServerRedundancy_RedundancySupport: ua.Variant(
            int(ua.RedundancySupport.None_), _T.Int32
        ),
    }


def _capabilities(limits: Limits) -> Mapping[int, ua.Variant]:
    ids = ObjectIds
    numbers = {
        ids.Server_ServerCapabilities_MaxArrayLength: limits.max_array_length,
        ids.Server_ServerCapabilities_MaxStringLength: limits.max_string_length,
        ids.Server_ServerCapabilities_MaxByteStringLength: limits.max_byte_string_length,
        ids.Server_ServerCapabilities_MaxSessions: limits.max_sessions,
        ids.Server_ServerCapabilities_MaxSubscriptions: limits.max_subscriptions,
        ids.Server_ServerCapabilities_MaxMonitoredItems: limits.max_monitored_items,
        ids.Server_ServerCapabilities_MaxSubscriptionsPerSession: (
            limits.max_subscriptions_per_session
        ),
        ids.Server_ServerCapabilities_MaxMonitoredItemsPerSubscription: (
            limits.max_monitored_items_per_subscription
        ),
        ids.Server_ServerCapabilities_MaxMonitoredItemsQueueSize: (
            limits.max_monitored_items_queue_size
        ),
        ids.Server_ServerCapabilities_MaxSelectClauseParameters: (
            limits.max_select_clause_parameters
        ),
        ids.Server_ServerCapabilities_MaxWhereClauseParameters: limits.max_where_clause_parameters,
    }
    counts = {
        ids.Server_ServerCapabilities_MaxBrowseContinuationPoints: (
            limits.max_browse_continuation_points
        ),
        ids.Server_ServerCapabilities_MaxQueryContinuationPoints: 0,
        ids.Server_ServerCapabilities_MaxHistoryContinuationPoints: (
            limits.max_history_continuation_points
        ),
    }
    return {
        ids.Server_ServerCapabilities_SoftwareCertificates: _empty(_T.ExtensionObject),
        ids.Server_ServerCapabilities_LocaleIdArray: ua.Variant(["en"], _T.String),
        ids.Server_ServerCapabilities_MinSupportedSampleRate: ua.Variant(
            limits.min_sampling_interval_ms, _T.Double
        ),
        **{key: ua.Variant(value, _T.UInt32) for key, value in numbers.items()},
        **{key: ua.Variant(value, _T.UInt16) for key, value in counts.items()},
    }


def _operation_limits(limits: Limits) -> Mapping[int, ua.Variant]:
    prefix = "Server_ServerCapabilities_OperationLimits_"
    values = {
        "MaxNodesPerRead": limits.max_nodes_per_read,
        "MaxNodesPerHistoryReadData": limits.max_nodes_per_history_read_data,
        "MaxNodesPerHistoryReadEvents": limits.max_nodes_per_history_read_events,
        "MaxNodesPerWrite": limits.max_nodes_per_write,
        "MaxNodesPerMethodCall": limits.max_nodes_per_method_call,
        "MaxNodesPerBrowse": limits.max_nodes_per_browse,
        "MaxNodesPerRegisterNodes": limits.max_nodes_per_register_nodes,
        "MaxNodesPerTranslateBrowsePathsToNodeIds": limits.max_nodes_per_translate,
        "MaxMonitoredItemsPerCall": limits.max_monitored_items_per_call,
    }
    return {
        getattr(ObjectIds, prefix + name): ua.Variant(value, _T.UInt32)
        for name, value in values.items()
    }


def _hide_diagnostics(space: AddressSpace) -> None:
    """Part 5, 6.3.3: off, the static nodes stay and reading them is Bad_NotReadable."""
    for identifier in _subtree(space, node_id(ObjectIds.Server_ServerDiagnostics)):
        node = space.nodes[identifier]
        if node.node_class is ua.NodeClass.Variable and space.source(identifier) is None:
            node.access_level = 0
            space.bind(identifier, StaticSource(encode_variant(ua.Variant())))


def _prune(space: AddressSpace) -> None:
    for identifier in _ABSENT_OBJECTS:
        space.remove_nodes(list(_subtree(space, node_id(identifier), ORGANIZES)))
    space.remove_nodes([n for n in _subtree(space, SERVER) if _is_empty(space, n)])
    for identifier in _MANAGED_OBJECTS:
        nodes = list(_subtree(space, node_id(identifier), ORGANIZES))
        space.remove_nodes([n for n in nodes if _is_empty(space, n)])
        space.remove_nodes([n for n in nodes if _is_hollow(space, n)])


def _is_empty(space: AddressSpace, identifier: ua.NodeId) -> bool:
    """True for a Variable without a value, and for a Method that runs nothing."""
    node = space.nodes[identifier]
    if node.node_class is ua.NodeClass.Method:
        return not space.methods.is_bound(identifier)
    return node.node_class is ua.NodeClass.Variable and space.source(identifier) is None


def _is_hollow(space: AddressSpace, identifier: ua.NodeId) -> bool:
    """True for an Object that has no Variable and no Method, however deep."""
    below = (space.nodes[n] for n in _subtree(space, identifier, ORGANIZES))
    return all(node.node_class is ua.NodeClass.Object for node in below)


def _subtree(space: AddressSpace, root: ua.NodeId, *also: ua.NodeId) -> Iterator[ua.NodeId]:
    """The node and what it is made of, and what is below it by other references."""
    types = (HAS_COMPONENT, HAS_PROPERTY, *also)
    waiting, seen = [root], set()
    while waiting:
        current = waiting.pop()
        node = space.get(current)
        if node is None or current in seen:
            continue
        seen.add(current)
        yield current
        waiting += [r.target for r in node.references if r.forward and r.type in types]
