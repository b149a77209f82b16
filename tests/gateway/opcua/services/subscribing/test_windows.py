"""Items end when the time window closes that allows them, and come back when it opens."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from biogate_security.policy import Action, Decision, Resource, Subject

S = ua.StatusCodes
SECOND = 10_000_000


class Wall:
    """Wall time, in ticks; the window is open from 100 to 200."""

    now = 150

    def __call__(self) -> int:
        return self.now


class Windows:
    """Lets everything be seen and subscribed to while the window is open."""

    epoch = 1
    hides = False

    def decide(self, subject: Subject, action: Action, resource: Resource, now: int) -> Decision:
        limited = resource.node_id.endswith("s=pH")
        limited = limited and action in ({Action.BROWSE} if self.hides else {Action.SUBSCRIBE})
        if not limited:
            return Decision(True, "test")
        until = next((edge for edge in (100, 200, 1000) if edge > now), None)
        return Decision(100 <= now < 200, "test", until=until)


@pytest.mark.parametrize(
    ("hides", "status"), [(False, S.BadUserAccessDenied), (True, S.BadNodeIdUnknown)]
)
async def test_an_item_ends_with_its_window(
    make_bench: Any, user: Any, plant: Any, hides: bool, status: int
) -> None:
    wall = Wall()
    bench = make_bench(wall_clock=wall)
    windows = Windows()
    windows.hides = hides
    bench.policy.decide = windows.decide  # its rights ask this policy
    subscriber = await user(1, bench)
    subscription = subscriber.subscribe()
    subscriber.monitor(subscription, "pH", 1)
    plant.set("ph", 7.0)
    assert subscriber.values()[-1] == (1, 7.0)
    wall.now = 200
    ((_, code),) = statuses(subscriber)
    assert code == status
    plant.set("ph", 7.1)
    assert subscriber.values() == []
    wall.now = 120  # set back: the window is open again
    assert subscriber.values() == [(1, 7.1)]


def statuses(subscriber: Any) -> list[tuple[int, int]]:
    """(client handle, StatusCode) of what is told next."""
    return [
        (item.ClientHandle, item.Value.StatusCode.value)
        for result in subscriber.messages()
        for notification in result.NotificationMessage.NotificationData or ()
        for item in notification.MonitoredItems
    ]
