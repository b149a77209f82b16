"""The Subscription and MonitoredItem service sets, request by request (Part 4, 5.13 and 5.14)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.front_end import Limits
from biogate.opcua.space.values import CallSource
from biogate_security.policy import Action

T = ua.VariantType
S = ua.StatusCodes
LIMITS = Limits(
    max_subscriptions_per_session=2,
    max_monitored_items_per_subscription=20,
    max_monitored_items_per_session=30,
    max_monitored_items_per_call=10,
    max_monitored_items_queue_size=50,
)


@pytest.fixture
def bench(make_bench):
    """The bench of this folder, with limits that are quickly reached."""
    return make_bench(LIMITS)


@pytest.fixture
def services(bench):
    return bench.front_end.subscriptions


def node(name: str) -> ua.NodeId:
    return ua.NodeId(name, 1)


def subscribe(client, interval_ms=100.0, **parameters) -> ua.CreateSubscriptionResult:
    request = ua.CreateSubscriptionRequest()
    request.Parameters = ua.CreateSubscriptionParameters(
        RequestedPublishingInterval=interval_ms, **parameters
    )
    response = client.ask(request)
    assert client.status(response) == 0
    return response.Parameters


def wanted(node_id, handle=1, attribute=ua.AttributeIds.Value, mode=2, index_range=None,
           encoding=None, **parameters) -> ua.MonitoredItemCreateRequest:  # fmt: skip
    read = ua.ReadValueId(node_id, attribute, index_range)
    if encoding:
        read.DataEncoding = ua.QualifiedName(encoding)
    return ua.MonitoredItemCreateRequest(
        read, mode, ua.MonitoringParameters(ClientHandle=handle, **parameters)
    )


def create(client, subscription_id, *items, timestamps=2) -> Any:
    request = ua.CreateMonitoredItemsRequest()
    request.Parameters = ua.CreateMonitoredItemsParameters(subscription_id, timestamps, list(items))
    return client.ask(request)


def statuses(response) -> list[int]:
    assert response.ResponseHeader.ServiceResult.value == 0
    results = response.Results if hasattr(response, "Results") else response.Parameters.Results
    return [getattr(r, "StatusCode", r).value for r in results]


def refusal(response) -> int:
    """The status of a service that was refused as a whole."""
    assert isinstance(response, ua.ServiceFault)
    return response.ResponseHeader.ServiceResult.value


def publish(client, *acknowledge) -> int:
    request = ua.PublishRequest()
    request.Parameters.SubscriptionAcknowledgements = [
        ua.SubscriptionAcknowledgement(*one) for one in acknowledge
    ]
    return client.send(request)


def next_message(bench, client, seconds=0.1, *acknowledge) -> ua.PublishResult:
    """Publish, let time pass, and take the answer."""
    request_id = publish(client, *acknowledge)
    pass_time(bench, seconds)
    return client.answer(request_id).Parameters


def pass_time(bench, seconds) -> None:
    for _ in range(round(seconds * 100)):
        bench.clock.now += 0.01 + 1e-9  # a hair over, against rounding
        bench.front_end.tick()


def values(result: ua.PublishResult) -> list[tuple[int, Any, int]]:
    return [
        (item.ClientHandle, item.Value.Value.Value, item.Value.StatusCode.value)
        for change in result.NotificationMessage.NotificationData or ()
        for item in change.MonitoredItems
    ]


# -- subscriptions ------------------------------------------------------------------------------


async def test_parameters_are_revised_and_the_lifetime_is_three_keep_alives(client):
    revised = subscribe(client, 1.0, RequestedLifetimeCount=1, RequestedMaxKeepAliveCount=20)
    assert revised.RevisedPublishingInterval == 50.0
    assert revised.RevisedMaxKeepAliveCount == 20
    assert revised.RevisedLifetimeCount == 60
    huge = subscribe(
        client, 1e300, RequestedLifetimeCount=2**32 - 1, RequestedMaxKeepAliveCount=2**32 - 1
    )
    assert huge.RevisedPublishingInterval == 3_600_000.0
    assert huge.RevisedLifetimeCount >= 3 * huge.RevisedMaxKeepAliveCount
    assert huge.RevisedLifetimeCount * huge.RevisedPublishingInterval <= 12 * 3_600_000


async def test_too_many_subscriptions_are_refused(client):
    for _ in range(2):
        subscribe(client)
    assert refusal(client.ask(ua.CreateSubscriptionRequest())) == S.BadTooManySubscriptions


async def test_values_change_and_arrive_with_both_times(bench, client, plant):
    plant.set("ph", 7.0)
    revised = subscribe(client)
    assert statuses(create(client, revised.SubscriptionId, wanted(node("pH"), 11))) == [0]
    first = next_message(bench, client)
    assert values(first) == [(11, 7.0, 0)]
    plant.set("ph", 7.25, source_time=133_999_999_990_000_000)
    second = next_message(bench, client, 0.1, (revised.SubscriptionId, 1))
    assert values(second) == [(11, 7.25, 0)]
    item = second.NotificationMessage.NotificationData[0].MonitoredItems[0]
    assert item.Value.ServerTimestamp - item.Value.SourceTimestamp >= timedelta(seconds=1)
    assert [code.value for code in second.Results] == [0]
    assert second.AvailableSequenceNumbers == [2]


async def test_one_tag_shows_as_double_and_as_float(bench, client, plant):
    plant.set("ph", 7.1)
    revised = subscribe(client)
    create(client, revised.SubscriptionId, wanted(node("pH"), 1), wanted(node("pHFloat"), 2))
    change = next_message(bench, client).NotificationMessage.NotificationData[0]
    shown = {i.ClientHandle: i.Value.Value for i in change.MonitoredItems}
    assert (shown[1].VariantType, shown[1].Value) == (T.Double, 7.1)
    assert (shown[2].VariantType, shown[2].Value) == (T.Float, pytest.approx(7.1, abs=1e-6))
    assert shown[2].Value != 7.1


async def test_each_type_and_every_change_of_a_text_arrives(bench, client, plant):
    plant.set("pump", 1)
    plant.set("stage", 3)
    plant.set_text("gas", "N2")
    revised = subscribe(client)
    names = ("Pump", "Stage", "Gas")
    items = [wanted(node(n), h, QueueSize=5) for h, n in enumerate(names)]
    create(client, revised.SubscriptionId, *items)
    assert sorted(values(next_message(bench, client))) == [(0, True, 0), (1, 3, 0), (2, "N2", 0)]
    for text in ("Air", "O2", "O2"):
        plant.set_text("gas", text)
    assert values(next_message(bench, client)) == [(2, "Air", 0), (2, "O2", 0)]


async def test_attributes_and_parts_of_arrays_are_told_once(bench, client):
    revised = subscribe(client)
    response = create(
        client,
        revised.SubscriptionId,
        wanted(node("pH"), 1, ua.AttributeIds.DisplayName),
        wanted(node("Row"), 2, index_range="1:2"),
        wanted(node("Constant"), 3),
    )
    assert statuses(response) == [0, 0, 0]
    told = {handle: value for handle, value, _ in values(next_message(bench, client))}
    assert told == {1: ua.LocalizedText("pH"), 2: [2, 3], 3: 42}
    assert values(next_message(bench, client, 1.0)) == []


async def test_a_computed_value_is_polled_at_its_sampling_interval(bench, client, plant):
    """ServerStatus.CurrentTime and the like change without a tag."""
    state = {"value": 1.0}
    plant.space.bind(node("NoValue"), CallSource(lambda: ua.DataValue(ua.Variant(state["value"]))))
    revised = subscribe(client)
    response = create(client, revised.SubscriptionId, wanted(node("NoValue"), 4))
    assert response.Results[0].RevisedSamplingInterval == 50.0
    assert values(next_message(bench, client)) == [(4, 1.0, 0)]
    state["value"] = 2.0
    assert values(next_message(bench, client, 0.2)) == [(4, 2.0, 0)]


async def test_publish_waits_and_is_refused_when_there_is_nothing_to_wait_for(client, bench):
    assert refusal(client.answer(publish(client))) == S.BadNoSubscription
    subscribe(client)
    waiting = publish(client)
    assert not client.answered(waiting)
    pass_time(bench, 0.1)
    assert client.answered(waiting)


async def test_what_is_published_keeps_to_the_clients_message_size(bench, plant):
    """Both of them: that of the connection and that of the session (Part 4, 5.7.2.2)."""
    for connection, session in ((600, 0), (1 << 30, 600)):
        client = bench.client()
        client.handle.max_response_size = 1 << 30
        client.create_session(MaxResponseMessageSize=0)
        await client.activate()
        subscription = subscribe(client).SubscriptionId
        for _ in range(2):
            create(client, subscription, *[wanted(node("Text"), handle) for handle in range(10)])
        client.handle.max_response_size = connection
        find = bench.front_end.context.sessions.find(client.token)
        find.max_response_size = session
        sent = [publish(client) for _ in range(5)]
        pass_time(bench, 0.2)
        answers = [client.handle.sent[request] for request in sent if client.answered(request)]
        assert len(answers) >= 2
        assert all(len(answer) <= 600 for answer in answers)


async def test_more_acknowledgements_than_there_may_be_messages_are_too_many(client, bench):
    """They are kept for the response while the request waits."""
    subscription = subscribe(client).SubscriptionId
    most = 64 * LIMITS.max_subscriptions_per_session
    waiting = publish(client, *[(subscription, 1)] * most)
    assert not client.answered(waiting)
    refused = publish(client, *[(subscription, 1)] * (most + 1))
    assert refusal(client.answer(refused)) == S.BadTooManyOperations
    pass_time(bench, 0.1)
    assert len(client.answer(waiting).Parameters.Results) == most


async def test_republish_gives_the_same_message_again(bench, client, plant):
    plant.set("ph", 6.5)
    revised = subscribe(client)
    create(client, revised.SubscriptionId, wanted(node("pH")))
    sent = next_message(bench, client).NotificationMessage
    request = ua.RepublishRequest()
    request.Parameters = ua.RepublishParameters(revised.SubscriptionId, 1)
    assert client.ask(request).NotificationMessage == sent
    request.Parameters.RetransmitSequenceNumber = 2
    assert refusal(client.ask(request)) == S.BadMessageNotAvailable
    request.Parameters.SubscriptionId = 999
    assert refusal(client.ask(request)) == S.BadSubscriptionIdInvalid


async def test_modify_set_publishing_mode_and_delete_answer_each_id(bench, client):
    revised = subscribe(client)
    modify = ua.ModifySubscriptionRequest()
    modify.Parameters = ua.ModifySubscriptionParameters(revised.SubscriptionId, 200.0, 0, 5)
    assert client.ask(modify).Parameters.RevisedPublishingInterval == 200.0
    modify.Parameters.SubscriptionId = 999
    assert refusal(client.ask(modify)) == S.BadSubscriptionIdInvalid
    mode = ua.SetPublishingModeRequest()
    mode.Parameters = ua.SetPublishingModeParameters(False, [revised.SubscriptionId, 999])
    assert statuses(client.ask(mode)) == [0, S.BadSubscriptionIdInvalid]
    delete = ua.DeleteSubscriptionsRequest()
    delete.Parameters.SubscriptionIds = [999, revised.SubscriptionId]
    waiting = publish(client)
    assert statuses(client.ask(delete)) == [S.BadSubscriptionIdInvalid, 0]
    assert refusal(client.answer(waiting)) == S.BadNoSubscription


async def test_empty_requests_have_nothing_to_do_and_large_ones_are_too_large(client):
    revised = subscribe(client)
    assert refusal(create(client, revised.SubscriptionId)) == S.BadNothingToDo
    eleven = [wanted(node("pH"))] * 11
    assert refusal(create(client, revised.SubscriptionId, *eleven)) == S.BadTooManyOperations
    for request in (ua.SetPublishingModeRequest(), ua.DeleteSubscriptionsRequest()):
        assert refusal(client.ask(request)) == S.BadNothingToDo


async def test_a_session_sees_only_its_own_subscriptions(bench, client, services):
    mine = subscribe(client).SubscriptionId
    other = await bench.session(channel_id=2)
    assert refusal(create(other, mine, wanted(node("pH")))) == S.BadSubscriptionIdInvalid
    create(client, mine, wanted(node("pH"), 77))
    mine_session, other_session = (
        bench.front_end.context.sessions.find(c.token) for c in (client, other)
    )
    assert services.monitored_items(mine_session, mine)[1] == [77]
    with pytest.raises(Exception, match="BadUserAccessDenied"):
        services.monitored_items(other_session, mine)
    with pytest.raises(Exception, match="BadSubscriptionIdInvalid"):
        services.monitored_items(mine_session, 999)


async def test_close_session_deletes_its_subscriptions(bench, client, services):
    subscribe(client)
    waiting = publish(client)
    request = ua.CloseSessionRequest()
    request.DeleteSubscriptions = True
    client.ask(request)
    assert refusal(client.answer(waiting)) == S.BadSessionClosed
    assert services.next_deadline_s == float("inf")


async def test_close_session_may_leave_subscriptions_behind_until_they_expire(
    bench, client, services
):
    subscribe(client, 100.0, RequestedLifetimeCount=9, RequestedMaxKeepAliveCount=3)
    request = ua.CloseSessionRequest()
    request.DeleteSubscriptions = False
    client.ask(request)
    pass_time(bench, 0.85)
    assert services.next_deadline_s < float("inf")
    pass_time(bench, 0.1)
    assert services.next_deadline_s == float("inf")


async def test_cancel_refuses_a_waiting_publish_request(client):
    subscribe(client)
    waiting = client.send(ua.PublishRequest(), handle=4711)
    cancel = ua.CancelRequest()
    cancel.Parameters.RequestHandle = 4711
    assert client.ask(cancel).Parameters.CancelCount == 1
    assert refusal(client.answer(waiting)) == S.BadRequestCancelledByClient


async def test_a_session_that_moved_to_a_new_channel_is_answered_there(bench, client):
    subscribe(client)
    on_old = publish(client)
    moved = bench.client(channel_id=9)
    moved.token = client.token
    await moved.activate()
    on_new = publish(moved)
    assert refusal(client.answer(on_old)) == S.BadSecureChannelClosed
    pass_time(bench, 0.1)
    assert moved.answered(on_new)


# -- monitored items ----------------------------------------------------------------------------


async def test_one_bad_item_takes_no_other_with_it(bench, client):
    revised = subscribe(client)
    event = ua.EventFilter()
    good = node("pH")
    response = create(
        client,
        revised.SubscriptionId,
        wanted(good, 1),
        wanted(node("Nowhere")),
        wanted(ua.NodeId()),
        wanted(good, attribute=99),
        wanted(good, attribute=ua.AttributeIds.ArrayDimensions),
        wanted(good, index_range="2-4"),
        wanted(good, encoding="Default Klingon"),
        wanted(good, mode=7),
        wanted(good, Filter=event),
        wanted(good, 10),
    )
    assert statuses(response) == [
        0,
        S.BadNodeIdUnknown,
        S.BadNodeIdInvalid,
        S.BadAttributeIdInvalid,
        S.BadAttributeIdInvalid,
        S.BadIndexRangeInvalid,
        S.BadDataEncodingInvalid,
        S.BadMonitoringModeInvalid,
        S.BadFilterNotAllowed,
        0,
    ]
    assert sorted(handle for handle, *_ in values(next_message(bench, client))) == [1, 10]


@pytest.mark.parametrize(
    ("name", "deadband_type", "deadband", "status"),
    [
        ("pH", 1, 0.5, 0),
        ("pH", 1, -1.0, S.BadDeadbandFilterInvalid),
        ("pH", 1, float("nan"), S.BadDeadbandFilterInvalid),
        ("pH", 7, 1.0, S.BadDeadbandFilterInvalid),
        ("pH", 2, 10.0, S.BadFilterNotAllowed),
        ("Gas", 1, 0.5, S.BadFilterNotAllowed),
        ("Pump", 1, 0.5, S.BadFilterNotAllowed),
    ],
)
async def test_a_deadband_is_for_numbers_and_sound(client, name, deadband_type, deadband, status):
    revised = subscribe(client)
    data_filter = ua.DataChangeFilter(1, deadband_type, deadband)
    response = create(client, revised.SubscriptionId, wanted(node(name), Filter=data_filter))
    assert statuses(response) == [status]


async def test_an_absolute_deadband_holds_small_changes_back(bench, client, plant):
    plant.set("ph", 7.0)
    revised = subscribe(client)
    small = wanted(node("pH"), QueueSize=9, Filter=ua.DataChangeFilter(1, 1, 0.25))
    create(client, revised.SubscriptionId, small)
    for value in (7.125, 7.25, 7.375, 7.5, 7.75):
        plant.set("ph", value)
    assert [v for _, v, _ in values(next_message(bench, client))] == [7.0, 7.375, 7.75]


async def test_intervals_and_queue_sizes_are_revised(client):
    revised = subscribe(client, 250.0)
    response = create(
        client,
        revised.SubscriptionId,
        *(
            wanted(node("pH"), SamplingInterval=interval, QueueSize=size)
            for interval, size in ((-1.0, 0), (0.0, 1), (1.0, 7), (1234.0, 10**6))
        ),
    )
    granted = [(r.RevisedSamplingInterval, r.RevisedQueueSize) for r in response.Results]
    assert granted == [(250.0, 1), (0.0, 1), (50.0, 7), (1200.0, 50)]


async def test_a_queue_of_three_overflows_as_the_conformance_unit_says(bench, client, plant):
    """Monitor Queueing: six writes; InfoBits 0x480 on the first that is left, or on the last."""
    plant.set("ph", 0.0)
    revised = subscribe(client)
    create(
        client,
        revised.SubscriptionId,
        wanted(node("pH"), 1, QueueSize=3, DiscardOldest=True),
        wanted(node("pH"), 2, QueueSize=3, DiscardOldest=False),
        wanted(node("pH"), 3, QueueSize=1),
    )
    next_message(bench, client)
    for value in range(1, 7):
        plant.set("ph", float(value))
    by_handle: dict[int, list[tuple[float, int]]] = {1: [], 2: [], 3: []}
    for handle, value, status in values(next_message(bench, client)):
        by_handle[handle].append((value, status))
    assert by_handle == {
        1: [(4.0, 0x480), (5.0, 0), (6.0, 0)],
        2: [(1.0, 0), (2.0, 0), (6.0, 0x480)],
        3: [(6.0, 0)],
    }


async def test_sampling_takes_the_latest_value_at_each_instant(bench, client, plant):
    plant.set("ph", 1.0)
    revised = subscribe(client, 1000.0)
    create(client, revised.SubscriptionId, wanted(node("pH"), SamplingInterval=100.0, QueueSize=50))
    request_id = publish(client)
    for value in (2.0, 3.0, 4.0, 5.0):
        plant.set("ph", value)
        pass_time(bench, 0.05)
    pass_time(bench, 0.8)
    got = [v for _, v, _ in values(client.answer(request_id).Parameters)]
    assert got[0] == 1.0
    assert got[-1] == 5.0
    assert len(got) == 3


async def test_modes_disable_sample_and_report(bench, client, plant):
    plant.set("ph", 1.0)
    revised = subscribe(client)
    created = create(client, revised.SubscriptionId, wanted(node("pH"), mode=0, QueueSize=9))
    item = created.Results[0].MonitoredItemId

    def set_mode(mode: int) -> list[int]:
        request = ua.SetMonitoringModeRequest()
        request.Parameters = ua.SetMonitoringModeParameters(
            revised.SubscriptionId, mode, [item, 999]
        )
        return statuses(client.ask(request))

    assert values(next_message(bench, client)) == []
    assert set_mode(1) == [0, S.BadMonitoredItemIdInvalid]
    plant.set("ph", 2.0)
    assert values(next_message(bench, client, 1.2)) == []
    set_mode(2)
    assert [v for _, v, _ in values(next_message(bench, client))] == [1.0, 2.0]
    plant.set("ph", 3.0)
    set_mode(0)
    set_mode(2)
    assert [v for _, v, _ in values(next_message(bench, client))] == [3.0]


async def test_modify_changes_handle_queue_and_filter_and_keeps_the_queue(bench, client, plant):
    plant.set("ph", 1.0)
    revised = subscribe(client)
    created = create(client, revised.SubscriptionId, wanted(node("pH"), 1, QueueSize=9))
    request = ua.ModifyMonitoredItemsRequest()
    change = ua.MonitoringParameters(ClientHandle=5, QueueSize=2, SamplingInterval=0.0)
    request.Parameters = ua.ModifyMonitoredItemsParameters(
        revised.SubscriptionId,
        0,
        [
            ua.MonitoredItemModifyRequest(created.Results[0].MonitoredItemId, change),
            ua.MonitoredItemModifyRequest(999, change),
        ],
    )
    response = client.ask(request)
    assert statuses(response) == [0, S.BadMonitoredItemIdInvalid]
    assert response.Results[0].RevisedQueueSize == 2
    plant.set("ph", 2.0)
    plant.set("ph", 3.0)
    message = next_message(bench, client)
    assert values(message) == [(5, 2.0, 0x480), (5, 3.0, 0)]
    shown = message.NotificationMessage.NotificationData[0].MonitoredItems[0].Value
    assert shown.ServerTimestamp is None
    assert shown.SourceTimestamp is not None


async def test_deleted_items_say_nothing_more(bench, client, plant):
    revised = subscribe(client)
    created = create(client, revised.SubscriptionId, wanted(node("pH"), 1), wanted(node("Gas"), 2))
    request = ua.DeleteMonitoredItemsRequest()
    request.Parameters = ua.DeleteMonitoredItemsParameters(
        revised.SubscriptionId, [*(r.MonitoredItemId for r in created.Results), 999]
    )
    assert statuses(client.ask(request)) == [0, 0, S.BadMonitoredItemIdInvalid]
    plant.set("ph", 8.0)
    assert values(next_message(bench, client)) == []


async def test_items_are_limited_per_subscription(client):
    revised = subscribe(client)
    for _ in range(2):
        create(client, revised.SubscriptionId, *[wanted(node("pH"))] * 10)
    assert statuses(create(client, revised.SubscriptionId, wanted(node("pH")))) == [
        S.BadTooManyMonitoredItems
    ]


async def test_one_session_does_not_take_the_items_of_all(client):
    created = []
    for number in [subscribe(client).SubscriptionId for _ in range(2)] * 2:
        created += statuses(create(client, number, *[wanted(node("pH"))] * 8))
    assert created == [S.Good] * 30 + [S.BadTooManyMonitoredItems] * 2


# -- rights -------------------------------------------------------------------------------------


async def test_who_may_not_subscribe_gets_no_item(bench, client):
    bench.policy.deny(Action.SUBSCRIBE, node("pH"))
    revised = subscribe(client)
    response = create(client, revised.SubscriptionId, wanted(node("pH")), wanted(node("Pump")))
    assert statuses(response) == [S.BadUserAccessDenied, 0]


@pytest.mark.parametrize("name", ["pH", "Gas"])
async def test_a_right_that_is_withdrawn_ends_the_item_and_keeps_back_what_was_queued(
    bench, client, plant, name
):
    plant.set("ph", 7.0)
    plant.set_text("gas", "N2")
    revised = subscribe(client)
    create(client, revised.SubscriptionId, wanted(node(name), QueueSize=9), wanted(node("Pump"), 2))
    next_message(bench, client)
    plant.set("ph", 7.5)
    plant.set_text("gas", "O2")
    bench.policy.deny(Action.READ, node(name))
    message = next_message(bench, client)
    assert values(message) == [(1, None, S.BadUserAccessDenied)]
    plant.set("ph", 8.0)
    plant.set_text("gas", "Air")
    plant.set("pump", 0)
    plant.set("pump", 1)
    assert {handle for handle, *_ in values(next_message(bench, client))} == {2}
