"""What the subscriptions ask the server about: rights, sources and ranges of their items."""

from __future__ import annotations

from biogate.opcua.errors import StatusError
from biogate.opcua.services.context import ServerContext
from biogate.opcua.services.eu_range import EuRanges
from biogate.opcua.services.item_source import check_item, item_source
from biogate.opcua.session import Session
from biogate.opcua.space.attributes import VALUE
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.subscriptions.monitored_item import MonitoredItem, ObjectSource, Source
from biogate.opcua.subscriptions.sampling import SampledTags
from biogate.opcua.subscriptions.subscription import Subscription

_NO_SECURITY = "None"


class ItemAccess:
    """The `Access` of the subscriptions for sessions of a server."""

    def __init__(self, server: ServerContext, tags: SampledTags) -> None:
        self._server = server
        self._tags = tags
        self._ranges = EuRanges(server.space, tags)

    def key(self, owner: Session) -> object:
        return owner.rights.key

    def verdict(self, owner: Session, item: MonitoredItem) -> int:
        try:
            check_item(self._server, owner.rights, item.read)
        except StatusError as error:
            return error.status
        return StatusCodes.Good

    def source(self, subscription: Subscription, item: MonitoredItem) -> Source | None:
        """Only a Value can get another source; an object source reads whatever is there."""
        if item.read.AttributeId != VALUE:
            return None
        source = item_source(self._server, self._tags, subscription, item.read)
        before = item.source
        if isinstance(source, ObjectSource) and isinstance(before, ObjectSource):
            return None if source.origin == before.origin else source
        return None if source == before else source

    def may_take_over(self, owner: Session, before: Session) -> bool:
        """The same user, or for anonymous ones the same application on signed channels
        (Part 4, 5.14.7.1)."""
        new, old = owner.subject, before.subject
        if new.user is not None or old.user is not None:
            return new.user == old.user
        signed = _NO_SECURITY not in (new.security_mode, old.security_mode)
        return signed and self.same_client(owner, before)

    def same_client(self, owner: Session, before: Session) -> bool:
        return owner.subject.application_uri == before.subject.application_uri

    def client_key(self, owner: Session) -> object:
        subject = owner.subject
        return subject.user, subject.application_uri, subject.address

    @property
    def range_stamp(self) -> object:
        return self._ranges.stamp

    def span(self, node_id: ua.NodeId) -> float | None:
        return self._ranges.span(node_id)
