"""Where the Value attribute of a Variable comes from: a tag, a constant, or a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from biogate.opcua.stack import ua


@dataclass(frozen=True, slots=True)
class TagSource:
    """A tag shown as one built-in type: the same tag may be a Double here and a Float there.

    `name` and `device` say which tag and device it is, for policy and audit. `writable` makes
    the Variable a set-point: writes go to the command port.
    """

    tag: int
    projection: ua.VariantType
    name: str = ""
    device: str = ""
    writable: bool = False


@dataclass(frozen=True, slots=True)
class StaticSource:
    """A constant: the Value as an encoded Variant (Part 6, 5.2.2.16)."""

    value: bytes


@dataclass(frozen=True, slots=True)
class CallSource:
    """A value made when it is asked for: a new DataValue each time. Must be quick, and not wait."""

    read: Callable[[], ua.DataValue]


ValueSource = TagSource | StaticSource | CallSource
