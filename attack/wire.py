"""OPC UA Binary by hand (Part 6, 5.2): bytes out of values, right or wrong as the caller says."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import cache
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary

NULL_NODE = b"\x00\x00"
NO_EXTENSION = b"\x00\x00\x00"
NOW = 133_000_000_000_000_000
"""A timestamp, in FILETIME ticks."""

BOOLEAN, BYTE, INT32, UINT32, FLOAT, DOUBLE, STRING, DATE_TIME = 1, 3, 6, 7, 10, 11, 12, 13
BYTE_STRING, NODE_ID, STATUS_CODE, EXTENSION, DATA_VALUE, VARIANT = 15, 17, 19, 22, 23, 24
DIAGNOSTIC_INFO = 25
"""Built-in types (5.1.2)."""


def u8(value: int) -> bytes:
    return struct.pack("<B", value)


def u16(value: int) -> bytes:
    return struct.pack("<H", value)


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def i32(value: int) -> bytes:
    return struct.pack("<i", value)


def i64(value: int) -> bytes:
    return struct.pack("<q", value)


def f64(value: float) -> bytes:
    return struct.pack("<d", value)


def text(value: str | bytes | None) -> bytes:
    """A String or ByteString."""
    if value is None:
        return i32(-1)
    raw = value.encode() if isinstance(value, str) else value
    return i32(len(raw)) + raw


def node(identifier: int | str | bytes, namespace: int = 0) -> bytes:
    """A NodeId: numeric, string or opaque."""
    if isinstance(identifier, int):
        return u8(2) + u16(namespace) + u32(identifier)
    return u8(3 if isinstance(identifier, str) else 5) + u16(namespace) + text(identifier)


def qualified(name: str, namespace: int = 0) -> bytes:
    return u16(namespace) + text(name)


def extension(type_id: int, body: bytes, encoding: int = 1) -> bytes:
    """An ExtensionObject."""
    return node(type_id) + u8(encoding) + text(body)


def array(items: Iterable[bytes]) -> bytes:
    each = list(items)
    return i32(len(each)) + b"".join(each)


def scalar(type_id: int, body: bytes) -> bytes:
    """A Variant of one value."""
    return u8(type_id) + body


def variants(
    type_id: int, items: Iterable[bytes], dimensions: Iterable[int] | None = None
) -> bytes:
    """A Variant of an array, a matrix if it has dimensions."""
    flags = 0x80 if dimensions is None else 0xC0
    shape = b"" if dimensions is None else array(i32(size) for size in dimensions)
    return u8(type_id | flags) + array(items) + shape


def data_value(variant: bytes, status: int | None = None, source: int | None = None) -> bytes:
    mask = 1 | (0 if status is None else 2) | (0 if source is None else 4)
    body = variant + (b"" if status is None else u32(status))
    return u8(mask) + body + (b"" if source is None else i64(source))


def read_id(node_id: bytes, attribute: int = 13, index_range: str | bytes | None = None) -> bytes:
    """A ReadValueId."""
    return node_id + u32(attribute) + text(index_range) + qualified("")


def write_value(
    node_id: bytes, value: bytes, attribute: int = 13, index_range: str | None = None
) -> bytes:
    """A WriteValue; `value` is a DataValue."""
    return node_id + u32(attribute) + text(index_range) + value


def header(
    token: bytes = NULL_NODE,
    handle: int = 1,
    *,
    audit: str | bytes | None = None,
    hint: int = 0,
    additional: bytes = NO_EXTENSION,
) -> bytes:
    """A RequestHeader; `token` is an encoded NodeId."""
    start = token + i64(NOW) + u32(handle) + u32(0) + text(audit)
    return start + u32(hint) + additional


@cache
def encoding_id(message: str) -> int:
    """The NodeId of a message's binary encoding."""
    return int(getattr(ua.ObjectIds, f"{message}_Encoding_DefaultBinary"))


@cache
def _class_of(type_id: int) -> Any:
    known = ua.extension_objects_by_typeid.items()
    return next((kind for node_id, kind in known if node_id.Identifier == type_id), None)


def request(message: str, parameters: bytes, token: bytes = NULL_NODE, **fields: Any) -> bytes:
    """A whole request: type, RequestHeader, parameters."""
    return node(encoding_id(message)) + header(token, **fields) + parameters


def encoded(structure: Any) -> bytes:
    """The body of a structure of asyncua's, for what is to be right."""
    return bytes(ua_binary.struct_to_binary(structure))


def decoded(message: bytes) -> Any:
    """A response by asyncua, which had no part in encoding it."""
    buffer = Buffer(message)
    type_id = ua_binary.nodeid_from_binary(buffer)
    kind = _class_of(type_id.Identifier)
    if kind is None:
        raise ValueError(f"a message of type {type_id}")
    return ua_binary.struct_from_binary(kind, Buffer(message))


def status_name(status: int) -> str:
    """Such as BadTimeout."""
    return ua.status_codes.code_to_name_doc.get(status, (f"0x{status:08X}", ""))[0]
