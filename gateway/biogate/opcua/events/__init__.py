"""Events: what happened, and who wants to hear of it (Part 3, 4.7; Part 4, 7.22.3; Part 5, 6.4)."""

from biogate.opcua.events.event import BASE_EVENT, Event, FieldPath, field_path
from biogate.opcua.events.hub import EventHub

__all__ = ["BASE_EVENT", "Event", "EventHub", "FieldPath", "field_path"]
