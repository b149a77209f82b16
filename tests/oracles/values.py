"""Strategies for values of every OPC UA type, as asyncua's classes.

Two codecs must agree on what is drawn here, so each value is the one that decoding gives back:
a DateTime has the resolution that both keep, picoseconds come with a timestamp and lie below
10,000 (Part 6, 5.2.2.17), and a matrix has at least two dimensions and no empty one (5.2.2.16).
"""

from __future__ import annotations

import math
import types
import typing
from dataclasses import fields
from enum import Enum
from typing import Any

from hypothesis import strategies as st

from biogate.opcua.codec.datetimes import from_ticks
from biogate.opcua.stack import StatusCodes, ua

RANGES = {
    "SByte": (-(1 << 7), (1 << 7) - 1),
    "Byte": (0, (1 << 8) - 1),
    "Int16": (-(1 << 15), (1 << 15) - 1),
    "UInt16": (0, (1 << 16) - 1),
    "Int32": (-(1 << 31), (1 << 31) - 1),
    "UInt32": (0, (1 << 32) - 1),
    "Int64": (-(1 << 63), (1 << 63) - 1),
    "UInt64": (0, (1 << 64) - 1),
}
SHAPES = ("scalar", "array", "null array", "matrix")
_TICKS_PER_MICROSECOND = 10
_YEAR_9999 = 2_650_000_000 * 10**9


def integers(name: str) -> Any:
    """All numbers of an integer type."""
    return st.integers(*RANGES[name])


texts = st.text(max_size=20)
strings = st.none() | texts
byte_strings = st.none() | st.binary(max_size=20)
# Strings with a grammar, which an oracle may parse (Part 4, 7.27).
_FIELDS = {"IndexRange": st.sampled_from([None, "0", "7", "1:3", "0:1,2:5", "4,0:9,2"])}
_CODES = sorted({code for name, code in vars(StatusCodes).items() if name[0].isupper()})
# asyncua keeps the encoding that a NodeId came in; compact ones are what every side writes.
node_ids = st.one_of(
    st.builds(ua.NodeId, integers("UInt32"), integers("UInt16")),
    st.builds(ua.NodeId, texts, integers("UInt16")),
    st.builds(ua.NodeId, st.uuids(), integers("UInt16")),
    st.builds(ua.NodeId, st.binary(max_size=20), integers("UInt16")),
)
# Part 6, 5.2.2.10: with a NamespaceUri the NamespaceIndex is 0.
expanded_node_ids = st.builds(
    lambda n, uri, server: ua.ExpandedNodeId(
        n.Identifier, 0 if uri else n.NamespaceIndex, None, uri or None, server
    ),
    node_ids,
    strings,
    integers("UInt32"),
)
xml_elements = st.builds(ua.XmlElement, strings)
opaque = st.builds(
    ua.ExtensionObject,
    st.builds(ua.NodeId, st.integers(1, 60000), st.integers(1, 9)),
    st.binary(min_size=1, max_size=20),
)
doubles = st.floats(allow_nan=False)


