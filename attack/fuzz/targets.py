"""What must hold for any bytes: each target takes them apart and raises if something does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from asyncua import ua

from attack import wire
from attack.client import RefusedError
from attack.fuzz.paired import Front, PairedChannel, status_of
from attack.wire import array, f64, node, read_id, request, text, u32
from biogate.opcua.codec import (
    DecodeError,
    DecodeLimits,
    decode_in_steps,
    decode_message,
    encode_message,
)
from biogate.opcua.transport.asymmetric import AsymmetricHeader
from biogate.opcua.transport.framing import Hello
from biogate.opcua.transport.policies import CryptographyError, load_certificate
from biogate.site import SiteError, parse_site, plan_site
from biogate.site.profiles import InstalledProfiles

LIMITS = DecodeLimits(
    max_depth=20,
    max_string_length=4096,
    max_byte_string_length=65_536,
    max_array_length=2000,
    max_elements=4000,
)
_MOST_SENT = 1 << 20


def decoder(data: bytes) -> None:
    """Bytes are a message, or a DecodeError; a message that was read can be written and read again
    without change, at once and in steps alike."""
    try:
        message = decode_message(data, LIMITS)
    except DecodeError as error:
        refused = error.status
        message = None
    stepwise = _in_steps(data)
    if message is None:
        if stepwise != refused:
            raise AssertionError(f"in steps {stepwise!r}, at once {refused:#x}")
    else:
        written = encode_message(message)
        if encode_message(stepwise) != written:
            raise AssertionError("in steps another message")
        if encode_message(decode_message(written)) != written:
            raise AssertionError("written and read again it is another message")
    _headers(data)


def _in_steps(data: bytes) -> Any:
    try:
        steps = decode_in_steps(data, LIMITS)
        while True:
            next(steps)
    except StopIteration as end:
        return end.value
    except DecodeError as error:
        return error.status


def _headers(data: bytes) -> None:
    """What else is read before anybody is known."""
    for read in (AsymmetricHeader.read, lambda d: Hello.decode(d, 4096), load_certificate):
        try:
            read(data)
        except (DecodeError, CryptographyError):
            continue


# -- the channel ----------------------------------------------------------------------------------


class _Script:
    """Bytes as a source of decisions."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def more(self) -> bool:
        return self._position < len(self._data)

    def number(self) -> int:
        """0 to 255; 0 at the end."""
        taken = self._data[self._position : self._position + 1]
        self._position += 1
        return taken[0] if taken else 0

    def bytes(self) -> bytes:
        size = self.number() + (self.number() & 0x0F) * 256
        taken = self._data[self._position : self._position + size]
        self._position += size
        return taken


_SECURITY: tuple[tuple[str | None, int], ...] = (
    (None, 1),
    (None, 1),
    ("Basic256Sha256", 2),
    ("Basic256Sha256", 3),
    ("Aes256_Sha256_RsaPss", 3),
)


def channel(data: bytes) -> None:
    """Whatever a peer sends, in whatever order: a connection ends once, with one short ERR, holds a
    bounded number of bytes, and is quiet afterwards."""
    script = _Script(data)
    policy, mode = _SECURITY[script.number() % len(_SECURITY)]
    paired = PairedChannel(policy, mode)
    for _ in range(60):
        if not script.more:
            break
        _CHANNEL_STEPS[script.number() % len(_CHANNEL_STEPS)](paired, script)
        _check_channel(paired)


def _check_channel(paired: PairedChannel) -> None:
    machine = paired.machine
    if len(paired.closed) > 1 or machine.closed != bool(paired.closed):
        raise AssertionError(f"ended {len(paired.closed)} times")
    if machine.closed and (machine.channel or machine.waiting or machine.deadline_s is not None):
        raise AssertionError("something is left of a connection that has ended")
    if paired.budget.used and machine.closed:
        raise AssertionError(f"{paired.budget.used} bytes are held for nobody")
    if len(machine.data_to_send()) > _MOST_SENT:
        raise AssertionError("more is sent than anybody asked for")


def _attempt(step: Callable[[], Any]) -> None:
    try:
        step()
    except RefusedError:
        pass


