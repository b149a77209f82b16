"""Sessions in any order of right and wrong steps, on three connections (Part 4, 5.7)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from attack import wire
from attack.fuzz.paired import Front, status_of
from attack.wire import array, f64, node, read_id, request, text, u32
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from biogate.opcua.services import session as session_services
from biogate.opcua.stack import status_name

READ = f64(0) + u32(2) + array([read_id(node(2258))])
TIMEOUT_S = 10.0
CHANNELS = st.integers(0, 2)


@dataclass(eq=False)
class Known:
    """What must be true of one session."""

    token: bytes
    channel: int
    seen_s: float
    active: bool = False
    ever_active: bool = False
    gone: bool = False


class SessionMachine(RuleBasedStateMachine):
    sessions = Bundle("sessions")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.front = self.loop.run_until_complete(self._front())
        self.all: list[Known] = []

    async def _front(self) -> Front:
        return Front()

    def teardown(self) -> None:
        self.loop.run_until_complete(self.front.front_end.context.queue.stop(0.0))
        self.loop.close()

    def ask(self, channel: int, message: bytes) -> tuple[str, bytes]:
        """Status name and response."""

        async def asked() -> bytes:
            request_id = self.front.request(channel, message)
            await self.front.settle()
            return self.front.answer(channel, request_id) or b""

        response = self.loop.run_until_complete(asked())
        assert response, "no answer"
        return status_name(status_of(response)).lstrip("_"), response

    @property
    def now_s(self) -> float:
        return self.front.clock.now_s

    # -- steps ----------------------------------------------------------------------------------

    @rule(target=sessions, channel=CHANNELS)
    def create(self, channel: int) -> Known:
        body = text("urn:c") + text("urn:p") + b"\x02" + text("c") + u32(1) + text(None) * 2
        body += b"\xff\xff\xff\xff" + text(None) + text("opc.tcp://x") + text("s")
        body += text(b"n" * 32) + text(None) + f64(TIMEOUT_S * 1000) + u32(0)
        status, response = self.ask(channel, request("CreateSessionRequest", body))
        assert status == "Good"
        token = wire.decoded(response).Parameters.AuthenticationToken
        known = Known(wire.ua_binary.nodeid_to_binary(token), channel, self.now_s)
        self.make_room(channel)
        self.all.append(known)
        return known

    def make_room(self, channel: int) -> None:
        """The fifth session of a channel that is not activated closes the first one (5.7.2)."""
        limits = self.front.front_end.context.config.limits
        own = [k for k in self.all if k.channel == channel and not k.gone]
        waiting = [k for k in own if not k.ever_active]
        crowded = len(waiting) >= limits.max_unactivated_sessions_per_channel
        if waiting and (crowded or len(own) >= limits.max_sessions_per_channel):
            waiting[0].gone = True

    @rule(known=sessions, channel=CHANNELS)
    def activate(self, known: Known, channel: int) -> None:
        token = wire.extension(321, text("anonymous"))
        body = text(None) * 2 + u32(0) * 2 + token + text(None) * 2
        status, _ = self.ask(channel, request("ActivateSessionRequest", body, known.token))
        if known.gone:
            assert status == "BadSessionIdInvalid"
        elif channel == known.channel or known.ever_active:
            assert status == "Good"
            known.channel, known.active, known.ever_active = channel, True, True
            known.seen_s = self.now_s
        else:
            assert status == "BadSecureChannelIdInvalid"
            known.seen_s = self.now_s

    @rule(known=sessions, channel=CHANNELS)
    def log_in_wrongly(self, known: Known, channel: int) -> None:
        """A refused login changes nothing: who was active stays so."""
        token = wire.extension(321, text("no such policy"))
        body = text(None) * 2 + u32(0) * 2 + token + text(None) * 2
        status, _ = self.ask(channel, request("ActivateSessionRequest", body, known.token))
        assert status != "Good"
        if not known.gone:
            known.seen_s = self.now_s

    @rule(known=sessions, channel=CHANNELS)
    def read(self, known: Known, channel: int) -> None:
        status, _ = self.ask(channel, request("ReadRequest", READ, known.token))
        if known.gone:
            assert status == "BadSessionIdInvalid"
        elif channel != known.channel:
            assert status == "BadSecureChannelIdInvalid"
        elif not known.active:
            assert status == "BadSessionNotActivated"
            known.gone = True
        else:
            assert status == "Good"
            known.seen_s = self.now_s

    @rule(known=sessions, channel=CHANNELS)
    def close(self, known: Known, channel: int) -> None:
        status, _ = self.ask(channel, request("CloseSessionRequest", b"\1", known.token))
        if known.gone:
            assert status == "BadSessionIdInvalid"
        elif channel != known.channel:
            assert status == "BadSecureChannelIdInvalid"
        else:
            assert status == "Good"
            known.gone = True

    @rule(seconds=st.floats(0.0, 8.0))
    def wait(self, seconds: float) -> None:
        async def waited() -> None:
            self.front.tick(seconds)
            await self.front.settle()

        self.loop.run_until_complete(waited())
        for known in self.all:
            if self.now_s - known.seen_s > TIMEOUT_S:
                known.gone = True

    @rule(target=sessions, channel=CHANNELS, garbage=st.binary(max_size=60))
    def ask_nonsense(self, channel: int, garbage: bytes) -> object:
        status, _ = self.ask(channel, garbage)
        assert status in ("BadDecodingError", "BadServiceUnsupported", "BadEncodingLimitsExceeded")
        return multiple()

    # -- what always holds ----------------------------------------------------------------------

    @invariant()
    def the_server_has_the_sessions_that_there_must_be(self) -> None:
        held = self.front.front_end.context.sessions
        assert len(held) == sum(not known.gone for known in self.all)


SessionMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_sessions = SessionMachine.TestCase

FAST = settings(
    max_examples=150,
    stateful_step_count=30,
    deadline=None,
    phases=(Phase.generate,),
    derandomize=True,
)


# The machine must be able to fail: with a rule taken out of the server it does.
def test_the_machine_sees_sessions_that_any_channel_may_activate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session_services, "_check_channel", lambda *_: None)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(SessionMachine, settings=FAST)
