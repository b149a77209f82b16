"""Back-off per user and source (IEC 62443-4-2 CR 1.11): who is slowed by whose guesses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biogate_security.login_throttle import (
    MAX_GOOD_SOURCES,
    LoginLimits,
    LoginThrottle,
    network_of,
)

HERE, THERE = "192.0.2.1", "192.0.2.66"


@pytest.fixture
def throttle(clock):
    return LoginThrottle(clock)


def fail(throttle, times, user="olga", source=THERE, known=True):
    for _ in range(times):
        throttle.failed(user, source, known=known)


def locked(throttle, user="olga", source=HERE):
    return throttle.remaining_s(user, source, known=True)


def test_the_lock_of_a_user_at_a_source_doubles_with_each_failure(throttle):
    waits = [throttle.failed("olga", THERE, known=True) for _ in range(9)]
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16]


def test_guesses_from_many_sources_slow_the_user_where_they_never_logged_in(throttle):
    throttle.succeeded("olga", HERE)
    for number in range(60):
        throttle.failed("olga", f"198.51.100.{number}", known=True)
    assert 0 < locked(throttle, source=THERE) <= 30.0
    assert locked(throttle, source=HERE) == 0.0


def test_one_password_tried_for_many_users_locks_the_source(throttle):
    for number in range(20):
        throttle.failed(f"user {number}", THERE, known=True)
    assert locked(throttle, "piotr", THERE) > 0
    assert locked(throttle, "piotr", HERE) == 0.0


def test_who_logs_in_from_a_sprayed_source_stays_free_there(throttle):
    throttle.succeeded("olga", THERE)
    for number in range(30):
        throttle.failed(f"user {number}", THERE, known=True)
    assert locked(throttle, "olga", THERE) == 0.0


def test_a_good_record_does_not_help_against_guesses_from_the_same_source(throttle):
    throttle.succeeded("olga", THERE)
    fail(throttle, 6)
    assert locked(throttle, source=THERE) == 2.0


def test_a_new_password_makes_every_source_a_stranger(throttle):
    throttle.succeeded("olga", HERE)
    throttle.forget("olga")
    for number in range(60):
        throttle.failed("olga", f"198.51.100.{number}", known=True)
    assert locked(throttle) > 0


def test_an_attacker_cannot_push_out_the_sources_of_another_user(throttle):
    throttle.succeeded("olga", HERE)
    for number in range(MAX_GOOD_SOURCES * 3):
        throttle.succeeded("eve", f"203.0.113.{number}")
    for number in range(60):
        throttle.failed("olga", f"198.51.100.{number}", known=True)
    assert locked(throttle) == 0.0


def test_strange_names_lock_like_known_ones_and_do_not_push_them_out(throttle):
    fail(throttle, 8)
    before = locked(throttle, source=THERE)
    for number in range(6000):
        throttle.failed(f"stranger {number}", "198.51.100.1", known=False)
    assert locked(throttle, source=THERE) == before
    fail(throttle, 5, user="nobody", known=False)
    assert throttle.remaining_s("nobody", THERE, known=False) >= 1.0


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:db8:1:2:3:4:5:6]", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("a name", "a name"),
    ],
)
def test_one_ipv6_network_is_one_source(address, counted_as):
    assert network_of(address) == counted_as


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.booleans()), max_size=150))
def test_no_order_of_others_logins_frees_a_source_of_its_own_failures(moves):
    """Whatever others do, the pair that failed six times stays locked as long as it was."""
    throttle = LoginThrottle(lambda: 0.0)
    fail(throttle, 6)
    for user, number, good in moves:
        source = f"198.51.100.{number}"
        if good:
            throttle.succeeded(user, source)
        else:
            throttle.failed(user, source, known=True)
        assert locked(throttle, source=THERE) >= 2.0


@given(st.lists(st.integers(0, 5), max_size=100))
def test_one_hostile_source_never_locks_a_user_out_of_another(pauses):
    """From a single source, the throttle of all of a user's logins is not even reached."""
    now = [0.0]
    throttle = LoginThrottle(lambda: now[0])
    for pause in pauses:
        now[0] += pause
        if not throttle.remaining_s("olga", THERE, known=True):
            throttle.failed("olga", THERE, known=True)
        assert throttle.remaining_s("olga", HERE, known=True) == 0.0


def test_a_name_of_any_length_takes_little_room_and_locks_the_same(throttle):
    """4096 names of a message's length each would be some hundred megabytes."""
    endless = "olga" * 10_000
    waits = [throttle.failed(endless, THERE, known=False) for _ in range(6)]
    assert waits == [0, 0, 0, 0, 1, 2]
    assert throttle.remaining_s(endless, THERE, known=False) == 2.0
    assert throttle.remaining_s(endless + "!", THERE, known=False) == 0.0
    held = [*throttle._strange_pairs._records, *throttle._strange_users._records]
    assert all(len(str(key)) < 200 for key in held)


def test_a_site_says_how_many_attempts_are_free_and_how_long_a_lock_lasts(clock):
    throttle = LoginThrottle(clock, LoginLimits(attempts=1, longest_wait_s=30.0))
    waits = [throttle.failed("olga", THERE, known=True) for _ in range(9)]
    assert waits == [0, 1, 2, 4, 8, 16, 30, 30, 30]
    strangers = [throttle.failed("nobody", HERE, known=False) for _ in range(3)]
    assert strangers == [0, 1, 2], "who does not exist locks as who does"
