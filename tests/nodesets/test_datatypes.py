"""DataTypeDefinitions and encodings; asyncua's generated ns0 classes are the oracle."""

from __future__ import annotations

import dataclasses

import pytest
from asyncua import ua

from biogate_nodesets import CATALOGUE, Model
from biogate_nodesets.model import make_node_id, ns0


def structures_of_ns0(model: Model) -> dict[str, ua.StructureDefinition]:
    return {
        str(node.browse_name.Name): node.data_type_definition
        for node in model.nodes.values()
        if node.node_id.NamespaceIndex == 0
        and isinstance(node.data_type_definition, ua.StructureDefinition)
        and dataclasses.is_dataclass(getattr(ua, str(node.browse_name.Name), None))
    }


# Part 3, 8.48: the fields of the base come first.
def test_structures_of_ns0_have_the_fields_of_asyncua_s_classes(cold_model: Model) -> None:
    found = structures_of_ns0(cold_model)
    assert len(found) > 170
    for name, definition in found.items():
        fields = [f.name.rstrip("_").lower() for f in dataclasses.fields(getattr(ua, name))]
        ours = [str(f.Name).lower() for f in definition.Fields]
        if definition.StructureType == ua.StructureType.StructureWithOptionalFields:
            fields = [field for field in fields if field != "encoding"]  # asyncua's mask
        assert fields == ours, name


def test_structures_of_ns0_name_their_binary_encoding(cold_model: Model) -> None:
    for name, definition in structures_of_ns0(cold_model).items():
        expected = getattr(ua.ObjectIds, f"{name}_Encoding_DefaultBinary", None)
        if expected is not None:
            assert definition.DefaultEncodingId == make_node_id(expected), name


# The ids that other loaders get wrong.
@pytest.mark.parametrize(
    ("nodeset", "name", "encoding"),
    [
        ("LADS", "KeyValueType", 5045),
        ("LADS", "SampleInfoType", 5042),
        ("PADIM", "ChemicalSubstanceDataType", 1277),
        ("JC", "ISA95JobOrderDataType", 5014),
        ("DI", "ParameterResultDataType", 6554),
        ("DI", "TransferResultErrorDataType", 15891),
        ("DI", "TransferResultDataDataType", 15892),
        ("ISA95", "ISA95TestResultDataType", 4902),
    ],
)
def test_the_default_encoding_is_default_binary(
    nodeset: str, name: str, encoding: int, cold_model: Model
) -> None:
    index = cold_model.namespace(CATALOGUE[nodeset].uri)
    node = next(
        node
        for node in cold_model.nodes.values()
        if node.browse_name == ua.QualifiedName(name, index)
        and node.node_class is ua.NodeClass.DataType
    )
    expected = make_node_id(encoding, index)
    assert cold_model.binary_encoding(node.node_id) == expected
    assert isinstance(node.data_type_definition, ua.StructureDefinition)
    assert node.data_type_definition.DefaultEncodingId == expected


def test_every_concrete_structure_has_a_binary_encoding(cold_model: Model) -> None:
    for node in cold_model.nodes.values():
        definition = node.data_type_definition
        if isinstance(definition, ua.StructureDefinition) and not node.is_abstract:
            assert definition.DefaultEncodingId != ua.NodeId(), node.browse_name


def test_a_type_without_encodings_has_none(cold_model: Model) -> None:
    assert cold_model.binary_encoding(ns0("Double")) is None


# DI;i=333 and 410 are option sets on unsigned integers: an EnumDefinition of bit numbers.
def test_option_sets_keep_their_definition(cold_model: Model) -> None:
    di = cold_model.namespace(CATALOGUE["DI"].uri)
    definition = cold_model.nodes[make_node_id(333, di)].data_type_definition
    assert isinstance(definition, ua.EnumDefinition)
    assert [(field.Name, field.Value) for field in definition.Fields] == [
        ("KeepsParameters", 0),
        ("WillDisconnect", 1),
        ("RequiresPowerCycle", 2),
        ("WillReboot", 3),
        ("NeedsPreparation", 4),
    ]


def test_structures_with_optional_or_subtyped_fields_say_so(cold_model: Model) -> None:
    kinds = {
        str(node.browse_name.Name): node.data_type_definition.StructureType
        for node in cold_model.nodes.values()
        if isinstance(node.data_type_definition, ua.StructureDefinition)
    }
    assert kinds["Argument"] == ua.StructureType.Structure
    assert kinds["ISA95JobOrderDataType"] == ua.StructureType.StructureWithOptionalFields
    assert kinds["ChemicalSubstanceDataType"] == ua.StructureType.StructureWithSubtypedValues
    assert kinds["Union"] == ua.StructureType.Union
