"""Values in NodeSet2 files (OPC UA XML encoding) to encoded Variants (Part 6, 5.2 and 5.3).

Structures are written by their StructureDefinitions, so that types of any nodeset work and
each ExtensionObject carries its Default Binary encoding id.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import UUID

from asyncua import ua
from lxml import etree

from biogate_nodesets import binary
from biogate_nodesets.datatypes import DataTypes
from biogate_nodesets.elements import Element, boolean, elements, local, text_of
from biogate_nodesets.names import FileNames

_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_MAX_TICKS = 0x7FFFFFFFFFFFFFFF
_LAST_TICKS = 2_650_467_743_990_000_000  # 9999-12-31T23:59:59: from here on, the maximum
_FRACTION = re.compile(r"([^.]*)\.(\d+)(.*)")
_TYPE_IDS: dict[str, int] = {type_.name: type_.value for type_ in ua.VariantType if type_.value}
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


class ValueEncoder:
    """Encodes the values of one file. All methods raise ValueError on what they cannot encode."""

    def __init__(self, types: DataTypes, names: FileNames) -> None:
        self._types = types
        self._names = names
        self._scalars: dict[str, Callable[[Element], bytes]] = {
            "Boolean": lambda e: binary.boolean(boolean(text_of(e).strip())),
            "Float": lambda e: _number("Float", float(text_of(e))),
            "Double": lambda e: _number("Double", float(text_of(e))),
            "String": _string,
            "DateTime": lambda e: _number("Int64", ticks(text_of(e).strip())),
            "Guid": lambda e: UUID(_child_text(e, "String") or "").bytes_le,
            "ByteString": _byte_string,
            "XmlElement": _xml_element,
            "NodeId": self._node_id,
            "ExpandedNodeId": self._node_id,
            "StatusCode": lambda e: _number("UInt32", int(_child_text(e, "Code") or "0")),
            "QualifiedName": self._qualified_name,
            "LocalizedText": _localized_text,
            "ExtensionObject": self._extension_object,
            "Variant": self._nested_variant,
        }
        for name in ("SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64"):
            self._scalars[name] = _integer(name)

    def variant(self, element: Element) -> bytes:
        """Encode the one child of a Value element as a Variant."""
        name = local(element)
        if name == "Matrix":
            return self._matrix(element)
        if name.startswith("ListOf"):
            type_name = name.removeprefix("ListOf")
            return binary.variant_array(
                self._type_id(type_name), self._items(elements(element), type_name)
            )
        return binary.variant(self._type_id(name), self._scalar(element, name))

    def _type_id(self, name: str) -> int:
        if name not in self._scalars:
            raise ValueError(f"values of type {name} are not supported")
        return _TYPE_IDS[name]

    def _scalar(self, element: Element, name: str) -> bytes:
        try:
            return self._scalars[name](element)
        except (ValueError, struct.error, binascii.Error) as error:
            raise ValueError(f"bad {name} {text_of(element)!r}: {error}") from error

    def _items(self, items: Iterator[Element], type_name: str) -> list[bytes]:
        encoded = []
        for element in items:
            if local(element) != type_name:
                raise ValueError(f"a list of {type_name} holds a {local(element)}")
            encoded.append(self._scalar(element, type_name))
        return encoded

    def _matrix(self, element: Element) -> bytes:
        lengths = [int(text_of(item)) for item in elements(_child(element, "Dimensions"))]
        cells = list(elements(_child(element, "Elements")))
        expected = 1
        for length in lengths:
            expected *= length
        if not cells or expected != len(cells):
            raise ValueError(f"a Matrix of {lengths} holds {len(cells)} elements")
        type_name = local(cells[0])
        return binary.variant_array(
            self._type_id(type_name), self._items(iter(cells), type_name), lengths
        )

    def _nested_variant(self, element: Element) -> bytes:
        value = _find(element, "Value")
        content = None if value is None else next(elements(value), None)
        return binary.NULL_VARIANT if content is None else self.variant(content)

    def _node_id(self, element: Element) -> bytes:
        text = _child_text(element, "Identifier")
        return binary.node_id(self._names.node_id(text) if text else ua.NodeId())

    def _qualified_name(self, element: Element) -> bytes:
        index = self._names.index(int(_child_text(element, "NamespaceIndex") or "0"))
        name = _child_text(element, "Name")
        return binary.qualified_name(ua.QualifiedName(name, index))

    def _extension_object(self, element: Element) -> bytes:
        type_id = _find(element, "TypeId")
        body = _find(element, "Body")
        content = None if body is None else next(elements(body), None)
        if type_id is None or content is None:
            return binary.NULL_EXTENSION_OBJECT
        named = self._names.node_id(_child_text(type_id, "Identifier") or "")
        data_type = self._types.of_encoding(named)
        if data_type is None:
            raise ValueError(f"TypeId {named.to_string()} belongs to no loaded data type")
        return binary.extension_object(
            self._types.encoding(data_type), self._structure(content, data_type)
        )

    def _structure(self, element: Element, data_type: ua.NodeId) -> bytes:
        definition = self._types.structure(data_type)
        given = {local(child): child for child in elements(element)}
        kind = definition.StructureType
        if kind in (ua.StructureType.Union, ua.StructureType.UnionWithSubtypedValues):
            return self._union(given, definition)
        unknown = set(given) - {field.Name for field in definition.Fields} - {"EncodingMask"}
        if unknown:
            raise ValueError(f"{local(element)} has no field {', '.join(sorted(unknown))}")
        optional = kind == ua.StructureType.StructureWithOptionalFields
        body = b"".join(
            self._field(given.get(field.Name), field, definition)
            for field in definition.Fields
            if field.Name in given or not (optional and field.IsOptional)
        )
        return self._mask(given, definition) + body if optional else body

    @staticmethod
    def _mask(given: dict[str, Element], definition: ua.StructureDefinition) -> bytes:
        names = [field.Name for field in definition.Fields if field.IsOptional]
        return _number("UInt32", sum(1 << bit for bit, name in enumerate(names) if name in given))

    def _union(self, given: dict[str, Element], definition: ua.StructureDefinition) -> bytes:
        chosen = [
            (number, field)
            for number, field in enumerate(definition.Fields, start=1)
            if field.Name in given
        ]
        if len(chosen) > 1 or set(given) - {"SwitchField"} - {f.Name for _, f in chosen}:
            raise ValueError(f"a union holds {', '.join(sorted(given))}, not one of its fields")
        if not chosen:
            return _number("UInt32", 0)
        number, field = chosen[0]
        return _number("UInt32", number) + self._field(given[field.Name], field, definition)

    def _field(
        self,
        element: Element | None,
        field: ua.StructureField,
        definition: ua.StructureDefinition,
    ) -> bytes:
        subtypes = field.IsOptional and definition.StructureType in (
            ua.StructureType.StructureWithSubtypedValues,
            ua.StructureType.UnionWithSubtypedValues,
        )
        encode = self._encoder(field.DataType, subtypes=subtypes)
        if field.ValueRank < 0:
            return encode(element)
        if field.ValueRank > 1:
            raise ValueError(f"field {field.Name}: arrays of several dimensions are not supported")
        if element is None:
            return _number("Int32", -1)
        return binary.array([encode(item) for item in elements(element)])

    def _encoder(
        self, data_type: ua.NodeId, *, subtypes: bool
    ) -> Callable[[Element | None], bytes]:
        name = self._types.built_in(data_type)
        if self._types.is_structure(data_type) and not subtypes:
            return lambda e: self._structure(_EMPTY if e is None else e, data_type)
        if subtypes and name != "ExtensionObject":
            name = "Variant"
        if name == "Int32":
            return _enumeration
        if name not in self._scalars:
            raise ValueError(f"fields of type {name} are not supported")
        return lambda e: _DEFAULTS[name] if e is None else self._scalar(e, name)


_EMPTY = etree.Element("Empty")

# What a field that the XML leaves out has (Part 6, 5.1.2: the default of its built-in type).
_DEFAULTS: dict[str, bytes] = {
    "Boolean": b"\x00",
    "String": binary.string(None),
    "DateTime": bytes(8),
    "Guid": bytes(16),
    "ByteString": binary.byte_string(None),
    "XmlElement": binary.byte_string(None),
    "NodeId": binary.node_id(ua.NodeId()),
    "ExpandedNodeId": binary.node_id(ua.NodeId()),
    "StatusCode": bytes(4),
    "QualifiedName": binary.qualified_name(ua.QualifiedName(None, 0)),
    "LocalizedText": b"\x00",
    "ExtensionObject": binary.NULL_EXTENSION_OBJECT,
    "Variant": binary.NULL_VARIANT,
    **{name: pack(0) for name, pack in binary.NUMERIC.items()},
}


def ticks(text: str) -> int:
    """Parse an xs:dateTime to 100 ns ticks since 1601, clipped to what DateTime can hold.

    A time without a zone is UTC (Part 6, 5.3.1.6). Raises ValueError.
    """
    match = _FRACTION.fullmatch(text)
    fraction = match[2] if match else ""
    moment = datetime.fromisoformat(match[1] + match[3] if match else text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    span = moment - _EPOCH
    count = (span.days * 86_400 + span.seconds) * 10_000_000
    if count >= _LAST_TICKS:
        return _MAX_TICKS
    return max(count + int(f"{fraction:0<7}"[:7]), 0)


def _number(name: str, value: float) -> bytes:
    return binary.NUMERIC[name](value)


def _integer(name: str) -> Callable[[Element], bytes]:
    return lambda element: _number(name, int(text_of(element)))


def _enumeration(element: Element | None) -> bytes:
    """An Int32, or an enumeration written as `Name_3` (Part 6, 5.3.1.14)."""
    text = "0" if element is None else text_of(element).strip()
    return _number("Int32", int(text.rpartition("_")[2]))


def _string(element: Element) -> bytes:
    return binary.string(None if element.get(_NIL) == "true" else text_of(element))


def _byte_string(element: Element) -> bytes:
    return binary.byte_string(base64.b64decode("".join(text_of(element).split()), validate=True))


def _xml_element(element: Element) -> bytes:
    content = next(elements(element), None)
    return binary.byte_string(None if content is None else etree.tostring(content))


def _localized_text(element: Element) -> bytes:
    return binary.localized_text(
        _child_text(element, "Locale") or None, _child_text(element, "Text")
    )


def _find(parent: Element, name: str) -> Element | None:
    return next((child for child in elements(parent) if local(child) == name), None)


def _child(parent: Element, name: str) -> Element:
    found = _find(parent, name)
    if found is None:
        raise ValueError(f"{local(parent)} lacks {name}")
    return found


def _child_text(parent: Element, name: str) -> str | None:
    found = _find(parent, name)
    return None if found is None else text_of(found)
