"""What needs somebody's attention, as events of severity (IEC 62443-3-3, SR 2.8 to 2.11, 6.1).

They are no Conditions (Part 9), which the server does not offer: an event says that something
has come up (`Active`), another one that it is over, where that can be known.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Mapping

from biogate.opcua.audit.types import (
    AUDIT_STORE_ALARM,
    CERTIFICATE_ALARM,
    CLOCK_ALARM,
    LOGIN_ALARM,
    REFUSED_CROSSING_ALARM,
)
from biogate.opcua.events import Event
from biogate.opcua.space.ids import SERVER
from biogate.opcua.space.places import NOWHERE, Place
from biogate.opcua.stack import node_id, ua
from biogate_adapters.filetime import TICKS_PER_SECOND
from biogate_security.audit import AuditRecord
from biogate_security.audit_store.state import AuditState
from biogate_security.clock_watch import STEP_EVENT
from biogate_security.log_text import safe_text
from biogate_security.policy import Decision, Resource, Subject

_log = logging.getLogger(__name__)
_T = ua.VariantType

URGENT, HIGH, MEDIUM, OVER = 900, 700, 500, 100
"""Part 5, 6.4.2: 667 to 1000 is high, 334 to 666 medium, 1 to 333 low."""
LOGINS, LOGIN_WINDOW_S = 5, 60.0
"""So many refused logins from one address, in so long a time, are an alarm."""
QUIET_S = 60.0
"""What goes on is told again after so long, with how often it was meanwhile."""
CERTIFICATE_LOOK_S = 86_400.0
_MAX_KEPT = 1000
_GUESSES = frozenset(("login-refused", "signature-refused"))
"""Records of somebody who may have guessed a password."""
_SEVERITIES: Mapping[AuditState, int] = {
    AuditState.OK: OVER,
    AuditState.WARNING: MEDIUM,
    AuditState.CRITICAL: HIGH,
    AuditState.BROKEN: URGENT,
    AuditState.UNAVAILABLE: URGENT,
}

Emit = Callable[[Event, Place], None]


class Alarms:
    """Raises alarms on the Server object. `clock` is FILETIME ticks.

    `emit` takes an event and the place that it is about: of a site with zones, only those that
    may hear of the place do. `namespace` is that of the types.
    """

    def __init__(self, emit: Emit, namespace: int, clock: Callable[[], int]) -> None:
        self._emit = emit
        self._namespace = namespace
        self._clock = clock
        self._told_s: dict[str, float] = {}
        self._silent: defaultdict[str, int] = defaultdict(int)
        self._logins: dict[str, deque[float]] = {}
        self._certificate: asyncio.TimerHandle | None = None
        self.raised = 0

    def audit_state(self, state: AuditState, reason: str) -> None:
        """The audit store is in another state; without it no write happens."""
        active = state is not AuditState.OK
        self._raise(AUDIT_STORE_ALARM, _SEVERITIES[state], f"Audit trail: {reason}", active=active)

    def crossing_refused(self, decision: Decision, subject: Subject, resource: Resource) -> None:
        """A zone tried to write or call in another one what no conduit lets it."""
        ways = f"{subject.zone} to {resource.zone}"
        count = self._count(f"crossing {ways} {resource.part}")
        if count is None:
            return
        what = resource.tag or resource.node_id
        message = (
            f"Refused crossing from zone {ways}: {what} ({decision.reason}), by"
            f" {safe_text(subject.user or 'nobody', 64)}{_times(count)}"
        )
        severity = HIGH if resource.is_setpoint else MEDIUM
        # Only where it was tried to: the message names what the other zone may not see.
        place = Place(resource.zone, resource.part)
        zone, conduit = subject.zone, decision.conduit
        self._raise(REFUSED_CROSSING_ALARM, severity, message, place, zone=zone, conduit=conduit)

    def recorded(self, record: AuditRecord) -> None:
        """A record was stored: some are alarms, too."""
        if record.event == STEP_EVENT:
            if self._count("clock") is not None:
                self._raise(CLOCK_ALARM, HIGH, f"The clock was set: {record.reason}")
        elif record.event in _GUESSES:
            self._login_refused(record)

    def watch_certificate(self, warnings: Callable[[], tuple[str, ...]]) -> None:
        """Look at the own certificate now, and once a day."""
        for warning in warnings():
            message = f"The server's own certificate: {warning}"
            self._raise(CERTIFICATE_ALARM, MEDIUM, message)
        loop = asyncio.get_running_loop()
        self._certificate = loop.call_later(CERTIFICATE_LOOK_S, self.watch_certificate, warnings)

    def close(self) -> None:
        """Watch nothing any more."""
        if self._certificate is not None:
            self._certificate.cancel()

    def _login_refused(self, record: AuditRecord) -> None:
        now_s = self._now_s()
        if record.address not in self._logins and len(self._logins) >= _MAX_KEPT:
            self._logins.pop(next(iter(self._logins)))
        times = self._logins.setdefault(record.address, deque(maxlen=LOGINS))
        times.append(now_s)
        if len(times) < LOGINS or now_s - times[0] > LOGIN_WINDOW_S:
            return
        count = self._count(f"logins {record.address}")
        if count is not None:
            where = record.address or "an unknown address"
            what = f"{LOGINS} logins or signatures within a minute were refused"
            message = f"{what}, from {where}{_times(count)}"
            self._raise(LOGIN_ALARM, HIGH, message, Place(record.zone), zone=record.zone)

    def _count(self, key: str) -> int | None:
        """None while it was told a moment ago; else how often it was since."""
        now_s = self._now_s()
        told_s = self._told_s.get(key)
        if told_s is not None and 0 <= now_s - told_s < QUIET_S:
            self._silent[key] += 1
            return None
        if len(self._told_s) >= _MAX_KEPT:
            oldest = next(iter(self._told_s))
            del self._told_s[oldest]
            self._silent.pop(oldest, None)
        self._told_s.pop(key, None)
        self._told_s[key] = now_s
        return self._silent.pop(key, 0)

    def _now_s(self) -> float:
        return self._clock() / TICKS_PER_SECOND

    def _raise(
        self,
        name: str,
        severity: int,
        message: str,
        place: Place = NOWHERE,
        *,
        active: bool = True,
        zone: str = "",
        conduit: str = "",
    ) -> None:
        self.raised += active
        level = logging.WARNING if active else logging.INFO
        _log.log(level, "alarm: %s", message, extra={"alarm": name, "severity": severity})
        if self._namespace < 0:
            return
        own = {
            "Active": ua.Variant(Value=active, VariantType=_T.Boolean),
            "Zone": ua.Variant(zone or None, _T.String),
            "Conduit": ua.Variant(conduit or None, _T.String),
        }
        event = Event(
            SERVER,
            severity,
            ua.LocalizedText(message, "en"),
            node_id(name, self._namespace),
            fields={((self._namespace, field),): value for field, value in own.items()},
        )
        self._emit(event, place)


def _times(count: int) -> str:
    return f"; {count} more since the alarm before" if count else ""
