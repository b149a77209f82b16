"""Conduits opened and closed by people of the zones, over sockets.

IEC 62443-3-3, SR 5.2 RE 2 (island mode), SR 2.1, SR 2.8, SR 1.13 RE 1 (who is reached, approves).
"""

from __future__ import annotations

import asyncio
import json
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from e2e.certificates import client_identity

from biogate import Gateway
from biogate_security.audit import AuditUnavailableError
from biogate_security.audit_store.query import query_log

pytestmark = pytest.mark.asyncio(loop_scope="module")
S = ua.StatusCodes
URI = "urn:test:conduit-client"
ENCRYPTED = ua.MessageSecurityMode.SignAndEncrypt
SITE = """
biogate: 1
enterprise: Acme
site: Hall 6
area: USP
process_cell: Train 1
users:
  op: {roles: [Operator]}
  shift: {roles: [Supervisor]}
  guard: {roles: [SecurityAdmin]}
  mes: {roles: [Observer]}
  office: {roles: [SecurityAdmin]}
opcua: {trust_any_client: true}
nodes:
  cell:
    namespace: urn:test:cell
    objects: {Cell: {variables: {Feed: {type: Double, value: 10, writable: true}}}}
zones:
  cell: {sections: [cell], users: [op, shift, guard], opcua: {port: 0}}
  dmz: {users: [mes, office], opcua: {port: 0}}
  vault: {description: nobody connects here}
  model: {kind: model, users: [office], opcua: {port: 0}}
conduits:
  up: {from: dmz, to: cell, allow: [{actions: [browse, read, subscribe]}]}
  down: {from: cell, to: dmz, allow: [{actions: [browse, read]}]}
  stored: {from: dmz, to: vault, allow: [{actions: [browse, read]}]}
  advice: {from: model, to: dmz, allow: [{actions: [browse, read]}]}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("people") / "site.yaml"
    path.write_text(textwrap.dedent(SITE), encoding="utf-8")
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["processes", "in_process"])
async def gateway(
    request: pytest.FixtureRequest, running: Any, site: Path
) -> AsyncIterator[Gateway]:
    async with running(request.param, site) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return client_identity(tmp_path_factory.mktemp("identity"), URI)


Connect = Callable[..., Awaitable[Client]]


@pytest.fixture(scope="module")
def secured(gateway: Gateway, client_of: Any, identity: Any) -> Connect:
    """`async with await secured(zone, user) as client`; `mode` for one that only signs."""

    async def make(zone: str, user: str, mode: ua.MessageSecurityMode = ENCRYPTED) -> Client:
        client: Client = client_of(gateway, zone, user)
        client.application_uri = URI
        await client.set_security(SecurityPolicyBasic256Sha256, *identity, mode=mode)
        return client

    return make


async def call(client: Client, method: str, *arguments: Any) -> Any:
    namespace = await client.get_namespace_index("urn:biogate:security")
    owner = client.get_node(ua.NodeId("Conduits", namespace))
    return await owner.call_method(f"{namespace}:{method}", *arguments)


async def conduits(client: Client) -> dict[str, bool]:
    texts = await call(client, "ListConduits")
    return {each["name"]: each["open"] for each in map(json.loads, texts)}


async def status_of(asked: Awaitable[Any]) -> int:
    try:
        await asked
    except ua.UaStatusCodeError as refused:
        return int(refused.code)
    return int(S.Good)


async def feed_of(client: Client) -> Any:
    namespace = await client.get_namespace_index("urn:test:cell")
    return client.get_node(f"ns={namespace};s=Feed")


def recorded(gateway: Gateway, reason: str) -> list[tuple[str, str, str | None, str]]:
    records = (stored.record for stored in query_log(gateway._data / "audit"))
    return [(r.event, r.conduit, r.user, r.zone) for r in records if r.reason == reason]


async def test_a_zone_hears_of_the_conduits_that_begin_or_end_there(secured: Connect) -> None:
    async with await secured("cell", "guard") as cell, await secured("dmz", "office") as dmz:
        server = cell.nodes.server
        names = [(await each.read_browse_name()).Name for each in await server.get_children()]
        assert "Conduits" in names
        assert await conduits(cell) == {"up": True, "down": True}
        assert await conduits(dmz) == dict.fromkeys(("up", "down", "stored", "advice"), True)
    async with await secured("model", "office") as model:
        assert await conduits(model) == {"advice": True}


async def test_the_zone_that_is_reached_closes_and_opens_a_conduit(
    gateway: Gateway, secured: Connect
) -> None:
    async with await secured("cell", "guard") as cell, await secured("dmz", "mes") as dmz:
        feed = await feed_of(dmz)
        assert await feed.read_value() == 10.0
        await call(cell, "SetConduit", "up", False, "a look at the historian")
        assert (await conduits(cell))["up"] is False
        await until_read(feed, S.BadNodeIdUnknown)
        await call(cell, "SetConduit", "up", True, "the historian is well")
        await until_read(feed, S.Good)
    assert recorded(gateway, "a look at the historian") == [
        ("conduit-closed", "up", "guard", "cell")
    ]
    assert recorded(gateway, "the historian is well") == [("conduit-opened", "up", "guard", "cell")]


async def until_read(asked: Any, code: int) -> None:
    """The other zone's process hears of a change of conduits a moment later."""
    async with asyncio.timeout(5):
        while await status_of(asked.read_value()) != code:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_who_asks_may_close_a_conduit_and_not_open_it(
    gateway: Gateway, secured: Connect
) -> None:
    async with await secured("dmz", "office") as dmz, await secured("cell", "guard") as cell:
        await call(dmz, "SetConduit", "up", False, "maintenance")
        opened = call(dmz, "SetConduit", "up", True, "maintenance is over")
        assert await status_of(opened) == S.BadRequestNotAllowed
        assert (await conduits(dmz))["up"] is False
        assert recorded(gateway, "cell opens it")[-1] == (
            "conduit-change-refused", "up", "office", "dmz",
        )  # fmt: skip
        await call(cell, "SetConduit", "up", True, "go on")
        # Nobody can log in at the vault, so that dmz has the word of this one.
        await call(dmz, "SetConduit", "stored", False, "an audit")
        await call(dmz, "SetConduit", "stored", True, "the audit is over")
        assert (await conduits(dmz))["stored"] is True


