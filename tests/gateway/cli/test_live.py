"""The live table of tags: nothing in it is torn, however narrow the terminal is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest
from rich.console import Console

from biogate.cli.live import tag_table
from biogate.gateway import Gateway

NOW = 10_000_000_000
LAST_USABLE = 0x408F0000  # UncertainNoCommunicationLastUsableValue, the longest name there is here


@dataclass
class Info:
    name: str
    unit: str


@dataclass
class Value:
    value: Any
    status: int
    source_time: int = NOW - 30_000_000


class StandIn:
    """What `tag_table` asks of a gateway."""

    def __init__(self, **values: Value) -> None:
        self._values = values
        self.tags = iter([Info(name, "CEL") for name in values])

    def read(self, name: str) -> Value:
        return self._values[name]


def lines(width: int, **values: Value) -> list[str]:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(tag_table(cast(Gateway, StandIn(**values)), NOW, 20))
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_quality_is_cut_and_not_the_name_of_the_tag(width: int) -> None:
    _, row = lines(width, temperature_setpoint_x=Value(37.004, LAST_USABLE))
    assert row.startswith("temperature_setpoint_x ")
    assert " 37.004  °C " in row
    assert " Uncertain" in row
    assert row.endswith(" 3.0 s")
    assert len(row) <= width


def test_a_long_text_leaves_room_for_the_quality() -> None:
    _, row = lines(80, a_tag_with_a_name_of_30_letters=Value("x" * 99, LAST_USABLE))
    assert row.startswith("a_tag_with_a_name_of_30_letters ")
    assert "xxx" in row
    assert " Uncertain" in row
    assert row.endswith(" 3.0 s")


def test_a_wide_terminal_cuts_nothing() -> None:
    _, row = lines(120, t=Value(37.004, LAST_USABLE))
    assert "UncertainNoCommunicationLastUsableValue" in row
