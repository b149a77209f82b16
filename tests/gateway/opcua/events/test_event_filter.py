"""EventFilters that are in use (Part 4, 7.22.3), and what they select."""

from __future__ import annotations

import gc
import time
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.codec import decode_variant
from biogate.opcua.config import Limits
from biogate.opcua.events import Event, field_path
from biogate.opcua.events import event_filter as module
from biogate.opcua.events.event_filter import EventFilters, FilterError
from biogate.opcua.events.fields import EventTypes

IDS = ua.ObjectIds
T = ua.VariantType
S = ua.StatusCodes
SERVER = ua.NodeId(IDS.Server)


def wanted(*names: str, index_range: str | None = None, severity: int = 0) -> Any:
    path = [ua.QualifiedName(name) for name in names]
    clause = ua.SimpleAttributeOperand(ua.NodeId(IDS.BaseEventType), path, 13, index_range)
    severities = ua.SimpleAttributeOperand(
        ua.NodeId(IDS.BaseEventType), [ua.QualifiedName("Severity")], 13
    )
    literal = ua.LiteralOperand(ua.Variant(severity, T.UInt16))
    where = ua.ContentFilterElement(ua.FilterOperator.GreaterThanOrEqual, [severities, literal])
    return ua.EventFilter([clause], ua.ContentFilter([where]))


def event(**fields: ua.Variant) -> Event:
    paths = {field_path(name): value for name, value in fields.items()}
    return Event(SERVER, 5, ua.LocalizedText("x"), time=134_000_000_000_000_000, fields=paths)


@pytest.fixture
def filters(types: EventTypes) -> EventFilters:
    return EventFilters(types, Limits())


def selected(filters: EventFilters, requested: Any, of: Event) -> ua.Variant:
    (field,) = filters.get(requested).select(of)
    return decode_variant(field)


def test_equal_filters_are_one_and_go_with_their_last_user(filters: EventFilters) -> None:
    first, second = filters.get(wanted("Time")), filters.get(wanted("Time"))
    assert first is second
    assert filters.get(wanted("Message")) is not first
    held = filters._held.used
    assert held > 0
    del first, second
    gc.collect()
    assert filters._held.used == 0


def test_all_filters_together_are_bounded(
    filters: EventFilters, monkeypatch: pytest.MonkeyPatch, types: EventTypes
) -> None:
    monkeypatch.setattr(module, "_MAX_FILTERS_BYTES", 100)
    bounded = EventFilters(types, Limits())
    kept = bounded.get(wanted("Time"))
    with pytest.raises(FilterError) as refused:
        bounded.get(wanted("Message"))
    assert refused.value.status == S.BadOutOfMemory
    assert bounded.get(wanted("Time")) is kept


# 7.22.3: an error of one event shows in its field, not in the result of the filter.
def test_a_range_that_one_event_does_not_have_shows_in_its_field(filters: EventFilters) -> None:
    requested = wanted("CurrentRoleIds", index_range="1")
    ids = [ua.NodeId(IDS.WellKnownRole_Observer), ua.NodeId(IDS.WellKnownRole_Operator)]
    two = ua.Variant(ids, T.NodeId)
    one = ua.Variant(ids[:1], T.NodeId)
    assert selected(filters, requested, event(CurrentRoleIds=two)).Value == ids[1:]
    missing = selected(filters, requested, event(CurrentRoleIds=one))
    assert missing == ua.Variant(ua.StatusCode(S.BadIndexRangeNoData), T.StatusCode)
    assert selected(filters, requested, event()).Value is None


def test_a_field_that_cannot_be_encoded_says_so(filters: EventFilters) -> None:
    broken = event(NewValue=ua.Variant("no number", T.Int32))
    field = selected(filters, wanted("NewValue"), broken)
    assert field == ua.Variant(ua.StatusCode(S.BadEncodingError), T.StatusCode)


# 7.22.3: a StatusCode in place of a value says that there is none; 7.7.3: IsNull is then true.
@pytest.mark.parametrize(
    ("name", "passes"), [("Status", True), ("StatusCodeId", False), ("NewValue", False)]
)
def test_a_status_code_in_place_of_a_value_is_null(
    filters: EventFilters, name: str, passes: bool
) -> None:
    operand = ua.SimpleAttributeOperand(ua.NodeId(IDS.BaseEventType), [ua.QualifiedName(name)], 13)
    requested = wanted(name)
    requested.WhereClause.Elements = [ua.ContentFilterElement(ua.FilterOperator.IsNull, [operand])]
    denied = ua.Variant(ua.StatusCode(S.BadUserAccessDenied), T.StatusCode)
    assert filters.get(requested).passes(event(**{name: denied})) is passes


# Part 3, 8.41: minutes from UTC where the server is.
@pytest.mark.parametrize(
    ("zone", "offset", "saving"),
    [("UTC", 0, False), ("EST5", -300, False), ("CET-1CEST,M3.5.0,M10.5.0", 120, True)],
)
def test_local_time_is_that_of_the_server(
    filters: EventFilters, monkeypatch: pytest.MonkeyPatch, zone: str, offset: int, saving: bool
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        local = selected(filters, wanted("LocalTime"), event()).Value
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (local.Offset, local.DaylightSavingInOffset) == (offset, saving)
