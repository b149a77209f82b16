"""Sockets: many clients, slow clients, clients that never finish, and the end of the server."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import struct
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from biogate.opcua.codec import encode_message
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.transport.listener import Listener, ListenError

READ = encode_message(ua.ReadRequest(RequestHeader=ua.RequestHeader(RequestHandle=5)))
FIND = encode_message(ua.FindServersRequest())


class SocketClient:
    """The frames of a BareClient on a real socket."""

    def __init__(self, frames: Any, reader: asyncio.StreamReader, writer: Any) -> None:
        self.frames = frames
        self.reader = reader
        self.writer = writer

    async def frame(self) -> tuple[bytes, bytes, bytes]:
        header = await self.reader.readexactly(8)
        kind, chunk, size = struct.unpack("<3scI", header)
        return kind, chunk, await self.reader.readexactly(size - 8)

    async def open(self) -> SocketClient:
        sizes = struct.pack("<5I", 0, 65536, 65536, 0, 0)
        self.writer.write(self.frames.frame(b"HEL", sizes + b"\xff" * 4))
        assert (await self.frame())[0] == b"ACK"
        self.writer.write(self.frames.open_frame())
        self.frames.take_token([await self.frame()])
        return self

    def send(self, body: bytes, request_id: int = 9) -> None:
        self.writer.write(self.frames.chunk(body, request_id=request_id))

    async def error(self) -> int:
        """The status of the ERR message that comes before the end of the stream."""
        kind, _, body = await self.frame()
        assert kind == b"ERR"
        assert await self.reader.read() == b""
        return struct.unpack_from("<I", body)[0]


@pytest.fixture
async def connect(bare: Any) -> AsyncIterator[Any]:
    """Connects a SocketClient to a listener."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(listener: Listener, **limits: Any) -> SocketClient:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, **limits)
            stack.callback(writer.close)
            return SocketClient(bare(), reader, writer)

        yield make


class Handler:
    """Keeps requests; a test answers them."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[Any] = asyncio.Queue()
        self.closed: list[Any] = []

    def on_request(self, handle: Any, channel: Any, request_id: int, message: bytes) -> None:
        self.requests.put_nowait((handle, channel, request_id, message))

    def on_closed(self, handle: Any) -> None:
        self.closed.append(handle)


@pytest.fixture
def handler() -> Handler:
    return Handler()


async def until(condition: Any) -> None:
    """Lets the loop run until the condition holds; the test's own time-out is ten seconds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is awaited has no event of its own
            await asyncio.sleep(0.001)


async def test_responses_may_come_later_and_in_any_order(listen, connect, handler):
    client = await (await connect(await listen(handler))).open()
    client.send(READ, 1)
    client.send(FIND, 2)
    handle, channel, first, message = await handler.requests.get()
    assert (first, message, channel) == (1, READ, handle.channel)
    _, _, second, _ = await handler.requests.get()
    handle.respond(second, b"second")
    handle.respond(first, b"first")
    assert [(await client.frame())[2][16:] for _ in range(2)] == [b"second", b"first"]


async def test_a_response_for_a_client_that_left_is_dropped(listen, connect, handler):
    listener = await listen(handler)
    client = await (await connect(listener)).open()
    client.send(READ)
    handle, *_ = await handler.requests.get()
    client.writer.close()
    await until(lambda: handler.closed)
    assert handler.closed == [handle]
    assert handle.channel is None
    handle.respond(9, b"late")
    await until(lambda: listener.connections == 0)
    assert listener.counters.closed == {"BadConnectionClosed": 1}


async def test_a_connection_without_a_channel_is_not_the_handlers_business(
    listen, connect, handler
):
    listener = await listen(handler)
    client = await connect(listener)
    client.writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await client.error() == StatusCodes.BadTcpMessageTypeInvalid
    await until(lambda: listener.connections == 0)
    assert handler.closed == []
    assert listener.counters.closed == {"BadTcpMessageTypeInvalid": 1}


