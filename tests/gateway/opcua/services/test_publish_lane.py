"""A Publish request that takes its lane is answered like one on the ordinary path (Part 4, 5.14.5).

Two clients do the same. The requests of one have an AuditEntryId, which no lane takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from asyncua import ua
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biogate.opcua.codec import encode_message
from biogate.opcua.lanes.publish import PublishLane
from biogate.opcua.subscriptions import manager

S = ua.StatusCodes


class Subscriber:
    """A client with one subscription to one variable."""

    def __init__(self, client: Any, audit_entry_id: str | None) -> None:
        self.client = client
        self.header = {"AuditEntryId": audit_entry_id}
        self.sent: list[int] = []
        create = ua.CreateSubscriptionRequest()
        create.Parameters = ua.CreateSubscriptionParameters(
            100.0, RequestedLifetimeCount=10_000, RequestedMaxKeepAliveCount=1
        )
        self.subscription = client.ask(create).Parameters.SubscriptionId
        items = ua.CreateMonitoredItemsRequest()
        item = ua.MonitoredItemCreateRequest(
            ua.ReadValueId(ua.NodeId("pH", 1), ua.AttributeIds.Value),
            ua.MonitoringMode.Reporting,
            ua.MonitoringParameters(ClientHandle=1, QueueSize=2),
        )
        items.Parameters = ua.CreateMonitoredItemsParameters(self.subscription, 2, [item])
        client.ask(items)

    def message(self, acknowledged: list[tuple[int, int]], hint_ms: int) -> bytes:
        """`acknowledged`: how far from the own subscription's id, and the sequence number."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = [
            ua.SubscriptionAcknowledgement(self.subscription + away, number)
            for away, number in acknowledged
        ]
        request.RequestHeader = ua.RequestHeader(
            self.client.token, RequestHandle=7, TimeoutHint=hint_ms, **self.header
        )
        return encode_message(request)

    def publish(self, acknowledged: list[tuple[int, int]], hint_ms: int) -> None:
        self.sent.append(self.client.send_bytes(self.message(acknowledged, hint_ms)))

    def told(self) -> list[Any]:
        """What each request was answered with, but for ids and times."""
        return [self._answer(request_id) for request_id in self.sent]

    def _answer(self, request_id: int) -> Any:
        if not self.client.answered(request_id):
            return "waits"
        response = self.client.answer(request_id)
        header = response.ResponseHeader
        if isinstance(response, ua.ServiceFault):
            return header.RequestHandle, header.ServiceResult.value
        result = response.Parameters
        message = result.NotificationMessage
        return (
            header.RequestHandle,
            result.SubscriptionId == self.subscription,
            result.AvailableSequenceNumbers,
            result.MoreNotifications,
            [code.value for code in result.Results],
            message.SequenceNumber,
            [
                (item.ClientHandle, item.Value.Value.Value, item.Value.StatusCode.value)
                for change in message.NotificationData or ()
                for item in change.MonitoredItems
            ],
        )


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the lane took each request that it was asked for."""
    taken: list[bool] = []
    ordinary = PublishLane.__call__

    def watched(lane: PublishLane, request: Any) -> Any:
        answer = ordinary(lane, request)
        taken.append(answer is not None)
        return answer

    monkeypatch.setattr(PublishLane, "__call__", watched)
    # However slow the machine is: two clients are compared that are served in the same tick.
    monkeypatch.setattr(manager, "SLICE_S", math.inf)
    return taken


acknowledgements = st.lists(
    st.tuples(st.sampled_from([0, 0, 0, 1000]), st.integers(1, 6)), max_size=3
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), acknowledgements, st.sampled_from([0, 0, 50, 10_000])),
        st.tuples(st.just("set"), st.floats(0, 14)),
        st.tuples(st.just("advance"), st.sampled_from([0.05, 0.1, 0.3])),
    ),
    max_size=30,
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps)
async def test_what_the_lane_answers_is_what_the_ordinary_path_does(
    make_bench: Callable[..., Any], plant: Any, taken: list[bool], steps: list[Any]
) -> None:
    taken.clear()
    bench = make_bench()
    both = [
        Subscriber(await bench.session(number + 1), entry)
        for number, entry in enumerate((None, "x"))
    ]
    for name, *arguments in steps:
        if name == "publish":
            for one in both:
                one.publish(*arguments)
        elif name == "set":
            plant.set("ph", *arguments)
        else:
            bench.clock.now += arguments[0] + 1e-9
            bench.front_end.tick()
    by_lane, ordinary = (one.told() for one in both)
    assert by_lane == ordinary
    assert taken == [True] * len(both[0].sent)


# Part 6, 5.2.2.12: what does not fit its length is no request for a lane.
@pytest.mark.parametrize(
    "spoil", [lambda body: body[:-1], lambda body: body + b"\0", lambda body: body[:-12]]
)
async def test_a_request_that_is_cut_off_or_too_long_is_none_for_the_lane(
    bench: Any, plant: Any, taken: list[bool], spoil: Callable[[bytes], bytes]
) -> None:
    one = Subscriber(await bench.session(), None)
    request_id = one.client.send_bytes(spoil(one.message([(0, 1)], 0)))
    assert taken == [False]
    assert isinstance(one.client.answer(request_id), ua.ServiceFault)


async def test_too_many_acknowledgements_are_refused_by_the_ordinary_path(
    bench: Any, plant: Any, taken: list[bool]
) -> None:
    one = Subscriber(await bench.session(), None)
    one.publish([(0, 1)] * 30_000, 0)
    assert taken == [False]
    assert one.told() == [(7, S.BadTooManyOperations)]


async def test_before_the_first_subscription_of_all_the_ordinary_path_answers(
    bench: Any, taken: list[bool]
) -> None:
    client = await bench.session()
    request = ua.PublishRequest()
    answer = client.ask(request)
    assert taken == [False]
    assert answer.ResponseHeader.ServiceResult.value == S.BadNoSubscription
