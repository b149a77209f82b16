"""DataValues of numbers without objects: numpy records for many, one `struct` call for one.

A DataValue of a number has a fixed layout once its *shape* is known: the wire type, and whether
value, status and each time are there (Part 6, 5.2.2.17). The hot half of the codec for Read, as
`columns` is for notifications.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from biogate.opcua.codec.columns import WIRE_TYPES
from biogate_adapters import status as codes

_BOOLEAN = 1
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

    def rows(self, rows: NDArray[np.intp]) -> DataValues:
        """Some of the rows."""
        return DataValues(
            self.wire[rows],
            self.value[rows],
            self.status[rows],
            self.source_time[rows],
            self.server_time[rows],
        )


def encode_data_values(rows: DataValues) -> tuple[bytes, NDArray[np.int64]]:
    """The rows one after the other, and the size in bytes of each."""
    shapes = _shapes(rows)
    first = int(shapes[0]) if len(shapes) else 0
    if (shapes == first).all():
        records = _records(first, rows)
        return records.tobytes(), np.full(len(shapes), records.dtype.itemsize)
    return _interleave(shapes, rows)


def _shapes(rows: DataValues) -> NDArray[np.uint16]:
    has_value = ~(np.isnan(rows.value) & ((rows.status & codes.BAD) != 0))
    shapes = np.where(has_value, rows.wire | np.uint16(_VALUE), np.uint16(0))
    shapes |= (rows.status != 0) * np.uint16(_STATUS)
    shapes |= (rows.source_time != 0) * np.uint16(_SOURCE)
    shapes |= (rows.server_time != 0) * np.uint16(_SERVER)
    return shapes


def _interleave(shapes: NDArray[np.uint16], rows: DataValues) -> tuple[bytes, NDArray[np.int64]]:
    """Rows of several shapes, field by field: each to its place in its own record."""
    sizes = _SIZES[shapes]
    at = np.cumsum(sizes) - sizes
    body = np.empty(int(sizes.sum()), np.uint8)
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
        present = (shapes & flag) != 0
        if present.all():
            _put(body, at, slice(None), layout, column)
        elif present.any():
            places = np.flatnonzero(present)
            _put(body, at, places, layout, column[places])
    return body.tobytes(), sizes


def _put(
    body: NDArray[np.uint8],
    at: NDArray[np.int64],
    places: NDArray[np.intp] | slice,
    layout: str,
    values: NDArray[Any],
) -> None:
    """Write a value at the position of each place, and move the position behind it."""
    size = np.dtype(layout).itemsize
    # A number may begin at any byte: a view with one for each of them.
    window = np.ndarray((len(body) - size + 1,), layout, body.data, 0, (1,))
    window[at[places]] = values
    at[places] += size


def _records(shape: int, rows: DataValues) -> NDArray[np.void]:
    records = new_records(shape, len(rows.value))
    if shape & _VALUE:
        boolean = shape & _TYPE_MASK == _BOOLEAN
        records["value"] = rows.value != 0 if boolean else rows.value
    if shape & _STATUS:
        records["status"] = rows.status
    if shape & _SOURCE:
        records["source"] = rows.source_time
    if shape & _SERVER:
        records["server"] = rows.server_time
    return records


def good_shape(wire: int, *, source: bool, server: bool) -> int:
    """The shape of a value whose status is Good."""
    return _VALUE | wire | source * _SOURCE | server * _SERVER


def new_records(shape: int, count: int) -> NDArray[np.void]:
    """So many DataValues of that shape whose `value`, `status`, `source` and `server` are to be
    filled in, those of them that the shape has."""
    records = np.empty(count, _record_type(shape))
    records["mask"] = shape >> _SHAPE_TO_ENCODING_MASK
    if shape & _VALUE:
        records["type"] = shape & _TYPE_MASK
    return records


@lru_cache(maxsize=_SHAPES)
def _record_type(shape: int) -> np.dtype[np.void]:
    fields = [("mask", "u1")]
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
    wire = shape & _TYPE_MASK
    if shape & _VALUE and wire not in WIRE_TYPES:
        return 0
    return _record_type(shape).itemsize


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
