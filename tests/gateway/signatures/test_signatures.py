"""Electronic signatures as asyncua's client gives them (21 CFR 11.50, 11.70, 11.200, 11.300)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from e2e.certificates import client_identity

from biogate import Gateway, WriteRefusedError
from biogate.site import SiteError, parse_site
from biogate_security.audit_store.query import query_log

SITE = """\
biogate: 1
enterprise: Example Bio
site: Pilot Plant
area: Upstream
process_cell: Cell 1
opcua: {port: 0, anonymous: read, trust_any_client: true}
users:
  ada: {roles: [Operator], description: Ada Lovelace}
  bob: {roles: [Supervisor], description: Bob Boyle}
  eve: {roles: [Observer]}
  admin: {roles: [SecurityAdmin]}
  root: {roles: [SecurityAdmin, Supervisor]}
signatures:
  - {on: [skid/Skid/Critical], second_person: true, meaning: [responsibility, approval]}
  - {on: [skid/Skid/Single], meaning: [responsibility]}
  - {on: [skid/Skid/Add], actions: [call], meaning: [responsibility]}
  - {on: [skid/Skid/Unlock], actions: [call], second_person: true, meaning: [responsibility]}
nodes:
  skid:
    namespace: urn:acme:skid
    objects:
      Skid:
        variables:
          Skid.Critical: {name: Critical, type: Double, value: 37, writable: true,
            range: [0, 50], write_range: [30, 40]}
          Skid.Single: {name: Single, type: Int32, value: 1, writable: true}
          Skid.Free: {name: Free, type: Int32, value: 1, writable: true}
        methods:
          Skid.Add:
            name: Add
            inputs: {a: {type: Int32}}
            outputs: {sum: {type: Int32, expression: a + 1}}
          Skid.Unlock:
            name: Unlock
            inputs: {door: {type: Int32}, password: {type: String}}
            outputs: {number: {type: Int32, expression: door + 1}}
