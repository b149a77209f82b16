"""A secure channel in any order of right and wrong steps (Part 6, 6.7 and 7.1).

The client is the attack battery's: it shares no cryptography and no encoding with the server. A
model of a few lines says what must come of each step.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attack.client import RefusedError
from attack.fuzz.paired import PairedChannel
from attack.wire import request, text, u32
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from biogate.opcua.stack import status_name
from biogate.opcua.transport.assembly import SequenceCheck
from biogate.opcua.transport.secure_channel import SecurityToken

SECURITY = [(None, 1), ("Basic256Sha256", 2), ("Basic256Sha256", 3), ("Aes128_Sha256_RsaOaep", 3)]
BODY = request("FindServersRequest", text(None) + u32(0) * 2)
LIFETIME_S = 60.0


def _twice(channel: PairedChannel, by: int) -> bytes:
    return 2 * channel.chunk(b"y", chunk=b"C", request_id=77)


WRONGS: dict[str, tuple[Callable[[PairedChannel, int], bytes], str]] = {
    "gap": (lambda c, by: c.chunk(BODY, sequence=c.sequence + 1 + by), "BadSequenceNumberInvalid"),
    "twice": (_twice, "BadSequenceNumberInvalid"),
    "signature": (lambda c, by: c.chunk(BODY, broken="mac"), "BadSecurityChecksFailed"),
    "channel": (
        lambda c, by: c.chunk(BODY, channel_id=c.channel_id + by),
        "BadTcpSecureChannelUnknown",
    ),
    "token": (
        lambda c, by: c.chunk(BODY, token_id=c.token_id + by),
        "BadSecureChannelTokenUnknown",
    ),
}
"""Chunks that are wrong in one way, and the status that must come of it."""


class ChannelMachine(RuleBasedStateMachine):
    """`state`: "new", "greeted", "open" or "ended"; `ended_with` is the status that must be."""

    def __init__(self) -> None:
        super().__init__()
        self.state = "new"
        self.ended_with = ""
        self.got_through = 0
        self.held = b""
        self.begun_s = 0.0
        self.issued_s = 0.0
        self.patience = 0

    @initialize(
        security=st.sampled_from(SECURITY),
        opened=st.sampled_from([True, True, False]),
        patience=st.integers(0, 12),
    )
    def connect(self, security: tuple[str | None, int], opened: bool, patience: int) -> None:
        """Nothing that ends the channel is done before `patience` other steps: what would be found
        behind them would never be reached."""
        self.patience = patience
        self.channel = PairedChannel(*security)
        self.begun_s = self.channel.clock.now_s
        if opened:
            self.says_hello()
            self.opens()

    @property
    def may_end(self) -> bool:
        return self.patience <= 0

    def ends(self, status: str) -> None:
        self.state, self.ended_with = "ended", status

    # -- what a client does ---------------------------------------------------------------------

    @precondition(lambda self: self.state == "new")
    @rule()
    def says_hello(self) -> None:
        self.channel.hello()
        self.state = "greeted"

    @precondition(lambda self: self.state in ("greeted", "open") and self.may_end)
    @rule()
    def says_hello_again(self) -> None:
        self.refused(self.channel.hello)
        self.ends("BadTcpMessageTypeInvalid")

    @precondition(lambda self: self.state == "greeted")
    @rule()
    def opens(self) -> None:
        self.channel.open(lifetime_ms=round(LIFETIME_S * 1000))
        assert self.channel.lifetime_ms == LIFETIME_S * 1000
        self.state, self.issued_s = "open", self.channel.clock.now_s

    @precondition(lambda self: self.state == "open")
    @rule()
    def renews(self) -> None:
        self.patience -= 1
        before = self.channel.token_id
        self.channel.open(kind=1, lifetime_ms=round(LIFETIME_S * 1000))
        assert self.channel.token_id != before
        self.issued_s = self.channel.clock.now_s

    @precondition(lambda self: self.state == "open")
    @rule(pieces=st.integers(1, 4))
    def sends_a_message(self, pieces: int) -> None:
        self.patience -= 1
        size = -(-len(BODY) // pieces)
        parts = [BODY[i : i + size] for i in range(0, len(BODY), size)]
        self.drop_what_is_held()
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            self.channel.send(self.channel.chunk(part, chunk=b"F" if last else b"C", request_id=3))
        self.got_through += 1
        assert self.channel.requests[-1].message == BODY

    @precondition(lambda self: self.state == "open")
    @rule()
    def holds_half_a_message(self) -> None:
        self.patience -= 1
        self.channel.send(self.channel.chunk(b"x" * 50, chunk=b"C", request_id=77))
        if not self.held:
            self.begun_s = self.channel.clock.now_s
        self.held += b"x" * 50

    def drop_what_is_held(self) -> None:
        if self.held:
            abort = u32(0x80010000) + text("never mind")
            self.channel.send(self.channel.chunk(abort, chunk=b"A", request_id=77))
            self.held = b""

    @precondition(lambda self: self.state == "open" and self.may_end)
    @rule()
    def closes(self) -> None:
        self.channel.send(self.channel.chunk(b"", kind=b"CLO"))
        self.ends("Good")

    # -- what nobody may do ---------------------------------------------------------------------

    @precondition(lambda self: self.state == "open" and self.may_end)
    @rule(what=st.sampled_from(sorted(WRONGS)), by=st.integers(1, 1000))
    def sends_a_wrong_chunk(self, what: str, by: int) -> None:
        spoil, status = WRONGS[what]
        if what == "signature" and self.channel.policy is None:
            return
        self.channel.send(spoil(self.channel, by))
        self.ends(status)

    @precondition(lambda self: self.state in ("new", "greeted") and self.may_end)
    @rule(kind=st.sampled_from([b"MSG", b"CLO", b"ERR", b"XXX"]))
    def speaks_too_soon(self, kind: bytes) -> None:
        self.channel.send(kind + b"F" + u32(40) + b"\0" * 32)
        self.ends("BadTcpMessageTypeInvalid")

    @precondition(lambda self: self.state == "open" and self.may_end)
    @rule()
    def opens_again(self) -> None:
        self.refused(lambda: self.channel.open(kind=0))
        self.ends("BadRequestTypeInvalid")

    @precondition(lambda self: self.state != "ended")
    @rule(seconds=st.floats(0.0, 40.0))
    def time_passes(self, seconds: float) -> None:
        self.patience -= 1
        self.channel.tick(seconds)
        now_s = self.channel.clock.now_s
        if self.state != "open":
            if now_s - self.begun_s >= 10.0:
                self.ends("BadTimeout")
        elif self.held and now_s - self.begun_s >= 30.0:
            self.ends("BadTimeout")
        elif now_s - self.issued_s >= 1.25 * LIFETIME_S:
            self.ends("BadSecureChannelTokenUnknown")

    @precondition(lambda self: self.state == "ended")
    @rule(data=st.binary(max_size=60))
    def speaks_after_the_end(self, data: bytes) -> None:
        before = len(self.channel.events)
        self.channel.machine.feed(data)
        assert not self.channel.machine.waiting
        assert self.channel.machine.tick() is None
        assert len(self.channel.events) == before

    def refused(self, step: Callable[[], None]) -> None:
        with pytest.raises(RefusedError, match="ERR "):
            step()

    # -- what always holds ----------------------------------------------------------------------

    @invariant()
    def it_ended_as_it_must(self) -> None:
        if not hasattr(self, "channel"):
            return
        closed = [status_name(event.status).lstrip("_") for event in self.channel.closed]
        assert closed == ([self.ended_with] if self.state == "ended" else [])

    @invariant()
    def only_whole_messages_got_through(self) -> None:
        if hasattr(self, "channel"):
            assert len(self.channel.requests) == self.got_through

    @invariant()
    def what_is_held_is_bounded(self) -> None:
        if hasattr(self, "channel"):
            assert self.channel.budget.used == 0


ChannelMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
test_channel = ChannelMachine.TestCase

FAST = settings(
    max_examples=150,
    stateful_step_count=25,
    deadline=None,
    phases=(Phase.generate,),
    derandomize=True,
)


# The machine must be able to fail: with a rule taken out of the server it does.


def test_the_machine_sees_sequence_numbers_that_nobody_checks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SequenceCheck, "accept", lambda self, number: None)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(ChannelMachine, settings=FAST)


def test_the_machine_sees_tokens_that_never_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    made = SecurityToken.__post_init__

    def endless(self: SecurityToken) -> None:
        made(self)
        object.__setattr__(self, "ends_s", float("inf"))

    monkeypatch.setattr(SecurityToken, "__post_init__", endless)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(ChannelMachine, settings=FAST)
