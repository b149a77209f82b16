"""Subscriptions: parameters, Publish, keep-alive, acknowledgement, Republish, transfer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from interop.asking import (
    SERVER_OBJECT,
    S,
    Subscription,
    call,
    clause,
    time_passes,
    value_of,
    write,
)
from interop.conftest import SECURITIES, Connect
from interop.wire import Wire, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

GET_MONITORED_ITEMS, RESEND_DATA = "ns=0;i=11492", "ns=0;i=12873"


@pytest_asyncio.fixture(loop_scope="session")
async def subscription(wire: Wire) -> AsyncIterator[Subscription]:
    """A Subscription of each client, deleted after the check."""
    subscription = await Subscription.create(wire)
    yield subscription
    await subscription.delete()


@clause("Part 4, 5.14.2.2")
@pytest.mark.parametrize("interval", [-1, 0, 1, 100, 1e9])
async def test_the_publishing_interval_is_revised(wire, interval):
    subscription = await Subscription.create(wire, RequestedPublishingInterval=interval)
    assert 0 < subscription.answer["RevisedPublishingInterval"] <= 1e9
    await subscription.delete()


@clause("Part 4, 5.14.2.2")
@pytest.mark.parametrize(("lifetime", "keep_alive"), [(0, 0), (1, 10), (100, 50), (2**32 - 1, 7)])
async def test_the_lifetime_is_at_least_three_keep_alives(wire, lifetime, keep_alive):
    subscription = await Subscription.create(
        wire, RequestedLifetimeCount=lifetime, RequestedMaxKeepAliveCount=keep_alive
    )
    answer = subscription.answer
    assert answer["RevisedMaxKeepAliveCount"] > 0
    assert answer["RevisedLifetimeCount"] >= 3 * answer["RevisedMaxKeepAliveCount"]
    await subscription.delete()


@clause("Part 4, 5.14.1.1")
async def test_values_arrive_over_every_policy(any_wire, server):
    subscription = await Subscription.create(any_wire)
    await subscription.monitor(server.id("Shared"))
    first, second, *_ = await subscription.values(2)
    assert second > first
    await subscription.delete()


@clause("Part 4, 5.14.1.1")
async def test_the_first_message_is_sequence_number_1(subscription, server):
    await subscription.monitor(server.id("Shared"))
    numbers = [
        (await subscription.message())["NotificationMessage"]["SequenceNumber"] for _ in range(4)
    ]
    assert numbers == [1, 2, 3, 4]


@clause("Part 4, 5.14.1.1")
async def test_a_keep_alive_takes_no_sequence_number(subscription, server):
    messages = [(await subscription.publish())["NotificationMessage"] for _ in range(2)]
    assert [message["NotificationData"] for message in messages] == [[], []]
    assert [message["SequenceNumber"] for message in messages] == [1, 1]
    await subscription.monitor(server.id("Int32RO"))
    message = (await subscription.message())["NotificationMessage"]
    assert message["SequenceNumber"] == 1


@clause("Part 4, 5.14.5.2")
async def test_what_is_not_acknowledged_stays_available(subscription, server):
    await subscription.monitor(server.id("Shared"))
    first = await subscription.message()
    second = await subscription.message()
    assert first["AvailableSequenceNumbers"] == [1]
    assert second["AvailableSequenceNumbers"] == [1, 2]
    third = await subscription.publish(1)
    assert third["Results"] == [S.Good]
    assert 1 not in third["AvailableSequenceNumbers"]


@clause("Part 4, 5.14.5.4")
async def test_acknowledging_what_is_not_there_says_so(subscription, server, wire):
    await subscription.monitor(server.id("Shared"))
    unknown = await subscription.publish(777)
    assert unknown["Results"] == [S.BadSequenceNumberUnknown]
    answer = await wire.ask(
        "Publish",
        SubscriptionAcknowledgements=[{"SubscriptionId": 999_999, "SequenceNumber": 1}],
    )
    assert answer["Results"] == [S.BadSubscriptionIdInvalid]


@clause("Part 4, 5.14.6.1")
async def test_a_message_is_published_again(subscription, server, wire):
    await subscription.monitor(server.id("Int32RO"))
    message = (await subscription.message())["NotificationMessage"]
    again = await wire.ask("Republish", SubscriptionId=subscription.id, RetransmitSequenceNumber=1)
    assert again["NotificationMessage"] == message


@clause("Part 4, 5.14.6.3")
async def test_an_acknowledged_message_is_gone(subscription, server, wire):
    await subscription.monitor(server.id("Shared"))
    await subscription.message()
    await subscription.publish(1)
    for number in (1, 555):
        status = await refused(
            wire, "Republish", SubscriptionId=subscription.id, RetransmitSequenceNumber=number
        )
        assert status == S.BadMessageNotAvailable


@clause("Part 4, 5.14.6.3")
async def test_an_unknown_subscription_has_no_messages(wire):
    fields = {"SubscriptionId": 999_999, "RetransmitSequenceNumber": 1}
    assert await refused(wire, "Republish", **fields) == S.BadSubscriptionIdInvalid


@clause("Part 4, 5.14.5.3")
async def test_without_subscriptions_there_is_nothing_to_publish(open_wire):
    wire = await open_wire()
    status = await refused(wire, "Publish", SubscriptionAcknowledgements=[])
    assert status == S.BadNoSubscription


@clause("Part 4, 5.14.4.1")
async def test_a_disabled_subscription_sends_keep_alives_only(subscription, server, wire):
    async def publishing(*, enabled: bool) -> None:
        answer = await wire.ask(
            "SetPublishingMode", PublishingEnabled=enabled, SubscriptionIds=[subscription.id]
        )
        assert answer["Results"] == [S.Good]

    await publishing(enabled=False)
    await subscription.monitor(server.id("Shared"))
    quiet = await subscription.publish()
    assert quiet["NotificationMessage"]["NotificationData"] == []
    await publishing(enabled=True)
    assert await subscription.values(1)


@clause("Part 4, 5.14.3.1")
async def test_a_subscription_is_modified(subscription, wire):
    answer = await wire.ask(
        "ModifySubscription",
        SubscriptionId=subscription.id,
        RequestedPublishingInterval=250,
        RequestedLifetimeCount=300,
        RequestedMaxKeepAliveCount=20,
    )
    assert answer["RevisedPublishingInterval"] == 250
    assert answer["RevisedMaxKeepAliveCount"] == 20
    assert answer["RevisedLifetimeCount"] == 300


@clause("Part 4, 5.14.3.3")
async def test_an_unknown_subscription_cannot_be_modified(wire):
    status = await refused(wire, "ModifySubscription", SubscriptionId=999_999)
    assert status == S.BadSubscriptionIdInvalid


@clause("Part 4, 5.14.8.2")
async def test_each_deleted_subscription_has_its_own_result(wire):
    one = await Subscription.create(wire)
    answer = await wire.ask("DeleteSubscriptions", SubscriptionIds=[one.id, 999_999, one.id])
    assert answer["Results"] == [
        S.Good,
        S.BadSubscriptionIdInvalid,
        S.BadSubscriptionIdInvalid,
    ]


@clause("Part 4, 5.14.8.3")
@pytest.mark.parametrize(
    "service", ["DeleteSubscriptions", "SetPublishingMode", "TransferSubscriptions"]
)
async def test_no_subscriptions_are_nothing_to_do(wire, service):
    assert await refused(wire, service, SubscriptionIds=[]) == S.BadNothingToDo


@clause("Part 4, 5.14.4.2")
async def test_the_publishing_mode_of_an_unknown_subscription(wire):
    answer = await wire.ask("SetPublishingMode", PublishingEnabled=True, SubscriptionIds=[999_999])
    assert answer["Results"] == [S.BadSubscriptionIdInvalid]


@clause("Part 4, 5.14.2.2")
async def test_no_message_has_more_notifications_than_wanted(wire, server):
    subscription = await Subscription.create(wire, MaxNotificationsPerPublish=3)
    await subscription.monitor(*([server.id("Int32RO")] * 8))
    sizes, more = [], True
    while more:
        answer = await subscription.publish()
        more = answer["MoreNotifications"]
        (data,) = answer["NotificationMessage"]["NotificationData"]
        sizes.append(len(data["MonitoredItems"]))
    assert sizes == [3, 3, 2]
    await subscription.delete()


@clause("Part 4, 5.14.5.2")
async def test_each_acknowledgement_has_its_own_result(subscription, server):
    await subscription.monitor(server.id("Shared"))
    await subscription.message()
    await subscription.message()
    answer = await subscription.publish(2, 1, 1)
    assert answer["Results"] == [S.Good, S.Good, S.BadSequenceNumberUnknown]


@clause("Part 4, 5.14.1.2")
async def test_the_more_important_subscription_is_served_first(open_wire, server):
    wire = await open_wire()
    low = await Subscription.create(wire, Priority=1, PublishingEnabled=False)
    high = await Subscription.create(wire, Priority=200, PublishingEnabled=False)
    for one in (low, high):
        await one.monitor(server.id("Int32RO"))
    await wire.ask("SetPublishingMode", PublishingEnabled=True, SubscriptionIds=[low.id, high.id])
    await time_passes(wire, 300)  # both are late, with no request to answer
    order = [
        (await wire.ask("Publish", SubscriptionAcknowledgements=[]))["SubscriptionId"]
        for _ in range(2)
    ]
    assert order == [high.id, low.id]


@clause("Part 7, 6.6.52")
async def test_five_subscriptions_of_a_session_are_all_served(wire, server):
    subscriptions = [await Subscription.create(wire) for _ in range(5)]
    for one in subscriptions:
        await one.monitor(server.id("Shared"))
    seen = set()
    async with asyncio.timeout(10):
        while len(seen) < 5:
            answer = await wire.ask("Publish", SubscriptionAcknowledgements=[])
            seen.add(answer["SubscriptionId"])
    assert seen == {one.id for one in subscriptions}
    await wire.ask("DeleteSubscriptions", SubscriptionIds=[one.id for one in subscriptions])


@clause("Part 4, 5.14.5.3")
async def test_a_flood_of_publish_requests_is_bounded(connect):
    session = await connect("asyncua")
    subscription = await Subscription.create(session, RequestedPublishingInterval=60_000)
    waiting = [
        asyncio.create_task(refused(session, "Publish", SubscriptionAcknowledgements=[]))
        for _ in range(300)
    ]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    assert {task.result() for task in done} == {S.BadTooManyPublishRequests}
    assert waiting[0] in done
    await subscription.delete()
    rest = await asyncio.gather(*waiting)
    assert set(rest) <= {S.BadTooManyPublishRequests, S.BadNoSubscription}
    await session.close()


async def gone(stranger: Wire, subscription: Subscription) -> None:
    """Wait until the server has forgotten it; a stranger's question does not keep it alive."""
    status = S.Good
    async with asyncio.timeout(10):
        while status != S.BadSubscriptionIdInvalid:
            arguments = (SERVER_OBJECT, GET_MONITORED_ITEMS, ["UInt32", subscription.id])
            status = (await call(stranger, *arguments))["StatusCode"]
            assert status in (S.BadSubscriptionIdInvalid, S.BadUserAccessDenied)