async def test_a_conduit_between_others_is_unknown(secured: Connect) -> None:
    async with await secured("cell", "guard") as cell:
        for name in ("advice", "stored", "no such"):
            for is_open in (True, False):
                asked = call(cell, "SetConduit", name, is_open, "why")
                assert await status_of(asked) == S.BadNotFound


async def test_a_zone_is_an_island_at_once_and_goes_on_within(
    gateway: Gateway, secured: Connect
) -> None:
    """A supervisor may: who stands beside the plant does not wait for an administrator."""
    async with (
        await secured("cell", "shift") as cell,
        await secured("cell", "op") as op,
        await secured("cell", "guard") as guard,
        await secured("dmz", "mes") as dmz,
    ):
        feed = await feed_of(dmz)
        assert await feed.read_value() == 10.0
        try:
            assert await call(cell, "Isolate", "an incident") == ["up", "down"]
            await until_read(feed, S.BadNodeIdUnknown)
            assert await status_of(feed.read_browse_name()) == S.BadNodeIdUnknown
            assert await conduits(cell) == {"up": False, "down": False}
            await (await feed_of(op)).write_value(11.0)
            await (await feed_of(op)).write_value(10.0)
        finally:
            await call(guard, "SetConduit", "up", True, "all clear")
        assert await status_of(call(guard, "SetConduit", "down", True, "why")) == (
            S.BadRequestNotAllowed
        )
        await until_read(feed, S.Good)
    async with await secured("dmz", "office") as dmz:
        assert (await conduits(dmz))["stored"] is True, "it is no conduit of the cell"
        await call(dmz, "SetConduit", "down", True, "all clear")
    assert recorded(gateway, "an incident") == [
        ("conduit-closed", "up", "shift", "cell"),
        ("conduit-closed", "down", "shift", "cell"),
    ]


