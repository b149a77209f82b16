"""Arguments of Methods checked against their declaration (Part 3, 8.6; Part 4, 5.12.2)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from biogate.opcua.codec.limits import DecodeLimits
from biogate.opcua.codec.messages import decode_variant
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.ids import (
    BASE_DATA_TYPE,
    ENUMERATION,
    HAS_ENCODING,
    HAS_PROPERTY,
    INTEGER,
    NUMBER,
    STRUCTURE,
    UINTEGER,
)
from biogate.opcua.space.values import StaticSource
from biogate.opcua.stack import StatusCodes, ua

_T = ua.VariantType
_UNSIGNED = frozenset({_T.Byte, _T.UInt16, _T.UInt32, _T.UInt64})
_WHOLE = _UNSIGNED | {_T.SByte, _T.Int16, _T.Int32, _T.Int64}
_ABSTRACT = {
    UINTEGER: _UNSIGNED,
    INTEGER: _WHOLE,
    NUMBER: _WHOLE | {_T.Float, _T.Double},
}
_SCALAR = -1
_LIMITS = DecodeLimits(max_elements=1 << 20)


def input_arguments(space: AddressSpace, method_id: ua.NodeId) -> list[ua.Argument]:
    """The declared InputArguments; empty for a Method that takes none."""
    for reference in space.nodes[method_id].references:
        if not reference.forward or reference.type != HAS_PROPERTY:
            continue
        node = space.get(reference.target)
        if node is None or node.browse_name != ua.QualifiedName("InputArguments", 0):
            continue
        source = space.source(node.node_id)
        if isinstance(source, StaticSource):
            return decode_variant(source.value, _LIMITS).Value or []
    return []


def check_argument(space: AddressSpace, declared: ua.Argument, given: ua.Variant) -> int:
    """Good, Bad_TypeMismatch, or Bad_OutOfRange for a number that its enumeration lacks."""
    if not _rank_fits(declared.ValueRank, given) or not _type_fits(space, declared, given):
        return StatusCodes.BadTypeMismatch
    if not space.types.is_subtype(declared.DataType, ENUMERATION):
        return StatusCodes.Good
    return _check_enumeration(space, declared.DataType, given)


def _rank_fits(rank: int, given: ua.Variant) -> bool:
    """An array without elements may have lost its dimensions on the wire (Part 6, 5.2.2.16)."""
    if given.is_array and not given.Value:
        return rank != _SCALAR
    dimensions = 0 if not given.is_array else len(given.Dimensions or (0,))
    if rank >= 1:
        return dimensions == rank
    return {0: dimensions >= 1, _SCALAR: dimensions == 0, -3: dimensions <= 1}.get(rank, True)


def _type_fits(space: AddressSpace, declared: ua.Argument, given: ua.Variant) -> bool:
    data_type = declared.DataType
    if data_type == BASE_DATA_TYPE:
        return True
    if data_type in _ABSTRACT:
        return given.VariantType in _ABSTRACT[data_type]
    if given.VariantType is not space.types.built_in(data_type):
        return False
    if given.VariantType is not _T.ExtensionObject or data_type == STRUCTURE:
        return True
    return all(_structure_fits(space, data_type, element) for element in _elements(given))


def _structure_fits(space: AddressSpace, data_type: ua.NodeId, value: Any) -> bool:
    actual = _structure_type(space, value)
    return actual is not None and space.types.is_subtype(actual, data_type)


def _structure_type(space: AddressSpace, value: Any) -> ua.NodeId | None:
    if not isinstance(value, ua.ExtensionObject):
        data_type: ua.NodeId | None = getattr(value, "data_type", None)
        return data_type
    encoding = space.get(value.TypeId)
    for reference in encoding.references if encoding else ():
        if reference.type == HAS_ENCODING and not reference.forward:
            return reference.target
    return None


def _check_enumeration(space: AddressSpace, data_type: ua.NodeId, given: ua.Variant) -> int:
    node = space.get(data_type)
    definition = node.data_type_definition if node else None
    if not isinstance(definition, ua.EnumDefinition):
        return StatusCodes.Good
    allowed = {field.Value for field in definition.Fields}
    fits = allowed.issuperset(_elements(given))
    return StatusCodes.Good if fits else StatusCodes.BadOutOfRange


def _elements(given: ua.Variant) -> Iterator[Any]:
    """The scalar, or the elements of the array or matrix."""
    values = (given.Value or []) if given.is_array else [given.Value]
    for _ in (given.Dimensions or ())[1:]:
        values = list(chain.from_iterable(values))
    return iter(values)