@clause("Part 4, 5.14.1.1")
async def test_a_subscription_that_nobody_publishes_times_out(open_wire):
    wire, stranger = await open_wire(), await open_wire()
    keeper = await Subscription.create(wire, RequestedPublishingInterval=100_000)
    short = await Subscription.create(
        wire,
        RequestedPublishingInterval=10,
        RequestedLifetimeCount=3,
        RequestedMaxKeepAliveCount=1,
    )
    await gone(stranger, short)
    answer = await wire.ask("Publish", SubscriptionAcknowledgements=[])
    (change,) = answer["NotificationMessage"]["NotificationData"]
    assert answer["SubscriptionId"] == short.id
    assert change["$"] == "StatusChangeNotification"
    assert change["Status"] == S.BadTimeout
    await keeper.delete()


# -- transfer --------------------------------------------------------------------------------------


async def pair(connect: Connect, client: str, user: Any) -> tuple[Wire, Wire]:
    return (
        await connect(client, SECURITIES[2], user),
        await connect(client, SECURITIES[2], user),
    )


@clause("Part 4, 5.14.7.1")
@pytest.mark.parametrize("client", ["asyncua", "node-opcua"])
async def test_a_subscription_goes_to_another_session_of_its_user(connect, server, client):
    old, new = await pair(connect, client, server.account("operator"))
    subscription = await Subscription.create(old)
    await subscription.monitor(server.id("Int32RO"))
    assert await subscription.values(1) == [42]
    answer = await new.ask(
        "TransferSubscriptions", SubscriptionIds=[subscription.id], SendInitialValues=True
    )
    (result,) = answer["Results"]
    assert result["StatusCode"] == S.Good
    assert result["AvailableSequenceNumbers"] == [1]
    subscription.wire = new
    assert await subscription.values(1) == [42]
    farewell = await old.ask("Publish", SubscriptionAcknowledgements=[])
    (change,) = farewell["NotificationMessage"]["NotificationData"]
    assert change["Status"] == S.GoodSubscriptionTransferred
    await subscription.delete()
    await old.close()
    await new.close()


