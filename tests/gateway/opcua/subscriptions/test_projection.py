"""Columns are shown as single values are: the same rules, many at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.space.tag_values import project
from biogate.opcua.stack import ua
from biogate.opcua.subscriptions.projection import project_columns

WIRES = [1, 2, 3, 4, 5, 6, 7, 10, 11]
NUMBERS = st.one_of(
    st.floats(allow_nan=False),
    st.integers(-(2**33), 2**33).map(float),
    st.sampled_from([0.5, 1.5, -0.5, 127.0, 128.0, 255.0, 65535.0, 65536.0, 3.5e38, math.inf]),
)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(WIRES), NUMBERS, st.sampled_from([0, 0x40900000]))))
def test_a_column_is_projected_as_each_of_its_values(rows):
    wire = np.array([row[0] for row in rows], np.uint8)
    value = np.array([row[1] for row in rows], np.float64)
    status = np.array([row[2] for row in rows], np.uint32)
    shown, codes = project_columns(wire, value, status)
    for row, number, code in zip(rows, shown.tolist(), codes.tolist(), strict=True):
        variant, expected_code = project(ua.VariantType(row[0]), row[1], row[2], None)
        assert code == expected_code
        if variant is None:
            assert math.isnan(number)
        elif row[0] == 10:
            assert number == float(np.float32(variant.Value))
        else:
            assert number == variant.Value


@pytest.mark.parametrize("wire", WIRES)
def test_a_bad_row_without_a_number_stays_as_it_is(wire):
    shown, codes = project_columns(
        np.array([wire], np.uint8), np.array([math.nan]), np.array([0x80310000], np.uint32)
    )
    assert math.isnan(shown[0])
    assert codes[0] == 0x80310000


def test_a_good_nan_is_a_value_of_floating_types_only():
    shown, codes = project_columns(
        np.array([11, 10, 4, 1], np.uint8), np.full(4, math.nan), np.zeros(4, np.uint32)
    )
    assert np.isnan(shown).all()
    assert codes.tolist() == [0, 0] + [ua.StatusCodes.BadOutOfRange] * 2
