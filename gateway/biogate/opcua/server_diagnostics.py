"""ServerDiagnostics: who is connected, what they asked for, and what was refused (Part 5, 6.3.3).

A view of what the server counts anyway, made when it is read. The objects that Part 5 allows per
session (6.3.5) are not there: nodes that come and go with every client would make each cache of
the address space stale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from biogate.opcua.codec import Writer
from biogate.opcua.session import Session
from biogate.opcua.stack import ObjectIds, node_id, ua
from biogate.opcua.subscriptions.monitored_item import DISABLED
from biogate.opcua.subscriptions.subscription import Subscription
from biogate_adapters.filetime import TICKS_PER_SECOND

if TYPE_CHECKING:
    from biogate.opcua.services.context import ServerContext

_T = ua.VariantType
_SUMMARY = "Server_ServerDiagnostics_ServerDiagnosticsSummary"
_COUNTED_SERVICES = {
    f.name: f.name.removesuffix("Count")
    for f in fields(ua.SessionDiagnosticsDataType)
    if f.name.endswith("Count") and "ServiceCounter" in str(f.type) and f.name[:5] != "Total"
}
"""SessionDiagnosticsDataType's counters of single services, and the services' names."""
_SUMMARY_FIELDS = tuple(f.name for f in fields(ua.ServerDiagnosticsSummaryDataType))
_SECURITY_ENCODING = node_id(ObjectIds.SessionSecurityDiagnosticsDataType_Encoding_DefaultBinary)

Owned = tuple[Session, Subscription]


class ServerDiagnostics:
    """The values of the diagnostics nodes. `subscriptions` gives all, each with its session."""

    def __init__(self, server: ServerContext, subscriptions: Callable[[], Iterator[Owned]]) -> None:
        self._server = server
        self._subscriptions = subscriptions

    def values(self) -> Mapping[int, Callable[[], ua.Variant]]:
        """How to read each diagnostics node, by its NodeId in namespace 0."""
        prefix = "Server_ServerDiagnostics_"
        arrays: Mapping[str, Callable[[], list[Any]]] = {
            "SubscriptionDiagnosticsArray": self.subscriptions,
            "SessionsDiagnosticsSummary_SessionDiagnosticsArray": self.sessions,
            "SessionsDiagnosticsSummary_SessionSecurityDiagnosticsArray": self.session_security,
        }
        return {
            getattr(ObjectIds, _SUMMARY): lambda: ua.Variant(self.summary(), _T.ExtensionObject),
            **{
                getattr(ObjectIds, f"{_SUMMARY}_{name}"): self._summary_field(name)
                for name in _SUMMARY_FIELDS
            },
            **{getattr(ObjectIds, prefix + name): _array(read) for name, read in arrays.items()},
        }

    def _summary_field(self, name: str) -> Callable[[], ua.Variant]:
        return lambda: ua.Variant(getattr(self.summary(), name), _T.UInt32)

    def summary(self) -> ua.ServerDiagnosticsSummaryDataType:
        """Counts since the start (Part 5, 12.9)."""
        sessions, statistics = self._server.sessions, self._server.statistics
        live = [subscription for _, subscription in self._subscriptions()]
        intervals = {subscription.publishing.interval_ms for subscription in live}
        return ua.ServerDiagnosticsSummaryDataType(
            CurrentSessionCount=ua.UInt32(len(sessions)),
            CumulatedSessionCount=ua.UInt32(sessions.created),
            SecurityRejectedSessionCount=ua.UInt32(statistics.security_rejected_sessions),
            RejectedSessionCount=ua.UInt32(statistics.rejected_sessions),
            SessionTimeoutCount=ua.UInt32(sessions.timed_out),
            SessionAbortCount=ua.UInt32(sessions.dropped),
            CurrentSubscriptionCount=ua.UInt32(len(live)),
            CumulatedSubscriptionCount=ua.UInt32(statistics.subscriptions),
            PublishingIntervalCount=ua.UInt32(len(intervals)),
            SecurityRejectedRequestsCount=ua.UInt32(statistics.security_rejected_requests),
            RejectedRequestsCount=ua.UInt32(statistics.rejected_requests),
        )

    def sessions(self) -> list[ua.SessionDiagnosticsDataType]:
        """One entry per session (Part 5, 12.11)."""
        subscriptions = list(self._subscriptions())
        return [
            self._session(session, [s for owner, s in subscriptions if owner is session])
            for session in self._server.sessions
        ]

    def _session(
        self, session: Session, subscriptions: list[Subscription]
    ) -> ua.SessionDiagnosticsDataType:
        statistics = session.statistics
        items = sum(len(subscription.items) for subscription in subscriptions)
        queues = [s.queue for s in subscriptions if s.queue is not None]
        silent_s = self._server.clock() - session.last_seen_s
        last_contact = self._server.wall_clock() - round(silent_s * TICKS_PER_SECOND)
        return ua.SessionDiagnosticsDataType(
            SessionId=session.session_id,
            SessionName=ua.String(session.name),
            ClientDescription=session.client,
            ServerUri=ua.String(statistics.server_uri),
            EndpointUrl=ua.String(statistics.endpoint_url),
            LocaleIds=list(statistics.locales),
            ActualSessionTimeout=ua.Duration(session.timeout_s * 1000.0),
            MaxResponseMessageSize=ua.UInt32(session.max_response_size),
            ClientConnectionTime=cast(Any, statistics.connected_ticks),
            ClientLastContactTime=cast(Any, last_contact),
            CurrentSubscriptionsCount=ua.UInt32(len(subscriptions)),
            CurrentMonitoredItemsCount=ua.UInt32(items),
            CurrentPublishRequestsInQueue=ua.UInt32(len(queues[0]) if queues else 0),
            TotalRequestCount=_counter(statistics.requests.total(), statistics.faults.total()),
            UnauthorizedRequestCount=ua.UInt32(statistics.unauthorized),
            **{
                name: _counter(statistics.requests[service], statistics.faults[service])
                for name, service in _COUNTED_SERVICES.items()
            },
        )

    def session_security(self) -> list[ua.ExtensionObject]:
        """One entry per session (Part 5, 12.12)."""
        return [_security(session) for session in self._server.sessions]

    def subscriptions(self) -> list[ua.SubscriptionDiagnosticsDataType]:
        """One entry per subscription (Part 5, 12.15), those of closed sessions too."""
        return [_subscription(session, s) for session, s in self._subscriptions()]


def _array(read: Callable[[], list[Any]]) -> Callable[[], ua.Variant]:
    return lambda: ua.Variant(read(), _T.ExtensionObject, is_array=True)


def _counter(total: int, errors: int) -> ua.ServiceCounterDataType:
    return ua.ServiceCounterDataType(ua.UInt32(total), ua.UInt32(errors))


def _security(session: Session) -> ua.ExtensionObject:
    """Written by hand: asyncua's class takes Encoding, a String, for a mask of optional fields."""
    users = list(session.statistics.users)
    user = users[-1] if users else ""
    channel = session.channel
    writer = Writer()
    writer.node_id(session.session_id)
    writer.string(user)
    writer.count(users)
    for name in users:
        writer.string(name)
    kind = session.subject.authentication if session.identity else "Anonymous"
    for text in (kind, "UA Binary", "opc.tcp"):
        writer.string(text)
    writer.uint32(channel.security_mode.value)
    writer.string(channel.security_policy_uri)
    writer.byte_string(channel.client_certificate)
    body = ua.ByteString(bytes(writer.buffer))
    return ua.ExtensionObject(TypeId=_SECURITY_ENCODING, Body=body)


