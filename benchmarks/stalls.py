"""How long one request of one client holds the event loop, at the limits that are published.

    python -m benchmarks.stalls [--only NAME]

Runs the front end in this process without sockets, gives it the largest request of each service
that its limits allow, and prints the longest time that the loop was held by a single step while
the request was worked on, beside what the request took altogether. Whoever else is connected
waits for that long at the most. Steps are timed in CPU
seconds, on asyncio's own loop, whose steps can be timed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.load.asyncua_types import encoded, ua
from benchmarks.served.front_end import NoUsers, TableCommands
from benchmarks.served.pki import OpenPki
from benchmarks.served.space import BenchSpace
from biogate.opcua.codec import decode_message
from biogate.opcua.config import FrontEndConfig, Limits
from biogate.opcua.front_end import FrontEnd
from biogate.opcua.transport.interfaces import ChannelInfo
from biogate.opcua.transport.policies import NONE_URI
from biogate_security.role_policy import RULES, RolePolicy

LIMITS = Limits()
VARIABLES = LIMITS.max_monitored_items_per_subscription
_GOAL_MS = 20.0


@dataclass(eq=False)
class Connection:
    """A connection that keeps the answers."""

    channel: ChannelInfo
    answers: dict[int, asyncio.Future[bytes]] = field(default_factory=dict)
    writable: bool = True
    max_response_size: int = 1 << 30

    def respond(self, request_id: int, body: bytes) -> None:
        """Take an answer."""
        self.answers.pop(request_id).set_result(body)

    def set_session_active(self, active: bool) -> None:
        """Nothing depends on it here."""

    def close(self, status: int, reason: str = "") -> None:
        """The server never should."""
        raise RuntimeError(f"closed: {status:#x} {reason}")


class Steps:
    """The longest step of the event loop, in CPU seconds; `worst_s` leaves the client's out."""

    def __init__(self) -> None:
        self.longest_s = self.worst_s = 0.0

    def count(self) -> None:
        """The steps since `forget` were the server's."""
        self.worst_s = max(self.worst_s, self.longest_s)

    def forget(self) -> None:
        """The steps so far were the client's."""
        self.longest_s = 0.0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Time every step of asyncio's loop."""
        run = asyncio.Handle._run

        def timed(handle: asyncio.Handle) -> None:
            begun = time.thread_time()
            run(handle)
            self.longest_s = max(self.longest_s, time.thread_time() - begun)

        asyncio.Handle._run = timed  # type: ignore[method-assign]
        try:
            yield
        finally:
            asyncio.Handle._run = run  # type: ignore[method-assign]


class Client:
    """One session of the front end."""

    def __init__(self, front_end: FrontEnd, number: int, steps: Steps) -> None:
        self._front_end = front_end
        self.steps = steps
        channel = ChannelInfo(
            number, NONE_URI, ua.MessageSecurityMode.None_, None, "127.0.0.1:1", "opc.tcp://x"
        )
        self._connection = Connection(channel)
        self._token = ua.NodeId()
        self._requests = 0

    async def ask(self, request: Any) -> Any:
        """The decoded response."""
        self._requests += 1
        request.RequestHeader.AuthenticationToken = self._token
        request.RequestHeader.RequestHandle = self._requests
        answer = asyncio.get_running_loop().create_future()
        self._connection.answers[self._requests] = answer
        body = encoded(request)

        def arrive() -> None:
            self._front_end.dispatcher.on_request(
                self._connection, self._connection.channel, self._requests, body
            )

        await asyncio.sleep(0)
        self.steps.forget()
        asyncio.get_running_loop().call_soon(arrive)
        body = await answer
        self.steps.count()
        return decode_message(body)

    async def wait(self, seconds: float) -> None:
        """Let the server work."""
        await asyncio.sleep(0)
        self.steps.forget()
        await asyncio.sleep(seconds)
        self.steps.count()

    async def open(self) -> None:
        """Create and activate the session."""
        created = await self.ask(ua.CreateSessionRequest())
        self._token = created.Parameters.AuthenticationToken
        await self.ask(ua.ActivateSessionRequest())

    async def subscribe(self, nodes: list[Any]) -> int:
        """A subscription with an item for each node."""
        created = await self.ask(subscription())
        number = int(created.Parameters.SubscriptionId)
        for start in range(0, len(nodes), LIMITS.max_monitored_items_per_call):
            part = nodes[start : start + LIMITS.max_monitored_items_per_call]
            await self.ask(items(number, part))
        return number


