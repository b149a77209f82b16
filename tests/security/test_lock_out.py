"""Back-off after failed logins (IEC 62443-4-2 CR 1.11)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biogate_security.lock_out import BackOff, LockOut

RULES = BackOff(free_failures=3, first_s=1.0, longest_s=60.0, forget_s=300.0)


@pytest.fixture
def locks(clock):
    return LockOut(RULES, clock, max_keys=3)


def test_the_first_failures_are_free_then_each_doubles_the_wait(locks):
    waits = [locks.failed("olga") for _ in range(11)]
    assert waits == [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]


def test_a_lock_ends_by_itself(locks, clock):
    for _ in range(4):
        locks.failed("olga")
    assert locks.remaining_s("olga") == 1.0
    clock.advance(0.4)
    assert locks.remaining_s("olga") == pytest.approx(0.6)
    clock.advance(0.6)
    assert locks.remaining_s("olga") == 0.0


def test_one_key_does_not_lock_another(locks):
    for _ in range(5):
        locks.failed("olga")
    assert locks.remaining_s("piotr") == 0.0


def test_success_and_a_quiet_time_both_forget(locks, clock):
    for _ in range(6):
        locks.failed("olga")
        locks.failed("piotr")
    locks.succeeded("olga")
    assert locks.remaining_s("olga") == 0.0
    assert locks.failed("olga") == 0.0
    clock.advance(300)
    assert locks.failed("piotr") == 8.0
    clock.advance(301)
    assert locks.failed("piotr") == 0.0


def test_the_longest_quiet_key_goes_when_there_are_too_many(locks):
    for _ in range(5):
        locks.failed("olga")
    for stranger in ("a", "b"):
        locks.failed(stranger)
    assert locks.remaining_s("olga") == 2.0
    locks.failed("olga")
    for stranger in ("c", "d"):
        locks.failed(stranger)
    assert locks.remaining_s("olga") == 4.0
    locks.failed("e")
    assert locks.remaining_s("olga") == 0.0


@given(
    st.integers(0, 10),
    st.floats(0.1, 10),
    st.floats(10, 1000),
    st.lists(st.floats(0, 50), max_size=80),
)
def test_waits_never_shrink_or_pass_the_longest_while_failures_go_on(free, first, longest, pauses):
    now = [0.0]
    rules = BackOff(free, first, longest, forget_s=1e9)
    locks = LockOut(rules, lambda: now[0])
    waits = []
    for pause in pauses:
        now[0] += pause
        waits.append(locks.failed("key"))
        assert locks.remaining_s("key") == pytest.approx(waits[-1])
    assert waits == sorted(waits)
    assert all(wait <= longest for wait in waits)
    assert not any(waits[:free])
