"""Writes OPC UA Binary (Part 6, 5.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from struct import Struct, pack
from typing import Any
from uuid import UUID

from biogate.opcua.codec.datetimes import to_ticks
from biogate.opcua.codec.encoded import EncodedVariant
from biogate.opcua.codec.fields import from_guid, from_status
from biogate.opcua.codec.limits import EncodeError
from biogate.opcua.codec.structures import codec_of, encoding_id
from biogate.opcua.stack import node_id, ua

_NULL_LENGTH = b"\xff\xff\xff\xff"
_length = Struct("<i").pack
_status = Struct("<I").pack
_ticks = Struct("<q").pack
_picoseconds = Struct("<H").pack
_four_byte = Struct("<BBH").pack
_numeric = Struct("<BHI").pack
_namespaced = Struct("<BH").pack


class Writer:
    """Appends values to `buffer`.

    Types are asyncua's; a DateTime may be a datetime or ticks, a StatusCode may be a number, a
    Variant may be an EncodedVariant. A value of the wrong type raises EncodeError, struct.error,
    TypeError or AttributeError; `encode_message` and `encode_variant` make one EncodeError of
    them.
    """

    __slots__ = ("buffer",)

    def __init__(self) -> None:
        self.buffer = bytearray()

    # -- numbers and lengths --------------------------------------------------------------------

    def number(self, code: str, value: Any) -> None:
        """One value of struct format `code`."""
        self.buffer += pack(f"<{code}", value)

    def numbers(self, code: str, values: Sequence[Any] | None) -> None:
        """An array of numbers; None is the null array."""
        if values is None:
            self.buffer += _NULL_LENGTH
        else:
            self.buffer += pack(f"<i{len(values)}{code}", len(values), *values)

    def count(self, values: Sequence[Any] | None) -> None:
        """The length of an array whose elements follow; None is the null array."""
        self.buffer += _NULL_LENGTH if values is None else _length(len(values))

    def uint32(self, value: int) -> None:
        self.number("I", value)

    # -- strings --------------------------------------------------------------------------------

    def byte_string(self, value: bytes | None) -> None:
        if value is None:
            self.buffer += _NULL_LENGTH
        else:
            self.buffer += _length(len(value)) + value

    def string(self, value: str | None) -> None:
        if value is None:
            self.buffer += _NULL_LENGTH
        else:
            raw = value.encode()
            self.buffer += _length(len(raw)) + raw

    def xml_element(self, value: ua.XmlElement | str | None) -> None:
        self.string(value.Value if isinstance(value, ua.XmlElement) else value)

    # -- scalars --------------------------------------------------------------------------------

    def date_time(self, value: datetime | int | None) -> None:
        self.buffer += _ticks(to_ticks(value))

    def guid(self, value: UUID | None) -> None:
        self.buffer += from_guid(value)

    def status_code(self, value: ua.StatusCode | int | None) -> None:
        self.buffer += _status(from_status(value))

    def qualified_name(self, value: ua.QualifiedName) -> None:
        self.number("H", value.NamespaceIndex)
        self.string(value.Name)

    def localized_text(self, value: ua.LocalizedText) -> None:
        locale, text = value.Locale, value.Text
        self.buffer.append((locale is not None) | (text is not None) << 1)
        if locale is not None:
            self.string(locale)
        if text is not None:
            self.string(text)

    # -- NodeIds --------------------------------------------------------------------------------

    def node_id(self, value: ua.NodeId | None) -> None:
        """The most compact form; None is the null NodeId."""
        if isinstance(value, ua.ExpandedNodeId) and (value.NamespaceUri or value.ServerIndex):
            raise EncodeError(f"{value} names a namespace or server that a NodeId cannot")
        self._identifier(value)

    def expanded_node_id(self, value: ua.NodeId | None) -> None:
        """With a NamespaceUri the NamespaceIndex is 0 on the wire (5.2.2.10)."""
        start = len(self.buffer)
        if not isinstance(value, ua.ExpandedNodeId):
            self._identifier(value)
            return
        if value.NamespaceUri and value.NamespaceIndex:
            self._identifier(node_id(value.Identifier, 0))
        else:
            self._identifier(value)
        if value.NamespaceUri:
            self.buffer[start] |= 0x80
            self.string(value.NamespaceUri)
        if value.ServerIndex:
            self.buffer[start] |= 0x40
            self.number("I", value.ServerIndex)

    def _identifier(self, value: ua.NodeId | None) -> None:
        if value is None:
            self.buffer += b"\0\0"
            return
        identifier: Any = value.Identifier
        namespace = value.NamespaceIndex
        if isinstance(identifier, int):
            if namespace == 0 and 0 <= identifier <= 0xFF:
                self.buffer += bytes((0, identifier))
            elif namespace <= 0xFF and 0 <= identifier <= 0xFFFF:
                self.buffer += _four_byte(1, namespace, identifier)
            else:
                self.buffer += _numeric(2, namespace, identifier)
        elif isinstance(identifier, str):
            self.buffer += _namespaced(3, namespace)
            self.string(identifier)
        elif isinstance(identifier, UUID):
            self.buffer += _namespaced(4, namespace) + identifier.bytes_le
        elif isinstance(identifier, bytes):
            self.buffer += _namespaced(5, namespace)
            self.byte_string(identifier)
        else:
            raise EncodeError(f"{identifier!r} is no identifier of a NodeId")

    # -- nested types ---------------------------------------------------------------------------

    def extension_object(self, value: Any) -> None:
        """A structure with the NodeId of its encoding, an opaque ua.ExtensionObject, or None."""
        if value is None:
            self.buffer += b"\0\0\0"
        elif isinstance(value, ua.ExtensionObject):
            self.node_id(value.TypeId)
            if value.Body is None:
                self.buffer.append(0)
            else:
                self.buffer.append(value.Encoding or 1)
                self.byte_string(value.Body)
        else:
            self.node_id(encoding_id(type(value)))
            self.buffer += b"\x01\0\0\0\0"
            start = len(self.buffer)
            codec_of(type(value)).encode(self, value)
            self.buffer[start - 4 : start] = _length(len(self.buffer) - start)

    def data_value(self, value: ua.DataValue) -> None:
        """Value, StatusCode, source time, its picoseconds, server time, its picoseconds.

        A Null value, a Good status, no time and no picoseconds are left out, as 5.2.2.17 has it.
        """
        buffer = self.buffer
        start = len(buffer)
        buffer.append(0)
        mask = 0
        self.variant(value.Value)
        if len(buffer) == start + 2 and not buffer[-1]:
            del buffer[-1]  # the value is Null
        else:
            mask = 0x01
        status = from_status(value.StatusCode)
        if status:
            mask |= 0x02
            buffer += _status(status)
        source = to_ticks(value.SourceTimestamp)
        if source:
            mask |= 0x04
            buffer += _ticks(source)
            if value.SourcePicoseconds:
                mask |= 0x10
                buffer += _picoseconds(value.SourcePicoseconds)
        server = to_ticks(value.ServerTimestamp)
        if server:
            mask |= 0x08
            buffer += _ticks(server)
            if value.ServerPicoseconds:
                mask |= 0x20
                buffer += _picoseconds(value.ServerPicoseconds)
        buffer[start] = mask

    def diagnostic_info(self, value: ua.DiagnosticInfo) -> None:
        start = len(self.buffer)
        self.buffer.append(0)
        mask = 0
        for bit, name, write in _DIAGNOSTIC_FIELDS:
            part = getattr(value, name)
            if part is not None:
                mask |= bit
                write(self, part)
        self.buffer[start] = mask

    def variant(self, value: ua.Variant | EncodedVariant | None) -> None:
        if isinstance(value, EncodedVariant):
            self.buffer += value
            return
        if value is None:
            self.buffer.append(0)
            return
        content = value.Value
        if isinstance(content, EncodedVariant):
            self.buffer += content
            return
        type_id: Any = value.VariantType  # indexes like the number that it is
        if isinstance(type_id, ua.VariantTypeCustom):
            type_id = type_id.value
        if value.is_array or isinstance(content, list | tuple):
            self._array(type_id, content, value.Dimensions)
        elif type_id == ua.VariantType.Variant:
            raise EncodeError("a Variant holds Variants only in an array")
        else:
            self.buffer.append(type_id)
            _SCALARS[type_id](self, content)

    def _array(self, type_id: int, content: Any, dimensions: Sequence[int] | None) -> None:
        flat = _flatten(content)
        if dimensions is not None and math.prod(dimensions) != len(flat or ()):
            raise EncodeError(f"{len(flat or ())} elements in an array of dimensions {dimensions}")
        if dimensions is not None and (len(dimensions) < 2 or min(dimensions) <= 0):
            dimensions = None  # 5.2.2.16: one array, or an empty one
        self.buffer.append(type_id | 0x80 | (0 if dimensions is None else 0x40))
        if type_id in _NUMBERS:
            self.numbers(_NUMBERS[type_id], flat)
        else:
            self.count(flat)
            write = _SCALARS[type_id]
            for element in flat or ():
                write(self, element)
        if dimensions is not None:
            self.numbers("i", dimensions)


def _flatten(content: Any) -> Any:
    while content and isinstance(content[0], list | tuple):
        if len({len(part) for part in content}) > 1:
            raise EncodeError("the rows of a matrix have different lengths")
        content = [element for part in content for element in part]
    return content


_DIAGNOSTIC_FIELDS: tuple[tuple[int, str, Callable[[Writer, Any], None]], ...] = (
    (0x01, "SymbolicId", lambda w, v: w.number("i", v)),
    (0x02, "NamespaceURI", lambda w, v: w.number("i", v)),
    (0x08, "Locale", lambda w, v: w.number("i", v)),
    (0x04, "LocalizedText", lambda w, v: w.number("i", v)),
    (0x10, "AdditionalInfo", Writer.string),
    (0x20, "InnerStatusCode", Writer.status_code),
    (0x40, "InnerDiagnosticInfo", Writer.diagnostic_info),
)

_NUMBERS = dict(enumerate("?bBhHiIqQfd", start=1))


def _number(code: str) -> Callable[[Writer, Any], None]:
    to_bytes = Struct(f"<{code}").pack

    def write(writer: Writer, value: Any) -> None:
        writer.buffer += to_bytes(value)

    return write


_SCALARS: tuple[Callable[[Writer, Any], None], ...] = (
    lambda _writer, _value: None,
    *map(_number, _NUMBERS.values()),
    Writer.string,
    Writer.date_time,
    Writer.guid,
    Writer.byte_string,
    Writer.xml_element,
    Writer.node_id,
    Writer.expanded_node_id,
    Writer.status_code,
    Writer.qualified_name,
    Writer.localized_text,
    Writer.extension_object,
    Writer.data_value,
    Writer.variant,
    Writer.diagnostic_info,
    *(Writer.byte_string,) * 6,
)
