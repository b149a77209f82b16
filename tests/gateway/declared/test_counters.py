"""What a counter shows after so many steps."""

from __future__ import annotations

import pytest

from biogate.declared.counters import counted
from biogate.site import VariablePlan
from biogate.site.data_types import BUILT_IN_TYPES
from biogate.site.node_model import CounterSource, VariableConfig
from biogate.site.node_values import Shape


@pytest.mark.parametrize(
    ("type_name", "start", "step", "steps", "value"),
    [
        ("Double", 0.0, 1.0, 7, 7.0),
        ("Double", 1.5, 0.5, 3, 3.0),
        ("Int32", 2**31 - 2, 1.0, 1, 2**31 - 1),
        ("Int32", 2**31 - 2, 1.0, 2, 0),
        ("SByte", -128, 1.0, 256, 0),
        ("Byte", 250, 3.0, 2, 0),
        ("UInt64", 2**64 - 1, 1.0, 3, 2),
    ],
)
def test_a_counter_counts_in_its_type(type_name, start, step, steps, value) -> None:
    source = CounterSource(kind="counter", step=step)
    config = VariableConfig(type=type_name, source=source)
    plan = VariablePlan(
        "k", "n", "", "t", config, BUILT_IN_TYPES[type_name], Shape(()), start, None
    )

    assert counted(plan, steps) == value
    assert type(counted(plan, steps)) is type(value)
