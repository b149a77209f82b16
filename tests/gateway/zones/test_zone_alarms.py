"""Alarms, audit events and signatures on a site with zones: each zone hears of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from e2e.certificates import client_identity

from biogate import Gateway
from biogate_security.audit_store.query import query_log

pytestmark = pytest.mark.asyncio(loop_scope="module")
URI = "urn:test:zone-client"
S = ua.StatusCodes
SIGNATURES = """
signatures:
  - {on: [cell/Cell/Recipe], second_person: true, meaning: [responsibility, approval]}
"""


class Heard:
    def __init__(self) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()

    def event_notification(self, event: Any) -> None:
        self.events.put_nowait(event)


@pytest.fixture(scope="module")
def signed_site(zones_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site file, where changes of the recipe are signed for."""
    site = tmp_path_factory.mktemp("signed-site") / "site.yaml"
    site.write_text(zones_site.read_text(encoding="utf-8") + SIGNATURES, encoding="utf-8")
    return site


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["in_process", "processes"])
async def gateway(
    request: pytest.FixtureRequest, running: Any, signed_site: Path
) -> AsyncIterator[Gateway]:
    async with running(request.param, signed_site) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return client_identity(tmp_path_factory.mktemp("identity"), URI)


@pytest.fixture(scope="module")
def secured(gateway: Gateway, client_of: Any, identity: Any) -> Callable[..., Any]:
    """`await secured(zone, user)`: an encrypted client, not connected yet."""

    async def make(zone: str, user: str) -> Client:
        client: Client = client_of(gateway, zone, user)
        client.application_uri = URI
        await client.set_security(SecurityPolicyBasic256Sha256, *identity)
        return client

    return make


async def listen(client: Client) -> tuple[Heard, int]:
    heard = Heard()
    namespace = await client.get_namespace_index("urn:biogate:security")
    subscription = await client.create_subscription(50, heard)
    await subscription.subscribe_events(
        ua.ObjectIds.Server,
        [
            ua.NodeId("SecurityAlarmEventType", namespace),
            ua.NodeId("AuditedWriteEventType", namespace),
        ],
    )
    return heard, namespace


async def variable(client: Client, section: str, name: str) -> Any:
    namespace = await client.get_namespace_index(f"urn:test:{section}")
    return client.get_node(ua.NodeId(name, namespace))


async def refused(work: Any) -> int:
    with pytest.raises(ua.UaStatusCodeError) as error:
        await work
    return error.value.code


async def test_a_refused_crossing_is_recorded_and_alarmed_where_it_was_tried_to(
    gateway: Gateway, secured: Any
) -> None:
    """IEC 62443-3-3, SR 5.2 and 6.1."""
    async with (
        asyncio.timeout(30),
        await secured("cell", "boss") as cell,
        await secured("dmz", "mes") as dmz,
    ):
        heard, _ = await listen(cell)
        outside, _ = await listen(dmz)
        shared = await variable(dmz, "cell", "Shared")
        assert await refused(shared.write_value(99.0)) == S.BadOutOfRange
        event = await heard.events.get()
        while event.EventType.Identifier != "RefusedCrossingAlarmEventType":
            event = await heard.events.get()
        assert (event.Zone, event.Conduit, event.Active) == ("dmz", "dmz-to-cell", True)
        assert "dmz to cell" in event.Message.Text
        order = await variable(dmz, "office", "Order")
        await order.write_value(6.0)
        seen = outside.events
        assert seen.empty()
    records = [stored.record for stored in query_log(gateway._data / "audit")]
    denied = [record for record in records if record.event == "write-refused"][-1]
    assert (denied.user, denied.zone, denied.conduit) == ("mes", "dmz", "dmz-to-cell")


async def test_sessions_of_a_zone_are_recorded_with_the_zone(
    gateway: Gateway, secured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gateway._storage is not None
    closed: asyncio.Queue[str] = asyncio.Queue()
    monkeypatch.setattr(
        gateway._storage.audit, "on_record", lambda record: closed.put_nowait(record.event)
    )
    async with asyncio.timeout(30):
        async with await secured("dmz", "mes") as dmz:
            await dmz.nodes.server_state.read_value()
        while await closed.get() != "session-closed":
            pass
    records = [stored.record for stored in query_log(gateway._data / "audit")]
    of_zone = {record.event for record in records if record.zone == "dmz"}
    assert of_zone >= {"channel-opened", "session-created", "session-activated", "session-closed"}


async def test_a_change_is_signed_for_and_approved_in_a_zone(
    gateway: Gateway, secured: Any
) -> None:
    """21 CFR 11.50 and 11.200: the core asks for the passwords, the zone only passes them on."""
    async with (
        asyncio.timeout(30),
        await secured("cell", "op") as op,
        await secured("cell", "boss") as boss,
    ):
        heard, namespace = await listen(boss)
        recipe = await variable(op, "cell", "Recipe")
        assert await refused(recipe.write_value("perfusion")) == S.BadUserAccessDenied

        def desk(client: Client) -> Any:
            return client.get_node(ua.NodeId("ElectronicSignatures", namespace))

        change_id, status = await desk(op).call_method(
            f"{namespace}:RequestChange",
            recipe.nodeid,
            ua.Variant("perfusion", ua.VariantType.String),
            "new process",
            "responsibility",
            gateway.first_passwords["op"],
        )
        assert status.value == S.GoodCompletesAsynchronously
        result = await desk(boss).call_method(
            f"{namespace}:ApproveChange", change_id, "approval", gateway.first_passwords["boss"]
        )
        assert result.value == S.Good
        assert await recipe.read_value() == "perfusion"
        event = await heard.events.get()
        while getattr(event, "Reason", None) != "new process":
            event = await heard.events.get()
        assert (event.ClientUserId, event.SecondUserId) == ("op", "boss")
    records = [stored.record for stored in query_log(gateway._data / "audit")]
    written = [record for record in records if record.event == "write"][-1]
    assert (written.user, written.second_user, written.reason) == ("op", "boss", "new process")
    assert gateway.first_passwords["op"] not in repr(records)
