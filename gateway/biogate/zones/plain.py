"""Frozen data classes of the core as plain data for a zone's process, and back.

Only classes of the table below are made, so that data never names what code runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

import msgspec

from biogate.opcua.config import FrontEndConfig, Limits
from biogate_security.policy import Action, WriteLimits
from biogate_security.zones.model import Conduit, ConduitRule, SecurityLevels, Zone, ZoneTable
from biogate_security.zones.parts import PartPattern
from biogate_security.zones.window import Window

_CLASSES: Mapping[str, Any] = {
    each.__name__: each
    for each in (
        Action, Conduit, ConduitRule, FrontEndConfig, Limits, PartPattern, SecurityLevels, Window,
        WriteLimits, Zone, ZoneTable,
    )
}  # fmt: skip


def encode(value: Any) -> bytes:
    """The value as MessagePack. Raises TypeError for a class that is not in the table."""
    return msgspec.msgpack.encode(_plain(value))


def decode(data: bytes) -> Any:
    """What `encode` was given; mappings cannot be changed, sequences are tuples."""
    return _restored(msgspec.msgpack.decode(data))


def _plain(value: Any) -> Any:
    if value is None or type(value) in (bool, int, float, str, bytes):
        return value
    if isinstance(value, tuple | list):
        return ["", *map(_plain, value)]
    if isinstance(value, frozenset):
        return ["set", *map(_plain, value)]
    if isinstance(value, Mapping):
        return ["map", *(_plain(each) for pair in value.items() for each in pair)]
    name = type(value).__name__
    if _CLASSES.get(name) is not type(value):
        raise TypeError(f"{type(value).__qualname__} is not for a zone's process")
    if isinstance(value, Enum):
        return [name, value.value]
    assert is_dataclass(value)
    given = {each.name: _plain(getattr(value, each.name)) for each in fields(value) if each.init}
    return [name, given]


def _restored(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    kind, *content = value
    if kind not in ("", "set", "map"):
        return _made(kind, content[0])
    items = tuple(map(_restored, content))
    if kind == "map":
        return MappingProxyType(dict(zip(items[::2], items[1::2], strict=True)))
    return frozenset(items) if kind == "set" else items


def _made(kind: str, content: Any) -> Any:
    made = _CLASSES[kind]
    if isinstance(content, dict):
        return made(**{name: _restored(each) for name, each in content.items()})
    return made(content)