def subscription() -> Any:
    """A CreateSubscription request."""
    request = ua.CreateSubscriptionRequest()
    request.Parameters.RequestedPublishingInterval = 100.0
    request.Parameters.RequestedLifetimeCount = 10_000
    request.Parameters.RequestedMaxKeepAliveCount = 10
    request.Parameters.PublishingEnabled = True
    return request


def items(number: int, nodes: list[Any]) -> Any:
    """A CreateMonitoredItems request."""
    request = ua.CreateMonitoredItemsRequest()
    request.Parameters.SubscriptionId = number
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    request.Parameters.ItemsToCreate = [
        ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(node, ua.AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=handle, SamplingInterval=100.0, QueueSize=10, DiscardOldest=True
            ),
        )
        for handle, node in enumerate(nodes)
    ]
    return request


@dataclass
class Bench:
    """What the cases are given: the front end, a client, the variables, and their policy."""

    front_end: FrontEnd
    client: Client
    nodes: list[Any]
    policy: RolePolicy


Case = Callable[..., Any]
CASES: dict[str, tuple[Case, Case]] = {}
"""Name → what is prepared unwatched (its result goes to the second), and what is watched."""


async def _nothing(bench: Bench) -> None:
    """Nothing to prepare."""


def case(name: str, prepare: Case = _nothing) -> Callable[[Case], Case]:
    """Register what is watched."""

    def register(run: Case) -> Case:
        CASES[name] = (prepare, run)
        return run

    return register


def _most(nodes: list[Any]) -> list[Any]:
    return nodes[: LIMITS.max_nodes_per_read]


@case("Read, 10,000 nodes")
async def _read(bench: Bench, _: Any = None) -> None:
    request = ua.ReadRequest()
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    request.Parameters.NodesToRead = [
        ua.ReadValueId(node, ua.AttributeIds.Value) for node in _most(bench.nodes)
    ]
    await bench.client.ask(request)


@case("Read, 10,000 BrowseNames")
async def _read_names(bench: Bench, _: Any = None) -> None:
    request = ua.ReadRequest()
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    request.Parameters.NodesToRead = [
        ua.ReadValueId(node, ua.AttributeIds.BrowseName) for node in _most(bench.nodes)
    ]
    await bench.client.ask(request)


@case("Write, 1,000 nodes")
async def _write(bench: Bench, _: Any = None) -> None:
    request = ua.WriteRequest()
    request.Parameters.NodesToWrite = [
        ua.WriteValue(node, ua.AttributeIds.Value, "", ua.DataValue(ua.Variant(1.0)))
        for node in bench.nodes[: LIMITS.max_nodes_per_write]
    ]
    await bench.client.ask(request)


@case("Browse, 1,000 times the folder of all")
async def _browse(bench: Bench, _: Any = None) -> None:
    request = ua.BrowseRequest()
    request.Parameters.NodesToBrowse = [
        ua.BrowseDescription(
            NodeId=ua.NodeId("Vars", bench.nodes[0].NamespaceIndex), ResultMask=0x3F
        )
        for _ in range(LIMITS.max_nodes_per_browse)
    ]
    await bench.client.ask(request)


@case("CreateMonitoredItems, 10,000", lambda bench: bench.client.ask(subscription()))
async def _create_items(bench: Bench, created: Any) -> None:
    number = created.Parameters.SubscriptionId
    await bench.client.ask(items(number, bench.nodes[: LIMITS.max_monitored_items_per_call]))


async def _subscribed(bench: Bench) -> tuple[int, list[int]]:
    created = await bench.client.ask(subscription())
    number = created.Parameters.SubscriptionId
    response = await bench.client.ask(
        items(number, bench.nodes[: LIMITS.max_monitored_items_per_call])
    )
    return number, [result.MonitoredItemId for result in response.Results]


