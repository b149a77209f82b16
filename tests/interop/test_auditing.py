"""Audit events as two clients hear them: over encrypted channels, by those who may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from interop.asking import SERVER_OBJECT, S, Subscription, call, clause, read, value_of, write
from interop.test_events import OF_TYPE, element, event_filter, field, literal
from interop.test_events import next_events as published_events
from interop.wire import Message, Security, Wire

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENCRYPTED = Security("Basic256Sha256", "SignAndEncrypt")
SIGNED = Security("Basic256Sha256", "Sign")
AUDITING, NAMESPACES = "ns=0;i=2994", "ns=0;i=2255"
AUDIT_EVENT, EVENT_NOTIFIER = "ns=0;i=2052", 12
OPEN_CHANNEL, CREATE_SESSION, ACTIVATE_SESSION = "ns=0;i=2060", "ns=0;i=2071", "ns=0;i=2075"
SESSION, CANCEL, CHANNEL = "ns=0;i=2069", "ns=0;i=2078", "ns=0;i=2059"
UPDATE_METHOD, SERVER_CONFIGURATION = "ns=0;i=2127", "ns=0;i=12637"
GET_REJECTED_LIST = "ns=0;i=12777"
SECURITY_URI = "urn:biogate:security"
COMMON = ("EventType", "SourceName", "Status", "ServerId", "ClientUserId", "ActionTimeStamp")


async def next_events(subscription: Subscription, count: int) -> list[list[Any]]:
    """The next events; a check whose event does not come fails, and does not wait for ever."""
    async with asyncio.timeout(20):
        return await published_events(subscription, count)


async def listen(wire: Wire, event_type: str, *fields: Message) -> Subscription:
    """A Subscription to audit events of one type."""
    subscription = await Subscription.create(wire)
    select = (*(field(name, event_type=AUDIT_EVENT) for name in COMMON), *fields)
    where = element(OF_TYPE, literal("NodeId", event_type))
    (item,) = await subscription.monitor(
        SERVER_OBJECT,
        attribute=EVENT_NOTIFIER,
        QueueSize=100,
        Filter=event_filter(where, select=select),
    )
    assert item["StatusCode"] == S.Good
    return subscription


@pytest_asyncio.fixture(loop_scope="session")
async def admin(open_wire: Any, server: Any) -> AsyncIterator[Wire]:
    """An encrypted session of the SecurityAdmin, of each client."""
    return await open_wire(ENCRYPTED, server.account("admin"))


async def own_type(wire: Wire, name: str) -> tuple[str, int]:
    """NodeId and namespace index of one of the gateway's own event types."""
    namespace = (await value_of(wire, NAMESPACES)).index(SECURITY_URI)
    return f"ns={namespace};s={name}", namespace


def own_field(event_type: str, namespace: int, name: str) -> Message:
    return {**field(event_type=event_type), "BrowsePath": [f"{namespace}:{name}"]}


@clause("Part 5, 6.3.1")
async def test_the_server_says_that_it_audits(wire):
    assert (await read(wire, AUDITING))["Value"] == ["Boolean", True]


@clause("Part 5, 6.4.10")
async def test_a_login_is_told_with_user_roles_and_without_the_password(admin, open_wire, server):
    names = ("SessionId", "SecureChannelId", "UserIdentityToken", "CurrentRoleIds")
    fields = (field(name, event_type=ACTIVATE_SESSION) for name in names)
    subscription = await listen(admin, ACTIVATE_SESSION, *fields)
    await open_wire(ENCRYPTED, server.account("engineer"))
    (event,) = await next_events(subscription, 1)
    kind, source, status, own, user, moment, session, channel, token, roles = event
    assert kind == ["NodeId", ACTIVATE_SESSION]
    assert source == ["String", "Session/ActivateSession"]
    assert status == ["Boolean", True]
    assert own == ["String", "urn:battery:fixture:server"]
    assert user == ["String", "engineer"]
    assert moment[0] == "DateTime"
    assert session[0] == "NodeId"
    assert channel[0] == "String"
    assert token[1]["UserName"] == "engineer"
    assert not token[1]["Password"]
    assert "ns=0;i=16036" in roles[1]
    await subscription.delete()


@clause("Part 4, 6.5.6")
async def test_a_refused_login_is_told(admin, open_wire, server):
    subscription = await listen(
        admin, ACTIVATE_SESSION, field("StatusCodeId", event_type="ns=0;i=2058")
    )
    other = await open_wire(ENCRYPTED, server.account("observer"))
    await next_events(subscription, 1)
    assert await other.change_user("observer", "wrong") != S.Good
    (event,) = await next_events(subscription, 1)
    assert event[2] == ["Boolean", False]
    assert event[4] == ["String", "observer"]
    assert event[6] == ["StatusCode", S.BadUserAccessDenied]
    await subscription.delete()


