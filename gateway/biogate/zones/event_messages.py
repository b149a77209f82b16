"""Events as messages, and back."""

from __future__ import annotations

from biogate.opcua.codec import decode_variant, encode_variant
from biogate.opcua.events import Event
from biogate.opcua.space.places import Place
from biogate.opcua.stack import ua
from biogate.zones.messages import EventOf
from biogate.zones.node_ids import from_bytes, to_bytes


def event_message(event: Event) -> EventOf:
    """The event, completed as the hub did."""
    return EventOf(
        to_bytes(event.source_node),
        event.severity,
        (event.message.Text, event.message.Locale),
        to_bytes(event.type),
        event.source_name,
        event.time,
        event.receive_time,
        tuple((path, bytes(encode_variant(value))) for path, value in event.fields.items()),
        event.event_id,
        (event.place.zone, event.place.part),
    )


def event_of(message: EventOf) -> Event:
    """The event of a message of the core; its EventId is the same in all zones."""
    return Event(
        from_bytes(message.source),
        message.severity,
        ua.LocalizedText(*message.message),
        from_bytes(message.event_type),
        message.source_name,
        message.time,
        message.receive_time,
        {path: decode_variant(value) for path, value in message.fields},
        message.event_id,
        Place(*message.place),
    )
