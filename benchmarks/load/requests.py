"""Requests encoded once by asyncua's codec, to be sent many times with a few bytes changed."""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

from benchmarks.load.asyncua_types import encoded, ua

_TYPE_ID_SIZE = 4
_NULL_TOKEN = b"\x00\x00"
_STAMP_AND_HANDLE = struct.Struct("<qI")
_EPOCH_TICKS = 116_444_736_000_000_000
TICKS_PER_SECOND = 10_000_000
_EVERYTHING = 0x3F
NULL_SESSION = _NULL_TOKEN


def now_ticks() -> int:
    """Wall time in FILETIME ticks (100 ns since 1601)."""
    return time.time_ns() // 100 + _EPOCH_TICKS


class Template:
    """An encoded request with a session's token; `stamped` gives it a time and a handle."""

    def __init__(self, data: bytes, token: bytes = NULL_SESSION) -> None:
        if data[_TYPE_ID_SIZE : _TYPE_ID_SIZE + 2] != _NULL_TOKEN:
            raise ValueError("the request to make a template of has a token already")
        self._body = bytearray(data[:_TYPE_ID_SIZE] + token + data[_TYPE_ID_SIZE + 2 :])
        self._at = _TYPE_ID_SIZE + len(token)

    def stamped(self, handle: int) -> bytearray:
        """The request with the present time and this RequestHandle; good until the next call."""
        _STAMP_AND_HANDLE.pack_into(self._body, self._at, now_ticks(), handle)
        return self._body

    def end_with(self, data: bytes) -> None:
        """Overwrite the last bytes."""
        self._body[-len(data) :] = data


def variable(namespace: int, name: str) -> Any:
    """A NodeId `ns=namespace;s=name`."""
    return ua.NodeId(name, namespace)


def read(nodes: Sequence[Any]) -> bytes:
    """Read the Values with both timestamps."""
    request = ua.ReadRequest()
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    request.Parameters.NodesToRead = [ua.ReadValueId(n, ua.AttributeIds.Value) for n in nodes]
    return encoded(request)


def write(nodes: Sequence[Any], values: Sequence[float]) -> bytes:
    """Write Doubles, without a status or times, as clients do."""
    request = ua.WriteRequest()
    request.Parameters.NodesToWrite = [
        ua.WriteValue(n, ua.AttributeIds.Value, None, _double(v))
        for n, v in zip(nodes, values, strict=True)
    ]
    return encoded(request)


def _double(value: float) -> Any:
    return ua.DataValue(ua.Variant(value, ua.VariantType.Double), None)


def browse(nodes: Sequence[Any]) -> bytes:
    """Browse forward hierarchical references, with everything that a result may tell."""
    request = ua.BrowseRequest()
    request.Parameters.RequestedMaxReferencesPerNode = 0
    request.Parameters.NodesToBrowse = [
        ua.BrowseDescription(
            NodeId=n,
            BrowseDirection=ua.BrowseDirection.Forward,
            ReferenceTypeId=ua.NodeId(ua.ObjectIds.HierarchicalReferences),
            IncludeSubtypes=True,
            NodeClassMask=0,
            ResultMask=_EVERYTHING,
        )
        for n in nodes
    ]
    return encoded(request)


@cache
def create_session(
    url: str, application_uri: str, certificate: bytes | None, nonce: bytes, timeout_ms: float
) -> bytes:
    """CreateSession of a client application."""
    request = ua.CreateSessionRequest()
    parameters = request.Parameters
    parameters.ClientDescription.ApplicationUri = application_uri
    parameters.ClientDescription.ApplicationName = ua.LocalizedText("load generator")
    parameters.ClientDescription.ApplicationType = ua.ApplicationType.Client
    parameters.EndpointUrl = url
    parameters.SessionName = "load"
    parameters.ClientNonce = nonce
    parameters.ClientCertificate = certificate
    parameters.RequestedSessionTimeout = timeout_ms
    parameters.MaxResponseMessageSize = 0
    return encoded(request)


@cache
def activate_session(policy_id: str, signature: bytes | None, algorithm: str | None) -> bytes:
    """ActivateSession as anonymous."""
    request = ua.ActivateSessionRequest()
    request.Parameters.UserIdentityToken = ua.AnonymousIdentityToken(policy_id)
    request.Parameters.ClientSignature = ua.SignatureData(algorithm, signature)
    return encoded(request)


@cache
def close_session() -> bytes:
    """CloseSession with everything that belongs to it."""
    request = ua.CloseSessionRequest()
    request.DeleteSubscriptions = True
    return encoded(request)


@cache
def create_subscription(publishing_interval_ms: float, lifetime_count: int) -> bytes:
    """A Subscription that sends everything it has at once.

    It outlives its session by `lifetime_count` publishing intervals (Part 4, 5.14.1.1).
    """
    request = ua.CreateSubscriptionRequest()
    parameters = request.Parameters
    parameters.RequestedPublishingInterval = publishing_interval_ms
    parameters.RequestedLifetimeCount = lifetime_count
    parameters.RequestedMaxKeepAliveCount = lifetime_count // 3
    parameters.MaxNotificationsPerPublish = 0
    parameters.PublishingEnabled = True
    return encoded(request)


def create_items(
    subscription: int,
    nodes: Sequence[Any],
    first_handle: int,
    sampling_interval_ms: float,
    queue_size: int,
) -> bytes:
    """MonitoredItems of the Values with both timestamps; ClientHandles from `first_handle` on."""
    request = ua.CreateMonitoredItemsRequest()
    request.Parameters.SubscriptionId = subscription
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    request.Parameters.ItemsToCreate = [
        ua.MonitoredItemCreateRequest(
            ua.ReadValueId(node, ua.AttributeIds.Value),
            ua.MonitoringMode.Reporting,
            ua.MonitoringParameters(
                ClientHandle=handle,
                SamplingInterval=sampling_interval_ms,
                QueueSize=queue_size,
                DiscardOldest=True,
            ),
        )
        for handle, node in enumerate(nodes, first_handle)
    ]
    return encoded(request)


def publish(acknowledgements: Sequence[tuple[int, int]]) -> bytes:
    """Publish that acknowledges (SubscriptionId, SequenceNumber) pairs."""
    request = ua.PublishRequest()
    request.Parameters.SubscriptionAcknowledgements = [
        ua.SubscriptionAcknowledgement(*pair) for pair in acknowledgements
    ]
    return encoded(request)


def open_channel(nonce: bytes | None) -> bytes:
    """OpenSecureChannel for an hour, with a nonce for SignAndEncrypt (Part 4, 5.6.2)."""
    request = ua.OpenSecureChannelRequest()
    parameters = request.Parameters
    modes = ua.MessageSecurityMode
    parameters.SecurityMode = modes.None_ if nonce is None else modes.SignAndEncrypt
    parameters.ClientNonce = nonce
    parameters.RequestedLifetime = 3_600_000
    return encoded(request)


def close_channel() -> bytes:
    """CloseSecureChannel."""
    return encoded(ua.CloseSecureChannelRequest())


def get_endpoints(url: str) -> bytes:
    """GetEndpoints."""
    request = ua.GetEndpointsRequest()
    request.Parameters.EndpointUrl = url
    return encoded(request)
