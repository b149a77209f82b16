"""What the server counts for ServerDiagnostics (Part 5, 6.3.3 and 12.8-12.15).

Counting goes on whether or not diagnostics are shown: it costs an addition per request.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from biogate.opcua.stack import StatusCodes, status_name

MAX_USERS_REMEMBERED = 10

_SECURITY = frozenset(
    status_name(code)
    for name, code in vars(StatusCodes).items()
    if isinstance(code, int) and name.startswith("BadCertificate")
) | {
    "BadApplicationSignatureInvalid",
    "BadIdentityChangeNotSupported",
    "BadIdentityTokenInvalid",
    "BadIdentityTokenRejected",
    "BadNonceInvalid",
    "BadSecureChannelIdInvalid",
    "BadSecurityChecksFailed",
    "BadSecurityModeInsufficient",
    "BadSecurityPolicyRejected",
    "BadSessionIdInvalid",
    "BadSessionNotActivated",
    "BadUserAccessDenied",
    "BadUserSignatureInvalid",
}
"""Statuses of a request that was refused for security's sake."""

SESSION_SERVICES = frozenset({"CreateSession", "ActivateSession"})
"""What establishes a session."""


@dataclass(slots=True)
class SessionStatistics:
    """One session's requests and faults by service name, such as "Read".

    `connected_ticks`: FILETIME ticks of CreateSession. `users`: who has used it, latest last.
    `unauthorized`: requests that came on another channel, or before the session was activated.
    """

    connected_ticks: int = 0
    endpoint_url: str = ""
    server_uri: str = ""
    locales: tuple[str, ...] = ()
    requests: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    unauthorized: int = 0
    users: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_USERS_REMEMBERED))

    def activated(self, user: str, locales: Sequence[str]) -> None:
        """A user ("": anonymous) has taken the session over."""
        self.users.append(user)
        self.locales = tuple(locales) or self.locales


@dataclass(slots=True)
class ServerStatistics:
    """What has happened since the start.

    `subscriptions` that were created; `faults`: refused requests by (service name, status name).
    """

    subscriptions: int = 0
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def rejected_requests(self) -> int:
        """All requests that ended in a ServiceFault."""
        return self.faults.total()

    @property
    def security_rejected_requests(self) -> int:
        """Those of them that were refused for security's sake."""
        return sum(n for (_, status), n in self.faults.items() if status in _SECURITY)

    @property
    def rejected_sessions(self) -> int:
        """Attempts to establish a session that were refused."""
        return sum(n for (name, _), n in self.faults.items() if name in SESSION_SERVICES)

    @property
    def security_rejected_sessions(self) -> int:
        """Those of them that were refused for security's sake."""
        return sum(
            n
            for (name, status), n in self.faults.items()
            if name in SESSION_SERVICES and status in _SECURITY
        )
