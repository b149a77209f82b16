"""What the front end records of sessions, and the audit events that tell of it
(Part 4, 6.5; Part 5, 6.4.3 to 6.4.29)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.audit.auditor import REFUSED_IN_FULL
from biogate.opcua.audit.sessions import without_secrets
from biogate.opcua.audit.types import SECURITY_URI
from biogate.opcua.events import Event, field_path
from biogate.opcua.ports import Receipt
from biogate.opcua.space.rights import RightsView
from biogate_security.audit import AuditRecord, AuditUnavailableError
from biogate_security.pki import Pki
from biogate_security.policy import Action, Subject
from biogate_security.role_policy import RolePolicy

NOW = 134_000_000_000_000_000
S = ua.StatusCodes
IDS = ua.ObjectIds
ADMIN = frozenset({"AuthenticatedUser", "SecurityAdmin"})


def nid(name: str) -> ua.NodeId:
    """A node of the test plant."""
    return ua.NodeId(name, 1)


class Trail:
    """An audit port that keeps records; `full`: it cannot store any more."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []
        self.full = False

    async def record(self, record: AuditRecord) -> int:
        await asyncio.sleep(0)
        if self.full:
            raise AuditUnavailableError("disk full")
        self.records.append(record)
        return len(self.records)

    @property
    def events(self) -> list[str]:
        return [record.event for record in self.records]


@pytest.fixture
def trail() -> Trail:
    return Trail()


@pytest.fixture
def audited(make_bench: Callable[..., Any], trail: Trail) -> Any:
    """A front end that records, and whose audit events somebody hears."""
    bench = make_bench(audit=trail)
    bench.front_end.events.journal.listened = True
    return bench


def heard(bench: Any) -> list[Event]:
    journal, events = bench.front_end.events.journal, []
    cursor = 0
    while (found := journal.read(cursor)) is not None:
        cursor = found[0] + 1
        events.append(found[1].event)
    return events


def value(event: Event, name: str) -> Any:
    return event.fields[field_path(name)].Value


def own(bench: Any, event: Event, name: str) -> Any:
    namespace = bench.front_end.context.space.namespaces.index(SECURITY_URI)
    return event.fields[((namespace, name),)].Value


async def settle(bench: Any) -> None:
    await bench.front_end.auditor.close()


# -- sessions: Part 4, 6.5.6 ----------------------------------------------------------------------


async def test_a_session_is_recorded_from_its_creation_to_its_end(audited, trail):
    client = await audited.session()
    client.ask(ua.CloseSessionRequest(DeleteSubscriptions=True))
    await settle(audited)
    assert trail.events == ["session-created", "session-activated", "session-closed"]
    assert {record.time for record in trail.records} == {NOW}
    assert len({record.session_id for record in trail.records}) == 1
    kinds = [(event.type.Identifier, event.source_name) for event in heard(audited)]
    assert kinds == [
        (IDS.AuditCreateSessionEventType, "Session/CreateSession"),
        (IDS.AuditActivateSessionEventType, "Session/ActivateSession"),
        (IDS.AuditSessionEventType, "Session/CloseSession"),
    ]


async def test_nobody_is_let_in_without_a_record(audited, trail):
    client = audited.client()
    client.create_session()
    trail.full = True
    answer = await client.activate()
    assert client.status(answer) == S.BadResourceUnavailable
    assert client.status(client.read()) == S.BadSessionNotActivated


async def test_sessions_that_are_there_go_on_without_records(audited, trail):
    """IEC 62443-4-2, CCSC 1: essential functions do not end for want of a record."""
    client = await audited.session()
    trail.full = True
    assert client.read_value("Constant").Value.Value == 42
    client.ask(ua.CloseSessionRequest())
    await settle(audited)
    assert audited.front_end.auditor.counters["refused"] >= 1


async def test_a_timeout_is_a_cause_of_its_own(audited, trail):
    await audited.session()
    audited.clock.now += 3600.0
    audited.front_end.tick()
    await settle(audited)
    assert trail.events[-1] == "session-timed-out"
    assert heard(audited)[-1].source_name == "Session/Timeout"


async def test_a_refused_login_says_who_was_claimed_and_never_the_password(audited, trail):
    client = audited.client()
    client.create_session()
    token = ua.UserNameIdentityToken(
        PolicyId="nope", UserName="mallory\nadmin", Password=b"hunter2", EncryptionAlgorithm="x"
    )
    answer = await client.activate(token)
    assert client.status(answer) != S.Good
    await settle(audited)
    refused = trail.records[-1]
    assert (refused.event, refused.user) == ("login-refused", None)
    assert "mallory" in refused.reason
    assert "\n" not in refused.reason
    event = heard(audited)[-1]
    assert event.type == ua.NodeId(IDS.AuditActivateSessionEventType)
    assert value(event, "Status") is False
    assert value(event, "ClientUserId") == "mallory\nadmin"
    shown = value(event, "UserIdentityToken")
    assert (shown.UserName, shown.Password) == ("mallory\nadmin", None)
    assert "hunter2" not in repr(trail.records) + repr(event)


