"""Deadbands of DataChangeFilters (Part 4, 7.22.2; percent: Part 8, 6.2)."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

S = ua.StatusCodes
STATUS, STATUS_VALUE, STATUS_VALUE_TIMESTAMP = 0, 1, 2
NO_DEADBAND, ABSOLUTE, PERCENT = 0, 1, 2


@pytest.fixture
def subscription(subscriber: Any, analog: Any) -> int:
    analog.set("level", 100.0)
    analog.set("moving", 100.0)
    analog.set("levels", _array([1.0, 2.0, 3.0]))
    analog.set_range(0.0, 100.0)
    return subscriber.subscribe()


def _array(numbers: list[float]) -> ua.Variant:
    return ua.Variant(numbers, ua.VariantType.Double, is_array=True)


def deadband(kind: int, value: float, trigger: int = STATUS_VALUE) -> ua.DataChangeFilter:
    return ua.DataChangeFilter(trigger, kind, value)


# Part 8, 6.2: of (high - low) of the EURange, which is 0 to 200.
async def test_a_percent_deadband_is_part_of_the_eu_range(
    subscriber: Any, subscription: int, analog: Any
) -> None:
    subscriber.monitor(subscription, "level", 1, Filter=deadband(PERCENT, 5.0))
    assert subscriber.values() == [(1, 100.0)]
    analog.set("level", 110.0)
    assert subscriber.values() == []
    analog.set("level", 110.5)
    assert subscriber.values() == [(1, 110.5)]


# Part 4, 7.22.2: the last cached value is the last one that was pushed to the queue.
@pytest.mark.parametrize(("kind", "value"), [(ABSOLUTE, 10.0), (PERCENT, 5.0)])
async def test_a_slow_drift_is_compared_with_the_last_value_that_was_queued(
    subscriber: Any, subscription: int, analog: Any, kind: int, value: float
) -> None:
    subscriber.monitor(subscription, "level", 1, Filter=deadband(kind, value), QueueSize=10)
    subscriber.values()
    told = []
    for level in range(100, 133):
        analog.set("level", float(level))
        told += subscriber.values(0.1)
    assert told == [(1, 111.0), (1, 122.0)]


# Part 8, 6.2 (-1, 125), Part 4, 7.22.2; what is no AnalogItem or no number takes no such filter.
@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("level", 0.0, S.Good),
        ("level", 100.0, S.Good),
        ("level", -1.0, S.BadDeadbandFilterInvalid),
        ("level", 100.1, S.BadDeadbandFilterInvalid),
        ("level", float("nan"), S.BadDeadbandFilterInvalid),
        ("pH", 5.0, S.BadFilterNotAllowed),
        ("pH", 125.0, S.BadDeadbandFilterInvalid),
        ("Gas", 5.0, S.BadFilterNotAllowed),
    ],
)
async def test_a_percent_deadband_is_for_analog_items_and_sound(
    subscriber: Any, subscription: int, name: str, value: float, status: int
) -> None:
    assert subscriber.filter_status(subscription, name, deadband(PERCENT, value)) == status


@pytest.mark.parametrize("kind", [ABSOLUTE, PERCENT])
async def test_a_deadband_is_for_the_value_attribute(
    subscriber: Any, subscription: int, kind: int, item: Any
) -> None:
    wanted = item("level", attribute=ua.AttributeIds.DisplayName, Filter=deadband(kind, 1.0))
    (result,) = subscriber.create(subscription, wanted).Results
    assert result.StatusCode.value == S.BadFilterNotAllowed


async def test_a_new_eu_range_counts_from_when_it_is_there(
    subscriber: Any, subscription: int, analog: Any
) -> None:
    subscriber.monitor(subscription, "moving", 1, Filter=deadband(PERCENT, 10.0))
    subscriber.values()
    analog.set("moving", 109.0)
    assert subscriber.values() == []
    analog.set_range(0.0, 50.0)
    subscriber.values()
    analog.set("moving", 109.5)
    assert subscriber.values() == [(1, 109.5)]
    analog.set_range(-500.0, 500.0)
    subscriber.values()
    analog.set("moving", 200.0)
    assert subscriber.values() == []


@pytest.mark.parametrize("range_", [(0.0, float("nan")), (10.0, 0.0)])
async def test_an_eu_range_that_makes_no_sense_is_none(
    subscriber: Any, subscription: int, analog: Any, range_: tuple[float, float]
) -> None:
    subscriber.monitor(subscription, "moving", 1, Filter=deadband(PERCENT, 10.0))
    subscriber.values()
    analog.set_range(*range_)
    status = subscriber.filter_status(subscription, "moving", deadband(PERCENT, 10.0))
    assert status == S.BadFilterNotAllowed
    subscriber.values()
    analog.set("moving", 100.5)  # rather every change than none
    assert subscriber.values() == [(1, 100.5)]


# Part 4, 7.22.2: a deadband is ignored when the status of the data item changes.
@pytest.mark.parametrize(("kind", "value"), [(ABSOLUTE, 50.0), (PERCENT, 50.0)])
async def test_a_status_change_passes_every_deadband(
    subscriber: Any, subscription: int, analog: Any, kind: int, value: float
) -> None:
    subscriber.monitor(subscription, "level", 1, Filter=deadband(kind, value))
    subscriber.values()
    analog.set("level", 100.0, status=S.UncertainLastUsableValue)
    assert subscriber.values() == [(1, 100.0)]
    analog.set("level", 100.5, status=S.UncertainLastUsableValue)
    assert subscriber.values() == []
    analog.set("level", 100.5)
    assert subscriber.values() == [(1, 100.5)]


# Part 4, 7.22.2: with a deadband STATUS_VALUE_TIMESTAMP behaves like STATUS_VALUE.
@pytest.mark.parametrize(
    ("kind", "told"), [(NO_DEADBAND, [(1, 100.0)]), (ABSOLUTE, []), (PERCENT, [])]
)
async def test_with_a_deadband_a_new_source_time_is_no_change(
    subscriber: Any, subscription: int, analog: Any, kind: int, told: list[Any]
) -> None:
    data_filter = deadband(kind, 1.0, STATUS_VALUE_TIMESTAMP)
    subscriber.monitor(subscription, "level", 1, Filter=data_filter)
    subscriber.values()
    analog.set("level", 100.0, source_time=134_000_000_010_000_000)
    assert subscriber.values() == told


# Part 4, 7.22.2: STATUS reports a notification only if the StatusCode changes.
async def test_the_trigger_status_looks_at_nothing_else(
    subscriber: Any, subscription: int, analog: Any
) -> None:
    subscriber.monitor(subscription, "level", 1, Filter=deadband(NO_DEADBAND, 0.0, STATUS))
    subscriber.values()
    analog.set("level", 150.0, source_time=134_000_000_010_000_000)
    assert subscriber.values() == []
    analog.set("level", 150.0, status=S.UncertainLastUsableValue)
    assert subscriber.values() == [(1, 150.0)]


# Part 4, 7.22.2: the whole array when one element exceeds the deadband, or its size changes.
@pytest.mark.parametrize(("kind", "value"), [(ABSOLUTE, 1.0), (PERCENT, 0.5)])
async def test_arrays_are_compared_by_element(
    subscriber: Any, subscription: int, analog: Any, kind: int, value: float
) -> None:
    subscriber.monitor(subscription, "levels", 1, Filter=deadband(kind, value))
    assert subscriber.values() == [(1, [1.0, 2.0, 3.0])]
    analog.set("levels", _array([1.5, 2.5, 2.0]))
    assert subscriber.values() == []
    analog.set("levels", _array([1.0, 2.0, 4.5]))
    assert subscriber.values() == [(1, [1.0, 2.0, 4.5])]
    analog.set("levels", _array([1.0, 2.0]))
    assert subscriber.values() == [(1, [1.0, 2.0])]


# 5.13.3: a modified filter counts from then on.
async def test_modify_sets_another_percentage_and_takes_it_away(
    bench: Any, subscriber: Any, subscription: int, analog: Any
) -> None:
    item = subscriber.monitor(subscription, "level", 1, Filter=deadband(PERCENT, 50.0))
    subscriber.values()

    def modify(data_filter: Any) -> int:
        request = ua.ModifyMonitoredItemsRequest()
        request.Parameters.SubscriptionId = subscription
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        request.Parameters.ItemsToModify = [
            ua.MonitoredItemModifyRequest(
                item, ua.MonitoringParameters(1, 0.0, data_filter, 1, True)
            )
        ]
        return subscriber.ask(request).Results[0].StatusCode.value

    assert modify(deadband(PERCENT, 101.0)) == S.BadDeadbandFilterInvalid
    analog.set("level", 150.0)
    assert subscriber.values() == []
    assert modify(deadband(PERCENT, 1.0)) == S.Good
    analog.set("level", 153.0)
    assert subscriber.values() == [(1, 153.0)]
    assert modify(None) == S.Good
    analog.set("level", 153.1)
    assert subscriber.values() == [(1, 153.1)]
    assert not bench.front_end.subscriptions._made.items.has_percent
