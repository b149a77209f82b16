"""A client that asks the running gateway over a socket, and tells what came back.

asyncua's client, not a part of this project: what proves the gateway must not share its mistakes.
This is the only module of `biogate` besides `opcua/stack.py` that imports asyncua.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from asyncua.client.client import Client
from asyncua.crypto import security_policies
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from biogate.opcua.stack import AttributeIds, ObjectIds, node_id, ua

TIMEOUT_S = 10.0
POLICIES: Mapping[str, Any] = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}
"""The security policies that the client speaks, by the names of a site file."""
_HIERARCHICAL = node_id(ObjectIds.HierarchicalReferences)
_NAMESPACE_ARRAY = node_id(ObjectIds.Server_NamespaceArray)
_NO_NODE = node_id("biogate.prove: there is no such node", 1)
CLOSED = "connection closed"
"""Stands for a StatusCode where the server said nothing and closed (see `attempt.BROKEN`)."""


class RefusedError(Exception):
    """The server let no session come about; `status` is its StatusCode's name, or CLOSED."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Way:
    """How to reach an endpoint, and as whom.

    `policy` None is a channel without security. `user` None asks for an anonymous session, unless
    a `user_certificate` (with its key) says who it is.
    """

    url: str
    application_uri: str
    certificate: Path | None = None
    key: Path | None = None
    server_certificate: bytes = b""
    policy: str | None = "Basic256Sha256"
    mode: str = "SignAndEncrypt"
    user: str | None = None
    password: str = field(default="", repr=False)
    user_certificate: Path | None = None
    user_key: Path | None = None


