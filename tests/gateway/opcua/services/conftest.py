"""A front end without sockets: requests go in as bytes, responses come out as objects."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asyncua import ua

from biogate.opcua.codec import decode_message, encode_message, encode_variant
from biogate.opcua.front_end import FrontEnd, FrontEndConfig, Limits
from biogate.opcua.ports import AuditPort, OnRecord, StoredValue, StoredWrites, UnfitValue
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.methods import MethodCall
from biogate.opcua.space.values import TagSource, stored_projection
from biogate.opcua.transport.interfaces import ChannelInfo
from biogate.opcua.transport.policies import NONE_URI
from biogate.opcua.turns import Turns
from biogate.tags.table import TagInfo, TagTable
from biogate_nodesets.cache import load_model
from biogate_nodesets.model import Node
from biogate_security.pki import Pki
from biogate_security.policy import STATUS_AND_TIME, Action, Decision, Resource, Subject
from biogate_security.roles import Identity

APPLICATION_URI = "urn:test:biogate"
NOW = 134_000_000_000_000_000
T = ua.VariantType


def nid(name: str) -> ua.NodeId:
    """A node of the test plant."""
    return ua.NodeId(name, 1)


@dataclass(eq=False)
class Handle:
    """A connection that keeps what is sent to it."""

    sent: dict[int, bytes] = field(default_factory=dict)
    more: asyncio.Event = field(default_factory=asyncio.Event)
    active: bool = False
    channel: ChannelInfo | None = None
    writable: bool = True
    max_response_size: int = 1 << 30

    def respond(self, request_id: int, body: bytes) -> None:
        assert request_id not in self.sent, "a request was answered twice"
        self.sent[request_id] = body
        self.more.set()

    def set_session_active(self, active: bool) -> None:
        self.active = active

    def close(self, status: int, reason: str = "") -> None:
        raise AssertionError(f"the channel was closed: {status:#x} {reason}")


class Commands:
    """A command port that keeps the writes and answers as it is told; `denied`: whoever asks."""

    def __init__(self) -> None:
        self.writes: list[tuple[Subject, int, str, Any, str]] = []
        self.refused: list[tuple[str, str]] = []
        self.denied = False
        self.answer: int | Exception = ua.StatusCodes.Good
        self.gate: asyncio.Event | None = None
        self.more = asyncio.Event()
        self.stored: list[tuple[str, StoredValue]] = []
        self.batches: list[StoredWrites] = []
        self.tags: TagTable | None = None

    async def seen(self, count: int) -> list[Any]:
        """Wait for that many writes; the values so far."""
        async with asyncio.timeout(5):
            while len(self.writes) < count:
                self.more.clear()
                await self.more.wait()
        return [value for _, _, _, value, _ in self.writes]

    async def write(
        self,
        subject: Subject,
        tag: int,
        node_id: str,
        value: Any,
        *,
        client_audit_entry_id: str = "",
        on_record: OnRecord | None = None,
    ) -> int:
        if self.denied or isinstance(value, UnfitValue):
            self.refused.append((node_id, repr(value)))
            return ua.StatusCodes.BadUserAccessDenied if self.denied else value.status
        self.writes.append((subject, tag, node_id, value, client_audit_entry_id))
        self.more.set()
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def write_stored(
        self,
        subject: Subject,
        tag: int,
        node_id: str,
        write: StoredValue | UnfitValue,
        *,
        client_audit_entry_id: str = "",
        on_record: OnRecord | None = None,
    ) -> int:
        if self.denied or isinstance(write, UnfitValue):
            self.refused.append((node_id, repr(write)))
            return ua.StatusCodes.BadUserAccessDenied if self.denied else write.status
        if self.gate is not None:
            await self.gate.wait()
        self.stored.append((node_id, write))
        self._apply([tag], [write.value], [write.status], [write.source_time], {0: write.held})
        return ua.StatusCodes.Good

    def write_unaudited(self, writes: StoredWrites) -> None:
        self.batches.append(writes)
        w = writes
        self._apply(w.tag, w.value, w.status, w.source_time, w.objects)

    def _apply(self, tag: Any, value: Any, status: Any, source_time: Any, objects: Any) -> None:
        assert self.tags is not None
        self.tags.apply(
            np.asarray(tag, np.int32),
            np.asarray(value, np.float64),
            np.asarray(status, np.uint32),
            np.asarray(source_time, np.int64),
            NOW + 50,
            objects,
        )


class Users:
    """One user, "operator" with the password "correct horse"; tests may change who that is.

    Users with certificates and tokens are those that a test puts there.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.operator = Identity("operator", frozenset({"AuthenticatedUser", "Operator"}))
        self.certificates: dict[bytes, Identity] = {}
        self.tokens: dict[bytes, Identity] = {}

    async def authenticate(self, name: str, password: str, source: str = "") -> Any:
        self.asked.append((name, password, source))
        await asyncio.sleep(0)
        if (name, password) != ("operator", "correct horse"):
            return None
        return self.operator

    async def authenticate_certificate(self, chain_der: bytes, source: str = "") -> Any:
        return self.certificates.get(chain_der, ua.StatusCodes.BadIdentityTokenRejected)

    async def authenticate_token(self, token: bytes, source: str = "") -> Any:
        return self.tokens.get(token)


