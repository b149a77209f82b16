"""1,000 Doubles at 10 Hz to 5 clients: server CPU seconds per million delivered values.

Each server runs in a process of its own and changes its values itself. The five clients share
one more process: asyncua's client sets them up, then they send Publish requests and count the
notifications in the answers without decoding them, the same way for both servers. Values carry
both timestamps; the sampling interval is 0 and queues hold 10, so that every change counts.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import psutil
from asyncua import Client, Server, ua

from benchmarks._plain_front_end import may_change, serve_with_biogate

TAGS = 1000
RATE_HZ = 10
CLIENTS = 5
WARM_UP_S = 3.0
MEASURED_S = 15.0
PUBLISH_REQUESTS = 4


# -- clients ------------------------------------------------------------------------------------


class Subscriber:
    """One connection that counts what it is sent."""

    def __init__(self, url: str) -> None:
        self._client = Client(url, timeout=60, watchdog_intervall=3600)
        self.delivered = 0

    async def start(self) -> None:
        """Connect, subscribe to every tag and keep Publish requests waiting."""
        await self._client.connect()
        create = ua.CreateSubscriptionRequest()
        create.Parameters.RequestedPublishingInterval = 100.0
        create.Parameters.RequestedLifetimeCount = 10_000
        create.Parameters.RequestedMaxKeepAliveCount = 50
        create.Parameters.PublishingEnabled = True
        answer = await self._ask(create)
        subscription = struct.unpack_from("<I", answer, _after_header(answer))[0]
        namespace = await self._client.get_namespace_index("urn:benchmark")
        items = ua.CreateMonitoredItemsRequest()
        items.Parameters.SubscriptionId = subscription
        items.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        items.Parameters.ItemsToCreate = [
            ua.MonitoredItemCreateRequest(
                ua.ReadValueId(ua.NodeId(f"t{n}", namespace), ua.AttributeIds.Value),
                ua.MonitoringMode.Reporting,
                ua.MonitoringParameters(ClientHandle=n, SamplingInterval=0.0, QueueSize=10),
            )
            for n in range(TAGS)
        ]
        await self._ask(items)
        self._tasks = [asyncio.create_task(self._publish()) for _ in range(PUBLISH_REQUESTS)]

    async def _ask(self, request: object) -> bytes:
        answer = await self._client.uaclient.protocol.send_request(request, timeout=60)
        return bytes(answer.read(len(answer)))

    async def _publish(self) -> None:
        acknowledge: list[ua.SubscriptionAcknowledgement] = []
        while True:
            request = ua.PublishRequest()
            request.Parameters.SubscriptionAcknowledgements = acknowledge
            subscription, sequence, count = _count(await self._ask(request))
            self.delivered += count
            acknowledge = [ua.SubscriptionAcknowledgement(subscription, sequence)] * bool(count)


def _after_header(answer: bytes) -> int:
    """Where the parameters begin: after TypeId (4 bytes) and a plain ResponseHeader."""
    strings = struct.unpack_from("<i", answer, 4 + 17)[0]
    if strings > 0 or answer[4 + 16]:
        raise ValueError("a response with diagnostics: this client counts plain ones only")
    return 4 + 8 + 4 + 4 + 1 + 4 + 3


def _count(answer: bytes) -> tuple[int, int, int]:
    """Subscription, sequence number and notifications of a PublishResponse."""
    at = _after_header(answer)
    subscription, available = struct.unpack_from("<Ii", answer, at)
    at += 8 + 4 * max(available, 0) + 1
    sequence, _, notifications = struct.unpack_from("<Iqi", answer, at)
    if notifications < 1:
        return subscription, sequence, 0
    return subscription, sequence, struct.unpack_from("<i", answer, at + 16 + 9)[0]


async def run_clients(url: str) -> None:
    """Say how much was delivered so far, each time a line comes in."""
    subscribers = [Subscriber(url) for _ in range(CLIENTS)]
    for subscriber in subscribers:
        await subscriber.start()
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(sum(s.delivered for s in subscribers), flush=True)


# -- servers ------------------------------------------------------------------------------------


async def serve_with_asyncua(port: int) -> None:
    """The peer: values are written by its quickest way, straight into the address space."""
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:benchmark")
    folder = await server.nodes.objects.add_folder(index, "tags")
    nodes = [
        (await folder.add_variable(ua.NodeId(f"t{n}", index), f"t{n}", 0.0)).nodeid
        for n in range(TAGS)
    ]
    async with server:
        await may_change()
        number = 0
        next_s = asyncio.get_running_loop().time()
        while True:
            number += 1
            now = datetime.now(UTC)
            for node in nodes:
                value = ua.Variant(float(number), ua.VariantType.Double)
                await server.write_attribute_value(
                    node, ua.DataValue(value, SourceTimestamp=now, ServerTimestamp=now)
                )
            next_s = max(next_s + 1 / RATE_HZ, asyncio.get_running_loop().time())
            await asyncio.sleep(next_s - asyncio.get_running_loop().time())


# -- measuring ----------------------------------------------------------------------------------


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """One of this module's processes, from when it is ready until the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.subscriptions",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        if await process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"{arguments[0]} ended with code {await process.wait()}")
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def delivered(clients: asyncio.subprocess.Process) -> int:
    """What the clients have counted up to now."""
    clients.stdin.write(b"\n")
    return int(await clients.stdout.readline())


async def measure(kind: str) -> dict[str, float]:
    """CPU seconds and delivered values of one server over MEASURED_S."""
    port = free_port()
    async with (
        running(kind, str(port)) as server,
        running("clients", f"opc.tcp://127.0.0.1:{port}") as clients,
    ):
        server.stdin.write(b"\n")
        await asyncio.sleep(WARM_UP_S)
        process = psutil.Process(server.pid)
        cpu, count = sum(process.cpu_times()[:2]), await delivered(clients)
        await asyncio.sleep(MEASURED_S)
        cpu, count = sum(process.cpu_times()[:2]) - cpu, await delivered(clients) - count
    return {"cpu_s": cpu, "delivered": count, "cpu_s_per_million": cpu / count * 1e6}


def report(name: str, result: dict[str, float]) -> None:
    """One line."""
    share = result["delivered"] / (TAGS * RATE_HZ * CLIENTS * MEASURED_S)
    print(
        f"  {name:8} {result['cpu_s_per_million']:8.2f} CPU s per million values"
        f"   {result['cpu_s'] / MEASURED_S:6.1%} of a core   {share:6.1%} of the changes delivered"
    )


async def run() -> None:
    """Print both and their ratio."""
    theirs = await measure("asyncua")
    report("asyncua", theirs)
    ours = await measure("biogate")
    report("biogate", ours)
    ratio = theirs["cpu_s_per_million"] / ours["cpu_s_per_million"]
    print(f"  biogate needs {ratio:.0f} times less")


def main() -> None:
    """Run the benchmark."""
    asyncio.run(run())


def _child(kind: str, argument: str) -> None:
    if kind == "clients":
        asyncio.run(run_clients(argument))
    elif kind == "asyncua":
        asyncio.run(serve_with_asyncua(int(argument)))
    else:
        asyncio.run(serve_with_biogate(int(argument), TAGS, RATE_HZ))


if __name__ == "__main__":
    _child(*sys.argv[1:])
