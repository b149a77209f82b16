"""The tag table keeps the present value of every tag and never renumbers one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.tags import TagInfo, TagTable
from biogate.tags.table import NUMBER_RANGES
from biogate_adapters import status

T0 = 133_000_000_000_000_000


def test_a_new_tag_waits_for_its_first_value(table):
    table.add(TagInfo("ph"))
    value = table.read("ph")
    assert value.value is None
    assert value.status == status.BAD_WAITING_FOR_INITIAL_DATA


def test_a_batch_sets_value_status_and_times(table, update):
    ph, do = table.add(TagInfo("ph")), table.add(TagInfo("do"))
    update([(do, 41.5, status.GOOD, T0), (ph, 7.01, status.UNCERTAIN, T0 + 5)], T0 + 9)
    assert table.read("ph") == (7.01, status.UNCERTAIN, T0 + 5, T0 + 9)
    assert table.read("do") == (41.5, status.GOOD, T0, T0 + 9)


def test_values_come_back_in_the_type_of_the_tag(table, update):
    rows = [("b", "Boolean", 1.0), ("i", "Int16", -3.0), ("f", "Float", 0.5)]
    for name, data_type, number in rows:
        update([(table.add(TagInfo(name, data_type)), number, 0, T0)])
    assert [table.read(name).value for name, *_ in rows] == [True, -3, 0.5]
    assert [type(table.read(name).value) for name, *_ in rows] == [bool, int, float]


def test_texts_and_arrays_live_behind_the_same_interface(table, update):
    gas, spectrum = table.add(TagInfo("gas", "String")), table.add(TagInfo("raman", "Variant"))
    update([(gas, math.nan, 0, T0), (spectrum, math.nan, 0, T0)], T0, {0: "N2", 1: [1.0, 2.0]})
    assert table.read("gas").value == "N2"
    assert table.object_at(spectrum) == [1.0, 2.0]
    update([(gas, math.nan, status.BAD_NO_COMMUNICATION, T0)], T0)
    assert table.read("gas") == (None, status.BAD_NO_COMMUNICATION, T0, T0)


def test_the_last_usable_number_stays_inside_while_the_tag_shows_none(table, update):
    ph = table.add(TagInfo("ph"))
    update([(ph, 7.0, status.GOOD, T0)])
    update([(ph, math.nan, status.BAD_NO_COMMUNICATION, T0 + 100)])
    assert table.read("ph").value is None
    assert table.last_usable("ph") == (7.0, T0)


def test_a_good_nan_of_a_double_is_a_value(table, update):
    update([(table.add(TagInfo("x")), math.nan, status.GOOD, T0)])
    assert math.isnan(table.read("x").value)


def test_a_number_that_the_type_cannot_hold_is_bad_out_of_range_and_alone(table, update):
    counter, level = table.add(TagInfo("n", "UInt16")), table.add(TagInfo("level"))
    for unfit in (65536.0, -1.0, 0.5, math.nan, math.inf):
        update([(counter, unfit, status.GOOD, T0), (level, 1.0, status.GOOD, T0)])
        assert table.read("n")[:2] == (None, status.BAD_OUT_OF_RANGE)
        assert table.read("level").value == 1.0
    assert table.rejected_rows == 5


def test_a_removed_index_stays_empty_and_no_other_moves(table, update):
    first, second = table.add(TagInfo("a")), table.add(TagInfo("b"))
    cursor = table.journal.cursor()
    table.remove(first, T0)
    third = table.add(TagInfo("a"))
    assert third not in (first, second)
    assert table.names == ["b", "a"]
    assert cursor.read().batches[0].status.tolist() == [status.BAD_OUT_OF_SERVICE]
    update([(first, 1.0, 0, T0), (second, 2.0, 0, T0)])
    assert table.read("b").value == 2.0
    assert table.rejected_rows == 1
    with pytest.raises(KeyError, match="index 0"):
        table.info(first)


def test_names_are_unique(table):
    table.add(TagInfo("ph"))
    with pytest.raises(ValueError, match="'ph' exists"):
        table.add(TagInfo("ph"))


def test_an_index_that_was_never_added_stores_nothing(table, update):
    ph = table.add(TagInfo("ph"))
    with pytest.raises(IndexError, match="0 to 0"):
        update([(ph, 1.0, 0, T0), (1, 1.0, 0, T0)])
    assert table.read("ph").value is None


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_the_table_is_a_map_from_name_to_last_update(data):
    table = TagTable()
    types = data.draw(st.lists(st.sampled_from(sorted(NUMBER_RANGES)), min_size=1, max_size=150))
    indices = [table.add(TagInfo(f"t{i}", data_type)) for i, data_type in enumerate(types)]
    model: dict[int, tuple[float, int]] = {}
    versions = dict.fromkeys(indices, 0)
    for batch in range(data.draw(st.integers(1, 4))):
        rows = data.draw(st.lists(st.sampled_from(indices), min_size=1, max_size=8))
        numbers = [float(data.draw(st.integers(0, 1))) for _ in rows]
        table.apply(
            np.array(rows, np.int32),
            np.array(numbers),
            np.zeros(len(rows), np.uint32),
            np.full(len(rows), T0 + batch, np.int64),
            T0,
        )
        model.update(zip(rows, [(n, T0 + batch) for n in numbers], strict=True))
        rising = {row for row in indices if table.version[row] > versions[row]}
        assert rising == set(rows)
        versions = dict(zip(indices, table.version.tolist(), strict=True))
    snapshot = table.snapshot(list(model))
    assert list(zip(snapshot.value.tolist(), snapshot.source_time.tolist(), strict=True)) == list(
        model.values()
    )


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 1), st.integers(0, 9), st.booleans()), min_size=1, max_size=4
        ),
        max_size=8,
    )
)
def test_the_last_usable_number_is_the_last_that_was_not_bad(batches):
    table = TagTable()
    tags = [table.add(TagInfo("a")), table.add(TagInfo("b"))]
    usable = dict.fromkeys(tags, (None, 0))
    for time, rows in enumerate(batches, T0):
        table.apply(
            np.array([tag for tag, _, _ in rows], np.int32),
            np.array([math.nan if bad else float(value) for _, value, bad in rows]),
            np.array([status.BAD if bad else 0 for _, _, bad in rows], np.uint32),
            np.full(len(rows), time, np.int64),
            time,
        )
        usable.update({tag: (float(value), time) for tag, value, bad in rows if not bad})
        for tag, name in zip(tags, "ab", strict=True):
            value, known_at = table.last_usable(name)
            assert (None if math.isnan(value) else value, known_at) == usable[tag]


@given(st.lists(st.integers(0, 7), min_size=1, max_size=8, unique=True), st.booleans())
@settings(max_examples=60)
def test_indices_that_cannot_be_written_to_are_stored_like_any_others(rows, ascending):
    """Looked at only once, as a slice where they follow one another; the result is the same."""
    plain, known = TagTable(), TagTable()
    for table in (plain, known):
        for number in range(8):
            table.add(TagInfo(f"t{number}"))
    index = np.array(sorted(rows) if ascending else rows, np.int32)
    fixed = index.copy()
    fixed.flags.writeable = False
    for turn in range(3):
        value = np.arange(len(index)) + 10.0 * turn
        status_ = np.full(len(index), 0 if turn < 2 else status.UNCERTAIN, np.uint32)
        times = np.full(len(index), T0 + turn)
        plain.apply(index.copy(), value, status_, times, T0)
        known.apply(fixed, value, status_, times, T0)
    every = np.arange(8)
    for one, other in zip(plain.snapshot(every), known.snapshot(every), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(plain.version, known.version)


def test_a_tag_that_is_removed_is_removed_for_known_indices_too(table):
    first, second = table.add(TagInfo("a")), table.add(TagInfo("b"))
    index = np.array([first, second], np.int32)
    index.flags.writeable = False
    columns = (np.zeros(2, np.uint32), np.full(2, T0), T0)
    table.apply(index, np.array([1.0, 2.0]), *columns)
    table.remove(first, T0)
    table.apply(index, np.array([3.0, 4.0]), *columns)
    assert table.read("b").value == 4.0
    assert table.rejected_rows == 1
