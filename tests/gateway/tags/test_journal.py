"""The journal keeps batches whole and in order, and tells a slow reader what it lost."""

from __future__ import annotations

import asyncio
import dataclasses

import numpy as np
import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.tags import Journal, JournalBatch, TagInfo, weight
from biogate.tags.weight import weight_of


def batch(number: int, rows: int) -> JournalBatch:
    zeros = np.zeros(rows)
    return JournalBatch(
        number,
        zeros.astype(np.int32),
        zeros,
        zeros.astype(np.uint32),
        zeros.astype(np.int64),
        server_time=number,
    )


def test_a_cursor_starts_at_now_and_reads_each_batch_once():
    journal = Journal()
    journal.append(batch(1, 3))
    cursor = journal.cursor()
    journal.append(batch(2, 3))
    assert cursor.pending_rows == 3
    assert [b.batch_id for b in cursor.read().batches] == [2]
    assert cursor.read() == ([], 0)


def test_a_slow_cursor_learns_how_many_rows_it_lost_and_others_lose_nothing():
    journal = Journal(capacity_rows=10)
    slow, quick = journal.cursor(), journal.cursor()
    for number in range(5):
        journal.append(batch(number, 4))
        assert quick.read().lost_rows == 0
    drained = slow.read()
    assert [b.batch_id for b in drained.batches] == [3, 4]
    assert drained.lost_rows == slow.lost_rows == 12


def test_a_batch_beyond_the_capacity_is_kept_whole():
    journal = Journal(capacity_rows=2)
    cursor = journal.cursor()
    journal.append(batch(1, 100))
    assert [len(b) for b in cursor.read().batches] == [100]


def with_object(number: int, value: object) -> JournalBatch:
    return dataclasses.replace(batch(number, 1), objects={0: value})


def test_objects_are_bounded_in_bytes_and_what_is_lost_for_them_is_counted():
    """A client may write values of megabytes, again and again."""
    journal = Journal(capacity_bytes=10_000)
    cursor = journal.cursor()
    for number in range(8):
        journal.append(with_object(number, "x" * 3000))
    journal.append(batch(8, 1))
    kept, lost = cursor.read()
    assert [one.batch_id for one in kept] == [5, 6, 7, 8]
    assert lost == 5
    journal.append(with_object(9, "x" * 20_000))
    assert [one.batch_id for one in cursor.read().batches] == [9]
    for number in range(10, 13):
        journal.append(batch(number, 1))
    assert [one.batch_id for one in cursor.read().batches] == [10, 11, 12]


@pytest.mark.parametrize(
    "value",
    [
        b"x" * 8000,
        [b"x" * 80] * 100,
        [[1.0] * 100] * 10,
        ua.Variant("x" * 8000, ua.VariantType.String),
        ua.Variant([[1.5] * 100] * 10, ua.VariantType.Double),
        ua.Variant([ua.Argument("x" * 800)] * 10, ua.VariantType.ExtensionObject),
        ua.Variant(ua.ExtensionObject(ua.NodeId(1, 1), b"x" * 8000)),
        ua.Variant([ua.Variant("x" * 8000)], ua.VariantType.Variant),
        [1] * 1000,
    ],
)
def test_the_weight_of_a_value_is_that_of_all_that_is_in_it(value):
    assert 8000 <= weight_of(value) <= 80_000


def test_the_weights_of_long_lists_are_right_together():
    """Whoever writes them chooses where the one large element is."""
    value = [ua.LocalizedText("x")] * 3999 + [ua.LocalizedText("x" * 1_000_000)]
    small = weight_of([ua.LocalizedText("x")] * 4000)
    mean = sum(weight_of(value) - small for _ in range(200)) / 200
    assert 300_000 < mean < 2_000_000


@pytest.mark.parametrize("shape", [(30_000, 1), (1, 30_000), (150, 200)])
def test_a_large_matrix_is_weighed_by_a_part_of_it(monkeypatch, shape):
    rows, columns = shape
    text = ua.LocalizedText("x" * 100)
    asked = []
    monkeypatch.setattr(weight.sys, "getsizeof", lambda one: asked.append(one) or 100)
    size = weight_of([[text] * columns for _ in range(rows)])
    assert 30_000 * 300 < size < 30_000 * 700
    assert len(asked) < 10_000


def test_a_journal_holds_at_least_one_row():
    with pytest.raises(ValueError, match="at least 1"):
        Journal(0)


@settings(max_examples=100)
@given(st.integers(1, 30), st.lists(st.one_of(st.integers(0, 9), st.none()), max_size=40))
def test_what_was_read_and_what_was_lost_sum_to_what_was_written(capacity, steps):
    """A number appends a batch of that many rows, None reads."""
    journal = Journal(capacity)
    cursor = journal.cursor()
    seen: list[int] = []
    read_rows = lost_rows = 0
    for number, rows in enumerate([*steps, None]):
        if rows is not None:
            journal.append(batch(number, rows))
            continue
        drained = cursor.read()
        seen += [b.batch_id for b in drained.batches]
        read_rows += sum(map(len, drained.batches))
        lost_rows += drained.lost_rows
    assert read_rows + lost_rows == journal.end[1]
    assert seen == sorted(set(seen))


async def test_a_reader_that_waits_is_woken_by_the_next_batch(table, update):
    ph = table.add(TagInfo("ph"))
    cursor = table.journal.cursor()
    reader = asyncio.create_task(cursor.wait())
    await asyncio.sleep(0)
    assert not reader.done()
    update([(ph, 7.0, 0, 0)])
    await asyncio.wait_for(reader, 1)
    assert cursor.read().batches[0].value.tolist() == [7.0]


async def test_a_reader_does_not_wait_when_there_is_something_to_read(table, update):
    cursor = table.journal.cursor()
    update([(table.add(TagInfo("ph")), 7.0, 0, 0)])
    await asyncio.wait_for(cursor.wait(), 1)
