"""Records of what somebody can cause without end (IEC 62443-4-2, CR 2.9 and 7.1)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from biogate_security.audit import AuditRecord
from biogate_security.record_budget import IN_FULL, MAX_SOURCES, WINDOW_S, RecordBudget

REFUSED = AuditRecord("write-refused", 0, "ada", address="10.0.0.1", reason="not an operator")


def test_the_first_refusals_of_a_minute_are_stored_whole_and_the_rest_is_counted():
    budget = RecordBudget()
    taken = [budget.take(REFUSED, 100.0 + second) for second in range(IN_FULL + 7)]
    assert taken == [True] * IN_FULL + [False] * 7
    assert budget.due(100.0 + WINDOW_S - 1) == []
    (summary,) = budget.due(100.0 + WINDOW_S)
    assert summary.reason == "7 more like this within a minute; the newest: not an operator"
    assert budget.next_due_s is None


def test_a_flood_from_one_source_hides_no_other_source_and_no_other_kind():
    budget = RecordBudget()
    for _ in range(1000):
        budget.take(REFUSED, 0.0)
    assert budget.take(replace(REFUSED, user="bob"), 0.0)
    assert budget.take(replace(REFUSED, address="10.0.0.2"), 0.0)
    assert budget.take(replace(REFUSED, event="login-refused"), 0.0)


def test_the_next_minute_begins_anew():
    budget = RecordBudget()
    for _ in range(IN_FULL):
        budget.take(REFUSED, 0.0)
    assert budget.take(REFUSED, WINDOW_S)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5 * MAX_SOURCES), st.integers(1, 5))
def test_many_sources_take_bounded_memory_and_bounded_records(sources: int, times: int):
    budget = RecordBudget()
    stored = sum(
        budget.take(replace(REFUSED, address=str(source)), 0.0)
        for _ in range(times)
        for source in range(sources)
    )
    summaries = budget.due(WINDOW_S)
    assert stored + len(summaries) <= (MAX_SOURCES + 1) * (IN_FULL + 1)
    left_out = sum(int(summary.reason.split()[0]) for summary in summaries)
    assert stored + left_out == sources * times


def test_a_clock_that_was_set_back_delays_nothing():
    budget = RecordBudget()
    for _ in range(IN_FULL + 3):
        budget.take(REFUSED, 7200.0)
    (summary,) = budget.due(0.0)
    assert summary.reason.startswith("3 more like this")
    assert budget.take(REFUSED, 0.0)
