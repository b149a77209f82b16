"""Answers are gathered, bounded while nobody reads them, and a broken transport ends one client."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from biogate.opcua.codec import encode_message
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.transport.connection import ServerConnection
from biogate.opcua.transport.listener import Listener

READ = encode_message(ua.ReadRequest(RequestHeader=ua.RequestHeader(RequestHandle=5)))


class Answering:
    """Answers every request with so many bytes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.handles: list[Any] = []
        self.closed: list[Any] = []

    def on_request(self, handle: Any, channel: Any, request_id: int, message: bytes) -> None:
        self.handles.append(handle)
        handle.respond(request_id, bytes(self.size))

    def on_closed(self, handle: Any) -> None:
        self.closed.append(handle)


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is awaited has no event of its own
            await asyncio.sleep(0.001)


@pytest.fixture
async def serve(make_config: Any, clock: Any) -> AsyncIterator[Any]:
    """Starts a listener whose clock the test moves."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(handler: Any, **changes: Any) -> Listener:
            config = make_config(tick_interval_s=0.01, **changes)
            listener = Listener("127.0.0.1", 0, config, handler, clock=clock)
            await listener.start()
            stack.push_async_callback(listener.stop)
            return listener

        yield start


@pytest.fixture
async def open_client(bare: Any) -> AsyncIterator[Any]:
    """A client with an open channel: its frames, its reader and its writer."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(listener: Listener, **limits: Any) -> Any:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, **limits)
            stack.callback(writer.close)
            frames = bare()
            sizes = struct.pack("<5I", 0, 65536, 65536, 0, 0)
            writer.write(frames.frame(b"HEL", sizes + b"\xff" * 4))
            await next_frame(reader)
            writer.write(frames.open_frame())
            frames.take_token([await next_frame(reader)])
            return frames, reader, writer

        yield make


async def next_frame(reader: asyncio.StreamReader) -> tuple[bytes, bytes, bytes]:
    kind, chunk, size = struct.unpack("<3scI", await reader.readexactly(8))
    return kind, chunk, await reader.readexactly(size - 8)


def count_writes(listener: Listener) -> list[int]:
    """The sizes of what the connection writes from now on."""
    (connection,) = listener._connections
    transport, writes = connection._transport, []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(transport, name)

        def write(self, data: bytes) -> None:
            writes.append(len(data))
            transport.write(data)

    connection._transport = Counting()
    return writes


async def test_the_answers_to_requests_of_one_packet_are_one_write(serve, open_client):
    handler = Answering(100)
    listener = await serve(handler)
    frames, reader, writer = await open_client(listener)
    writes = count_writes(listener)
    writer.write(b"".join(frames.chunk(READ, request_id=n) for n in range(8)))
    answers = [await next_frame(reader) for _ in range(8)]
    assert [struct.unpack_from("<I", body, 12)[0] for _, _, body in answers] == list(range(8))
    assert len(writes) == 1


async def test_large_answers_are_not_gathered(serve, open_client):
    """A turn may make many; those of 64 KiB and more go out at once."""
    handler = Answering(40_000)
    listener = await serve(handler)
    frames, reader, writer = await open_client(listener)
    writes = count_writes(listener)
    writer.write(b"".join(frames.chunk(READ, request_id=n) for n in range(6)))
    for _ in range(6):
        await next_frame(reader)
    assert max(writes) < 200_000
    assert len(writes) == 3


async def test_a_later_answer_does_not_wait_for_a_turn(serve, open_client):
    handler = Answering(100)
    listener = await serve(handler)
    frames, reader, writer = await open_client(listener)
    writer.write(frames.chunk(READ))
    await next_frame(reader)
    handler.handles[0].respond(77, b"later")
    assert (await next_frame(reader))[2][16:] == b"later"


async def test_a_client_that_reads_nothing_makes_the_server_hold_little(serve, open_client):
    """Part 4 has no rule for it: encoding stops once the client is behind by the high-water mark,
    however many requests it has sent."""
    handler = Answering(30_000)
    listener = await serve(handler, write_high_water=1 << 18)
    frames, _, writer = await open_client(listener, limit=1024)
    (connection,) = listener._connections
    request = b"".join(frames.chunk(READ, request_id=n) for n in range(1000))
    writer.write(request)
    await until(lambda: not connection.writable)
    for _ in range(20):
        await asyncio.sleep(0)
    assert connection.unsent < (1 << 18) + 200_000
    assert len(handler.handles) < 1000
    answered = len(handler.handles)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(handler.handles) == answered


async def test_a_client_that_does_not_catch_up_in_30_seconds_is_dropped(serve, open_client, clock):
    handler = Answering(16 << 20)
    listener = await serve(handler, write_high_water=1 << 16)
    frames, _, writer = await open_client(listener, limit=1024)
    writer.write(frames.chunk(READ))
    await until(lambda: handler.handles and not handler.handles[0].writable)
    clock.now_s += 29.9
    await until_ticked(listener)
    assert listener.connections == 1
    clock.now_s += 0.2
    await until(lambda: listener.connections == 0)
    assert listener.counters.closed == {"BadTcpNotEnoughResources": 1}
    assert handler.closed == handler.handles


async def test_a_client_that_catches_up_in_time_stays(serve, open_client, clock):
    handler = Answering(16 << 20)
    listener = await serve(handler, write_high_water=1 << 16)
    frames, reader, writer = await open_client(listener)
    for _ in range(2):
        handler.handles.clear()
        writer.write(frames.chunk(READ))
        await until(lambda: handler.handles and not handler.handles[0].writable)
        clock.now_s += 29.0
        received = 0
        while received < 16 << 20:
            received += len((await next_frame(reader))[2]) - 16
        await until(lambda: handler.handles[0].writable)
    await until_ticked(listener)
    assert listener.connections == 1


async def until_ticked(listener: Listener) -> None:
    """The listener has looked at its deadlines."""
    ticked = asyncio.Event()
    (connection,) = listener._connections
    original = connection.tick

    def tick() -> None:
        original()
        ticked.set()

    connection.tick = tick
    async with asyncio.timeout(10):
        await ticked.wait()


async def test_a_fault_of_the_transport_itself_ends_that_connection_only(
    serve, open_client, monkeypatch, caplog
):
    handler = Answering(100)
    listener = await serve(handler)
    clients = [await open_client(listener) for _ in range(3)]
    original, calls = ServerConnection._on_message, itertools.count()

    def fails_at_first(self: ServerConnection, frame: bytes) -> Any:
        if next(calls) < 2:
            raise RuntimeError("broken")
        return original(self, frame)

    table = {b"OPN": ServerConnection._on_renew, b"MSG": fails_at_first}
    from biogate.opcua.transport import connection

    monkeypatch.setitem(connection._TRANSITIONS, connection._State.OPEN, table)
    with caplog.at_level(logging.ERROR):
        for frames, reader, writer in clients[:2]:
            writer.write(frames.chunk(READ) + frames.chunk(READ))
            kind, _, body = await next_frame(reader)
            assert (kind, struct.unpack_from("<I", body)[0]) == (
                b"ERR",
                StatusCodes.BadInternalError,
            )
            assert await reader.read() == b""
    frames, reader, writer = clients[2]
    writer.write(frames.chunk(READ))
    assert (await next_frame(reader))[0] == b"MSG"
    assert len(handler.closed) == 2
    (record,) = caplog.records  # the second is left out: there may be thousands
    assert "broken" in str(record.exc_info[1])
    assert listener.counters.closed == {"BadInternalError": 2}
