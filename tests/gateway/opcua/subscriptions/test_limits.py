"""What clients ask for is revised into what the server can keep."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biogate.opcua.config import Limits
from biogate.opcua.subscriptions.limits import (
    SubscriptionLimits,
    revise_publishing,
    revise_queue_size,
    revise_sampling_interval,
)

LIMITS = SubscriptionLimits(Limits())
UINT32 = st.integers(0, 2**32 - 1)


@given(st.floats(), UINT32, UINT32, UINT32, st.integers(0, 255))
def test_any_request_becomes_parameters_that_can_be_kept(interval, lifetime, alive, most, priority):
    revised = revise_publishing(LIMITS, interval, lifetime, alive, most, priority)
    assert 50 <= revised.interval_ms <= 3_600_000
    assert revised.max_keep_alive_count >= 1
    assert revised.lifetime_count >= 3 * revised.max_keep_alive_count
    assert revised.lifetime_count * revised.interval_ms <= LIMITS.max_lifetime_ms
    assert 1 <= revised.max_notifications <= LIMITS.max_notifications_per_publish
    assert revised.priority == priority


@pytest.mark.parametrize(
    ("requested", "every_change", "revised"),
    [
        (0.0, True, 0.0),
        (0.0, False, 50.0),
        (-1.0, True, 250.0),
        (math.nan, True, 250.0),
        (1.0, True, 50.0),
        (125.0, True, 120.0),
        (1000.0, True, 1000.0),
        (1e9, True, 3_600_000.0),
    ],
)
def test_sampling_intervals_are_few(requested, every_change, revised):
    got = revise_sampling_interval(LIMITS, requested, 250.0, every_change=every_change)
    assert got == revised


@pytest.mark.parametrize(
    ("requested", "left", "revised"),
    [(0, 100, 1), (1, 100, 1), (7, 100, 7), (2**32 - 1, 10**6, 10_000), (50, 20, 20), (5, -3, 1)],
)
def test_queue_sizes_are_bounded_and_never_below_one(requested, left, revised):
    assert revise_queue_size(LIMITS, requested, left) == revised
