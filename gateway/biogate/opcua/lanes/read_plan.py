"""How to answer a Read that was answered before: its items as an index array of tags.

Numbers of tags and refusals, which are nearly all that clients ask for, go by column, or one by
one where they are few. What is neither, such as texts and other attributes, is read by the
ordinary rules and put between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from biogate.opcua.codec.columns import WIRE_TYPES
from biogate.opcua.codec.data_values import (
    DataValues,
    encode_data_values,
    encode_number,
    good_shape,
    new_records,
)
from biogate.opcua.services.read_value import Answer, Refusal, encode_item, read_items
from biogate.opcua.space.tag_values import project_number
from biogate.opcua.space.values import TagSource
from biogate.opcua.stack import ua
from biogate.opcua.subscriptions.projection import DOUBLE, project_columns

if TYPE_CHECKING:
    from biogate.opcua.services.context import ServerContext
    from biogate.opcua.space.rights import RightsView

FEW = 8
"""So many items are faster one by one than by column."""
_MAX_OTHERS = 32
"""Items that are read by the ordinary rules: each takes 20 µs."""
_ROW_BYTES, _OTHER_BYTES, _PLAN_BYTES = 16, 1024, 1024

_SOURCE = (ua.TimestampsToReturn.Source, ua.TimestampsToReturn.Both)
_SERVER = (ua.TimestampsToReturn.Server, ua.TimestampsToReturn.Both)

_Number = tuple[int, ua.VariantType, int]
"""Tag, projection, and the latter's built-in type id."""


@dataclass(slots=True, eq=False)
class ReadPlan:
    """The plan of one request of `count` items; see `plan_store.Plan`.

    `rows` says what each item is where they are few, `columns` where they are many.
    """

    parameters: bytes
    key: tuple[int, int, int]
    timestamps: ua.TimestampsToReturn
    count: int
    size: int
    rows: tuple[_Number | Refusal | ua.ReadValueId, ...] = ()
    columns: _Columns | None = None

    def results(self, server: ServerContext, rights: RightsView, now: int) -> Iterator[bytes]:
        """The encoded DataValues as they are at this moment, `now` in FILETIME ticks."""
        if self.columns is not None:
            return self.columns.results(server, rights, now)
        return (self._result(server, rights, row, now) for row in self.rows)

    def _result(
        self,
        server: ServerContext,
        rights: RightsView,
        row: _Number | Refusal | ua.ReadValueId,
        now: int,
    ) -> bytes:
        source_time = server_time = 0
        if isinstance(row, tuple):
            tag, projection, wire = row
            value, status, source_time, server_time = server.tags.number_at(tag)
            number, status = project_number(projection, value, status)
        elif isinstance(row, Refusal):
            number, status, wire = None, row.status, 0
        else:
            return _read_other(server, rights, row, self.timestamps)
        if self.timestamps not in _SOURCE:
            source_time = 0
        server_time = (server_time or now) if self.timestamps in _SERVER else 0
        return encode_number(wire, number, status, source_time, server_time)


def plan_read(
    parameters: bytes,
    key: tuple[int, int, int],
    items: Sequence[ua.ReadValueId],
    answers: Sequence[Answer],
    timestamps: ua.TimestampsToReturn,
) -> ReadPlan | None:
    """The plan for a request whose items were found to be `answers`; None when not worth one."""
    rows = [_row(item, answer) for item, answer in zip(items, answers, strict=True)]
    others = sum(isinstance(row, ua.ReadValueId) for row in rows)
    if others > _MAX_OTHERS:
        return None
    size = _PLAN_BYTES + 2 * len(parameters) + _ROW_BYTES * len(rows) + _OTHER_BYTES * others
    plan = ReadPlan(parameters, key, timestamps, len(rows), size)
    if len(rows) <= FEW:
        plan.rows = tuple(rows)
    else:
        plan.columns = _Columns.of(rows, timestamps)
    return plan