class OpenPolicy:
    """Allows everything, except what a test denies as (action, node id)."""

    def __init__(self) -> None:
        self.epoch = 1
        self.denied: set[tuple[Action, str]] = set()
        self.asked = 0

    def deny(self, action: Action, node_id: ua.NodeId) -> None:
        self.denied.add((action, node_id.to_string()))
        self.epoch += 1

    def decide(self, subject: Subject, action: Action, resource: Resource, now: int) -> Decision:
        self.asked += 1
        named = resource.attribute if resource.attribute == STATUS_AND_TIME else resource.node_id
        return Decision((action, named) not in self.denied, "test")

    def let_nobody_restate(self) -> None:
        """Status and SourceTimestamp are the server's from now on."""
        self.denied.add((Action.WRITE, STATUS_AND_TIME))
        self.epoch += 1


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Plant:
    """An address space with a few test nodes, and the tags behind them."""

    space: AddressSpace
    tags: TagTable
    called: list[MethodCall]

    def set(self, name: str, value: float, status: int = 0, source_time: int = NOW) -> None:
        """Give a tag a value."""
        self.tags.apply(
            np.array([self.tags.index(name)], np.int32),
            np.array([value]),
            np.array([status], np.uint32),
            np.array([source_time]),
            NOW + 50,
        )

    def set_text(self, name: str, text: str) -> None:
        """Give a String tag a value."""
        index = np.array([self.tags.index(name)], np.int32)
        self.tags.apply(
            index, np.array([np.nan]), np.array([0], np.uint32), np.array([NOW]), NOW, {0: text}
        )


