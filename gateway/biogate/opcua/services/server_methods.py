"""Methods of the Server object (Part 5, 9)."""

from __future__ import annotations

import asyncio

from biogate.opcua.services.subscription import SubscriptionServices
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.ids import SERVER
from biogate.opcua.space.methods import MethodCall, Outputs
from biogate.opcua.stack import ObjectIds, node_id, ua

_GET_MONITORED_ITEMS = node_id(ObjectIds.Server_GetMonitoredItems)


_RESEND_DATA = node_id(ObjectIds.Server_ResendData)


def bind_server_methods(space: AddressSpace, subscriptions: SubscriptionServices) -> None:
    """GetMonitoredItems (9.1) and ResendData (9.2), with which a client finds its items and their
    values after a lost connection."""

    def get_monitored_items(call: MethodCall) -> Outputs:
        (subscription,) = call.arguments
        handles = subscriptions.monitored_items(call.context.session, subscription.Value)
        return [ua.Variant(numbers, ua.VariantType.UInt32, is_array=True) for numbers in handles]

    async def resend_data(call: MethodCall) -> Outputs:
        (subscription,) = call.arguments
        for _ in subscriptions.resend(call.context.session, subscription.Value):
            await asyncio.sleep(0)
        return []

    for method, handler in (
        (_GET_MONITORED_ITEMS, get_monitored_items),
        (_RESEND_DATA, resend_data),
    ):
        if space.get(method) is not None:
            space.methods.bind(SERVER, method, handler, audited=False)
