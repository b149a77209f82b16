"""The DataTypes that declared variables and arguments have: built-in ones, and enumerations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from biogate.opcua.codec import encode_variant
from biogate.opcua.stack import ObjectIds, node_id, ua
from biogate.site.data_types import BUILT_IN_TYPES
from biogate_nodesets import Model, Node, Reference, add_nodes, add_property

_HAS_SUBTYPE = node_id(ObjectIds.HasSubtype)


@dataclass(frozen=True, slots=True)
class DataTypes:
    """The types of one section, whose namespace has the index `namespace`."""

    namespace: int

    def node_id(self, name: str) -> ua.NodeId:
        """The DataType that `type: name` stands for."""
        if name in BUILT_IN_TYPES:
            return node_id(getattr(ObjectIds, name))
        return node_id(name, self.namespace)

    def add_enumerations(self, model: Model, enumerations: Mapping[str, tuple[str, ...]]) -> None:
        """Add DataTypes with their definition and EnumStrings (Part 3, 5.8.2 and 8.43)."""
        for name, values in enumerations.items():
            add_nodes(model, [self._data_type(name, values)])
            texts = [ua.LocalizedText(value) for value in values]
            add_property(
                model,
                node_id(f"{name}.EnumStrings", self.namespace),
                ua.QualifiedName("EnumStrings"),
                parent=self.node_id(name),
                data_type=node_id(ObjectIds.LocalizedText),
                value=encode_variant(ua.Variant(texts, ua.VariantType.LocalizedText)),
                value_rank=1,
            )

    def _data_type(self, name: str, values: tuple[str, ...]) -> Node:
        fields = [
            ua.EnumField(
                ua.Int64(number), ua.LocalizedText(value), ua.LocalizedText(), ua.String(value)
            )
            for number, value in enumerate(values)
        ]
        supertype = Reference(_HAS_SUBTYPE, node_id(ObjectIds.Enumeration), forward=False)
        return Node(
            self.node_id(name),
            ua.NodeClass.DataType,
            ua.QualifiedName(name, ua.UInt16(self.namespace)),
            ua.LocalizedText(name),
            references=[supertype],
            data_type_definition=ua.EnumDefinition(fields),
        )