TAGS = (
    TagInfo("ph"),
    TagInfo("setpoint", "Float", writable=True),
    TagInfo("gas", "String", writable=True),
    TagInfo("pump", "Boolean", writable=True),
    TagInfo("stage", "UInt16", writable=True),
)
# Stored Variables: DataType, ValueRank and ArrayDimensions. Those named Plain... are unaudited.
STORED = (
    ("PlainDouble", ua.ObjectIds.Double, -1, None),
    ("PlainOther", ua.ObjectIds.Double, -1, None),
    ("PlainArray", ua.ObjectIds.Int32, 1, (5,)),
    ("PlainBoolean", ua.ObjectIds.Boolean, -1, None),
    ("PlainSByte", ua.ObjectIds.SByte, -1, None),
    ("PlainUInt16", ua.ObjectIds.UInt16, -1, None),
    ("PlainInt32", ua.ObjectIds.Int32, -1, None),
    ("PlainFloat", ua.ObjectIds.Float, -1, None),
    ("PlainState", ua.ObjectIds.ServerState, -1, None),
    ("StoredInt32", ua.ObjectIds.Int32, -1, None),
    ("StoredBoolean", ua.ObjectIds.Boolean, -1, None),
    ("StoredInt64", ua.ObjectIds.Int64, -1, None),
    ("StoredText", ua.ObjectIds.String, -1, None),
    ("StoredBlob", ua.ObjectIds.ByteString, -1, None),
    ("StoredArray", ua.ObjectIds.Int32, 1, (5,)),
    ("StoredMatrix", ua.ObjectIds.Double, 2, (0, 0)),
    ("StoredTexts", ua.ObjectIds.String, 1, (0,)),
    ("StoredBytes", ua.ObjectIds.Byte, 1, (0,)),
    ("StoredAny", ua.ObjectIds.BaseDataType, -2, None),
    ("StoredNumber", ua.ObjectIds.Number, -1, None),
    ("StoredState", ua.ObjectIds.ServerState, -1, None),
    ("StoredStates", ua.ObjectIds.ServerState, -2, None),
    ("StoredRange", ua.ObjectIds.Range, -1, None),
    ("StoredRanges", ua.ObjectIds.Range, 2, (0, 0)),
    ("StoredUnits", ua.ObjectIds.Duration, -3, None),
    ("StoredTime", ua.ObjectIds.UtcTime, -1, None),
)
_ARGUMENTS = [
    ua.Argument("Speed", ua.NodeId(ua.ObjectIds.Double), -1),
    ua.Argument("Steps", ua.NodeId(ua.ObjectIds.UInt16), 1),
]


def variable(name: str, data_type: int, rank: int = -1, **attributes: Any) -> Node:
    """A Variable of the test plant, below its Reactor object."""
    node = Node(
        nid(name),
        ua.NodeClass.Variable,
        ua.QualifiedName(name, 1),
        ua.LocalizedText(name),
        data_type=ua.NodeId(data_type),
        value_rank=rank,
        **attributes,
    )
    node.add_reference(ua.NodeId(ua.ObjectIds.HasComponent), nid("Reactor"), forward=False)
    node.add_reference(ua.NodeId(ua.ObjectIds.HasTypeDefinition), ua.NodeId(63), forward=True)
    return node


def reactor() -> Node:
    node = Node(
        nid("Reactor"),
        ua.NodeClass.Object,
        ua.QualifiedName("Reactor", 1),
        ua.LocalizedText("Reactor"),
    )
    node.add_reference(
        ua.NodeId(ua.ObjectIds.Organizes), ua.NodeId(ua.ObjectIds.ObjectsFolder), forward=False
    )
    node.add_reference(ua.NodeId(ua.ObjectIds.HasTypeDefinition), ua.NodeId(58), forward=True)
    return node


def method(name: str, arguments: list[ua.Argument]) -> list[Node]:
    run = Node(nid(name), ua.NodeClass.Method, ua.QualifiedName(name, 1), ua.LocalizedText(name))
    run.add_reference(ua.NodeId(ua.ObjectIds.HasComponent), nid("Reactor"), forward=False)
    inputs = variable(f"{name}.InputArguments", ua.ObjectIds.Argument, 1)
    inputs.browse_name = ua.QualifiedName("InputArguments", 0)
    inputs.references.clear()
    inputs.add_reference(ua.NodeId(ua.ObjectIds.HasProperty), nid(name), forward=False)
    inputs.value = encode_variant(ua.Variant(arguments, T.ExtensionObject, is_array=True))
    return [run, inputs]