def _open(paired: PairedChannel, script: _Script) -> None:
    kind, lifetime = script.number() % 3, script.number() * 1000
    _attempt(lambda: paired.open(kind=kind, lifetime_ms=lifetime))


def _message(paired: PairedChannel, script: _Script) -> None:
    kind = (b"MSG", b"MSG", b"CLO", b"OPN")[script.number() % 4]
    chunk = b"FCAX"[script.number() % 4 :][:1]
    wrong = script.number()
    fields: dict[str, Any] = {}
    if wrong & 1:
        fields["sequence"] = script.number()
    if wrong & 2:
        fields["token_id"] = script.number()
    if wrong & 4:
        fields["request_id"] = script.number()
    if wrong & 8:
        fields["broken"] = ("mac", "padding")[script.number() % 2]
    if paired.keys or paired.policy is None:
        paired.send(paired.chunk(script.bytes(), kind, chunk, **fields))


def _mutated_open(paired: PairedChannel, script: _Script) -> None:
    frame = bytearray(paired.open_frame(b"n" * 32 if paired.policy else b""))
    for _ in range(1 + script.number() % 4):
        frame[(script.number() * 256 + script.number()) % len(frame)] ^= 1 << script.number() % 8
    paired.send(bytes(frame))


def _activate(paired: PairedChannel, script: _Script) -> None:
    """A session is active on the connection, or no longer: what it may hold changes."""
    paired.machine.session_active = bool(script.number() & 1)


def _respond(paired: PairedChannel, script: _Script) -> None:
    paired.machine.send_response(script.number(), script.bytes())
    paired.machine.data_to_send()


_CHANNEL_STEPS: tuple[Callable[[PairedChannel, _Script], None], ...] = (
    lambda paired, script: paired.send(script.bytes()),
    lambda paired, _: _attempt(paired.hello),
    _open,
    _message,
    _message,
    _mutated_open,
    lambda paired, script: paired.tick(script.number()),
    _respond,
    _activate,
)


# -- sessions -------------------------------------------------------------------------------------


class _Sessions:
    """What a script does to a front end, and what it knows of its sessions."""

    def __init__(self) -> None:
        self.front = Front()
        self.tokens: list[bytes] = []
        self.homes: dict[bytes, int] = {}
        self.active: dict[bytes, int] = {}

    def token(self, script: _Script) -> bytes:
        return self.tokens[script.number() % len(self.tokens)] if self.tokens else b"\0\0"

    async def ask(self, channel: int, message: bytes) -> bytes:
        """The response; none for a Publish that waits."""
        request_id = self.front.request(channel, message)
        await self.front.settle()
        response = self.front.answer(channel, request_id) or b""
        if response and status_of(response) == ua.StatusCodes.BadInternalError:
            raise AssertionError("an internal error")
        return response

    async def create(self, channel: int, script: _Script) -> None:
        body = text("urn:c") + text("urn:p") + b"\x02" + text("c") + u32(1) + text(None) * 2
        body += (
            b"\xff\xff\xff\xff" + text(None) + text("opc.tcp://x") + text(script.bytes()[:40].hex())
        )
        body += text(b"n" * 32) + text(None) + f64(script.number() * 1000.0) + u32(0)
        response = await self.ask(channel, request("CreateSessionRequest", body))
        if response and not status_of(response):
            created = wire.decoded(response).Parameters
            token = wire.ua_binary.nodeid_to_binary(created.AuthenticationToken)
            self.tokens.append(token)
            self.homes[token] = channel

    async def activate(self, channel: int, script: _Script) -> None:
        token = self.token(script)
        which = (wire.extension(321, text("anonymous")), wire.NO_EXTENSION, script.bytes())
        body = text(None) * 2 + u32(0) * 2 + which[script.number() % 3] + text(None) * 2
        response = await self.ask(channel, request("ActivateSessionRequest", body, token))
        if response and not status_of(response):
            self.active[token] = self.homes[token] = channel

    async def use(self, channel: int, script: _Script) -> None:
        """Any request of a session: it is refused unless it is active on this channel; one that is
        not active can still be closed on it."""
        token = self.token(script)
        name, body = _USES[script.number() % len(_USES)]
        if script.number() & 1:
            spoilt = bytearray(body)
            spoilt[script.number() % len(spoilt)] = script.number()
            body = bytes(spoilt)
        response = await self.ask(channel, request(name, body, token))
        granted = bool(response) and not status_of(response)
        closes = name == "CloseSessionRequest"
        if granted and (self.homes if closes else self.active).get(token) != channel:
            raise AssertionError(f"{name} without an active session on its channel")
        if granted and closes:
            self.active.pop(token, None)

    async def noise(self, channel: int, script: _Script) -> None:
        await self.ask(channel, script.bytes())

    async def wait(self, channel: int, script: _Script) -> None:
        self.front.tick(script.number() / 4)
        await self.front.settle()

    async def leave(self, channel: int, script: _Script) -> None:
        """The connection is gone; another one takes its place."""
        self.front.reconnect(channel)
        self.active = {t: c for t, c in self.active.items() if c != channel}
        self.homes = {t: c for t, c in self.homes.items() if c != channel}


