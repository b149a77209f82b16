"""One WriteValue, checked as far as the front end can: what is left is for the command port."""

from __future__ import annotations

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


def writable(
    space: AddressSpace, rights: RightsView, item: ua.WriteValue
) -> tuple[Node, TagSource]:
    """The node that `item` names and the tag behind its Value, which may be written by some.

    Raises StatusError for what nobody can write (Part 4, 5.11.4.4).
    """
    node = rights.require_visible(item.NodeId)
    if not has_attribute(node, item.AttributeId):
        raise StatusError(StatusCodes.BadAttributeIdInvalid)
    source = space.source(node.node_id)
    is_value = item.AttributeId == VALUE and node.node_class is ua.NodeClass.Variable
    if not is_value or not isinstance(source, TagSource) or not source.writable:
        raise StatusError(StatusCodes.BadNotWritable)
    return node, source


def set_point_value(
    space: AddressSpace, node: Node, source: TagSource, item: ua.WriteValue
) -> float | str:
    """The value for a device's set-point. Raises StatusError for one that does not fit."""
    if item.IndexRange:
        parse_index_range(item.IndexRange)
        raise StatusError(StatusCodes.BadWriteNotSupported)
    _check_value_only(item.Value)
    expected = space.types.built_in(node.data_type) if node.data_type else None
    return _scalar(item.Value.Value, expected or source.projection)


def unfit(error: StatusError, item: ua.WriteValue) -> UnfitValue:
    """What goes to the command port in place of a value that does not fit.

    Rights are the command port's to judge, since it records every refusal, and they come before
    the value.
    """
    return UnfitValue(error.status, shown(item.Value.Value))


def shown(variant: ua.Variant | None) -> str:
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