"""
PASSWORDS = {name: f"{name} has a long password" for name in ("ada", "bob", "eve", "admin", "root")}
URI = "urn:test:signing"
S = ua.StatusCodes
WAITS = S.GoodCompletesAsynchronously
pytestmark = pytest.mark.asyncio(loop_scope="module")

Connect = Callable[..., AbstractAsyncContextManager[Client]]


class Heard:
    def __init__(self) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()

    def event_notification(self, event: Any) -> None:
        self.events.put_nowait(event)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("signatures")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(data: Path, nodeset_cache: Path) -> AsyncIterator[Gateway]:
    site = parse_site(SITE.encode(), "site.yaml", folder=data)
    with pytest.MonkeyPatch.context() as patch:
        for name, password in PASSWORDS.items():
            patch.setenv(f"BIOGATE_PASSWORD_{name.upper()}", password)
        async with Gateway(site, data=data, nodesets=nodeset_cache) as gateway:
            yield gateway


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def connect(
    gateway: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Connect]:
    """`async with connect("ada") as client`, encrypted; `mode` for another one."""
    certificate, key = client_identity(tmp_path_factory.mktemp("client"), URI)

    @asynccontextmanager
    async def open_session(
        user: str, mode: ua.MessageSecurityMode = ua.MessageSecurityMode.SignAndEncrypt
    ) -> AsyncIterator[Client]:
        client = Client(gateway.endpoint_url)
        client.application_uri = URI
        client.set_user(user)
        client.set_password(PASSWORDS[user])
        await client.set_security(SecurityPolicyBasic256Sha256, certificate, key, mode=mode)
        async with client:
            yield client

    yield open_session


class Desk:
    """The methods, for one client."""

    def __init__(self, client: Client, namespace: int, skid: int) -> None:
        self.client, self.namespace, self.skid = client, namespace, skid

    @classmethod
    async def of(cls, client: Client) -> Desk:
        found = [
            await client.get_namespace_index(u) for u in ("urn:biogate:security", "urn:acme:skid")
        ]
        return cls(client, *found)

    def node(self, name: str) -> Any:
        return self.client.get_node(f"ns={self.skid};s=Skid.{name}")

    async def call(self, method: str, *arguments: Any) -> Any:
        owner = self.client.get_node(f"ns={self.namespace};s=ElectronicSignatures")
        return await owner.call_method(f"{self.namespace}:{method}", *arguments)

    async def request(
        self,
        name: str,
        value: ua.Variant,
        password: str,
        *,
        reason: str = "drift of the probe",
        meaning: str = "responsibility",
    ) -> tuple[str, int]:
        change_id, status = await self.call(
            "RequestChange", self.node(name).nodeid, value, reason, meaning, password
        )
        return change_id, status.value

    async def pending(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in await self.call("ListPendingChanges")]


async def refused(work: Any) -> int:
    with pytest.raises(ua.UaStatusCodeError) as error:
        await work
    return error.value.code


def records(data: Path) -> list[Any]:
    return [stored.record for stored in query_log(data / "audit")]


def number(value: float) -> ua.Variant:
    return ua.Variant(value, ua.VariantType.Double)


async def test_what_needs_a_signature_is_not_written_without(gateway, connect, data):
    async with connect("ada") as client:
        desk = await Desk.of(client)
        assert await refused(desk.node("Critical").write_value(36.0)) == S.BadUserAccessDenied
        await desk.node("Free").write_value(2, ua.VariantType.Int32)
    with pytest.raises(WriteRefusedError, match="BadUserAccessDenied"):
        await gateway.write("skid.Skid.Critical", 36.0)
    refusals = [record for record in records(data) if record.event == "write-refused"]
    assert [record.user for record in refusals] == ["ada", "embedding program"]
    assert all("needs an electronic signature" in record.reason for record in refusals)


async def test_a_signed_change_is_made_at_once_where_one_person_is_enough(connect, data):
    async with connect("ada") as client:
        desk = await Desk.of(client)
        value = ua.Variant(7, ua.VariantType.Int32)
        assert await desk.request("Single", value, PASSWORDS["ada"]) == ("", S.Good)
        assert await desk.node("Single").read_value() == 7
    written = [record for record in records(data) if record.event == "write"][-1]
    assert (written.user, written.second_user) == ("ada", "")
    assert written.reason == "drift of the probe"
    assert written.meaning.startswith("responsibility: Ada Lovelace 20")
    assert (written.old, written.new) == ("1", "7.0")


async def test_a_second_person_approves_by_a_password_of_their_own(connect, data):
    async with AsyncExitStack() as stack:
        ada = await Desk.of(await stack.enter_async_context(connect("ada")))
        bob = await Desk.of(await stack.enter_async_context(connect("bob")))
        change_id, status = await ada.request("Critical", number(36.5), PASSWORDS["ada"])
        assert status == WAITS
        assert await ada.node("Critical").read_value() == 37
        (waiting,) = await bob.pending()
        assert (waiting["id"], waiting["user"], waiting["name"]) == (
            change_id,
            "ada",
            "Ada Lovelace",
        )
        result = await bob.call("ApproveChange", change_id, "approval", PASSWORDS["bob"])
        assert result.value == S.Good
        assert await ada.node("Critical").read_value() == 36.5
        assert await bob.pending() == []
        again = bob.call("ApproveChange", change_id, "approval", PASSWORDS["bob"])
        assert await refused(again) == S.BadNoEntryExists
    written = [record for record in records(data) if record.event == "write"][-1]
    assert (written.user, written.second_user) == ("ada", "bob")
    assert "responsibility: Ada Lovelace 20" in written.meaning
    assert "approval: Bob Boyle 20" in written.meaning
    assert (written.old, written.new) == ("37.0", "36.5")


async def test_nobody_is_their_own_second_person_and_roles_count(connect):
    async with AsyncExitStack() as stack:
        ada = await Desk.of(await stack.enter_async_context(connect("ada")))
        change_id, _ = await ada.request("Critical", number(36.0), PASSWORDS["ada"])
        own = ada.call("ApproveChange", change_id, "approval", PASSWORDS["ada"])
        assert await refused(own) == S.BadUserAccessDenied
        eve = await Desk.of(await stack.enter_async_context(connect("eve")))
        other = eve.call("ApproveChange", change_id, "approval", PASSWORDS["eve"])
        assert await refused(other) == S.BadUserAccessDenied
        await ada.call("RejectChange", change_id, "not needed any more")
        assert await ada.pending() == []


async def test_a_wrong_password_signs_nothing_and_is_on_record_without_it(connect, data, caplog):
    caplog.set_level(logging.DEBUG)
    async with connect("ada") as client:
        desk = await Desk.of(client)
        asked = desk.request("Single", ua.Variant(9, ua.VariantType.Int32), "guessed-secret-1")
        assert await refused(asked) == S.BadUserAccessDenied
        assert await desk.node("Single").read_value() != 9
    kept = records(data)
    assert "not signed: the password is not theirs" in [record.reason for record in kept]
    own = [record.getMessage() + repr(vars(record)) for record in caplog.records]
    everything = repr(kept) + "".join(text for text in own if "'name': 'biogate" in text)
    assert "guessed-secret-1" not in everything
    assert not any(password in everything for password in PASSWORDS.values())


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"reason": " "}, S.BadInvalidArgument),
        ({"reason": "x" * 501}, S.BadInvalidArgument),
        ({"meaning": "fun"}, S.BadInvalidArgument),
        ({"meaning": ""}, S.BadInvalidArgument),
    ],
)
async def test_reason_and_meaning_are_asked_for(connect, changes, status):
    async with connect("ada") as client:
        desk = await Desk.of(client)
        value = ua.Variant(3, ua.VariantType.Int32)
        assert await refused(desk.request("Single", value, PASSWORDS["ada"], **changes)) == status


async def test_who_may_not_write_may_not_sign_for_it(connect):
    async with connect("bob") as client:
        desk = await Desk.of(client)
        value = ua.Variant(3, ua.VariantType.Int32)
        asked = desk.request("Single", value, PASSWORDS["bob"])
        assert await refused(asked) == S.BadUserAccessDenied


async def test_a_value_of_another_type_is_refused_at_once(connect):
    async with connect("ada") as client:
        desk = await Desk.of(client)
        asked = desk.request("Critical", ua.Variant("hot"), PASSWORDS["ada"])
        assert await refused(asked) == S.BadTypeMismatch


async def test_a_password_does_not_travel_in_clear(connect):
    async with connect("ada", ua.MessageSecurityMode.Sign) as client:
        desk = await Desk.of(client)
        value = ua.Variant(3, ua.VariantType.Int32)
        asked = desk.request("Single", value, PASSWORDS["ada"])
        assert await refused(asked) == S.BadSecurityModeInsufficient


async def test_a_plain_write_gets_a_reason_in_the_same_way(connect, data):
    async with connect("ada") as client:
        desk = await Desk.of(client)
        value = ua.Variant(5, ua.VariantType.Int32)
        assert await desk.request("Free", value, PASSWORDS["ada"], reason="because") == ("", S.Good)
    assert [r for r in records(data) if r.event == "write"][-1].reason == "because"


async def test_a_method_is_called_with_a_signature_only(connect, data):
    async with connect("ada") as client:
        desk = await Desk.of(client)
        skid = client.get_node(f"ns={desk.skid};s=Skid")
        plain = skid.call_method(f"{desk.skid}:Add", ua.Variant(1, ua.VariantType.Int32))
        assert await refused(plain) == S.BadUserAccessDenied
        arguments = ua.Variant(
            [ua.Variant(1, ua.VariantType.Int32)], ua.VariantType.Variant, is_array=True
        )
        assert await desk.request("Add", arguments, PASSWORDS["ada"]) == ("", S.Good)
    called = [record for record in records(data) if record.event == "call"][-1]
    assert called.new == "Add(a=1)"
    assert called.meaning.startswith("responsibility: Ada Lovelace")


async def test_the_event_of_a_signed_write_tells_why_and_who(connect, data):
    heard = Heard()
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(connect("bob"))
        ada = await Desk.of(await stack.enter_async_context(connect("ada")))
        written = admin.get_node(f"ns={ada.namespace};s=AuditedWriteEventType")
        subscription = await admin.create_subscription(50, heard)
        await subscription.subscribe_events(ua.ObjectIds.Server, [written.nodeid])
        await ada.request("Single", ua.Variant(11, ua.VariantType.Int32), PASSWORDS["ada"])
        async with asyncio.timeout(10):
            event = await heard.events.get()
    record = [stored for stored in query_log(data / "audit") if stored.record.event == "write"][-1]
    assert event.Reason == "drift of the probe"
    assert event.SignatureMeaning == record.record.meaning
    assert (event.SequenceNumber, event.RecordHash) == (record.seq, record.hash)
    assert (event.OldValue, event.NewValue, event.ClientUserId) == (7, 11, "ada")


def arguments(*given: ua.Variant) -> ua.Variant:
    return ua.Variant(list(given), ua.VariantType.Variant, is_array=True)


async def test_who_has_lost_the_right_meanwhile_changes_nothing(gateway, connect, data):
    """What was asked for is done with the rights of who asked, as they are when it is done."""
    users = gateway._storage.users
    async with AsyncExitStack() as stack:
        ada = await Desk.of(await stack.enter_async_context(connect("ada")))
        bob = await Desk.of(await stack.enter_async_context(connect("bob")))
        before = await ada.node("Critical").read_value()
        change_id, _ = await ada.request("Critical", number(33.25), PASSWORDS["ada"])
        users.set_roles("ada", {"Observer"})
        try:
            found = await bob.call("ApproveChange", change_id, "approval", PASSWORDS["bob"])
        finally:
            users.set_roles("ada", {"Operator"})
        assert found.value == S.BadUserAccessDenied
        assert await bob.node("Critical").read_value() == before
    (refusal,) = [record for record in records(data) if record.new == "33.25"][-1:]
    assert (refusal.event, refusal.user, refusal.second_user) == ("write-refused", "ada", "bob")
    assert refusal.roles == ("AuthenticatedUser", "Observer", "TrustedApplication")


async def test_what_a_shut_account_asked_for_is_not_done(gateway, connect, data):
    users = gateway._storage.users
    async with AsyncExitStack() as stack:
        ada = await Desk.of(await stack.enter_async_context(connect("ada")))
        bob = await Desk.of(await stack.enter_async_context(connect("bob")))
        change_id, _ = await ada.request("Critical", number(33.5), PASSWORDS["ada"])
        await users.modify("ada", None, suspended=True)
        try:
            asked = bob.call("ApproveChange", change_id, "approval", PASSWORDS["bob"])
            assert await refused(asked) == S.BadUserAccessDenied
            assert await bob.pending() == []
        finally:
            await users.modify("ada", None, suspended=False)
        assert await bob.node("Critical").read_value() != 33.5
    assert "not signed: the account of ada is shut" in [each.reason for each in records(data)]


async def test_only_what_belongs_to_the_site_is_changed_by_signature(connect, data):
    """Methods of users and certificates have rules of their own, and secrets to keep."""
    async with connect("root") as client:
        desk = await Desk.of(client)
        for method in ("i=24304", f"ns={desk.namespace};s=ElectronicSignatures.RequestChange"):
            asked = desk.call(
                "RequestChange",
                ua.NodeId.from_string(method),
                arguments(ua.Variant("mallory"), ua.Variant("a password of mallory")),
                "because",
                "approval",
                PASSWORDS["root"],
            )
            assert await refused(asked) == S.BadNotSupported
    assert "mallory" not in repr(records(data))


async def test_a_secret_among_the_arguments_is_told_to_nobody(connect, data):
    heard = Heard()
    async with AsyncExitStack() as stack:
        root = await Desk.of(await stack.enter_async_context(connect("root")))
        ada = await Desk.of(await stack.enter_async_context(connect("ada")))
        subscription = await root.client.create_subscription(50, heard)
        call = ua.NodeId(ua.ObjectIds.AuditUpdateMethodEventType)
        await subscription.subscribe_events(ua.ObjectIds.Server, [call])
        given = arguments(ua.Variant(3, ua.VariantType.Int32), ua.Variant("open sesame"))
        change_id, status = await ada.request("Unlock", given, PASSWORDS["ada"])
        assert status == WAITS
        async with asyncio.timeout(10):
            event = await heard.events.get()
            while event.MethodId.Identifier != "ElectronicSignatures.RequestChange":
                event = await heard.events.get()
        assert "open sesame" not in repr(vars(event))
        (waiting,) = await root.pending()
        assert waiting["new"] == "Unlock(Int32 3, ***)"
        await ada.call("RejectChange", change_id, "done")
    assert "open sesame" not in repr(records(data))


async def test_what_is_being_rejected_cannot_be_approved(gateway, connect, data, monkeypatch):
    """Else the trail would say that it was rejected, and the change would have been made."""
    audit, storing, disk = gateway._storage.audit, asyncio.Event(), asyncio.Event()
    store = audit.store

    async def slowly(record: Any) -> Any:
        if record.event == "change-rejected":
            storing.set()
            await disk.wait()
        return await store(record)

    async with AsyncExitStack() as stack:
        ada = await Desk.of(await stack.enter_async_context(connect("ada")))
        bob = await Desk.of(await stack.enter_async_context(connect("bob")))
        change_id, _ = await ada.request("Critical", number(34.5), PASSWORDS["ada"])
        monkeypatch.setattr(audit, "store", slowly)
        rejecting = asyncio.create_task(ada.call("RejectChange", change_id, "too cold"))
        async with asyncio.timeout(10):
            await storing.wait()
        asked = bob.call("ApproveChange", change_id, "approval", PASSWORDS["bob"])
        assert await refused(asked) == S.BadNoEntryExists
        disk.set()
        await rejecting
        assert await ada.node("Critical").read_value() != 34.5


async def test_what_waits_shows_values_only_to_who_may_read_them(gateway, connect, monkeypatch):
    async with AsyncExitStack() as stack:
        ada = await Desk.of(await stack.enter_async_context(connect("ada")))
        bob = await Desk.of(await stack.enter_async_context(connect("bob")))
        change_id, _ = await ada.request("Critical", number(34.5), PASSWORDS["ada"])
        policy = gateway._commands._crossings._policy
        decide, node = policy.decide, ada.node("Critical").nodeid.to_string()

        def hiding(subject: Any, action: Any, resource: Any, now: int) -> Any:
            found = decide(subject, action, resource, now)
            hidden = (subject.user, str(action), resource.node_id) == ("bob", "read", node)
            return replace(found, allow=False) if hidden else found

        monkeypatch.setattr(policy, "decide", hiding)
        policy.allow_anonymous("read")  # whatever was decided is decided again
        assert await bob.pending() == []
        asked = bob.call("ApproveChange", change_id, "approval", PASSWORDS["bob"])
        assert await refused(asked) == S.BadNoEntryExists
        monkeypatch.undo()
        policy.allow_anonymous("read")
        assert len(await bob.pending()) == 1
        await ada.call("RejectChange", change_id, "done")


async def test_signatures_that_nobody_could_give_are_mistakes_of_the_site(tmp_path):
    text = SITE.replace("Supervisor]", "Observer]").replace("Skid/Single", "Skid/Nothing")
    with pytest.raises(SiteError) as error:
        parse_site(text.encode(), "site.yaml", folder=tmp_path)
    assert "no account has one of the roles Supervisor, Engineer" in str(error.value)
    assert "skid/Skid/Nothing is no part of the site" in str(error.value)


async def test_a_signature_needs_its_record(tmp_path):
    text = SITE.replace(
        "type: Int32, value: 1, writable: true}",
        "type: Int32, value: 1, writable: true, audited: false}",
    )
    with pytest.raises(SiteError, match="audited: false, and a signature needs its record"):
        parse_site(text.encode(), "site.yaml", folder=tmp_path)
