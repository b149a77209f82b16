"""What signals show while their device does not answer, and how long to wait between tries."""

from __future__ import annotations

import math
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from biogate_adapters import status
from biogate_adapters.backoff import Backoff
from biogate_adapters.contract import SampleBatch
from biogate_adapters.staleness import SignalMemory


def batch(*rows, texts=None):
    index, value, code, time = zip(*rows, strict=True)
    return SampleBatch(
        np.array(index, dtype=np.int32),
        np.array(value),
        np.array(code, dtype=np.uint32),
        np.array(time, dtype=np.int64),
        texts or {},
    )


def rows(of):
    return list(zip(of.index.tolist(), of.status.tolist(), of.source_time.tolist(), strict=True))


def test_usable_values_stay_with_their_own_times():
    memory = SignalMemory(4)
    memory.remember(
        batch(
            (0, 7.0, status.GOOD, 100),
            (1, 5.0, status.UNCERTAIN_SENSOR_NOT_ACCURATE, 101),
            (2, math.nan, status.BAD_SENSOR_FAILURE, 102),
            (3, math.nan, status.GOOD, 103),
            texts={3: "Air"},
        )
    )
    stale = memory.uncertain()
    code = status.UNCERTAIN_NO_COMMUNICATION_LAST_USABLE
    assert rows(stale) == [(0, code, 100), (1, code, 101), (3, code, 103)]
    assert stale.value.tolist()[:2] == [7.0, 5.0]
    assert stale.texts == {2: "Air"}


def test_a_signal_that_never_had_a_value_is_left_to_the_table():
    assert len(SignalMemory(3).uncertain()) == 0


def test_in_the_end_all_are_bad_without_value_at_the_time_of_the_fault():
    memory = SignalMemory(2)
    memory.remember(batch((0, 7.0, status.GOOD, 100)))
    bad = memory.bad(555)
    assert rows(bad) == [(index, status.BAD_NO_COMMUNICATION, 555) for index in (0, 1)]
    assert np.isnan(bad.value).all()


def test_a_partial_batch_touches_only_its_signals():
    memory = SignalMemory(2)
    memory.remember(batch((0, 1.0, status.GOOD, 100), (1, 2.0, status.GOOD, 100)))
    memory.remember(batch((1, 3.0, status.GOOD, 200)))
    stale = memory.uncertain()
    assert stale.value.tolist() == [1.0, 3.0]
    assert stale.source_time.tolist() == [100, 200]


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_delays_double_with_jitter_up_to_the_highest(seed, tries):
    backoff = Backoff(Random(seed), first_s=0.5, highest_s=10.0)
    for attempt in range(tries):
        ceiling = min(0.5 * 2**attempt, 10.0)
        assert ceiling / 2 <= backoff.next() <= ceiling
    backoff.reset()
    assert 0.25 <= backoff.next() <= 0.5


def test_two_devices_do_not_come_back_in_step():
    first, second = Backoff(Random(1)), Backoff(Random(2))
    assert [first.next() for _ in range(5)] != [second.next() for _ in range(5)]
