"""The tag table: the present value, status and times of every tag, in numpy columns.

A tag is an index. Indices are only ever appended, and a removed one stays empty, so that nothing
that holds an index is renumbered by a reload. Numbers of up to 32 bits and Doubles live in a
float64 column, which holds each of them exactly; every other type lives in a side list.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from biogate.tags.journal import Journal, JournalBatch
from biogate_adapters import status as codes

_UNBOUNDED = (-np.inf, np.inf)

NUMBER_RANGES: Mapping[str, tuple[float, float]] = {
    "Boolean": (0, 1),
    "SByte": (-(2**7), 2**7 - 1),
    "Byte": (0, 2**8 - 1),
    "Int16": (-(2**15), 2**15 - 1),
    "UInt16": (0, 2**16 - 1),
    "Int32": (-(2**31), 2**31 - 1),
    "UInt32": (0, 2**32 - 1),
    "Float": _UNBOUNDED,
    "Double": _UNBOUNDED,
}
"""The built-in types that the value column holds, and the numbers each can hold."""

_FLOATING = ("Float", "Double")
_MOST_KNOWN = 1024
Rows = slice | NDArray[np.int32]
_NO_OBJECTS: Mapping[int, Any] = {}


@dataclass(frozen=True, slots=True)
class TagInfo:
    """What a tag is. `data_type` is an OPC UA built-in type name, `unit` a UNECE Rec 20 code.

    `low`/`high` are the engineering range (EURange), `instrument_low`/`instrument_high` what the
    instrument can show (InstrumentRange); None where nothing is stated.
    """

    name: str
    data_type: str = "Double"
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    instrument_low: float | None = None
    instrument_high: float | None = None
    writable: bool = False
    description: str = ""

    @property
    def is_number(self) -> bool:
        """True where the value lives in the float64 column."""
        return self.data_type in NUMBER_RANGES


class Snapshot(NamedTuple):
    """Columns of some tags, row by row as they were asked for (see `JournalBatch`)."""

    value: NDArray[np.float64]
    status: NDArray[np.uint32]
    source_time: NDArray[np.int64]
    server_time: NDArray[np.int64]


class TagValue(NamedTuple):
    """One tag's value as a person reads it; None where there is none. Times in ticks."""

    value: Any
    status: int
    source_time: int
    server_time: int


