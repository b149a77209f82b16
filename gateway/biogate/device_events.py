"""Tells OPC UA clients when a device is lost and when it is back (Part 5, 6.4.30 and 6.4.31)."""

from __future__ import annotations

from collections.abc import Mapping

from biogate.opcua.events import Event, EventHub
from biogate.opcua.stack import ObjectIds, node_id, ua
from biogate_adapters.supervisor import DeviceState

_FAILURE = node_id(ObjectIds.DeviceFailureEventType)
_SYSTEM = node_id(ObjectIds.SystemEventType)
LOST_SEVERITY, BACK_SEVERITY = 700, 100
"""Part 5, 6.4.2: 667 to 1000 is high, 1 to 333 low."""


class DeviceEvents:
    """Emits events whose source is the device's Object; `objects` has it by the device's name.

    A device that fails now and then raises nothing: its values say so. It is lost when its values
    have become Bad.
    """

    def __init__(self, events: EventHub, objects: Mapping[str, ua.NodeId]) -> None:
        self._events = events
        self._objects = objects
        self._lost: set[str] = set()

    def state_changed(self, device: str, state: DeviceState) -> None:
        """A device has come into another state."""
        if state is DeviceState.LOST:
            self._lost.add(device)
            message = f"{device} does not answer: its values are Bad."
            self._emit(device, LOST_SEVERITY, message, _FAILURE)
        elif state is DeviceState.ONLINE and device in self._lost:
            self._lost.discard(device)
            self._emit(device, BACK_SEVERITY, f"{device} answers again.", _SYSTEM)

    def _emit(self, device: str, severity: int, message: str, type_: ua.NodeId) -> None:
        text = ua.LocalizedText(message, "en")
        self._events.emit(Event(self._objects[device], severity, text, type_))
