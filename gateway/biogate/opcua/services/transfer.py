"""Subscriptions that change hands, and present values again (Part 4, 5.14.7; Part 5, 9.2)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from biogate.opcua.audit.sessions import subscriptions_transferred
from biogate.opcua.errors import ServiceError, StatusError
from biogate.opcua.services.context import RequestContext, Result, ServerContext, Service
from biogate.opcua.services.limits import check_count
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.subscriptions.manager import SubscriptionManager
from biogate.opcua.turns import Work

_log = logging.getLogger(__name__)


class TransferService:
    """The handler. `manager` gives the subscriptions of the server that asks."""

    def __init__(self, manager: Callable[[ServerContext], SubscriptionManager]) -> None:
        self._manager = manager
        self.services: Sequence[Service] = (
            Service(ua.TransferSubscriptionsRequest, self.transfer_subscriptions),
        )

    def transfer_subscriptions(
        self, ctx: RequestContext, request: ua.TransferSubscriptionsRequest
    ) -> Result:
        """Take subscriptions over from other sessions, each with a status of its own."""
        wanted = request.Parameters
        limit = ctx.server.config.limits.max_monitored_items_per_call
        ids = check_count(wanted.SubscriptionIds, limit)
        return ctx.in_turns(self._transfer_all(ctx, ids, resend=wanted.SendInitialValues))

    def _transfer_all(
        self, ctx: RequestContext, ids: Sequence[int], *, resend: bool
    ) -> Work[ua.TransferSubscriptionsResponse]:
        results = []
        for subscription_id in ids:
            if ctx.session.closed:
                raise ServiceError(StatusCodes.BadSessionClosed)
            results.append((yield from self._transfer(ctx, subscription_id, resend=resend)))
            yield
        refused = [result.StatusCode.value for result in results if result.StatusCode.is_bad()]
        ctx.server.auditor.note(subscriptions_transferred(ctx, ids, refused[0] if refused else 0))
        return ua.TransferSubscriptionsResponse(
            Parameters=ua.TransferSubscriptionsResult(Results=results)
        )

    def _transfer(
        self, ctx: RequestContext, subscription_id: int, *, resend: bool
    ) -> Work[ua.TransferResult]:
        manager = self._manager(ctx.server)
        try:
            subscription = manager.transfer(ctx.session, subscription_id)
        except StatusError as error:
            if error.status == StatusCodes.BadUserAccessDenied:
                ctx.warn("transfer refused", subscription=subscription_id)
            return ua.TransferResult(StatusCode=ua.StatusCode(ua.UInt32(error.status)))
        yield from manager.settle(subscription, resend=resend)
        _log.info(
            "subscription transferred",
            extra={"subscription": subscription_id, "session": ctx.session.name},
        )
        numbers = [ua.UInt32(number) for number in subscription.available_sequence_numbers]
        return ua.TransferResult(AvailableSequenceNumbers=numbers)
