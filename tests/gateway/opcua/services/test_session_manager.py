"""Any order of logins, silence and goodbyes keeps the sessions within bounds (Part 4, 5.7)."""

from __future__ import annotations

from typing import Any, cast

from asyncua import ua
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from biogate.opcua.config import Limits
from biogate.opcua.errors import ServiceError
from biogate.opcua.session import Session, SessionManager
from biogate.opcua.transport.interfaces import ChannelInfo
from biogate_security.policy import Subject

LIMITS = Limits(
    max_sessions=5,
    max_sessions_per_channel=3,
    max_unactivated_sessions_per_channel=2,
    min_session_timeout_ms=10_000.0,
    max_session_timeout_ms=60_000.0,
)
SUBJECT = Subject(None, frozenset({"Anonymous"}))


def channel(number: int) -> ChannelInfo:
    mode = ua.MessageSecurityMode.None_
    return ChannelInfo(number, "#None", mode, None, "127.0.0.1:1", "opc.tcp://127.0.0.1")


class Sessions(RuleBasedStateMachine):
    """What a model of the rules says is what the manager does."""

    made = Bundle("sessions")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.closed: list[tuple[Session, bool]] = []
        self.manager = SessionManager(
            LIMITS, lambda: self.now, lambda session, delete: self.closed.append((session, delete))
        )
        self.all: list[Session] = []

    @rule(target=made, number=st.integers(1, 3), timeout_ms=st.floats(allow_infinity=True))
    def create(self, number: int, timeout_ms: float) -> Session | None:
        active = {s for s in self.manager if s.active and s.connected}
        session, status = None, ua.StatusCodes.Good
        try:
            session = self.manager.create(
                channel(number), ua.ApplicationDescription(), "s", timeout_ms, 0
            )
        except ServiceError as error:
            status = error.status
        assert active <= set(self.manager)  # nobody who works is pushed out
        if session is None:
            assert status == ua.StatusCodes.BadTooManySessions
            return None
        assert 10.0 <= session.timeout_s <= 60.0
        self.all.append(session)
        return session

    @rule(session=made)
    def activate(self, session: Session | None) -> None:
        if session is not None and not session.closed:
            before = session.server_nonce
            session.activate(session.channel, SUBJECT, cast(Any, None))
            session.connected = True
            assert session.renew_nonce() != before

    @rule(session=made)
    def speak(self, session: Session | None) -> None:
        if session is not None and not session.closed:
            self.manager.seen(session)

    @rule(session=made)
    def disconnect(self, session: Session | None) -> None:
        if session is not None:
            session.connected = False

    @rule(session=made, delete=st.booleans())
    def close(self, session: Session | None, delete: bool) -> None:
        if session is not None:
            self.manager.close(session, delete_subscriptions=delete)

    @rule(seconds=st.floats(0, 70))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        due = {s for s in self.manager if self.now - s.last_seen_s > s.timeout_s}
        assert set(self.manager.tick()) == due

    @invariant()
    def within_bounds(self) -> None:
        living = list(self.manager)
        assert len(living) <= LIMITS.max_sessions
        for number in range(1, 4):
            own = [s for s in living if s.channel.channel_id == number]
            waiting = sum(not s.activations for s in own)
            assert len(own) <= LIMITS.max_sessions_per_channel
            assert waiting <= LIMITS.max_unactivated_sessions_per_channel

    @invariant()
    def each_session_is_found_or_was_closed_once(self) -> None:
        ended = [session for session, _ in self.closed]
        assert len(ended) == len(set(ended))
        for session in self.all:
            found = self.manager.find(session.authentication_token)
            assert (found is session) is (session not in ended) is (not session.closed)


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=40, stateful_step_count=30)
