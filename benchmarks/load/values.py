"""Arrays of DataValues that hold Doubles, taken apart by column and not one by one.

A server gives all values of an answer the same fields as a rule; then they are records of one
size. Where it does not (node-opcua leaves picoseconds out of some), they are walked through.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.answers import WrongAnswerError
from benchmarks.load.asyncua_types import status_name

VALUE, STATUS, SOURCE_TIME = 1, 2, 4
OVERFLOW = 0x0000_0480  # InfoType DataValue and the Overflow bit (Part 4, 7.39)
_DOUBLE = 11
# The fields of a DataValue in the order of the wire (Part 6, 5.2.2.17): bit of the mask, field.
_FIELDS = (
    (VALUE, (("type", "u1"), ("value", "<f8"))),
    (STATUS, (("status", "<u4"),)),
    (SOURCE_TIME, (("source_time", "<i8"),)),
    (0x10, (("source_picoseconds", "<u2"),)),
    (0x08, (("server_time", "<i8"),)),
    (0x20, (("server_picoseconds", "<u2"),)),
)


@dataclass
class Values:
    """Columns, a row per DataValue. `handle` counts up in an answer to Read.

    `source_time` is in FILETIME ticks, 0 where there is none; `overflows` counts rows with the
    Overflow bit.
    """

    handle: NDArray[np.uint32]
    value: NDArray[np.float64]
    source_time: NDArray[np.int64]
    overflows: int = 0


@cache
def _layout(mask: int, handles: bool) -> np.dtype[np.void]:
    fields = [("handle", "<u4")] if handles else []
    fields.append(("mask", "u1"))
    for bit, names in _FIELDS:
        if mask & bit:
            fields += names
    return np.dtype(fields)


def take_values(data: memoryview, count: int, *, handles: bool) -> Values:
    """The `count` Doubles that `data` consists of, each after its ClientHandle with `handles`.

    Raises WrongAnswerError for anything but Good Doubles, and for notifications without a
    SourceTimestamp (asyncua stores a value that was written without one as it came).
    """
    mask_at = 4 if handles else 0
    if len(data) <= mask_at or count < 1:
        raise WrongAnswerError(f"{count} values in {len(data)} bytes")
    mask = data[mask_at]
    layout = _layout(mask, handles)
    if len(data) != count * layout.itemsize:
        return _walked(data, count, handles=handles)
    rows = np.frombuffer(data, layout)
    if not (rows["mask"] == mask).all():
        return _walked(data, count, handles=handles)
    return _checked(rows, mask, handles=handles)


def _checked(rows: NDArray[np.void], mask: int, *, handles: bool) -> Values:
    if not mask & VALUE:
        raise WrongAnswerError("values without a Value")
    if handles and not mask & SOURCE_TIME:
        raise WrongAnswerError("notifications without a SourceTimestamp")
    if not (rows["type"] == _DOUBLE).all():
        raise WrongAnswerError("values that are not Doubles")
    overflows = 0
    if mask & STATUS:
        overflows = _overflows(rows["status"])
    handle = rows["handle"] if handles else np.arange(len(rows), dtype=np.uint32)
    source_time = rows["source_time"] if mask & SOURCE_TIME else np.zeros(len(rows), np.int64)
    return Values(handle, rows["value"], source_time, overflows)


def _overflows(status: NDArray[np.uint32]) -> int:
    bad = (status & 0xFFFF_0000) != 0
    if bad.any():
        raise WrongAnswerError(f"a value is {status_name(int(status[bad][0]))}, not Good")
    return int(((status & OVERFLOW) == OVERFLOW).sum())


def _walked(data: memoryview, count: int, *, handles: bool) -> Values:
    parts: list[Values] = []
    at, mask_at = 0, 4 if handles else 0
    for row in range(count):
        if at + mask_at >= len(data):
            raise WrongAnswerError(f"{row} values where there should be {count}")
        mask = data[at + mask_at]
        layout = _layout(mask, handles)
        record = data[at : at + layout.itemsize]
        if len(record) != layout.itemsize:
            raise WrongAnswerError("an answer ends in the middle of a value")
        parts.append(_checked(np.frombuffer(record, layout), mask, handles=handles))
        at += layout.itemsize
    if at != len(data):
        raise WrongAnswerError(f"{len(data) - at} bytes more than {count} values")
    handle = np.concatenate([p.handle for p in parts])
    return Values(
        handle if handles else np.arange(count, dtype=np.uint32),
        np.concatenate([p.value for p in parts]),
        np.concatenate([p.source_time for p in parts]),
        sum(p.overflows for p in parts),
    )


_COUNT = struct.Struct("<i")


def read_results(body: bytes, at: int, count: int) -> Values:
    """The Results of a ReadResponse, which begin at `at`. Raises WrongAnswerError."""
    found = _COUNT.unpack_from(body, at)[0]
    if found != count:
        raise WrongAnswerError(f"{found} results for {count} nodes")
    return take_values(memoryview(body)[at + 4 : len(body) - 4], count, handles=False)
