"""How to take a Write whose like was taken before: where its numbers are among its bytes.

The requests of a client that writes the same Variables again differ in their values, statuses and
SourceTimestamps only. Those lie at the same places, are taken out by column and need no check,
since any bits that fit there are a value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biogate.opcua.codec.data_values import WIRE_TYPES
from biogate.opcua.codec.datetimes import LATEST_TICKS, MAX_INT64
from biogate.opcua.codec.reader import Reader
from biogate.opcua.lanes.header import PARAMETERS
from biogate.opcua.ports import StoredWrites
from biogate.opcua.space.values import TagSource

_VALUE, _STATUS, _SOURCE = 0x01, 0x02, 0x04
_BOOLEAN = 1
_UINT32, _INT64 = np.dtype("<u4"), np.dtype("<i8")
_PLAN_BYTES = 2048
_NO_OBJECTS: Mapping[int, object] = {}


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    """Numbers of one type: `rows` of the request, `places` of their bytes (rows x size)."""

    rows: NDArray[np.intp]
    places: NDArray[np.intp]
    dtype: np.dtype[Any]

    @staticmethod
    def of(found: Sequence[tuple[int, int]], dtype: np.dtype[Any]) -> _Column:
        """From pairs of row and where its number begins."""
        rows, starts = np.array(found, np.intp).reshape(-1, 2).T
        return _Column(rows, starts[:, None] + np.arange(dtype.itemsize), dtype)

    @property
    def size(self) -> int:
        return self.rows.nbytes + self.places.nbytes

    def take(self, parameters: NDArray[np.uint8]) -> NDArray[Any]:
        numbers: NDArray[Any] = parameters[self.places].view(self.dtype)[:, 0]
        return numbers


@dataclass(slots=True, eq=False)
class WritePlan:
    """The plan of requests like `parameters`; see `plan_store.Plan`.

    `fixed` has the bits that are the same in all of them, `template` those bits' values.
    `values` are the columns by built-in type id.
    """

    parameters: bytes
    key: tuple[int, int, int]
    fixed: NDArray[np.uint8]
    template: NDArray[np.uint8]
    tags: NDArray[np.int32]
    values: Mapping[int, _Column]
    status: _Column
    source_time: _Column

    @property
    def size(self) -> int:
        columns = (*self.values.values(), self.status, self.source_time)
        return _PLAN_BYTES + 3 * len(self.parameters) + sum(column.size for column in columns)

    def matches(self, message: bytes) -> bool:
        """True for a request of the same length that differs in its numbers only."""
        given = np.frombuffer(message, np.uint8, offset=PARAMETERS)
        return not ((given ^ self.template) & self.fixed).any()

    def writes(self, message: bytes, now: int) -> StoredWrites:
        """What such a request writes; `now` (FILETIME ticks) where it gives no SourceTimestamp."""
        given, count = np.frombuffer(message, np.uint8, offset=PARAMETERS), len(self.tags)
        value = np.empty(count)
        for wire, column in self.values.items():
            numbers = column.take(given)
            value[column.rows] = numbers != 0 if wire == _BOOLEAN else numbers
        status, source_time = np.zeros(count, np.uint32), np.full(count, now, np.int64)
        if len(self.status.rows):
            status[self.status.rows] = self.status.take(given)
        if len(self.source_time.rows):
            source_time[self.source_time.rows] = _times(self.source_time.take(given), now)
        return StoredWrites(self.tags, value, status, source_time, _NO_OBJECTS)


def _times(ticks: NDArray[np.int64], now: int) -> NDArray[np.int64]:
    """As the codec reads a DateTime: none up to 1601, the end of time from 9999 on."""
    times = np.where(ticks >= LATEST_TICKS, MAX_INT64, ticks)
    times[ticks <= 0] = now
    return times


def plan_write(
    parameters: bytes, key: tuple[int, int, int], sources: Sequence[TagSource]
) -> WritePlan | None:
    """The plan for a request that wrote all of `sources`, in this order.

    None where a value is no scalar number of its Variable's own type. Raises DecodeError for
    bytes that are no such request.
    """
    found = _find_numbers(parameters, sources)
    if found is None:
        return None
    values = {
        wire: _Column.of(numbers, np.dtype(WIRE_TYPES[wire])) for wire, numbers in found[0].items()
    }
    status, source_time = _Column.of(found[1], _UINT32), _Column.of(found[2], _INT64)
    fixed = np.full(len(parameters), 0xFF, np.uint8)
    for column in (*values.values(), status, source_time):
        fixed[column.places] = 0
    template = np.frombuffer(parameters, np.uint8) & fixed
    tags = np.array([source.tag for source in sources], np.int32)
    return WritePlan(parameters, key, fixed, template, tags, values, status, source_time)


_Found = list[tuple[int, int]]


def _find_numbers(
    parameters: bytes, sources: Sequence[TagSource]
) -> tuple[Mapping[int, _Found], _Found, _Found] | None:
    """Row and place of the values by type, of the statuses and of the SourceTimestamps."""
    values: defaultdict[int, _Found] = defaultdict(list)
    status: _Found = []
    source_time: _Found = []
    reader = Reader(parameters)
    reader.uint32()  # how many there are
    for row, source in enumerate(sources):
        reader.node_id()
        reader.uint32()  # AttributeId
        reader.string()  # IndexRange
        mask, wire = parameters[reader.take(1)], source.projection.value
        if mask & ~(_STATUS | _SOURCE) != _VALUE or wire not in WIRE_TYPES:
            return None
        if parameters[reader.take(1)] != wire:
            return None
        values[wire].append((row, reader.take(np.dtype(WIRE_TYPES[wire]).itemsize)))
        if mask & _STATUS:
            status.append((row, reader.take(_UINT32.itemsize)))
        if mask & _SOURCE:
            source_time.append((row, reader.take(_INT64.itemsize)))
    reader.finish()
    return values, status, source_time
