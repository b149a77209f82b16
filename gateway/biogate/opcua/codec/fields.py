"""How each data type lies on the wire, as fragments of the functions that `structures` generates.

Part 6, 5.2.2 (built-in types), 5.2.4 (enumerations), 5.2.5 (arrays), 5.2.7 (optional fields).
"""

from __future__ import annotations

import struct
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from enum import IntEnum, IntFlag
from typing import Any
from uuid import UUID

from biogate.opcua.codec.datetimes import from_ticks, to_ticks
from biogate.opcua.stack import StatusCodes, ua

_new: Callable[[Any], Any] = object.__new__


def to_status(code: int) -> ua.StatusCode:
    """The StatusCode object of a number."""
    status = _new(ua.StatusCode)
    status.value = code
    return typing.cast(ua.StatusCode, status)


def from_status(status: ua.StatusCode | int | None) -> int:
    """The number of a StatusCode, given as object, as number or left out (Good)."""
    if isinstance(status, int):
        return status
    return StatusCodes.Good if status is None else int(status.value)


def to_guid(raw: bytes) -> UUID:
    """The Guid of its 16 wire bytes, the first three groups little-endian (5.2.2.6)."""
    return UUID(bytes_le=raw)


def from_guid(guid: UUID | None) -> bytes:
    """The 16 wire bytes of a Guid; no Guid is sixteen zeros."""
    return bytes(16) if guid is None else guid.bytes_le


@dataclass(frozen=True, slots=True)
class Kind:
    """One data type: the smallest number of bytes it takes, and the code that moves it.

    `code` is the struct format of a type of fixed size; `load` and `store` turn the raw value
    into the object and back. A type of variable size has no `code`: `load` reads it from `r` and
    `store` writes it to `w`. `{}` stands for the value; `names` are what the fragments refer to.
    """

    size: int
    load: str
    store: str
    code: str = ""
    names: tuple[tuple[str, Any], ...] = ()

    @property
    def plain(self) -> bool:
        """Whether an array of it is an array of raw numbers."""
        return bool(self.code) and self.load == self.store == "{}"


def _fixed(code: str, load: str = "{}", store: str = "{}", *names: tuple[str, Any]) -> Kind:
    return Kind(struct.calcsize(f"<{code}"), load, store, code, names)


def _variable(method: str, size: int) -> Kind:
    return Kind(size, f"r.{method}()", f"w.{method}({{}})")


_BUILT_IN: dict[Any, Kind] = {
    ua.Boolean: _fixed("?"),
    ua.SByte: _fixed("b"),
    ua.Byte: _fixed("B"),
    ua.Int16: _fixed("h"),
    ua.UInt16: _fixed("H"),
    ua.Int32: _fixed("i"),
    ua.UInt32: _fixed("I"),
    ua.Int64: _fixed("q"),
    ua.UInt64: _fixed("Q"),
    ua.Float: _fixed("f"),
    ua.Double: _fixed("d"),
    ua.DateTime: _fixed(
        "q", "from_ticks({})", "to_ticks({})", ("from_ticks", from_ticks), ("to_ticks", to_ticks)
    ),
    ua.Guid: _fixed(
        "16s", "to_guid({})", "from_guid({})", ("to_guid", to_guid), ("from_guid", from_guid)
    ),
    ua.StatusCode: _fixed(
        "I",
        "to_status({})",
        "from_status({})",
        ("to_status", to_status),
        ("from_status", from_status),
    ),
    ua.String: _variable("string", 4),
    ua.CharArray: _variable("string", 4),
    ua.ByteString: _variable("byte_string", 4),
    ua.XmlElement: _variable("xml_element", 4),
    ua.NodeId: _variable("node_id", 2),
    ua.ExpandedNodeId: _variable("expanded_node_id", 2),
    ua.QualifiedName: _variable("qualified_name", 6),
    ua.LocalizedText: _variable("localized_text", 1),
    ua.ExtensionObject: _variable("extension_object", 3),
    ua.DataValue: _variable("data_value", 1),
    ua.Variant: _variable("variant", 1),
    ua.DiagnosticInfo: _variable("diagnostic_info", 1),
}


def _enumeration(data_type: type[IntEnum] | type[IntFlag]) -> Kind:
    # A number that the enumeration lacks stays a number: the service decides which Bad code it
    # earns, and IntFlag would keep every combination that a peer makes up in memory for ever.
    members = data_type._value2member_map_

    def to_member(value: int) -> Any:
        return members.get(value, value)

    base = "Int32"
    if issubclass(data_type, IntFlag):
        base = data_type.datatype() if hasattr(data_type, "datatype") else "UInt32"
    name = f"to_{data_type.__name__}"
    return _fixed(_BUILT_IN[getattr(ua, base)].code, f"{name}({{}})", "{}", (name, to_member))


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a structure, in wire order."""

    name: str
    kind: Kind
    array: bool
    optional: bool

    @property
    def minimum(self) -> int:
        """The fewest bytes that the field takes."""
        if self.optional:
            return 0
        return 4 if self.array else self.kind.size


# asyncua takes this String, whose name is that of the mask of optional fields, for such a mask.
_CORRECTED: dict[tuple[str, str], Kind] = {
    ("SessionSecurityDiagnosticsDataType", "Encoding"): Kind(
        4, "r.string()", "w.string({} or None)"
    ),
}


def fields_of(cls: type, codec_of: Callable[[type], Any]) -> tuple[Field, ...]:
    """The fields of the dataclass `cls`.

    `codec_of(structure)` must give an object with `decode(r)`, `encode(w, value)` and `minimum`.
    Raises NameError or AttributeError when a type that a field names does not exist, and
    TypeError when it cannot be on the wire.
    """
    hints = typing.get_type_hints(cls, localns={"ua": ua})
    result = []
    for field in fields(cls):
        corrected = _CORRECTED.get((cls.__name__, field.name))
        if corrected:
            result.append(Field(field.name, corrected, array=False, optional=False))
        elif field.name != "Encoding" or hints[field.name] not in (ua.Byte, ua.UInt32):
            result.append(describe(field.name, hints[field.name], codec_of))
    return tuple(result)


def describe(name: str, hint: Any, codec_of: Callable[[type], Any]) -> Field:
    """The Field of a type hint such as `list[ua.String] | None`."""
    optional = array = False
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        (hint,) = (option for option in typing.get_args(hint) if option is not types.NoneType)
        optional = True
    if typing.get_origin(hint) is list:
        (hint,) = typing.get_args(hint)
        array = True
    return Field(name, _kind_of(hint, codec_of), array, optional)


def _kind_of(hint: Any, codec_of: Callable[[type], Any]) -> Kind:
    if typing.get_origin(hint) is type:  # a field of an abstract structure travels with its type
        return _BUILT_IN[ua.ExtensionObject]
    if hint in _BUILT_IN:
        return _BUILT_IN[hint]
    if isinstance(hint, type) and issubclass(hint, IntEnum | IntFlag):
        return _enumeration(hint)
    if is_dataclass(hint) and isinstance(hint, type):
        codec = codec_of(hint)
        name = f"codec_of_{hint.__name__}"
        return Kind(
            codec.minimum, f"{name}.decode(r)", f"{name}.encode(w, {{}})", "", ((name, codec),)
        )
    raise TypeError(f"{hint!r} is no OPC UA data type")
