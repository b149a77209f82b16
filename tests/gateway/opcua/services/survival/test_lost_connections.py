"""What becomes of sessions and subscriptions when connections are cut (Part 4, 5.7.3 and 6.7)."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.config import Limits

S = ua.StatusCodes
OVERFLOW = 0x480
HOUR_MS = 3_600_000


@pytest.fixture(autouse=True)
def still(plant: Any) -> None:
    plant.set("ph", 0.0)


async def change(site: Any, plant: Any, first: int, last: int, every_s: float) -> None:
    """The value counts up while time passes."""
    for value in range(first, last + 1):
        plant.set("ph", float(value))
        await site.run(every_s, 0.05)


def good(*numbers: int) -> list[tuple[float, int]]:
    return [(float(number), 0) for number in numbers]


# 5.7.3.1: a session goes on on a new channel; 5.14.1.1: its subscriptions live on.
async def test_after_a_cut_of_20_s_nothing_was_lost(
    site: Any, plant: Any, notified_by: Any
) -> None:
    wire = await site.connect()
    await wire.log_in(site.bench)
    subscription = await wire.subscribe(1000)
    assert await wire.monitor(subscription, "pH", queue_size=100) == [S.Good]
    first = wire.publish()
    await site.run(1)
    assert notified_by(await wire.answer(first)) == good(0)
    lost = wire.publish()
    plant.set("ph", 1.0)
    await site.run(1)
    await wire.answer(lost)  # pretend that the cut swallowed it
    wire.publish()
    await wire.cut()
    await site.until(lambda: site.connections == 0)
    await change(site, plant, 2, 21, 1.0)

    again = await site.connect(wire.login)
    assert await again.activate(site.bench) == S.Good
    # 6.7: messages that were sent and not acknowledged are asked for again.
    message = await again.republish(subscription, 2)
    assert notified_by(message) == good(1)
    response = await again.answer(again.publish((subscription, 1), (subscription, 2)))
    assert [code.value for code in response.Parameters.Results] == [S.Good, S.Good]
    assert notified_by(response) == good(*range(2, 22))
    assert response.Parameters.NotificationMessage.SequenceNumber == 3
    assert response.Parameters.AvailableSequenceNumbers == [3]
    plant.set("ph", 22.0)
    request = again.publish((subscription, 3))
    await site.run(1)
    assert notified_by(await again.answer(request)) == good(22)


# Nobody tells the server of a cable that was pulled: the old connection seems to be there.
async def test_nothing_is_sent_to_a_connection_that_its_session_has_left(
    site: Any, plant: Any, notified_by: Any
) -> None:
    wire = await site.connect()
    await wire.log_in(site.bench)
    subscription = await wire.subscribe(1000)
    await wire.monitor(subscription, "pH", queue_size=10)
    waiting = [wire.publish() for _ in range(5)]
    await site.until(lambda: site.parked == 5)
    again = await site.connect(wire.login)
    assert await again.activate(site.bench) == S.Good
    assert (site.parked, site.connections) == (0, 2)
    plant.set("ph", 1.0)
    await site.run(3)
    response = await again.answer(again.publish())
    assert response.Parameters.NotificationMessage.SequenceNumber == 1
    assert notified_by(response) == good(0, 1)
    for request in waiting:  # 5.14.5.3, for who would hear it
        refused = await wire.answer(request)
        assert refused.ResponseHeader.ServiceResult.value == S.BadSecureChannelClosed
    # 5.7.3.3: the old channel is good for the session no more.
    status = (await wire.ask(ua.ReadRequest())).ResponseHeader.ServiceResult.value
    assert status == S.BadSecureChannelIdInvalid


# 5.13.1.5: what a queue has no room for is lost, and the Overflow bit says where.
async def test_after_a_cut_of_10_min_a_full_queue_says_that_values_are_missing(
    site: Any, plant: Any, notified_by: Any
) -> None:
    wire = await site.connect()
    await wire.log_in(site.bench, timeout_ms=HOUR_MS)
    subscription = await wire.subscribe(1000, lifetime=3600)
    await wire.monitor(subscription, "pH", "pH", queue_size=500)
    await wire.monitor(subscription, "Stage", queue_size=500)
    await site.run(1)
    await wire.answer(wire.publish())
    await wire.cut()
    await site.until(lambda: site.connections == 0)
    await change(site, plant, 1, 600, 1.0)

    again = await site.connect(wire.login)
    assert await again.activate(site.bench) == S.Good
    told = notified_by(await again.answer(again.publish()))
    expected = [(101.0, OVERFLOW), *good(*range(102, 601))]
    assert told == expected * 2
    # Part 5, 12.15: MonitoringQueueOverflowCount says how many.
    ((_, found),) = site.front_end.subscriptions.all()
    assert found.items.lost_values == 2 * 100


# 5.14.7 and 6.7: when the session is gone too, a new one takes its subscriptions over.
async def test_after_a_cut_longer_than_the_session_a_new_one_takes_over(
    site: Any, plant: Any, notified_by: Any
) -> None:
    wire = await site.connect()
    await wire.log_in(site.bench, user=True, timeout_ms=30_000)
    subscription = await wire.subscribe(1000, lifetime=3600)
    await wire.monitor(subscription, "pH", queue_size=1000)
    await site.run(1)
    await wire.answer(wire.publish())
    await wire.cut()
    await site.until(lambda: site.connections == 0)
    await change(site, plant, 1, 600, 1.0)

    again = await site.connect(wire.login)
    assert await again.activate(site.bench, user=True) == S.BadSessionIdInvalid
    await again.log_in(site.bench, user=True)
    result = await again.transfer(subscription)
    assert (result.StatusCode.value, result.AvailableSequenceNumbers) == (S.Good, [1])
    assert notified_by(await again.republish(subscription, 1)) == good(0)
    request = again.publish((subscription, 1))
    await site.run(1)
    assert notified_by(await again.answer(request)) == good(*range(1, 601))
    await again.log_out()
    assert site.tables["subscriptions"] == site.tables["queue places"] == 0


# A client that was restarted has lost its session, and its old connection may still be there.
async def test_a_restarted_client_takes_its_subscription_over(
    site: Any, plant: Any, notified_by: Any
) -> None:
    before = await site.connect()
    await before.log_in(site.bench, user=True)
    subscription = await before.subscribe(1000)
    await before.monitor(subscription, "pH", queue_size=10)
    await site.run(1)
    await before.answer(before.publish())
    waiting = before.publish()
    restarted = await site.connect()
    await restarted.log_in(site.bench, user=True)
    assert (await restarted.transfer(subscription)).StatusCode.value == S.Good
    told = await before.answer(waiting)
    (status_change,) = told.Parameters.NotificationMessage.NotificationData
    assert status_change.Status.value == S.GoodSubscriptionTransferred
    plant.set("ph", 1.0)
    request = restarted.publish()
    await site.run(1)
    assert notified_by(await restarted.answer(request)) == good(1)
    # 5.7.4: the old session takes with it what is still its own, which is nothing.
    await before.log_out()
    plant.set("ph", 2.0)
    request = restarted.publish()
    await site.run(1)
    assert notified_by(await restarted.answer(request)) == good(2)


# 5.7.4.2: with deleteSubscriptions false they wait for somebody to take them over.
async def test_a_client_that_leaves_for_a_while_finds_its_values(
    site: Any, plant: Any, notified_by: Any
) -> None:
    wire = await site.connect()
    await wire.log_in(site.bench, user=True)
    subscription = await wire.subscribe(1000)
    await wire.monitor(subscription, "pH", queue_size=100)
    await wire.log_out(delete_subscriptions=False)
    await wire.close()
    await site.until(lambda: site.connections == 0)
    await change(site, plant, 1, 20, 1.0)
    again = await site.connect()
    await again.log_in(site.bench, user=True)
    assert (await again.transfer(subscription)).StatusCode.value == S.Good
    request = again.publish()
    await site.run(1)
    assert notified_by(await again.answer(request)) == good(*range(21))


# 5.14.1.1: nobody came back within the lifetime, and nothing is left.
async def test_a_client_that_never_comes_back_leaves_nothing_behind(site: Any, plant: Any) -> None:
    wire = await site.connect()
    await wire.log_in(site.bench, timeout_ms=20_000)
    subscription = await wire.subscribe(100, lifetime=900)
    await wire.monitor(subscription, "pH", "Gas", "Constant", queue_size=100)
    await wire.cut()
    await site.until(lambda: site.connections == 0)
    await site.run(21)
    assert (site.tables["sessions"], site.tables["abandoned"]) == (0, 1)
    await site.run(70)
    assert set(site.tables.values()) == {0}


# 5.14.1.1, and Limits: those that nobody uses give way to those that somebody does.
async def test_what_is_left_behind_does_not_keep_others_out(open_site: Any, plant: Any) -> None:
    site = await open_site(Limits(max_subscriptions=3, max_monitored_items=6))
    left = []
    for _ in range(3):
        wire = await site.connect()
        await wire.log_in(site.bench, user=True)
        left.append(await wire.subscribe(1000))
        await wire.monitor(left[-1], "pH", "Stage")
        await wire.log_out(delete_subscriptions=False)
    wire = await site.connect()
    await wire.log_in(site.bench, user=True)
    subscription = await wire.subscribe(1000)
    assert (await wire.transfer(left[0])).StatusCode.value == S.BadSubscriptionIdInvalid
    assert (await wire.transfer(left[2])).StatusCode.value == S.Good
    assert await wire.monitor(subscription, *["pH"] * 4) == [S.Good] * 4
    # The one that was left has given way too, and what somebody uses does not.
    assert site.tables["subscriptions"] == 2
    assert await wire.monitor(subscription, "pH") == [S.BadTooManyMonitoredItems]


# Part 6, 6.7.4: a token is renewed while Publish requests wait; messages under both are accepted.
async def test_a_token_is_renewed_while_publish_requests_wait(
    site: Any, plant: Any, notified_by: Any
) -> None:
    wire = await site.connect()
    await wire.log_in(site.bench)
    subscription = await wire.subscribe(1000)
    await wire.monitor(subscription, "pH", queue_size=10)
    waiting, old_token = [wire.publish(), wire.publish()], wire.token_id
    await wire.open(ua.SecurityTokenRequestType.Renew)
    assert wire.token_id != old_token
    await site.run(1)
    assert notified_by(await wire.answer(waiting[0])) == good(0)
    waiting.append(wire.publish())
    plant.set("ph", 1.0)
    await site.run(1)
    assert notified_by(await wire.answer(waiting[1])) == good(1)
    for value in range(2, 8):
        await wire.open(ua.SecurityTokenRequestType.Renew)
        waiting.append(wire.publish())
        plant.set("ph", float(value))
        await site.run(1)
        assert notified_by(await wire.answer(waiting[value])) == good(value)


# 5.7.2.2: any request of the session keeps it, also Publish requests alone.
async def test_a_client_that_only_publishes_is_not_timed_out(site: Any, plant: Any) -> None:
    wire = await site.connect()
    await wire.log_in(site.bench, timeout_ms=10_000)
    subscription = await wire.subscribe(1000, RequestedMaxKeepAliveCount=5)
    await wire.monitor(subscription, "pH")
    for _ in range(10):
        request = wire.publish()
        await site.run(6, 0.05)
        await wire.answer(request)
    waiting = [wire.publish() for _ in range(4)]
    await site.until(lambda: site.parked == 4)
    await site.run(12, 0.05)
    # 5.7.1: what waits when a session ends is answered with Bad_SessionClosed.
    statuses = [(await wire.answer(one)).ResponseHeader.ServiceResult.value for one in waiting]
    assert statuses == [S.Good] + [S.BadSessionClosed] * 3
    assert site.tables["sessions"] == 0
    assert site.tables["abandoned"] == 1


# 5.7.5: Cancel refuses what waits and has the handle, and nothing else.
async def test_cancel_refuses_the_publish_requests_of_a_handle(site: Any, plant: Any) -> None:
    wire = await site.connect()
    await wire.log_in(site.bench)
    subscription = await wire.subscribe(1000)
    await wire.monitor(subscription, "pH")
    cancelled = [wire.send(ua.PublishRequest(), handle=77) for _ in range(2)]
    kept = wire.send(ua.PublishRequest(), handle=78)

    async def cancel(handle: int) -> int:
        request = ua.CancelRequest()
        request.Parameters.RequestHandle = handle
        return (await wire.ask(request)).Parameters.CancelCount

    assert await cancel(99) == 0
    assert await cancel(77) == 2
    for request in cancelled:
        response = await wire.answer(request)
        assert response.ResponseHeader.ServiceResult.value == S.BadRequestCancelledByClient
    await site.run(1)
    assert (await wire.answer(kept)).Parameters.SubscriptionId == subscription


# -- browsing -----------------------------------------------------------------------------------


def browse(nodes: int = 1, references: int = 2) -> ua.BrowseRequest:
    request = ua.BrowseRequest()
    request.Parameters.RequestedMaxReferencesPerNode = references
    request.Parameters.NodesToBrowse = [
        ua.BrowseDescription(
            NodeId=ua.NodeId("Reactor", 1),
            BrowseDirection=ua.BrowseDirection.Forward,
            ReferenceTypeId=ua.NodeId(ua.ObjectIds.HierarchicalReferences),
            IncludeSubtypes=True,
            NodeClassMask=0,
            ResultMask=63,
        )
        for _ in range(nodes)
    ]
    return request


def browse_next(*points: bytes) -> ua.BrowseNextRequest:
    request = ua.BrowseNextRequest()
    request.Parameters.ReleaseContinuationPoints = False
    request.Parameters.ContinuationPoints = list(points)
    return request


async def go_on(wire: Any, result: Any) -> Any:
    """BrowseNext: the result that follows."""
    response = await wire.ask(browse_next(result.ContinuationPoint))
    return response.Parameters.Results[0]


# 5.9.3.1 and 7.9: a continuation point belongs to the session, and goes to a new channel with it.
async def test_a_browse_goes_on_after_the_network_was_pulled(site: Any) -> None:
    whole = await site.connect()
    await whole.log_in(site.bench)
    (result,) = (await whole.ask(browse(references=0))).Results
    names = [reference.BrowseName.Name for reference in result.References]

    wire = await site.connect()
    await wire.log_in(site.bench)
    (result,) = (await wire.ask(browse())).Results
    wire.send(browse_next(result.ContinuationPoint))
    await wire.cut()  # whether it was served or not, nobody can tell
    await site.until(lambda: site.connections == 1)

    again = await site.connect(wire.login)
    assert await again.activate(site.bench) == S.Good
    (part,) = (await again.ask(browse())).Results
    found = [reference.BrowseName.Name for reference in part.References]
    while part.ContinuationPoint:
        part = await go_on(again, part)
        assert part.StatusCode.value == S.Good
        found += [reference.BrowseName.Name for reference in part.References]
    assert found == names


async def test_a_point_made_before_the_cut_is_good_after_it(site: Any) -> None:
    wire = await site.connect()
    await wire.log_in(site.bench)
    (first,) = (await wire.ask(browse())).Results
    await wire.cut()
    await site.until(lambda: site.connections == 0)
    again = await site.connect(wire.login)
    await again.activate(site.bench)
    second = await go_on(again, first)
    assert second.StatusCode.value == S.Good
    assert first.References[-1].BrowseName != second.References[0].BrowseName
    stranger = await site.connect()
    await stranger.log_in(site.bench)
    stolen = await go_on(stranger, second)
    assert stolen.StatusCode.value == S.BadContinuationPointInvalid


async def test_a_network_pulled_during_large_browses_leaves_no_work_behind(site: Any) -> None:
    for _ in range(5):
        wire = await site.connect()
        await wire.log_in(site.bench, timeout_ms=10_000)
        for _ in range(4):
            wire.send(browse(nodes=500, references=0))
        await wire.cut()
    await site.until(lambda: site.connections == 0 and site.tables["request lanes"] == 0)
    await site.run(11, 0.05)
    assert set(site.tables.values()) == {0}
