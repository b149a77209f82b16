"""MonitoredItem service set (Part 4, 5.13): what clients want to hear about, item by item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from biogate.opcua.errors import ServiceError, StatusError
from biogate.opcua.services.attribute import checked_timestamps
from biogate.opcua.services.context import RequestContext, Result, ServerContext, Service
from biogate.opcua.services.event_item import event_settings, filter_result
from biogate.opcua.services.item_source import check_item, is_number, item_source
from biogate.opcua.services.limits import check_count
from biogate.opcua.services.results import ResultList
from biogate.opcua.space.attributes import VALUE
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.subscriptions.filters import data_filter
from biogate.opcua.subscriptions.limits import revise_queue_size, revise_sampling_interval
from biogate.opcua.subscriptions.manager import SubscriptionManager
from biogate.opcua.subscriptions.monitored_item import (
    EventSource,
    MonitoredItem,
    NumberSource,
    Settings,
    Source,
)
from biogate.opcua.subscriptions.sampling import SampledTags
from biogate.opcua.subscriptions.states import State
from biogate.opcua.subscriptions.subscription import Subscription
from biogate.opcua.turns import Work

T = TypeVar("T")
R = TypeVar("R")
_MODES = tuple(ua.MonitoringMode)
_BATCH = 50
"""Items that are created together, and sampled from the same moment."""

_LARGE_BATCH = 1000
"""Items that are changed or deleted together: columns are faster by the thousand."""


class MonitoredItemServices:
    """The handlers. `manager` gives the subscriptions of the server that asks."""

    def __init__(
        self, tags: SampledTags, manager: Callable[[ServerContext], SubscriptionManager]
    ) -> None:
        self._tags = tags
        self._manager = manager
        self.services: Sequence[Service] = (
            Service(ua.CreateMonitoredItemsRequest, self.create),
            Service(ua.ModifyMonitoredItemsRequest, self.modify),
            Service(ua.SetMonitoringModeRequest, self.set_mode),
            Service(ua.DeleteMonitoredItemsRequest, self.delete),
        )

    def create(self, ctx: RequestContext, request: ua.CreateMonitoredItemsRequest) -> Result:
        """Add items, each with a status of its own (5.13.2)."""
        parameters = request.Parameters
        subscription = self._subscription(ctx, parameters.SubscriptionId)
        timestamps = checked_timestamps(parameters.TimestampsToReturn)
        items = _checked(ctx, parameters.ItemsToCreate)
        return ctx.in_turns(self._create_all(ctx, subscription, items, timestamps))

    def _create_all(
        self,
        ctx: RequestContext,
        subscription: Subscription,
        items: Sequence[ua.MonitoredItemCreateRequest],
        timestamps: int,
    ) -> Work[ResultList]:
        results = ctx.results(ua.CreateMonitoredItemsResponse)
        manager = self._manager(ctx.server)
        for some in _batches(ctx, subscription, items):
            created: list[MonitoredItem] = []
            left = manager.items_left(subscription.owner)
            for wanted in some:
                try:
                    if len(created) >= left:
                        raise StatusError(StatusCodes.BadTooManyMonitoredItems)
                    item = self._create(ctx, subscription, wanted, timestamps)
                except StatusError as error:
                    results.add(_refused(ua.MonitoredItemCreateResult, error))
                else:
                    created.append(item)
                    results.add(_create_result(item))
            manager.items.start(created)
            yield
        return results

    def _create(
        self,
        ctx: RequestContext,
        subscription: Subscription,
        wanted: ua.MonitoredItemCreateRequest,
        timestamps: int,
    ) -> MonitoredItem:
        read = wanted.ItemToMonitor
        # By the rights of whoever has the session now: theirs is what it shows from now on.
        check_item(ctx.server, ctx.session.rights, read)
        if wanted.MonitoringMode not in _MODES:
            raise StatusError(StatusCodes.BadMonitoringModeInvalid)
        source = item_source(ctx.server, self._tags, subscription, read)
        settings = self._settings(
            ctx, subscription, read, source, wanted.RequestedParameters, timestamps, old_size=0
        )
        return self._manager(ctx.server).items.add(
            subscription.items, read, source, settings, int(wanted.MonitoringMode)
        )

    def modify(self, ctx: RequestContext, request: ua.ModifyMonitoredItemsRequest) -> Result:
        """Change the parameters of items, each with a status of its own (5.13.3)."""
        parameters = request.Parameters
        subscription = self._subscription(ctx, parameters.SubscriptionId)
        timestamps = checked_timestamps(parameters.TimestampsToReturn)
        items = _checked(ctx, parameters.ItemsToModify)
        return ctx.in_turns(self._modify_all(ctx, subscription, items, timestamps))

    def _modify_all(
        self,
        ctx: RequestContext,
        subscription: Subscription,
        items: Sequence[ua.MonitoredItemModifyRequest],
        timestamps: int,
    ) -> Work[ResultList]:
        results = ctx.results(ua.ModifyMonitoredItemsResponse)
        for some in _batches(ctx, subscription, items):
            for wanted in some:
                try:
                    item = _item(subscription, wanted.MonitoredItemId)
                    self._modify(ctx, subscription, item, wanted.RequestedParameters, timestamps)
                except StatusError as error:
                    results.add(_refused(ua.MonitoredItemModifyResult, error))
                else:
                    results.add(_modify_result(item))
            yield
        return results

    def _modify(
        self,
        ctx: RequestContext,
        subscription: Subscription,
        item: MonitoredItem,
        requested: ua.MonitoringParameters,
        timestamps: int,
    ) -> None:
        settings = self._settings(
            ctx,
            subscription,
            item.read,
            item.source,
            requested,
            timestamps,
            old_size=item.settings.queue_size,
        )
        self._manager(ctx.server).items.modify(subscription.items, item, settings)

    def set_mode(self, ctx: RequestContext, request: ua.SetMonitoringModeRequest) -> Result:
        """Disable, sample or report items (5.13.4)."""
        parameters = request.Parameters
        subscription = self._subscription(ctx, parameters.SubscriptionId)
        if parameters.MonitoringMode not in _MODES:
            raise ServiceError(StatusCodes.BadMonitoringModeInvalid)
        ids = _checked(ctx, parameters.MonitoredItemIds)
        mode = int(parameters.MonitoringMode)
        return ctx.in_turns(self._set_modes(ctx, subscription, ids, mode))

    def _set_modes(
        self, ctx: RequestContext, subscription: Subscription, ids: Sequence[int], mode: int
    ) -> Work[ua.SetMonitoringModeResponse]:
        results: list[ua.StatusCode] = []
        for some in _batches(ctx, subscription, ids, _LARGE_BATCH):
            items, codes = _found(subscription, some)
            self._manager(ctx.server).items.set_mode(subscription.items, items, mode)
            results += codes
            yield
        return ua.SetMonitoringModeResponse(Parameters=ua.SetMonitoringModeResult(results))

    def delete(self, ctx: RequestContext, request: ua.DeleteMonitoredItemsRequest) -> Result:
        """Remove items (5.13.6)."""
        parameters = request.Parameters
        subscription = self._subscription(ctx, parameters.SubscriptionId)
        ids = _checked(ctx, parameters.MonitoredItemIds)
        return ctx.in_turns(self._delete_all(ctx, subscription, ids))

    def _delete_all(
        self, ctx: RequestContext, subscription: Subscription, ids: Sequence[int]
    ) -> Work[ua.DeleteMonitoredItemsResponse]:
        results: list[ua.StatusCode] = []
        for some in _batches(ctx, subscription, ids, _LARGE_BATCH):
            going: dict[int, MonitoredItem] = {}
            for item_id in some:
                item = None if item_id in going else subscription.items.get(item_id)
                if item is not None:
                    going[item_id] = item
                results.append(_known(item))
            self._manager(ctx.server).items.remove(subscription.items, list(going.values()))
            yield
        return ua.DeleteMonitoredItemsResponse(Results=results)

    def _subscription(self, ctx: RequestContext, subscription_id: int) -> Subscription:
        try:
            return self._manager(ctx.server).find(ctx.session, subscription_id)
        except StatusError as error:
            raise ServiceError(error.status) from None

    def _settings(
        self,
        ctx: RequestContext,
        subscription: Subscription,
        read: ua.ReadValueId,
        source: Source,
        requested: ua.MonitoringParameters,
        timestamps: int,
        *,
        old_size: int,
    ) -> Settings:
        """The revised parameters. Raises StatusError for a filter that cannot be."""
        manager, owner = self._manager(ctx.server), subscription.owner
        if isinstance(source, EventSource):
            return event_settings(
                ctx.server,
                requested,
                timestamps,
                lambda size: manager.make_room(owner, source, size - old_size) + old_size,
            )
        node = ctx.server.space.get(read.NodeId)
        size = min(requested.QueueSize, ctx.server.config.limits.max_monitored_items_queue_size)
        places = manager.make_room(owner, source, size - old_size) + old_size
        every_change = isinstance(source, NumberSource) or source.tag is not None
        return Settings(
            client_handle=requested.ClientHandle,
            sampling_interval_ms=revise_sampling_interval(
                manager.limits,
                requested.SamplingInterval,
                subscription.publishing.interval_ms,
                every_change=every_change,
            ),
            filter=data_filter(
                requested.Filter,
                is_value=read.AttributeId == VALUE,
                is_number=node is not None and is_number(ctx.server, node),
                span=lambda: manager.span(read.NodeId),
            ),
            timestamps=int(timestamps),
            queue_size=revise_queue_size(manager.limits, requested.QueueSize, places),
            discard_oldest=requested.DiscardOldest,
        )


def _checked(ctx: RequestContext, operations: Sequence[T] | None) -> Sequence[T]:
    return check_count(operations, ctx.server.config.limits.max_monitored_items_per_call)


def _batches(
    ctx: RequestContext, subscription: Subscription, items: Sequence[T], size: int = _BATCH
) -> Iterator[Sequence[T]]:
    """The items, some at a time, while the session has the subscription.

    Raises ServiceError when something has ended between two batches: Bad_SessionClosed;
    Bad_SubscriptionIdInvalid for a subscription that is gone or another session's now.
    """
    for start in range(0, len(items), size):
        if ctx.session.closed:
            raise ServiceError(StatusCodes.BadSessionClosed)
        if subscription.state is State.CLOSED or subscription.owner is not ctx.session:
            raise ServiceError(StatusCodes.BadSubscriptionIdInvalid)
        yield items[start : start + size]


def _code(status: int) -> ua.StatusCode:
    return ua.StatusCode(ua.UInt32(status))


def _item(subscription: Subscription, item_id: int) -> MonitoredItem:
    item = subscription.items.get(item_id)
    if item is None:
        raise StatusError(StatusCodes.BadMonitoredItemIdInvalid)
    return item


def _found(
    subscription: Subscription, item_ids: Sequence[int]
) -> tuple[list[MonitoredItem], list[Any]]:
    """The items that exist, and the status of each id."""
    items, results = [], []
    for item_id in item_ids:
        item = subscription.items.get(item_id)
        if item is not None:
            items.append(item)
        results.append(_known(item))
    return items, results


def _known(item: MonitoredItem | None) -> Any:
    return _code(StatusCodes.BadMonitoredItemIdInvalid if item is None else StatusCodes.Good)


def _refused(result: Callable[..., R], error: StatusError) -> R:
    return result(StatusCode=_code(error.status), FilterResult=filter_result(error))


def _create_result(item: MonitoredItem) -> ua.MonitoredItemCreateResult:
    return ua.MonitoredItemCreateResult(
        MonitoredItemId=ua.UInt32(item.id),
        RevisedSamplingInterval=ua.Double(item.settings.sampling_interval_ms),
        RevisedQueueSize=ua.UInt32(item.settings.queue_size),
        FilterResult=filter_result(item.settings),
    )


def _modify_result(item: MonitoredItem) -> ua.MonitoredItemModifyResult:
    return ua.MonitoredItemModifyResult(
        RevisedSamplingInterval=ua.Double(item.settings.sampling_interval_ms),
        RevisedQueueSize=ua.UInt32(item.settings.queue_size),
        FilterResult=filter_result(item.settings),
    )
