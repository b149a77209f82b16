"""One MonitoredItem of a Subscription (Part 4, 5.13): its settings, and where its queue is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from biogate.opcua.events.event_filter import EventFilter
from biogate.opcua.events.queue import EventQueue, Origin
from biogate.opcua.stack import ua
from biogate.opcua.subscriptions.filters import DataFilter
from biogate.opcua.subscriptions.layout import Feed
from biogate.opcua.subscriptions.object_queue import ObjectQueue
from biogate.opcua.subscriptions.rings import ItemSettings

DISABLED, SAMPLING, REPORTING = 0, 1, 2
"""MonitoringMode (Part 4, 7.23)."""

EVERY_CHANGE_MS = 0.0
"""The sampling interval that stands for every change instead of the latest value."""


@dataclass(frozen=True, slots=True)
class NumberSource:
    """A tag that is a number, shown as the built-in type `wire`."""

    tag: int
    wire: int


@dataclass(frozen=True, slots=True)
class ObjectSource:
    """A value that is read as an object.

    `read` gives it with both timestamps; while `stamp` gives the same answer it is the same value,
    so that it is read only when that changed (None: unknown, read each time).
    `tag` and `show` make the value of each change of a tag, where it is one: `show(value, status,
    source time, server time, object)`. Sources of one `origin` give the same values.
    """

    read: Callable[[], ua.DataValue]
    stamp: Callable[[], object] | None = None
    tag: int | None = None
    show: Callable[[float, int, int, int, object], ua.DataValue] | None = None
    origin: object = None


@dataclass(frozen=True, slots=True)
class EventSource:
    """The events of an Object; `hears` tells whether the item's owner may receive one."""

    notifier: ua.NodeId
    hears: Callable[[Origin], bool]


Source = NumberSource | ObjectSource | EventSource


@dataclass(slots=True)
class Settings:
    """What CreateMonitoredItems and ModifyMonitoredItems set; intervals and sizes are revised."""

    client_handle: int
    sampling_interval_ms: float
    filter: DataFilter | EventFilter
    timestamps: int
    queue_size: int
    discard_oldest: bool


@dataclass(slots=True, eq=False)
class MonitoredItem:
    """One item. Its queue is `slot` of the ring store for a number, `queue` for anything else.

    `ended`: its right was withdrawn; it has said so and is sampled no more until it is back.
    `released`: its trigger let it report what is queued. `failing`: its source
    could not be read the last time. `unsendable`: its value could not be sent the last time.
    `feed`: where its values come from while it is sampled together with others of its like;
    `Sampler.unshare` before its slot is touched.
    """

    id: int
    read: ua.ReadValueId
    source: Source
    settings: Settings
    mode: int
    slot: int = -1
    queue: ObjectQueue | EventQueue | None = None
    ended: bool = False
    released: bool = False
    failing: bool = False
    unsendable: bool = False
    seen_stamp: object = None
    feed: Feed | None = None

    @property
    def sampled(self) -> bool:
        """True while values go into the queue."""
        return self.mode != DISABLED and not self.ended

    @property
    def reports(self) -> bool:
        """True while what is in the queue may go out."""
        return self.mode == REPORTING or (self.released and self.mode == SAMPLING)

    def ring_settings(self, source: NumberSource) -> ItemSettings:
        """The settings as the ring store wants them."""
        settings, filter_ = self.settings, self.settings.filter
        assert isinstance(filter_, DataFilter)
        return ItemSettings(
            source.tag,
            settings.client_handle,
            source.wire,
            settings.timestamps,
            filter_.trigger,
            filter_.deadband,
            settings.queue_size,
            settings.discard_oldest,
        )
