"""The live table of tags: value, unit, quality and age, redrawn twice a second."""

from __future__ import annotations

import asyncio
import math
from itertools import islice
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from biogate.opcua.stack import status_name
from biogate.units import symbol
from biogate_adapters import status
from biogate_adapters.filetime import TICKS_PER_SECOND, now_ticks

if TYPE_CHECKING:
    from biogate.gateway import Gateway
    from biogate.tags import TagInfo, TagValue

REFRESH_S = 0.5
_OTHER_ROWS = 3  # the header, the line that says how many more there are, the cursor's
_WIDTH = 40
_STYLES = {0: "green", 1: "yellow", 2: "red"}


def format_value(value: Any) -> str:
    """A value as a person reads it: five significant digits, cut short, – for none."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.5g}" if math.isfinite(value) else str(value)
    text = str(value)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


def format_age(seconds: float) -> str:
    """An age in the largest fitting unit."""
    if seconds < 60:
        return f"{max(seconds, 0.0):.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _row(info: TagInfo, tag: TagValue, now: int) -> tuple[str, Text, str, Text, str]:
    severity = 2 if status.is_bad(tag.status) else int(status.is_uncertain(tag.status))
    age = format_age((now - tag.source_time) / TICKS_PER_SECOND) if tag.source_time else "–"
    value = _cut(format_value(tag.value))
    quality = _cut(status_name(tag.status), _STYLES[severity])
    return info.name, value, symbol(info.unit), quality, age


def _cut(text: str, style: str = "") -> Text:
    """Text that gives way in a narrow terminal, without a second line."""
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def tag_table(gateway: Gateway, now: int, rows: int) -> Table:
    """The first `rows` tags at wall time `now` (ticks) as a rich table, and how many more."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("tag", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("unit", no_wrap=True)
    table.add_column("quality")
    table.add_column("age", justify="right", no_wrap=True)
    tags = gateway.tags
    for info in islice(tags, rows):
        table.add_row(*_row(info, gateway.read(info.name), now))
    more = sum(1 for _ in tags)
    if more:
        table.add_row(f"... and {more:,} more")
    return table


async def show(gateway: Gateway) -> None:
    """Redraw the table until cancelled; the last state stays on the screen."""
    console = Console(highlight=False)

    def table() -> Table:
        return tag_table(gateway, now_ticks(), max(console.height - _OTHER_ROWS, 1))

    with Live(table(), console=console, auto_refresh=False) as live:
        while True:
            await asyncio.sleep(REFRESH_S)
            live.update(table(), refresh=True)
