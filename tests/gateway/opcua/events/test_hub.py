"""Events come in (Part 5, 6.4.2), and a bounded number of them stays."""

from __future__ import annotations

import pytest
from asyncua import ua

from biogate.opcua.config import Limits
from biogate.opcua.events import Event, EventHub
from biogate.opcua.space.address_space import AddressSpace

NOW = 134_000_000_000_000_000
SERVER = ua.NodeId(ua.ObjectIds.Server)


@pytest.fixture
def hub(space: AddressSpace) -> EventHub:
    return EventHub(space, lambda: NOW, Limits(), capacity=3)


def event(severity: int = 1, **parts: object) -> Event:
    return Event(SERVER, severity, ua.LocalizedText("something happened"), **parts)


# Part 5, 6.4.2: Time is when it occurred, ReceiveTime when the server got to know of it;
# SourceName is the DisplayName of the source without its locale.
def test_what_an_event_leaves_out_is_filled_in(hub: EventHub) -> None:
    hub.emit(event())
    hub.emit(event(time=NOW - 5, source_name="pump"))
    first, second = hub.journal.read(0)[1].event, hub.journal.read(1)[1].event
    assert (first.time, first.receive_time, first.source_name) == (NOW, NOW, "Server")
    assert (second.time, second.receive_time, second.source_name) == (NOW - 5, NOW, "pump")


# Part 5, 6.4.2: EventId is unique within the server.
def test_every_event_has_an_id_of_its_own() -> None:
    assert len({event().event_id for _ in range(100)}) == 100


# Part 5, 6.4.2: Severity is 1 to 1000.
@pytest.mark.parametrize("severity", [-1, 0, 1001])
def test_a_severity_out_of_range_is_refused(hub: EventHub, severity: int) -> None:
    with pytest.raises(ValueError, match="severity"):
        hub.emit(event(severity))
    assert hub.journal.count == 0


@pytest.mark.parametrize("type_", [ua.ObjectIds.FolderType, 4_000_000])
def test_a_type_that_is_no_event_type_is_refused(hub: EventHub, type_: int) -> None:
    with pytest.raises(ValueError, match="no event type"):
        hub.emit(event(type=ua.NodeId(type_)))
    assert hub.journal.count == 0


def test_a_consumer_that_is_too_slow_learns_how_many_are_gone(hub: EventHub) -> None:
    assert hub.journal.read(0) is None
    for severity in range(1, 6):
        hub.emit(event(severity))
    number, oldest = hub.journal.read(0)
    assert (number, oldest.event.severity) == (2, 3)
    assert [hub.journal.read(n)[1].event.severity for n in (3, 4)] == [4, 5]
    assert hub.journal.read(5) is None
    assert hub.journal.count == 5
