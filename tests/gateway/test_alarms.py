"""Alarms: what needs attention becomes an event of severity (IEC 62443-3-3, SR 2.9, 2.11, 6.1)."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from biogate.alarms import HIGH, LOGINS, OVER, QUIET_S, URGENT, Alarms
from biogate.opcua.events import Event
from biogate.opcua.space.places import Place
from biogate_adapters.filetime import TICKS_PER_SECOND
from biogate_security.audit import AuditRecord
from biogate_security.audit_store.state import AuditState
from biogate_security.policy import Decision, Resource, Subject

MODEL = Subject("advisor", frozenset({"Operator"}), zone="model")
SETPOINT = Resource("ns=2;s=x", tag="AE101.ph", is_setpoint=True, zone="cell", part="BR101/ph")
DENIED = Decision(allow=False, reason="no bounds for it", conduit="model-to-cell")


@dataclass
class Heard:
    now: int = 1000 * TICKS_PER_SECOND
    events: list[tuple[Event, Place]] = field(default_factory=list)

    def emit(self, event: Event, place: Place) -> None:
        self.events.append((event, place))

    def pass_s(self, seconds: float) -> None:
        self.now += int(seconds * TICKS_PER_SECOND)

    def values(self, name: str) -> list[object]:
        return [event.fields[((3, name),)].Value for event, _ in self.events]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def alarms(heard: Heard) -> Alarms:
    return Alarms(heard.emit, 3, lambda: heard.now)


def test_an_audit_store_that_fails_is_an_alarm_and_its_recovery_ends_it(alarms, heard):
    alarms.audit_state(AuditState.UNAVAILABLE, "disk full")
    alarms.audit_state(AuditState.OK, "there is room")
    assert [event.severity for event, _ in heard.events] == [URGENT, OVER]
    assert heard.values("Active") == [True, False]
    assert "disk full" in heard.events[0][0].message.Text


def test_a_refused_crossing_is_an_alarm_where_it_was_tried_to_and_nowhere_else(alarms, heard):
    """What the model zone may not see is not told to it by an alarm."""
    alarms.crossing_refused(DENIED, MODEL, SETPOINT)
    ((event, place),) = heard.events
    assert place == Place("cell", "BR101/ph")
    assert event.severity == HIGH
    assert event.type.Identifier == "RefusedCrossingAlarmEventType"
    assert heard.values("Zone") == ["model"]
    assert heard.values("Conduit") == ["model-to-cell"]
    assert "AE101.ph" in event.message.Text


def test_crossings_that_go_on_are_told_once_a_minute_with_their_number(alarms, heard):
    for _ in range(500):
        alarms.crossing_refused(DENIED, MODEL, SETPOINT)
    heard.pass_s(QUIET_S)
    alarms.crossing_refused(DENIED, MODEL, SETPOINT)
    assert len(heard.events) == 2
    assert "499 more" in heard.events[-1][0].message.Text


def login(address: str) -> AuditRecord:
    return AuditRecord("login-refused", 0, None, address=address)


def test_many_refused_logins_from_one_address_are_an_alarm(alarms, heard):
    """21 CFR 11.300(d): attempts at unauthorised use are detected and told at once."""
    for _ in range(LOGINS - 1):
        alarms.recorded(login("10.0.0.9"))
        alarms.recorded(login("10.0.0.8"))
    assert heard.events == []
    alarms.recorded(login("10.0.0.9"))
    assert "10.0.0.9" in heard.events[0][0].message.Text


def test_refused_logins_now_and_then_are_no_alarm(alarms, heard):
    for _ in range(3 * LOGINS):
        heard.pass_s(60)
        alarms.recorded(login("10.0.0.9"))
    assert heard.events == []


def test_a_step_of_the_clock_is_an_alarm(alarms, heard):
    alarms.recorded(AuditRecord("clock-step", 0, None, reason="3600 s forward"))
    assert "3600 s forward" in heard.events[0][0].message.Text


def test_many_addresses_take_bounded_memory(alarms):
    for number in range(5000):
        alarms.recorded(login(str(number)))
    assert len(alarms._logins) <= 1000


async def test_a_certificate_that_ends_soon_is_an_alarm(alarms, heard):
    alarms.watch_certificate(lambda: ("it expires on 2030-01-01",))
    alarms.close()
    assert "2030-01-01" in heard.events[0][0].message.Text