async def test_the_handler_closes_a_connection(listen, connect, handler):
    client = await (await connect(await listen(handler))).open()
    client.send(READ)
    handle, *_ = await handler.requests.get()
    handle.close(StatusCodes.BadSecurityChecksFailed, "no")
    assert await client.error() == StatusCodes.BadSecurityChecksFailed
    assert handler.closed == [handle]


async def test_a_failing_handler_ends_that_connection_only(listen, connect, handler, caplog):
    class Failing(Handler):
        def on_request(self, handle: Any, channel: Any, request_id: int, message: bytes) -> None:
            if message == READ:
                raise RuntimeError("broken")
            super().on_request(handle, channel, request_id, message)

    failing = Failing()
    listener = await listen(failing)
    other = await (await connect(listener)).open()
    client = await (await connect(listener)).open()
    client.writer.write(client.frames.chunk(READ) + client.frames.chunk(FIND))
    assert await client.error() == StatusCodes.BadInternalError
    assert len(failing.closed) == 1
    other.send(FIND)
    handle, *_ = await failing.requests.get()
    handle.respond(9, b"well")
    assert (await other.frame())[2][16:] == b"well"
    assert failing.requests.empty()
    (record,) = (r for r in caplog.records if r.levelno == logging.ERROR)
    assert "broken" in str(record.exc_info[1])


async def test_a_handler_that_fails_at_the_end_of_one_connection_keeps_the_deadlines_of_others(
    make_config, connect, handler, clock, caplog
):
    class Failing(Handler):
        def on_closed(self, handle: Any) -> None:
            raise RuntimeError("broken")

    failing = Failing()
    config = make_config(tick_interval_s=0.01, message_timeout_s=5.0)
    listener = Listener("127.0.0.1", 0, config, failing, clock=clock)
    await listener.start()
    truncated = await (await connect(listener)).open()
    truncated.writer.write(truncated.frames.chunk(READ)[:-1])
    silent = await connect(listener)
    await until(lambda: listener.connections == 2)
    async with asyncio.timeout(10):
        clock.now_s += 6
        assert await truncated.error() == StatusCodes.BadTimeout
        clock.now_s += 6
        assert await silent.error() == StatusCodes.BadTimeout
    await listener.stop()
    assert "broken" in caplog.text


async def test_a_port_in_use_is_named_with_what_to_do(listen, make_config, handler):
    listener = await listen(handler)
    second = Listener("127.0.0.1", listener.port, make_config(), handler)
    with pytest.raises(ListenError) as refused:
        await second.start()
    assert str(refused.value) == (
        f"cannot listen on opc.tcp://127.0.0.1:{listener.port}: another program uses port"
        f" {listener.port}. Stop it or choose another port (`--port`, or `opcua.port` in the site"
        " file; 0 takes a free one)"
    )
    await second.stop()


async def test_an_address_of_another_host_is_named(make_config, handler):
    with pytest.raises(ListenError) as refused:
        await Listener("192.0.2.1", 0, make_config(), handler).start()
    assert str(refused.value) == (
        "cannot listen on opc.tcp://192.0.2.1:0: 192.0.2.1 is no address of this machine; set"
        " `opcua.host` in the site file (0.0.0.0 is every network)"
    )


async def test_stopping_tells_every_client(listen, connect, handler):
    listener = await listen(handler)
    clients = [await connect(listener), await (await connect(listener)).open()]
    await until(lambda: listener.connections == 2)
    started = time.monotonic()
    await listener.stop()
    assert time.monotonic() - started < 0.5
    for client in clients:
        assert await client.error() == StatusCodes.BadServerHalted
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", listener.port)
    assert len(handler.closed) == 1
    await listener.stop()


async def test_stopping_takes_less_than_a_second_whatever_a_client_does(listen, connect, handler):
    listener = await listen(handler, write_high_water=1 << 16)
    client = await (await connect(listener, limit=1024)).open()
    client.send(READ)
    handle, *_ = await handler.requests.get()
    handle.respond(9, bytes(32 << 20))  # more than any socket takes by itself
    started = time.monotonic()
    await listener.stop()
    assert time.monotonic() - started < 1.0
    await until(lambda: listener.connections == 0)


