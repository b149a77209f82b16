"""Conduits that open and close, windows that end, and a model that is held to its bounds.

IEC 62443-3-3, SR 5.2 RE 1 (deny by default) and RE 2 (island mode), SR 2.1, SR 2.8.
"""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import Client, Node, ua

from biogate import Gateway, WriteRefusedError
from biogate_security.audit_store.query import query_log
from biogate_security.policy import Subject

pytestmark = pytest.mark.asyncio(loop_scope="module")
S = ua.StatusCodes
SITE = """
biogate: 1
enterprise: Acme
site: Hall 5
area: USP
process_cell: Train 1
users:
  op: {roles: [Operator]}
  mes: {roles: [Observer]}
  adviser: {roles: [Operator]}
opcua: {security_policies: ["None", Basic256Sha256], trust_any_client: true}
nodes:
  cell:
    namespace: urn:test:cell
    objects:
      Cell:
        variables:
          Feed: {type: Double, value: 10, writable: true}
          Base: {type: Double, value: 10, writable: true}
        methods:
          Purge: {outputs: {done: {type: Boolean, expression: 1 > 0}}}
zones:
  cell:
    sections: [cell]
    users: [op]
    opcua: {port: 0, security_policies: ["None"], anonymous: none}
  dmz: {users: [mes], opcua: {port: 0, security_policies: ["None"]}}
  model: {kind: model, users: [adviser], opcua: {port: 0, security_policies: ["None"]}}
conduits:
  up:
    from: dmz
    to: cell
    allow:
      - {actions: [browse, read, subscribe]}
  advice:
    from: model
    to: cell
    allow:
      - {actions: [browse, read, subscribe]}
      - {actions: [call], rate_per_minute: 2}
      - actions: [write]
        on: [cell/Cell/Feed]
        bounds: {cell/Cell/Feed: {low: 0, high: 60, max_step: 5}}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("conduits") / "site.yaml"
    path.write_text(textwrap.dedent(SITE), encoding="utf-8")
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["processes", "in_process"])
async def gateway(
    request: pytest.FixtureRequest, running: Any, site: Path
) -> AsyncIterator[Gateway]:
    async with running(request.param, site) as gateway:
        yield gateway


Connect = Callable[..., Client]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dmz(gateway: Gateway, client_of: Connect) -> AsyncIterator[Client]:
    async with client_of(gateway, "dmz", "mes") as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cell(gateway: Gateway, client_of: Connect) -> AsyncIterator[Client]:
    async with client_of(gateway, "cell", "op") as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model(gateway: Gateway, client_of: Connect) -> AsyncIterator[Client]:
    async with client_of(gateway, "model", "adviser") as client:
        yield client


async def node(client: Client, name: str) -> Node:
    index = await client.get_namespace_index("urn:test:cell")
    return client.get_node(f"ns={index};s={name}")


async def status_of(asked: Awaitable[Any]) -> int:
    try:
        await asked
    except ua.UaStatusCodeError as refused:
        return int(refused.code)
    return int(S.Good)


class Heard:
    """What a subscription delivered: statuses of values, and events."""

    def __init__(self) -> None:
        self.codes: asyncio.Queue[int] = asyncio.Queue()
        self.events: asyncio.Queue[str] = asyncio.Queue()

    def datachange_notification(self, _node: Node, _value: Any, data: Any) -> None:
        self.codes.put_nowait(data.monitored_item.Value.StatusCode.value)

    def event_notification(self, event: Any) -> None:
        self.events.put_nowait(event.Message.Text)


async def until_read(asked: Node, code: int) -> None:
    """The zone's process hears of a change of conduits a moment later."""
    async with asyncio.timeout(5):
        while await status_of(asked.read_value()) != code:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_closing_a_conduit_ends_what_crosses_it_and_nothing_else(
    gateway: Gateway, dmz: Client, cell: Client, model: Client
) -> None:
    there = {name: Heard() for name in ("dmz", "cell")}
    for name, client in (("dmz", dmz), ("cell", cell)):
        subscription = await client.create_subscription(50, there[name])
        await subscription.subscribe_data_change(await node(client, "Feed"))
        assert await asyncio.wait_for(there[name].codes.get(), 5) == S.Good
    feed = await node(dmz, "Feed")
    await gateway.set_conduit_open("up", False, reason="an incident")
    assert await asyncio.wait_for(there["dmz"].codes.get(), 5) == S.BadNodeIdUnknown
    assert await status_of(feed.read_value()) == S.BadNodeIdUnknown
    assert await status_of(feed.read_browse_name()) == S.BadNodeIdUnknown
    for client in (cell, model):
        assert await status_of((await node(client, "Feed")).read_value()) == S.Good
    await gateway.set_conduit_open("up", True, reason="all clear")
    await until_read(feed, S.Good)
    assert await asyncio.wait_for(there["dmz"].codes.get(), 5) == S.Good
    assert there["cell"].codes.empty()


