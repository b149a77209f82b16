"""node-opcua's codec in a process of its own, and what it should say of a value of ours."""

from __future__ import annotations

import json
import struct
import subprocess
import types
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from e2e.driving import NODE_CLIENT

from biogate.opcua.stack import ua

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PICOSECONDS_PER_UNIT = 10


class NodeCodec:
    """Asks the process (e2e/node_client/codec.mjs) one thing after the other."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[NodeCodec]:
        """The process, until the block ends."""
        command = ("node", "codec.mjs")
        with subprocess.Popen(
            command,
            cwd=NODE_CLIENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                yield cls(process)
            finally:
                process.stdin.close()  # type: ignore[union-attr]
                process.wait(10)

    def ask(self, op: str, **arguments: Any) -> Any:
        """Do one operation; raises RuntimeError with its message when it fails."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"op": op, **arguments}).encode() + b"\n")
        self._process.stdin.flush()
        while line := self._process.stdout.readline():
            if line.startswith(b"{"):
                answer = json.loads(line)
                if "error" in answer:
                    raise RuntimeError(answer["error"])
                return answer["ok"]
        raise RuntimeError("node-opcua's codec has ended: is tests/e2e/node_client installed?")


# -- what it should say ----------------------------------------------------------------------------


def _double(value: float) -> str:
    return struct.pack("<d", value).hex()


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _UNIX_EPOCH) // timedelta(milliseconds=1)


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def _node_id(value: ua.NodeId) -> list[Any]:
    identifier: Any = value.Identifier
    if isinstance(identifier, UUID):
        return [value.NamespaceIndex, "GUID", str(identifier).upper()]
    if isinstance(identifier, bytes):
        return [value.NamespaceIndex, "BYTESTRING", identifier.hex()]
    kind = "STRING" if isinstance(identifier, str) else "NUMERIC"
    return [value.NamespaceIndex, kind, identifier]


def _expanded(value: ua.ExpandedNodeId) -> list[Any]:
    return [*_node_id(value), value.NamespaceUri or None, value.ServerIndex]


def _extension_object(value: Any) -> Any:
    if value is None or (isinstance(value, ua.ExtensionObject) and value.Body is None):
        return None
    if isinstance(value, ua.ExtensionObject):
        return [_node_id(value.TypeId), _hex(value.Body)]
    return [type(value).__name__, structure(value)]


def data_value(value: ua.DataValue) -> list[Any]:
    """Value, status, times in ms and their picoseconds."""
    assert value.StatusCode is not None
    return [
        variant(value.Value),
        value.StatusCode.value,
        _milliseconds(value.SourceTimestamp),
        (value.SourcePicoseconds or 0) * _PICOSECONDS_PER_UNIT,
        _milliseconds(value.ServerTimestamp),
        (value.ServerPicoseconds or 0) * _PICOSECONDS_PER_UNIT,
    ]


def variant(value: Any) -> list[Any]:
    """Type and content of a Variant; flat content and dimensions of an array."""
    name = value.VariantType.name
    one = _BUILT_IN[name]
    if not value.is_array:
        return [name, one(value.Value)]
    flat = value.Value
    for _ in (value.Dimensions or [0])[1:]:
        flat = [element for row in flat for element in row]
    content = None if flat is None else [one(element) for element in flat]
    return [name, content, value.Dimensions]


def diagnostic_info(value: Any) -> list[Any]:
    """All fields, those that are missing with their defaults."""
    numbers = (value.SymbolicId, value.NamespaceURI, value.Locale, value.LocalizedText)
    inner = value.InnerDiagnosticInfo
    return [
        *(-1 if number is None else number for number in numbers),
        value.AdditionalInfo,
        value.InnerStatusCode.value if value.InnerStatusCode else 0,
        diagnostic_info(inner) if inner is not None else None,
    ]


def _same(value: Any) -> Any:
    return value


_BUILT_IN: dict[str, Callable[[Any], Any]] = {
    "Null": _same,
    "Boolean": _same,
    "SByte": _same,
    "Byte": _same,
    "Int16": _same,
    "UInt16": _same,
    "Int32": _same,
    "UInt32": _same,
    "Int64": str,
    "UInt64": str,
    "Float": _double,
    "Double": _double,
    "String": _same,
    "CharArray": _same,
    "DateTime": _milliseconds,
    "Guid": lambda v: str(v).upper(),
    "ByteString": _hex,
    "XmlElement": lambda v: v.Value,
    "NodeId": _node_id,
    "ExpandedNodeId": _expanded,
    "StatusCode": lambda v: v.value,
    "QualifiedName": lambda v: [v.NamespaceIndex, v.Name],
    "LocalizedText": lambda v: [v.Locale, v.Text],
    "ExtensionObject": _extension_object,
    "DataValue": data_value,
    "Variant": variant,
    "DiagnosticInfo": diagnostic_info,
}


def structure(value: Any) -> list[Any]:
    """The fields of a structure in wire order, those of its base first."""
    hints = typing.get_type_hints(type(value), localns={"ua": ua})
    described: list[Any] = []
    for field in fields(value):
        if field.name == "TypeId" or field.init is False:
            continue
        content = getattr(value, field.name)
        if field.name == "Parameters" and is_dataclass(content):  # asyncua's own grouping
            described += structure(content)
        else:
            described.append(_field(hints[field.name], content))
    return described


def _field(hint: Any, value: Any) -> Any:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        (hint,) = (h for h in typing.get_args(hint) if h is not types.NoneType)
    if typing.get_origin(hint) is list:
        return [_field(typing.get_args(hint)[0], element) for element in value or ()]
    if typing.get_origin(hint) is type:
        return _extension_object(value)
    if value is None:
        return None
    if hint.__name__ in _BUILT_IN:
        return _BUILT_IN[hint.__name__](value)
    if issubclass(hint, Enum):
        return int(value)
    return structure(value)


def plain(value: Any) -> Any:
    """The value as it is after a trip through JSON."""
    return json.loads(json.dumps(value))
