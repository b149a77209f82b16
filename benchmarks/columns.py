"""Notifications encoded by column against asyncua's object by object, in µs a value.

Both make the bytes of one DataChangeNotification of 1,000 Doubles with both timestamps. asyncua
is given ready objects in one line, and builds them from numbers in the other, as a server has to.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from biogate.opcua.codec.columns import (
    Notifications,
    data_change_notification,
    encode_notifications,
)

VALUES = 1000
ROUNDS = 9
_TICKS = 134_000_000_000_000_000


def columns() -> Notifications:
    """A thousand Doubles with both timestamps."""
    times = np.full(VALUES, _TICKS)
    return Notifications(
        np.arange(VALUES, dtype=np.uint32),
        np.full(VALUES, 11, np.uint8),
        np.linspace(0, 1, VALUES),
        np.zeros(VALUES, np.uint32),
        times,
        times,
        np.full(VALUES, 2, np.uint8),
    )


def objects(rows: Notifications, moment: datetime) -> ua.DataChangeNotification:
    """The same as asyncua's objects."""
    return ua.DataChangeNotification(
        [
            ua.MonitoredItemNotification(
                handle,
                ua.DataValue(
                    ua.Variant(value, ua.VariantType.Double),
                    ua.StatusCode(0),
                    SourceTimestamp=moment,
                    ServerTimestamp=moment,
                ),
            )
            for handle, value in zip(rows.client_handle.tolist(), rows.value.tolist(), strict=True)
        ],
        [],
    )


def best(task: Callable[[], object], repeat: int) -> float:
    """The shortest of some rounds of `repeat` runs, in µs a value."""
    shortest = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(repeat):
            task()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest / repeat / VALUES * 1e6


def main() -> None:
    """Print three lines and the ratios."""
    rows, moment = columns(), datetime(2025, 8, 18, tzinfo=UTC)
    ready = objects(rows, moment)
    ours = best(lambda: data_change_notification(VALUES, encode_notifications(rows)), 100)
    encoding = best(lambda: struct_to_binary(ready), 1)
    building = best(lambda: struct_to_binary(objects(rows, moment)), 1)
    print(f"  biogate, by column           {ours:8.3f} µs a value")
    print(
        f"  asyncua, encoding objects    {encoding:8.3f} µs a value   {encoding / ours:6.0f} times"
    )
    print(
        f"  asyncua, and building them   {building:8.3f} µs a value   {building / ours:6.0f} times"
    )


if __name__ == "__main__":
    main()
