"""One WriteValue, checked as far as the front end can: what is left is for the command port."""

from __future__ import annotations

from dataclasses import dataclass

from biogate.opcua.errors import StatusError
from biogate.opcua.ports import UnfitValue
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.attributes import VALUE, has_attribute
from biogate.opcua.space.index_range import parse_index_range
from biogate.opcua.space.rights import RightsView
from biogate.opcua.space.values import TagSource
from biogate.opcua.stack import StatusCodes, ua
from biogate_nodesets.model import Node

_T = ua.VariantType
_WRITABLE_TYPES = frozenset(
    {
        _T.Boolean,
        _T.SByte,
        _T.Byte,
        _T.Int16,
        _T.UInt16,
        _T.Int32,
        _T.UInt32,
        _T.Int64,
        _T.UInt64,
        _T.Float,
        _T.Double,
        _T.String,
    }
)


_SHOWN_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class SetPointWrite:
    """A write that may go to the command port: its tag, device, node and value."""

    tag: int
    device: str
    node_id: str
    value: float | str | UnfitValue


def check_write(space: AddressSpace, rights: RightsView, item: ua.WriteValue) -> SetPointWrite:
    """The set-point write that `item` asks for.

    Raises StatusError for what is no set-point (Part 4, 5.11.4.4). Rights are the command
    port's to judge, since it records every refusal, and they come before the value: one that does
    not fit goes along as an UnfitValue.
    """
    node = _writable_node(rights, item)
    source = space.source(node.node_id)
    if not isinstance(source, TagSource) or not source.writable:
        raise StatusError(StatusCodes.BadNotWritable)
    expected = space.types.built_in(node.data_type) if node.data_type else None
    value = _value(item, expected or source.projection)
    return SetPointWrite(source.tag, source.device, node.node_id.to_string(), value)


def _writable_node(rights: RightsView, item: ua.WriteValue) -> Node:
    node = rights.require_visible(item.NodeId)
    if not has_attribute(node, item.AttributeId):
        raise StatusError(StatusCodes.BadAttributeIdInvalid)
    if item.AttributeId != VALUE or node.node_class is not ua.NodeClass.Variable:
        raise StatusError(StatusCodes.BadNotWritable)
    return node


def _value(item: ua.WriteValue, expected: ua.VariantType) -> float | str | UnfitValue:
    try:
        if item.IndexRange:
            parse_index_range(item.IndexRange)
            raise StatusError(StatusCodes.BadWriteNotSupported)
        _check_value_only(item.Value)
        return _scalar(item.Value.Value, expected)
    except StatusError as error:
        return UnfitValue(error.status, _shown(item.Value.Value))


def _shown(variant: ua.Variant | None) -> str:
    """Type and value, or the length of an array: enough to see what was tried."""
    if variant is None:
        return "nothing"
    name = variant.VariantType.name
    if variant.is_array:
        return f"{name}[{len(variant.Value or ())}]"
    if variant.VariantType in _WRITABLE_TYPES and variant.Value is not None:
        return f"{name} {variant.Value!r:.{_SHOWN_CHARACTERS}}"
    return name


def _check_value_only(data: ua.DataValue) -> None:
    """Refuse a status or a server time, which a set-point cannot store.

    A Good status says nothing, and a SourceTimestamp is what several clients send with every
    write: it is the time of asking, while the value that is read back carries the device's own.
    """
    status = data.StatusCode
    if (status is not None and status.value != StatusCodes.Good) or data.ServerTimestamp:
        raise StatusError(StatusCodes.BadWriteNotSupported)


def _scalar(variant: ua.Variant | None, expected: ua.VariantType) -> float | str:
    if variant is None or variant.is_array or variant.VariantType is not expected:
        raise StatusError(StatusCodes.BadTypeMismatch)
    if expected not in _WRITABLE_TYPES or variant.Value is None:
        raise StatusError(StatusCodes.BadTypeMismatch)
    value: float | str = variant.Value
    return value
