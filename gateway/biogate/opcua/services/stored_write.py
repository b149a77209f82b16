"""A write of a stored Variable, checked: what its tag shall hold from now on (Part 4, 5.11.4).

EURange and InstrumentRange do not bound what is written: a number outside of them is stored as it
is, never clamped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from biogate.opcua.codec.datetimes import to_ticks
from biogate.opcua.codec.fields import from_status
from biogate.opcua.errors import StatusError
from biogate.opcua.ports import StoredValue, StoredWrites, TagReader
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.arguments import check_argument
from biogate.opcua.space.ids import BASE_DATA_TYPE, ENUMERATION
from biogate.opcua.space.index_range import parse_index_range, write_index_range
from biogate.opcua.space.tag_values import NUMBERS
from biogate.opcua.space.values import TagSource
from biogate.opcua.stack import StatusCodes, ua
from biogate_adapters.status import is_bad
from biogate_nodesets.model import Node

_T = ua.VariantType
_NULL = (None, _T.Null)
_ANY_RANK = -2


class StoredBatch:
    """Writes of unaudited stored Variables of one request, checked, to be applied in one go.

    `now`: FILETIME ticks, the SourceTimestamp of values that come without. `plain`: the sources
    of those that are numbers of which any will do.
    """

    def __init__(self, tags: TagReader, now: int) -> None:
        self._tags = tags
        self._now = now
        self.plain: list[TagSource] = []
        self._writes: list[tuple[int, StoredValue]] = []
        self._held: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return bool(self._writes)

    def add(
        self,
        space: AddressSpace,
        node: Node,
        source: TagSource,
        item: ua.WriteValue,
        *,
        restates: bool,
    ) -> None:
        """Check one more write, after those before it. Raises StatusError.

        `restates`: the writer may set status and SourceTimestamp.
        """
        tag = source.tag
        held = self._held[tag] if tag in self._held else self._tags.object_at(tag)
        write = stored_value(space, node, source, item, held, self._now)
        if not restates:
            write = _not_restated(write, self._now)
        self._writes.append((tag, write))
        self._held[tag] = write.held
        says_more = not (item.Value.StatusCode is None and item.Value.SourceTimestamp is None)
        if says_more and not restates:
            return
        if not item.IndexRange and not _is_enumeration(space, node):
            self.plain.append(source)

    def take(self) -> StoredWrites:
        """What the command port is given. From then on the batch is empty."""
        tags, writes = zip(*self._writes, strict=True)
        self._writes.clear()
        self._held.clear()
        return StoredWrites(
            np.array(tags, np.int32),
            np.array([write.value for write in writes], np.float64),
            np.array([write.status for write in writes], np.uint32),
            np.array([write.source_time for write in writes], np.int64),
            {row: write.held for row, write in enumerate(writes) if write.held is not None},
        )


def _not_restated(write: StoredValue, now: int) -> StoredValue:
    if write.status != StatusCodes.Good:
        raise StatusError(StatusCodes.BadUserAccessDenied)
    return replace(write, source_time=now)


def _is_enumeration(space: AddressSpace, node: Node) -> bool:
    return node.data_type is not None and space.types.is_subtype(node.data_type, ENUMERATION)


def stored_value(
    space: AddressSpace, node: Node, source: TagSource, item: ua.WriteValue, held: Any, now: int
) -> StoredValue:
    """What the tag behind `source` shall hold.

    `held` is the Variant that it holds now, for an IndexRange; `now` (FILETIME ticks) is the
    SourceTimestamp of a value that comes without. Raises StatusError.
    """
    data = item.Value
    if to_ticks(data.ServerTimestamp) or data.ServerPicoseconds or data.SourcePicoseconds:
        raise StatusError(StatusCodes.BadWriteNotSupported)
    status = from_status(data.StatusCode)
    source_time = to_ticks(data.SourceTimestamp) or now
    given = data.Value
    if given is None or given.VariantType in _NULL:
        return _no_value(node, item, status, source_time)
    given = _as_bytes(space, node, given)
    if item.IndexRange:  # what is held fits already, and may be a thousand times as large
        part, given = given, _within_range(item.IndexRange, given, held)
        _check_type(space, node, _ANY_RANK, part)
    else:
        _check_type(space, node, node.value_rank, given)
        _check_dimensions(node, given)
    if source.projection in NUMBERS:
        return StoredValue(float(given.Value), status, source_time)
    return StoredValue(math.nan, status, source_time, given)


def _no_value(node: Node, item: ua.WriteValue, status: int, source_time: int) -> StoredValue:
    """A Bad status needs no value, and a Variable of any type may hold none."""
    if item.IndexRange:
        parse_index_range(item.IndexRange)
    elif node.data_type == BASE_DATA_TYPE and node.value_rank in (-1, -2, -3):
        return StoredValue(math.nan, status, source_time, ua.Variant())
    elif is_bad(status):
        return StoredValue(math.nan, status, source_time)
    raise StatusError(StatusCodes.BadTypeMismatch)


def _as_bytes(space: AddressSpace, node: Node, given: ua.Variant) -> ua.Variant:
    """A ByteString is accepted where an array of Byte is expected (5.11.4.2)."""
    if given.VariantType is not _T.ByteString or given.is_array or node.value_rank == -1:
        return given
    if node.data_type is None or space.types.built_in(node.data_type) is not _T.Byte:
        return given
    value = None if given.Value is None else list(given.Value)
    return ua.Variant(value, _T.Byte, is_array=True)


def _within_range(index_range: str, given: ua.Variant, held: Any) -> ua.Variant:
    ranges = parse_index_range(index_range)
    if not isinstance(held, ua.Variant) or held.VariantType in _NULL:
        raise StatusError(StatusCodes.BadIndexRangeNoData)
    if given.VariantType is not held.VariantType:
        raise StatusError(StatusCodes.BadTypeMismatch)
    return write_index_range(held, ranges, given)


def _check_type(space: AddressSpace, node: Node, rank: int, given: ua.Variant) -> None:
    """DataType and ValueRank (Part 3, 5.6.2)."""
    declared = ua.Argument(DataType=node.data_type, ValueRank=ua.Int32(rank))
    status = check_argument(space, declared, given)
    if status != StatusCodes.Good:
        raise StatusError(status)


def _check_dimensions(node: Node, given: ua.Variant) -> None:
    """ArrayDimensions (Part 3, 5.6.2)."""
    most = node.array_dimensions
    if not most or not given.is_array:
        return
    dimensions: Sequence[int] = given.Dimensions or [len(given.Value or ())]
    if any(limit and length > limit for limit, length in zip(most, dimensions, strict=False)):
        raise StatusError(StatusCodes.BadTypeMismatch)