@clause("Part 5, 6.4.6")
async def test_a_channel_that_opens_is_told(admin, open_wire, server):
    names = ("SecurityPolicyUri", "SecurityMode", "ClientCertificateThumbprint")
    fields = (field(name, event_type=OPEN_CHANNEL) for name in names)
    subscription = await listen(admin, OPEN_CHANNEL, *fields)
    await open_wire(ENCRYPTED, server.account("observer"))
    policy, events = None, []
    while policy != "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256":
        events += await next_events(subscription, 1)
        policy = events[-1][6][1]
    assert events[-1][1] == ["String", "SecureChannel/OpenSecureChannel"]
    assert events[-1][4] == ["String", "System/OpenSecureChannel"]
    assert events[-1][7] == ["Int32", 3]
    assert len(events[-1][8][1]) == 40
    await subscription.delete()


@clause("Part 4, 6.5.6")
async def test_a_session_is_told_when_it_is_made_and_when_it_ends(admin, open_wire, server):
    subscription = await listen(admin, SESSION)
    other = await open_wire(ENCRYPTED, server.account("observer"))
    await other.close()
    told = {}
    while "Session/CloseSession" not in told:
        for event in await next_events(subscription, 1):
            told[event[1][1]] = event[4][1]
    assert told["Session/CreateSession"] == "System/CreateSession"
    assert told["Session/ActivateSession"] == told["Session/CloseSession"] == "observer"
    await subscription.delete()


@clause("Part 5, 6.4.26")
async def test_a_write_is_told_with_old_and_new_value_and_its_record(admin, open_wire, server):
    event_type, namespace = await own_type(admin, "AuditedWriteEventType")
    standard = ("AttributeId", "OldValue", "NewValue")
    fields = [field(name, event_type="ns=0;i=2100") for name in standard]
    fields += [own_field(event_type, namespace, name) for name in ("SequenceNumber", "RecordHash")]
    subscription = await listen(admin, event_type, *fields)
    operator = await open_wire(ENCRYPTED, server.account("operator"))
    node = server.id("Audited")
    assert await write(operator, node, ["Double", 1.25]) == S.Good
    assert await write(operator, node, ["Double", 2.5]) == S.Good
    first, second = await next_events(subscription, 2)
    assert first[1] == ["String", "Attribute/Write"]
    assert first[4] == ["String", "operator"]
    assert first[6] == ["UInt32", 13]
    assert first[8] == second[7] == ["Double", 1.25]
    assert second[8] == ["Double", 2.5]
    assert int(second[9][1]) > int(first[9][1]) > 0
    assert len(second[10][1]) == 64  # a SHA-256 in hexadecimal digits
    assert first[10] != second[10]
    await subscription.delete()


@clause("Part 5, 6.4.26")
async def test_a_refused_write_is_told(admin, open_wire, server):
    event_type, _ = await own_type(admin, "AuditedWriteEventType")
    subscription = await listen(admin, event_type)
    observer = await open_wire(ENCRYPTED, server.account("observer"))
    assert await write(observer, server.id("Audited"), ["Double", 9.0]) == S.BadUserAccessDenied
    (event,) = await next_events(subscription, 1)
    assert event[2] == ["Boolean", False]
    assert event[4] == ["String", "observer"]
    await subscription.delete()


@clause("Part 5, 6.4.29")
async def test_a_call_is_told_with_its_method(admin):
    names = ("MethodId", "InputArguments")
    fields = (field(name, event_type=UPDATE_METHOD) for name in names)
    subscription = await listen(admin, UPDATE_METHOD, *fields)
    result = await call(admin, SERVER_CONFIGURATION, GET_REJECTED_LIST)
    assert result["StatusCode"] == S.Good
    (event,) = await next_events(subscription, 1)
    assert event[0] == ["NodeId", UPDATE_METHOD]
    assert event[1] == ["String", "Attribute/Call"]
    assert event[4] == ["String", "admin"]
    assert event[6] == ["NodeId", GET_REJECTED_LIST]
    assert event[7][1] == []
    await subscription.delete()


@clause("Part 5, 6.4.11")
async def test_cancel_is_told_with_its_handle(admin):
    subscription = await listen(admin, CANCEL, field("RequestHandle", event_type=CANCEL))
    await admin.ask("Cancel", RequestHandle=4711)
    (event,) = await next_events(subscription, 1)
    assert event[6] == ["UInt32", 4711]
    await subscription.delete()


@clause("Part 4, 6.5")
@pytest.mark.parametrize(
    ("security", "account"),
    [(SIGNED, "admin"), (ENCRYPTED, "operator"), (ENCRYPTED, "observer"), (Security(), None)],
)
async def test_who_may_not_hear_audit_events_hears_the_others_only(
    open_wire, server, security, account
):
    wire = await open_wire(security, account and server.account(account))
    subscription = await Subscription.create(wire)
    (item,) = await subscription.monitor(
        SERVER_OBJECT,
        attribute=EVENT_NOTIFIER,
        QueueSize=100,
        Filter=event_filter(select=(field("SourceName"),)),
    )
    assert item["StatusCode"] == S.Good
    operator = await open_wire(ENCRYPTED, server.account("operator"))
    assert await write(operator, server.id("Audited"), ["Double", 7.0]) == S.Good
    assert await write(operator, server.id("TriggerRW"), ["Int32", 17]) == S.Good
    events = await next_events(subscription, 1)
    assert [event[0] for event in events] == [["String", "Server"]]
    await subscription.delete()
