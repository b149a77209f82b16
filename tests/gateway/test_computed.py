"""Computed tags: functions of other tags."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest

from biogate.computed import ComputedTags
from biogate.tags import Cursor, Journal, TagInfo, TagTable
from biogate_adapters import status

Put = Callable[..., None]


@pytest.fixture
def table() -> TagTable:
    table = TagTable()
    table.add(TagInfo("flow"))
    table.add(TagInfo("volume"))
    return table


@pytest.fixture
def computed(table: TagTable) -> ComputedTags:
    return ComputedTags(table)


@pytest.fixture
def cursor(table: TagTable) -> Cursor:
    return table.journal.cursor()


@pytest.fixture
def put(table: TagTable, computed: ComputedTags, cursor: Cursor) -> Put:
    """Stores one value and lets the computed tags follow until nothing changes any more."""

    def put(name: str, value: float, code: int = status.GOOD, source_time: int = 10) -> None:
        row = np.array([table.index(name)], np.int32)
        table.apply(row, np.array([value]), np.array([code], np.uint32),
                    np.array([source_time]), 99)  # fmt: skip
        while cursor.pending_rows:
            computed.update(cursor.read())

    return put


def test_it_follows_its_inputs_with_the_newest_source_time(
    table: TagTable, computed: ComputedTags, put: Put
) -> None:
    computed.add(TagInfo("dilution", unit="H10"), lambda f, v: f / v, ["flow", "volume"])
    assert status.is_bad(table.read("dilution").status)
    put("flow", 2.0, source_time=10)
    put("volume", 4.0, source_time=20)
    assert table.read("dilution") == (0.5, status.GOOD, 20, 99)


def test_its_status_is_the_worst_of_its_inputs(
    table: TagTable, computed: ComputedTags, put: Put
) -> None:
    computed.add(TagInfo("sum"), lambda f, v: f + v, ["flow", "volume"])
    put("flow", 1.0)
    put("volume", 2.0, status.UNCERTAIN_SENSOR_NOT_ACCURATE)
    assert table.read("sum")[:2] == (3.0, status.UNCERTAIN_SENSOR_NOT_ACCURATE)
    put("flow", np.nan, status.BAD_NO_COMMUNICATION)
    assert table.read("sum")[:2] == (None, status.BAD_NO_COMMUNICATION)


def test_a_function_that_raises_makes_one_bad_tag_and_one_log_line(
    table: TagTable, computed: ComputedTags, put: Put, caplog: pytest.LogCaptureFixture
) -> None:
    computed.add(TagInfo("inverse"), lambda f: 1 / f, ["flow"])
    computed.add(TagInfo("double"), lambda f: 2 * f, ["flow"])
    with caplog.at_level(logging.ERROR):
        put("flow", 0.0)
        put("flow", 0.0)
    assert table.read("inverse")[:2] == (None, status.BAD_INTERNAL_ERROR)
    assert table.read("double")[:2] == (0.0, status.GOOD)
    assert len(caplog.records) == 1
    put("flow", 4.0)
    assert table.read("inverse")[:2] == (0.25, status.GOOD)


def test_a_result_that_is_no_number_is_a_failure_of_the_function(
    table: TagTable, computed: ComputedTags, put: Put
) -> None:
    computed.add(TagInfo("wrong"), lambda f: "much", ["flow"])
    put("flow", 1.0)
    assert table.read("wrong").status == status.BAD_INTERNAL_ERROR


def test_computed_tags_may_build_on_each_other(
    table: TagTable, computed: ComputedTags, put: Put
) -> None:
    computed.add(TagInfo("twice"), lambda f: 2 * f, ["flow"])
    computed.add(TagInfo("label", "String"), lambda t: f"{t:g} l/h", ["twice"])
    put("flow", 3.0)
    assert table.read("label").value == "6 l/h"


def test_no_change_is_missed_that_the_journal_does_not_keep() -> None:
    table = TagTable(Journal(capacity_rows=4))
    flow, noise = table.add(TagInfo("flow")), table.add(TagInfo("noise"))
    computed, cursor = ComputedTags(table), table.journal.cursor()
    computed.add(TagInfo("double"), lambda f: 2 * f, ["flow"])
    for tag in (flow, *[noise] * 6):
        table.apply(np.array([tag], np.int32), np.array([3.0]), np.array([status.GOOD], np.uint32),
                    np.array([10]), 99)  # fmt: skip
    computed.update(cursor.read())
    assert table.read("double").value == 6.0


def test_an_unknown_input_and_no_input_are_refused(table: TagTable, computed: ComputedTags) -> None:
    with pytest.raises(KeyError, match="nothing"):
        computed.add(TagInfo("a"), lambda x: x, ["nothing"])
    with pytest.raises(ValueError, match="no inputs"):
        computed.add(TagInfo("b"), lambda: 1, [])
    assert "a" not in table.names
