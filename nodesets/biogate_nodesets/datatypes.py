"""Data types: which built-in type carries them, and their full definitions (Part 3, 5.8 and 8.48).

A NodeSet2 Definition lists only what a structure adds to its supertype; a StructureDefinition
starts with the inherited fields. This module joins them and finds the encodings.
"""

from __future__ import annotations

from collections.abc import Mapping

from asyncua import ua

from biogate_nodesets.load import ParsedDefinition, ParsedField
from biogate_nodesets.model import HAS_ENCODING, Model, make_node_id, ns0

STRUCTURE = ns0("Structure")
ENUMERATION = ns0("Enumeration")
UNION = ns0("Union")

# Built-in types have the NodeIds i=1..25 (Part 6, Table 1). Number, Integer and UInteger are
# abstract: a value of them travels as a Variant.
BUILT_IN: dict[ua.NodeId, str] = {
    make_node_id(number): name
    for number, name in enumerate(
        (
            "Boolean",
            "SByte",
            "Byte",
            "Int16",
            "UInt16",
            "Int32",
            "UInt32",
            "Int64",
            "UInt64",
            "Float",
            "Double",
            "String",
            "DateTime",
            "Guid",
            "ByteString",
            "XmlElement",
            "NodeId",
            "ExpandedNodeId",
            "StatusCode",
            "QualifiedName",
            "LocalizedText",
            "ExtensionObject",
            "DataValue",
            "Variant",
            "DiagnosticInfo",
            "Variant",
            "Variant",
            "Variant",
            "Int32",
        ),
        start=1,
    )
}


class DataTypes:
    """What the encoder must know of the data types of a model.

    `parsed` holds the Definition of each DataType that has one.
    """

    def __init__(self, model: Model, parsed: Mapping[ua.NodeId, ParsedDefinition]) -> None:
        self._model = model
        self._parsed = parsed
        self._built_in: dict[ua.NodeId, str] = {}
        self._definitions: dict[ua.NodeId, ua.StructureDefinition] = {}

    def built_in(self, data_type: ua.NodeId) -> str:
        """Return the name of the built-in type that carries values of a data type.

        Raises ValueError for what is not a data type.
        """
        known = self._built_in.get(data_type)
        if known is None:
            known = self._built_in[data_type] = self._find_built_in(data_type)
        return known

    def _find_built_in(self, data_type: ua.NodeId) -> str:
        node = self._model.nodes.get(data_type)
        if node is None or node.node_class is not ua.NodeClass.DataType:
            raise ValueError(f"{data_type.to_string()} is not a DataType of the loaded nodesets")
        if data_type in BUILT_IN:
            return BUILT_IN[data_type]
        supertype = self._model.supertype(data_type)
        if supertype is None:
            raise ValueError(f"DataType {data_type.to_string()} has no supertype")
        return self.built_in(supertype)

    def is_structure(self, data_type: ua.NodeId) -> bool:
        """Tell whether values are structures of exactly this type (not of any subtype)."""
        return self.built_in(data_type) == "ExtensionObject" and not (
            self._model.nodes[data_type].is_abstract or data_type == STRUCTURE
        )

    def of_encoding(self, encoding: ua.NodeId) -> ua.NodeId | None:
        """Return the data type of an encoding Object, or the id itself if it is a data type."""
        node = self._model.nodes.get(encoding)
        if node is None:
            return None
        if node.node_class is ua.NodeClass.DataType:
            return encoding
        return next(node.targets(HAS_ENCODING, forward=False), None)

    def encoding(self, data_type: ua.NodeId) -> ua.NodeId:
        """Return the Default Binary encoding id; raise ValueError when there is none."""
        encoding = self._model.binary_encoding(data_type)
        if encoding is None:
            raise ValueError(f"{data_type.to_string()} has no Default Binary encoding")
        return encoding

    def definition(self, data_type: ua.NodeId) -> ua.StructureDefinition | ua.EnumDefinition | None:
        """Return the DataTypeDefinition attribute; None for a type that has none."""
        if self.built_in(data_type) == "ExtensionObject" and data_type != STRUCTURE:
            return self.structure(data_type)
        parsed = self._parsed.get(data_type)
        if parsed is None:
            return None
        return ua.EnumDefinition(Fields=[_enum_field(field) for field in parsed.fields])

    def structure(self, data_type: ua.NodeId) -> ua.StructureDefinition:
        """Return the definition of a structure with the inherited fields first."""
        known = self._definitions.get(data_type)
        if known is None:
            known = self._definitions[data_type] = self._build(data_type)
        return known

    def _build(self, data_type: ua.NodeId) -> ua.StructureDefinition:
        base = self._model.supertype(data_type)
        assert base is not None, "a structure is derived from Structure"
        parsed = self._parsed.get(data_type)
        own = () if parsed is None else parsed.fields
        inherited = None if base in (STRUCTURE, UNION) else self.structure(base)
        return ua.StructureDefinition(
            DefaultEncodingId=self._model.binary_encoding(data_type) or ua.NodeId(),
            BaseDataType=base,
            StructureType=self._structure_type(data_type, own, inherited),
            Fields=[
                *([] if inherited is None else inherited.Fields),
                *(_structure_field(field) for field in own),
            ],
        )

    def _structure_type(
        self,
        data_type: ua.NodeId,
        own: tuple[ParsedField, ...],
        inherited: ua.StructureDefinition | None,
    ) -> ua.StructureType:
        subtypes = any(field.allow_subtypes for field in own)
        if self._model.is_subtype(data_type, UNION):
            return ua.StructureType.UnionWithSubtypedValues if subtypes else ua.StructureType.Union
        if any(field.is_optional for field in own):
            return ua.StructureType.StructureWithOptionalFields
        if subtypes:
            return ua.StructureType.StructureWithSubtypedValues
        return ua.StructureType.Structure if inherited is None else inherited.StructureType


def _structure_field(field: ParsedField) -> ua.StructureField:
    # In a structure with subtyped values, IsOptional says that the field may hold a subtype.
    return ua.StructureField(
        Name=field.name,
        Description=field.description or ua.LocalizedText(),
        DataType=field.data_type,
        ValueRank=field.value_rank,
        ArrayDimensions=list(field.array_dimensions),
        MaxStringLength=field.max_string_length,
        IsOptional=field.is_optional or field.allow_subtypes,
    )


def _enum_field(field: ParsedField) -> ua.EnumField:
    return ua.EnumField(
        Value=field.value,
        DisplayName=field.display_name or ua.LocalizedText(field.name),
        Description=field.description or ua.LocalizedText(),
        Name=field.name,
    )
