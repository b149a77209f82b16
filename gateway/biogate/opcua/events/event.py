"""One Event (Part 5, 6.4.2: BaseEventType), and how its fields are named."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from biogate.opcua.space.places import NOWHERE, Place
from biogate.opcua.stack import ObjectIds, node_id, ua

FieldPath = tuple[tuple[int, str], ...]
"""A browse path from an event type to a field: (namespace index, name) of each step."""

BASE_EVENT = node_id(ObjectIds.BaseEventType)
MIN_SEVERITY, MAX_SEVERITY = 1, 1000
_EVENT_ID_BYTES = 16


def new_event_id() -> bytes:
    """An EventId that no other event has (Part 5, 6.4.2)."""
    return secrets.token_bytes(_EVENT_ID_BYTES)


def field_path(*names: str, namespace: int = 0) -> FieldPath:
    """The path of a field whose names are all of one namespace: `field_path("Status")`."""
    return tuple((namespace, name) for name in names)


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """Something that happened at `source_node`.

    `severity` is 1 (informs) to 1000 (catastrophe). `time` is when it happened, in FILETIME ticks;
    0 stands for the moment at which it is emitted, which `receive_time` always is. An empty
    `source_name` becomes the DisplayName of the source. `fields` are those beyond BaseEventType,
    by path; a field of the type that is not given is null. `place` is what the event is about,
    where its source does not say so: only who may hear of both does.
    """

    source_node: ua.NodeId
    severity: int
    message: ua.LocalizedText
    type: ua.NodeId = BASE_EVENT
    source_name: str = ""
    time: int = 0
    receive_time: int = 0
    fields: Mapping[FieldPath, ua.Variant] = field(default_factory=dict)
    event_id: bytes = field(default_factory=new_event_id)
    place: Place = NOWHERE
