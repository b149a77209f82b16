"""Values with their built-in types, and the conversions between them (Part 4, 7.7.3).

A null value is None; so is the result of a conversion that fails.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from biogate.opcua.codec.datetimes import from_ticks, to_ticks
from biogate.opcua.codec.fields import from_status
from biogate.opcua.stack import ua

T = ua.VariantType


class Typed(NamedTuple):
    """A value that is not null, or a list of them.

    DateTimes are whole microseconds since 1601, as coarse as a decoded literal is; StatusCodes
    are numbers.
    """

    type: ua.VariantType
    value: Any


_PRECEDENCE = (
    T.Double,
    T.Float,
    T.Int64,
    T.UInt64,
    T.Int32,
    T.UInt32,
    T.StatusCode,
    T.Int16,
    T.UInt16,
    T.SByte,
    T.Byte,
    T.Boolean,
    T.Guid,
    T.String,
    T.ExpandedNodeId,
    T.NodeId,
    T.LocalizedText,
    T.QualifiedName,
)
"""Whoever comes first is what the other is converted to (Part 4, table "Data Precedence Rules")."""

RANK: Mapping[ua.VariantType, int] = {type_: rank for rank, type_ in enumerate(_PRECEDENCE)}

INTEGERS: Mapping[ua.VariantType, tuple[int, int]] = {
    T.SByte: (-(1 << 7), (1 << 7) - 1),
    T.Byte: (0, (1 << 8) - 1),
    T.Int16: (-(1 << 15), (1 << 15) - 1),
    T.UInt16: (0, (1 << 16) - 1),
    T.Int32: (-(1 << 31), (1 << 31) - 1),
    T.UInt32: (0, (1 << 32) - 1),
    T.Int64: (-(1 << 63), (1 << 63) - 1),
    T.UInt64: (0, (1 << 64) - 1),
}
_NUMBERS = frozenset((*INTEGERS, T.Float, T.Double))
ORDERED = _NUMBERS | {T.DateTime, T.String}
"""What one can be more or less of."""


def _types(names: str) -> frozenset[ua.VariantType]:
    return frozenset(getattr(T, name) for name in names.split())


_FLOATS = "Float Double "
_IMPLICIT: Mapping[ua.VariantType, frozenset[ua.VariantType]] = {
    T.Boolean: _types(_FLOATS + "SByte Byte Int16 UInt16 Int32 UInt32 Int64 UInt64"),
    T.Byte: _types(_FLOATS + "SByte Int16 UInt16 Int32 UInt32 Int64 UInt64"),
    T.SByte: _types(_FLOATS + "Int16 UInt16 Int32 UInt32 Int64 UInt64"),
    T.Int16: _types(_FLOATS + "Int32 UInt32 Int64 UInt64"),
    T.UInt16: _types(_FLOATS + "Int16 Int32 UInt32 Int64 UInt64 StatusCode"),
    T.Int32: _types(_FLOATS + "Int64 UInt64"),
    T.UInt32: _types(_FLOATS + "Int32 Int64 UInt64"),
    T.Int64: _types(_FLOATS),
    T.UInt64: _types(_FLOATS + "Int64"),
    T.Float: _types("Double"),
    T.StatusCode: _types("Int32 UInt32 Int64 UInt64"),
    T.String: _types(_FLOATS + "Boolean SByte Byte Int16 UInt16 Int32 UInt32 Int64 UInt64 Guid"),
    T.NodeId: _types("ExpandedNodeId String"),
    T.ExpandedNodeId: _types("String"),
    T.LocalizedText: _types("String"),
    T.QualifiedName: _types("String LocalizedText"),
}
"""From → to: conversions that are made without being asked for."""

_ALL_NUMBERS = frozenset((*_NUMBERS, T.Boolean))
_EXPLICIT: Mapping[ua.VariantType, frozenset[ua.VariantType]] = {
    **{type_: _ALL_NUMBERS | {T.String} for type_ in _ALL_NUMBERS},
    T.Int32: _ALL_NUMBERS | _types("String StatusCode"),
    T.UInt32: _ALL_NUMBERS | _types("String StatusCode"),
    T.Int64: _ALL_NUMBERS | _types("String StatusCode"),
    T.UInt64: _ALL_NUMBERS | _types("String StatusCode"),
    T.StatusCode: _types("UInt16"),
    T.String: _types("DateTime NodeId ExpandedNodeId LocalizedText QualifiedName"),
    T.DateTime: _types("String"),
    T.Guid: _types("ByteString String"),
    T.ByteString: _types("Guid"),
    T.ExpandedNodeId: _types("NodeId"),
}
"""From → to: conversions that only the Cast operator makes."""

_FLOAT = struct.Struct("<f")
_WHOLE = re.compile(r"[+-]?[0-9]{1,25}", re.ASCII)
_FLOATING = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,4})?")
_GUID = re.compile(r"\{?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?", re.ASCII)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_MAX_TEXT = 4096


def typed(variant: ua.Variant | None) -> Typed | None:
    """The value of a Variant; None for every kind of null (Part 6, 5.1.2)."""
    if variant is None or variant.Value is None:
        return None
    type_ = variant.VariantType
    normal = _NORMAL.get(type_)
    if isinstance(variant.Value, list):
        if normal is None or variant.Dimensions is not None:
            return Typed(type_, variant.Value)
        return Typed(type_, [normal(element) for element in variant.Value])
    value = variant.Value if normal is None else normal(variant.Value)
    return None if _is_null(type_, value) else Typed(type_, value)


_NORMAL: Mapping[ua.VariantType, Callable[[Any], Any]] = {
    T.DateTime: lambda value: to_ticks(value) // 10,
    T.StatusCode: from_status,
}


def _is_null(type_: ua.VariantType, value: Any) -> bool:
    if type_ is T.LocalizedText:
        return not (value.Text or value.Locale)
    if type_ is T.QualifiedName:
        return not value.Name
    if type_ is T.NodeId or type_ is T.ExpandedNodeId:
        return bool(value.is_null())
    if type_ is T.Guid:
        return not value.int
    return value is None or (type_ is T.DateTime and value == 0)


def implicit(value: Typed, target: ua.VariantType) -> Typed | None:
    """`value` as `target` without being asked; None when that cannot be."""
    return _convert(value, target, (_IMPLICIT,))


def cast(value: Typed, target: ua.VariantType) -> Typed | None:
    """`value` as `target` by the Cast operator; None when that cannot be."""
    return _convert(value, target, (_IMPLICIT, _EXPLICIT))


def common(one: Typed, other: Typed) -> tuple[Any, Any] | None:
    """Both values in one type: that with the higher precedence. None when that cannot be.

    An array of one element is a scalar where the other is one; elements are converted each.
    """
    if isinstance(one.value, list) is not isinstance(other.value, list):
        one, other = _scalar(one), _scalar(other)
        if isinstance(one.value, list) or isinstance(other.value, list):
            return None
    if one.type is other.type:
        return one.value, other.value
    first, second = RANK.get(one.type), RANK.get(other.type)
    if first is None or second is None:
        return None
    target = one.type if first < second else other.type
    a, b = implicit(one, target), implicit(other, target)
    return None if a is None or b is None else (a.value, b.value)


def _scalar(value: Typed) -> Typed:
    if isinstance(value.value, list) and len(value.value) == 1:
        return Typed(value.type, value.value[0])
    return value


def _convert(
    value: Typed,
    target: ua.VariantType,
    tables: tuple[Mapping[ua.VariantType, frozenset[ua.VariantType]], ...],
) -> Typed | None:
    if value.type is target:
        return value
    if not any(target in table.get(value.type, ()) for table in tables):
        return None
    convert = _TO[target]
    if not isinstance(value.value, list):
        converted = convert(value)
        return None if converted is None else Typed(target, converted)
    elements = [convert(Typed(value.type, element)) for element in value.value]
    return None if any(e is None for e in elements) else Typed(target, elements)


def _to_integer(target: ua.VariantType) -> Callable[[Typed], int | None]:
    low, high = INTEGERS[target]

    def convert(value: Typed) -> int | None:
        number = _whole(value, target)
        return number if number is not None and low <= number <= high else None

    return convert


def _whole(value: Typed, target: ua.VariantType) -> int | None:
    raw = value.value
    if value.type is T.StatusCode:
        if target is T.UInt16:
            return int(raw) >> 16
        return raw - (1 << 32) if target is T.Int32 and raw >> 31 else int(raw)
    if isinstance(raw, float):
        return math.floor(raw + 0.5) if math.isfinite(raw) else None
    if isinstance(raw, str):
        return int(raw) if _WHOLE.fullmatch(raw) else None
    return int(raw)


def _to_double(value: Typed) -> float | None:
    raw = value.value
    if isinstance(raw, str):
        return float(raw) if _FLOATING.fullmatch(raw) else None
    return float(raw)


def _to_float(value: Typed) -> float | None:
    number = _to_double(value)
    if number is None:
        return None
    try:
        return float(_FLOAT.unpack(_FLOAT.pack(number))[0])
    except OverflowError:
        return None


def _to_boolean(value: Typed) -> bool | None:
    raw = value.value
    return _BOOLEANS.get(raw.lower()) if isinstance(raw, str) else bool(raw)


def _to_status(value: Typed) -> int | None:
    number = int(value.value)
    if value.type is T.UInt16:
        return number << 16
    return number & 0xFFFF_FFFF if -(1 << 31) <= number < 1 << 32 else None


def _to_guid(value: Typed) -> UUID | None:
    raw = value.value
    if isinstance(raw, bytes):
        return UUID(bytes_le=raw) if len(raw) == 16 else None
    return UUID(raw) if _GUID.fullmatch(raw) else None


def _to_string(value: Typed) -> str | None:
    text = _TEXTS.get(value.type)
    return str(value.value) if text is None else text(value.value)


_TEXTS: Mapping[ua.VariantType, Callable[[Any], str | None]] = {
    T.Boolean: lambda value: "true" if value else "false",
    T.NodeId: lambda value: str(value.to_string()),
    T.ExpandedNodeId: lambda value: str(value.to_string()),
    T.LocalizedText: lambda value: value.Text,
    T.QualifiedName: lambda value: value.Name,
    T.DateTime: lambda value: from_ticks(value * 10).isoformat().replace("+00:00", "Z"),
}


def _to_date_time(value: Typed) -> int | None:
    try:
        return to_ticks(datetime.fromisoformat(value.value)) // 10
    except ValueError:
        return None


def _parse_node_id(value: Typed) -> ua.NodeId | None:
    if len(value.value) > _MAX_TEXT:
        return None
    try:
        return ua.NodeId.from_string(value.value)
    except (ua.uaerrors.UaError, ValueError):
        return None


def _to_node_id(value: Typed) -> ua.NodeId | None:
    if isinstance(value.value, str):
        return _parse_node_id(value)
    expanded = value.value
    if expanded.NamespaceUri or expanded.ServerIndex:
        return None
    return ua.NodeId(expanded.Identifier, expanded.NamespaceIndex)


def _to_expanded_node_id(value: Typed) -> ua.NodeId | None:
    return _parse_node_id(value) if isinstance(value.value, str) else value.value


def _to_localized_text(value: Typed) -> ua.LocalizedText:
    return ua.LocalizedText(value.value if isinstance(value.value, str) else value.value.Name)


_TO: Mapping[ua.VariantType, Callable[[Typed], Any]] = {
    **{type_: _to_integer(type_) for type_ in INTEGERS},
    T.Double: _to_double,
    T.Float: _to_float,
    T.Boolean: _to_boolean,
    T.StatusCode: _to_status,
    T.Guid: _to_guid,
    T.String: _to_string,
    T.DateTime: _to_date_time,
    T.ByteString: lambda value: value.value.bytes_le,
    T.NodeId: _to_node_id,
    T.ExpandedNodeId: _to_expanded_node_id,
    T.LocalizedText: _to_localized_text,
    T.QualifiedName: lambda value: ua.QualifiedName(value.value, 0),
}
