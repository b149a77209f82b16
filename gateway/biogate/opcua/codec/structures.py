"""Encoders and decoders of structures, generated once per class from its type description.

For each dataclass of asyncua one function that reads it and one that writes it is generated on
first use, as `dataclasses` does for `__init__`: neighbouring fields of fixed size are moved by
one `struct` call, and nothing is looked up per field. Part 6, 5.2.6 (structures), 5.2.7
(structures with optional fields), 5.2.8 (unions).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator, Iterator
from dataclasses import fields
from itertools import groupby
from typing import Any

from biogate.opcua.codec.fields import Field, describe, fields_of
from biogate.opcua.codec.limits import EncodeError, malformed
from biogate.opcua.stack import ua

Decode = Callable[[Any], Any]
Encode = Callable[[Any, Any], None]
Steps = Generator[None, None, Any]
"""Yields now and then, and returns the object."""

_ELEMENTS_PER_STEP = 64


class StructureCodec:
    """`decode(reader) -> object` and `encode(writer, object)` of one class, made on first use.

    `steps(reader)` is `decode` for what may take long: it yields within arrays of structures.
    """

    __slots__ = ("_fields", "cls", "decode", "encode", "steps")

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self._fields: tuple[Field, ...] | None = None
        self.decode: Decode = self._first_decode
        self.encode: Encode = self._first_encode
        self.steps: Callable[[Any], Steps] = self._first_steps

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields on the wire, in order."""
        if self._fields is None:
            self._fields = fields_of(self.cls, codec_of)
        return self._fields

    @property
    def minimum(self) -> int:
        """The fewest bytes that an object takes."""
        if issubclass(self.cls, ua.UaUnion):
            return 4
        mask = 4 if any(field.optional for field in self.fields) else 0
        return mask + sum(field.minimum for field in self.fields)

    def _compile(self) -> None:
        if issubclass(self.cls, ua.UaUnion):
            self.decode, self.encode = _union(self.cls)
        else:
            self.decode = _decoder(self.cls, self.fields)
            self.encode = _encoder(self.cls, self.fields)

    def _first_decode(self, reader: Any) -> Any:
        self._compile()
        return self.decode(reader)

    def _first_steps(self, reader: Any) -> Steps:
        self.steps = _decoder(self.cls, self.fields, steps=True)
        return self.steps(reader)

    def _first_encode(self, writer: Any, value: Any) -> None:
        self._compile()
        self.encode(writer, value)


_codecs: dict[type, StructureCodec] = {}


def codec_of(cls: type) -> StructureCodec:
    """The codec of a dataclass of asyncua, or of one made like them."""
    codec = _codecs.get(cls)
    if codec is None:
        codec = _codecs[cls] = StructureCodec(cls)
    return codec


def encoding_id(cls: type) -> ua.NodeId:
    """The NodeId of the Default Binary encoding of `cls`, or of the class that it refines.

    Raises EncodeError when neither is registered.
    """
    for base in cls.__mro__:
        type_id = ua.typeid_by_extension_objects.get(base)
        if type_id is not None:
            return type_id
    raise EncodeError(f"{cls.__name__} has no Default Binary encoding")


# Carried as opaque bodies: the first two lack their PortableNodeId in asyncua, the third has a
# mask of optional fields where Part 5, 12.12 has a String named Encoding, and the last has a field
# more than Part 4, 7.24.9.
_INCOMPLETE = frozenset(
    (
        "AliasUpdateDataType",
        "AliasCategoryUpdateDataType",
        "SessionSecurityDiagnosticsDataType",
        "DataTypeAttributes",
    )
)


def _standard(*, messages: bool) -> dict[object, StructureCodec]:
    # Namespace 0 only: a client in this process registers the structures of the servers that it
    # talks to by their namespace indices, which mean nothing here.
    return {
        int(type_id.Identifier): codec_of(cls)
        for type_id, cls in ua.extension_objects_by_typeid.items()
        if type_id.NamespaceIndex == 0
        and cls.__name__ not in _INCOMPLETE
        and messages == (next((f.name for f in fields(cls)), None) == "TypeId")
    }


STRUCTURES = _standard(messages=False)
"""The standard structures by the numeric identifier of their Default Binary encoding."""

MESSAGES = _standard(messages=True)
"""The service requests and responses by the numeric identifier of their encoding."""


def _runs(all_fields: tuple[Field, ...]) -> Iterator[tuple[Field, ...]]:
    """Groups of neighbours: those of fixed size together, every other field alone."""
    for together, run in groupby(
        all_fields, lambda f: bool(f.kind.code) and not f.array and not f.optional
    ):
        if together:
            yield tuple(run)
        else:
            yield from ((field,) for field in run)


def _build(name: str, argument: str, lines: list[str], names: dict[str, Any]) -> Any:
    source = f"def {name}({argument}):\n" + "".join(f"    {line}\n" for line in lines)
    namespace = dict(names)
    # The text comes from class and field names of type descriptions in this process only.
    exec(source, namespace)  # noqa: S102
    return namespace[name]


def _names(all_fields: tuple[Field, ...]) -> dict[str, Any]:
    return {name: value for f in all_fields for name, value in f.kind.names}


def _optional_bits(all_fields: tuple[Field, ...]) -> dict[str, int]:
    optional = [f.name for f in all_fields if f.optional]
    return {name: 1 << bit for bit, name in enumerate(optional)}