@case("ModifyMonitoredItems, 10,000", _subscribed)
async def _modify_items(bench: Bench, subscribed: Any) -> None:
    request = ua.ModifyMonitoredItemsRequest()
    request.Parameters.SubscriptionId = subscribed[0]
    request.Parameters.ItemsToModify = [
        ua.MonitoredItemModifyRequest(
            MonitoredItemId=item,
            RequestedParameters=ua.MonitoringParameters(SamplingInterval=200.0, QueueSize=5),
        )
        for item in subscribed[1]
    ]
    await bench.client.ask(request)


@case("SetMonitoringMode, 10,000", _subscribed)
async def _set_mode(bench: Bench, subscribed: Any) -> None:
    request = ua.SetMonitoringModeRequest()
    request.Parameters.SubscriptionId = subscribed[0]
    request.Parameters.MonitoringMode = ua.MonitoringMode.Sampling
    request.Parameters.MonitoredItemIds = subscribed[1]
    await bench.client.ask(request)


@case("DeleteMonitoredItems, 10,000", _subscribed)
async def _delete_items(bench: Bench, subscribed: Any) -> None:
    request = ua.DeleteMonitoredItemsRequest()
    request.Parameters.SubscriptionId = subscribed[0]
    request.Parameters.MonitoredItemIds = subscribed[1]
    await bench.client.ask(request)


@case("DeleteSubscriptions, 25,000 items", lambda bench: bench.client.subscribe(bench.nodes))
async def _delete_subscription(bench: Bench, number: int) -> None:
    request = ua.DeleteSubscriptionsRequest()
    request.Parameters.SubscriptionIds = [number]
    await bench.client.ask(request)


async def _all_items(bench: Bench) -> list[Client]:
    clients = []
    for number in range(LIMITS.max_monitored_items // VARIABLES):
        clients.append(Client(bench.front_end, 90 + number, bench.client.steps))
        await clients[-1].open()
        await clients[-1].subscribe(bench.nodes)
    return clients


@case("CloseSession of all, 200,000 items", _all_items)
async def _close_sessions(bench: Bench, clients: list[Client]) -> None:
    for client in clients:
        await client.ask(ua.CloseSessionRequest(DeleteSubscriptions=True))
    await bench.client.wait(0.5)


@case("a change of the rights, 200,000 items", _all_items)
async def _rights(bench: Bench, clients: list[Client]) -> None:
    bench.policy.allow_anonymous("read")
    await bench.client.wait(3)


async def _run(only: str) -> None:
    space = BenchSpace(VARIABLES, tree=False)
    policy = RolePolicy("read", rules=RULES)
    config = FrontEndConfig("urn:stalls", port=0, security=("None",))
    with tempfile.TemporaryDirectory() as folder:
        pki = OpenPki.made_in(Path(folder))
    front_end = FrontEnd(
        config, space.space, space.table, TableCommands(space.table), policy, NoUsers(), pki
    )
    await front_end.start()
    nodes = [ua.NodeId(f"Var{n}", space.namespace) for n in range(VARIABLES)]
    gc.freeze()
    steps = Steps()
    try:
        for number, (name, (prepare, run)) in enumerate(CASES.items()):
            if only not in name:
                continue
            client = Client(front_end, number + 1, steps)
            await client.open()
            bench = Bench(front_end, client, nodes, policy)
            prepared = await prepare(bench)
            await asyncio.sleep(0.2)
            steps.worst_s = 0.0
            begun = time.perf_counter()
            with steps.watched():
                await run(bench, prepared)
            took_ms, longest_ms = (time.perf_counter() - begun) * 1000, steps.worst_s * 1000
            mark = "" if longest_ms <= _GOAL_MS else f"  over the goal of {_GOAL_MS:g} ms"
            print(f"{name:40} {took_ms:8.0f} ms, held {longest_ms:6.1f} ms{mark}", flush=True)
            await client.ask(ua.CloseSessionRequest(DeleteSubscriptions=True))
            await asyncio.sleep(0.5)
    finally:
        await front_end.stop()


def main(only: str = "") -> None:
    """Run the cases whose name has `only` in it, and print a line for each."""
    logging.disable(logging.WARNING)
    asyncio.run(_run(only))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stalls",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    main(parser.parse_args().only)
