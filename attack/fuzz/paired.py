"""The battery's client and the server's state machines, put together without sockets."""

from __future__ import annotations

import asyncio
import itertools
import struct
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from asyncua import ua

from attack import wire
from attack.client import Channel, RefusedError
from attack.secure import SIGN_AND_ENCRYPT, Identity, make_identity, new_key
from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.front_end import FrontEnd, FrontEndConfig
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.transport.config import TransportConfig
from biogate.opcua.transport.connection import ServerConnection
from biogate.opcua.transport.events import Closed, Event, RequestReceived
from biogate.opcua.transport.interfaces import ChannelInfo
from biogate.opcua.transport.policies import NONE_URI, RSA_POLICIES
from biogate.tags import TagTable
from biogate_nodesets.model import Model
from biogate_security.policy import Action, Decision, Resource, Subject

SERVER_URI = "urn:battery:fuzz:server"
ENDPOINTS = frozenset(
    (uri, mode)
    for uri in (NONE_URI, *RSA_POLICIES)
    for mode in (
        (ua.MessageSecurityMode.None_,)
        if uri == NONE_URI
        else (ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt)
    )
)


@cache
def server() -> Identity:
    """The server's identity, made once."""
    return make_identity("server", uri=SERVER_URI, key=new_key(2048, 8))


@cache
def client() -> Identity:
    """The client's."""
    return make_identity("client", key=new_key(2048, 9))


class Clock:
    """Monotonic seconds that only the test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class PairedChannel(Channel):
    """A client's channel whose other end is a ServerConnection in the same program.

    `events` are all that the server's end has reported; `budget` is what all connections share.
    """

    def __init__(
        self, policy: str | None = None, mode: int = SIGN_AND_ENCRYPT, **config: Any
    ) -> None:
        self.clock = Clock()
        self.budget = ByteBudget(1 << 20)
        self.machine = ServerConnection(
            TransportConfig(
                endpoints=ENDPOINTS,
                certificate_chain=server().der,
                private_key=server().key,
                wall_clock=lambda: wire.NOW,
                budget=self.budget,
                channel_ids=itertools.count(7),
                **config,
            ),
            self.clock,
        )
        self.events: list[Event] = []
        self.timeout_s = 0.0
        self.reason = ""
        self._received = bytearray()
        self.speak(server().certificate, client(), policy, mode)

    def send(self, data: bytes) -> None:
        """Hand bytes to the server's end, which takes apart what it can."""
        self.machine.feed(data)
        for _ in range(len(data) // 8 + 8):
            if not self.machine.waiting:
                break
            self._heard(self.machine.advance())
        if self.machine.waiting:
            raise AssertionError("more steps than there can be frames")

    def tick(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.now_s += seconds
        self._heard(self.machine.tick())

    def _heard(self, event: Event | None) -> None:
        if event is not None:
            self.events.append(event)
        self._received += self.machine.data_to_send()

    def _exactly(self, size: int, deadline: float) -> bytes:
        if len(self._received) < size:
            raise RefusedError("closed" if self.machine.closed else "silence")
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    @property
    def requests(self) -> list[RequestReceived]:
        """The requests that got through."""
        return [event for event in self.events if isinstance(event, RequestReceived)]

    @property
    def closed(self) -> list[Closed]:
        """How it ended; one of these at most."""
        return [event for event in self.events if isinstance(event, Closed)]


# -- a front end ----------------------------------------------------------------------------------


@dataclass(eq=False)
class Handle:
    """A connection that keeps what is sent to it."""

    channel: ChannelInfo | None
    sent: dict[int, bytes] = field(default_factory=dict)
    writable: bool = True
    max_response_size: int = 1 << 20

    def respond(self, request_id: int, body: bytes) -> None:
        if request_id in self.sent:
            raise AssertionError("a request was answered twice")
        self.sent[request_id] = body

    def set_session_active(self, active: bool) -> None:
        """The transport would take larger messages now."""

    def close(self, status: int, reason: str = "") -> None:
        raise AssertionError(f"the connection was closed: {status:#x} {reason}")


class _Everything:
    """A policy that lets everybody do everything: what is refused, is refused by the protocol."""

    epoch = 1

    def decide(self, subject: Subject, action: Action, resource: Resource, now: int) -> Decision:
        return Decision(allow=True, reason="fuzz")


class _Nobody:
    """No user, no device: neither logs anybody in nor writes anything."""

    certificate_der = property(lambda _: server().der)
    private_key = property(lambda _: server().key)

    async def authenticate(self, *_: Any) -> None:
        return None

    async def authenticate_certificate(self, *_: Any) -> int:
        return int(ua.StatusCodes.BadIdentityTokenRejected)

    async def authenticate_token(self, *_: Any) -> None:
        return None

    def validate(self, *_: Any) -> int:
        return 0


class Front:
    """A front end without sockets, with channels without security; requests are bytes."""

    def __init__(self, channels: int = 3) -> None:
        self.clock = Clock()
        nobody: Any = _Nobody()
        policy: Any = _Everything()
        space = AddressSpace(Model(["http://opcfoundation.org/UA/", SERVER_URI], {}))
        config = FrontEndConfig(SERVER_URI, security=("None",), modes=())
        self.front_end = FrontEnd(
            config, space, TagTable(), nobody, policy, nobody, nobody, clock=self.clock
        )
        self._channel_ids = itertools.count(1)
        self._request_ids = itertools.count(1)
        self.handles = [self._connected() for _ in range(channels)]

    def _connected(self) -> Handle:
        info = ChannelInfo(
            next(self._channel_ids), NONE_URI, ua.MessageSecurityMode.None_, None, "", ""
        )
        return Handle(info)

    def reconnect(self, channel: int) -> None:
        """The connection ends, and a new one with a channel of its own is in its place."""
        self.front_end.dispatcher.on_closed(self.handles[channel])
        self.handles[channel].channel = None
        self.handles[channel] = self._connected()

    def request(self, channel: int, message: bytes) -> int:
        """Hand a request in; its id."""
        handle, request_id = self.handles[channel], next(self._request_ids)
        assert handle.channel
        self.front_end.dispatcher.on_request(handle, handle.channel, request_id, message)
        return request_id

    def answer(self, channel: int, request_id: int) -> bytes | None:
        return self.handles[channel].sent.get(request_id)

    async def settle(self) -> None:
        """Let everything run that does not wait for time to pass."""
        for _ in range(6):
            await asyncio.sleep(0)

    def tick(self, seconds: float) -> None:
        self.clock.now_s += seconds
        self.front_end.tick()
        self.front_end.subscriptions.tick(self.clock.now_s)


def status_of(response: bytes) -> int:
    """The ServiceResult of an encoded response."""
    return int(struct.unpack_from("<I", response, 16)[0])