class Values:
    """Strategies for two codecs that share some limits.

    `resolution_us`: what both keep of a DateTime; `last_namespace`: the largest index that both
    read in a QualifiedName; `picoseconds`: whether both agree on where they are in a DataValue;
    `all_diagnostics`: whether a DiagnosticInfo may have a Locale or LocalizedText without the
    other one, and a DiagnosticInfo inside; `empty_texts`: whether both tell an empty text in a
    LocalizedText or DiagnosticInfo from none (5.1.11 does not ask for it); `unknown_statuses`:
    whether both keep a StatusCode that Part 4 does not name.
    """

    def __init__(
        self,
        *,
        resolution_us: int = 1,
        last_namespace: int = 0xFFFF,
        picoseconds: bool = True,
        all_diagnostics: bool = True,
        empty_texts: bool = True,
        unknown_statuses: bool = True,
    ) -> None:
        step = _TICKS_PER_MICROSECOND * resolution_us
        self.date_times = st.integers(1, _YEAR_9999 // step).map(lambda n: from_ticks(n * step))
        self.qualified_names = st.builds(ua.QualifiedName, strings, st.integers(0, last_namespace))
        self.texts = some = strings if empty_texts else st.none() | st.text(min_size=1, max_size=20)
        codes = integers("UInt32") if unknown_statuses else st.sampled_from(_CODES)
        self.statuses = st.builds(ua.StatusCode, codes)
        self.localized_texts = localized = st.builds(ua.LocalizedText, some, some)
        self.standard = st.one_of(
            st.builds(ua.Range, doubles, doubles),
            st.builds(ua.EUInformation, texts, integers("Int32"), localized, localized),
            st.just(ua.ExtensionObject()),
        )
        self.diagnostic_infos = self._diagnostic_infos(everything=all_diagnostics)
        self.built_in: dict[Any, Any] = {
            ua.Boolean: st.booleans(),
            **{getattr(ua, name): integers(name) for name in RANGES},
            ua.Float: st.floats(width=32, allow_nan=False),
            ua.Double: doubles,
            ua.String: strings,
            ua.CharArray: strings,
            ua.DateTime: self.date_times,
            ua.Guid: st.uuids(),
            ua.ByteString: byte_strings,
            ua.XmlElement: xml_elements,
            ua.NodeId: node_ids,
            ua.ExpandedNodeId: expanded_node_ids,
            ua.StatusCode: self.statuses,
            ua.QualifiedName: self.qualified_names,
            ua.LocalizedText: localized,
            ua.ExtensionObject: opaque | self.standard,
            ua.DiagnosticInfo: self.diagnostic_infos,
        }
        self.flat_variants = st.just(ua.Variant()) | self.variants(list(self.built_in))
        self.data_values = self._data_values(self.flat_variants, picoseconds=picoseconds)
        self.nested = self.built_in | {
            ua.DataValue: self.data_values,
            ua.Variant: self.flat_variants,
        }
        self.all_variants = st.just(ua.Variant()) | self.variants(list(self.nested))

    def _diagnostic_infos(self, *, everything: bool) -> Any:
        index = st.integers(0, RANGES["Int32"][1])
        number = st.none() | index
        languages = st.tuples(number, number)
        if not everything:
            languages = st.just((None, None)) | st.tuples(index, index)
        status = st.none() | self.statuses.filter(lambda s: s.value)
        parts = (number, number, languages, self.texts, status)
        flat = st.builds(lambda s, u, both, t, c: ua.DiagnosticInfo(s, u, *both, t, c), *parts)
        if not everything:
            return flat
        return flat | st.builds(
            lambda s, u, both, t, c, i: ua.DiagnosticInfo(s, u, *both, t, c, i), *parts, flat
        )

    def _data_values(self, values: Any, *, picoseconds: bool) -> Any:
        pico = st.none() | st.integers(1, 9999) if picoseconds else st.none()
        time = st.tuples(st.none(), st.none()) | st.tuples(self.date_times, pico)
        return st.builds(
            lambda value, status, source, server: ua.DataValue(
                value, status, source[0], server[0], source[1], server[1]
            ),
            values,
            self.statuses,
            time,
            time,
        )

    def variants(self, kinds: list[Any], shapes: tuple[str, ...] = SHAPES) -> Any:
        """Variants of the built-in types in `kinds`, in the given shapes."""
        return st.sampled_from(kinds).flatmap(lambda kind: self._variant(kind, shapes))

    def _variant(self, kind: Any, shapes: tuple[str, ...]) -> Any:
        if kind is ua.CharArray:
            kind = ua.String
        if kind is ua.Variant:
            shapes = tuple(s for s in shapes if s != "scalar")  # Part 6, 5.2.2.16
        of_kind = self.built_in.get(kind) if kind in self.built_in else self.nested[kind]
        name = ua.VariantType[kind.__name__]
        return st.sampled_from(shapes).flatmap(lambda shape: _shaped(shape, of_kind, name))

    def structures(self, cls: type) -> Any:
        """Instances of a dataclass of asyncua with every field drawn."""
        hints = typing.get_type_hints(cls, localns={"ua": ua})
        members = {
            field.name: _FIELDS.get(field.name, self._of(hints[field.name]))
            for field in fields(cls)
            if field.init and field.name != "TypeId"
        }
        return st.fixed_dictionaries(members).map(lambda values: cls(**values))

    def _of(self, hint: Any) -> Any:
        if typing.get_origin(hint) in (types.UnionType, typing.Union):
            (inner,) = (h for h in typing.get_args(hint) if h is not types.NoneType)
            return st.none() | self._of(inner)
        if typing.get_origin(hint) is list:
            return st.lists(st.deferred(lambda: self._of(typing.get_args(hint)[0])), max_size=2)
        if typing.get_origin(hint) is type:
            return self.standard
        if hint in self.nested:
            return self.nested[hint]
        if issubclass(hint, Enum):
            return st.sampled_from(list(hint))
        return self.structures(hint)


def _shaped(shape: str, element: Any, type_: ua.VariantType) -> Any:
    if shape == "scalar":
        return st.builds(ua.Variant, element, st.just(type_))
    if shape == "array":
        return st.lists(element, max_size=4).map(lambda v: ua.Variant(v, type_, is_array=True))
    if shape == "null array":
        return st.just(ua.Variant(None, type_, is_array=True))
    return st.lists(st.integers(1, 3), min_size=2, max_size=3).flatmap(
        lambda dimensions: st.lists(
            element, min_size=math.prod(dimensions), max_size=math.prod(dimensions)
        ).map(lambda values: ua.Variant(matrix(values, dimensions), type_, dimensions))
    )


def matrix(values: list[Any], dimensions: list[int]) -> list[Any]:
    """The elements of a matrix as nested lists, the last dimension innermost (Part 6, 5.2.2.16)."""
    for size in reversed(dimensions[1:]):
        values = [values[i : i + size] for i in range(0, len(values), size)]
    return values
