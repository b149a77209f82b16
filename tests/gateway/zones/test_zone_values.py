"""What a zone sends to be decoded costs the core no more than a client's longest request."""

from __future__ import annotations

import asyncio

import pytest
from asyncua import ua

from biogate.opcua.codec import encode_variant
from biogate.zones.messages import MalformedError
from biogate.zones.zone_values import ZoneValues, variants_of

TEXTS = bytes(encode_variant(ua.Variant(["x"] * 30_000)))
NUMBER = bytes(encode_variant(ua.Variant(1.5)))


def test_all_values_of_a_message_have_one_budget() -> None:
    assert [each.Value for each in variants_of([NUMBER, NUMBER])] == [1.5, 1.5]
    assert len(variants_of([NUMBER, TEXTS])) == 2
    with pytest.raises(MalformedError, match="elements"):
        variants_of([TEXTS, TEXTS])


async def test_others_have_their_turn_between_long_values() -> None:
    values, turns = ZoneValues(), 0
    waiting = [asyncio.create_task(values.decoded([TEXTS])) for _ in range(5)]
    while not all(each.done() for each in waiting):
        done = sum(each.done() for each in waiting)
        await asyncio.sleep(0)
        assert sum(each.done() for each in waiting) <= done + 1
        turns += 1
    assert turns >= 5
