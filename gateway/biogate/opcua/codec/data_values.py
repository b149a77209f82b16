"""DataValues of numbers without objects: numpy records for many, one `struct` call for one.

A DataValue of a number has a fixed layout once its *shape* is known: the wire type, and whether
value, status and each time are there (Part 6, 5.2.2.17). Rows of one shape are one structured
array whose bytes are the encoding; where shapes mix, each field is written to its place in its
row. The hot half of the codec: for Read, and for notifications (`columns`), where each DataValue
comes behind a ClientHandle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from biogate_adapters import status as codes

WIRE_TYPES: Mapping[int, str] = {
    1: "u1",
    2: "i1",
    3: "u1",
    4: "<i2",
    5: "<u2",
    6: "<i4",
    7: "<u4",
    10: "<f4",
    11: "<f8",
}
"""Built-in type id (Part 6, 5.1.2) → numpy type, of the types that go by column."""

_BOOLEAN = 1
_HANDLE_SIZE = 4
_TYPE_MASK = 0x1F
_VALUE, _STATUS, _SOURCE, _SERVER = 0x20, 0x40, 0x80, 0x100
_SHAPES = 0x200
_SHAPE_TO_ENCODING_MASK = 5
"""The mask bits of a DataValue are the shape's, shifted (1, 2, 4, 8)."""


class DataValues(NamedTuple):
    """Rows to encode; all columns have the same length.

    `wire`: uint8 built-in type ids, keys of `WIRE_TYPES`; `value`: float64 that fits the type
    (NaN with a Bad status: no value); `status`: uint32; `source_time`, `server_time`: int64
    FILETIME ticks, 0 where there is none or none is asked for.
    """

    wire: NDArray[np.uint8]
    value: NDArray[np.float64]
    status: NDArray[np.uint32]
    source_time: NDArray[np.int64]
    server_time: NDArray[np.int64]


def encode_data_values(rows: DataValues) -> tuple[bytes, NDArray[np.int64]]:
    """The rows one after the other, and where each begins."""
    shapes = shapes_of(rows)
    first = int(shapes[0]) if len(shapes) else 0
    if not (shapes == first).all():
        body, starts = interleave(shapes, rows)
        return body.tobytes(), starts
    records = new_records(first, len(shapes))
    fill_records(records, first, rows)
    return records.tobytes(), np.arange(len(shapes)) * records.dtype.itemsize


def shapes_of(rows: DataValues) -> NDArray[np.uint16]:
    """The shape of each row."""
    has_value = ~(np.isnan(rows.value) & ((rows.status & codes.BAD) != 0))
    shapes = np.where(has_value, rows.wire | np.uint16(_VALUE), np.uint16(0))
    shapes |= (rows.status != 0) * np.uint16(_STATUS)
    shapes |= (rows.source_time != 0) * np.uint16(_SOURCE)
    shapes |= (rows.server_time != 0) * np.uint16(_SERVER)
    return shapes


