"""How to answer a Read that was answered before: its items as an index array of tags.

Numbers of tags and refusals, which are nearly all that clients ask for, go by column, or one by
one where they are few. What is neither, such as texts and other attributes, is read by the
ordinary rules and put between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from biogate.opcua.codec.columns import WIRE_TYPES
from biogate.opcua.codec.data_values import (
    DataValues,
    encode_data_values,
    encode_good_double,
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
    from biogate.opcua.session import Session

FEW = 16
"""So many items are faster one by one than by column."""
_MAX_OTHERS = 32
"""Items that are read by the ordinary rules: each takes 20 µs."""
_ROW_BYTES, _OTHER_BYTES, _PLAN_BYTES = 16, 1024, 1024

_SOURCE = (ua.TimestampsToReturn.Source, ua.TimestampsToReturn.Both)
_SERVER = (ua.TimestampsToReturn.Server, ua.TimestampsToReturn.Both)


class _Number:
    """A tag shown as one of the types that go by column."""

    def __init__(self, source: TagSource, timestamps: ua.TimestampsToReturn) -> None:
        self.tag = source.tag
        self.wire = source.projection.value
        self._projection = source.projection
        self._source = timestamps in _SOURCE
        self._server = timestamps in _SERVER
        # The usual case: a Double that is Good, with both times.
        self._plain = self.wire == DOUBLE and self._source and self._server

    def result(self, server: ServerContext, _session: Session, now: int) -> bytes:
        value, status, source_time, server_time = server.tags.number_at(self.tag)
        if self._plain and source_time and server_time and not status:
            return encode_good_double(value, source_time, server_time)
        number, status = project_number(self._projection, value, status)
        if not self._source:
            source_time = 0
        server_time = (server_time or now) if self._server else 0
        return encode_number(self.wire, number, status, source_time, server_time)


class _Refused:
    """An item that is refused for as long as the plan holds."""

    def __init__(self, refusal: Refusal, timestamps: ua.TimestampsToReturn) -> None:
        self.status = refusal.status
        self._server = timestamps in _SERVER

    def result(self, _server: ServerContext, _session: Session, now: int) -> bytes:
        return encode_number(0, None, self.status, 0, now if self._server else 0)


class _Other:
    """An item that is read by the ordinary rules."""

    def __init__(self, item: ua.ReadValueId, timestamps: ua.TimestampsToReturn) -> None:
        self._item = item
        self._timestamps = timestamps

    def result(self, server: ServerContext, session: Session, _now: int) -> bytes:
        (value,) = read_items(server, session.rights, [self._item], self._timestamps)
        return encode_item(server, self._item, value)


_Row = _Number | _Refused | _Other


@dataclass(slots=True, eq=False)
class ReadPlan:
    """The plan of one request of `count` items; see `plan_store.Plan`.

    `rows` says what each item is where they are few, `columns` where they are many.
    """

    parameters: bytes
    key: tuple[int, int, int]
    count: int
    size: int
    rows: Sequence[_Row] = ()
    columns: _Columns | None = None

    def results(self, server: ServerContext, session: Session, now: int) -> Iterable[bytes]:
        """The encoded DataValues as they are at this moment, `now` in FILETIME ticks."""
        if self.columns is not None:
            return self.columns.results(server, session, now)
        return [row.result(server, session, now) for row in self.rows]


def plan_read(
    parameters: bytes,
    key: tuple[int, int, int],
    items: Sequence[ua.ReadValueId],
    answers: Sequence[Answer],
    timestamps: ua.TimestampsToReturn,
) -> ReadPlan | None:
    """The plan for a request whose items were found to be `answers`; None when not worth one."""
    rows = [_row(*pair, timestamps) for pair in zip(items, answers, strict=True)]
    others = sum(isinstance(row, _Other) for row in rows)
    if others > _MAX_OTHERS:
        return None
    size = _PLAN_BYTES + 2 * len(parameters) + _ROW_BYTES * len(rows) + _OTHER_BYTES * others
    plan = ReadPlan(parameters, key, len(rows), size)
    if len(rows) <= FEW:
        plan.rows = rows
    else:
        plan.columns = _Columns.of(rows, timestamps)
    return plan


def _row(item: ua.ReadValueId, answer: Answer, timestamps: ua.TimestampsToReturn) -> _Row:
    if isinstance(answer, Refusal):
        return _Refused(answer, timestamps)
    if not isinstance(answer, TagSource) or answer.projection.value not in WIRE_TYPES:
        return _Other(item, timestamps)
    return _Other(item, timestamps) if item.IndexRange else _Number(answer, timestamps)


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
    others: list[tuple[int, _Other]]
    plain: NDArray[np.void] | None = field(default=None)

    @staticmethod
    def of(rows: Sequence[_Row], timestamps: ua.TimestampsToReturn) -> _Columns:
        others = [(n, row) for n, row in enumerate(rows) if isinstance(row, _Other)]
        rest = [row for row in rows if not isinstance(row, _Other)]
        refused = [n for n, row in enumerate(rest) if isinstance(row, _Refused)]
        numbers = [
            (0, DOUBLE) if isinstance(row, _Refused) else (row.tag, row.wire) for row in rest
        ]
        columns = _Columns(
            timestamps,
            np.array([tag for tag, _ in numbers], np.intp),
            np.array([wire for _, wire in numbers], np.uint8),
            np.array(refused, np.intp),
            np.array([row.status for row in rest if isinstance(row, _Refused)], np.uint32),
            others,
        )
        if not (refused or others) and (columns.wire == DOUBLE).all():
            shape = good_shape(DOUBLE, source=timestamps in _SOURCE, server=timestamps in _SERVER)
            columns.plain = new_records(shape, len(rows))
        return columns

    def results(self, server: ServerContext, session: Session, now: int) -> Iterable[bytes]:
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
            return (plain.tobytes(),)
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
            return (body,)
        return self._with_others(server, session, now, body, sizes)

    def _with_others(
        self,
        server: ServerContext,
        session: Session,
        now: int,
        body: bytes,
        sizes: NDArray[np.int64],
    ) -> Iterator[bytes]:
        """The runs of numbers with the other results between them."""
        ends = [0, *np.cumsum(sizes).tolist()]
        start = 0
        for n, (position, other) in enumerate(self.others):
            stop = position - n  # so many numbers are in front of it
            yield body[ends[start] : ends[stop]]
            yield other.result(server, session, now)
            start = stop
        yield body[ends[start] :]