@clause("Part 4, 5.14.7.2")
async def test_strangers_on_policy_none_cannot_take_a_subscription(open_wire):
    mine, other = await open_wire(), await open_wire()
    subscription = await Subscription.create(mine)
    answer = await other.ask("TransferSubscriptions", SubscriptionIds=[subscription.id])
    assert answer["Results"][0]["StatusCode"] == S.BadUserAccessDenied
    await subscription.delete()


@clause("Part 4, 5.14.7.2")
async def test_another_user_cannot_take_a_subscription(open_wire, server):
    mine = await open_wire(SECURITIES[2], server.account("operator"))
    other = await open_wire(SECURITIES[2], server.account("engineer"))
    subscription = await Subscription.create(mine)
    answer = await other.ask("TransferSubscriptions", SubscriptionIds=[subscription.id, 999_999])
    statuses = [result["StatusCode"] for result in answer["Results"]]
    assert statuses == [S.BadUserAccessDenied, S.BadSubscriptionIdInvalid]
    await subscription.delete()


@clause("Part 4, 5.14.1.1")
async def test_a_subscription_belongs_to_its_session(open_wire):
    mine, other = await open_wire(), await open_wire()
    subscription = await Subscription.create(mine)
    answer = await other.ask("DeleteSubscriptions", SubscriptionIds=[subscription.id])
    assert answer["Results"] == [S.BadSubscriptionIdInvalid]
    await subscription.delete()


