"""Subscription service set (Part 4, 5.14), and the ServiceSet that the front end drives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from biogate.opcua.codec.columns import republish_response
from biogate.opcua.errors import ServiceError, StatusError
from biogate.opcua.services.context import (
    DEFERRED,
    RequestContext,
    ServerContext,
    Service,
)
from biogate.opcua.services.item_access import ItemAccess
from biogate.opcua.services.limits import check_count
from biogate.opcua.services.monitored_item import MonitoredItemServices
from biogate.opcua.services.transfer import TransferService
from biogate.opcua.services.triggering import TriggeringService
from biogate.opcua.session import Session
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.subscriptions.limits import SubscriptionLimits, revise_publishing
from biogate.opcua.subscriptions.manager import SubscriptionManager
from biogate.opcua.subscriptions.publish_queue import ParkedPublish
from biogate.opcua.subscriptions.sampling import SampledTags
from biogate.opcua.subscriptions.subscription import Publishing, Subscription
from biogate.opcua.transport.interfaces import ConnectionHandle


class SubscriptionServices:
    """Subscriptions and monitored items of one front end, over one tag table."""

    def __init__(self, tags: SampledTags) -> None:
        self._tags = tags
        self._made: SubscriptionManager | None = None
        self.services: Sequence[Service] = (
            Service(ua.CreateSubscriptionRequest, self.create),
            Service(ua.ModifySubscriptionRequest, self.modify),
            Service(ua.SetPublishingModeRequest, self.set_publishing_mode),
            Service(ua.DeleteSubscriptionsRequest, self.delete),
            Service(ua.PublishRequest, self.publish),
            Service(ua.RepublishRequest, self.republish),
            *TransferService(self._manager).services,
            *MonitoredItemServices(tags, self._manager).services,
            *TriggeringService(self._manager).services,
        )

    # -- ServiceSet -----------------------------------------------------------------------------

    def tick(self, now_s: float) -> None:
        """Sample and publish what is due."""
        if self._made is None:
            return
        self._made.check_access()
        if self._made.next_deadline_s <= now_s:
            self._made.tick(now_s)

    @property
    def manager(self) -> SubscriptionManager | None:
        """What holds the subscriptions; None before the first one is asked for."""
        return self._made

    @property
    def next_deadline_s(self) -> float:
        """When `tick` next has something to do; infinity without subscriptions."""
        return float("inf") if self._made is None else self._made.next_deadline_s

    def session_closed(self, session: Session, *, delete_subscriptions: bool) -> None:
        """Part 4, 5.7.4: without `delete_subscriptions` they live until their lifetime ends."""
        if self._made is not None:
            self._made.owner_closed(session, delete_subscriptions=delete_subscriptions)

    def session_moved(self, session: Session, handle: ConnectionHandle) -> None:
        """Answer nothing more on the connection before, which may be one in name only."""
        if self._made is not None:
            self._made.owner_moved(session, handle)

    def connection_closed(self, handle: ConnectionHandle) -> None:
        """Forget the Publish requests that came on it."""
        if self._made is not None:
            self._made.connection_closed(handle)

    def cancel(self, session: Session, request_handle: int) -> int:
        """Refuse parked Publish requests with Bad_RequestCancelledByClient; their number."""
        return 0 if self._made is None else self._made.cancel(session, request_handle)

    def monitored_items(
        self, session: Session, subscription_id: int
    ) -> tuple[list[int], list[int]]:
        """Server and client handles of a subscription, for GetMonitoredItems (Part 5, 9.1).

        Raises StatusError Bad_SubscriptionIdInvalid, or Bad_UserAccessDenied for a subscription
        of another session.
        """
        items = list(self._of_session(session, subscription_id).items)
        return [i.id for i in items], [i.settings.client_handle for i in items]

    def resend(self, session: Session, subscription_id: int) -> Iterator[None]:
        """Queue the present values of reporting items, some at a time, for ResendData (9.2).

        Raises StatusError like `monitored_items`, at once.
        """
        subscription = self._of_session(session, subscription_id)
        assert self._made is not None
        return self._made.items.resend(subscription.items)

    def all(self) -> Iterator[tuple[Session, Subscription]]:
        """Every subscription with its session, those of closed sessions too."""
        return self._made.subscriptions() if self._made else iter(())

    def _of_session(self, session: Session, subscription_id: int) -> Subscription:
        if self._made is None:
            raise StatusError(StatusCodes.BadSubscriptionIdInvalid)
        return self._made.of_session(session, subscription_id)

    def _manager(self, server: ServerContext) -> SubscriptionManager:
        if self._made is None:
            self._made = SubscriptionManager(
                SubscriptionLimits(server.config.limits),
                self._tags,
                server.events.journal,
                ItemAccess(server, self._tags),
                server.clock,
                server.wall_clock,
            )
        return self._made

    # -- handlers -------------------------------------------------------------------------------

    def create(
        self, ctx: RequestContext, request: ua.CreateSubscriptionRequest
    ) -> ua.CreateSubscriptionResponse:
        """A subscription with revised parameters (5.14.2)."""
        wanted = request.Parameters
        manager = self._manager(ctx.server)
        subscription = manager.create(
            ctx.session, _publishing(manager, wanted), enabled=wanted.PublishingEnabled
        )
        ctx.server.statistics.subscriptions += 1
        publishing = subscription.publishing
        return ua.CreateSubscriptionResponse(
            Parameters=ua.CreateSubscriptionResult(
                SubscriptionId=ua.UInt32(subscription.id),
                RevisedPublishingInterval=ua.Double(publishing.interval_ms),
                RevisedLifetimeCount=ua.UInt32(publishing.lifetime_count),
                RevisedMaxKeepAliveCount=ua.UInt32(publishing.max_keep_alive_count),
            )
        )

    def modify(
        self, ctx: RequestContext, request: ua.ModifySubscriptionRequest
    ) -> ua.ModifySubscriptionResponse:
        """New parameters, revised (5.14.3)."""
        wanted = request.Parameters
        manager = self._manager(ctx.server)
        subscription = self._subscription(ctx, wanted.SubscriptionId)
        publishing = _publishing(manager, wanted)
        subscription.modify(publishing, ctx.server.clock())
        return ua.ModifySubscriptionResponse(
            Parameters=ua.ModifySubscriptionResult(
                RevisedPublishingInterval=ua.Double(publishing.interval_ms),
                RevisedLifetimeCount=ua.UInt32(publishing.lifetime_count),
                RevisedMaxKeepAliveCount=ua.UInt32(publishing.max_keep_alive_count),
            )
        )

    def set_publishing_mode(
        self, ctx: RequestContext, request: ua.SetPublishingModeRequest
    ) -> ua.SetPublishingModeResponse:
        """Let subscriptions speak, or keep them silent (5.14.4)."""
        wanted = request.Parameters
        results = []
        for subscription_id in self._checked(ctx, wanted.SubscriptionIds):
            try:
                subscription = self._manager(ctx.server).find(ctx.session, subscription_id)
            except StatusError as error:
                results.append(_code(error.status))
            else:
                subscription.enable(enabled=wanted.PublishingEnabled)
                results.append(_code(StatusCodes.Good))
        return ua.SetPublishingModeResponse(Parameters=ua.SetPublishingModeResult(results))

    def delete(
        self, ctx: RequestContext, request: ua.DeleteSubscriptionsRequest
    ) -> ua.DeleteSubscriptionsResponse:
        """End subscriptions and their items (5.14.8)."""
        results = []
        for subscription_id in self._checked(ctx, request.Parameters.SubscriptionIds):
            try:
                self._manager(ctx.server).delete(ctx.session, subscription_id)
            except StatusError as error:
                results.append(_code(error.status))
            else:
                results.append(_code(StatusCodes.Good))
        return ua.DeleteSubscriptionsResponse(Results=results)

    def publish(self, ctx: RequestContext, request: ua.PublishRequest) -> Any:
        """Acknowledge, then wait for something to say (5.14.5)."""
        manager = self._manager(ctx.server)
        acknowledged = request.Parameters.SubscriptionAcknowledgements or ()
        if len(acknowledged) > manager.limits.max_acknowledgements:
            raise ServiceError(StatusCodes.BadTooManyOperations)
        results = [
            manager.acknowledge(ctx.session, one.SubscriptionId, one.SequenceNumber)
            for one in acknowledged
        ]
        hint_ms = ctx.request_header.TimeoutHint
        manager.publish(
            ctx.session,
            ParkedPublish(
                request_handle=ctx.request_header.RequestHandle,
                connection=ctx.handle,
                results=results,
                answer=ctx.respond,
                refuse=ctx.refuse,
                expires_s=ctx.server.clock() + hint_ms / 1000 if hint_ms else None,
                room=ctx.response_room,
            ),
        )
        return DEFERRED

    def republish(self, ctx: RequestContext, request: ua.RepublishRequest) -> bytes:
        """A message again that the client did not get (5.14.6)."""
        wanted = request.Parameters
        subscription = self._subscription(ctx, wanted.SubscriptionId)
        subscription.statistics.republish_requests += 1
        message = subscription.message(wanted.RetransmitSequenceNumber)
        if message is None:
            raise ServiceError(StatusCodes.BadMessageNotAvailable)
        subscription.statistics.republished += 1
        handle = ctx.request_header.RequestHandle
        return republish_response(handle, ctx.server.wall_clock(), message)

    def _subscription(self, ctx: RequestContext, subscription_id: int) -> Subscription:
        try:
            return self._manager(ctx.server).find(ctx.session, subscription_id)
        except StatusError as error:
            raise ServiceError(error.status) from None

    def _checked(self, ctx: RequestContext, ids: Sequence[int] | None) -> Sequence[int]:
        return check_count(ids, ctx.server.config.limits.max_monitored_items_per_call)


def _publishing(
    manager: SubscriptionManager,
    wanted: ua.CreateSubscriptionParameters | ua.ModifySubscriptionParameters,
) -> Publishing:
    return revise_publishing(
        manager.limits,
        wanted.RequestedPublishingInterval,
        wanted.RequestedLifetimeCount,
        wanted.RequestedMaxKeepAliveCount,
        wanted.MaxNotificationsPerPublish,
        wanted.Priority,
    )


def _code(status: int) -> ua.StatusCode:
    return ua.StatusCode(ua.UInt32(status))
