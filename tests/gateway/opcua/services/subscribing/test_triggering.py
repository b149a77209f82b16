"""SetTriggering (Part 4, 5.13.5), by the triggering model of 5.13.1.6."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.events import Event
from biogate_security.policy import Action

S = ua.StatusCodes
DISABLED, SAMPLING, REPORTING = 0, 1, 2


@pytest.fixture(autouse=True)
def still(plant: Any) -> None:
    plant.set("ph", 7.0)
    plant.set("stage", 1)
    plant.set("setpoint", 20.0)
    plant.set_text("gas", "air")


def added(response: Any) -> list[int]:
    return [code.value for code in response.Parameters.AddResults]


def removed(response: Any) -> list[int]:
    return [code.value for code in response.Parameters.RemoveResults]


# 5.13.1.6: an item that is only sampled is reported when its triggering item triggers.
async def test_a_sampled_item_reports_when_its_trigger_does(subscriber: Any, plant: Any) -> None:
    subscription = subscriber.subscribe()
    trigger = subscriber.monitor(subscription, "Stage", 1)
    sampled = subscriber.monitor(subscription, "pH", 2, SAMPLING, QueueSize=10)
    text = subscriber.monitor(subscription, "Gas", 3, SAMPLING, QueueSize=10)
    assert subscriber.values() == [(1, 1)]
    assert added(subscriber.trigger(subscription, trigger, [sampled, text])) == [S.Good, S.Good]
    plant.set("ph", 7.1)
    plant.set_text("gas", "oxygen")
    assert subscriber.values() == []
    plant.set("stage", 2)
    told = sorted(subscriber.values(), key=lambda one: one[0])
    assert told == [(1, 2), (2, 7.0), (2, 7.1), (3, "air"), (3, "oxygen")]
    plant.set("ph", 7.2)
    assert subscriber.values() == []
    plant.set("stage", 3)
    assert subscriber.values() == [(1, 3), (2, 7.2)]


# 5.13.1.6: the first trigger is the first notification queued after the link was made.
async def test_what_the_trigger_had_queued_before_the_link_does_not_count(
    subscriber: Any, plant: Any
) -> None:
    subscription = subscriber.subscribe()
    trigger = subscriber.monitor(subscription, "Stage", 1)
    sampled = subscriber.monitor(subscription, "pH", 2, SAMPLING)
    subscriber.trigger(subscription, trigger, [sampled])
    assert subscriber.values() == [(1, 1)]
    plant.set("stage", 2)
    assert subscriber.values() == [(1, 2), (2, 7.0)]


# 5.13.1.6: a trigger that is only sampled triggers without being reported, a disabled one does not.
@pytest.mark.parametrize(("mode", "told"), [(SAMPLING, [(2, 7.0)]), (DISABLED, [])])
async def test_the_mode_of_the_trigger_decides_what_it_does(
    subscriber: Any, plant: Any, mode: int, told: list[Any]
) -> None:
    subscription = subscriber.subscribe()
    trigger = subscriber.monitor(subscription, "Stage", 1, mode)
    sampled = subscriber.monitor(subscription, "pH", 2, SAMPLING)
    subscriber.trigger(subscription, trigger, [sampled])
    plant.set("stage", 2)
    assert subscriber.values() == told


# 5.13.1.6: for an item that reports by itself the trigger is ignored; a disabled one has nothing.
async def test_the_mode_of_the_item_to_report_decides_what_it_says(
    subscriber: Any, plant: Any
) -> None:
    subscription = subscriber.subscribe()
    trigger = subscriber.monitor(subscription, "Stage", 1)
    reporting = subscriber.monitor(subscription, "pH", 2, REPORTING)
    disabled = subscriber.monitor(subscription, "SetPoint", 3, DISABLED)
    subscriber.trigger(subscription, trigger, [reporting, disabled])
    subscriber.values()
    plant.set("ph", 7.1)
    assert subscriber.values() == [(2, 7.1)]
    plant.set("stage", 2)
    assert subscriber.values() == [(1, 2)]


# 5.13.1.6: what is reported because of a trigger triggers nothing in its turn.
async def test_a_triggered_item_does_not_trigger_in_turn(subscriber: Any, plant: Any) -> None:
    subscription = subscriber.subscribe()
    first = subscriber.monitor(subscription, "Stage", 1)
    second = subscriber.monitor(subscription, "pH", 2, SAMPLING)
    third = subscriber.monitor(subscription, "SetPoint", 3, SAMPLING)
    subscriber.trigger(subscription, first, [second])
    subscriber.trigger(subscription, second, [third])
    subscriber.values()
    plant.set("stage", 2)
    assert subscriber.values() == [(1, 2), (2, 7.0)]
    plant.set("ph", 7.1)  # but what it samples itself does
    assert subscriber.values() == [(3, 20.0)]


# 5.13.1.6: the filter of the trigger decides when it triggers.
async def test_what_the_triggers_filter_holds_back_does_not_trigger(
    subscriber: Any, plant: Any
) -> None:
    subscription = subscriber.subscribe()
    trigger = subscriber.monitor(subscription, "pH", 1, Filter=ua.DataChangeFilter(1, 1, 0.5))
    sampled = subscriber.monitor(subscription, "Stage", 2, SAMPLING)
    subscriber.trigger(subscription, trigger, [sampled])
    subscriber.values()
    plant.set("ph", 7.4)
    assert subscriber.values() == []
    plant.set("ph", 7.6)
    assert subscriber.values() == [(1, 7.6), (2, 1)]


# 5.13.5.2: linksToRemove is processed before linksToAdd; each has a status of its own.
async def test_each_link_has_a_status_and_removing_comes_first(subscriber: Any, plant: Any) -> None:
    subscription = subscriber.subscribe()
    trigger = subscriber.monitor(subscription, "Stage", 1)
    sampled = subscriber.monitor(subscription, "pH", 2, SAMPLING)
    invalid = S.BadMonitoredItemIdInvalid
    response = subscriber.trigger(subscription, trigger, [sampled, 999, trigger], [sampled])
    assert (added(response), removed(response)) == ([S.Good, invalid, invalid], [invalid])
    response = subscriber.trigger(subscription, trigger, [sampled], [sampled, 999])
    assert (added(response), removed(response)) == ([S.Good], [S.Good, invalid])
    response = subscriber.trigger(subscription, trigger, [], [sampled])
    assert (added(response), removed(response)) == ([], [S.Good])
    subscriber.values()
    plant.set("stage", 2)
    assert subscriber.values() == [(1, 2)]


# 5.13.5.3: Bad_NothingToDo, Bad_SubscriptionIdInvalid, Bad_MonitoredItemIdInvalid as a whole.
async def test_a_request_that_makes_no_sense_is_refused_as_a_whole(
    bench: Any, subscriber: Any
) -> None:
    subscription = subscriber.subscribe()
    other = subscriber.subscribe()
    trigger = subscriber.monitor(subscription, "Stage", 1)
    status = subscriber.client.status
    assert status(subscriber.trigger(subscription, trigger)) == S.BadNothingToDo
    assert status(subscriber.trigger(999, trigger, [1])) == S.BadSubscriptionIdInvalid
    assert status(subscriber.trigger(subscription, 999, [1])) == S.BadMonitoredItemIdInvalid
    # 5.13.5.1: both items belong to the same subscription.
    assert status(subscriber.trigger(other, trigger, [1])) == S.BadMonitoredItemIdInvalid
    foreign = subscriber.monitor(other, "pH", 2, SAMPLING)
    response = subscriber.trigger(subscription, trigger, [foreign])
    assert added(response) == [S.BadMonitoredItemIdInvalid]
    many = [trigger] * (bench.front_end.context.config.limits.max_monitored_items_per_call + 1)
    assert status(subscriber.trigger(subscription, trigger, many)) == S.BadTooManyOperations


# 5.13.1.6: the links go with either of the two items.
@pytest.mark.parametrize("deleted", ["trigger", "sampled"])
async def test_links_go_with_their_items(
    bench: Any, subscriber: Any, plant: Any, deleted: str
) -> None:
    subscription = subscriber.subscribe()
    trigger = subscriber.monitor(subscription, "Stage", 1)
    sampled = subscriber.monitor(subscription, "pH", 2, SAMPLING)
    other = subscriber.monitor(subscription, "SetPoint", 3, SAMPLING)
    subscriber.trigger(subscription, trigger, [sampled, other])
    subscriber.values()
    gone = trigger if deleted == "trigger" else sampled
    assert subscriber.delete(subscription, gone) == [S.Good]
    plant.set("stage", 2)
    assert subscriber.values() == ([] if deleted == "trigger" else [(1, 2), (3, 20.0)])
    ((_, found),) = bench.front_end.subscriptions.all()
    assert len(found.items.triggers) == (0 if deleted == "trigger" else 1)


# 5.13.1.6: with MaxNotificationsPerPublish all that was released comes, message by message.
async def test_what_was_released_comes_in_as_many_messages_as_it_takes(
    subscriber: Any, plant: Any
) -> None:
    subscription = subscriber.subscribe(MaxNotificationsPerPublish=2)
    trigger = subscriber.monitor(subscription, "Stage", 1)
    sampled = subscriber.monitor(subscription, "pH", 2, SAMPLING, QueueSize=10)
    subscriber.trigger(subscription, trigger, [sampled])
    subscriber.values()
    for ph in (7.1, 7.2, 7.3):
        plant.set("ph", ph)
    plant.set("stage", 2)
    told = subscriber.values() + subscriber.values() + subscriber.values()
    assert sorted(told) == [(1, 2), (2, 7.0), (2, 7.1), (2, 7.2), (2, 7.3)]
    plant.set("ph", 7.4)
    assert subscriber.values() == []


# 5.13.1.6: events trigger too, and wait for a trigger.
async def test_events_trigger_values_and_values_events(
    bench: Any, subscriber: Any, plant: Any
) -> None:
    subscription = subscriber.subscribe()
    stage = subscriber.monitor(subscription, "Stage", 1)
    ph = subscriber.monitor(subscription, "pH", 2, SAMPLING)
    first, second = subscriber.create(
        subscription, events(3, REPORTING), events(4, SAMPLING)
    ).Results
    subscriber.trigger(subscription, first.MonitoredItemId, [ph])
    subscriber.trigger(subscription, stage, [second.MonitoredItemId])
    assert told(subscriber) == [1]
    bench.front_end.events.emit(
        Event(ua.NodeId(ua.ObjectIds.Server), 500, ua.LocalizedText("a test"))
    )
    assert told(subscriber) == [2, 3]
    plant.set("stage", 2)
    assert told(subscriber) == [1, 4]


def events(handle: int, mode: int) -> ua.MonitoredItemCreateRequest:
    severity = ua.SimpleAttributeOperand(
        ua.NodeId(ua.ObjectIds.BaseEventType),
        [ua.QualifiedName("Severity")],
        ua.AttributeIds.Value,
    )
    return ua.MonitoredItemCreateRequest(
        ua.ReadValueId(ua.NodeId(ua.ObjectIds.Server), ua.AttributeIds.EventNotifier),
        mode,
        ua.MonitoringParameters(
            handle, 0.0, ua.EventFilter([severity], ua.ContentFilter([])), 10, True
        ),
    )


def told(subscriber: Any) -> list[int]:
    """The client handles of values and events that are told, in order."""
    return sorted(
        item.ClientHandle
        for result in subscriber.messages()
        for notification in result.NotificationMessage.NotificationData or ()
        for item in getattr(notification, "MonitoredItems", None) or notification.Events
    )


async def test_links_outlast_a_right_that_was_withdrawn_for_a_while(
    bench: Any, subscriber: Any, plant: Any
) -> None:
    subscription = subscriber.subscribe()
    trigger = subscriber.monitor(subscription, "Stage", 1)
    sampled = subscriber.monitor(subscription, "pH", 2, SAMPLING)
    subscriber.trigger(subscription, trigger, [sampled])
    subscriber.values()
    bench.policy.deny(Action.SUBSCRIBE, ua.NodeId("Stage", 1))
    subscriber.values()
    bench.policy.denied.clear()
    bench.policy.epoch += 1
    assert subscriber.values() == [(1, 1)]
    plant.set("ph", 7.5)
    plant.set("stage", 2)
    assert subscriber.values() == [(1, 2), (2, 7.5)]


async def test_a_closed_session_leaves_no_link_behind(bench: Any, subscriber: Any) -> None:
    subscription = subscriber.subscribe()
    trigger = subscriber.monitor(subscription, "Stage", 1)
    sampled = subscriber.monitor(subscription, "pH", 2, SAMPLING)
    subscriber.trigger(subscription, trigger, [sampled])
    subscriber.close()
    pool = bench.front_end.subscriptions._made.items
    assert (len(pool), pool._links, pool._store._watched) == (0, 0, set())
