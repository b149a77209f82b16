"""One node element of a NodeSet2 file to a Node (Part 6, F.5-F.14), strictly.

Nothing is skipped: an element or attribute that is not listed here is an error, so that a new
kind of content cannot get lost unseen. What is dropped on purpose, since no Attribute carries
it: nodes with DesignToolOnly, Category, Documentation, SymbolicName, ReleaseStatus, Extensions,
the Name and IsOptionSet of a Definition, ParentNodeId (checked against the references when
linking).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from asyncua import ua

from biogate_nodesets.elements import (
    NS,
    Element,
    attribute,
    boolean,
    elements,
    line_of,
    local,
    located,
    text_of,
)
from biogate_nodesets.model import Node, Reference, RolePermission, ns0
from biogate_nodesets.names import FileNames

_BASE_DATA_TYPE = ns0("BaseDataType")


class ParsedField(NamedTuple):
    """One Field of a Definition (Part 6, F.13)."""

    name: str
    data_type: ua.NodeId
    value_rank: int
    array_dimensions: tuple[int, ...]
    max_string_length: int
    is_optional: bool
    allow_subtypes: bool
    value: int
    display_name: ua.LocalizedText | None
    description: ua.LocalizedText | None


class ParsedDefinition(NamedTuple):
    """The Definition of a DataType: only the fields that the type itself adds."""

    is_union: bool
    fields: tuple[ParsedField, ...]


@dataclass(slots=True)
class ParsedNode:
    """A node with what cannot be resolved before all files are read."""

    node: Node
    line: int
    parent: ua.NodeId | None = None
    value: Element | None = None
    definition: ParsedDefinition | None = None


def dimensions(text: str) -> tuple[int, ...] | None:
    """Parse ArrayDimensions, `0,3`; None when there are none."""
    return tuple(int(part) for part in text.split(",")) if text.strip() else None


_CLASSES: dict[str, ua.NodeClass] = {
    "UAObject": ua.NodeClass.Object,
    "UAVariable": ua.NodeClass.Variable,
    "UAMethod": ua.NodeClass.Method,
    "UAObjectType": ua.NodeClass.ObjectType,
    "UAVariableType": ua.NodeClass.VariableType,
    "UAReferenceType": ua.NodeClass.ReferenceType,
    "UADataType": ua.NodeClass.DataType,
    "UAView": ua.NodeClass.View,
}
_TYPED = (ua.NodeClass.Variable, ua.NodeClass.VariableType)
_OTHER_TOP_LEVEL = frozenset({"NamespaceUris", "ServerUris", "Models", "Aliases", "Extensions"})

# XML attribute -> field of Node and how to parse it. NodeIds are handled by the reader.
_PLAIN: dict[str, tuple[str, Callable[[str], Any]]] = {
    "WriteMask": ("write_mask", int),
    "IsAbstract": ("is_abstract", boolean),
    "Symmetric": ("symmetric", boolean),
    "ContainsNoLoops": ("contains_no_loops", boolean),
    "EventNotifier": ("event_notifier", int),
    "ValueRank": ("value_rank", int),
    "ArrayDimensions": ("array_dimensions", dimensions),
    "AccessLevel": ("access_level", int),
    "UserAccessLevel": ("user_access_level", int),
    "MinimumSamplingInterval": ("minimum_sampling_interval", float),
    "Historizing": ("historizing", boolean),
    "Executable": ("executable", boolean),
    "UserExecutable": ("user_executable", boolean),
    "AccessRestrictions": ("access_restrictions", int),
}
_NODE_IDS = {"DataType": "data_type", "MethodDeclarationId": "method_declaration"}
_ELSEWHERE = frozenset({"NodeId", "BrowseName", "ParentNodeId"})
_DROPPED_ATTRIBUTES = frozenset({"SymbolicName", "ReleaseStatus", "DesignToolOnly"})

_FIELD_ATTRIBUTES = frozenset(
    {
        "Name",
        "SymbolicName",
        "DataType",
        "ValueRank",
        "ArrayDimensions",
        "MaxStringLength",
        "IsOptional",
        "AllowSubTypes",
        "Value",
    }
)

_TEXTS = {
    "DisplayName": "display_name",
    "Description": "description",
    "InverseName": "inverse_name",
}
_DROPPED_ELEMENTS = frozenset({"Category", "Documentation", "Extensions"})


class NodeReader:
    """Reads the node elements of one file."""

    def __init__(self, path: Path, names: FileNames) -> None:
        self._path = path
        self._names = names
        self._children: dict[str, Callable[[Element, ParsedNode], None]] = {
            "References": self._references,
            "RolePermissions": self._role_permissions,
            "Value": self._value,
            "Definition": self._definition,
        }

    def top_level(self, element: Element) -> ParsedNode | None:
        """Read one child of UANodeSet; None for what is not a node or for design tools only."""
        kind = local(element)
        with located(self._path, element, element.get("NodeId", "")):
            if kind in _OTHER_TOP_LEVEL:
                return None
            if kind not in _CLASSES:
                raise ValueError(f"unknown element {kind}")
            if boolean(element.get("DesignToolOnly", "false")):
                return None
            return self._node(element, _CLASSES[kind])

    def _node(self, element: Element, node_class: ua.NodeClass) -> ParsedNode:
        browse_name = self._names.qualified_name(attribute(element, "BrowseName"))
        node = Node(
            self._names.node_id(attribute(element, "NodeId")),
            node_class,
            browse_name,
            ua.LocalizedText(browse_name.Name),
        )
        if node_class in _TYPED:
            node.data_type = _BASE_DATA_TYPE  # the schema's default
        parsed = ParsedNode(node, line_of(element))
        self._attributes(element, parsed)
        seen_texts: set[str] = set()
        for child in elements(element):
            self._child(child, parsed, seen_texts)
        return parsed

    def _attributes(self, element: Element, parsed: ParsedNode) -> None:
        node = parsed.node
        for name, text in element.attrib.items():
            name = str(name)
            if name in _PLAIN:
                field, parse = _PLAIN[name]
                setattr(node, field, parse(str(text)))
            elif name in _NODE_IDS:
                setattr(node, _NODE_IDS[name], self._names.node_id(str(text)))
            elif name not in _ELSEWHERE and name not in _DROPPED_ATTRIBUTES:
                raise ValueError(f"unknown attribute {name}={text!r}")
        if "UserAccessLevel" not in element.attrib:
            node.user_access_level = node.access_level
        if "ParentNodeId" in element.attrib:
            parsed.parent = self._names.node_id(attribute(element, "ParentNodeId"))

    def _child(self, child: Element, parsed: ParsedNode, seen_texts: set[str]) -> None:
        name = local(child)
        if name in _TEXTS:
            if name in seen_texts:
                raise ValueError(f"a second {name}: texts in several languages are not supported")
            seen_texts.add(name)
            setattr(parsed.node, _TEXTS[name], _localized(child))
        elif name in self._children:
            self._children[name](child, parsed)
        elif name not in _DROPPED_ELEMENTS:
            raise ValueError(f"unknown element {name}")

    def _references(self, element: Element, parsed: ParsedNode) -> None:
        node_id = self._names.node_id
        parsed.node.references = [
            Reference(
                node_id(attribute(reference, "ReferenceType")),
                node_id(text_of(reference)),
                boolean(reference.get("IsForward", "true")),
            )
            for reference in elements(element)
        ]

    def _role_permissions(self, element: Element, parsed: ParsedNode) -> None:
        parsed.node.role_permissions = tuple(
            RolePermission(self._names.node_id(text_of(child)), int(child.get("Permissions", "0")))
            for child in elements(element)
        )

    def _value(self, element: Element, parsed: ParsedNode) -> None:
        values = list(elements(element))
        if len(values) != 1:
            raise ValueError(f"Value holds {len(values)} elements, not one")
        parsed.value = values[0]

    def _definition(self, element: Element, parsed: ParsedNode) -> None:
        parsed.definition = ParsedDefinition(
            boolean(element.get("IsUnion", "false")),
            tuple(self._field(child) for child in elements(element)),
        )

    def _field(self, element: Element) -> ParsedField:
        unknown = sorted({str(name) for name in element.attrib} - _FIELD_ATTRIBUTES)
        if unknown:
            raise ValueError(f"unknown attributes of a Field: {', '.join(unknown)}")
        get = element.get
        data_type = get("DataType")
        display_name, description = (
            element.find(NS + "DisplayName"),
            element.find(NS + "Description"),
        )
        return ParsedField(
            attribute(element, "Name"),
            self._names.node_id(data_type) if data_type else _BASE_DATA_TYPE,
            int(get("ValueRank", "-1")),
            dimensions(get("ArrayDimensions", "")) or (),
            int(get("MaxStringLength", "0")),
            boolean(get("IsOptional", "false")),
            boolean(get("AllowSubTypes", "false")),
            int(get("Value", "-1")),
            None if display_name is None else _localized(display_name),
            None if description is None else _localized(description),
        )


def _localized(element: Element) -> ua.LocalizedText:
    return ua.LocalizedText(text_of(element), element.get("Locale") or None)
