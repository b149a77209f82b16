"""Values of the site file as OPC UA has them: Variants, and what the tag table holds of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from biogate.opcua.ports import StoredValue
from biogate.opcua.space.values import stored_projection
from biogate.opcua.stack import StatusCodes, node_id, ua
from biogate.site.data_types import BUILT_IN_TYPES, node_id_parts
from biogate.site.node_plan import VariablePlan
from biogate_adapters.filetime import to_datetime


def variant_type(type_name: str) -> ua.VariantType:
    """The built-in type that encodes a type of the site file; an enumeration is an Int32."""
    return ua.VariantType[type_name] if type_name in BUILT_IN_TYPES else ua.VariantType.Int32


def to_variant(type_name: str, value: Any, namespaces: Sequence[str], namespace: int) -> ua.Variant:
    """A value of a plan. `namespace` is the index of its section's namespace.

    Raises ValueError for a NodeId in a namespace that the server does not have.
    """
    converters: Mapping[str, Callable[[Any], Any]] = {
        "DateTime": to_datetime,
        "XmlElement": ua.XmlElement,
        "NodeId": lambda text: _node_id(text, namespaces),
        "ExpandedNodeId": lambda text: _expanded_node_id(text, namespaces),
        "StatusCode": lambda code: ua.StatusCode(ua.UInt32(code)),
        "QualifiedName": lambda text: ua.QualifiedName(text, ua.UInt16(namespace)),
        "LocalizedText": ua.LocalizedText,
    }
    convert = converters.get(type_name)
    content = value if convert is None else _each(value, convert)
    variant = ua.Variant(content, variant_type(type_name), is_array=isinstance(value, list))
    dimensions = [ua.Int32(length) for length in lengths(value)]
    variant.Dimensions = dimensions if len(dimensions) > 1 else None
    return variant


def lengths(value: Any) -> tuple[int, ...]:
    """Lengths of a list of lists, () of a single value."""
    if not isinstance(value, list):
        return ()
    return (len(value), *(lengths(value[0]) if value else ()))


def stored(variable: VariablePlan, variant: ua.Variant, source_time: int) -> StoredValue:
    """What the tag table holds of a value; `source_time` in FILETIME ticks."""
    if projection(variable) is ua.VariantType.Variant:
        return StoredValue(math.nan, StatusCodes.Good, source_time, variant)
    return StoredValue(float(variant.Value), StatusCodes.Good, source_time)


def projection(variable: VariablePlan) -> ua.VariantType:
    """How the tag of a variable is shown."""
    return stored_projection(variant_type(variable.config.type), variable.shape.value_rank)


def _each(value: Any, convert: Callable[[Any], Any]) -> Any:
    if isinstance(value, list):
        return [_each(item, convert) for item in value]
    return convert(value)


def _node_id(text: str, namespaces: Sequence[str]) -> ua.NodeId:
    uri, identifier = node_id_parts(text)
    if uri and uri not in namespaces:
        raise ValueError(f"{text}: the server has no namespace {uri}")
    return node_id(identifier, namespaces.index(uri) if uri else 0)


def _expanded_node_id(text: str, namespaces: Sequence[str]) -> ua.ExpandedNodeId:
    """One in a namespace that the server does not have keeps its URI."""
    uri, identifier = node_id_parts(text)
    known = uri in namespaces
    return ua.ExpandedNodeId(
        identifier,
        ua.Int16(namespaces.index(uri) if known else 0),
        NamespaceUri=None if known or not uri else ua.String(uri),
    )