async def test_island_mode_leaves_each_zone_to_itself(
    gateway: Gateway, dmz: Client, cell: Client, model: Client
) -> None:
    asked = [await node(client, "Feed") for client in (dmz, model)]
    await gateway.isolate(reason="an incident")
    try:
        for feed in asked:
            await until_read(feed, S.BadNodeIdUnknown)
        await (await node(cell, "Feed")).write_value(10.0)
        with pytest.raises(WriteRefusedError):
            await gateway.write("cell.Feed", 11.0, subject=_adviser())
    finally:
        for name in ("up", "advice"):
            await gateway.set_conduit_open(name, True, reason="all clear")
    for feed in asked:
        await until_read(feed, S.Good)
    found = [
        (each.record.event, each.record.conduit)
        for each in query_log(gateway._data / "audit")
        if each.record.reason == "an incident"
    ]
    assert {("conduit-closed", "up"), ("conduit-closed", "advice")} <= set(found)


async def test_a_model_turns_a_setpoint_within_its_bounds_only(
    gateway: Gateway, model: Client, cell: Client
) -> None:
    await (await node(cell, "Feed")).write_value(10.0)
    feed = await node(model, "Feed")
    await until_value(feed, 10.0)
    assert await status_of(feed.write_value(14.0)) == S.Good
    assert await status_of(feed.write_value(61.0)) == S.BadOutOfRange
    assert await status_of(feed.write_value(30.0)) == S.BadOutOfRange
    assert gateway.read("cell.Feed").value == 14.0


async def until_value(asked: Node, value: float) -> None:
    async with asyncio.timeout(5):
        while await asked.read_value() != value:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_what_the_model_is_refused_is_recorded_and_alarmed(
    gateway: Gateway, model: Client, cell: Client
) -> None:
    heard = Heard()
    subscription = await cell.create_subscription(50, heard)
    await subscription.subscribe_events()
    base = await node(model, "Base")
    assert await status_of(base.write_value(99.0)) == S.BadUserAccessDenied
    assert "model to cell" in await asyncio.wait_for(heard.events.get(), 5)
    (record,) = [
        each.record
        for each in query_log(gateway._data / "audit")
        if each.record.new == "99.0" and each.record.tag == "cell.Base"
    ]
    assert (record.event, record.user, record.zone) == ("write-refused", "adviser", "model")
    assert (record.conduit, record.rule) == ("advice", "conduit-default-deny")
    assert record.outcome == S.BadUserAccessDenied
    assert gateway.read("cell.Base").value == 10.0


async def test_calls_across_a_conduit_are_counted(model: Client, cell: Client) -> None:
    async def call(client: Client) -> int:
        owner, method = await node(client, "Cell"), await node(client, "Purge")
        return await status_of(owner.call_method(method))

    codes = [await call(model) for _ in range(3)]
    assert codes[0] == S.Good
    assert codes[-1] == S.BadRequestNotAllowed
    assert [await call(cell) for _ in range(3)] == [S.Good] * 3


def _adviser() -> Subject:
    return Subject(
        "adviser",
        frozenset({"AuthenticatedUser", "Operator"}),
        zone="model",
        authentication="UserName",
        security_mode="SignAndEncrypt",
    )


async def test_a_program_is_held_to_the_zone_that_it_says(gateway: Gateway) -> None:
    await gateway.write("cell.Feed", 20.0)
    await gateway.write("cell.Feed", 24.0, subject=_adviser())
    with pytest.raises(WriteRefusedError):
        await gateway.write("cell.Feed", 40.0, subject=_adviser())
    with pytest.raises(WriteRefusedError):
        await gateway.write("cell.Base", 11.0, subject=_adviser())
    assert gateway.read("cell.Feed").value == 24.0
