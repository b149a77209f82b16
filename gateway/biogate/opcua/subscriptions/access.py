"""What subscriptions ask the server about their items and owners."""

from __future__ import annotations

from typing import Any, Protocol

from biogate.opcua.stack import ua
from biogate.opcua.subscriptions.monitored_item import MonitoredItem, Source
from biogate.opcua.subscriptions.subscription import Subscription


class Access(Protocol):
    """What is known of the items that exist and their owners."""

    def key(self, owner: Any) -> object:
        """Changes whenever a verdict for this owner's items may have changed."""
        ...

    def verdict(self, owner: Any, item: MonitoredItem) -> int:
        """Good, or the status that ends the item."""
        ...

    def source(self, subscription: Subscription, item: MonitoredItem) -> Source | None:
        """The item's new source when its node was bound to another one, else None."""
        ...

    def may_take_over(self, owner: Any, before: Any) -> bool:
        """Whether a subscription may go from the one session to the other."""
        ...

    def same_client(self, owner: Any, before: Any) -> bool:
        """Whether the sessions are of one application."""
        ...

    def client_key(self, owner: Any) -> object:
        """Equal for sessions that are one after the other of what seems to be one client."""
        ...

    @property
    def range_stamp(self) -> object:
        """Changes whenever a `span` that was asked for may have changed."""
        ...

    def span(self, node_id: ua.NodeId) -> float | None:
        """High - low of the node's EURange; None where there is none."""
        ...