async def test_others_may_not_and_that_is_recorded(gateway: Gateway, secured: Connect) -> None:
    async with (
        await secured("cell", "op") as op,
        await secured("cell", "shift") as shift,
        await secured("cell", "guard", ua.MessageSecurityMode.Sign) as in_clear,
    ):
        close = ("SetConduit", "up", False, "why")
        assert await status_of(call(op, *close)) == S.BadUserAccessDenied
        assert await status_of(call(op, "Isolate", "why")) == S.BadUserAccessDenied
        assert await status_of(call(op, "ListConduits")) == S.BadUserAccessDenied
        assert await status_of(call(shift, *close)) == S.BadUserAccessDenied
        for method, *arguments in (close, ("Isolate", "why"), ("ListConduits",)):
            asked = call(in_clear, method, *arguments)
            assert await status_of(asked) == S.BadSecurityModeInsufficient
        assert await conduits(shift) == {"up": True, "down": True}
    users = {
        stored.record.user
        for stored in query_log(gateway._data / "audit")
        if stored.record.event == "conduit-change-refused" and stored.record.zone == "cell"
    }
    assert users >= {"op", "shift", "guard"}


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
async def test_a_reason_is_asked_for(secured: Connect, reason: str) -> None:
    async with await secured("cell", "guard") as cell:
        assert await status_of(call(cell, "SetConduit", "up", False, reason)) == (
            S.BadInvalidArgument
        )
        assert await status_of(call(cell, "Isolate", reason)) == S.BadInvalidArgument
        assert await conduits(cell) == {"up": True, "down": True}


async def test_without_a_record_nothing_opens_and_all_closes(
    gateway: Gateway, secured: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IEC 62443-3-3, SR 2.10: a trail that is full must not keep a zone from being cut off."""
    assert gateway._storage is not None
    audit = gateway._storage.audit

    async def full(_: Any) -> Any:
        raise AuditUnavailableError("the disk is full")

    async with await secured("cell", "guard") as cell:
        with monkeypatch.context() as patch:
            patch.setattr(audit, "record", full)
            patch.setattr(audit, "store", full)
            assert await status_of(call(cell, "Isolate", "a breach")) == S.BadResourceUnavailable
            assert await conduits(cell) == {"up": False, "down": False}
            opened = call(cell, "SetConduit", "up", True, "why")
            assert await status_of(opened) == S.BadResourceUnavailable
            assert await conduits(cell) == {"up": False, "down": False}
        await call(cell, "SetConduit", "up", True, "all clear")
    async with await secured("dmz", "office") as dmz:
        await call(dmz, "SetConduit", "down", True, "all clear")


async def test_security_administrators_hear_of_it(secured: Connect) -> None:
    async with await secured("cell", "guard") as cell:
        heard: asyncio.Queue[Any] = asyncio.Queue()

        class Handler:
            def event_notification(self, event: Any) -> None:
                heard.put_nowait(event)

        subscription = await cell.create_subscription(50, Handler())
        await subscription.subscribe_events(
            ua.ObjectIds.Server, [ua.NodeId(ua.ObjectIds.AuditUpdateMethodEventType)]
        )
        await call(cell, "SetConduit", "up", False, "a drill")
        await call(cell, "SetConduit", "up", True, "the drill is over")
        async with asyncio.timeout(10):
            event = await heard.get()
            while event.EventType.Identifier != ua.ObjectIds.AuditUpdateMethodEventType:
                event = await heard.get()
        assert event.MethodId.Identifier == "Conduits.SetConduit"
        assert [each.Value for each in event.InputArguments] == ["up", False, "a drill"]
        assert event.ClientUserId == "guard"
