"""What one Subscription counts for SubscriptionDiagnostics (Part 5, 12.15)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class SubscriptionStatistics:
    """Counts since the Subscription was made.

    `republish_requests` were asked, `republished` answered with a message. `late`: publishing
    cycles that had something to say and found no Publish request. `discarded_messages` left the
    retransmission queue without an acknowledgement.
    """

    modified: int = 0
    enabled: int = 0
    disabled: int = 0
    republish_requests: int = 0
    republished: int = 0
    transfer_requests: int = 0
    transferred_to_other: int = 0
    transferred_to_same: int = 0
    publish_requests: int = 0
    data_changes: int = 0
    events: int = 0
    late: int = 0
    discarded_messages: int = 0