def nodes() -> list[Node]:
    i = ua.ObjectIds
    return [
        reactor(),
        variable("pH", i.Double),
        variable("pHFloat", i.Float),
        variable("SetPoint", i.Float, access_level=3),
        variable("Gas", i.String, access_level=3),
        variable("Pump", i.Boolean, access_level=3),
        variable("Stage", i.UInt16, access_level=3),
        variable("Constant", i.Int32, value=encode_variant(ua.Variant(42, T.Int32))),
        variable("Text", i.String, value=encode_variant(ua.Variant("0123456789", T.String))),
        variable("Row", i.Int32, 1, value=encode_variant(ua.Variant([1, 2, 3, 4, 5], T.Int32))),
        variable(
            "Matrix",
            i.Int32,
            2,
            array_dimensions=(2, 3),
            value=encode_variant(ua.Variant([[1, 2, 3], [4, 5, 6]], T.Int32)),
        ),
        variable("NoValue", i.Double),
        variable("Live", i.Double),
        variable("NotReadable", i.Double, access_level=0),
        variable(
            "Info",
            i.BuildInfo,
            value=encode_variant(ua.Variant(ua.BuildInfo(ProductName="x"), T.ExtensionObject)),
        ),
        *(
            variable(name, data_type, rank, access_level=3, array_dimensions=dimensions)
            for name, data_type, rank, dimensions in STORED
        ),
        *method("Start", _ARGUMENTS),
        *method("Stop", []),
    ]


@pytest.fixture(scope="session")
def plant(nodeset_cache: Path) -> Plant:
    """The pinned nodesets with the test nodes; tests set tags, and change nothing else."""
    space = AddressSpace(
        load_model(["ns0", "DI"], cache=nodeset_cache, application_uri=APPLICATION_URI)
    )
    space.add_nodes(nodes())
    tags = TagTable()
    index = {info.name: tags.add(info) for info in TAGS}
    for name, tag, projection in (
        ("pH", "ph", T.Double),
        ("pHFloat", "ph", T.Float),
        ("SetPoint", "setpoint", T.Float),
        ("Gas", "gas", T.String),
        ("Pump", "pump", T.Boolean),
        ("Stage", "stage", T.UInt16),
    ):
        writable = not name.startswith("pH")
        device = "gas-device" if name == "Gas" else "reactor-device"
        space.bind(nid(name), TagSource(index[tag], projection, tag, device, writable))
    for name, data_type, rank, _ in STORED:
        projection = stored_projection(space.types.built_in(ua.NodeId(data_type)), rank)
        tag = tags.add(TagInfo(name, projection.name))
        space.bind(
            nid(name),
            TagSource(tag, projection, name, "", True, True, name.startswith("Plain")),
        )
    called: list[MethodCall] = []

    async def start(call: MethodCall) -> list[ua.Variant]:
        called.append(call)
        await asyncio.sleep(0)
        return [ua.Variant(call.arguments[0].Value * 2, T.Double)]

    space.methods.bind(nid("Reactor"), nid("Start"), start)
    return Plant(space, tags, called)


