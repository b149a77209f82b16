"""What was loaded is what the official XML files say, attribute by attribute.

The files are read here a second time, by other means (ElementTree) and with nothing of the
loader. Part 6, Annex F gives the schema; defaults are those of UANodeSet.xsd.
"""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import variant_from_binary

from biogate_nodesets import CATALOGUE, Model, Node, Reference

N = "{http://opcfoundation.org/UA/2011/03/UANodeSet.xsd}"
T = "{http://opcfoundation.org/UA/2008/02/Types.xsd}"
UA = "http://opcfoundation.org/UA/"
Id = tuple[str, str]  # (namespace URI, "i=85")

# Deliberate differences, see biogate_nodesets.repair.
IRDI, PADIM = CATALOGUE["IRDI"].uri, CATALOGUE["PADIM"].uri
REPAIRED = {
    (IRDI, "i=1001"): ("Boolean", True, None),
    (PADIM, "i=6016"): ("UInt32", [0], None),
    (PADIM, "i=6031"): ("UInt32", [0], None),
}


@dataclass
class Expected:
    """The content of all files in terms of namespace URIs."""

    nodes: dict[Id, dict[str, Any]] = field(default_factory=dict)
    references: set[tuple[Id, Id, Id]] = field(default_factory=set)
    design_tool_only: set[Id] = field(default_factory=set)


