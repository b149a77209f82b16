"""Where the Value attribute of a Variable comes from: a tag, a constant, or a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from biogate.opcua.ports import TagReader
from biogate.opcua.stack import ua
from biogate.tags.table import NUMBER_RANGES
from biogate_adapters.status import is_bad

_SCALAR = -1


@dataclass(frozen=True, slots=True)
class TagSource:
    """A tag shown as one built-in type: the same tag may be a Double here and a Float there.

    `name` and `device` say which tag and device it is, for policy and audit. `writable` makes
    the Variable a set-point: writes go to the command port.

    `stored`: there is no device, the value is what was written last, with its status and
    SourceTimestamp. Then `projection` is what `stored_projection` says. `unaudited`: its writes
    leave no audit record (only where the site says so).
    """

    tag: int
    projection: ua.VariantType
    name: str = ""
    device: str = ""
    writable: bool = False
    stored: bool = False
    unaudited: bool = False


def stored_projection(built_in: ua.VariantType | None, value_rank: int) -> ua.VariantType:
    """How a stored Variable is kept, by the built-in type of its DataType (None: abstract).

    A scalar number lives in the tag's number column; `Variant` stands for everything else: the
    tag holds a `ua.Variant`, which is shown as it is.
    """
    if built_in is not None and built_in.name in NUMBER_RANGES and value_rank == _SCALAR:
        return built_in
    return ua.VariantType.Variant


@dataclass(frozen=True, slots=True)
class StaticSource:
    """A constant: the Value as an encoded Variant (Part 6, 5.2.2.16)."""

    value: bytes


@dataclass(frozen=True, slots=True)
class CallSource:
    """A value made when it is asked for: a new DataValue each time. Must be quick, and not wait."""

    read: Callable[[], ua.DataValue]


@dataclass(frozen=True, slots=True)
class FollowSource(CallSource):
    """A constant for as long as a tag is not Bad, with the tag's times; see `follow`.

    `value` is the constant, `tag` what `read` follows.
    """

    tag: int
    value: ua.Variant


def follow(tags: TagReader, tag: int, value: ua.Variant) -> FollowSource:
    """The source of a Variable that holds `value` while `tag` is not Bad."""

    def read() -> ua.DataValue:
        _, code, source_time, _ = tags.number_at(tag)
        return ua.DataValue(
            Value=None if is_bad(code) else value,
            StatusCode=ua.StatusCode(ua.UInt32(code)),
            SourceTimestamp=cast(Any, source_time),
        )

    return FollowSource(read, tag, value)


ValueSource = TagSource | StaticSource | CallSource
