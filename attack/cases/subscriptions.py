"""Subscriptions and monitored items: too many, and those of others (Part 4, 5.13 and 5.14)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from attack.case import Bench, Case, Outcomes, ask, in_session, outcome
from attack.cases.methods import METHOD_BAD, call
from attack.cases.views import MANY, MAX, SERVER, TYPES, browse, browsing
from attack.client import CURRENT_TIME, RefusedError, Session
from attack.wire import (
    UINT32,
    array,
    extension,
    f64,
    i32,
    node,
    read_id,
    scalar,
    u8,
    u32,
)

_FOREIGN = (
    "result BadSubscriptionIdInvalid",
    "fault BadSubscriptionIdInvalid",
    "result BadUserAccessDenied",
    "fault BadUserAccessDenied",
)


def subscribing(interval: float = 1000.0, lifetime: int = 100, keep_alive: int = 10) -> bytes:
    return f64(interval) + u32(lifetime) + u32(keep_alive) + u32(0) + u8(1) + u8(0)


def subscribe(session: Session, **wanted: Any) -> int:
    response = session.ask("CreateSubscriptionRequest", subscribing(**wanted))
    return int(response.Parameters.SubscriptionId)


def item(
    node_id: bytes,
    *,
    attribute: int = 13,
    interval: float = 1000.0,
    queue: int = 1,
    filtered: bytes = b"\0\0\0",
    handle: int = 1,
) -> bytes:
    """A MonitoredItemCreateRequest."""
    return (
        read_id(node_id, attribute)
        + u32(2)
        + u32(handle)
        + f64(interval)
        + filtered
        + u32(queue)
        + u8(1)
    )


def monitoring(subscription: int, *items: bytes, timestamps: int = 2) -> bytes:
    return u32(subscription) + u32(timestamps) + array(items)


def _monitor(*make: Callable[[Bench], bytes], repeat: int = 1) -> Callable[[Bench], Outcomes]:
    """Monitored items in a subscription of their own."""

    def attempt(session: Session, bench: Bench) -> list[str]:
        subscription = subscribe(session)
        items = [each(bench) for each in make] * (bench.many(repeat) if repeat > 1 else 1)
        return outcome(
            lambda: session.ask("CreateMonitoredItemsRequest", monitoring(subscription, *items))
        )

    return in_session(attempt)


def _subscriptions(session: Session, bench: Bench) -> list[str]:
    """More subscriptions than a session may have, and those of many sessions."""
    found: list[str] = []
    for _ in range(60):
        found += outcome(lambda: subscribe(session))
    return found


def _orphans(bench: Bench) -> Outcomes:
    """Subscriptions left behind by session after session, with the longest lifetime."""
    found: list[str] = []
    for _ in range(bench.many(15)):
        session = bench.target.session("certified", source="127.0.0.81")
        with session.channel:
            for _ in range(40):
                found += outcome(
                    lambda s=session: subscribe(s, interval=1e9, lifetime=MAX, keep_alive=MAX)
                )
            session.ask("CloseSessionRequest", b"\0")
    fresh = bench.target.session("observer")
    with fresh.channel:
        return [*found, *(f"then {each}" for each in outcome(lambda: subscribe(fresh)))]


def _intervals(session: Session, bench: Bench) -> list[str]:
    """Intervals and counts that are no such thing are revised into bounds."""
    found = []
    for interval in (0.0, -1.0, 1e-300, float("inf"), float("-inf"), float("nan"), 1e300):
        for lifetime, keep_alive in ((0, 0), (MAX, MAX), (1, MAX)):
            response = session.ask(
                "CreateSubscriptionRequest", subscribing(interval, lifetime, keep_alive)
            ).Parameters
            revised_s = response.RevisedPublishingInterval / 1000
            life_s = revised_s * response.RevisedLifetimeCount
            right = 0.01 <= revised_s <= 1e5 and life_s <= 3 * 24 * 3600
            right = right and response.RevisedLifetimeCount >= 3 * response.RevisedMaxKeepAliveCount
            found.append(
                "Good"
                if right
                else f"{interval}, {lifetime}, {keep_alive}: {revised_s} s, {life_s} s"
            )
            session.ask("DeleteSubscriptionsRequest", array([u32(response.SubscriptionId)]))
    return found


def _items(bench: Bench) -> Outcomes:
    """Items by the ten thousand with the deepest queues."""
    session = bench.target.session("certified", timeout_s=30)
    found: list[str] = []
    with session.channel:
        for _ in range(4):
            subscription = subscribe(session, interval=100)
            each = item(bench.target.node("Moving"), interval=0.0, queue=MAX)
            body = monitoring(subscription, *[each] * bench.many(10_000))
            for _ in range(2):
                found += outcome(lambda b=body: session.ask("CreateMonitoredItemsRequest", b))
        time.sleep(1.0)
        return found


def _publishes(session: Session, bench: Bench) -> list[str]:
    """Publish requests without end."""
    subscribe(session)
    number = bench.many(2000, 200)
    for _ in range(number):
        session.channel.say(session.body("PublishRequest", i32(-1)))
    found = []
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        try:
            found.append(session.channel.hear_outcome(0.5))
        except RefusedError as refused:
            found.append("Good" if refused.outcome == "silence" else refused.outcome)
            break
    return found


def _acknowledged(session: Session, bench: Bench) -> list[str]:
    """Acknowledgements of what never was, by the thousand."""
    subscribe(session, interval=50)
    each = array([u32(1) + u32(n) for n in range(bench.many(20_000))])
    found = []
    for _ in range(3):
        session.channel.say(session.body("PublishRequest", each))
        found.append(session.channel.hear_outcome(5))
    return found


def of_other(
    message: str, make: Callable[[int], bytes], user: str = "observer"
) -> Callable[[Bench], Outcomes]:
    """A request about a subscription of somebody else, which must live on."""

    def attack(bench: Bench) -> Outcomes:
        owner = bench.target.session("certified")
        other = bench.target.session(user)
        with owner.channel, other.channel:
            subscription = subscribe(owner)
            found = outcome(lambda: other.ask(message, make(subscription)))
            mode = u8(1) + array([u32(subscription)])
            alive = outcome(lambda: owner.ask("SetPublishingModeRequest", mode))
            return found if alive == ["Good"] else [*found, f"the owner: {alive[0]}"]

    return attack


def _transfer_anonymous(bench: Bench) -> Outcomes:
    owner = bench.target.session("certified")
    with owner.channel:
        return in_session(
            lambda s, _: s.ask(
                "TransferSubscriptionsRequest", array([u32(subscribe(owner))]) + u8(1)
            ),
            user=None,
        )(bench)


def _churn(bench: Bench) -> Outcomes:
    """Sessions that go in the middle of their requests, subscriptions and all."""
    for _ in range(bench.many(25)):
        session = bench.target.session("certified", source="127.0.0.82")
        subscription = subscribe(session, interval=50)
        session.channel.say(
            session.body(
                "CreateMonitoredItemsRequest",
                monitoring(subscription, *[item(bench.target.node("Moving"), interval=0.0)] * 500),
            )
        )
        session.channel.say(session.body("BrowseRequest", browsing(*[browse(TYPES)] * 200)))
        session.channel.say(session.body("PublishRequest", i32(-1)))
        session.channel.close()
    return bench.served("certified")


CASES = (
    Case(
        "subscription-flood",
        "a session has a bounded number of subscriptions",
        "Part 5, 6.3.2; CWE-770",
        in_session(_subscriptions),
        ("Good", "fault BadTooManySubscriptions"),
    ),
    Case(
        "subscription-orphans",
        "subscriptions left behind keep nobody else from having one",
        "Part 4, 5.14.1; CWE-770",
        _orphans,
        ("Good", "fault BadTooManySubscriptions", "then Good"),
    ),
    Case(
        "subscription-extremes",
        "intervals and lifetimes are revised into bounds of time",
        "Part 4, 5.14.2; CWE-1284",
        in_session(_intervals),
        ("Good",),
    ),
    Case(
        "items-too-many",
        "a published MaxMonitoredItemsPerCall is enforced",
        "Part 5, 6.3.11",
        in_session(
            lambda s, b: outcome(
                lambda: s.ask(
                    "CreateMonitoredItemsRequest",
                    monitoring(subscribe(s), *[item(CURRENT_TIME)] * 10_001),
                )
            )
        ),
        MANY,
    ),
    Case(
        "items-flood",
        "items with the deepest queues take a bounded amount of memory",
        "Part 5, 6.3.2; CWE-770",
        _items,
        (
            "Good",
            "result BadTooManyMonitoredItems",
            "result BadOutOfMemory",
            "fault BadTooManyOperations",
            "fault BadEncodingLimitsExceeded",
            "result BadResourceUnavailable",
        ),
    ),
    Case(
        "items-extremes",
        "sampling intervals that are no such thing are revised",
        "Part 4, 5.13.2",
        _monitor(
            *(
                lambda b, i=i, q=q: item(b.target.node("Double"), interval=i, queue=q)
                for i in (float("nan"), float("inf"), -1e300, -2.0, 1e300)
                for q in (0, MAX)
            )
        ),
        ("Good",),
    ),
    Case(
        "items-wrong",
        "items of what is not there are refused one by one",
        "Part 4, 5.13.2",
        _monitor(
            lambda b: item(node("x")),
            lambda b: item(CURRENT_TIME, attribute=99),
            lambda b: item(CURRENT_TIME, filtered=extension(999_999, b"x")),
            lambda b: item(CURRENT_TIME, filtered=extension(727, i32(-1) * 2)),
            lambda b: item(SERVER, attribute=12),
        ),
        (
            "result BadNodeIdUnknown",
            "result BadAttributeIdInvalid",
            "result BadMonitoredItemFilter*",
            "result BadFilterNotAllowed",
            "result BadEventFilterInvalid",
        ),
    ),
    Case(
        "items-deadband-wrong",
        "a deadband is a number",
        "Part 8, 6.2",
        _monitor(
            *(
                lambda b, t=t, v=v: item(
                    b.target.node("Limited"), filtered=extension(724, u32(1) + u32(t) + f64(v))
                )
                for t, v in (
                    (2, -1.0),
                    (2, 101.0),
                    (2, float("nan")),
                    (1, float("nan")),
                    (1, -5.0),
                    (9, 1.0),
                )
            )
        ),
        ("result BadDeadbandFilterInvalid", "result BadMonitoredItemFilter*"),
    ),
    Case(
        "publish-flood",
        "Publish requests that wait are bounded",
        "Part 4, 5.14.5; CWE-770",
        in_session(_publishes),
        ("Good", "fault BadTooManyPublishRequests", "fault BadNoSubscription"),
    ),
    Case(
        "publish-without-subscription",
        "without a subscription nothing is waited for",
        "Part 4, 5.14.5",
        ask("PublishRequest", i32(-1)),
        ("fault BadNoSubscription",),
    ),
    Case(
        "publish-acknowledge-flood",
        "acknowledgements are bounded",
        "Part 4, 5.14.5; CWE-770",
        in_session(_acknowledged),
        ("Good", *MANY, "fault BadEncodingLimitsExceeded"),
    ),
    Case(
        "foreign-modify",
        "nobody changes another session's subscription",
        "Part 4, 5.14.3; CWE-639",
        of_other(
            "ModifySubscriptionRequest",
            lambda s: u32(s) + f64(1e6) + u32(9) + u32(3) + u32(0) + u8(0),
        ),
        _FOREIGN,
    ),
    Case(
        "foreign-publishing-mode",
        "nor silences it",
        "Part 4, 5.14.4; CWE-639",
        of_other("SetPublishingModeRequest", lambda s: u8(0) + array([u32(s)])),
        _FOREIGN,
    ),
    Case(
        "foreign-delete",
        "nor deletes it",
        "Part 4, 5.14.8; CWE-639",
        of_other("DeleteSubscriptionsRequest", lambda s: array([u32(s)])),
        _FOREIGN,
    ),
    Case(
        "foreign-items",
        "nor adds items to it",
        "Part 4, 5.13.2; CWE-639",
        of_other("CreateMonitoredItemsRequest", lambda s: monitoring(s, item(CURRENT_TIME))),
        _FOREIGN,
    ),
    Case(
        "foreign-delete-items",
        "nor deletes its items",
        "Part 4, 5.13.6; CWE-639",
        of_other("DeleteMonitoredItemsRequest", lambda s: u32(s) + array([u32(1)])),
        _FOREIGN,
    ),
    Case(
        "foreign-republish",
        "nor reads its messages",
        "Part 4, 5.14.6; CWE-639",
        of_other("RepublishRequest", lambda s: u32(s) + u32(1)),
        _FOREIGN,
    ),
    Case(
        "foreign-transfer",
        "nor takes it over, as another user",
        "Part 4, 5.14.7; CWE-639",
        of_other("TransferSubscriptionsRequest", lambda s: array([u32(s)]) + u8(1)),
        _FOREIGN,
    ),
    Case(
        "foreign-transfer-anonymous",
        "nor without a user",
        "Part 4, 5.14.7; CWE-639",
        _transfer_anonymous,
        _FOREIGN,
    ),
    Case(
        "foreign-get-items",
        "nor learns its items",
        "Part 5, 9.1; CWE-639",
        of_other(
            "CallRequest",
            lambda s: array([call(SERVER, node(11492), scalar(UINT32, u32(s)))]),
            "engineer",
        ),
        _FOREIGN,
    ),
    Case(
        "foreign-resend",
        "nor lets its data be sent again",
        "Part 5, 9.2; CWE-639",
        of_other(
            "CallRequest",
            lambda s: array([call(SERVER, node(12873), scalar(UINT32, u32(s)))]),
            "engineer",
        ),
        _FOREIGN,
    ),
    Case(
        "foreign-refresh",
        "nor its conditions",
        "Part 9, 5.5.7; CWE-639",
        of_other(
            "CallRequest",
            lambda s: array([call(node(2782), node(3875), scalar(UINT32, u32(s)))]),
            "engineer",
        ),
        (*_FOREIGN, *METHOD_BAD),
    ),
    Case(
        "subscriptions-guessed",
        "subscriptions that are not there are refused one by one",
        "Part 4, 5.14.8",
        ask("DeleteSubscriptionsRequest", array([u32(n) for n in range(3000, 4000)])),
        ("result BadSubscriptionIdInvalid",),
    ),
    Case(
        "leave-in-the-middle",
        "clients that leave in the middle of everything leave nothing behind",
        "CWE-404",
        _churn,
        ("Good",),
    ),
)
