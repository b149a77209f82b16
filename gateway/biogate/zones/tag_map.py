"""Which of the core's tags a zone has, under which index of its own, and their updates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from biogate.tags import JournalBatch, TagTable
from biogate.zones.columns import Columns, to_rows
from biogate.zones.messages import Rows, Snapshot

_MOST_KNOWN = 1024
_ABSENT = -1


class TagMap:
    """A zone's tags, densely numbered, so that a number says nothing about what else there is.

    `tags` are the core's indices in the zone's order; of `shown` the values are sent, the others
    are known to the zone only so that it may ask for a write.
    """

    def __init__(self, tags: Sequence[int], shown: Sequence[bool], size: int) -> None:
        """`size`: how many tags the core has."""
        self._core = np.array(tags, np.int32)
        self._zone = np.full(size, _ABSENT, np.int32)
        self._shown = np.array(shown, np.bool_)
        self._known: dict[int, tuple[NDArray[np.int32], NDArray[np.intp] | None, bytes]] = {}

        self.show_only(self._shown)

    def show_only(self, mask: NDArray[np.bool_]) -> bool:
        """Show what may be shown of the tags in `mask` (by the zone's index), the rest no more.

        True where a tag is shown that was not.
        """
        shown = self._shown & mask
        before = self._zone[self._core] >= 0
        self._zone[self._core] = np.where(shown, np.arange(len(self._core)), _ABSENT)
        self._known.clear()
        return bool((shown & ~before).any())

    def __len__(self) -> int:
        return len(self._core)

    def core_tag(self, tag: int) -> int | None:
        """The core's index of a tag that the zone names; None where it names none of its own."""
        return int(self._core[tag]) if 0 <= tag < len(self._core) else None

    def core_tags(self, tags: NDArray[np.int32]) -> NDArray[np.int32] | None:
        """As `core_tag`, for a column; None where one of them is not the zone's."""
        if len(tags) and not 0 <= int(tags.min()) <= int(tags.max()) < len(self._core):
            return None
        return self._core[tags]

    def rows(self, batch: JournalBatch) -> Rows | None:
        """What of a batch the zone may see; None: nothing."""
        index = batch.index
        known = self._known.get(id(index))
        kept, mapped = known[1:] if known is not None else self._look_at(index)
        if not mapped:
            return None
        if kept is None:
            columns = Columns(index, batch.value, batch.status, batch.source_time, batch.objects)
        else:
            columns = _take(batch, kept)
        return to_rows(columns, batch.server_time, mapped)

    def _look_at(self, index: NDArray[np.int32]) -> tuple[NDArray[np.intp] | None, bytes]:
        """Which rows are kept (None: all), and their indices as the zone has them.

        What was found out about an array that cannot be written to is kept with the array itself.
        """
        mapped = self._mapped(index)
        kept: NDArray[np.intp] | None = np.flatnonzero(mapped >= 0)
        if kept is not None and len(kept) == len(index):
            kept = None
        encoded = (mapped if kept is None else mapped[kept]).tobytes()
        if not index.flags.writeable:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[id(index)] = (index, kept, encoded)
        return kept, encoded

    def _mapped(self, index: NDArray[np.int32]) -> NDArray[np.int32]:
        """Tags that were added after the map was made are not in it."""
        if int(index.max()) < len(self._zone):
            return self._zone[index]
        inside = index < len(self._zone)
        return np.where(inside, self._zone[np.where(inside, index, 0)], _ABSENT).astype(np.int32)

    def snapshot(self, table: TagTable, lost_rows: int) -> Snapshot:
        """The present values of the zone's tags."""
        wanted = np.flatnonzero(self._zone[self._core] >= 0).astype(np.int32)
        core = self._core[wanted]
        value, status, source_time, server_time = table.snapshot(core)
        held = ((row, table.object_at(tag)) for row, tag in enumerate(core.tolist()))
        objects = {row: value for row, value in held if value is not None}
        columns = Columns(wanted, value, status, source_time, objects)
        return Snapshot(to_rows(columns, 0), server_time.tobytes(), lost_rows)


def _take(batch: JournalBatch, rows: NDArray[np.intp]) -> Columns:
    objects = {}
    if batch.objects:
        objects = {
            new: batch.objects[old] for new, old in enumerate(rows.tolist()) if old in batch.objects
        }
    return Columns(
        batch.index[rows], batch.value[rows], batch.status[rows], batch.source_time[rows], objects
    )
