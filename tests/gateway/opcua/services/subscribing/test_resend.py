"""ResendData and GetMonitoredItems, the Server object's methods (Part 5, 9.1 and 9.2)."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

S = ua.StatusCodes
RESEND, GET = ua.ObjectIds.Server_ResendData, ua.ObjectIds.Server_GetMonitoredItems
DISABLED, SAMPLING, REPORTING = 0, 1, 2


@pytest.fixture
async def subscriber(bench: Any, subscriber: Any, plant: Any) -> Any:
    """Of a server that has started, so that its methods are there."""
    await bench.front_end.start()
    plant.set("ph", 7.0)
    plant.set("stage", 1)
    yield subscriber
    await bench.front_end.stop()


@pytest.fixture
def bench(make_bench: Any) -> Any:
    return make_bench(port=0)


def number(value: int) -> ua.Variant:
    return ua.Variant(value, ua.VariantType.UInt32)


# 9.2: the current values of the items whose MonitoringMode is Reporting.
async def test_resend_data_repeats_the_values_of_reporting_items(
    subscriber: Any, plant: Any
) -> None:
    subscription = subscriber.subscribe()
    subscriber.monitor(subscription, "pH", 1, QueueSize=10)
    subscriber.monitor(subscription, "Text", 2)
    subscriber.monitor(subscription, "Stage", 3, SAMPLING)
    subscriber.monitor(subscription, "SetPoint", 4, DISABLED)
    assert sorted(subscriber.values()) == [(1, 7.0), (2, "0123456789")]
    assert subscriber.values() == []
    result = await subscriber.call(RESEND, number(subscription))
    assert result.StatusCode.value == S.Good
    assert sorted(subscriber.values()) == [(1, 7.0), (2, "0123456789")]
    assert subscriber.values() == []


# Part 4, 5.14.7.2 says what resending means: what is queued comes, and nothing is repeated.
async def test_an_item_with_something_queued_repeats_nothing(subscriber: Any, plant: Any) -> None:
    subscription = subscriber.subscribe()
    subscriber.monitor(subscription, "pH", 1, QueueSize=10)
    subscriber.values(0.5)
    plant.set("ph", 7.1)
    subscriber.bench.front_end.tick()
    await subscriber.call(RESEND, number(subscription))
    assert subscriber.values() == [(1, 7.1)]


async def test_many_items_are_sent_again_though_they_share_their_sampling(
    bench: Any, subscriber: Any, plant: Any
) -> None:
    subscription = subscriber.subscribe()
    subscriber.create(subscription, *[_item(handle) for handle in range(700)])
    assert len(subscriber.values(0.5)) == 700
    await subscriber.call(RESEND, number(subscription))
    told = subscriber.values()
    assert sorted(told) == [(handle, 7.0) for handle in range(700)]
    plant.set("ph", 7.1)
    assert len(subscriber.values()) == 700


def _item(handle: int) -> ua.MonitoredItemCreateRequest:
    return ua.MonitoredItemCreateRequest(
        ua.ReadValueId(ua.NodeId("pH", 1), ua.AttributeIds.Value),
        REPORTING,
        ua.MonitoringParameters(ClientHandle=handle, SamplingInterval=100.0),
    )


# 9.1 and 9.2: Bad_SubscriptionIdInvalid, and Bad_UserAccessDenied for another session's.
@pytest.mark.parametrize("method", [RESEND, GET])
async def test_the_methods_are_for_the_session_that_owns_the_subscription(
    bench: Any, subscriber: Any, user: Any, method: int
) -> None:
    subscription = subscriber.subscribe()
    stranger = await user(2)
    result = await subscriber.call(method, number(subscription))
    assert result.StatusCode.value == S.Good
    result = await subscriber.call(method, number(999))
    assert result.StatusCode.value == S.BadSubscriptionIdInvalid
    result = await stranger.call(method, number(subscription))
    assert result.StatusCode.value == S.BadUserAccessDenied


# 9.1
async def test_get_monitored_items_names_the_handles_of_both_sides(subscriber: Any) -> None:
    subscription = subscriber.subscribe()
    first = subscriber.monitor(subscription, "pH", 11)
    second = subscriber.monitor(subscription, "Stage", 22)
    result = await subscriber.call(GET, number(subscription))
    server, client = (variant.Value for variant in result.OutputArguments)
    assert dict(zip(server, client, strict=True)) == {first: 11, second: 22}