class XmlFile:
    """One file, read independently of the loader."""

    def __init__(self, path: Path) -> None:
        self.root = ElementTree.parse(path).getroot()
        self.uris = [
            UA,
            *(uri.text or "" for uri in self.root.iterfind(f"{N}NamespaceUris/{N}Uri")),
        ]
        self.aliases = {
            alias.attrib["Alias"]: alias.text or ""
            for alias in self.root.iterfind(f"{N}Aliases/{N}Alias")
        }

    def id(self, text: str) -> Id:
        text = self.aliases.get(text, text).strip()
        index = 0
        if text.startswith("ns="):
            number, text = text[3:].split(";", 1)
            index = int(number)
        return self.uris[index], text

    def name(self, text: str) -> tuple[str, str]:
        number, colon, name = text.partition(":")
        return (self.uris[int(number)], name) if colon and number.isdigit() else (UA, text)

    def read(self, expected: Expected) -> None:
        for element in self.root:
            kind = element.tag.removeprefix(N)
            if not kind.startswith("UA"):
                continue
            own = self.id(element.attrib["NodeId"])
            if element.get("DesignToolOnly") == "true":
                expected.design_tool_only.add(own)
                continue
            assert own not in expected.nodes
            expected.nodes[own] = self.attributes(element, kind.removeprefix("UA"))
            for reference in element.iterfind(f"{N}References/{N}Reference"):
                other = self.id(reference.text or "")
                ends = (own, other) if reference.get("IsForward") != "false" else (other, own)
                expected.references.add(
                    (ends[0], self.id(reference.attrib["ReferenceType"]), ends[1])
                )

    def attributes(self, element: ElementTree.Element, kind: str) -> dict[str, Any]:
        get = element.get
        dims = get("ArrayDimensions")
        access = int(get("AccessLevel", "1"))
        permissions = element.find(f"{N}RolePermissions")
        interval = get("MinimumSamplingInterval")
        found: dict[str, Any] = {
            "node_class": kind,
            "browse_name": self.name(element.attrib["BrowseName"]),
            "is_abstract": get("IsAbstract") == "true",
            "symmetric": get("Symmetric") == "true",
            "event_notifier": int(get("EventNotifier", "0")),
            "value_rank": int(get("ValueRank", "-1")),
            "array_dimensions": tuple(map(int, dims.split(","))) if dims else None,
            "access_level": access,
            "user_access_level": int(get("UserAccessLevel", str(access))),
            "minimum_sampling_interval": None if interval is None else float(interval),
            "historizing": get("Historizing") == "true",
            "executable": get("Executable") != "false",
            "user_executable": get("UserExecutable") != "false",
            "write_mask": int(get("WriteMask", "0")),
            "access_restrictions": int(text) if (text := get("AccessRestrictions")) else None,
            "data_type": self.id(get("DataType", "i=24")) if "Variable" in kind else None,
            "method_declaration": self.id(text) if (text := get("MethodDeclarationId")) else None,
            "role_permissions": None
            if permissions is None
            else [(self.id(p.text or ""), int(p.attrib["Permissions"])) for p in permissions],
            "value": self.value(element),
            "definition": self.definition(element),
        }
        for attribute, tag in (
            ("display_name", "DisplayName"),
            ("description", "Description"),
            ("inverse_name", "InverseName"),
        ):
            texts = element.findall(N + tag)
            assert len(texts) <= 1
            found[attribute] = (texts[0].text or "", texts[0].get("Locale")) if texts else None
        return found

    def definition(self, element: ElementTree.Element) -> list[tuple[Any, ...]] | None:
        definition = element.find(N + "Definition")
        if definition is None:
            return None
        if any(f.get("Value") is not None for f in definition) or definition.get("IsOptionSet"):
            return [
                (f.attrib["Name"], int(f.attrib["Value"]), f.findtext(N + "Description") or None)
                for f in definition
            ]
        return [
            (
                f.attrib["Name"],
                self.id(f.get("DataType", "i=24")),
                int(f.get("ValueRank", "-1")),
                tuple(map(int, filter(None, f.get("ArrayDimensions", "").split(",")))),
                "true" in (f.get("IsOptional"), f.get("AllowSubTypes")),
                f.findtext(N + "Description") or None,
            )
            for f in definition
        ]

    def value(self, element: ElementTree.Element) -> tuple[str, Any, list[int] | None] | None:
        value = element.find(N + "Value")
        if value is None:
            return None
        (content,) = value
        name = content.tag.removeprefix(T)
        if name == "Matrix":
            shape = [int(item.text or "") for item in content.iterfind(f"{T}Dimensions/{T}Int32")]
            items = list(content.iterfind(f"{T}Elements/*"))
            return items[0].tag.removeprefix(T), [self.scalar(item) for item in items], shape
        if name.startswith("ListOf"):
            return name.removeprefix("ListOf"), [self.scalar(item) for item in content], None
        return name, self.scalar(content), None

    def scalar(self, element: ElementTree.Element) -> Any:
        return self.typed(element.tag.removeprefix(T), element)

    def typed(self, kind: str, element: ElementTree.Element) -> Any:
        text = element.text or ""
        if kind == "Boolean":
            return text == "true"
        if kind in ("Float", "Double"):
            return float(text)
        if "Int" in kind:
            return int(text)
        if kind == "DateTime":
            return datetime.fromisoformat(text).astimezone(UTC)
        if kind == "ByteString":
            return base64.b64decode(text)
        if kind == "NodeId":
            return self.id(element.findtext(T + "Identifier") or "i=0")
        if kind == "QualifiedName":
            index = int(element.findtext(T + "NamespaceIndex") or 0)
            return self.uris[index], element.findtext(T + "Name")
        if kind == "LocalizedText":
            return element.findtext(T + "Text"), element.findtext(T + "Locale") or None
        if kind == "ExtensionObject":
            (body,) = element.iterfind(f"{T}Body/*")
            return self.structure(body)
        assert kind == "String", kind
        return text

    def structure(self, body: ElementTree.Element) -> tuple[str, dict[str, Any]]:
        name = body.tag.removeprefix(T)
        fields = STRUCTURES[name]
        assert {child.tag.removeprefix(T) for child in body} <= set(fields)
        values: dict[str, Any] = {}
        for field_name, (kind, default) in fields.items():
            child = body.find(T + field_name)
            if child is None:
                values[field_name] = default
            elif kind == "UInt32[]":
                values[field_name] = [int(item.text or "") for item in child]
            else:
                values[field_name] = self.typed(kind, child)
        return name, values


NO_TEXT = (None, None)
STRUCTURES: dict[str, dict[str, tuple[str, Any]]] = {
    "Argument": {
        "Name": ("String", None),
        "DataType": ("NodeId", (UA, "i=0")),
        "ValueRank": ("Int32", 0),
        "ArrayDimensions": ("UInt32[]", None),
        "Description": ("LocalizedText", NO_TEXT),
    },
    "EnumValueType": {
        "Value": ("Int64", 0),
        "DisplayName": ("LocalizedText", NO_TEXT),
        "Description": ("LocalizedText", NO_TEXT),
    },
    "EUInformation": {
        "NamespaceUri": ("String", None),
        "UnitId": ("Int32", 0),
        "DisplayName": ("LocalizedText", NO_TEXT),
        "Description": ("LocalizedText", NO_TEXT),
    },
    "Range": {"Low": ("Double", 0.0), "High": ("Double", 0.0)},
}