# Part 4, 5.6.2: reclaim, do not refuse.
async def test_the_oldest_connection_without_a_session_gives_way(listen, connect, handler):
    listener = await listen(handler, max_connections=3)
    clients = []
    for _ in range(3):
        client = await (await connect(listener)).open()
        client.send(READ)
        handle, *_ = await handler.requests.get()
        clients.append((client, handle))
    clients[0][1].set_session_active(True)
    newcomer = await (await connect(listener)).open()
    assert await clients[1][0].error() == StatusCodes.BadTcpNotEnoughResources
    assert handler.closed == [clients[1][1]]
    newcomer.send(READ)
    await handler.requests.get()
    await until(lambda: listener.connections == 3)
    assert (listener.counters.reclaimed, listener.counters.refused) == (1, 0)


async def test_connections_with_sessions_are_not_given_up(listen, connect, handler):
    listener = await listen(handler, max_connections=1)
    client = await (await connect(listener)).open()
    client.send(READ)
    handle, *_ = await handler.requests.get()
    handle.set_session_active(True)
    newcomer = await connect(listener)
    assert await newcomer.error() == StatusCodes.BadTcpServerTooBusy
    assert listener.counters.refused == 1
    handle.respond(9, b"still here")
    assert (await client.frame())[2][16:] == b"still here"


async def test_a_client_that_does_not_read_is_not_read_from(listen, connect, handler):
    listener = await listen(handler, write_high_water=1 << 16)
    client = await (await connect(listener, limit=1024)).open()
    client.send(READ)
    handle, *_ = await handler.requests.get()
    assert handle.writable
    handle.respond(9, bytes(32 << 20))
    assert not handle.writable
    client.send(READ, 10)
    await client.writer.drain()
    other = await (await connect(listener)).open()
    other.send(FIND)
    _, _, _, message = await handler.requests.get()
    assert message == FIND  # the other client's; the first one's waits in its socket
    received = 0
    while received < 32 << 20:
        received += len((await client.frame())[2]) - 16
    _, _, request_id, _ = await handler.requests.get()
    assert request_id == 10
    assert handle.writable


async def test_a_thousand_requests_of_one_client_do_not_hold_up_another(listen, connect):
    """Each request takes a millisecond of a working time of 5 ms in each pass of the loop."""
    worked = itertools.count()
    order: list[Any] = []

    class Slow(Handler):
        def on_request(self, handle: Any, channel: Any, request_id: int, message: bytes) -> None:
            order.append(handle)
            super().on_request(handle, channel, request_id, message)

    slow = Slow()
    listener = await listen(slow, slice_s=0.005, work_clock=lambda: next(worked) / 1000)
    other = await (await connect(listener)).open()
    greedy = await (await connect(listener)).open()
    greedy.writer.write(b"".join(greedy.frames.chunk(READ) for _ in range(1000)))
    other.send(FIND)
    first, *_ = await slow.requests.get()
    await until(lambda: {*order} != {first} or len(order) == 1000)
    assert len(order) < 500
    await until(lambda: len(order) == 1001)


async def test_requests_that_wait_for_their_turn_stop_the_reading(listen, connect, handler):
    """What a client may make the server hold is one read, not all that it sends."""
    listener = await listen(handler, slice_s=0.0)  # one thing in each pass
    client = await (await connect(listener)).open()
    client.writer.write(b"".join(client.frames.chunk(READ) for _ in range(20_000)))
    await handler.requests.get()
    (connection,) = listener._connections
    assert not connection._transport.is_reading()
    for _ in range(19_999):
        await handler.requests.get()
    await until(connection._transport.is_reading)


async def test_requests_before_a_goodbye_are_served(listen, connect, handler):
    """A client may close its channel without waiting for the answer to its last request."""
    listener = await listen(handler, slice_s=0.0)
    client = await (await connect(listener)).open()
    chunk = client.frames.chunk
    client.writer.write(chunk(READ, request_id=1) + chunk(FIND, request_id=2))
    client.writer.write(chunk(b"", kind=b"CLO"))
    await until(lambda: handler.closed)
    assert [handler.requests.get_nowait()[2] for _ in range(2)] == [1, 2]
    assert listener.counters.closed == {"Good": 1}


