"""OPC UA Binary, writing only, for the values in nodesets (Part 6, 5.2)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from uuid import UUID

from asyncua import ua

ARRAY = 0x80
DIMENSIONS = 0x40

_INT32 = struct.Struct("<i").pack
_UINT16 = struct.Struct("<H").pack
_UINT32 = struct.Struct("<I").pack

# Built-in types (Part 6, Table 1) whose encoding struct can do.
NUMERIC: dict[str, Callable[..., bytes]] = {
    name: struct.Struct(code).pack
    for name, code in {
        "SByte": "<b",
        "Byte": "<B",
        "Int16": "<h",
        "UInt16": "<H",
        "Int32": "<i",
        "UInt32": "<I",
        "Int64": "<q",
        "UInt64": "<Q",
        "Float": "<f",
        "Double": "<d",
    }.items()
}


def boolean(value: bool) -> bytes:
    """Encode a Boolean."""
    return b"\x01" if value else b"\x00"


def byte_string(value: bytes | None) -> bytes:
    """Encode a ByteString; None is the null string."""
    return _INT32(-1) if value is None else _INT32(len(value)) + value


def string(value: str | None) -> bytes:
    """Encode a String as UTF-8; None is the null string."""
    return byte_string(None if value is None else value.encode())


def array(items: list[bytes]) -> bytes:
    """Encode an array of elements that are encoded already."""
    return _INT32(len(items)) + b"".join(items)


def node_id(value: ua.NodeId) -> bytes:
    """Encode a NodeId in its shortest form (Part 6, 5.2.2.9)."""
    identifier, namespace = value.Identifier, value.NamespaceIndex
    if isinstance(identifier, int):
        if namespace == 0 and identifier < 0x100:
            return bytes((0, identifier))
        if namespace < 0x100 and identifier < 0x10000:
            return bytes((1, namespace)) + _UINT16(identifier)
        return b"\x02" + _UINT16(namespace) + _UINT32(identifier)
    if isinstance(identifier, str):
        return b"\x03" + _UINT16(namespace) + string(identifier)
    if isinstance(identifier, UUID):
        return b"\x04" + _UINT16(namespace) + identifier.bytes_le
    return b"\x05" + _UINT16(namespace) + byte_string(identifier)


def qualified_name(value: ua.QualifiedName) -> bytes:
    """Encode a QualifiedName."""
    return _UINT16(value.NamespaceIndex) + string(value.Name)


def localized_text(locale: str | None, text: str | None) -> bytes:
    """Encode a LocalizedText; what is None is left out."""
    mask = (locale is not None) | (text is not None) << 1
    parts = [string(part) for part in (locale, text) if part is not None]
    return bytes((mask,)) + b"".join(parts)


def extension_object(type_id: ua.NodeId, body: bytes) -> bytes:
    """Encode an ExtensionObject whose body is binary (Part 6, 5.2.2.15)."""
    return node_id(type_id) + b"\x01" + byte_string(body)


NULL_EXTENSION_OBJECT = b"\x00\x00\x00"
NULL_VARIANT = b"\x00"


def variant(type_: int, value: bytes) -> bytes:
    """Encode a scalar Variant of a built-in type (Part 6, 5.2.2.16)."""
    return bytes((type_,)) + value


def variant_array(type_: int, items: list[bytes], dimensions: list[int] | None = None) -> bytes:
    """Encode an array Variant; `dimensions` when there is more than one."""
    mask = type_ | ARRAY | (DIMENSIONS if dimensions else 0)
    shape = array([_INT32(length) for length in dimensions]) if dimensions else b""
    return bytes((mask,)) + array(items) + shape