class Connection:
    """One session. `namespaces` is the server's NamespaceArray as this session sees it."""

    def __init__(self, client: Client, namespaces: Sequence[str]) -> None:
        self._client = client
        self.namespaces = list(namespaces)
        self._subscription: int | None = None

    @classmethod
    async def open(cls, way: Way) -> Connection:
        """Open channel and session. Raises RefusedError with what the server answered."""
        client = Client(way.url, timeout=TIMEOUT_S)
        client.application_uri = way.application_uri
        client.name = "biogate security prove"
        try:
            with _said():
                if way.policy is not None:
                    await client.set_security(
                        POLICIES[way.policy],
                        cast(Path, way.certificate),
                        cast(Path, way.key),
                        server_certificate=way.server_certificate or None,
                        mode=ua.MessageSecurityMode[way.mode],
                    )
                await _log_in_by(client, way)
                await client.connect()
                array = await client.uaclient.read(_reading([_NAMESPACE_ARRAY]))
        except RefusedError:
            client.disconnect_socket()
            raise
        return cls(client, [] if array[0].Value is None else array[0].Value.Value)

    async def close(self) -> None:
        """End the session; a connection that is gone already is no error."""
        try:
            with _said():
                await self._client.disconnect()
        except RefusedError:
            self._client.disconnect_socket()

    def node(self, text: str, known: Sequence[str] = ()) -> ua.NodeId:
        """The NodeId of `NamespaceUri;identifier`.

        Where this session's NamespaceArray has no such URI, the place that it has in `known` (the
        array that another session saw) is tried, as somebody would who knows the plant.
        """
        uri, _, identifier = text.partition(";")
        for array in (self.namespaces, known):
            if uri in array:
                return node_id(identifier, list(array).index(uri))
        return node_id(identifier, max(len(self.namespaces), len(known)))

    async def read(self, node: ua.NodeId) -> tuple[str, ua.Variant | None]:
        """Status and value of the attribute Value."""
        with _said():
            value = (await self._client.uaclient.read(_reading([node])))[0]
        return _name(value.StatusCode), value.Value

    async def read_name(self, node: ua.NodeId) -> str:
        """Status of reading the BrowseName: any node has one."""
        with _said():
            reading = _reading([node], AttributeIds.BrowseName)
            value = (await self._client.uaclient.read(reading))[0]
        return _name(value.StatusCode)

    async def browse(self, node: ua.NodeId) -> tuple[str, list[ua.ReferenceDescription]]:
        """Status and hierarchical references of a node, forward."""
        parameters = ua.BrowseParameters(
            NodesToBrowse=[
                ua.BrowseDescription(
                    NodeId=node,
                    BrowseDirection=ua.BrowseDirection.Forward,
                    ReferenceTypeId=_HIERARCHICAL,
                    IncludeSubtypes=True,
                    ResultMask=ua.BrowseResultMask.BrowseName,
                )
            ]
        )
        with _said():
            result = (await self._client.uaclient.browse(parameters))[0]
            references = list(result.References or ())
            while result.ContinuationPoint:
                following = ua.BrowseNextParameters(ContinuationPoints=[result.ContinuationPoint])
                result = (await self._client.uaclient.browse_next(following))[0]
                references += result.References or ()
        return _name(result.StatusCode), references

    async def write(self, node: ua.NodeId, value: ua.Variant) -> str:
        """Status of writing a value, without status and timestamps."""
        written = ua.WriteValue(
            NodeId=node,
            AttributeId=AttributeIds.Value,
            Value=ua.DataValue(value, StatusCode=None),
        )
        with _said():
            parameters = ua.WriteParameters(NodesToWrite=[written])
            codes = await self._client.uaclient.write(parameters)
        return _name(codes[0])

    async def call(self, owner: ua.NodeId, method: ua.NodeId) -> str:
        """Status of calling a Method without arguments: one that takes some cannot run then."""
        with _said():
            request = ua.CallMethodRequest(ObjectId=owner, MethodId=method, InputArguments=[])
            results = await self._client.uaclient.call([request])
        return _name(results[0].StatusCode)

    async def subscribe(self, node: ua.NodeId, *, events: bool = False) -> str:
        """Status of a MonitoredItem on a node's Value, or on its events."""
        item = ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(
                NodeId=node,
                AttributeId=AttributeIds.EventNotifier if events else AttributeIds.Value,
            ),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=1,
                SamplingInterval=0.0 if events else 1000.0,
                Filter=_event_filter() if events else None,
                QueueSize=1,
            ),
        )
        with _said():
            subscription = await self._subscribed()
            parameters = ua.CreateMonitoredItemsParameters(
                SubscriptionId=subscription,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=[item],
            )
            created = (await self._client.uaclient.create_monitored_items(parameters))[0]
            if created.StatusCode.is_good():
                await self._client.uaclient.delete_monitored_items(
                    ua.DeleteMonitoredItemsParameters(
                        SubscriptionId=subscription, MonitoredItemIds=[created.MonitoredItemId]
                    )
                )
        return _name(created.StatusCode)

    async def history(self, node: ua.NodeId) -> str:
        """Status of reading a node's raw history."""
        details = ua.ReadRawModifiedDetails(
            IsReadModified=False,
            StartTime=ua.DateTime(2020, 1, 1),
            EndTime=ua.DateTime(2020, 1, 2),
            NumValuesPerNode=1,
            ReturnBounds=False,
        )
        parameters = ua.HistoryReadParameters(
            HistoryReadDetails=cast(Any, details),
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ReleaseContinuationPoints=False,
            NodesToRead=[ua.HistoryReadValueId(NodeId=node)],
        )
        with _said():
            results = await self._client.uaclient.history_read(parameters)
        return _name(results[0].StatusCode)

    async def answers_to_nothing(self) -> Mapping[str, str]:
        """What each service says of a node that does not exist: hidden ones must look the same."""
        nothing = _NO_NODE
        return {
            "browse": (await self.browse(nothing))[0],
            "read": (await self.read(nothing))[0],
            "subscribe": await self.subscribe(nothing),
            "write": await self.write(nothing, ua.Variant(0.0)),
            "history": await self.history(nothing),
            "events": await self.subscribe(nothing, events=True),
        }

    async def call_nothing(self, owner: ua.NodeId) -> str:
        """What calling a Method that does not exist gives, on an Object that may be there."""
        return await self.call(owner, _NO_NODE)

    async def walk(self, most: int) -> tuple[set[str], bool]:
        """All nodes below Objects as `NamespaceUri;identifier`, but for the Server object's.

        At most `most` nodes are browsed; True: that were all.
        """
        found: set[str] = set()
        todo = [node_id(ObjectIds.ObjectsFolder)]
        seen = {todo[0], node_id(ObjectIds.Server)}
        while todo and most:
            most -= 1
            _, references = await self.browse(todo.pop())
            for reference in references:
                node = ua.NodeId(reference.NodeId.Identifier, reference.NodeId.NamespaceIndex)
                if node not in seen:
                    seen.add(node)
                    todo.append(node)
                    found.add(f"{self._uri(int(node.NamespaceIndex))};{node.Identifier!s}")
        return found, not todo

    def _uri(self, index: int) -> str:
        return self.namespaces[index] if index < len(self.namespaces) else f"namespace {index}"

    async def _subscribed(self) -> int:
        if self._subscription is None:
            parameters = ua.CreateSubscriptionParameters(
                RequestedPublishingInterval=5000,
                RequestedLifetimeCount=10_000,
                RequestedMaxKeepAliveCount=1000,
                MaxNotificationsPerPublish=10,
                PublishingEnabled=False,
                Priority=0,
            )
            created = await self._client.uaclient.create_subscription(parameters, _ignore)
            self._subscription = int(created.SubscriptionId)
        return self._subscription


