"""The zone's side of `extract`: an address space and a tag table from what the core sent."""

from __future__ import annotations

import marshal
from pathlib import Path

from biogate.opcua.codec import decode_variant
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.places import Place
from biogate.opcua.space.values import StaticSource, TagSource, ValueSource, follow
from biogate.opcua.stack import ua
from biogate.tags import TagInfo, TagTable
from biogate.zones.messages import Setup, SourceOfConstant, SourceOfFollower, SourceOfTag, TagOf
from biogate.zones.node_ids import from_bytes
from biogate_nodesets import load_model
from biogate_nodesets.compiled import restore
from biogate_nodesets.model import Model


def table_of(tags: tuple[TagOf, ...]) -> TagTable:
    """A table with the zone's tags, in its own order and without values yet."""
    table = TagTable()
    for tag in tags:
        info = TagInfo(
            tag.name, tag.data_type, tag.unit, tag.low, tag.high, tag.instrument_low,
            tag.instrument_high, tag.writable, tag.description,
        )  # fmt: skip
        table.add(info)
    return table


def load(setup: Setup, application_uri: str) -> Model:
    """The nodesets, with the zone's NamespaceArray. Raises as `load_model` does."""
    model = load_model(
        setup.nodesets,
        folder=None if setup.nodeset_folder is None else Path(setup.nodeset_folder),
        cache=Path(setup.nodeset_cache),
        application_uri=application_uri,
    )
    model.namespaces += setup.space.namespaces[len(model.namespaces) :]
    return model


def space_of(setup: Setup, model: Model, table: TagTable) -> AddressSpace:
    """The zone's address space over its table."""
    # Written by this program's core, as the cache of nodesets is by this program.
    instances = restore(marshal.loads(setup.space.model))  # noqa: S302
    nodes = list(instances.nodes.values())
    space = AddressSpace(model)
    space.add_nodes(nodes)
    for node, place in zip(nodes, setup.space.places, strict=True):
        space.places.declare(node.node_id, Place(*place))
    space.places.zoned = True  # also where the zone has no node of its own
    for source in setup.space.sources:
        space.bind(nodes[source.node].node_id, _source(source, table))
    for notifier in setup.space.notifiers:
        space.add_notifier(from_bytes(notifier))
    return space


def _source(
    source: SourceOfTag | SourceOfConstant | SourceOfFollower, table: TagTable
) -> ValueSource:
    if isinstance(source, SourceOfTag):
        return TagSource(
            source.tag, ua.VariantType(source.projection), source.name, source.device,
            source.writable, source.stored, source.unaudited,
        )  # fmt: skip
    if isinstance(source, SourceOfConstant):
        return StaticSource(source.value)
    return follow(table, source.tag, decode_variant(source.value))