_READ = f64(0) + u32(2) + array([read_id(node(2258)), read_id(node("x", 1))])
_BROWSE = node(84) + u32(0) + node(33) + b"\1" + u32(0) * 2
_ITEM = read_id(node(2258)) + u32(2) + u32(1) + f64(50) + b"\0\0\0" + u32(5) + b"\1"
_PATH = node(84) + array([node(33) + b"\0\1" + wire.qualified("x")])
_CALL = node(2253) + node(11492) + array([wire.scalar(7, u32(1))])
_WRITE = wire.write_value(node("x", 1), wire.data_value(wire.scalar(6, u32(1))))
_USES: tuple[tuple[str, bytes], ...] = (
    ("ReadRequest", _READ),
    ("BrowseRequest", wire.NULL_NODE + b"\0" * 12 + u32(0) + array([_BROWSE])),
    ("CreateSubscriptionRequest", f64(100) + u32(30) + u32(10) + u32(0) + b"\1\0"),
    ("PublishRequest", array([u32(1) + u32(1)])),
    ("CreateMonitoredItemsRequest", u32(1) + u32(2) + array([_ITEM])),
    ("ModifySubscriptionRequest", u32(1) + f64(100) + u32(30) + u32(10) + u32(0) + b"\0"),
    ("DeleteSubscriptionsRequest", array([u32(1)])),
    ("TransferSubscriptionsRequest", array([u32(1)]) + b"\1"),
    ("TranslateBrowsePathsToNodeIdsRequest", array([_PATH])),
    ("CallRequest", array([_CALL])),
    ("WriteRequest", array([_WRITE])),
    ("CancelRequest", u32(1)),
    ("CloseSessionRequest", b"\1"),
)


def session(data: bytes) -> None:
    """Whatever clients ask for, in whatever order, on whatever channel: nothing is granted to a
    session that is not active on that channel, nothing is answered twice or breaks inside, and the
    number of sessions is bounded."""
    _loop().run_until_complete(_sessions(_Script(data)))


async def _sessions(script: _Script) -> None:
    known = _Sessions()
    steps = (
        known.create,
        known.activate,
        known.use,
        known.use,
        known.noise,
        known.wait,
        known.leave,
    )
    limits = known.front.front_end.context.config.limits
    for _ in range(60):
        if not script.more:
            break
        step, channel = script.number(), script.number() % 3
        await steps[step % len(steps)](channel, script)
        if len(known.front.front_end.context.sessions) > limits.max_sessions:
            raise AssertionError("more sessions than there may be")
    await known.front.front_end.context.queue.stop(0.0)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


# -- the site file --------------------------------------------------------------------------------


@cache
def _profiles() -> InstalledProfiles:
    return InstalledProfiles()


def site(data: bytes) -> None:
    """A site file loads and can be planned, or every problem with it is told and located."""
    try:
        parsed = parse_site(data, "s.yaml", folder=Path("/nowhere"), profiles=_profiles())
    except SiteError as error:
        if not error.problems or not all(p.message and p.line >= 1 for p in error.problems):
            raise AssertionError("refused without a reason, or nowhere") from error
        return
    plan_site(parsed, _profiles())


TARGETS: dict[str, Callable[[bytes], None]] = {
    "decoder": decoder,
    "channel": channel,
    "session": session,
    "site": site,
}
