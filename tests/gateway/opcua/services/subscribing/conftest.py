"""Clients that subscribe, on the bench of the folder above: a few lines for each step."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from asyncua import ua

from biogate.opcua.codec import encode_variant
from biogate.opcua.space.values import TagSource
from biogate.opcua.transport.policies import POLICY_URIS, RSA_POLICIES, load_certificate, sign_data
from biogate.tags import TagInfo
from biogate_nodesets.model import Node
from biogate_security.pki import Pki

BASIC = RSA_POLICIES[POLICY_URIS["Basic256Sha256"]]
CLIENT_URI = "urn:test:subscriber"
SAMPLING, REPORTING = 1, 2


@dataclass
class Subscriber:
    """An activated session. `parked` are its Publish requests that wait."""

    bench: Any
    client: Any
    parked: list[int] = field(default_factory=list)

    def ask(self, request: Any) -> Any:
        return self.client.ask(request)

    def subscribe(self, interval_ms: float = 100.0, **parameters: Any) -> int:
        """A new subscription's id."""
        request = ua.CreateSubscriptionRequest()
        request.Parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=interval_ms, **parameters
        )
        return self.ask(request).Parameters.SubscriptionId

    def create(self, subscription: int, *items: Any, timestamps: int = 2) -> Any:
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters = ua.CreateMonitoredItemsParameters(
            subscription, timestamps, list(items)
        )
        return self.ask(request)

    def monitor(
        self, subscription: int, name: str, handle: int, mode: int = REPORTING, **parameters: Any
    ) -> int:
        """A new item's id."""
        (result,) = self.create(subscription, wanted(name, handle, mode, **parameters)).Results
        assert result.StatusCode.value == 0
        return result.MonitoredItemId

    def filter_status(self, subscription: int, name: str, data_filter: Any) -> int:
        """The status of an item with a filter."""
        (result,) = self.create(subscription, wanted(name, 1, Filter=data_filter)).Results
        return result.StatusCode.value

    def delete(self, subscription: int, *items: int) -> list[int]:
        request = ua.DeleteMonitoredItemsRequest()
        request.Parameters = ua.DeleteMonitoredItemsParameters(subscription, list(items))
        return [result.value for result in self.ask(request).Results]

    def trigger(self, subscription: int, item: int, add: Any = (), remove: Any = ()) -> Any:
        """SetTriggering."""
        request = ua.SetTriggeringRequest()
        request.Parameters = ua.SetTriggeringParameters(subscription, item, list(add), list(remove))
        return self.ask(request)

    def transfer(self, *subscriptions: int, initial: bool = False) -> Any:
        """TransferSubscriptions."""
        request = ua.TransferSubscriptionsRequest()
        request.Parameters = ua.TransferSubscriptionsParameters(list(subscriptions), initial)
        return self.ask(request)

    def publish(self, *acknowledge: tuple[int, int]) -> int:
        """Send a Publish request; its id."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = [
            ua.SubscriptionAcknowledgement(*one) for one in acknowledge
        ]
        return self.client.send(request)

    def messages(self, seconds: float = 0.1) -> list[ua.PublishResult]:
        """What is told in that time; there is always a Publish request."""
        end = seconds
        told = []
        while end > 1e-6:
            if not self.parked:
                self.parked.append(self.publish())
            pass_time(self.bench, 0.01)
            end -= 0.01
            told += self.answered()
        return told

    def answered(self) -> list[ua.PublishResult]:
        """The answers to Publish requests that were not looked at yet."""
        done = [one for one in self.parked if self.client.answered(one)]
        self.parked = [one for one in self.parked if one not in done]
        return [self.client.answer(one).Parameters for one in done]

    def values(self, seconds: float = 0.1) -> list[tuple[int, Any]]:
        """(client handle, value) of all that is told in that time."""
        told = self.messages(seconds)
        return [(handle, value) for one in told for handle, value, _ in notifications(one)]

    async def call(self, method: int, *arguments: ua.Variant) -> Any:
        """Call a method of the Server object."""
        request = ua.CallRequest()
        request.Parameters.MethodsToCall = [
            ua.CallMethodRequest(ua.NodeId(ua.ObjectIds.Server), ua.NodeId(method), list(arguments))
        ]
        return (await self.client.ask_async(request)).Results[0]

    def close(self, *, delete_subscriptions: bool = True) -> None:
        self.ask(ua.CloseSessionRequest(DeleteSubscriptions=delete_subscriptions))


def wanted(
    name: str,
    handle: int = 1,
    mode: int = REPORTING,
    attribute: int = ua.AttributeIds.Value,
    index_range: str | None = None,
    **parameters: Any,
) -> ua.MonitoredItemCreateRequest:
    parameters = {"SamplingInterval": 0.0, "DiscardOldest": True} | parameters
    return ua.MonitoredItemCreateRequest(
        ua.ReadValueId(ua.NodeId(name, 1), attribute, index_range),
        mode,
        ua.MonitoringParameters(ClientHandle=handle, **parameters),
    )


def notifications(result: ua.PublishResult) -> list[tuple[int, Any, int]]:
    return [
        (item.ClientHandle, item.Value.Value.Value, item.Value.StatusCode.value)
        for change in result.NotificationMessage.NotificationData or ()
        for item in change.MonitoredItems
    ]


def pass_time(bench: Any, seconds: float) -> None:
    """Let the clock run and the front end tick, a hundred times a second."""
    for _ in range(round(seconds * 100)):
        bench.clock.now += 0.01 + 1e-9  # a hair over, against rounding
        bench.front_end.tick()


@pytest.fixture
def run() -> Callable[[Any, float], None]:
    """`run(bench, seconds)` lets time pass."""
    return pass_time


@pytest.fixture
def item() -> Callable[..., ua.MonitoredItemCreateRequest]:
    """Makes a MonitoredItemCreateRequest."""
    return wanted


@pytest.fixture
async def subscriber(bench: Any) -> Subscriber:
    """An anonymous session on a channel without security."""
    return Subscriber(bench, await bench.session())


@pytest.fixture
def user(bench: Any) -> Callable[..., Awaitable[Subscriber]]:
    """A session of the user "operator" on a channel of that number, of `bench` or another."""
    default = bench

    async def log_in(channel_id: int, bench: Any = default, **channel: Any) -> Subscriber:
        client = bench.client(channel_id, **channel)
        client.create_session()
        key = load_certificate(bench.pki.certificate_der).public_key()
        secret = b"correct horse" + client.nonce
        await client.activate(
            ua.UserNameIdentityToken(
                PolicyId="username_basic256sha256",
                UserName="operator",
                Password=BASIC.encrypt(key, struct.pack("<I", len(secret)) + secret),
                EncryptionAlgorithm=BASIC.encryption_uri,
            )
        )
        return Subscriber(bench, client)

    return log_in


@pytest.fixture(scope="session")
def client_pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """The certificate of a client application."""
    return Pki.open(tmp_path_factory.mktemp("subscriber-pki"), CLIENT_URI, ["127.0.0.1"])


@pytest.fixture
def secured(bench: Any, client_pki: Pki) -> Callable[..., Awaitable[Subscriber]]:
    """An anonymous session on a secured channel of that number, of one client application."""

    async def connect(channel_id: int, pki: Pki = client_pki, uri: str = CLIENT_URI) -> Subscriber:
        client = bench.client(
            channel_id,
            security_policy_uri=BASIC.uri,
            security_mode=ua.MessageSecurityMode.SignAndEncrypt,
            client_certificate=pki.certificate_der,
            client_chain=pki.certificate_der,
        )
        client.create_session(
            ClientDescription=ua.ApplicationDescription(ApplicationUri=uri),
            ClientCertificate=pki.certificate_der,
            ClientNonce=b"n" * 32,
        )
        signed = bench.pki.certificate_der + client.nonce
        await client.activate(signature=sign_data(BASIC.uri, pki.private_key, signed))
        return Subscriber(bench, client)

    return connect


@dataclass
class Analog:
    """Variables with an EURange: `level` and `levels` have a constant one of 0 to 200, that of
    `moving` is a stored value."""

    plant: Any

    def set(self, name: str, value: Any, status: int = 0, source_time: int = 0) -> None:
        """Give a tag a value: a number, or what a float64 cannot hold."""
        held = {} if isinstance(value, float) else {0: value}
        number = value if isinstance(value, float) else np.nan
        self.plant.tags.apply(
            np.array([self.plant.tags.index(name)], np.int32),
            np.array([number]),
            np.array([status], np.uint32),
            np.array([source_time or NOW]),
            NOW,
            held,
        )

    def set_range(self, low: float, high: float) -> None:
        """Give `moving` another EURange."""
        self.set("moving.EURange", ua.Variant(ua.Range(low, high), ua.VariantType.ExtensionObject))


NOW = 134_000_000_000_000_000


def analog_item(name: str, rank: int, eu_range: bytes | None) -> list[Node]:
    variable = Node(
        ua.NodeId(name, 1),
        ua.NodeClass.Variable,
        ua.QualifiedName(name, 1),
        ua.LocalizedText(name),
        data_type=ua.NodeId(ua.ObjectIds.Double),
        value_rank=rank,
    )
    type_definition = ua.NodeId(ua.ObjectIds.AnalogItemType)
    variable.add_reference(ua.NodeId(ua.ObjectIds.HasTypeDefinition), type_definition, forward=True)
    parent = ua.NodeId("Reactor", 1)
    variable.add_reference(ua.NodeId(ua.ObjectIds.HasComponent), parent, forward=False)
    range_ = Node(
        ua.NodeId(f"{name}.EURange", 1),
        ua.NodeClass.Variable,
        ua.QualifiedName("EURange", 0),
        ua.LocalizedText("EURange"),
        data_type=ua.NodeId(ua.ObjectIds.Range),
        value=eu_range,
    )
    range_.add_reference(ua.NodeId(ua.ObjectIds.HasProperty), variable.node_id, forward=False)
    return [variable, range_]


@pytest.fixture(scope="session")
def analog(plant: Any) -> Analog:
    """AnalogItems in the plant."""
    eu_range = encode_variant(ua.Variant(ua.Range(0.0, 200.0), ua.VariantType.ExtensionObject))
    plant.space.add_nodes(
        [
            *analog_item("level", -1, eu_range),
            *analog_item("levels", 1, eu_range),
            *analog_item("moving", -1, None),
        ]
    )
    for name, data_type in (
        ("level", "Double"),
        ("levels", "Variant"),
        ("moving", "Double"),
        ("moving.EURange", "Variant"),
    ):
        projection = ua.VariantType[data_type]
        tag = plant.tags.add(TagInfo(name, data_type))
        stored = data_type == "Variant"
        plant.space.bind(ua.NodeId(name, 1), TagSource(tag, projection, name, stored=stored))
    return Analog(plant)
