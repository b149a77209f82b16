"""A Model as plain tuples and back, fast: the content of the compiled cache.

NodeIds, names, texts and references are written once and named by their position, since most
of them occur many times: 44,000 references of the ten nodesets are about 25,000 different ones.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import starmap
from typing import Any
from uuid import UUID

from asyncua import ua

from biogate_nodesets.model import Model, Node, Reference, RolePermission, make_node_id

Plain = tuple[Any, ...]


class _Table:
    """Positions of distinct keys, in order of first use."""

    def __init__(self) -> None:
        self.positions: dict[Any, int] = {}

    def __call__(self, key: Any) -> int:
        return self.positions.setdefault(key, len(self.positions))

    def keys(self) -> list[Any]:
        return list(self.positions)


class _Flattener:
    """Collects the shared parts of a model while its nodes are turned into tuples."""

    def __init__(self) -> None:
        self.ids, self.names, self.texts, self.references = _Table(), _Table(), _Table(), _Table()

    def id(self, node_id: ua.NodeId | None) -> int | None:
        if node_id is None:
            return None
        identifier: Any = node_id.Identifier
        if isinstance(identifier, UUID):
            identifier = ("g", identifier.bytes)  # marshal knows no UUID
        return self.ids((identifier, node_id.NamespaceIndex))

    def text(self, text: ua.LocalizedText | None) -> int | None:
        return None if text is None else self.texts((text.Text, text.Locale))

    def name(self, name: ua.QualifiedName) -> int:
        return self.names((name.Name, name.NamespaceIndex))

    def reference(self, reference: Reference) -> int:
        return self.references(
            (self.id(reference.type), self.id(reference.target), reference.forward)
        )

    def node(self, node: Node) -> Plain:
        permissions = node.role_permissions
        return (
            self.id(node.node_id),
            node.node_class.value,
            self.name(node.browse_name),
            self.text(node.display_name),
            self.text(node.description),
            tuple(map(self.reference, node.references)),
            node.write_mask,
            node.is_abstract,
            node.symmetric,
            self.text(node.inverse_name),
            node.contains_no_loops,
            node.event_notifier,
            self.id(node.data_type),
            node.value_rank,
            node.array_dimensions,
            node.access_level,
            node.user_access_level,
            node.minimum_sampling_interval,
            node.historizing,
            node.executable,
            node.user_executable,
            self.definition(node.data_type_definition),
            node.value,
            None if permissions is None else tuple((self.id(r), mask) for r, mask in permissions),
            node.access_restrictions,
            self.id(node.method_declaration),
        )

    def definition(
        self, definition: ua.StructureDefinition | ua.EnumDefinition | None
    ) -> Plain | None:
        if definition is None:
            return None
        if isinstance(definition, ua.EnumDefinition):
            return tuple(
                (f.Value, self.text(f.DisplayName), self.text(f.Description), f.Name)
                for f in definition.Fields
            )
        return (
            self.id(definition.DefaultEncodingId),
            self.id(definition.BaseDataType),
            definition.StructureType.value,
            tuple(
                (
                    f.Name,
                    self.text(f.Description),
                    self.id(f.DataType),
                    f.ValueRank,
                    tuple(f.ArrayDimensions),
                    f.MaxStringLength,
                    f.IsOptional,
                )
                for f in definition.Fields
            ),
        )


def flatten(model: Model) -> Plain:
    """Turn a model into tuples, numbers, texts and bytes that marshal can write."""
    flat = _Flattener()
    nodes = [flat.node(node) for node in model.nodes.values()]
    return (
        tuple(model.namespaces),
        flat.ids.keys(),
        flat.names.keys(),
        flat.texts.keys(),
        flat.references.keys(),
        nodes,
    )


def restore(plain: Plain) -> Model:
    """Turn the result of `flatten` into a model again."""
    namespaces, plain_ids, plain_names, plain_texts, plain_references, plain_nodes = plain
    ids = [_node_id(*plain_id) for plain_id in plain_ids]
    names = list(starmap(ua.QualifiedName, plain_names))
    texts = list(starmap(ua.LocalizedText, plain_texts))
    # NamedTuple's own constructor is a Python function; tuple's is not.
    make: Callable[[Plain], Reference] = partial(tuple.__new__, Reference)
    references = [make((ids[t], ids[n], forward)) for t, n, forward in plain_references]
    classes = {node_class.value: node_class for node_class in ua.NodeClass}
    definitions = _Definitions(ids, texts)
    nodes: dict[ua.NodeId, Node] = {}
    for (
        node_id, node_class, browse_name, display_name, description, node_references,
        write_mask, is_abstract, symmetric, inverse_name, contains_no_loops, event_notifier,
        data_type, value_rank, array_dimensions, access_level, user_access_level,
        minimum_sampling_interval, historizing, executable, user_executable, definition,
        value, permissions, access_restrictions, method_declaration,
    ) in plain_nodes:  # fmt: skip
        nodes[ids[node_id]] = Node(
            ids[node_id],
            classes[node_class],
            names[browse_name],
            texts[display_name],
            None if description is None else texts[description],
            [references[position] for position in node_references],
            write_mask,
            is_abstract,
            symmetric,
            None if inverse_name is None else texts[inverse_name],
            contains_no_loops,
            event_notifier,
            None if data_type is None else ids[data_type],
            value_rank,
            array_dimensions,
            access_level,
            user_access_level,
            minimum_sampling_interval,
            historizing,
            executable,
            user_executable,
            None if definition is None else definitions.restore(definition),
            value,
            None
            if permissions is None
            else tuple(RolePermission(ids[r], m) for r, m in permissions),
            access_restrictions,
            None if method_declaration is None else ids[method_declaration],
        )
    return Model(list(namespaces), nodes)


def _node_id(identifier: Any, namespace: int) -> ua.NodeId:
    if isinstance(identifier, tuple):
        identifier = UUID(bytes=identifier[1])
    return make_node_id(identifier, namespace)


class _Definitions:
    """Restores DataTypeDefinitions."""

    def __init__(self, ids: list[ua.NodeId], texts: list[ua.LocalizedText]) -> None:
        self._ids, self._texts = ids, texts

    def restore(self, plain: Plain) -> ua.StructureDefinition | ua.EnumDefinition:
        texts = self._texts
        if not plain or isinstance(plain[0], tuple):
            return ua.EnumDefinition(
                Fields=[ua.EnumField(v, texts[n], texts[d], name) for v, n, d, name in plain]
            )
        encoding, base, kind, fields = plain
        return ua.StructureDefinition(
            self._ids[encoding],
            self._ids[base],
            ua.StructureType(kind),
            [
                ua.StructureField(
                    name, texts[text], self._ids[type_], rank, list(dims), longest, optional
                )
                for name, text, type_, rank, dims, longest, optional in fields
            ],
        )
