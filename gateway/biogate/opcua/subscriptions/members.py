"""Which slots show which tag: the mapping of a sampling group, as arrays."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp] | slice
EVERY_ROW = slice(None)


class Members:
    """Slots by tag. Changing it is cheap; the arrays are made again when they are next used."""

    def __init__(self) -> None:
        self._tag_of: dict[int, int] = {}
        self._stale = False
        self.generation = 0
        self._slots = np.empty(0, np.int64)
        self._starts = np.empty(0, np.int64)
        self._counts = np.empty(0, np.int64)
        self._tags = np.empty(0, np.int32)
        self._positions = np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self._tag_of)

    def add(self, slot: int, tag: int) -> None:
        """Let `slot` show `tag`."""
        self._tag_of[slot] = tag
        self._stale = True

    def add_all(self, slots: NDArray[np.int64], tags: NDArray[np.int32]) -> None:
        """Let each slot show its tag."""
        self._tag_of.update(zip(slots.tolist(), tags.tolist(), strict=True))
        self._stale = True

    def discard(self, slots: Iterable[int]) -> None:
        """Forget slots, where they are there."""
        before = len(self._tag_of)
        for slot in slots:
            self._tag_of.pop(slot, None)
        self._stale = self._stale or len(self._tag_of) < before

    @property
    def tags(self) -> NDArray[np.int32]:
        """The tags that are shown, each once, ascending. `generation` rises when they are new."""
        if self._stale:
            self._arrange()
        return self._tags

    def positions(self, tags: NDArray[np.int32]) -> NDArray[np.int64]:
        """For each tag its place in `tags`, -1 where nobody shows it."""
        if not len(self.tags):
            return np.full(len(tags), -1)
        return self._positions[np.minimum(tags, len(self._positions) - 1)]

    def expand(self, positions: NDArray[np.intp]) -> tuple[NDArray[np.int64], Rows]:
        """The slots that show the tags at `positions`, and for each slot the row in `positions`."""
        if len(self._slots) == len(self._tags):
            return self._slots[positions], EVERY_ROW
        counts = self._counts[positions]
        ends = np.cumsum(counts)
        rows = np.repeat(np.arange(len(positions)), counts)
        starts = self._starts[positions] - (ends - counts)
        return self._slots[np.repeat(starts, counts) + np.arange(len(rows))], rows

    def _arrange(self) -> None:
        slots = np.fromiter(self._tag_of.keys(), np.int64, len(self._tag_of))
        tag_of = np.fromiter(self._tag_of.values(), np.int32, len(self._tag_of))
        order = np.argsort(tag_of, kind="stable")
        self._slots = slots[order]
        self._tags, self._starts, self._counts = np.unique(
            tag_of[order], return_index=True, return_counts=True
        )
        # One place more than the highest tag, for all the tags beyond it.
        self._positions = np.full(int(self._tags[-1]) + 2 if len(self._tags) else 1, -1)
        self._positions[self._tags] = np.arange(len(self._tags))
        self._stale = False
        self.generation += 1


def rounds(positions: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """The rows of `positions` in groups that hold each position once, the order of equal ones
    kept: the first group has the first row of each, the second the second, and so on."""
    if not len(positions):
        return []
    mark = np.empty(int(positions.max()) + 1, np.int64)
    row = np.arange(len(positions))
    mark[positions] = row
    if (mark[positions] == row).all():
        return [row]
    order = np.argsort(positions, kind="stable")
    ordered = positions[order]
    first = np.r_[True, ordered[1:] != ordered[:-1]]
    occurrence = row - np.maximum.accumulate(np.where(first, row, 0))
    by_occurrence = np.argsort(occurrence, kind="stable")
    cuts = np.flatnonzero(np.diff(occurrence[by_occurrence])) + 1
    return [np.sort(part) for part in np.split(order[by_occurrence], cuts)]