async def _log_in_by(client: Client, way: Way) -> None:
    if way.user_certificate is not None and way.user_key is not None:
        await client.load_client_certificate(str(way.user_certificate))
        await client.load_private_key(way.user_key)
    elif way.user is not None:
        client.set_user(way.user)
        client.set_password(way.password)


async def says_hello(url: str, source: str) -> bool:
    """Whether the server acknowledges a client that comes from the address `source`.

    Raises OSError where this machine has no such address, or nobody listens.
    """
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(
        place.hostname, place.port, local_addr=(source, 0), family=socket.AF_INET
    )
    try:
        address = url.encode()
        body = b"".join(n.to_bytes(4, "little") for n in (0, 65536, 65536, 0, 0, len(address)))
        size = 8 + len(body) + len(address)
        writer.write(b"HELF" + size.to_bytes(4, "little") + body + address)
        answer = await asyncio.wait_for(reader.read(4), TIMEOUT_S)
    except (ConnectionError, TimeoutError):
        return False
    finally:
        writer.close()
    return answer == b"ACKF"


def as_double(value: float, like: ua.Variant | None) -> ua.Variant:
    """A number as a Variant of the type that `like` has; Double where nothing is known."""
    kind = like.VariantType if like is not None else ua.VariantType.Double
    if kind in (ua.VariantType.Double, ua.VariantType.Float):
        return ua.Variant(value, kind)
    return ua.Variant(round(value), kind)


def quiet() -> None:
    """Keep the client's own log lines out: what it meets here is what is asked for."""
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)


@contextmanager
def _said() -> Iterator[None]:
    """Turn whatever the client meets into what the server said."""
    try:
        yield
    except UaStatusCodeError as error:
        raise RefusedError(_name(ua.StatusCode(ua.UInt32(error.code)))) from error
    except (OSError, TimeoutError, asyncio.IncompleteReadError, UaError) as error:
        raise RefusedError(CLOSED) from error


def _reading(nodes: Sequence[ua.NodeId], attribute: int = AttributeIds.Value) -> Any:
    return ua.ReadParameters(
        NodesToRead=[ua.ReadValueId(NodeId=node, AttributeId=attribute) for node in nodes]
    )


def _event_filter() -> Any:
    return ua.EventFilter(
        SelectClauses=[
            ua.SimpleAttributeOperand(
                TypeDefinitionId=node_id(ObjectIds.BaseEventType),
                BrowsePath=[ua.QualifiedName("Message")],
                AttributeId=AttributeIds.Value,
            )
        ]
    )


def _ignore(_notification: object) -> None:
    """Nothing is published: only whether a MonitoredItem may be made is asked."""


def _name(code: ua.StatusCode | None) -> str:
    return "Good" if code is None else str(code.name)
