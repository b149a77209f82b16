"""Before login: floods, deadlines and frames that are not what they say (Part 6, 6.7.2 and 7.1)."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from attack.case import Bench, Case, after_hello, at_first, on_channel, outcome
from attack.client import HELLO, Channel, RefusedError, Wire, frame, hello
from attack.secure import NONE
from attack.wire import request, text, u32

OTHER_HOST = "127.0.0.77"
"""A source address of its own, so that a limit per source hits the attacker only."""

_TYPE = ("ERR BadTcpMessageTypeInvalid",)
_TOO_LARGE = ("ERR BadTcpMessageTooLarge",)
_LATE = ("ERR BadTimeout", "closed")
_LET_GO = ("ERR BadTcpNotEnoughResources", "ERR BadTcpServerTooBusy", "ERR BadTimeout", "closed")


def _many(number: int, say: Callable[[Wire], Any]) -> Callable[[Bench], list[str]]:
    """So many connections at once, each of which says something and waits; who is let go, how."""

    def attack(bench: Bench) -> list[str]:
        wires: list[Wire] = []
        try:
            for _ in range(bench.many(number)):
                try:
                    wire = bench.target.wire(source=OTHER_HOST)
                    wires.append(wire)
                    say(wire)
                except RefusedError:
                    continue
            fresh = bench.target.session()
            fresh.channel.close()
            return ["Good", *(end for wire in wires if (end := _ended(wire)))]
        finally:
            for wire in wires:
                wire.close()

    return attack


def _ended(wire: Wire) -> str:
    """How a connection has ended, "" if it has not."""
    outcome = wire.end(0.001)
    return "" if outcome == "silence" else outcome


def _open_none(wire: Wire) -> None:
    """A channel for discovery by hand."""
    parameters = u32(0) * 2 + u32(1) + text(b"") + u32(60_000)
    body = u32(1) * 2 + request("OpenSecureChannelRequest", parameters)
    wire.hello()
    wire.send(frame(b"OPN", u32(0) + text(NONE) + text(None) * 2 + body))
    wire.frame()


def _drip(bench: Bench) -> str:
    """A Hello, a byte now and then."""
    with bench.target.wire() as wire:
        data, ends = hello(), time.monotonic() + 20
        for byte in data[:-1]:
            wire.send(bytes((byte,)))
            if (end := _ended(wire)) or time.monotonic() > ends:
                return end or "it is still there"
            time.sleep(0.4)
        return wire.end(5)


def _half_message(bench: Bench) -> str:
    """A chunk that says that more will come, and then nothing."""
    with bench.target.channel(policy=None, timeout_s=45) as channel:
        channel.send(channel.chunk(b"x" * 1000, chunk=b"C"))
        return channel.end()


def _half_chunk(bench: Bench) -> str:
    with bench.target.channel(timeout_s=45) as channel:
        channel.send(channel.chunk(b"x" * 1000)[:500])
        return channel.end()


def _chunks(number: int, size: int, chunk: bytes = b"C") -> Callable[[Channel], bytes]:
    def make(channel: Channel) -> bytes:
        return b"".join(
            channel.chunk(b"x" * size, chunk=chunk, request_id=7) for _ in range(number)
        )

    return make


def _hold(bench: Bench) -> list[str]:
    """Many connections that each hold what a stranger may hold of an incomplete message."""
    channels: list[Channel] = []
    try:
        for _ in range(bench.many(150)):
            try:
                channel = bench.target.channel(policy=None, source=OTHER_HOST)
                channels.append(channel)
                channel.send(channel.chunk(b"x" * 60_000, chunk=b"C", request_id=7))
            except RefusedError:
                continue
        bench.target.session().channel.close()
        return ["Good", *(end for channel in channels if (end := _ended(channel)))]
    finally:
        for channel in channels:
            channel.close()


def _reset(bench: Bench) -> list[str]:
    """Connections that are reset in the middle of a request."""
    for number in range(bench.many(300)):
        try:
            wire = bench.target.wire(source=OTHER_HOST)
            wire.send(hello()[: 1 + number % 40])
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            wire.close()
        except RefusedError:
            continue
    return bench.served()


def _opens(bench: Bench) -> list[str]:
    """OpenSecureChannel with security again and again, each costing two RSA operations."""
    for _ in range(bench.many(150)):
        try:
            bench.target.channel(source=OTHER_HOST).close()
        except RefusedError:
            continue
    return bench.served()


def _garbage_opens(bench: Bench) -> list[str]:
    """OPN whose ciphertext is noise: the server decrypts it for nothing."""
    found = set()
    for _ in range(bench.many(100)):
        try:
            with bench.target.unopened(source=OTHER_HOST) as channel:
                channel.hello()
                whole = channel.open_frame(os.urandom(32))
                channel.send(whole[:-256] + os.urandom(256))
                found.add(channel.end())
        except RefusedError as refused:
            found.add(refused.outcome)
    return sorted(found)


def _not_reading(bench: Bench) -> str:
    """Requests whose answers are never read: they wait at the server, which has a bound."""
    with bench.target.channel(policy=None, source=OTHER_HOST, timeout_s=4) as channel:
        channel.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        body = request("GetEndpointsRequest", text("opc.tcp://127.0.0.1") + u32(0) * 2)
        ends = time.monotonic() + 8
        try:
            while time.monotonic() < ends:
                channel.send(b"".join(channel.chunk(body) for _ in range(200)))
        except RefusedError as refused:
            return refused.outcome
        return "closed"


def _renewals(bench: Bench) -> list[str]:
    """Renewals one after the other: old tokens go, the channel lives."""
    with bench.target.channel(policy=None) as channel:
        for _ in range(bench.many(300)):
            channel.open(kind=1)
        return outcome(lambda: channel.ask(request("FindServersRequest", text(None) + u32(0) * 2)))


CASES = (
    Case(
        "hello-slow",
        "who does not open a channel in time is let go",
        "Part 6, 7.1.3; CWE-400",
        _drip,
        _LATE,
        waits_s=12,
    ),
    Case(
        "silent-connection",
        "a connection that says nothing is let go",
        "Part 6, 7.1.3; CWE-400",
        at_first(),
        _LATE,
        waits_s=12,
    ),
    Case(
        "hello-and-silence",
        "a Hello alone keeps no connection",
        "Part 6, 7.1.3; CWE-400",
        after_hello(),
        _LATE,
        waits_s=12,
    ),
    Case(
        "half-frame",
        "half a frame keeps no connection",
        "Part 6, 7.1.2; CWE-400",
        after_hello(frame(b"OPN", b"x" * 100)[:60]),
        _LATE,
        waits_s=12,
    ),
    Case(
        "half-message",
        "a message that is begun has a deadline",
        "Part 6, 6.7.2; CWE-400",
        _half_message,
        _LATE,
        waits_s=32,
    ),
    Case(
        "half-chunk",
        "half a chunk has a deadline, on a secured channel too",
        "Part 6, 6.7.2; CWE-400",
        _half_chunk,
        _LATE,
        waits_s=32,
    ),
    Case(
        "hello-size-too-small",
        "a frame smaller than its headers is refused, not read for ever",
        "Part 6, 7.1.2.2; CWE-835",
        at_first(frame(b"HEL", b"", size=0)),
        _TYPE,
    ),
    Case(
        "frame-size-of-a-header",
        "a frame that ends with its header is refused",
        "Part 6, 7.1.2.2; CWE-835",
        after_hello(frame(b"OPN", b"", size=8)),
        _TYPE,
    ),
    Case(
        "hello-size-huge",
        "what is announced is judged before it is buffered",
        "Part 6, 7.1.2.2; CWE-789",
        at_first(frame(b"HEL", b"", size=0x7FFF_FFFF)),
        _TOO_LARGE,
    ),
    Case(
        "frame-size-negative",
        "a size with the highest bit set is a large number",
        "Part 6, 7.1.2.2; CWE-190",
        after_hello(frame(b"OPN", b"", size=0xFFFF_FFFF)),
        _TOO_LARGE,
    ),
    Case(
        "chunk-over-the-buffer",
        "no chunk is larger than the buffer agreed on",
        "Part 6, 7.1.2.4; CWE-789",
        after_hello(frame(b"OPN", b"x" * 70_000)),
        _TOO_LARGE,
    ),
    Case(
        "hello-url-long",
        "an endpoint URL of more than 4,096 bytes is refused",
        "Part 6, 7.1.2.3",
        at_first(hello("x" * 5000)),
        ("ERR BadTcpEndpointUrlInvalid",),
    ),
    Case(
        "hello-url-length-negative",
        "a negative length is refused",
        "Part 6, 5.2.2.4; CWE-1284",
        at_first(frame(b"HEL", struct.pack("<5I", *HELLO) + b"\xfc\xff\xff\xff")),
        ("ERR BadDecodingError",),
    ),
    Case(
        "hello-url-not-utf8",
        "a string is UTF-8",
        "Part 6, 5.2.2.4; CWE-838",
        at_first(hello(b"opc.tcp://\xff\xfe")),
        ("ERR BadDecodingError",),
    ),
    Case(
        "hello-buffers-small",
        "buffers of less than 8,192 bytes are refused",
        "Part 6, 7.1.2.3",
        at_first(hello(sizes=(0, 1, 1, 0, 0))),
        ("ERR BadTcpInternalError", "ERR BadConnectionRejected"),
    ),
    Case(
        "hello-trailing-bytes",
        "a Hello ends where it ends",
        "Part 6, 7.1.2.3",
        at_first(frame(b"HEL", struct.pack("<5I", *HELLO) + text("x") + b"y" * 50)),
        ("ERR BadDecodingError",),
    ),
    Case("hello-twice", "a second Hello is refused", "Part 6, 7.1.3", after_hello(hello()), _TYPE),
    Case(
        "open-before-hello",
        "nothing comes before Hello",
        "Part 6, 7.1.3",
        at_first(frame(b"OPN", b"x" * 100)),
        _TYPE,
    ),
    Case(
        "message-before-open",
        "without a channel no message is taken",
        "Part 6, 6.7.2; CWE-306",
        after_hello(frame(b"MSG", u32(0) * 4 + b"x" * 50)),
        (*_TYPE, "ERR BadTcpSecureChannelUnknown"),
    ),
    Case(
        "close-before-open",
        "without a channel none can be closed",
        "Part 6, 6.7.2",
        after_hello(frame(b"CLO", u32(0) * 4 + b"x" * 50)),
        (*_TYPE, "ERR BadTcpSecureChannelUnknown"),
    ),
    Case(
        "acknowledge-from-client",
        "messages of the server are none of a client",
        "Part 6, 7.1.2",
        at_first(frame(b"ACK", struct.pack("<5I", *HELLO))),
        _TYPE,
    ),
    Case(
        "error-from-client",
        "an ERR of a client opens nothing",
        "Part 6, 7.1.2",
        after_hello(frame(b"ERR", u32(0x80010000) + text("x"))),
        (*_TYPE, "closed"),
    ),
    Case(
        "reverse-hello-from-client",
        "ReverseHello is the server's to send",
        "Part 6, 7.1.2.6",
        at_first(frame(b"RHE", text("urn:x") + text("opc.tcp://x"))),
        _TYPE,
    ),
    Case(
        "http-request",
        "another protocol is refused",
        "Part 6, 7.1.2",
        at_first(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        _TYPE,
    ),
    Case(
        "tls-hello",
        "another protocol is refused, binary too",
        "Part 6, 7.1.2",
        at_first(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64),
        _TYPE,
    ),
    Case(
        "random-bytes", "noise is refused", "Part 6, 7.1.2; CWE-20", at_first(b"\x9a" * 4096), _TYPE
    ),
    Case(
        "chunk-type-unknown",
        "a chunk is final, one of several, or aborted",
        "Part 6, 6.7.2.2",
        on_channel(lambda c: c.chunk(b"x", chunk=b"X")),
        _TYPE,
    ),
    Case(
        "open-in-chunks",
        "OpenSecureChannel is one chunk",
        "Part 6, 6.7.2.2",
        after_hello(frame(b"OPN", b"x" * 100, b"C")),
        _TYPE,
    ),
    Case(
        "open-flood",
        "channels opened again and again leave time for others",
        "Part 4, 5.6.2; CWE-400",
        _opens,
        ("Good",),
    ),
    Case(
        "open-noise-flood",
        "ciphertext that is noise costs one decryption and the connection",
        "Part 6, 6.7.4; CWE-400",
        _garbage_opens,
        ("ERR BadSecurityChecksFailed", *_LET_GO),
    ),
    Case(
        "connection-flood",
        "connections that say nothing make room for those that do",
        "Part 4, 5.6.2; CWE-770",
        _many(400, lambda wire: None),
        ("Good", *_LET_GO),
    ),
    Case(
        "hello-flood",
        "connections with a Hello only make room for others",
        "Part 4, 5.6.2; CWE-770",
        _many(400, lambda wire: wire.send(hello())),
        ("Good", *_LET_GO),
    ),
    Case(
        "channel-flood",
        "channels without a session make room for others",
        "Part 4, 5.6.2; CWE-770",
        _many(400, _open_none),
        ("Good", *_LET_GO),
    ),
    Case(
        "renewal-flood",
        "a channel keeps a few tokens, however often it is renewed",
        "Part 4, 5.6.2; CWE-770",
        _renewals,
        ("Good",),
    ),
    Case(
        "reset-flood",
        "connections that are reset leave nothing behind",
        "Part 6, 7.1.3; CWE-404",
        _reset,
        ("Good",),
    ),
    Case(
        "chunk-flood",
        "before login a message has at most 64 KiB",
        "Part 6, 6.7.3; CWE-770",
        on_channel(_chunks(200, 8000), policy=None),
        _TOO_LARGE,
    ),
    Case(
        "chunk-flood-secured",
        "before login the same holds on a secured channel",
        "Part 6, 6.7.3; CWE-770",
        on_channel(_chunks(200, 8000)),
        _TOO_LARGE,
    ),
    Case(
        "tiny-chunk-flood",
        "before login a message has a bounded number of chunks",
        "Part 6, 6.7.3; CWE-770",
        on_channel(_chunks(5000, 1), policy=None),
        _TOO_LARGE,
    ),
    Case(
        "empty-chunk-flood",
        "chunks without content count, too",
        "Part 6, 6.7.3; CWE-770",
        on_channel(_chunks(5000, 0), policy=None),
        _TOO_LARGE,
    ),
    Case(
        "chunk-hold",
        "incomplete messages of all strangers together are bounded",
        "Part 6, 6.7.3; CWE-770",
        _hold,
        ("Good", *_LET_GO),
    ),
    Case(
        "chunks-of-two-messages",
        "the chunks of two messages are not mixed",
        "Part 6, 6.7.2.4",
        on_channel(lambda c: c.chunk(b"x", chunk=b"C", request_id=5) + c.chunk(b"y", request_id=6)),
        _TYPE,
    ),
    Case(
        "abort-malformed",
        "the body of an abort is read as strictly as any",
        "Part 6, 6.7.3",
        on_channel(
            lambda c: (
                c.chunk(b"x", chunk=b"C", request_id=5)
                + c.chunk(b"\0" * 4 + b"\xf0\xff\xff\xff", chunk=b"A", request_id=5)
            )
        ),
        ("ERR BadDecodingError",),
    ),
    Case(
        "answers-not-read",
        "who does not read answers is not read from, and let go in the end",
        "Part 6, 7.1; CWE-770",
        _not_reading,
        ("silence", *_LET_GO),
        waits_s=4,
    ),
)