@pytest.fixture(scope="module")
def expected(nodeset_cache: Path) -> Expected:
    expected = Expected()
    for entry in CATALOGUE.values():
        XmlFile(nodeset_cache / entry.file).read(expected)
    return expected


PLAIN = (
    "is_abstract",
    "symmetric",
    "event_notifier",
    "value_rank",
    "array_dimensions",
    "access_level",
    "user_access_level",
    "minimum_sampling_interval",
    "historizing",
    "executable",
    "user_executable",
    "write_mask",
    "access_restrictions",
)


class Loaded:
    """A model in the terms of `Expected`."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def id(self, node_id: ua.NodeId) -> Id:
        kind = "i" if isinstance(node_id.Identifier, int) else "s"
        return self.model.namespaces[node_id.NamespaceIndex], f"{kind}={node_id.Identifier}"

    def text(self, text: ua.LocalizedText | None) -> tuple[str | None, str | None] | None:
        return None if text is None else (text.Text, text.Locale)

    def name(self, name: ua.QualifiedName) -> tuple[str, str | None]:
        return self.model.namespaces[name.NamespaceIndex], name.Name

    def attributes(self, node: Node) -> dict[str, Any]:
        permissions = node.role_permissions
        return {
            **{name: getattr(node, name) for name in PLAIN},
            "node_class": node.node_class.name,
            "browse_name": self.name(node.browse_name),
            "data_type": self.optional_id(node.data_type),
            "method_declaration": self.optional_id(node.method_declaration),
            "role_permissions": None
            if permissions is None
            else [(self.id(role), mask) for role, mask in permissions],
            "display_name": self.text(node.display_name),
            "description": self.text(node.description),
            "inverse_name": self.text(node.inverse_name),
            "value": self.value(node),
            "definition": self.definition(node),
        }

    def optional_id(self, node_id: ua.NodeId | None) -> Id | None:
        return None if node_id is None else self.id(node_id)

    def definition(self, node: Node) -> list[tuple[Any, ...]] | None:
        """The fields that a type adds to its supertype, which come last."""
        definition = node.data_type_definition
        if isinstance(definition, ua.EnumDefinition):
            return [(f.Name, f.Value, f.Description.Text) for f in definition.Fields]
        if definition is None:
            return None
        base = self.model.nodes[definition.BaseDataType].data_type_definition
        inherited = base.Fields if isinstance(base, ua.StructureDefinition) else []
        assert definition.Fields[: len(inherited)] == inherited
        return [
            (
                f.Name,
                self.id(f.DataType),
                f.ValueRank,
                tuple(f.ArrayDimensions),
                f.IsOptional,
                f.Description.Text,
            )
            for f in definition.Fields[len(inherited) :]
        ]

    def value(self, node: Node) -> tuple[str, Any, list[int] | None] | None:
        """The value as asyncua's decoder sees it."""
        if node.value is None:
            return None
        buffer = Buffer(node.value)
        variant = variant_from_binary(buffer)
        assert len(buffer) == 0, "nothing may follow the Variant"
        value = variant.Value
        if variant.is_array and variant.Dimensions:
            value = list(flatten(value))
        plain = [self.plain(item) for item in value] if variant.is_array else self.plain(value)
        return variant.VariantType.name, plain, list(variant.Dimensions or ()) or None

    def plain(self, value: Any) -> Any:
        if isinstance(value, ua.NodeId):
            return self.id(value)
        if isinstance(value, ua.QualifiedName):
            return self.name(value)
        if isinstance(value, ua.LocalizedText):
            return self.text(value)
        name = type(value).__name__
        if name in STRUCTURES:
            return name, {field: self.plain(getattr(value, field)) for field in STRUCTURES[name]}
        return value


