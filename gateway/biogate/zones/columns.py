"""Columns and values of tags as bytes, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biogate.opcua.codec import DecodeLimits, decode_variant, encode_variant
from biogate.opcua.ports import StoredValue
from biogate.opcua.stack import ua
from biogate.zones.messages import MalformedError, Rows, StoredOf

_GENEROUS = DecodeLimits(max_array_length=1 << 24, max_elements=1 << 24)
"""What the core sends was within the limits when it came to the core."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a batch; see `JournalBatch`."""

    index: NDArray[np.int32]
    value: NDArray[np.float64]
    status: NDArray[np.uint32]
    source_time: NDArray[np.int64]
    objects: Mapping[int, Any]


def to_rows(columns: Columns, server_time: int, index: bytes | None = None) -> Rows:
    """The columns as a message; `index` where the column of indices is another one."""
    status = columns.status
    good = not status.any()
    return Rows(
        columns.index.tobytes() if index is None else index,
        columns.value.tobytes(),
        b"" if good else status.tobytes(),
        columns.source_time.tobytes(),
        server_time,
        {row: bytes(encode_variant(v)) for row, v in columns.objects.items() if _is_variant(v)},
        {row: value for row, value in columns.objects.items() if not _is_variant(value)},
    )


def _is_variant(value: Any) -> bool:
    return isinstance(value, ua.Variant)


def from_rows(rows: Rows, index: NDArray[np.int32]) -> Columns:
    """The columns of a message of the core; `index` is its column, which may have been seen."""
    size = len(index)
    return Columns(
        index,
        np.frombuffer(rows.value, np.float64),
        np.frombuffer(rows.status, np.uint32) if rows.status else np.zeros(size, np.uint32),
        np.frombuffer(rows.source_time, np.int64),
        {
            **rows.plain,
            **{row: decode_variant(value, _GENEROUS) for row, value in rows.variants.items()},
        },
    )


def to_stored(write: StoredValue) -> StoredOf:
    """The value as a message."""
    held = None if write.held is None else bytes(encode_variant(write.held))
    return StoredOf(write.value, write.status, write.source_time, held)


def column(data: bytes, dtype: type[np.generic], size: int) -> NDArray[Any]:
    """A column that a zone sent. Raises MalformedError where its size is another one."""
    if len(data) != size * np.dtype(dtype).itemsize:
        raise MalformedError(f"a column of {len(data)} bytes for {size} rows")
    return np.frombuffer(data, dtype)