@pytest.mark.parametrize(
    "token",
    [
        ua.UserNameIdentityToken("p", "ada", b"secret", "uri"),
        ua.IssuedIdentityToken("p", b"secret", "uri"),
        ua.AnonymousIdentityToken("p"),
        None,
    ],
)
def test_no_token_shows_its_secret(token):
    assert b"secret" not in repr(without_secrets(token)).encode()


async def test_a_flood_of_refused_logins_is_bounded_and_counted(audited, trail):
    for _ in range(REFUSED_IN_FULL + 90):
        client = audited.client()
        client.create_session()
        await client.activate(ua.UserNameIdentityToken(PolicyId="nope", UserName="x"))
        client.ask(ua.CloseSessionRequest())
    await settle(audited)
    refused = [record for record in trail.records if record.event == "login-refused"]
    assert len(refused) == REFUSED_IN_FULL + 1
    assert refused[-1].reason.startswith("90 more like this")
    told = [event for event in heard(audited) if event.source_name == "Session/ActivateSession"]
    assert len(told) == REFUSED_IN_FULL


async def test_a_url_of_another_host_is_told(audited, trail):
    """Part 4, 5.7.2: the session is made all the same."""
    client = audited.client()
    client.create_session(EndpointUrl="opc.tcp://elsewhere.example:4840/x")
    await settle(audited)
    assert trail.events == ["session-created", "url-mismatch"]
    event = heard(audited)[-1]
    assert event.type == ua.NodeId(IDS.AuditUrlMismatchEventType)
    assert value(event, "EndpointUrl") == "opc.tcp://elsewhere.example:4840/x"


async def test_cancel_is_told_with_its_handle(audited, trail):
    client = await audited.session()
    client.ask(ua.CancelRequest(Parameters=ua.CancelParameters(RequestHandle=77)))
    await settle(audited)
    assert trail.events[-1] == "request-cancelled"
    assert value(heard(audited)[-1], "RequestHandle") == 77


async def test_nothing_is_made_while_nobody_listens(make_bench, trail):
    bench = make_bench(audit=trail)
    await bench.session()
    await settle(bench)
    assert trail.events == ["session-created", "session-activated"]
    assert heard(bench) == []


# -- writes: Part 4, 6.5.8; Part 5, 6.4.26 --------------------------------------------------------

RECEIPT = Receipt(7, b"h" * 32, "dmz-to-cell", "B-0815", "drift", "approved", "bob")


def recorded(bench: Any, receipt: Receipt | None = RECEIPT) -> None:
    """Let the command port tell what the audit trail holds."""
    write = bench.commands.write

    async def with_receipt(*args: Any, on_record: Any = None, **options: Any) -> int:
        if receipt is not None:
            on_record(receipt)
        return int(await write(*args, **options))

    bench.commands.write = with_receipt


def write_value(name: str, variant: ua.Variant) -> ua.WriteValue:
    return ua.WriteValue(nid(name), ua.AttributeIds.Value, None, ua.DataValue(variant))


async def test_a_write_is_told_with_old_and_new_value_and_its_record(audited, plant):
    plant.set("setpoint", 6.5)
    client = await audited.session()
    recorded(audited)
    await client.write(write_value("SetPoint", ua.Variant(7.0, ua.VariantType.Float)))
    event = heard(audited)[-1]
    namespace = audited.front_end.context.space.namespaces.index(SECURITY_URI)
    assert event.type == ua.NodeId("AuditedWriteEventType", namespace)
    assert (event.source_node, event.source_name) == (nid("SetPoint"), "Attribute/Write")
    assert value(event, "AttributeId") == ua.AttributeIds.Value
    assert event.fields[field_path("OldValue")] == ua.Variant(6.5, ua.VariantType.Float)
    assert event.fields[field_path("NewValue")] == ua.Variant(7.0, ua.VariantType.Float)
    assert value(event, "Status") is True
    told = {name: own(audited, event, name) for name in ("Reason", "Conduit", "BatchId")}
    assert told == {"Reason": "drift", "Conduit": "dmz-to-cell", "BatchId": "B-0815"}
    assert own(audited, event, "RecordHash") == RECEIPT.hash
    assert own(audited, event, "SequenceNumber") == 7
    assert own(audited, event, "SecondUserId") == "bob"


