"""Time windows, part patterns, admission and rates, each for itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from hashlib import sha1, sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate_security.zones import Admission, PartPattern, RateMeter, Window, Zone
from biogate_security.zones.window import DAYS

SECOND = 10_000_000
MINUTE, HOUR, DAY, WEEK = 60 * SECOND, 3600 * SECOND, 24 * 3600 * SECOND, 7 * 24 * 3600 * SECOND
EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


def ticks(text: str) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(seconds=1) * SECOND


# -- windows --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-03-02T05:59:59", False),  # a Monday
        ("2026-03-02T06:00:00", True),
        ("2026-03-02T17:59:59", True),
        ("2026-03-02T18:00:00", False),
        ("2026-03-03T12:00:00", False),
        ("2026-03-04T12:00:00", True),
    ],
)
def test_a_window_is_open_on_its_days_between_its_times(moment: str, is_open: bool) -> None:
    window = Window(("mon", "wed"), 6 * 60, 18 * 60)
    assert window.is_open(ticks(moment)) is is_open


def test_a_window_goes_on_across_midnight_and_over_the_end_of_the_week() -> None:
    window = Window(("sun",), 22 * 60, 6 * 60)
    assert not window.is_open(ticks("2026-03-01T21:59:59"))  # a Sunday
    assert window.is_open(ticks("2026-03-01T23:00:00"))
    assert window.is_open(ticks("2026-03-02T05:59:59"))
    assert not window.is_open(ticks("2026-03-02T22:30:00"))
    assert window.next_edge(ticks("2026-03-01T23:00:00")) == ticks("2026-03-02T06:00:00")
    assert window.next_edge(ticks("2026-03-02T06:00:00")) == ticks("2026-03-08T22:00:00")


def test_days_that_follow_each_other_are_one_window() -> None:
    window = Window(("mon", "tue"))
    assert window.next_edge(ticks("2026-03-02T12:00:00")) == ticks("2026-03-04T00:00:00")


def test_a_window_of_all_week_has_no_edge() -> None:
    assert Window().is_open(0)
    assert Window().next_edge(0) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"days": ()},
        {"days": ("monday",)},
        {"start": 1440, "end": 5},
        {"end": 1441},
        {"start": -1},
        {"start": 60, "end": 60},
    ],
)
def test_a_window_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"days are|a window"):
        Window(**wrong)  # type: ignore[arg-type]


windows = st.builds(
    lambda days, start, length: Window(tuple(days), start, (start + length) % 1440),
    st.sets(st.sampled_from(DAYS), min_size=1),
    st.integers(0, 1439),
    st.integers(1, 1439),
)
times = st.integers(0, 20 * WEEK)


@settings(max_examples=200)
@given(windows, times)
def test_between_two_edges_nothing_changes(window: Window, now: int) -> None:
    edge = window.next_edge(now)
    if edge is None:
        assert window.is_open(now)
        return
    assert now < edge <= now + WEEK
    assert window.is_open(edge - 1) is window.is_open(now)
    assert window.is_open(edge) is not window.is_open(now)


@settings(max_examples=200)
@given(windows, times)
def test_a_window_is_what_the_calendar_says(window: Window, now: int) -> None:
    """Against datetime, minute by minute: it began today or yesterday, and has not ended."""
    moment = EPOCH + timedelta(seconds=now // SECOND)
    midnight = moment.replace(hour=0, minute=0, second=0)
    length = (window.end - window.start) % 1440 or 1440
    begins = [
        day + timedelta(minutes=window.start)
        for day in (midnight, midnight - timedelta(days=1))
        if DAYS[day.weekday()] in window.days
    ]
    expected = any(begin <= moment < begin + timedelta(minutes=length) for begin in begins)
    assert window.is_open(now) is expected


# -- patterns -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "covered", "not_covered"),
    [
        ("BR101", ["BR101", "BR101/pH", "BR101/pH/SensorValue"], ["BR1011", "BR10", "", "a/BR101"]),
        ("BR101/*", ["BR101/pH", "BR101/pH/SensorValue"], ["BR101", "BR102/pH"]),
        ("BR101/pH/*", ["BR101/pH/SensorValue"], ["BR101/pH", "BR101/DO/SensorValue"]),
        ("*/pH", ["BR101/pH", "BR102/pH/RawValue"], ["pH", "a/b/pH"]),
        ("BR*/T*e", ["BR7/Temperature", "BR/Te/x"], ["BR7/Temp", "XBR7/Te"]),
        ("a.c/[x]", ["a.c/[x]"], ["abc/x", "abc/[x]", "a.c/x"]),
    ],
)
def test_a_pattern_covers_what_it_names_and_all_below(
    pattern: str, covered: list[str], not_covered: list[str]
) -> None:
    for part in covered:
        assert PartPattern(pattern).covers(part), part
    for part in not_covered:
        assert not PartPattern(pattern).covers(part), part


def test_the_way_to_a_part_is_what_lies_above_it() -> None:
    pattern = PartPattern("BR*/pH/SensorValue")
    assert [p for p in ("BR1", "BR1/pH", "BR1/DO", "X", "BR1/pH/SensorValue", "") if
            pattern.leads_through(p)] == ["BR1", "BR1/pH"]  # fmt: skip
    assert not PartPattern("BR101").leads_through("BR101")


@pytest.mark.parametrize("text", ["", "a//b", "/a", "a/", "/".join("a" * 17)])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no pattern"):
        PartPattern(text)


def test_many_stars_take_no_longer_than_the_name_is() -> None:
    assert not PartPattern("*" * 400 + "x").covers("a" * 2000)
    assert not PartPattern("a*" * 100 + "b").covers("a" * 2000)


@settings(max_examples=300)
@given(st.text("ab*", min_size=1, max_size=8), st.text("ab/", max_size=10))
def test_a_star_is_what_a_shell_says(pattern: str, part: str) -> None:
    level = part.partition("/")[0]
    assert PartPattern(pattern).covers(part) is fnmatchcase(level, pattern)


# -- admission ------------------------------------------------------------------------------------


def test_a_zone_that_says_nothing_takes_anybody() -> None:
    anybody = Admission(Zone("open"))
    assert anybody.address("203.0.113.9")
    assert anybody.certificate(b"")
    assert anybody.application("urn:x")
    assert anybody.user(None)


def test_a_zone_takes_clients_from_its_networks() -> None:
    admission = Admission(Zone("z", networks=("192.0.2.0/24", "2001:db8::/32")))
    for address in ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "2001:db8::1%eth0"):
        assert admission.address(address), address
    for address in ("192.0.3.7", "::1", "localhost", "", "192.0.2.7.1", "::ffff:192.0.3.7"):
        assert not admission.address(address), address


def test_a_zone_takes_its_certificates_by_either_digest() -> None:
    ours, theirs = b"ours", b"theirs"
    for digest in (sha1, sha256):
        listed = frozenset({digest(ours).hexdigest()})
        admission = Admission(Zone("z", certificates=listed))
        assert admission.certificate(ours)
        assert not admission.certificate(theirs)
        assert not admission.certificate(b"")


def test_a_zone_takes_its_applications_and_users() -> None:
    zone = Zone("z", applications=frozenset({"urn:a"}), users=frozenset({"ada"}))
    admission = Admission(zone)
    assert (admission.application("urn:a"), admission.application("urn:b")) == (True, False)
    assert [admission.user(name) for name in ("ada", "bob", None)] == [True, False, False]


# -- rates ----------------------------------------------------------------------------------------


def test_no_more_cross_in_any_minute_than_may() -> None:
    meter, passed = RateMeter(), []
    for second in range(0, 300, 5):
        now = second * SECOND
        if meter.has_room("c", 4, now):
            meter.count("c", now)
            passed.append(second)
    assert all(sum(t - 60 < p <= t for p in passed) <= 4 for t in passed)
    assert len(passed) == 20
    assert meter.has_room("other", 4, now)
    assert meter.has_room("c", None, now)


def test_a_clock_that_was_set_back_stops_nothing() -> None:
    meter = RateMeter()
    for _ in range(3):
        meter.count("c", 1000 * SECOND)
    assert not meter.has_room("c", 3, 1001 * SECOND)
    assert meter.has_room("c", 3, 500 * SECOND)
