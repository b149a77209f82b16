"""Real requests with a length, a type or a piece changed: refused, or read, in bounded memory."""

from __future__ import annotations

import struct
import tracemalloc

from attack.fuzz.seeds import seeds
from attack.fuzz.targets import decoder
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.codec import DecodeError, DecodeLimits, decode_message
from biogate.opcua.codec.reader import Reader

MESSAGES = seeds()["decoder"]
LENGTHS = st.sampled_from([-(2**31), -2, -1, 0, 1, 255, 65_536, 2**24, 2**31 - 1])
PIECES = st.sampled_from([message[at : at + 12] for message in MESSAGES for at in (0, 20, 40)])
K, FIXED = 200, 200_000
"""Bytes of memory for a byte on the wire, and for the decoder itself."""


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A message whose fields are still where they were, mostly."""
    message = bytearray(draw(st.sampled_from(MESSAGES)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(message) - 4)))
        action = draw(st.sampled_from(["length", "byte", "cut", "double", "insert"]))
        if action == "length":
            message[at : at + 4] = struct.pack("<i", draw(LENGTHS))
        elif action == "byte":
            message[at] = draw(st.integers(0, 255))
        elif action == "cut":
            del message[at : at + draw(st.integers(1, 40))]
        elif action == "double":
            message[at:at] = message[at : at + draw(st.integers(1, 60))] * 3
        else:
            message[at:at] = draw(PIECES)
        message = message or bytearray(4)
    return bytes(message)


# Part 6, 5.2: whatever a length says, nothing but a DecodeError comes of it.
@settings(max_examples=400, deadline=None)
@given(mutated())
def test_a_mutated_message_is_read_or_refused(message: bytes) -> None:
    decoder(message)


# CWE-789: memory follows what was sent, not what was announced.
@settings(max_examples=150, deadline=None)
@given(mutated())
def test_memory_follows_what_was_sent(message: bytes) -> None:
    tracemalloc.start()
    try:
        decode_message(message)
    except DecodeError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert peak < FIXED + K * len(message)


class CountingReader(Reader):
    """Counts the values that it reads."""

    steps = 0

    def take(self, size: int) -> int:
        CountingReader.steps += 1
        return super().take(size)


# CWE-835: a decoder takes a bounded number of steps for each byte.
@settings(max_examples=150, deadline=None)
@given(mutated(), st.integers(0, 40))
def test_steps_follow_what_was_sent(message: bytes, start: int) -> None:
    reader = CountingReader(message[start:], DecodeLimits())
    CountingReader.steps = 0
    try:
        reader.variant()
    except DecodeError:
        pass

    assert CountingReader.steps <= 20 + 8 * len(message)
