"""SetTriggering: which items report when another one does (Part 4, 5.13.5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from biogate.opcua.errors import ServiceError, StatusError
from biogate.opcua.services.context import RequestContext, Result, ServerContext, Service
from biogate.opcua.services.limits import check_count
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.subscriptions.item_pool import ItemPool
from biogate.opcua.subscriptions.manager import SubscriptionManager
from biogate.opcua.subscriptions.monitored_item import MonitoredItem
from biogate.opcua.subscriptions.subscription import Subscription
from biogate.opcua.turns import Work

Change = Callable[[MonitoredItem, MonitoredItem], None]


class TriggeringService:
    """The handler. `manager` gives the subscriptions of the server that asks."""

    def __init__(self, manager: Callable[[ServerContext], SubscriptionManager]) -> None:
        self._manager = manager
        self.services: Sequence[Service] = (Service(ua.SetTriggeringRequest, self.set_triggering),)

    def set_triggering(self, ctx: RequestContext, request: ua.SetTriggeringRequest) -> Result:
        """Remove links, then add some, each with a status of its own."""
        wanted = request.Parameters
        manager = self._manager(ctx.server)
        try:
            subscription = manager.find(ctx.session, wanted.SubscriptionId)
        except StatusError as error:
            raise ServiceError(error.status) from None
        added, removed = wanted.LinksToAdd or (), wanted.LinksToRemove or ()
        check_count([*removed, *added], ctx.server.config.limits.max_monitored_items_per_call)
        _trigger(subscription, wanted.TriggeringItemId)
        return ctx.in_turns(_change_links(manager.items, subscription, wanted, removed, added))


def _change_links(
    pool: ItemPool,
    subscription: Subscription,
    wanted: ua.SetTriggeringParameters,
    removed: Sequence[int],
    added: Sequence[int],
) -> Work[ua.SetTriggeringResponse]:
    items = subscription.items

    def change_all(ids: Sequence[int], change: Change) -> Work[list[ua.StatusCode]]:
        statuses = []
        for item_id in ids:
            trigger = _trigger(subscription, wanted.TriggeringItemId)
            item = items.get(item_id)
            statuses.append(ua.StatusCode(ua.UInt32(_status(change, trigger, item))))
            yield
        return statuses

    remove_results = yield from change_all(removed, lambda t, i: pool.unlink(items, t, i))
    add_results = yield from change_all(added, lambda t, i: pool.link(items, t, i))
    return ua.SetTriggeringResponse(
        Parameters=ua.SetTriggeringResult(AddResults=add_results, RemoveResults=remove_results)
    )


def _trigger(subscription: Subscription, item_id: int) -> MonitoredItem:
    trigger = subscription.items.get(item_id)
    if trigger is None:
        raise ServiceError(StatusCodes.BadMonitoredItemIdInvalid)
    return trigger


def _status(change: Change, trigger: MonitoredItem, item: MonitoredItem | None) -> int:
    if item is None or item is trigger:
        return StatusCodes.BadMonitoredItemIdInvalid
    try:
        change(trigger, item)
    except StatusError as error:
        return error.status
    return StatusCodes.Good
