"""The NodeId with which a structure goes on the wire, against the nodeset of namespace 0."""

from __future__ import annotations

from pathlib import Path

import pytest

from biogate.opcua.codec import Reader, Writer
from biogate.opcua.codec.structures import STRUCTURES, encoding_id
from biogate.opcua.stack import node_id, ua
from biogate_nodesets import Model, load_model

HAS_ENCODING = node_id(38)


@pytest.fixture(scope="module")
def default_binary(
    nodeset_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, ua.NodeId]:
    """Name of each structure of namespace 0 and the node of its Default Binary encoding."""
    cache = tmp_path_factory.mktemp("nodesets")
    model: Model = load_model(folder=nodeset_cache, cache=cache, application_uri="urn:test:codec")
    return {
        str(model.nodes[data_type].browse_name.Name): node.node_id
        for node in model.nodes.values()
        if node.browse_name == ua.QualifiedName("Default Binary", 0)
        for data_type in node.targets(HAS_ENCODING, forward=False)
        if data_type.NamespaceIndex == 0
    }


# Part 6, 5.2.2.15: the TypeId is that of the DataTypeEncoding, not that of the DataType.
def test_every_structure_has_the_encoding_id_of_the_nodeset(default_binary):
    ours = {codec.cls.__name__: encoding_id(codec.cls) for codec in STRUCTURES.values()}
    known = ours.keys() & default_binary.keys()
    assert len(known) > 150
    assert {name: ours[name] for name in known} == {name: default_binary[name] for name in known}


@pytest.mark.parametrize("value", [ua.Range(), ua.EUInformation(), ua.Argument()])
def test_an_extension_object_starts_with_its_encoding_id(default_binary, value):
    writer = Writer()
    writer.extension_object(value)
    reader = Reader(bytes(writer.buffer))
    assert reader.node_id() == default_binary[type(value).__name__]
    assert reader.number("B", 1) == 1
    assert reader.number("i", 4) == len(writer.buffer) - reader.pos