def _read_one(field: Field) -> str:
    kind = field.kind
    if field.array and kind.plain:
        return f'r.numbers("{kind.code}", {kind.size}) or []'
    one = kind.load.format(f'r.number("{kind.code}", {kind.size})') if kind.code else kind.load
    return f"[{one} for _ in range(r.count({kind.size}))]" if field.array else one


def _read_field(field: Field, *, steps: bool) -> list[str]:
    """The lines that read a field which is no number of fixed size."""
    (name, codec) = field.kind.names[0] if field.kind.names else ("", None)
    if not steps or not isinstance(codec, StructureCodec) or issubclass(codec.cls, ua.UaUnion):
        return [f"o.{field.name} = {_read_one(field)}"]
    if not field.array:
        return [f"o.{field.name} = yield from {name}.steps(r)"]
    return [
        f"o.{field.name} = v = []",
        f"for i in range(r.count({field.kind.size})):",
        f"    v.append({field.kind.load})",
        f"    if not i % {_ELEMENTS_PER_STEP}:",
        "        yield",
    ]


def _decoder(cls: type, all_fields: tuple[Field, ...], *, steps: bool = False) -> Any:
    """`decode`, or `steps`."""
    names = _names(all_fields) | {"new": object.__new__, "cls": cls, "malformed": malformed}
    bits = _optional_bits(all_fields)
    lines = ["o = new(cls)"]
    if bits:
        unknown = ~((1 << len(bits)) - 1) & 0xFFFF_FFFF
        lines += [
            'mask = r.number("I", 4)',
            f"if mask & {unknown}:",
            f'    raise malformed(f"{cls.__name__}: unknown optional fields, mask {{mask:#x}}")',
        ]
        if any(f.name == "Encoding" for f in fields(cls)):
            lines.append("o.Encoding = mask")
    for index, run in enumerate(_runs(all_fields)):
        first = run[0]
        if first.optional:
            lines.append(
                f"o.{first.name} = ({_read_one(first)}) if mask & {bits[first.name]} else None"
            )
        elif first.array or not first.kind.code:
            lines += _read_field(first, steps=steps)
        else:
            layout = struct.Struct("<" + "".join(f.kind.code for f in run))
            names[f"unpack{index}"] = layout.unpack_from
            values = ", ".join(f"v{i}" for i in range(len(run)))
            lines.append(f"{values}, = unpack{index}(r.data, r.take({layout.size}))")
            lines += [f"o.{f.name} = {f.kind.load.format(f'v{i}')}" for i, f in enumerate(run)]
    lines += ["yield", "return o"] if steps else ["return o"]
    return _build("decode", "r", lines, names)


def _write_one(field: Field, value: str) -> list[str]:
    kind = field.kind
    if not field.array:
        if kind.code:
            return [f'w.number("{kind.code}", {kind.store.format(value)})']
        return [kind.store.format(value)]
    if kind.code:
        item = "v" if kind.store == "{}" else f"[{kind.store.format('e')} for e in v or ()]"
        return [f"v = {value}", f'w.numbers("{kind.code}", v if v is None else {item})']
    return [f"v = {value}", "w.count(v)", "for e in v or ():", f"    {kind.store.format('e')}"]


def _encoder(cls: type, all_fields: tuple[Field, ...]) -> Encode:
    names = _names(all_fields)
    bits = _optional_bits(all_fields)
    lines = []
    if bits:
        mask = " | ".join(f"({bit} if o.{name} is not None else 0)" for name, bit in bits.items())
        lines.append(f'w.number("I", {mask})')
    for index, run in enumerate(_runs(all_fields)):
        first = run[0]
        if first.optional:
            lines.append(f"if o.{first.name} is not None:")
            lines += [f"    {line}" for line in _write_one(first, f"o.{first.name}")]
        elif first.array or not first.kind.code:
            lines += _write_one(first, f"o.{first.name}")
        else:
            names[f"pack{index}"] = struct.Struct("<" + "".join(f.kind.code for f in run)).pack
            values = ", ".join(f.kind.store.format(f"o.{f.name}") for f in run)
            lines.append(f"w.buffer += pack{index}({values})")
    return _build("encode", "w, o", lines or ["pass"], names)  # type: ignore[no-any-return]


def _union(cls: type) -> tuple[Decode, Encode]:
    options = [describe("Value", hint, codec_of) for hint in cls._union_types]  # type: ignore[attr-defined]
    names = _names(tuple(options))
    readers = [_build("read", "r", [f"return {_read_one(o)}"], names) for o in options]
    writers = [_build("write", "w, o", _write_one(o, "o"), names) for o in options]

    def decode(reader: Any) -> Any:
        switch = reader.number("I", 4)
        if switch > len(readers):
            raise malformed(f"{cls.__name__}: option {switch} of {len(readers)}")
        value = cls()
        value.Encoding = switch
        value.Value = readers[switch - 1](reader) if switch else None
        return value

    def encode(writer: Any, value: Any) -> None:
        if not 0 <= value.Encoding <= len(writers):
            raise EncodeError(f"{cls.__name__}: option {value.Encoding} of {len(writers)}")
        writer.number("I", value.Encoding)
        if value.Encoding:
            writers[value.Encoding - 1](writer, value.Value)

    return decode, encode
