"""Data types: which built-in type carries them, their encodings and definitions (Part 6, 5.1)."""

from __future__ import annotations

from asyncua import ua

from biogate_nodesets.model import HAS_ENCODING, Model, make_node_id, ns0

STRUCTURE = ns0("Structure")

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
    """What an encoder must know of the data types of a model. Answers are kept."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._built_in: dict[ua.NodeId, str] = {}

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

    def structure(self, data_type: ua.NodeId) -> ua.StructureDefinition:
        """Return the definition of a structure, inherited fields first; raise ValueError."""
        definition = self._model.nodes[data_type].data_type_definition
        if not isinstance(definition, ua.StructureDefinition):
            raise ValueError(f"{data_type.to_string()} is not a structure with a definition")
        return definition
