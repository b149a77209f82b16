"""A front end that listens, on a clock that tests drive, and a client that can be cut off."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.codec import decode_message, encode_message
from biogate.opcua.config import Limits
from biogate.opcua.transport.policies import (
    NONE_URI,
    POLICY_URIS,
    RSA_POLICIES,
    load_certificate,
)

BASIC = RSA_POLICIES[POLICY_URIS["Basic256Sha256"]]
_HEADER = struct.Struct("<3scI")


@dataclass
class Login:
    """What a client keeps when its connection is gone."""

    token: ua.NodeId = field(default_factory=ua.NodeId)
    nonce: bytes = b""


class Wire:
    """One connection without security, and a channel on it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, login: Login
    ) -> None:
        self.login = login
        self._reader = reader
        self._writer = writer
        self._sequence = self._last_request = 0
        self._channel_id = self.token_id = 0
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._parts = b""
        self._reading: asyncio.Task[None] | None = None

    async def hello(self) -> None:
        url = b"opc.tcp://127.0.0.1"
        sizes = struct.pack("<5I", 0, 1 << 20, 1 << 20, 0, 0)
        self._send_frame(b"HEL", sizes + struct.pack("<I", len(url)) + url)
        head = await self._reader.readexactly(_HEADER.size)
        await self._reader.readexactly(_HEADER.unpack(head)[2] - _HEADER.size)
        self._reading = asyncio.create_task(self._read())
        await self.open(ua.SecurityTokenRequestType.Issue)

    async def open(self, kind: ua.SecurityTokenRequestType) -> None:
        """Open the channel, or renew its token."""
        request = ua.OpenSecureChannelRequest()
        request.Parameters = ua.OpenSecureChannelParameters(
            RequestType=kind,
            SecurityMode=ua.MessageSecurityMode.None_,
            RequestedLifetime=3_600_000,
        )
        head = struct.pack("<II", self._channel_id, len(NONE_URI)) + NONE_URI.encode() + b"\xff" * 8
        response = await self._wait(self._send_request(b"OPN", head, request))
        token = response.Parameters.SecurityToken
        self._channel_id, self.token_id = token.ChannelId, token.TokenId

    def send(self, request: Any, token_id: int | None = None, handle: int = 1) -> int:
        """Send a request; its id."""
        request.RequestHeader = ua.RequestHeader(
            AuthenticationToken=self.login.token, RequestHandle=handle
        )
        head = struct.pack("<II", self._channel_id, token_id or self.token_id)
        return self._send_request(b"MSG", head, request)

    async def answer(self, request_id: int) -> Any:
        """Wait for the answer to a request."""
        return await self._wait(request_id)

    async def ask(self, request: Any) -> Any:
        return await self._wait(self.send(request))

    async def cut(self) -> None:
        """The network is gone: no message says so."""
        self._writer.transport.abort()
        assert self._reading is not None
        await asyncio.gather(self._reading, return_exceptions=True)

    async def close(self) -> None:
        """Close the channel as one should."""
        head = struct.pack("<II", self._channel_id, self.token_id)
        self._send_request(b"CLO", head, ua.CloseSecureChannelRequest())
        assert self._reading is not None
        await asyncio.gather(self._reading, return_exceptions=True)
        self._writer.close()

    def _send_request(self, kind: bytes, head: bytes, request: Any) -> int:
        self._sequence += 1
        self._last_request += 1
        numbers = struct.pack("<II", self._sequence, self._last_request)
        self._answers[self._last_request] = asyncio.get_running_loop().create_future()
        self._send_frame(kind, head + numbers + encode_message(request))
        return self._last_request

    def _send_frame(self, kind: bytes, body: bytes) -> None:
        self._writer.write(_HEADER.pack(kind, b"F", _HEADER.size + len(body)) + body)

    async def _wait(self, request_id: int) -> Any:
        async with asyncio.timeout(10):
            return await self._answers[request_id]

    async def _read(self) -> None:
        while True:
            kind, chunk, size = _HEADER.unpack(await self._reader.readexactly(_HEADER.size))
            body = await self._reader.readexactly(size - _HEADER.size)
            start = 8
            if kind == b"OPN":
                start = 8 + struct.unpack_from("<I", body, 4)[0] + 8
            (_, request_id) = struct.unpack_from("<II", body, start)
            self._parts += body[start + 8 :]
            if chunk == b"F":
                message, self._parts = self._parts, b""
                self._answers[request_id].set_result(decode_message(message))

    # -- services -------------------------------------------------------------------------------

    async def log_in(self, bench: Any, *, user: bool = False, timeout_ms: float = 60_000) -> None:
        """Create a session and activate it."""
        request = ua.CreateSessionRequest()
        request.Parameters = ua.CreateSessionParameters(
            SessionName="survivor", RequestedSessionTimeout=timeout_ms
        )
        response = await self.ask(request)
        self.login.token = response.Parameters.AuthenticationToken
        self.login.nonce = response.Parameters.ServerNonce
        assert await self.activate(bench, user=user) == 0

    async def activate(self, bench: Any, *, user: bool = False) -> int:
        """Activate the session of `login` on this channel; the status."""
        request = ua.ActivateSessionRequest()
        request.Parameters.UserIdentityToken = (
            password_token(bench, self.login.nonce)
            if user
            else ua.AnonymousIdentityToken(PolicyId="anonymous")
        )
        response = await self.ask(request)
        status: int = response.ResponseHeader.ServiceResult.value
        if status == 0:
            self.login.nonce = response.Parameters.ServerNonce
        return status

    async def log_out(self, *, delete_subscriptions: bool = True) -> None:
        await self.ask(ua.CloseSessionRequest(DeleteSubscriptions=delete_subscriptions))

    async def subscribe(self, interval_ms: float, lifetime: int = 600, **parameters: Any) -> int:
        request = ua.CreateSubscriptionRequest()
        request.Parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=interval_ms, RequestedLifetimeCount=lifetime, **parameters
        )
        return (await self.ask(request)).Parameters.SubscriptionId

    async def monitor(self, subscription: int, *names: str, queue_size: int = 1) -> list[int]:
        """Statuses of items that get every change; their handles are 0, 1, 2 …"""
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters = ua.CreateMonitoredItemsParameters(
            subscription,
            ua.TimestampsToReturn.Both,
            [
                ua.MonitoredItemCreateRequest(
                    ua.ReadValueId(ua.NodeId(name, 1), ua.AttributeIds.Value),
                    ua.MonitoringMode.Reporting,
                    ua.MonitoringParameters(
                        ClientHandle=handle,
                        SamplingInterval=0.0,
                        QueueSize=queue_size,
                        DiscardOldest=True,
                    ),
                )
                for handle, name in enumerate(names)
            ],
        )
        return [result.StatusCode.value for result in (await self.ask(request)).Results]

    def publish(self, *acknowledge: tuple[int, int], token_id: int | None = None) -> int:
        """Send a Publish request; its id."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = [
            ua.SubscriptionAcknowledgement(*one) for one in acknowledge
        ]
        return self.send(request, token_id)

    async def republish(self, subscription: int, number: int) -> Any:
        request = ua.RepublishRequest()
        request.Parameters = ua.RepublishParameters(subscription, number)
        return await self.ask(request)

    async def transfer(self, subscription: int) -> Any:
        """The TransferResult."""
        request = ua.TransferSubscriptionsRequest()
        request.Parameters = ua.TransferSubscriptionsParameters([subscription], False)
        (result,) = (await self.ask(request)).Parameters.Results
        return result


def password_token(bench: Any, nonce: bytes) -> ua.UserNameIdentityToken:
    key = load_certificate(bench.pki.certificate_der).public_key()
    secret = b"correct horse" + nonce
    return ua.UserNameIdentityToken(
        PolicyId="username_basic256sha256",
        UserName="operator",
        Password=BASIC.encrypt(key, struct.pack("<I", len(secret)) + secret),
        EncryptionAlgorithm=BASIC.encryption_uri,
    )


def notified(result: Any) -> list[tuple[Any, int]]:
    """(value, status) of each notification of a Publish or Republish response."""
    message = getattr(result, "Parameters", result).NotificationMessage
    return [
        (item.Value.Value.Value, item.Value.StatusCode.value)
        for change in message.NotificationData or ()
        for item in change.MonitoredItems
    ]


@dataclass
class Site:
    """A bench that listens, and the connections that were made to it."""

    bench: Any
    wires: list[Wire] = field(default_factory=list)

    @property
    def front_end(self) -> Any:
        return self.bench.front_end

    async def connect(self, login: Login | None = None) -> Wire:
        """A connection with an open channel, for a session that there is or is to be."""
        port = self.front_end.listener.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        wire = Wire(reader, writer, login or Login())
        self.wires.append(wire)
        await wire.hello()
        return wire

    async def run(self, seconds: float, step_s: float = 0.01) -> None:
        """Let the clock run, and everything happen that is due."""
        for _ in range(round(seconds / step_s)):
            self.bench.clock.now += step_s + 1e-9
            self.front_end.tick()
        await asyncio.sleep(0)

    async def until(self, condition: Callable[[], Any]) -> None:
        """Let the event loop go round until something has happened."""
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0)

    @property
    def connections(self) -> int:
        return len(self.front_end.listener._connections)

    @property
    def parked(self) -> int:
        """Publish requests that wait."""
        return sum(len(c.queue) for c in self.front_end.subscriptions.manager._clients.values())

    @property
    def tables(self) -> dict[str, int]:
        """How much the server holds for its clients."""
        context = self.front_end.context
        manager = self.front_end.subscriptions.manager
        held = {
            "connections": self.connections,
            "sessions": len(context.sessions),
            "used connections": len(context.connections._sessions),
            "connected sessions": len(context.connections._of_session),
            "request lanes": len(context.queue._lanes),
            "results": context.results_held.used,
        }
        if manager is not None:
            held |= {
                "clients": len(manager._clients),
                "subscriptions": len(manager._subscriptions),
                "abandoned": len(manager._abandoned),
                "items": len(manager.items),
                "queue places": manager.items._store.places,
                "object places": manager.items._object_places,
            }
        return held


@pytest.fixture
def notified_by() -> Callable[[Any], list[tuple[Any, int]]]:
    return notified


@pytest.fixture
async def open_site(make_bench: Any) -> AsyncIterator[Callable[..., Awaitable[Site]]]:
    """Starts a front end with other limits."""
    sites: list[Site] = []

    async def start(limits: Limits | None = None) -> Site:
        bench = make_bench(limits, port=0)
        await bench.front_end.start()
        sites.append(Site(bench))
        return sites[-1]

    yield start
    for site in sites:
        for wire in site.wires:
            await wire.cut()
        await site.front_end.stop()


@pytest.fixture
async def site(open_site: Any) -> Site:
    """A front end with the default limits."""
    return await open_site()