@dataclass
class Client:
    """One channel to the front end, and what a client keeps of its session."""

    front_end: FrontEnd
    handle: Handle
    channel: ChannelInfo
    token: ua.NodeId = field(default_factory=ua.NodeId)
    nonce: bytes = b""
    last_request: int = 0

    def send(self, request: Any, handle: int = 7, timeout_hint: int = 0) -> int:
        """Send a request; its id."""
        header = ua.RequestHeader(
            AuthenticationToken=self.token, RequestHandle=handle, TimeoutHint=timeout_hint
        )
        request.RequestHeader = header
        return self.send_bytes(encode_message(request))

    def send_bytes(self, message: bytes) -> int:
        self.last_request += 1
        self.front_end.dispatcher.on_request(self.handle, self.channel, self.last_request, message)
        return self.last_request

    def answered(self, request_id: int) -> bool:
        return request_id in self.handle.sent

    def answer(self, request_id: int) -> Any:
        return decode_message(self.handle.sent[request_id])

    def ask(self, request: Any) -> Any:
        """The response to a request whose service does not wait."""
        return self.answer(self.send(request))

    async def ask_async(self, request: Any) -> Any:
        """The response to a request whose service waits."""
        return await self.wait(self.send(request))

    async def wait(self, request_id: int) -> Any:
        async with asyncio.timeout(5):
            while request_id not in self.handle.sent:
                self.handle.more.clear()
                await self.handle.more.wait()
        return self.answer(request_id)

    def status(self, response: Any) -> int:
        return response.ResponseHeader.ServiceResult.value

    def create_session(self, **parameters: Any) -> Any:
        request = ua.CreateSessionRequest()
        request.Parameters = ua.CreateSessionParameters(
            SessionName="test", RequestedSessionTimeout=60_000.0, **parameters
        )
        response = self.ask(request)
        if self.status(response) == 0:
            self.token = response.Parameters.AuthenticationToken
            self.nonce = response.Parameters.ServerNonce
        return response

    async def activate(self, identity: Any = None, signature: Any = None) -> Any:
        request = ua.ActivateSessionRequest()
        if identity is None:
            identity = ua.AnonymousIdentityToken(PolicyId="anonymous")
        request.Parameters.UserIdentityToken = identity
        if signature is not None:
            request.Parameters.ClientSignature = signature
        response = await self.ask_async(request)
        if self.status(response) == 0:
            self.nonce = response.Parameters.ServerNonce
        return response

    def read(self, *items: ua.ReadValueId, timestamps: int = 3, max_age: float = 0) -> Any:
        request = ua.ReadRequest()
        request.Parameters = ua.ReadParameters(max_age, timestamps, list(items))
        return self.ask(request)

    def read_value(self, name: str) -> ua.DataValue:
        return self.read(ua.ReadValueId(nid(name), ua.AttributeIds.Value)).Results[0]

    async def write(self, *items: ua.WriteValue) -> Any:
        request = ua.WriteRequest()
        request.Parameters.NodesToWrite = list(items)
        return await self.ask_async(request)


@dataclass
class Bench:
    """A front end and all the fakes around it."""

    front_end: FrontEnd
    commands: Commands
    users: Users
    policy: OpenPolicy
    clock: Any
    pki: Pki

    def client(self, channel_id: int = 1, **channel: Any) -> Client:
        """A client on a channel of its own (None by default), without a session."""
        info = ChannelInfo(
            channel_id,
            NONE_URI,
            ua.MessageSecurityMode.None_,
            None,
            "127.0.0.1:50000",
            "opc.tcp://127.0.0.1:4840",
        )
        info = replace(info, **channel)
        return Client(self.front_end, Handle(channel=info), info)

    async def session(self, channel_id: int = 1) -> Client:
        """A client with an activated anonymous session."""
        client = self.client(channel_id)
        client.create_session()
        await client.activate()
        return client


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """The server's own certificate; it trusts every sound self-signed one."""
    folder = tmp_path_factory.mktemp("server-pki")
    return Pki.open(folder, APPLICATION_URI, ["127.0.0.1"], auto_trust=True)


@pytest.fixture
def make_bench(plant: Plant, pki: Pki) -> Callable[..., Bench]:
    """A front end with other limits or another configuration."""

    def make(
        limits: Limits | None = None,
        clock: Callable[[], float] | None = None,
        audit: AuditPort | None = None,
        wall_clock: Callable[[], int] = lambda: NOW,
        **config: Any,
    ) -> Bench:
        commands, users, policy = Commands(), Users(), OpenPolicy()
        commands.tags = plant.tags
        clock = clock or Clock()
        settings = FrontEndConfig(APPLICATION_URI, limits=limits or Limits(), **config)
        front_end = FrontEnd(
            settings,
            plant.space,
            plant.tags,
            commands,
            policy,
            users,
            pki,
            audit=audit,
            clock=clock,
            wall_clock=wall_clock,
        )
        front_end.context.turns = Turns(slice_s=math.inf)  # tests that ask get their answer
        return Bench(front_end, commands, users, policy, clock, pki)

    return make


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """A front end with the default limits."""
    return make_bench()


@pytest.fixture
async def client(bench: Bench) -> Client:
    """A client of `bench` with an activated anonymous session on a None channel."""
    return await bench.session()