def interleave(
    shapes: NDArray[np.uint16], rows: DataValues, *, handles: bool = False
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of rows of several shapes, and where in them each row begins.

    `handles`: four bytes are left free in front of each DataValue.
    """
    sizes = _SIZES[shapes] + _HANDLE_SIZE * handles
    starts = np.cumsum(sizes) - sizes
    body = np.empty(int(sizes.sum()), np.uint8)
    at = starts + _HANDLE_SIZE * handles
    body[at] = shapes >> _SHAPE_TO_ENCODING_MASK
    at += 1
    types = np.where(shapes & _VALUE, shapes & _TYPE_MASK, 0)
    for wire in (np.flatnonzero(np.bincount(types)[1:]) + 1).tolist():
        places = np.flatnonzero(types == wire)
        body[at[places]] = wire
        at[places] += 1
        value = rows.value[places]
        _put(body, at, places, WIRE_TYPES[wire], value != 0 if wire == _BOOLEAN else value)
    for flag, layout, column in (
        (_STATUS, "<u4", rows.status),
        (_SOURCE, "<i8", rows.source_time),
        (_SERVER, "<i8", rows.server_time),
    ):
        places = np.flatnonzero(shapes & flag)
        if len(places):
            _put(body, at, places, layout, column[places])
    return body, starts


def _put(
    body: NDArray[np.uint8],
    at: NDArray[np.int64],
    places: NDArray[np.intp],
    layout: str,
    values: NDArray[Any],
) -> None:
    """Write a value at the position of each place, and move the position behind it."""
    size = np.dtype(layout).itemsize
    # A number may begin at any byte: a view with one for each of them.
    window = np.ndarray((len(body) - size + 1,), layout, body.data, 0, (1,))
    window[at[places]] = values
    at[places] += size


def good_shape(wire: int, *, source: bool, server: bool) -> int:
    """The shape of a value whose status is Good."""
    return _VALUE | wire | source * _SOURCE | server * _SERVER


def new_records(shape: int, count: int, *, handles: bool = False) -> NDArray[np.void]:
    """So many DataValues of that shape whose `value`, `status`, `source` and `server` are to be
    filled in, those of them that the shape has; with `handles` also a `handle` before each."""
    records = np.empty(count, _record_type(shape, handles=handles))
    records["mask"] = shape >> _SHAPE_TO_ENCODING_MASK
    if shape & _VALUE:
        records["type"] = shape & _TYPE_MASK
    return records


class Filling(Protocol):
    """What records are filled from: the columns of `DataValues`, whatever else there is."""

    @property
    def value(self) -> NDArray[np.float64]: ...
    @property
    def status(self) -> NDArray[np.uint32]: ...
    @property
    def source_time(self) -> NDArray[np.int64]: ...
    @property
    def server_time(self) -> NDArray[np.int64]: ...


def fill_records(records: NDArray[np.void], shape: int, rows: Filling) -> None:
    """Fill in all but the handles."""
    if shape & _VALUE:
        boolean = shape & _TYPE_MASK == _BOOLEAN
        records["value"] = rows.value != 0 if boolean else rows.value
    if shape & _STATUS:
        records["status"] = rows.status
    if shape & _SOURCE:
        records["source"] = rows.source_time
    if shape & _SERVER:
        records["server"] = rows.server_time


@lru_cache(maxsize=2 * _SHAPES)
def _record_type(shape: int, *, handles: bool) -> np.dtype[np.void]:
    fields = [("handle", "<u4")] if handles else []
    fields.append(("mask", "u1"))
    if shape & _VALUE:
        fields += [("type", "u1"), ("value", WIRE_TYPES[shape & _TYPE_MASK])]
    if shape & _STATUS:
        fields.append(("status", "<u4"))
    if shape & _SOURCE:
        fields.append(("source", "<i8"))
    if shape & _SERVER:
        fields.append(("server", "<i8"))
    return np.dtype(fields)


def _size(shape: int) -> int:
    if shape & _VALUE and shape & _TYPE_MASK not in WIRE_TYPES:
        return 0
    return _record_type(shape, handles=False).itemsize


_SIZES = np.array([_size(shape) for shape in range(_SHAPES)], np.int64)

_CODES = {1: "?", 2: "b", 3: "B", 4: "h", 5: "H", 6: "i", 7: "I", 10: "f", 11: "d"}


@lru_cache(maxsize=_SHAPES)
def _layout(shape: int) -> Struct:
    fields = "<B"
    if shape & _VALUE:
        fields += "B" + _CODES[shape & _TYPE_MASK]
    return Struct(
        fields + "I" * bool(shape & _STATUS) + "q" * bool(shape & _SOURCE)
        + "q" * bool(shape & _SERVER)
    )  # fmt: skip


def encode_number(
    wire: int, value: float | None, status: int, source_time: int, server_time: int
) -> bytes:
    """One DataValue; `value` None, `status` Good and times of 0 are left out."""
    shape, fields = 0, []
    if value is not None:
        shape, fields = _VALUE | wire, [wire, value]
    if status:
        shape |= _STATUS
        fields.append(status)
    if source_time:
        shape |= _SOURCE
        fields.append(source_time)
    if server_time:
        shape |= _SERVER
        fields.append(server_time)
    return _layout(shape).pack(shape >> _SHAPE_TO_ENCODING_MASK, *fields)


_DOUBLE = 11
_good_double = Struct("<BBdqq").pack
_VALUE_AND_TIMES = (_VALUE | _SOURCE | _SERVER) >> _SHAPE_TO_ENCODING_MASK


def encode_good_double(value: float, source_time: int, server_time: int) -> bytes:
    """`encode_number` for the most usual case."""
    return _good_double(_VALUE_AND_TIMES, _DOUBLE, value, source_time, server_time)


_FOUR_BYTE_NODE_ID = 1
_READ_RESPONSE = 634
_results_head = Struct("<BBHqIIBiHBi")
_NO_DIAGNOSTICS = b"\0\0\0\0"


def read_response(request_handle: int, now: int, count: int, results: Iterable[bytes]) -> bytes:
    """A ReadResponse with service result Good, TypeId included (Part 4, 5.11.2).

    `now`: FILETIME ticks; `results`: the bytes of `count` DataValues, in any number of pieces.
    """
    return results_response(_READ_RESPONSE, request_handle, now, count, results)


def results_response(
    type_id: int, request_handle: int, now: int, count: int, results: Iterable[bytes]
) -> bytes:
    """A response that has `count` Results and no DiagnosticInfos, like `read_response`.

    `type_id`: the numeric identifier of its encoding in namespace 0.
    """
    head = _results_head.pack(
        _FOUR_BYTE_NODE_ID, 0, type_id, now, request_handle, 0, 0, 0, 0, 0, count
    )
    return b"".join((head, *results, _NO_DIAGNOSTICS))
