"""NamespaceMetadata for every namespace that is served (Part 5, 6.3.14 and 8.4).

Most official nodesets bring their own; for the others, and for the namespaces of this server's
own nodes, it is added. What nobody states stays empty: a namespace of instances has no version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from biogate.opcua.codec import encode_variant
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.ids import HAS_COMPONENT, HAS_PROPERTY, HAS_TYPE_DEFINITION
from biogate.opcua.space.values import StaticSource
from biogate.opcua.stack import ObjectIds, node_id, ua
from biogate_adapters.filetime import from_datetime
from biogate_nodesets.catalogue import CATALOGUE
from biogate_nodesets.model import Node

_T = ua.VariantType
_NAMESPACES = node_id(ObjectIds.Server_Namespaces)
_METADATA_TYPE = node_id(ObjectIds.NamespaceMetadataType)
_PROPERTY_TYPE = node_id(ObjectIds.PropertyType)
_OWN = 1


def _empty(variant_type: ua.VariantType) -> ua.Variant:
    return ua.Variant([], variant_type, is_array=True)


_UNSTATED: Mapping[str, ua.Variant] = {
    "StaticNodeIdTypes": _empty(_T.Int32),
    "StaticNumericNodeIdRange": _empty(_T.String),
    "StaticStringNodeIdPattern": ua.Variant(None, _T.String),
}
_DATA_TYPES = {
    "NamespaceUri": ObjectIds.String,
    "NamespaceVersion": ObjectIds.String,
    "NamespacePublicationDate": ObjectIds.DateTime,
    "IsNamespaceSubset": ObjectIds.Boolean,
    "StaticNodeIdTypes": ObjectIds.IdType,
    "StaticNumericNodeIdRange": ObjectIds.NumericRange,
    "StaticStringNodeIdPattern": ObjectIds.String,
}


def complete_namespaces(space: AddressSpace, started_ticks: int) -> None:
    """Describe every namespace; those of this server's own nodes are as old as its start."""
    described = set()
    for metadata in _metadata(space):
        described.add(metadata.browse_name.Name)
        _state_nothing(space, metadata)
    for index, uri in enumerate(space.namespaces):
        if uri not in described:
            space.add_nodes(_describe(index, uri, started_ticks))


def _metadata(space: AddressSpace) -> Iterator[Node]:
    folder = space.get(_NAMESPACES)
    for reference in list(folder.references) if folder else ():
        if reference.forward and reference.type == HAS_COMPONENT:
            yield space.nodes[reference.target]


def _state_nothing(space: AddressSpace, metadata: Node) -> None:
    """Mandatory properties that several nodesets leave without a value."""
    for target in list(metadata.targets(HAS_PROPERTY)):
        unstated = _UNSTATED.get(space.nodes[target].browse_name.Name or "")
        if unstated is not None and space.source(target) is None:
            space.bind(target, StaticSource(encode_variant(unstated)))


def _describe(index: int, uri: str, started_ticks: int) -> Iterator[Node]:
    identifier = f"NamespaceMetadata.{uri}"
    metadata = Node(
        node_id(identifier, _OWN),
        ua.NodeClass.Object,
        ua.QualifiedName(uri, ua.UInt16(index)),
        ua.LocalizedText(uri),
    )
    metadata.add_reference(HAS_COMPONENT, _NAMESPACES, forward=False)
    metadata.add_reference(HAS_TYPE_DEFINITION, _METADATA_TYPE, forward=True)
    yield metadata
    for name, value in _values(uri, started_ticks).items():
        prop = Node(
            node_id(f"{identifier}.{name}", _OWN),
            ua.NodeClass.Variable,
            ua.QualifiedName(name, 0),
            ua.LocalizedText(name),
            data_type=node_id(_DATA_TYPES[name]),
            value_rank=1 if value.is_array else -1,
            value=encode_variant(value),
        )
        prop.add_reference(HAS_PROPERTY, metadata.node_id, forward=False)
        prop.add_reference(HAS_TYPE_DEFINITION, _PROPERTY_TYPE, forward=True)
        yield prop


def _values(uri: str, started_ticks: int) -> Mapping[str, ua.Variant]:
    official = next((entry for entry in CATALOGUE.values() if entry.uri == uri), None)
    version, published = None, started_ticks
    if official is not None:
        version = official.version
        date = datetime.fromisoformat(official.publication_date)
        published = from_datetime(date.replace(tzinfo=UTC))
    return {
        "NamespaceUri": ua.Variant(uri, _T.String),
        "NamespaceVersion": ua.Variant(version, _T.String),
        "NamespacePublicationDate": ua.Variant(published, _T.DateTime),
        "IsNamespaceSubset": ua.Variant(Value=False, VariantType=_T.Boolean),
        **_UNSTATED,
    }
