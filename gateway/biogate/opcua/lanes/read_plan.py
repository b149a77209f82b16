"""How to answer a Read that was answered before: its items as an index array of tags.

Numbers of tags and refusals, which are nearly all that clients ask for, go by column, or one by
one where they are few. What is neither, such as texts and other attributes, is read by the
ordinary rules and put between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from biogate.opcua.codec.data_values import (
    WIRE_TYPES,
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
from biogate.opcua.turns import Work

if TYPE_CHECKING:
    from biogate.opcua.services.context import ServerContext
    from biogate.opcua.session import Session

FEW = 16
"""So many items are faster one by one than by column."""
_MAX_OTHERS = 32
"""Items that are read by the ordinary rules: each takes 20 µs."""
_ROW_BYTES, _OTHER_BYTES, _PLAN_BYTES = 64, 1024, 1024

_SOURCE = (ua.TimestampsToReturn.Source, ua.TimestampsToReturn.Both)
_SERVER = (ua.TimestampsToReturn.Server, ua.TimestampsToReturn.Both)


class _Times(NamedTuple):
    """Which times are asked for."""

    source: bool
    server: bool


class _Number:
    """A tag shown as one of the types that go by column."""

    __slots__ = ("_plain", "_projection", "_times", "stored", "tag", "wire")

    def __init__(self, source: TagSource, times: _Times) -> None:
        self.tag = source.tag
        self.wire = source.projection.value
        self.stored = source.stored
        self._projection = source.projection
        self._times = times
        # The usual case: a Double that is Good, with both times.
        self._plain = self.wire == DOUBLE and times.source and times.server

    def result(self, server: ServerContext, _session: Session, now: int) -> bytes:
        value, status, source_time, server_time = server.tags.number_at(self.tag)
        if self.stored:
            server_time = now
        if self._plain and source_time and server_time and not status:
            return encode_good_double(value, source_time, server_time)
        number, status = project_number(self._projection, value, status)
        if not self._times.source:
            source_time = 0
        server_time = (server_time or now) if self._times.server else 0
        return encode_number(self.wire, number, status, source_time, server_time)


class _Refused:
    """An item that is refused for as long as the plan holds.

    Among columns it looks like any tag, whose number does not count.
    """

    __slots__ = ("_times", "status")
    tag, wire, stored = 0, DOUBLE, False

    def __init__(self, refusal: Refusal, times: _Times) -> None:
        self.status = refusal.status
        self._times = times

    def result(self, _server: ServerContext, _session: Session, now: int) -> bytes:
        return encode_number(0, None, self.status, 0, now if self._times.server else 0)


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

    `rows` says what each item is where they are few, `columns` where they are many. `others` of
    them are read by the ordinary rules; `failures`: how often in a row these have taken too long.
    """

    parameters: bytes
    key: tuple[int, int, int]
    count: int
    size: int
    others: int
    rows: Sequence[_Row] = ()
    columns: _Columns | None = None
    failures: int = 0

    def results(self, server: ServerContext, session: Session, now: int) -> Iterable[bytes]:
        """The encoded DataValues as they are at this moment, `now` in FILETIME ticks.

        Those of a plan with `others` are made as they are taken.
        """
        if self.columns is not None:
            return self.columns.results(server, session, now)
        if self.others:
            return (row.result(server, session, now) for row in self.rows)
        return [row.result(server, session, now) for row in self.rows]


def plan_read(
    parameters: bytes,
    key: tuple[int, int, int],
    items: Sequence[ua.ReadValueId],
    answers: Sequence[Answer],
    timestamps: ua.TimestampsToReturn,
) -> Work[ReadPlan | None]:
    """The plan for a request whose items were found to be `answers`, a step for each; None when
    not worth one."""
    times, others = _Times(timestamps in _SOURCE, timestamps in _SERVER), 0
    rows: list[_Row] = []
    for item, answer in zip(items, answers, strict=True):
        row = _row(item, answer, times) or _Other(item, timestamps)
        others += isinstance(row, _Other)
        if others > _MAX_OTHERS:
            return None
        rows.append(row)
        yield
    size = _PLAN_BYTES + 2 * len(parameters) + _ROW_BYTES * len(rows) + _OTHER_BYTES * others
    plan = ReadPlan(parameters, key, len(rows), size, others)
    if len(rows) <= FEW:
        plan.rows = rows
    else:
        plan.columns = _Columns(rows, times)
    return plan


def _row(item: ua.ReadValueId, answer: Answer, times: _Times) -> _Number | _Refused | None:
    if isinstance(answer, Refusal):
        return _Refused(answer, times)
    if not isinstance(answer, TagSource) or answer.projection.value not in WIRE_TYPES:
        return None
    return None if item.IndexRange else _Number(answer, times)


class _Columns:
    """Many rows. `_others` are left out of the columns; their positions are the request's."""

    def __init__(self, rows: Sequence[_Row], times: _Times) -> None:
        rest = [row for row in rows if not isinstance(row, _Other)]
        refused = [(n, row.status) for n, row in enumerate(rest) if isinstance(row, _Refused)]
        self._tags = np.array([row.tag for row in rest], np.intp)
        self._wire = np.array([row.wire for row in rest], np.uint8)
        self._refused = np.array([n for n, _ in refused], np.intp)
        self._refusals = np.array([status for _, status in refused], np.uint32)
        self._stored = np.flatnonzero([row.stored for row in rest])
        self._others = [(n, row) for n, row in enumerate(rows) if isinstance(row, _Other)]
        self._source, self._server = times
        self._doubles = bool((self._wire == DOUBLE).all())
        # Records for the usual case: all rows Doubles, all Good, no time missing.
        self._plain: NDArray[np.void] | None = None
        if self._doubles and not (refused or self._others):
            shape = good_shape(DOUBLE, source=self._source, server=self._server)
            self._plain = new_records(shape, len(rows))

    def results(self, server: ServerContext, session: Session, now: int) -> Iterable[bytes]:
        value, status, source_time, server_time = server.tags.snapshot(self._tags)
        server_time[self._stored] = now
        if (
            self._plain is not None
            and not status.any()
            and (not self._source or source_time.all())
            and (not self._server or server_time.all())
        ):
            return (self._as_records(self._plain, value, source_time, server_time),)
        if len(self._refused):
            value[self._refused], status[self._refused] = np.nan, self._refusals
            source_time[self._refused] = server_time[self._refused] = 0
        if not self._doubles:
            value, status = project_columns(self._wire, value, status)
        if not self._source:
            source_time[:] = 0
        server_time[server_time == 0] = now
        if not self._server:
            server_time[:] = 0
        rows = DataValues(self._wire, value, status, source_time, server_time)
        body, starts = encode_data_values(rows)
        return self._with_others(server, session, now, body, starts) if self._others else (body,)

    def _as_records(
        self,
        records: NDArray[np.void],
        value: NDArray[np.float64],
        source_time: NDArray[np.int64],
        server_time: NDArray[np.int64],
    ) -> bytes:
        records["value"] = value
        if self._source:
            records["source"] = source_time
        if self._server:
            records["server"] = server_time
        return records.tobytes()

    def _with_others(
        self,
        server: ServerContext,
        session: Session,
        now: int,
        body: bytes,
        starts: NDArray[np.int64],
    ) -> Iterator[bytes]:
        """The runs of numbers with the other results between them."""
        at = [*starts.tolist(), len(body)]
        done = 0
        for n, (position, other) in enumerate(self._others):
            numbers = position - n  # so many are in front of it
            yield body[at[done] : at[numbers]]
            yield other.result(server, session, now)
            done = numbers
        yield body[at[done] :]