async def test_a_write_without_a_record_is_not_told(audited):
    client = await audited.session()
    recorded(audited, None)
    before = len(heard(audited))
    await client.write(write_value("SetPoint", ua.Variant(7.0, ua.VariantType.Float)))
    assert len(heard(audited)) == before


async def test_what_is_too_large_for_the_journal_is_described(audited):
    client = await audited.session()
    recorded(audited)
    text = ua.Variant("x" * 100_000, ua.VariantType.String)
    await client.write(write_value("Gas", text))
    assert len(value(heard(audited)[-1], "NewValue")) < 200


# -- calls: Part 4, 6.5.10; Part 5, 6.4.29 --------------------------------------------------------


async def test_a_call_is_told_with_its_arguments(audited):
    client = await audited.session()
    inputs = [ua.Variant(1.5), ua.Variant([1, 2], ua.VariantType.UInt16)]
    call = ua.CallMethodRequest(nid("Reactor"), nid("Start"), inputs)
    await client.ask_async(ua.CallRequest(Parameters=ua.CallParameters([call])))
    event = heard(audited)[-1]
    assert event.type == ua.NodeId(IDS.AuditUpdateMethodEventType)
    assert (event.source_node, event.source_name) == (nid("Reactor"), "Attribute/Call")
    assert value(event, "MethodId") == nid("Start")
    assert value(event, "InputArguments") == inputs


# -- who may hear them ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("roles", "mode", "sessions", "writes"),
    [
        ({"SecurityAdmin"}, "SignAndEncrypt", True, True),
        ({"Supervisor"}, "SignAndEncrypt", False, True),
        ({"Engineer"}, "SignAndEncrypt", False, True),
        ({"ConfigureAdmin"}, "SignAndEncrypt", False, True),
        ({"Operator"}, "SignAndEncrypt", False, False),
        ({"Observer"}, "SignAndEncrypt", False, False),
        ({"SecurityAdmin"}, "Sign", False, False),
        ({"SecurityAdmin"}, "None", False, False),
    ],
)
def test_audit_events_go_to_those_who_review_over_encrypted_channels_only(
    audited, roles, mode, sessions, writes
):
    space = audited.front_end.context.space
    namespace = space.namespaces.index(SECURITY_URI)
    subject = Subject("x", frozenset(roles | {"AuthenticatedUser"}), security_mode=mode)
    view = RightsView(subject, RolePolicy("none"), space, lambda: NOW)

    def may(type_id: ua.NodeId) -> bool:
        return view.may(Action.RECEIVE_EVENTS, space.nodes[type_id])

    assert may(ua.NodeId(IDS.AuditActivateSessionEventType)) is sessions
    assert may(ua.NodeId("AuditedWriteEventType", namespace)) is writes
    assert may(ua.NodeId("SecurityAlarmEventType", namespace))
    assert may(ua.NodeId(IDS.BaseEventType))


def test_anonymous_users_who_may_look_hear_no_audit_events(audited):
    space = audited.front_end.context.space
    nobody = Subject(None, frozenset({"Anonymous"}), security_mode="SignAndEncrypt")
    view = RightsView(nobody, RolePolicy("read"), space, lambda: NOW)
    assert not view.may(
        Action.RECEIVE_EVENTS, space.nodes[ua.NodeId(IDS.TrustListUpdatedAuditEventType)]
    )


async def test_subscriptions_that_are_asked_for_by_another_session_are_told(audited, trail):
    """Part 4, 6.5.9; Part 5, 6.4.7."""
    client = await audited.session()
    asked = ua.TransferSubscriptionsParameters(SubscriptionIds=[1, 2])
    client.ask(ua.TransferSubscriptionsRequest(Parameters=asked))
    await settle(audited)
    transferred = trail.records[-1]
    assert (transferred.event, transferred.new) == ("subscriptions-transferred", "1, 2")
    assert transferred.outcome == S.BadSubscriptionIdInvalid
    assert heard(audited)[-1].source_name == "Session/TransferSubscriptions"


@pytest.mark.parametrize("url", ["opc.tcp://localhost:4840", "opc.tcp://127.0.0.1:1/x", "", "//["])
async def test_a_url_of_a_host_that_the_certificate_names_is_none_of_another(
    make_bench, trail, tmp_path, url
):
    """Part 4, 5.7.2: what counts are the host names of the certificate."""
    bench = make_bench(audit=trail)
    own = Pki.open(tmp_path, "urn:test:biogate", ["127.0.0.1", "LOCALHOST"])
    bench.front_end.context.pki = own
    bench.client().create_session(EndpointUrl=url)
    await settle(bench)
    assert trail.events == ["session-created"]