def _row(item: ua.ReadValueId, answer: Answer) -> _Number | Refusal | ua.ReadValueId:
    if isinstance(answer, Refusal):
        return answer
    if isinstance(answer, TagSource) and not item.IndexRange:
        wire = answer.projection.value
        if wire in WIRE_TYPES:
            return answer.tag, answer.projection, wire
    return item


def _read_other(
    server: ServerContext,
    rights: RightsView,
    item: ua.ReadValueId,
    timestamps: ua.TimestampsToReturn,
) -> bytes:
    return encode_item(server, item, read_items(server, rights, [item], timestamps)[0])


@dataclass(slots=True, eq=False)
class _Columns:
    """Many rows. `others` are left out of the columns; their positions are those in the request.

    `plain` are records for the usual case: all rows Doubles, all Good, no time missing.
    """

    timestamps: ua.TimestampsToReturn
    tags: NDArray[np.intp]
    wire: NDArray[np.uint8]
    refused: NDArray[np.intp]
    refusals: NDArray[np.uint32]
    others: list[tuple[int, ua.ReadValueId]]
    plain: NDArray[np.void] | None = field(default=None)

    @staticmethod
    def of(
        rows: Sequence[_Number | Refusal | ua.ReadValueId], timestamps: ua.TimestampsToReturn
    ) -> _Columns:
        others = [(n, row) for n, row in enumerate(rows) if isinstance(row, ua.ReadValueId)]
        rest = [row for row in rows if not isinstance(row, ua.ReadValueId)]
        refused = [n for n, row in enumerate(rest) if isinstance(row, Refusal)]
        numbers = [(0, None, DOUBLE) if isinstance(row, Refusal) else row for row in rest]
        columns = _Columns(
            timestamps,
            np.array([tag for tag, _, _ in numbers], np.intp),
            np.array([wire for _, _, wire in numbers], np.uint8),
            np.array(refused, np.intp),
            np.array([row.status for row in rest if isinstance(row, Refusal)], np.uint32),
            others,
        )
        if not (refused or others) and (columns.wire == DOUBLE).all():
            shape = good_shape(DOUBLE, source=timestamps in _SOURCE, server=timestamps in _SERVER)
            columns.plain = new_records(shape, len(rows))
        return columns

    def results(self, server: ServerContext, rights: RightsView, now: int) -> Iterator[bytes]:
        value, status, source_time, server_time = server.tags.snapshot(self.tags)
        source, served = self.timestamps in _SOURCE, self.timestamps in _SERVER
        plain = self.plain
        if (
            plain is not None
            and not status.any()
            and (not source or source_time.all())
            and (not served or server_time.all())
        ):
            plain["value"] = value
            if source:
                plain["source"] = source_time
            if served:
                plain["server"] = server_time
            return iter((plain.tobytes(),))
        if len(self.refused):
            value[self.refused], status[self.refused] = np.nan, self.refusals
            source_time[self.refused] = server_time[self.refused] = 0
        value, status = project_columns(self.wire, value, status)
        if not source:
            source_time = np.zeros_like(source_time)
        server_time = (
            np.where(server_time == 0, now, server_time) if served else np.zeros_like(server_time)
        )
        body, sizes = encode_data_values(
            DataValues(self.wire, value, status, source_time, server_time)
        )
        if not self.others:
            return iter((body,))
        return self._with_others(server, rights, body, sizes)

    def _with_others(
        self, server: ServerContext, rights: RightsView, body: bytes, sizes: NDArray[np.int64]
    ) -> Iterator[bytes]:
        """The runs of numbers with the other results between them."""
        ends = [0, *np.cumsum(sizes).tolist()]
        before = [position - n for n, (position, _) in enumerate(self.others)]
        cuts = pairwise((0, *before, len(sizes)))
        others = iter(self.others)
        for start, stop in cuts:
            yield body[ends[start] : ends[stop]]
            for _, item in others:
                yield _read_other(server, rights, item, self.timestamps)
                break
