"""The built-in types that a site file may name, and how their values are written in YAML.

Values stay plain Python: bool, int, float, str and bytes; a DateTime is an int of FILETIME ticks, a
Guid a UUID, a StatusCode an int. Everything else that has a text form (NodeId, LocalizedText, ...)
stays that text.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from biogate_adapters.filetime import from_datetime

_FLOAT_MAX = 3.4028234663852886e38
_NODE_ID = re.compile(r"(?:nsu=(?P<uri>[^;\s]+);)?(?P<kind>[isgb])=(?P<identifier>.+)")


@dataclass(frozen=True, slots=True)
class BuiltInType:
    """`parse` reads a value from YAML and raises ValueError for one that does not fit.

    `allowed` says what fits, `zero` is the value where none is given; `is_number` types may have
    a unit and a range, `whole` ones hold whole numbers only.
    """

    parse: Callable[[object], Any]
    allowed: str
    zero: Any
    is_number: bool = False
    whole: bool = False
    limits: tuple[int, int] | None = None


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError


def _integer(low: int, high: int) -> BuiltInType:
    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError
        return value

    allowed = f"a whole number, {low} to {high}"
    return BuiltInType(parse, allowed, 0, is_number=True, whole=True, limits=(low, high))


def _float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError from error


def _float32(value: object) -> float:
    number = _float(value)
    if _FLOAT_MAX < abs(number) < float("inf"):
        raise ValueError
    return number


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError


def _date_time(value: object) -> int:
    ticks = from_datetime(datetime.fromisoformat(_text(value)))
    if ticks < 0:
        raise ValueError
    return ticks


def _byte_string(value: object) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except binascii.Error as error:
        raise ValueError from error


def node_id_parts(text: str) -> tuple[str, Any]:
    """NamespaceUri ("" for that of OPC UA itself) and identifier. Raises ValueError."""
    match = _NODE_ID.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no NodeId")
    identifier = match["identifier"]
    made: Mapping[str, Callable[[str], Any]] = {
        "i": _numeric_identifier,
        "s": str,
        "g": UUID,
        "b": _byte_string,
    }
    return match["uri"] or "", made[match["kind"]](identifier)


def _numeric_identifier(text: str) -> int:
    number = int(text)
    if not 0 <= number < 1 << 32:
        raise ValueError
    return number


def _node_id(value: object) -> str:
    node_id_parts(_text(value))
    return str(value)


_NODE_ID_FORMS = "text such as i=85, or nsu=urn:example;s=Pump"

BUILT_IN_TYPES: Mapping[str, BuiltInType] = {
    "Boolean": BuiltInType(_boolean, "true or false", zero=False),
    "SByte": _integer(-(2**7), 2**7 - 1),
    "Byte": _integer(0, 2**8 - 1),
    "Int16": _integer(-(2**15), 2**15 - 1),
    "UInt16": _integer(0, 2**16 - 1),
    "Int32": _integer(-(2**31), 2**31 - 1),
    "UInt32": _integer(0, 2**32 - 1),
    "Int64": _integer(-(2**63), 2**63 - 1),
    "UInt64": _integer(0, 2**64 - 1),
    "Float": BuiltInType(_float32, "a number that a Float can hold", 0.0, is_number=True),
    "Double": BuiltInType(_float, "a number", 0.0, is_number=True),
    "String": BuiltInType(_text, "text", ""),
    "DateTime": BuiltInType(
        _date_time, "text such as 2026-07-01T12:00:00Z, with a time zone, after 1600", 0
    ),
    "Guid": BuiltInType(
        lambda value: UUID(_text(value)),
        "text such as 72962b91-fa75-4ae6-8d28-b404dc7daf63",
        UUID(int=0),
    ),
    "ByteString": BuiltInType(_byte_string, "text in Base64", b""),
    "XmlElement": BuiltInType(_text, "text", ""),
    "NodeId": BuiltInType(_node_id, _NODE_ID_FORMS, "i=0"),
    "ExpandedNodeId": BuiltInType(_node_id, _NODE_ID_FORMS, "i=0"),
    "StatusCode": BuiltInType(_integer(0, 2**32 - 1).parse, "a code such as 0x803C0000", 0),
    "QualifiedName": BuiltInType(_text, "text (a name in this section's namespace)", ""),
    "LocalizedText": BuiltInType(_text, "text", ""),
}
"""By name, as Part 3, 8 and Part 6, 5.1.2 spell them."""


def enumeration_type(names: tuple[str, ...]) -> BuiltInType:
    """An enumeration: its values are written by name and kept by number."""

    def parse(value: object) -> int:
        return names.index(_text(value))

    return BuiltInType(parse, ", ".join(names), 0)
