"""TransferSubscriptions (Part 4, 5.14.7), and subscriptions that outlive their session."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.config import Limits
from biogate_security.pki import Pki
from biogate_security.policy import Action, Decision

S = ua.StatusCodes
SAMPLING, REPORTING = 1, 2


@pytest.fixture(autouse=True)
def still(plant: Any) -> None:
    plant.set("ph", 7.0)
    plant.set("stage", 1)


def results(response: Any) -> list[tuple[int, list[int]]]:
    return [
        (result.StatusCode.value, list(result.AvailableSequenceNumbers or ()))
        for result in response.Parameters.Results
    ]


def status_change(result: ua.PublishResult) -> int:
    (change,) = result.NotificationMessage.NotificationData
    return change.Status.value


def told_values(result: ua.PublishResult) -> list[Any]:
    (change,) = result.NotificationMessage.NotificationData
    return [item.Value.Value.Value for item in change.MonitoredItems]


def republish(subscriber: Any, subscription: int, number: int) -> Any:
    request = ua.RepublishRequest()
    request.Parameters = ua.RepublishParameters(subscription, number)
    return subscriber.ask(request)


# 5.14.7.1: the subscription goes on in the new session, and the old one is told.
async def test_a_subscription_goes_on_in_the_new_session(user: Any, plant: Any) -> None:
    old, new = await user(1), await user(2)
    subscription = old.subscribe()
    old.monitor(subscription, "pH", 7, QueueSize=10)
    assert old.values() == [(7, 7.0)]
    plant.set("ph", 7.1)
    assert old.values() == [(7, 7.1)]
    waiting = [old.publish(), old.publish()]
    assert results(new.transfer(subscription)) == [(S.Good, [1, 2])]
    told = old.client.answer(waiting[0]).Parameters
    assert told.SubscriptionId == subscription
    assert status_change(told) == S.GoodSubscriptionTransferred
    # Nothing is left that the other requests of the old session could wait for.
    assert old.client.status(old.client.answer(waiting[1])) == S.BadNoSubscription
    plant.set("ph", 7.2)
    (message,) = new.messages()
    assert (message.SubscriptionId, message.NotificationMessage.SequenceNumber) == (subscription, 3)
    assert told_values(message) == [7.2]
    assert message.AvailableSequenceNumbers == [1, 2, 3]
    assert old.client.status(old.trigger(subscription, 1, [2])) == S.BadSubscriptionIdInvalid


# 5.14.7.2: AvailableSequenceNumbers can be asked for again with Republish, by the new owner only.
async def test_the_new_session_gets_what_the_old_one_did_not_acknowledge(user: Any) -> None:
    old, new = await user(1), await user(2)
    subscription = old.subscribe()
    old.monitor(subscription, "pH", 7)
    old.values()
    assert results(new.transfer(subscription)) == [(S.Good, [1])]
    message = republish(new, subscription, 1).NotificationMessage
    (item,) = message.NotificationData[0].MonitoredItems
    assert (message.SequenceNumber, item.ClientHandle, item.Value.Value.Value) == (1, 7, 7.0)
    refused = republish(old, subscription, 1)
    assert old.client.status(refused) == S.BadSubscriptionIdInvalid


# 5.14.7.2: SendInitialValues repeats the last value of reporting items that have none queued.
async def test_initial_values_are_those_of_reporting_items(user: Any, plant: Any) -> None:
    old, new = await user(1), await user(2)
    subscription = old.subscribe()
    old.monitor(subscription, "pH", 1, QueueSize=10)
    old.monitor(subscription, "Stage", 2, QueueSize=10)
    old.monitor(subscription, "Constant", 3)
    old.monitor(subscription, "SetPoint", 4, SAMPLING)
    old.monitor(subscription, "Pump", 5, 0)
    old.values()
    plant.set("stage", 2)  # is queued: then nothing is repeated
    assert results(new.transfer(subscription, initial=True)) == [(S.Good, [1])]
    assert sorted(new.values()) == [(1, 7.0), (2, 2), (3, 42)]


async def test_without_initial_values_only_changes_are_sent(user: Any, plant: Any) -> None:
    old, new = await user(1), await user(2)
    subscription = old.subscribe()
    old.monitor(subscription, "pH", 1)
    old.monitor(subscription, "Stage", 2)
    old.values()
    new.transfer(subscription)
    plant.set("stage", 2)
    assert new.values() == [(2, 2)]


# 5.14.7.1: not to another user; anonymous only between signed channels of one application.
async def test_only_the_same_user_may_take_over(subscriber: Any, user: Any, secured: Any) -> None:
    owner = await user(2)
    subscription = owner.subscribe()
    assert results(subscriber.transfer(subscription)) == [(S.BadUserAccessDenied, [])]
    of_anonymous = subscriber.subscribe()
    assert results(owner.transfer(of_anonymous)) == [(S.BadUserAccessDenied, [])]
    signed = await secured(4)
    assert results(signed.transfer(of_anonymous)) == [(S.BadUserAccessDenied, [])]


async def test_anonymous_users_without_security_take_nothing_over(
    bench: Any, subscriber: Any, user: Any
) -> None:
    again = type(subscriber)(bench, await bench.session(9))
    subscription = subscriber.subscribe()
    assert results(again.transfer(subscription)) == [(S.BadUserAccessDenied, [])]
    subscriber.close(delete_subscriptions=False)
    assert results(again.transfer(subscription)) == [(S.BadUserAccessDenied, [])]


async def test_anonymous_users_take_over_what_their_application_has_on_signed_channels(
    secured: Any, tmp_path: Any
) -> None:
    old, new = await secured(1), await secured(2)
    subscription = old.subscribe()
    other = Pki.open(tmp_path, "urn:test:other", ["127.0.0.1"])
    stranger = await secured(3, other, "urn:test:other")
    assert results(stranger.transfer(subscription)) == [(S.BadUserAccessDenied, [])]
    assert results(new.transfer(subscription)) == [(S.Good, [])]


# 5.14.1.2, row 23 of the state table: the session has it already, the lifetime starts again.
async def test_a_session_has_nothing_to_do_to_take_over_its_own(user: Any) -> None:
    owner = await user(1)
    subscription = owner.subscribe()
    assert results(owner.transfer(subscription)) == [(S.BadNothingToDo, [])]


# 5.14.7.3
async def test_each_subscription_has_a_status(bench: Any, user: Any) -> None:
    old, new = await user(1), await user(2)
    subscription = old.subscribe()
    response = new.transfer(999, subscription, subscription)
    unknown, moved, again = results(response)
    assert [unknown[0], moved[0], again[0]] == [
        S.BadSubscriptionIdInvalid,
        S.Good,
        S.BadNothingToDo,
    ]
    assert new.client.status(new.transfer()) == S.BadNothingToDo
    limit = bench.front_end.context.config.limits.max_monitored_items_per_call
    assert new.client.status(new.transfer(*[1] * (limit + 1))) == S.BadTooManyOperations


async def test_a_session_takes_over_no_more_than_it_may_have(make_bench: Any, user: Any) -> None:
    bench = make_bench(Limits(max_subscriptions_per_session=1))
    old, new = await user(1, bench), await user(2, bench)
    subscription, own = old.subscribe(), new.subscribe()
    assert results(new.transfer(subscription)) == [(S.BadTooManySubscriptions, [])]
    request = ua.DeleteSubscriptionsRequest()
    request.Parameters.SubscriptionIds = [own]
    new.ask(request)
    assert results(new.transfer(subscription)) == [(S.Good, [])]


# 5.14.1.1: a late subscription answers the requests that its new session has parked.
async def test_requests_that_wait_in_the_new_session_are_answered(user: Any, run: Any) -> None:
    old, new = await user(1), await user(2)
    own = new.subscribe(10_000)
    subscription = old.subscribe()
    old.monitor(subscription, "pH", 7)
    run(old.bench, 0.3)  # late: nobody asks
    waiting = new.publish()
    new.transfer(subscription)
    assert not new.client.answered(waiting)  # not before the client knows whose it is
    run(new.bench, 0.02)
    assert new.client.answer(waiting).Parameters.SubscriptionId == subscription
    assert own != subscription


# -- rights -------------------------------------------------------------------------------------


async def test_the_rights_of_the_new_session_count_at_once(
    bench: Any, user: Any, plant: Any, monkeypatch: Any
) -> None:
    """What was queued or sent under better rights is not told to somebody who lacks them."""
    old, new = await user(1), await user(2, remote_address="192.0.2.7:5000")
    subscription = old.subscribe()
    old.monitor(subscription, "pH", 1, QueueSize=10)
    old.monitor(subscription, "Text", 2)
    old.values()
    plant.set("ph", 7.7)
    decide = bench.policy.decide

    def by_address(subject: Any, action: Any, resource: Any, now: int) -> Any:
        if subject.address == "192.0.2.7" and action is Action.READ and "pH" in resource.node_id:
            return Decision(False, "not from there")
        return decide(subject, action, resource, now)

    monkeypatch.setattr(bench.policy, "decide", by_address)
    assert results(new.transfer(subscription, initial=True)) == [(S.Good, [])]
    (message,) = new.messages()
    told = message.NotificationMessage.NotificationData[0].MonitoredItems
    assert [(n.ClientHandle, n.Value.StatusCode.value) for n in told] == [
        (1, S.BadUserAccessDenied),
        (2, S.Good),
    ]
    refused = republish(new, subscription, 1)
    assert new.client.status(refused) == S.BadMessageNotAvailable


@pytest.mark.parametrize(("address", "kept"), [("192.0.2.7", []), ("127.0.0.1", [1, 2])])
async def test_what_items_said_that_are_gone_is_for_who_has_the_same_rights(
    user: Any, plant: Any, address: str, kept: list[int]
) -> None:
    """Nobody can be asked any more whether the new owner might have had it."""
    old = await user(1, remote_address="127.0.0.1:4000")
    new = await user(2, remote_address=f"{address}:5000")
    subscription = old.subscribe()
    item = old.monitor(subscription, "pH", 1)
    old.monitor(subscription, "Text", 2)
    old.values()
    plant.set("ph", 7.7)
    old.values()
    old.delete(subscription, item)
    assert results(new.transfer(subscription)) == [(S.Good, kept)]


# -- sessions that are gone ---------------------------------------------------------------------


# 5.7.2.2 and 5.14.1.1: a session's timeout ends the session, not its subscriptions.
async def test_a_subscription_outlives_the_timeout_of_its_session(
    bench: Any, user: Any, run: Any, plant: Any
) -> None:
    old = await user(1)
    subscription = old.subscribe(1000, RequestedLifetimeCount=600)
    old.monitor(subscription, "pH", 7, QueueSize=10)
    old.values(1.0)
    bench.clock.now += 61
    run(bench, 0.02)
    assert len(bench.front_end.context.sessions) == 0
    plant.set("ph", 7.3)
    new = await user(2)
    assert results(new.transfer(subscription)) == [(S.Good, [1])]
    assert new.values(1.0) == [(7, 7.3)]


async def test_a_subscription_whose_session_was_closed_can_be_taken_over(
    subscriber: Any, user: Any
) -> None:
    old = await user(2)
    subscription = old.subscribe()
    old.close(delete_subscriptions=False)
    new = await user(3)
    assert results(subscriber.transfer(subscription)) == [(S.BadUserAccessDenied, [])]
    assert results(new.transfer(subscription)) == [(S.Good, [])]


async def test_nobody_takes_over_a_subscription_that_has_expired(
    bench: Any, user: Any, run: Any
) -> None:
    old = await user(1)
    subscription = old.subscribe(100, RequestedLifetimeCount=30, RequestedMaxKeepAliveCount=10)
    old.close(delete_subscriptions=False)
    run(bench, 3.1)
    new = await user(2)
    assert results(new.transfer(subscription)) == [(S.BadSubscriptionIdInvalid, [])]
    manager = bench.front_end.subscriptions._made
    assert (len(manager._subscriptions), len(manager._abandoned), len(manager._clients)) == (
        0,
        0,
        0,
    )


# 5.7.2.1: a session that gives way to a new one is one whose client is gone; it may come back.
async def test_a_session_that_gave_way_leaves_its_subscription_behind(
    make_bench: Any, user: Any, plant: Any
) -> None:
    bench = make_bench(Limits(max_sessions=2))
    old, other = await user(1, bench), await user(2, bench)
    subscription = old.subscribe(1000)
    old.monitor(subscription, "pH", 7, QueueSize=5)
    bench.front_end.dispatcher.on_closed(old.client.handle)
    plant.set("ph", 7.5)
    new = await user(3, bench)
    assert old.client.status(old.ask(ua.ReadRequest())) == S.BadSessionIdInvalid
    assert other.client.status(other.ask(ua.ReadRequest())) == S.BadNothingToDo
    assert results(new.transfer(subscription)) == [(S.Good, [])]
    assert new.values(1.0) == [(7, 7.0), (7, 7.5)]
