"""The journal for Python programs: an asynchronous iterator over tag updates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from biogate.declared.routes import plain_value
from biogate.tags import JournalBatch, TagTable, TagValue


class TagUpdate(NamedTuple):
    """One update of one tag."""

    tag: str
    value: TagValue


class TagUpdates:
    """Yields lists of updates in the order in which they happened, at least one a list.

    `lost_rows` counts updates that were overwritten before this reader came to them: a slow
    reader never slows the gateway.
    """

    def __init__(self, table: TagTable, tags: Sequence[str] | None) -> None:
        """Raises KeyError for an unknown tag."""
        self._table = table
        self._cursor = table.journal.cursor()
        self._wanted = None if tags is None else frozenset(table.index(tag) for tag in tags)

    @property
    def lost_rows(self) -> int:
        """Rows of the journal (of any tag) that this reader missed."""
        return self._cursor.lost_rows

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[TagUpdate]:
        while True:
            await self._cursor.wait()
            updates = [row for batch in self._cursor.read().batches for row in self._rows(batch)]
            if updates:
                return updates

    def _rows(self, batch: JournalBatch) -> Iterator[TagUpdate]:
        for row, index in enumerate(batch.index.tolist()):
            if self._wanted is None or index in self._wanted:
                value = self._table.value_in(batch, row)
                plain = value._replace(value=plain_value(value.value))
                yield TagUpdate(self._table.info(index).name, plain)
