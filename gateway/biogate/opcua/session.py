"""Sessions and their lifetimes (Part 4, 5.7). No I/O: fed with calls and a monotonic clock."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from biogate.opcua.config import Limits
from biogate.opcua.errors import ServiceError
from biogate.opcua.services.continuation import ContinuationPoint, ContinuationPoints, HistoryPoint
from biogate.opcua.space.rights import RightsView
from biogate.opcua.stack import StatusCodes, node_id, ua
from biogate.opcua.statistics import SessionStatistics
from biogate.opcua.transport.elliptic import EphemeralKey
from biogate.opcua.transport.interfaces import ChannelInfo
from biogate_security.policy import Subject

SessionUser = tuple[Subject, RightsView]
"""Who uses a session, and what they may do."""

TOKEN_BYTES = 32
NONCE_BYTES = 32
TIMED_OUT, CLOSED, TERMINATED = "Timeout", "CloseSession", "Terminated"
"""Why a session ends, as audit events name it (Part 4, 6.5.6)."""


@dataclass(slots=True, eq=False)
class Session:
    """One session. `session_id` is public, `authentication_token` is the client's secret.

    `identity` is who uses the session and what they may do, None before it is activated;
    `activations` and `refused_logins` count. `connected`: the connection that it was activated on
    is there. `cause` says why it was closed, `closing_entry_id` is the client's AuditEntryId then.
    `expires_s`: when what its user showed is no longer good, on the monotonic clock; None: always.
    `must_change_password`: its user has no roles before that.
    `secret_key`: what the secret of the next login may be encrypted for, under an ECC policy;
    `wants_keys`: the client has asked for one.
    """

    session_id: ua.NodeId
    authentication_token: ua.NodeId
    name: str
    client: ua.ApplicationDescription
    channel: ChannelInfo
    timeout_s: float
    last_seen_s: float
    max_response_size: int
    server_nonce: bytes
    continuation_points: ContinuationPoints[ContinuationPoint]
    history_points: ContinuationPoints[HistoryPoint]
    activations: int = 0
    refused_logins: int = 0
    connected: bool = False
    closed: bool = False
    cause: str = ""
    closing_entry_id: str = ""
    statistics: SessionStatistics = field(default_factory=SessionStatistics)
    identity: SessionUser | None = None
    expires_s: float | None = None
    must_change_password: bool = False
    secret_key: EphemeralKey | None = None
    wants_keys: bool = False

    @property
    def active(self) -> bool:
        """True once ActivateSession has succeeded, until the session is closed."""
        return self.identity is not None and not self.closed

    @property
    def subject(self) -> Subject:
        """Who uses the session. Raises ServiceError before it is activated."""
        return self._identified()[0]

    @property
    def rights(self) -> RightsView:
        """What they may do. Raises ServiceError before it is activated."""
        return self._identified()[1]

    def activate(self, channel: ChannelInfo, subject: Subject, rights: RightsView) -> None:
        """Take a user in, on this channel."""
        self.channel = channel
        self.activations += 1
        self.secret_key = None
        self.identity = (subject, rights)

    def renew_nonce(self) -> bytes:
        """A fresh ServerNonce: the one before is worthless from now on."""
        self.server_nonce = secrets.token_bytes(NONCE_BYTES)
        return self.server_nonce

    def _identified(self) -> SessionUser:
        if self.identity is None:
            raise ServiceError(StatusCodes.BadSessionNotActivated)
        return self.identity


class SessionManager:
    """All sessions of the front end, by their secret token.

    `created`, `timed_out` and `dropped` (against their clients' will) count since the start.
    """

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], float],
        on_closed: Callable[[Session, bool], None],
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._on_closed = on_closed
        self._by_secret: dict[bytes, Session] = {}
        self.created = self.timed_out = self.dropped = 0

    def __len__(self) -> int:
        return len(self._by_secret)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_secret.values()))

    def create(
        self,
        channel: ChannelInfo,
        client: ua.ApplicationDescription,
        name: str,
        requested_timeout_ms: float,
        max_response_size: int,
    ) -> Session:
        """A new session bound to `channel`, not activated yet.

        When there are too many, one that was never activated is closed instead of refusing the
        newcomer (Part 4, 5.7.2): the channel's oldest, or the oldest of all. Failing that, the one
        whose client has been gone longest. One application (by its certificate) makes room among
        its own. Raises ServiceError Bad_TooManySessions.
        """
        self._make_room(channel)
        secret = secrets.token_bytes(TOKEN_BYTES)
        session = Session(
            session_id=node_id(uuid.uuid4(), 1),
            authentication_token=node_id(secret),
            name=name,
            client=client,
            channel=channel,
            timeout_s=self._revise_timeout(requested_timeout_ms) / 1000.0,
            last_seen_s=self._clock(),
            max_response_size=max_response_size,
            server_nonce=secrets.token_bytes(NONCE_BYTES),
            continuation_points=ContinuationPoints(self._limits.max_browse_continuation_points),
            history_points=ContinuationPoints(self._limits.max_history_continuation_points),
        )
        self._by_secret[secret] = session
        self.created += 1
        return session

    def find(self, authentication_token: ua.NodeId) -> Session | None:
        """The session that holds this token."""
        secret: object = authentication_token.Identifier
        if authentication_token.NamespaceIndex or not isinstance(secret, bytes):
            return None
        return self._by_secret.get(secret)

    def find_secret(self, secret: bytes) -> Session | None:
        """The session whose authentication token is an opaque NodeId of these bytes."""
        return self._by_secret.get(secret)

    def seen(self, session: Session) -> None:
        """A request of the session arrived: its timeout starts again."""
        session.last_seen_s = self._clock()

    def drop(self, session: Session) -> None:
        """End a session against its client's will, which may go on with its subscriptions."""
        self.dropped += not session.closed
        self.close(session, delete_subscriptions=False)

    def close(
        self, session: Session, *, delete_subscriptions: bool, cause: str = TERMINATED
    ) -> None:
        """End a session. Closing it twice does nothing. `cause` is for the audit trail."""
        if session.closed:
            return
        session.closed = True
        session.cause = cause
        del self._by_secret[cast(bytes, session.authentication_token.Identifier)]
        session.continuation_points.clear()
        session.history_points.clear()
        self._on_closed(session, delete_subscriptions)

    def tick(self) -> list[Session]:
        """Close the sessions whose timeout has passed, or whose user's proof, and return them.

        Their subscriptions live until their own lifetime ends (Part 4, 5.14.1.1).
        """
        now = self._clock()
        expired = [s for s in self if now - s.last_seen_s > s.timeout_s or _is_over(s, now)]
        for session in expired:
            self.close(session, delete_subscriptions=False, cause=TIMED_OUT)
        self.timed_out += len(expired)
        return expired

    def admit(self, session: Session, user: str | None) -> None:
        """Make sure that `user` (None: nobody in particular) may use one session more.

        When there are too many, the one of theirs whose client has been gone longest makes room.
        Raises ServiceError Bad_TooManySessions.
        """
        if user is None:
            return
        own = [s for s in self if s is not session and _user_of(s) == user]
        if len(own) >= self._limits.max_sessions_per_user:
            self._reclaim(_longest_gone(own))

    def _make_room(self, channel: ChannelInfo) -> None:
        self._make_room_for(channel)
        certificate = channel.client_certificate
        if certificate is None:  # then anybody may say to be any application
            return
        own = [s for s in self if s.channel.client_certificate == certificate]
        if len(own) >= self._limits.max_sessions_per_application:
            self._reclaim([s for s in own if not s.activations] or _longest_gone(own))

    def _reclaim(self, candidates: Sequence[Session]) -> None:
        if not candidates:
            raise ServiceError(StatusCodes.BadTooManySessions)
        self.drop(candidates[0])

    def _make_room_for(self, channel: ChannelInfo) -> None:
        limits = self._limits
        own = [s for s in self if s.channel.channel_id == channel.channel_id]
        candidates = [s for s in own if not s.activations]
        crowded = (
            len(own) >= limits.max_sessions_per_channel
            or len(candidates) >= limits.max_unactivated_sessions_per_channel
        )
        if not (crowded or len(self) >= limits.max_sessions):
            return
        if not candidates and not crowded:
            waiting = [s for s in self if not s.activations]
            candidates = waiting or _longest_gone(self)
        self._reclaim(candidates)

    def _revise_timeout(self, requested_ms: float) -> float:
        low, high = self._limits.min_session_timeout_ms, self._limits.max_session_timeout_ms
        if not requested_ms > 0:  # also for NaN
            return high
        return min(max(requested_ms, low), high)


def _longest_gone(sessions: Iterable[Session]) -> list[Session]:
    """The sessions whose clients are gone, the longest gone first."""
    return sorted((s for s in sessions if not s.connected), key=lambda s: s.last_seen_s)


def _user_of(session: Session) -> str | None:
    return None if session.identity is None else session.identity[0].user


def _is_over(session: Session, now_s: float) -> bool:
    return session.expires_s is not None and now_s >= session.expires_s