# -- the Methods of the Server object --------------------------------------------------------------


@clause("Part 5, 9.1")
async def test_the_items_of_a_subscription_are_listed(subscription, server, wire):
    created = await subscription.monitor(server.id("Int32RO"), server.id("Shared"))
    result = await call(wire, SERVER_OBJECT, GET_MONITORED_ITEMS, ["UInt32", subscription.id])
    assert result["StatusCode"] == S.Good
    servers, clients = (argument[1] for argument in result["OutputArguments"])
    assert dict(zip(clients, servers, strict=True)) == {
        handle: item["MonitoredItemId"] for handle, item in enumerate(created, start=1)
    }


@clause("Part 5, 9.1")
async def test_the_items_of_a_foreign_subscription_are_not_shown(open_wire):
    mine, other = await open_wire(), await open_wire()
    subscription = await Subscription.create(mine)
    for method in (GET_MONITORED_ITEMS, RESEND_DATA):
        result = await call(other, SERVER_OBJECT, method, ["UInt32", subscription.id])
        assert result["StatusCode"] in (S.BadUserAccessDenied, S.BadSubscriptionIdInvalid)
    await subscription.delete()


@clause("Part 5, 9.2")
async def test_data_are_sent_again(subscription, server, wire):
    await subscription.monitor(server.id("Int32RO"))
    assert await subscription.values(1) == [42]
    result = await call(wire, SERVER_OBJECT, RESEND_DATA, ["UInt32", subscription.id])
    assert result["StatusCode"] == S.Good
    assert await subscription.values(1) == [42]


@clause("Part 4, 5.14.1.1")
async def test_a_subscription_survives_its_session_if_it_is_to(connect, server):
    account = server.account("operator")
    old = await connect("node-opcua", SECURITIES[2], account)
    subscription = await Subscription.create(old, RequestedLifetimeCount=10_000)
    await subscription.monitor(server.id("Int32RW"))
    await subscription.changes()
    await old.close(keep_subscriptions=True)
    new = await connect("node-opcua", SECURITIES[2], account)
    await write(new, server.id("Int32RW"), ["Int32", 4711])
    answer = await new.ask(
        "TransferSubscriptions", SubscriptionIds=[subscription.id], SendInitialValues=False
    )
    assert answer["Results"][0]["StatusCode"] == S.Good
    subscription.wire = new
    assert await subscription.values(1) == [4711]
    await subscription.delete()
    await new.close()


@clause("Part 5, 6.3.11")
async def test_the_number_of_subscriptions_is_bounded(open_wire):
    wire = await open_wire()
    maximum = await value_of(wire, "ns=0;i=24098")
    created = 0
    status = 0
    while not status and created <= maximum:
        status = await refused(wire, "CreateSubscription", RequestedPublishingInterval=60_000)
        created += not status
    assert created == maximum
    assert status == S.BadTooManySubscriptions