def flatten(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from flatten(item)
    else:
        yield value


def differences(expected: Expected, model: Model) -> list[str]:
    """Say every difference between the files and a model."""
    loaded = Loaded(model)
    nodes = {loaded.id(node_id): node for node_id, node in model.nodes.items()}
    found = [f"{node}: lost" for node in expected.nodes.keys() - nodes.keys()]
    found += [f"{node}: from nowhere" for node in nodes.keys() - expected.nodes.keys()]
    for node in expected.nodes.keys() & nodes.keys():
        wanted = dict(expected.nodes[node])
        if node in REPAIRED:
            wanted["value"] = REPAIRED[node]
        if wanted["definition"] is None and wanted["node_class"] == "DataType":
            wanted["definition"] = default_definition(nodes[node])
        actual = loaded.attributes(nodes[node])
        found += [
            f"{node}: {name} is {actual[name]!r}, not {wanted[name]!r}"
            for name in wanted
            if actual[name] != wanted[name]
        ]
    return found + reference_differences(expected, loaded)


def default_definition(node: Node) -> list[Any] | None:
    """A structure without a Definition element adds no field; other types have no definition."""
    return [] if isinstance(node.data_type_definition, ua.StructureDefinition) else None


def reference_differences(expected: Expected, loaded: Loaded) -> list[str]:
    wanted = {
        reference
        for reference in expected.references
        if not expected.design_tool_only & {reference[0], reference[2]}
    }
    found = []
    for forward in (True, False):
        actual = Counter(
            (loaded.id(node.node_id), loaded.id(r.type), loaded.id(r.target))
            if forward
            else (loaded.id(r.target), loaded.id(r.type), loaded.id(node.node_id))
            for node in loaded.model.nodes.values()
            for r in node.references
            if r.forward is forward
        )
        end = "source" if forward else "target"
        found += [f"{r}: lost at the {end}" for r in wanted - actual.keys()]
        found += [f"{r}: from nowhere at the {end}" for r in actual.keys() - wanted]
        found += [f"{r}: {n} times at the {end}" for r, n in actual.items() if n > 1]
    return found


def test_every_node_reference_and_value_of_the_files_is_in_the_model(
    expected: Expected, cold_model: Model
) -> None:
    assert differences(expected, cold_model) == []


def test_only_the_nodes_for_design_tools_are_left_out(expected: Expected) -> None:
    assert len(expected.design_tool_only) == 12
    assert len(expected.nodes) == 8660
    touching = [r for r in expected.references if expected.design_tool_only & {r[0], r[2]} - {r[0]}]
    assert touching == [], "nothing that is kept refers to what is left out"


def _without_last_reference(node: Node) -> Node:
    return replace(node, references=node.references[:-1])


def _with_reference(node: Node) -> Node:
    extra = Reference(ua.NodeId(47), ua.NodeId(85), forward=True)
    return replace(node, references=[*node.references, extra])


def _with_bit_of_value(node: Node) -> Node:
    assert node.value is not None
    return replace(node, value=node.value.replace(b"ABK984", b"ABK985", 1))


def _without_field(node: Node) -> Node:
    definition = node.data_type_definition
    assert isinstance(definition, ua.StructureDefinition)
    return replace(node, data_type_definition=replace(definition, Fields=definition.Fields[:-1]))


# What is spoilt -> nodeset, identifier of the node, how.
DEFECTS: dict[str, tuple[str, int, Callable[[Node], Node]]] = {
    "symmetric": ("IA", 4003, lambda n: replace(n, symmetric=True)),
    "browse name": ("DI", 6388, lambda n: replace(n, browse_name=ua.QualifiedName("Lock", 1))),
    "description": ("LADS", 6006, lambda n: replace(n, description=None)),
    "data type": ("LADS", 6006, lambda n: replace(n, data_type=ua.NodeId(24))),
    "user access level": ("LADS", 6006, lambda n: replace(n, user_access_level=0)),
    "value": ("PADIM", 1161, _with_bit_of_value),
    "reference lost": ("LADS", 1002, _without_last_reference),
    "reference invented": ("LADS", 1002, _with_reference),
    "structure field": ("LADS", 3003, _without_field),
    "option set": ("DI", 333, lambda n: replace(n, data_type_definition=None)),
    "abstract": ("LADS", 1004, lambda n: replace(n, is_abstract=False)),
    "role permissions": ("ns0", 2052, lambda n: replace(n, role_permissions=())),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_the_comparison_sees_a_defect(defect: str, expected: Expected, cold_model: Model) -> None:
    nodeset, identifier, spoil = DEFECTS[defect]
    index = cold_model.namespace(CATALOGUE[nodeset].uri)
    node = cold_model.nodes[ua.NodeId(identifier, index)]
    spoiled = Model(cold_model.namespaces, {**cold_model.nodes, node.node_id: spoil(node)})
    assert len(differences(expected, spoiled)) == 1


def test_the_comparison_sees_a_lost_node(expected: Expected, cold_model: Model) -> None:
    nodes = dict(cold_model.nodes)
    lost = next(key for key, node in nodes.items() if node.browse_name.Name == "StartProgram")
    del nodes[lost]
    found = differences(expected, Model(cold_model.namespaces, nodes))
    assert sum(line.endswith(": lost") for line in found) == 1
    assert any(re.search("lost at the source", line) for line in found)
