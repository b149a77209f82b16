"""DateTime keeps its 100 ns ticks (Part 6, 5.2.2.5): clients write and compare them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from biogate.opcua.codec.datetimes import from_ticks, to_ticks

MOMENT = 134_000_000_000_000_000
TICKS_OF_9999 = 2_650_467_743_990_000_000


@given(st.integers(1, TICKS_OF_9999 - 1))
def test_every_tick_comes_back(ticks: int) -> None:
    assert to_ticks(from_ticks(ticks)) == ticks


def test_moments_within_a_microsecond_differ() -> None:
    exact, whole = from_ticks(MOMENT + 3), from_ticks(MOMENT)
    assert exact != whole
    assert whole != exact
    assert exact == from_ticks(MOMENT + 3)
    assert exact - whole == timedelta()


def test_arithmetic_is_that_of_microseconds() -> None:
    later = from_ticks(MOMENT + 3) + timedelta(microseconds=1)
    assert to_ticks(later) == MOMENT + 10
    assert later > datetime(2025, 1, 1, tzinfo=UTC)
