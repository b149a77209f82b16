"""The journal: every batch of tag updates once, in order, for any number of readers.

Bounded in rows, and in bytes of what is no number. The writer never waits: a reader that falls
behind loses the oldest batches and is told how many rows they held. A batch is never split.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from biogate.tags.weight import weight_of


@dataclass(slots=True, eq=False)
class JournalBatch:
    """One batch of updates; all arrays have the same length, one row an update. Read only.

    `index`: int32 tag indices; `value`: float64, NaN where there is none or it is an object;
    `status`: uint32 StatusCodes; `source_time`: int64 FILETIME ticks; `server_time`: ticks, the
    same for all rows; `objects`: row → value of a tag that is not a number.
    """

    batch_id: int
    index: NDArray[np.int32]
    value: NDArray[np.float64]
    status: NDArray[np.uint32]
    source_time: NDArray[np.int64]
    server_time: int
    objects: Mapping[int, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.index)


class Drained(NamedTuple):
    """What a cursor read: the batches in order, and the rows that were lost before them."""

    batches: list[JournalBatch]
    lost_rows: int


class Journal:
    """The last batches, up to `capacity_rows` rows with objects of up to `capacity_bytes` (the
    newest batch is kept whatever its size).

    One writer, in the event loop's thread. Raises ValueError for a capacity below 1.
    """

    def __init__(self, capacity_rows: int = 262_144, capacity_bytes: int = 128 << 20) -> None:
        if capacity_rows < 1:
            raise ValueError(f"capacity_rows is {capacity_rows}: give at least 1")
        self.capacity_rows = capacity_rows
        self.capacity_bytes = capacity_bytes
        self._batches: deque[JournalBatch] = deque()
        self._weights: deque[tuple[int, int]] = deque()  # number of a batch, bytes of its objects
        self._weight = 0
        self._first_row = 0
        self._end_row = 0
        self._end_batch = 0
        self._waiters: list[asyncio.Future[None]] = []

    def append(self, batch: JournalBatch) -> None:
        """Add one batch, drop the oldest beyond the capacity, wake the readers that wait."""
        self._batches.append(batch)
        self._end_batch += 1
        self._end_row += len(batch)
        if batch.objects:
            self._weigh(batch)
        while len(self._batches) > 1 and (
            self._end_row - self._first_row > self.capacity_rows
            or self._weight > self.capacity_bytes
        ):
            self._drop_oldest()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _weigh(self, batch: JournalBatch) -> None:
        """Remember what the objects of the newest batch take."""
        weight = sum(map(weight_of, batch.objects.values()))
        self._weights.append((self._end_batch, weight))
        self._weight += weight

    def _drop_oldest(self) -> None:
        self._first_row += len(self._batches.popleft())
        if self._weights and self._weights[0][0] <= self._end_batch - len(self._batches):
            self._weight -= self._weights.popleft()[1]

    def lose(self, rows: int) -> None:
        """Tell every reader that `rows` rows went by which never came here, with all before them.

        For a journal that is filled from another one whose oldest rows were gone.
        """
        self._batches.clear()
        self._weights.clear()
        self._weight = 0
        self._end_row += rows
        self._first_row = self._end_row

    def cursor(self) -> Cursor:
        """A reader that starts after the newest batch."""
        return Cursor(self, self._end_batch, self._end_row)

    def read_from(self, batch: int, row: int) -> Drained:
        """The batches from number `batch` on, of which the first begins at row number `row`."""
        wanted = min(self._end_batch - batch, len(self._batches))
        batches = list(islice(reversed(self._batches), wanted))
        batches.reverse()
        return Drained(batches, max(0, self._first_row - row))

    @property
    def end(self) -> tuple[int, int]:
        """Number of the next batch, and of its first row."""
        return self._end_batch, self._end_row

    async def wait_beyond(self, batch: int) -> None:
        """Return once batch number `batch` has been appended."""
        while self._end_batch <= batch:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter


class Cursor:
    """One reader's place in a journal. Costs the journal nothing, so it needs no closing."""

    __slots__ = ("_batch", "_journal", "_row", "lost_rows")

    def __init__(self, journal: Journal, batch: int, row: int) -> None:
        self._journal = journal
        self._batch = batch
        self._row = row
        self.lost_rows = 0

    @property
    def pending_rows(self) -> int:
        """Rows appended since the last read, lost ones included."""
        return self._journal.end[1] - self._row

    def read(self) -> Drained:
        """All batches since the last read. `lost_rows` of the cursor sums what was lost so far."""
        drained = self._journal.read_from(self._batch, self._row)
        self._batch, self._row = self._journal.end
        self.lost_rows += drained.lost_rows
        return drained

    def skip(self) -> None:
        """Go on after the newest batch; what is skipped does not count as lost."""
        self._batch, self._row = self._journal.end

    async def wait(self) -> None:
        """Return once there is something to read (at once when there already is)."""
        await self._journal.wait_beyond(self._batch)
