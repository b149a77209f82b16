"""The DataTypeDefinition attribute out of NodeSet2 Definitions (Part 3, 5.8 and 8.48-8.52).

A NodeSet2 Definition lists only what a structure adds to its supertype; a StructureDefinition
starts with the inherited fields.
"""

from __future__ import annotations

from collections.abc import Mapping

from asyncua import ua

from biogate_nodesets.datatypes import STRUCTURE, DataTypes
from biogate_nodesets.model import Model, ns0
from biogate_nodesets.node_reader import ParsedDefinition, ParsedField

UNION = ns0("Union")


class Definitions:
    """Builds the definitions of a model; `parsed` is the Definition of each type that has one."""

    def __init__(self, model: Model, parsed: Mapping[ua.NodeId, ParsedDefinition]) -> None:
        self._model = model
        self._types = DataTypes(model)
        self._parsed = parsed
        self._structures: dict[ua.NodeId, ua.StructureDefinition] = {}

    def definition(self, data_type: ua.NodeId) -> ua.StructureDefinition | ua.EnumDefinition | None:
        """Return the attribute of a data type; None for a type that has none.

        Raises ValueError for a Definition that contradicts itself or its supertype.
        """
        if self._types.built_in(data_type) == "ExtensionObject" and data_type != STRUCTURE:
            return self._structure(data_type)
        parsed = self._parsed.get(data_type)
        if parsed is None:
            return None
        return ua.EnumDefinition(Fields=[_enum_field(field) for field in parsed.fields])

    def _structure(self, data_type: ua.NodeId) -> ua.StructureDefinition:
        known = self._structures.get(data_type)
        if known is None:
            known = self._structures[data_type] = self._build(data_type)
        return known

    def _build(self, data_type: ua.NodeId) -> ua.StructureDefinition:
        base = self._model.supertype(data_type)
        assert base is not None, "a structure is derived from Structure"
        parsed = self._parsed.get(data_type)
        self._check_union(data_type, parsed)
        own = () if parsed is None else parsed.fields
        inherited = None if base in (STRUCTURE, UNION) else self._structure(base)
        return ua.StructureDefinition(
            DefaultEncodingId=self._model.binary_encoding(data_type) or ua.NodeId(),
            BaseDataType=base,
            StructureType=self._structure_type(data_type, own, inherited),
            Fields=[
                *([] if inherited is None else inherited.Fields),
                *(_structure_field(field) for field in own),
            ],
        )

    def _check_union(self, data_type: ua.NodeId, parsed: ParsedDefinition | None) -> None:
        if parsed is None or data_type == UNION:
            return
        if parsed.is_union != self._model.is_subtype(data_type, UNION):
            says = "says IsUnion" if parsed.is_union else "does not say IsUnion"
            raise ValueError(
                f"the Definition of {data_type.to_string()} {says}, and its supertype the contrary"
            )

    def _structure_type(
        self,
        data_type: ua.NodeId,
        own: tuple[ParsedField, ...],
        inherited: ua.StructureDefinition | None,
    ) -> ua.StructureType:
        if self._model.is_subtype(data_type, UNION):
            subtyped = any(field.allow_subtypes for field in own)
            return ua.StructureType.UnionWithSubtypedValues if subtyped else ua.StructureType.Union
        kinds = set() if inherited is None else {inherited.StructureType}
        if any(field.is_optional for field in own):
            kinds.add(ua.StructureType.StructureWithOptionalFields)
        if any(field.allow_subtypes for field in own):
            kinds.add(ua.StructureType.StructureWithSubtypedValues)
        kinds.discard(ua.StructureType.Structure)
        if len(kinds) > 1:
            raise ValueError(
                f"{data_type.to_string()} has optional fields and fields that allow subtypes: "
                "no StructureType says both"
            )
        return kinds.pop() if kinds else ua.StructureType.Structure


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