def is_without_value(value: NDArray[np.float64], status: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Rows that hold no number: a Bad status and NaN. A Good NaN is a value of its own."""
    absent: NDArray[np.bool_] = np.isnan(value) & ((status & codes.BAD) != 0)
    return absent


class _Columns:
    """The columns; they grow by doubling, so that adding tags one by one stays linear."""

    def __init__(self, capacity: int = 64) -> None:
        self.size = 0
        self.value = np.full(capacity, np.nan)
        self.status = np.zeros(capacity, np.uint32)
        self.source_time = np.zeros(capacity, np.int64)
        self.server_time = np.zeros(capacity, np.int64)
        self.version = np.zeros(capacity, np.int64)
        self.low = np.zeros(capacity)
        self.high = np.zeros(capacity)
        self.whole = np.zeros(capacity, np.bool_)
        self.number = np.zeros(capacity, np.bool_)
        self.live = np.zeros(capacity, np.bool_)
        self.plain = np.zeros(capacity, np.bool_)  # live, and takes any number as it is
        self.usable = np.full(capacity, np.nan)
        self.usable_time = np.zeros(capacity, np.int64)

    def extend(self) -> int:
        """Room for one more row; its index."""
        if self.size == len(self.value):
            for name, column in vars(self).items():
                if isinstance(column, np.ndarray):
                    setattr(self, name, np.concatenate([column, np.zeros_like(column)]))
        self.size += 1
        return self.size - 1


class TagTable:
    """All tags of the gateway. One writer, in the event loop's thread.

    Every update goes to `journal` too. `rejected_rows` counts rows for removed tags and numbers
    that a tag's type cannot hold (the latter turn Bad_OutOfRange).
    """

    def __init__(self, journal: Journal | None = None) -> None:
        self.journal = journal if journal is not None else Journal()
        self.rejected_rows = 0
        self._columns = _Columns()
        self._infos: list[TagInfo | None] = []
        self._objects: list[Any] = []
        self._indices: dict[str, int] = {}
        self._batches = 0
        self._plain_rows: dict[int, tuple[NDArray[np.int32], Rows]] = {}

    def __len__(self) -> int:
        """How many indices there are, removed ones included."""
        return len(self._infos)

    @property
    def names(self) -> Sequence[str]:
        """The names of the tags that exist, in the order of their indices."""
        return [info.name for info in self._infos if info is not None]

    @property
    def version(self) -> NDArray[np.int64]:
        """Per tag, a number that rises with each update. A view: valid until tags are added."""
        return self._columns.version[: self._columns.size]

    def add(self, info: TagInfo) -> int:
        """Add a tag (Bad_WaitingForInitialData, no value) and return its index.

        Raises ValueError when the name is taken.
        """
        if info.name in self._indices:
            raise ValueError(f"tag {info.name!r} exists already: names are unique in a gateway")
        columns = self._columns
        index = columns.extend()
        low, high = NUMBER_RANGES.get(info.data_type, _UNBOUNDED)
        columns.low[index], columns.high[index] = low, high
        columns.number[index] = info.is_number
        columns.whole[index] = info.is_number and info.data_type not in _FLOATING
        columns.live[index] = True
        columns.plain[index] = info.is_number and info.data_type in _FLOATING
        columns.value[index] = columns.usable[index] = np.nan
        columns.status[index] = codes.BAD_WAITING_FOR_INITIAL_DATA
        self._infos.append(info)
        self._objects.append(None)
        self._indices[info.name] = index
        return index

    def remove(self, index: int, now: int) -> None:
        """Leave the index empty for ever: Bad_OutOfService from wall time `now` (ticks) on.

        Raises KeyError for an index that is not in use.
        """
        del self._indices[self.info(index).name]
        row = np.array([index], np.int32)
        self.apply(row, np.array([np.nan]), np.array([codes.BAD_OUT_OF_SERVICE], np.uint32),
                   np.array([now]), now)  # fmt: skip
        self._infos[index] = None
        self._columns.live[index] = self._columns.plain[index] = False
        self._plain_rows.clear()

    def index(self, name: str) -> int:
        """The index of a tag. Raises KeyError."""
        try:
            return self._indices[name]
        except KeyError:
            raise KeyError(f"no tag {name!r}") from None

    def info(self, index: int) -> TagInfo:
        """What the tag is. Raises KeyError for an index that is not in use."""
        info = self._infos[index] if 0 <= index < len(self._infos) else None
        if info is None:
            raise KeyError(f"no tag with index {index}")
        return info

    def apply(
        self,
        index: NDArray[np.int32],
        value: NDArray[np.float64],
        status: NDArray[np.uint32],
        source_time: NDArray[np.int64],
        server_time: int,
        objects: Mapping[int, Any] = _NO_OBJECTS,
    ) -> None:
        """Store one batch and append it to the journal. Arrays and units as `JournalBatch`.

        Of a tag that occurs twice the last row stays in the table, the journal gets both. The
        arrays are handed over: the caller does not change them afterwards. An `index` that is
        marked as not writeable, and given again with each batch, is looked at only once. Raises
        IndexError for an index that was never added, before anything is stored.
        """
        if not len(index):
            return
        known = self._plain_rows.get(id(index))
        if known is None:
            index, known = self._look_at(index)
        self._batches += 1
        batch = JournalBatch(
            self._batches,
            index,
            np.asarray(value, np.float64),
            np.asarray(status, np.uint32),
            np.asarray(source_time, np.int64),
            server_time,
            objects,
        )
        if known is not None:
            rows = known[1]
        else:
            batch = self._checked(batch)
            self._store_objects(batch)
            rows = batch.index
        if len(batch.index):
            self._store(batch, rows)
            self.journal.append(batch)

    def _look_at(
        self, index: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], tuple[NDArray[np.int32], Rows] | None]:
        """The indices as they go into the journal, and their rows where all are plain.

        What was found out about an array that cannot be written to is kept with the array itself,
        so that no other one can have its identity. Raises IndexError.
        """
        given, index = index, np.ascontiguousarray(index, np.int32)
        if index.view(np.uint32).max() >= len(self._infos):  # negative ones too
            raise IndexError(f"tag indices run from 0 to {len(self._infos) - 1}")
        if not self._columns.plain[index].all():
            return index, None
        known = (index, _rows(index))
        if given is index and not index.flags.writeable:
            if len(self._plain_rows) >= _MOST_KNOWN:
                self._plain_rows.clear()
            self._plain_rows[id(index)] = known
        return index, known

    def _checked(self, batch: JournalBatch) -> JournalBatch:
        columns, index = self._columns, batch.index
        live = columns.live[index]
        if not live.all():
            self.rejected_rows += int((~live).sum())
            return self._checked(_take(batch, np.flatnonzero(live)))
        unfit = (batch.value < columns.low[index]) | (batch.value > columns.high[index])
        unfit |= columns.whole[index] & (batch.value != np.rint(batch.value))
        unfit &= ~is_without_value(batch.value, batch.status)
        if not unfit.any():
            return batch
        self.rejected_rows += int(unfit.sum())
        value = np.where(unfit, np.nan, batch.value)
        status = np.where(unfit, np.uint32(codes.BAD_OUT_OF_RANGE), batch.status)
        return JournalBatch(batch.batch_id, index, value, status.astype(np.uint32),
                            batch.source_time, batch.server_time, batch.objects)  # fmt: skip

    def _store(self, batch: JournalBatch, rows: Rows) -> None:
        columns = self._columns
        status = batch.status
        if status.item(status.argmax()):  # any but Good; ndarray.any is no C function
            self._keep_usable(batch)
        columns.value[rows] = batch.value
        columns.status[rows] = status
        columns.source_time[rows] = batch.source_time
        columns.server_time[rows] = batch.server_time
        columns.version[rows] = batch.batch_id

    def _keep_usable(self, batch: JournalBatch) -> None:
        """Before rows that are Bad take the place of numbers that are not: see `last_usable`."""
        columns, index = self._columns, batch.index
        before = index[(columns.status[index] & codes.BAD) == 0]
        columns.usable[before] = columns.value[before]
        columns.usable_time[before] = columns.source_time[before]
        rows = np.flatnonzero((batch.status & codes.BAD) == 0)
        columns.usable[index[rows]] = batch.value[rows]
        columns.usable_time[index[rows]] = batch.source_time[rows]

    def _store_objects(self, batch: JournalBatch) -> None:
        for row in np.flatnonzero(~self._columns.number[batch.index]).tolist():
            self._objects[int(batch.index[row])] = batch.objects.get(row)

    def snapshot(self, indices: NDArray[np.signedinteger[Any]] | Sequence[int]) -> Snapshot:
        """Copies of the columns at `indices`."""
        columns = self._columns
        return Snapshot(
            columns.value[indices],
            columns.status[indices],
            columns.source_time[indices],
            columns.server_time[indices],
        )

    def number_at(self, index: int) -> tuple[float, int, int, int]:
        """One row of `snapshot`, as Python numbers."""
        columns = self._columns
        return (
            columns.value.item(index),
            columns.status.item(index),
            columns.source_time.item(index),
            columns.server_time.item(index),
        )

    def object_at(self, index: int) -> Any:
        """The value of a tag that is not a number; None where there is none."""
        return self._objects[index]

    def read(self, name: str) -> TagValue:
        """One tag by name, as Python values. Raises KeyError."""
        index = self.index(name)
        columns = self._columns
        code = int(columns.status[index])
        value = _python_value(
            self.info(index), float(columns.value[index]), code, self._objects[index]
        )
        times = int(columns.source_time[index]), int(columns.server_time[index])
        return TagValue(value, code, *times)

    def value_in(self, batch: JournalBatch, row: int) -> TagValue:
        """One row of a journal batch, as Python values. Raises KeyError for a removed tag."""
        info, code = self.info(int(batch.index[row])), int(batch.status[row])
        value = _python_value(info, float(batch.value[row]), code, batch.objects.get(row))
        return TagValue(value, code, int(batch.source_time[row]), batch.server_time)

    def last_usable(self, name: str) -> tuple[float, int]:
        """The last number that was not Bad, and its source time (NaN and 0 before the first).

        Raises KeyError.
        """
        index, columns = self.index(name), self._columns
        if codes.is_bad(int(columns.status[index])):
            return float(columns.usable[index]), int(columns.usable_time[index])
        return float(columns.value[index]), int(columns.source_time[index])


def _rows(index: NDArray[np.int32]) -> Rows:
    """The indices, as a slice where they follow one another: that is several times faster."""
    first, last = int(index[0]), int(index[-1])
    if last - first == len(index) - 1 and (np.diff(index) == 1).all():
        return slice(first, last + 1)
    return index


def _python_value(info: TagInfo, number: float, code: int, other: Any) -> Any:
    if not info.is_number:
        return other
    if math.isnan(number) and codes.is_bad(code):
        return None
    if info.data_type == "Boolean":
        return bool(number)
    return number if info.data_type in _FLOATING else int(number)


def _take(batch: JournalBatch, rows: NDArray[np.intp]) -> JournalBatch:
    objects = {
        new: batch.objects[old] for new, old in enumerate(rows.tolist()) if old in batch.objects
    }
    return JournalBatch(batch.batch_id, batch.index[rows], batch.value[rows], batch.status[rows],
                        batch.source_time[rows], batch.server_time, objects)  # fmt: skip
