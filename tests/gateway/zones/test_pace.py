"""A zone that writes records without end waits for them; one that does as usual does not."""

from __future__ import annotations

import pytest

from biogate.zones.pace import BURST_S, BYTES_PER_S, RECORDS_PER_S, Pace


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_does_not_wait_and_a_flood_does() -> None:
    clock = Clock()
    pace = Pace(clock)
    burst = int(BURST_S * RECORDS_PER_S)
    assert [pace.spend(100) for _ in range(burst)] == [0.0] * burst
    assert pace.spend(100) == pytest.approx(1 / RECORDS_PER_S)
    clock.now += 1000
    assert pace.spend(100) == 0.0


def test_long_records_count_by_their_bytes() -> None:
    pace = Pace(Clock())
    assert pace.spend(int(BURST_S * BYTES_PER_S)) == 0.0
    assert pace.spend(BYTES_PER_S) == pytest.approx(1.0)
