"""Reads OPC UA Binary under budgets (Part 6, 5.2).

Lengths are checked against what remains before anything is allocated, strings are strict UTF-8,
nesting and the number of objects per message are bounded, and bits that the specification
reserves are refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate
from operator import mul
from struct import Struct, unpack_from
from typing import Any, NoReturn
from uuid import UUID

from biogate.opcua.codec.datetimes import from_ticks
from biogate.opcua.codec.fields import to_guid, to_status
from biogate.opcua.codec.limits import DecodeLimits, malformed, over_limit
from biogate.opcua.codec.structures import STRUCTURES
from biogate.opcua.stack import ua

DEFAULT_LIMITS = DecodeLimits()

_NUMBERS_PER_ELEMENT = 16
_LAST_PICOSECONDS = 9999  # in units of ten: a hundred nanoseconds are the next tick

_new: Callable[[Any], Any] = object.__new__
_int32_at = Struct("<i").unpack_from
_uint32_at = Struct("<I").unpack_from
_uint16_at = Struct("<H").unpack_from
_int64_at = Struct("<q").unpack_from
_four_byte_identifier = Struct("<xBH").unpack_from
_numeric_identifier = Struct("<xHI").unpack_from
_namespace_uri_flag, _server_index_flag = 0x80, 0x40
_array_flag, _dimensions_flag = 0x80, 0x40


class Reader:
    """A cursor over the bytes of one message; after an error it is of no further use.

    Every method reads one value and raises DecodeError when the bytes are malformed or over
    `limits`. Built-in types are asyncua's; DateTime gives an aware UTC datetime.
    """

    __slots__ = ("data", "depth", "elements", "end", "limits", "pos")

    def __init__(self, data: bytes | memoryview, limits: DecodeLimits = DEFAULT_LIMITS) -> None:
        self.data = data if isinstance(data, bytes) else bytes(data)
        self.limits = limits
        self.pos = 0
        self.end = len(self.data)
        self.depth = 0
        self.elements = limits.max_elements

    # -- cursor ---------------------------------------------------------------------------------

    def take(self, size: int) -> int:
        """Where the next `size` bytes start; moves behind them."""
        start = self.pos
        stop = start + size
        if stop > self.end:
            self._short(size)
        self.pos = stop
        return start

    def _short(self, size: int) -> NoReturn:
        left = max(0, self.end - self.pos)
        raise malformed(f"byte {self.pos}: {size} bytes announced, {left} left")

    def _enter(self) -> None:
        self.depth += 1
        if self.depth > self.limits.max_depth:
            raise over_limit(f"byte {self.pos}: nested deeper than {self.limits.max_depth}")

    def finish(self) -> None:
        """Raises DecodeError unless every byte was read."""
        if self.pos != self.end:
            raise malformed(f"byte {self.pos}: {self.end - self.pos} bytes too many")

    # -- numbers and lengths --------------------------------------------------------------------

    def number(self, code: str, size: int) -> Any:
        """One value of struct format `code`, which takes `size` bytes."""
        return unpack_from(f"<{code}", self.data, self.take(size))[0]

    def numbers(self, code: str, size: int) -> list[Any] | None:
        """An array of numbers, None for the null array."""
        count = self._count(size)
        if count < 0:
            return None
        self._charge(count // _NUMBERS_PER_ELEMENT)
        return list(unpack_from(f"<{count}{code}", self.data, self.take(count * size)))

    def count(self, minimum: int) -> int:
        """The length of an array of objects of at least `minimum` bytes; -1 for the null array."""
        count = self._count(minimum)
        self._charge(count)
        return count

    def _charge(self, count: int) -> None:
        self.elements -= count
        if self.elements < 0:
            raise over_limit(f"byte {self.pos}: more than {self.limits.max_elements} elements")

    def _count(self, minimum: int) -> int:
        (count,) = _int32_at(self.data, self.take(4))
        if count < -1:
            raise malformed(f"byte {self.pos - 4}: array length {count}")
        if count > self.limits.max_array_length:
            raise over_limit(f"byte {self.pos - 4}: array of {count} elements")
        if count * (minimum or 1) > self.end - self.pos:
            self._short(count * (minimum or 1))
        return int(count)

    def uint32(self) -> int:
        return int(_uint32_at(self.data, self.take(4))[0])

    # -- strings --------------------------------------------------------------------------------

    def byte_string(self) -> bytes | None:
        stop = self._stop(self.limits.max_byte_string_length)
        if stop < 0:
            return None
        start, self.pos = self.pos, stop
        return self.data[start:stop]

    def string(self) -> str | None:
        stop = self._stop(self.limits.max_string_length)
        if stop < 0:
            return None
        start, self.pos = self.pos, stop
        try:
            return self.data[start:stop].decode()
        except UnicodeDecodeError as error:
            raise malformed(f"byte {start + error.start}: not UTF-8 ({error.reason})") from None

    def _stop(self, limit: int) -> int:
        """Where the string whose length comes next ends, -1 for null; moves behind the length."""
        start = self.pos + 4
        if start > self.end:
            self._short(4)
        (length,) = _int32_at(self.data, self.pos)
        self.pos = start
        stop: int = start + length
        if length < 0:
            if length == -1:
                return -1
            raise malformed(f"byte {start - 4}: length {length}")
        if stop > self.end:
            self._short(length)
        if length > limit:
            raise over_limit(f"byte {start - 4}: {length} bytes, the limit is {limit}")
        return stop

    def xml_element(self) -> ua.XmlElement:
        element = _new(ua.XmlElement)
        element.Value = self.string()
        return element  # type: ignore[no-any-return]

    # -- scalars --------------------------------------------------------------------------------

    def date_time(self) -> Any:
        return from_ticks(_int64_at(self.data, self.take(8))[0])

    def guid(self) -> UUID:
        start = self.take(16)
        return to_guid(self.data[start : start + 16])

    def status_code(self) -> ua.StatusCode:
        return to_status(_uint32_at(self.data, self.take(4))[0])

    def qualified_name(self) -> ua.QualifiedName:
        name = _new(ua.QualifiedName)
        (name.NamespaceIndex,) = _uint16_at(self.data, self.take(2))
        name.Name = self.string()
        return name  # type: ignore[no-any-return]

    def localized_text(self) -> ua.LocalizedText:
        mask = self._mask(0x03, "LocalizedText")
        text = _new(ua.LocalizedText)
        text.Encoding = 0
        text.Locale = self.string() if mask & 0x01 else None
        text.Text = self.string() if mask & 0x02 else None
        return text  # type: ignore[no-any-return]

    def _mask(self, known: int, what: str) -> int:
        mask = self.data[self.take(1)]
        if mask & ~known:
            raise malformed(
                f"byte {self.pos - 1}: {what} with the reserved bits {mask & ~known:#x}"
            )
        return mask

    # -- NodeIds --------------------------------------------------------------------------------

    def node_id(self) -> ua.NodeId:
        node_id = _new(ua.NodeId)
        self._identifier(self.data[self.take(1)], node_id)
        return node_id  # type: ignore[no-any-return]

    def expanded_node_id(self) -> ua.ExpandedNodeId:
        node_id = _new(ua.ExpandedNodeId)
        encoding = self.data[self.take(1)]
        self._identifier(encoding & 0x3F, node_id)
        node_id.NamespaceUri = self.string() if encoding & _namespace_uri_flag else None
        node_id.ServerIndex = self.number("I", 4) if encoding & _server_index_flag else 0
        return node_id  # type: ignore[no-any-return]

    def _identifier(self, encoding: int, node_id: Any) -> None:
        start = self.pos - 1  # of the encoding byte
        if encoding == 3:
            (node_id.NamespaceIndex,) = _uint16_at(self.data, self.take(2))
            node_id.Identifier = self.string() or ""
        elif encoding == 0:
            node_id.Identifier = self.data[self.take(1)]
            node_id.NamespaceIndex = 0
        elif encoding == 1:
            self.take(3)
            node_id.NamespaceIndex, node_id.Identifier = _four_byte_identifier(self.data, start)
        elif encoding == 2:
            self.take(6)
            node_id.NamespaceIndex, node_id.Identifier = _numeric_identifier(self.data, start)
        elif encoding in (4, 5):
            (node_id.NamespaceIndex,) = _uint16_at(self.data, self.take(2))
            node_id.Identifier = self.guid() if encoding == 4 else self.byte_string() or b""
        else:
            raise malformed(f"byte {start}: NodeId encoding {encoding:#04x}")
        node_id.NodeIdType = _NODE_ID_TYPES[encoding]

    # -- nested types ---------------------------------------------------------------------------

    def extension_object(self) -> Any:
        """A standard structure as its object; any other one as ua.ExtensionObject, body kept."""
        type_id = self.node_id()
        encoding = self.data[self.take(1)]
        if encoding == 0:
            return ua.ExtensionObject(TypeId=type_id)
        if encoding > 2:
            raise malformed(f"byte {self.pos - 1}: ExtensionObject encoding {encoding:#04x}")
        if encoding == 1 and type_id.NamespaceIndex == 0:
            codec = STRUCTURES.get(type_id.Identifier)
            if codec is not None:
                return self._body(codec.decode)
        opaque = ua.ExtensionObject(TypeId=type_id, Body=self.byte_string())  # type: ignore[arg-type]
        object.__setattr__(opaque, "Encoding", encoding)
        return opaque

    def _body(self, decode: Callable[[Reader], Any]) -> Any:
        (length,) = _int32_at(self.data, self.take(4))
        outer = self.end
        stop = self.pos + length
        if length < 0 or stop > outer:
            raise malformed(f"byte {self.pos - 4}: structure of {length} bytes")
        self._enter()
        self.end = stop
        value = decode(self)
        self.finish()
        self.end = outer
        self.depth -= 1
        return value

    def data_value(self) -> ua.DataValue:
        """Value, StatusCode, source time, its picoseconds, server time, its picoseconds.

        Picoseconds without their time are dropped, those above 9,999 cut to that (5.2.2.17).
        """
        mask = self._mask(0x3F, "DataValue")
        value = _new(ua.DataValue)
        value.Encoding = 0
        value.Value = self.variant() if mask & 0x01 else ua.Variant()
        value.StatusCode = self.status_code() if mask & 0x02 else to_status(0)
        value.SourceTimestamp = self.date_time() if mask & 0x04 else None
        value.SourcePicoseconds = self._picoseconds(mask & 0x04) if mask & 0x10 else None
        value.ServerTimestamp = self.date_time() if mask & 0x08 else None
        value.ServerPicoseconds = self._picoseconds(mask & 0x08) if mask & 0x20 else None
        return value  # type: ignore[no-any-return]

    def _picoseconds(self, has_time: int) -> int | None:
        count: int = self.number("H", 2)
        return min(count, _LAST_PICOSECONDS) if has_time else None

    def diagnostic_info(self) -> ua.DiagnosticInfo:
        mask = self._mask(0x7F, "DiagnosticInfo")
        info = _new(ua.DiagnosticInfo)
        info.Encoding = 0
        info.SymbolicId = self.number("i", 4) if mask & 0x01 else None
        info.NamespaceURI = self.number("i", 4) if mask & 0x02 else None
        info.Locale = self.number("i", 4) if mask & 0x08 else None
        info.LocalizedText = self.number("i", 4) if mask & 0x04 else None
        info.AdditionalInfo = self.string() if mask & 0x10 else None
        info.InnerStatusCode = self.status_code() if mask & 0x20 else None
        info.InnerDiagnosticInfo = None
        if mask & 0x40:
            self._enter()
            info.InnerDiagnosticInfo = self.diagnostic_info()
            self.depth -= 1
        return info  # type: ignore[no-any-return]

    def variant(self) -> ua.Variant:
        encoding = self.data[self.take(1)]
        type_id = encoding & 0x3F
        if type_id > _HIGHEST_TYPE:
            raise malformed(f"byte {self.pos - 1}: Variant of type {type_id}")
        variant = _new(ua.Variant)
        variant.VariantType = _VARIANT_TYPES[type_id]
        variant.Dimensions = None
        variant.is_array = bool(encoding & _array_flag)
        if type_id in _NESTING:
            self._enter()
        if encoding & _array_flag:
            self._array(type_id, bool(encoding & _dimensions_flag), variant)
        elif encoding & _dimensions_flag or type_id == ua.VariantType.Variant:
            raise malformed(f"byte {self.pos - 1}: Variant with the encoding byte {encoding:#04x}")
        else:
            variant.Value = _SCALARS[type_id](self)
        if type_id in _NESTING:
            self.depth -= 1
        return variant  # type: ignore[no-any-return]

    def _array(self, type_id: int, has_dimensions: bool, variant: Any) -> None:
        variant.Value = value = self._elements(type_id)
        if not has_dimensions:
            return
        dimensions = self.numbers("i", 4) or []
        # Before they are multiplied: the product of many is a number of millions of digits.
        if len(dimensions) > self.limits.max_depth:
            raise over_limit(f"byte {self.pos}: {len(dimensions)} dimensions")
        count = math.prod(dimensions)
        if count != len(value or ()) or min(dimensions, default=0) < 0:
            raise malformed(f"byte {self.pos}: dimensions {dimensions[:8]} of {len(value or ())}")
        variant.Dimensions = dimensions
        if value:
            # Each dimension but the last is a list of lists: a hundred of size 1 cost as much.
            self._charge(sum(accumulate(dimensions[:-1], mul)))
            variant.Value = _reshape(value, dimensions)

    def _elements(self, type_id: int) -> list[Any] | None:
        if type_id in _NUMBERS:
            return self.numbers(*_NUMBERS[type_id])
        if type_id == 0:
            raise malformed(f"byte {self.pos - 1}: array of Null")
        count = self.count(_MINIMUM.get(type_id, 1))
        read = _SCALARS[type_id]
        return None if count < 0 else [read(self) for _ in range(count)]


def _reshape(flat: list[Any], dimensions: list[int]) -> list[Any]:
    for size in reversed(dimensions[1:]):
        flat = [flat[i : i + size] for i in range(0, len(flat), size)]
    return flat


_NODE_ID_TYPES = tuple(ua.NodeIdType(value) for value in range(6))

_NUMBERS = {
    1: ("?", 1),
    2: ("b", 1),
    3: ("B", 1),
    4: ("h", 2),
    5: ("H", 2),
    6: ("i", 4),
    7: ("I", 4),
    8: ("q", 8),
    9: ("Q", 8),
    10: ("f", 4),
    11: ("d", 8),
}


def _number(code: str, size: int) -> Callable[[Reader], Any]:
    unpack = Struct(f"<{code}").unpack_from
    return lambda r: unpack(r.data, r.take(size))[0]


_SCALARS: tuple[Callable[[Reader], Any], ...] = (
    lambda _: None,
    *(_number(code, size) for code, size in _NUMBERS.values()),
    Reader.string,
    Reader.date_time,
    Reader.guid,
    Reader.byte_string,
    Reader.xml_element,
    Reader.node_id,
    Reader.expanded_node_id,
    Reader.status_code,
    Reader.qualified_name,
    Reader.localized_text,
    Reader.extension_object,
    Reader.data_value,
    Reader.variant,
    Reader.diagnostic_info,
    # 26 to 31 are reserved; a decoder takes them for ByteStrings (5.2.2.16).
    *(Reader.byte_string,) * 6,
)
_HIGHEST_TYPE = len(_SCALARS) - 1
_VARIANT_TYPES = tuple(ua.datatype_to_varianttype(t) for t in range(len(_SCALARS)))
_NESTING = frozenset((ua.VariantType.DataValue, ua.VariantType.Variant))
_MINIMUM = {12: 4, 13: 8, 14: 16, 15: 4, 16: 4, 17: 2, 18: 2, 19: 4, 20: 6, 21: 1, 22: 3}