def _subscription(session: Session, it: Subscription) -> ua.SubscriptionDiagnosticsDataType:
    publishing, counts = it.publishing, it.statistics
    numbers = {
        "SubscriptionId": it.id,
        "MaxKeepAliveCount": publishing.max_keep_alive_count,
        "MaxLifetimeCount": publishing.lifetime_count,
        "MaxNotificationsPerPublish": publishing.max_notifications,
        "ModifyCount": counts.modified,
        "EnableCount": counts.enabled,
        "DisableCount": counts.disabled,
        "RepublishRequestCount": counts.republish_requests,
        "RepublishMessageRequestCount": counts.republish_requests,
        "RepublishMessageCount": counts.republished,
        "TransferRequestCount": counts.transfer_requests,
        "TransferredToAltClientCount": counts.transferred_to_other,
        "TransferredToSameClientCount": counts.transferred_to_same,
        "PublishRequestCount": counts.publish_requests,
        "DataChangeNotificationsCount": counts.data_changes,
        "EventNotificationsCount": counts.events,
        "NotificationsCount": counts.data_changes + counts.events,
        "LatePublishRequestCount": counts.late,
        "CurrentKeepAliveCount": it.keep_alive_left,
        "CurrentLifetimeCount": it.lifetime_left,
        "UnacknowledgedMessageCount": len(it.available_sequence_numbers),
        "DiscardedMessageCount": counts.discarded_messages,
        "MonitoredItemCount": len(it.items),
        "DisabledMonitoredItemCount": sum(item.mode == DISABLED for item in it.items),
        "MonitoringQueueOverflowCount": it.items.lost_values,
        "NextSequenceNumber": it.next_sequence,
        "EventQueueOverflowCount": it.items.lost_events,
    }
    return ua.SubscriptionDiagnosticsDataType(
        SessionId=session.session_id,
        Priority=ua.Byte(publishing.priority),
        PublishingInterval=ua.Duration(publishing.interval_ms),
        PublishingEnabled=it.enabled,
        **{name: ua.UInt32(number) for name, number in numbers.items()},
    )
