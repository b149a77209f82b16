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


def test_the_key_with_the_fewest_failures_gives_its_place_and_its_count(locks):
    for _ in range(5):
        locks.failed("olga")
    for stranger in ("a", "b", "c", "d"):
        locks.failed(stranger)
    assert locks.remaining_s("olga") == 2.0
    assert len(locks) == 3
    assert locks.failures("d") == 2  # one of its own, one of whose place it took


def test_what_is_forgotten_anyway_goes_first(locks, clock):
    for key in ("olga", "a", "b"):
        locks.failed(key)
        locks.failed(key)
    clock.advance(301)
    locks.failed("c")
    assert len(locks) == 1
    assert locks.failures("c") == 1


@given(st.lists(st.integers(0, 9), max_size=200), st.integers(1, 5))
def test_no_flood_of_keys_makes_a_key_count_less_than_it_failed(keys, most):
    """Whoever fills the table to be forgotten comes back with as many failures or more."""
    locks = LockOut(RULES, lambda: 0.0, max_keys=most)
    true = dict.fromkeys(keys, 0)
    for key in keys:
        true[key] += 1
        locks.failed(key)
        assert locks.failures(key) >= true[key]
        assert len(locks) <= most


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
