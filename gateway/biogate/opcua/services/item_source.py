"""From a ReadValueId to the source that a monitored item is sampled from (Part 4, 5.13.1)."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from biogate.opcua.codec.data_values import WIRE_TYPES
from biogate.opcua.errors import StatusError
from biogate.opcua.services.context import ServerContext
from biogate.opcua.services.event_item import check_event_item, event_source
from biogate.opcua.services.read_value import check_read, read_items
from biogate.opcua.space.attributes import VALUE, read_attribute
from biogate.opcua.space.ids import NUMBER
from biogate.opcua.space.index_range import parse_index_range
from biogate.opcua.space.rights import RightsView
from biogate.opcua.space.tag_values import project
from biogate.opcua.space.values import CallSource, TagSource
from biogate.opcua.stack import AttributeIds, StatusCodes, ua
from biogate.opcua.subscriptions.monitored_item import NumberSource, ObjectSource, Source
from biogate.opcua.subscriptions.sampling import SampledTags
from biogate.opcua.subscriptions.subscription import Subscription
from biogate_nodesets.model import Node
from biogate_security.policy import Action

_BOTH = ua.TimestampsToReturn.Both


def check_item(server: ServerContext, rights: RightsView, read: ua.ReadValueId) -> Node:
    """The node that `read` names, when its attribute may be subscribed to.

    Raises StatusError with the operation's status.
    """
    node = check_read(rights, read)
    if read.AttributeId == AttributeIds.EventNotifier:
        check_event_item(server, rights, node)
        return node
    if not rights.may(Action.SUBSCRIBE, node):
        raise StatusError(rights.refusal(Action.SUBSCRIBE, node))
    if read.AttributeId != VALUE and (
        read_attribute(node, read.AttributeId, server.space, rights) is None
    ):
        raise StatusError(StatusCodes.BadAttributeIdInvalid)
    if read.IndexRange:
        _check_dimensions(node, read.IndexRange)
    return node


def _check_dimensions(node: Node, index_range: str) -> None:
    """No element of an array of fixed length will ever be there (Part 4, 5.13.2.4).

    Raises StatusError Bad_IndexRangeNoData.
    """
    ranges, lengths = parse_index_range(index_range), node.array_dimensions or ()
    for part, length in zip(ranges, lengths, strict=False):  # a part of each text is one more
        if length and part.start >= length:
            raise StatusError(StatusCodes.BadIndexRangeNoData)


def is_number(server: ServerContext, node: Node) -> bool:
    """True when a deadband makes sense for the node's Value."""
    data_type = node.data_type
    return data_type is not None and server.space.types.is_subtype(data_type, NUMBER)


def item_source(
    server: ServerContext, tags: SampledTags, subscription: Subscription, read: ua.ReadValueId
) -> Source:
    """What a permitted item is sampled from; read with the rights of the subscription's owner.

    A tag that is a number goes by column; everything else is read as an object, and only when
    what is known of it says that it may have changed.
    """
    if read.AttributeId == AttributeIds.EventNotifier:
        return event_source(server, subscription, read)
    source = server.space.source(read.NodeId) if read.AttributeId == VALUE else None

    def read_now() -> ua.DataValue:
        return read_items(server, subscription.owner.rights, [read], _BOTH)[0]

    if isinstance(source, TagSource):
        tag = source.tag
        if read.IndexRange:
            return ObjectSource(read_now, lambda: tags.version[tag], origin=source)
        if source.projection.value in WIRE_TYPES:
            return NumberSource(tag, source.projection.value)
        show = _show_as(source.projection)
        return ObjectSource(read_now, lambda: tags.version[tag], tag, show, origin=source)
    if isinstance(source, CallSource):
        return ObjectSource(read_now, origin=source)
    return ObjectSource(read_now, lambda: subscription.owner.rights.key)


@cache
def _show_as(projection: ua.VariantType) -> Any:
    def show(
        value: float, status: int, source_time: int, server_time: int, held: object
    ) -> ua.DataValue:
        variant, shown = project(projection, value, status, held)
        return ua.DataValue(
            cast(Any, variant),
            ua.StatusCode(ua.UInt32(shown)),
            cast(Any, source_time or None),
            cast(Any, server_time or None),
        )

    return show