async def test_nothing_is_done_for_a_client_that_is_gone(listen, connect):
    """Else a flood would go on when those who sent it have long left."""

    class Answering(Handler):
        def on_request(self, handle: Any, channel: Any, request_id: int, message: bytes) -> None:
            super().on_request(handle, channel, request_id, message)
            handle.respond(request_id, b"answer")

    handler = Answering()
    listener = await listen(handler, slice_s=0.0)
    client = await (await connect(listener)).open()
    client.writer.write(b"".join(client.frames.chunk(READ) for _ in range(3000)))
    await handler.requests.get()
    client.writer.transport.abort()
    await until(lambda: handler.closed)
    await until(lambda: listener.connections == 0)
    assert handler.requests.qsize() < 2900


async def test_a_client_that_never_reads_is_dropped(listen, connect, handler):
    listener = await listen(handler, max_unsent=8 << 20)
    client = await (await connect(listener, limit=1024)).open()
    client.send(READ)
    handle, *_ = await handler.requests.get()
    for _ in range(4):
        handle.respond(9, bytes(8 << 20))
    assert handler.closed == [handle]
    assert listener.counters.closed == {"BadTcpNotEnoughResources": 1}
    await until(lambda: listener.connections == 0)


async def test_clients_that_do_not_read_may_not_fill_the_memory_together(listen, connect, handler):
    """The one with the most has to go, not the one that comes last."""
    listener = await listen(handler, write_high_water=1 << 16, max_unsent_together=40 << 20)
    handles = []
    for size in (16 << 20, 32 << 20, 16 << 20):
        client = await (await connect(listener, limit=1024)).open()
        client.send(READ)
        handle, *_ = await handler.requests.get()
        handles.append(handle)
        handle.respond(9, bytes(size))
    await until(lambda: handler.closed)
    assert handler.closed == [handles[1]]
    assert listener.counters.closed == {"BadTcpNotEnoughResources": 1}


async def test_half_open_connections_end_at_their_deadline(make_config, connect, handler, clock):
    listener = Listener("127.0.0.1", 0, make_config(tick_interval_s=0.01), handler, clock=clock)
    await listener.start()
    silent = await connect(listener)
    truncated = await (await connect(listener)).open()
    truncated.writer.write(truncated.frames.chunk(READ)[:-1])
    healthy = await (await connect(listener)).open()
    await until(lambda: listener.connections == 3)
    clock.now_s += 10
    assert await silent.error() == StatusCodes.BadTimeout
    clock.now_s += 20
    assert await truncated.error() == StatusCodes.BadTimeout
    healthy.send(READ)
    await handler.requests.get()
    await listener.stop()


async def test_a_flood_of_bad_clients_is_counted_and_makes_one_log_line(
    listen, connect, handler, caplog
):
    caplog.set_level(logging.INFO)
    listener = await listen(handler)
    for _ in range(30):
        client = await connect(listener)
        client.writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01")  # TLS
        await client.error()
    assert listener.counters.closed == {"BadTcpMessageTypeInvalid": 30}
    (record,) = (r for r in caplog.records if r.name.startswith("biogate"))
    assert record.status == "BadTcpMessageTypeInvalid"
    assert record.address.startswith("127.0.0.1:")


async def test_the_next_line_says_how_many_were_kept_back(
    make_config, connect, handler, clock, caplog
):
    listener = Listener("127.0.0.1", 0, make_config(), handler, clock=clock)
    await listener.start()
    for number in range(4):
        clock.now_s += 60 if number == 3 else 0
        client = await connect(listener)
        client.writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01")
        await client.error()
    await listener.stop()
    lines = [r for r in caplog.records if r.name.startswith("biogate")]
    assert [line.lines_left_out for line in lines] == [0, 2]
