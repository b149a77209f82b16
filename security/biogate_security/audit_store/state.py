"""What the audit store is told, and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


class AuditState(StrEnum):
    """How the store is; the worst that holds.

    OK; WARNING (80 % of the room is used), CRITICAL (95 %); BROKEN: records are taken, but the
    stored ones do not verify; UNAVAILABLE: the last record was refused, and so is what needs one.
    """

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    BROKEN = "broken"
    UNAVAILABLE = "unavailable"


StateListener = Callable[[AuditState, str], None]
"""Called in the event loop with the new state and a sentence that says why."""


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """How a log is kept. Sizes in bytes.

    `max_bytes` is the room for all segments (CR 2.9), None what the disk has. The disk counts as
    80 % full when `free_bytes` are left, as 95 % when a quarter of them is. `retention_days`:
    payloads of older segments are dropped, their hashes stay; None keeps everything.
    `verify_interval_s`: how often the whole chain is verified in the background; None never.
    """

    checkpoint_every: int = 1000
    checkpoint_interval_s: float = 300.0
    segment_bytes: int = 64 * MIB
    segment_days: float = 30.0
    max_bytes: int | None = None
    free_bytes: int = GIB
    retention_days: float | None = None
    verify_interval_s: float | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a number that is not above 0."""
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"audit: {name} must be above 0, not {value}")
