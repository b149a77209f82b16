"""Reverse Connect: the server opens the connection, the client the channel (Part 6, 7.1.3)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import struct
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest

from biogate.opcua.codec import Reader, encode_message
from biogate.opcua.codec.limits import DecodeLimits
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.transport import reverse
from biogate.opcua.transport.config import TransportConfig
from biogate.opcua.transport.connection import ServerConnection
from biogate.opcua.transport.events import Closed
from biogate.opcua.transport.reverse import client_address

SERVER_URI, ENDPOINT_URL = "urn:test:server", "opc.tcp://inner:4840"
FIND = encode_message(ua.FindServersRequest())
HELLO = struct.pack("<5I", 0, 65536, 65536, 0, 0) + b"\xff" * 4


class WaitingClient:
    """Listens, as a client does that cannot reach the server."""

    def __init__(self) -> None:
        self.connections: asyncio.Queue[Any] = asyncio.Queue()
        self.accepted: list[asyncio.StreamWriter] = []
        self.port = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted.append(writer)
        self.connections.put_nowait((reader, writer))

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}"


@pytest.fixture
async def waiting() -> AsyncIterator[WaitingClient]:
    client = WaitingClient()
    server = await asyncio.start_server(client.accept, "127.0.0.1", 0)
    client.port = server.sockets[0].getsockname()[1]
    yield client
    server.close()
    for writer in client.accepted:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def frame(reader: asyncio.StreamReader) -> tuple[bytes, bytes, bytes]:
    kind, chunk, size = struct.unpack("<3scI", await reader.readexactly(8))
    return kind, chunk, await reader.readexactly(size - 8)


async def offered(waiting: WaitingClient) -> tuple[Any, Any, tuple[str | None, str | None]]:
    """The next connection that the server opens, and what its ReverseHello says."""
    async with asyncio.timeout(10):
        reader, writer = await waiting.connections.get()
        kind, chunk, body = await frame(reader)
    assert (kind, chunk) == (b"RHE", b"F")
    content = Reader(body, DecodeLimits())
    uris = content.string(), content.string()
    content.finish()
    return reader, writer, uris


async def opened(bare: Any, reader: Any, writer: Any) -> Any:
    """The client makes the connection its own: Hello, then a secure channel."""
    frames = bare()
    writer.write(frames.frame(b"HEL", HELLO))
    assert (await frame(reader))[0] == b"ACK"
    writer.write(frames.open_frame())
    frames.take_token([await frame(reader)])
    return frames


@pytest.fixture
async def offering(listen: Any, waiting: WaitingClient, handler: Any) -> Any:
    listener = await listen(handler, listen=False)
    listener.offer_connections([waiting.url], lambda: (SERVER_URI, ENDPOINT_URL))
    return listener


class Handler:
    def __init__(self) -> None:
        self.requests: asyncio.Queue[Any] = asyncio.Queue()

    def on_request(self, handle: Any, channel: Any, request_id: int, message: bytes) -> None:
        self.requests.put_nowait((handle, request_id, message))

    def on_closed(self, handle: Any) -> None:
        pass


@pytest.fixture
def handler() -> Handler:
    return Handler()


# Part 6, 7.1.2.6: the first message says whose server it is and which endpoint to use.
async def test_the_server_says_who_it_is_and_the_client_goes_on(offering, waiting, bare, handler):
    reader, writer, uris = await offered(waiting)
    assert uris == (SERVER_URI, ENDPOINT_URL)
    frames = await opened(bare, reader, writer)
    writer.write(frames.chunk(FIND, request_id=7))
    handle, request_id, message = await handler.requests.get()
    assert (request_id, message) == (7, FIND)
    handle.respond(7, b"found")
    assert (await frame(reader))[2][16:] == b"found"


async def test_another_connection_is_offered_once_one_is_used(offering, waiting, bare):
    first = await offered(waiting)
    assert waiting.connections.empty()
    await opened(bare, *first[:2])
    second = await offered(waiting)
    await opened(bare, *second[:2])
    assert offering.counters.offered >= 2


async def test_nothing_is_listened_on(listen, handler):
    def listening() -> set[Any]:
        sockets = psutil.Process().net_connections("tcp")
        return {each.laddr for each in sockets if each.status == psutil.CONN_LISTEN}

    before = listening()
    await listen(handler, listen=False)
    assert listening() == before
    await listen(handler)
    assert len(listening()) == len(before) + 1


async def test_a_client_that_hangs_up_is_tried_again(offering, waiting, monkeypatch):
    monkeypatch.setattr(reverse, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(reverse, "_LONGEST_PAUSE_S", 0.01)
    for _ in range(3):
        _, writer, _ = await offered(waiting)
        writer.close()
    await offered(waiting)


async def test_a_client_that_is_not_there_is_one_line_however_often_it_is_tried(
    listen, handler, monkeypatch, caplog, unused_tcp_port
):
    monkeypatch.setattr(reverse, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(reverse, "_LONGEST_PAUSE_S", 0.001)
    listener = await listen(handler, listen=False)
    with caplog.at_level(logging.WARNING):
        listener.offer_connections([f"opc.tcp://127.0.0.1:{unused_tcp_port}"], lambda: ("a", "b"))
        async with asyncio.timeout(10):
            while listener.counters.unreached < 5:  # noqa: ASYNC110 - a counter has no event
                await asyncio.sleep(0.001)
    assert [r.message for r in caplog.records].count(
        "reverse connect: client not reached (tried again until it is)"
    ) == 1


async def test_stopping_ends_the_offers(offering, waiting):
    reader, _, _ = await offered(waiting)
    await offering.stop()
    kind, _, body = await frame(reader)
    assert (kind, struct.unpack_from("<I", body)[0]) == (b"ERR", StatusCodes.BadServerHalted)
    assert await reader.read() == b""
    assert waiting.connections.empty()


# -- the state machine ------------------------------------------------------------------------


def machine(clock: Any) -> ServerConnection:
    connection = ServerConnection(TransportConfig(frozenset()), clock)
    connection.reverse_hello(SERVER_URI, ENDPOINT_URL)
    assert connection.data_to_send()[:4] == b"RHEF"
    return connection


def advance(connection: ServerConnection, data: bytes) -> Any:
    connection.feed(data)
    return connection.advance()


def test_a_client_may_refuse_with_an_error(clock):
    reason = b"not known"
    body = struct.pack("<II", StatusCodes.BadTcpEndpointUrlInvalid, len(reason)) + reason
    event = advance(machine(clock), struct.pack("<3scI", b"ERR", b"F", 8 + len(body)) + body)
    assert isinstance(event, Closed)
    assert event.status == StatusCodes.BadTcpEndpointUrlInvalid
    assert "not known" in event.detail


def test_an_offer_lasts_two_minutes_and_a_begun_one_ten_seconds(clock):
    connection = machine(clock)
    clock.now_s += 119
    assert connection.tick() is None
    advance(connection, struct.pack("<3scI", b"HEL", b"F", 32) + HELLO)
    clock.now_s += 9
    assert connection.tick() is None
    clock.now_s += 1
    closed = connection.tick()
    assert closed is not None
    assert closed.status == StatusCodes.BadTimeout


@pytest.mark.parametrize("kind", [b"OPN", b"MSG", b"CLO", b"ACK", b"RHE"])
def test_nothing_but_a_hello_answers_an_offer(clock, kind):
    event = advance(machine(clock), struct.pack("<3scI", kind, b"F", 40) + bytes(32))
    assert isinstance(event, Closed)
    assert event.status == StatusCodes.BadTcpMessageTypeInvalid


def test_a_client_that_connected_by_itself_may_not_refuse(clock):
    connection = ServerConnection(TransportConfig(frozenset()), clock)
    event = advance(connection, struct.pack("<3scIII", b"ERR", b"F", 16, 0x80000000, 0))
    assert isinstance(event, Closed)
    assert event.status == StatusCodes.BadTcpMessageTypeInvalid


@pytest.mark.parametrize(
    "url", ["opc.tcp://host", "http://host:1", "opc.tcp://:1", "x", "opc.tcp://mes..plant:1"]
)
def test_where_a_client_listens_is_a_host_and_a_port(url):
    with pytest.raises(ValueError, match=re.escape("opc.tcp://host:port")):
        client_address(url)
    assert client_address("opc.tcp://[::1]:4841") == ("::1", 4841)


# Part 4, 5.6.2: one host cannot keep the others out before they log in.
async def test_unused_connections_of_one_host_make_room_for_their_own_kind(listen, handler):
    listener = await listen(handler, max_unused_per_host=2)
    async with contextlib.AsyncExitStack() as stack:
        readers = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            stack.callback(writer.close)
            readers.append(reader)
        kind, _, body = await frame(readers[0])
        assert kind == b"ERR"
        assert struct.unpack_from("<I", body)[0] == StatusCodes.BadTcpNotEnoughResources


async def test_who_has_most_unused_connections_gives_way_to_another_host(listen, handler):
    listener = await listen(handler, max_connections=3)
    async with contextlib.AsyncExitStack() as stack:

        async def connect(host: str) -> asyncio.StreamReader:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", listener.port, local_addr=(host, 0)
            )
            stack.callback(writer.close)
            await asyncio.sleep(0)
            return reader

        await connect("127.0.0.2")
        crowd = [await connect("127.0.0.3") for _ in range(2)]
        await connect("127.0.0.4")
        assert (await frame(crowd[0]))[0] == b"ERR"
        assert listener.counters.reclaimed == 1


async def test_a_host_that_is_not_let_in_gets_no_further(listen, handler):
    listener = await listen(handler, admit_address=lambda host: host != "127.0.0.9")
    async with contextlib.AsyncExitStack() as stack:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", listener.port, local_addr=("127.0.0.9", 0)
        )
        stack.callback(writer.close)
        kind, _, body = await frame(reader)
        assert (kind, struct.unpack_from("<I", body)[0]) == (
            b"ERR",
            StatusCodes.BadSecurityChecksFailed,
        )
        assert await reader.read() == b""
