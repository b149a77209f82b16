"""Instances of types, by the rules of Part 3, 6."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from asyncua import ua

from biogate_nodesets.add import Value, add_nodes, encode
from biogate_nodesets.declarations import Declarations
from biogate_nodesets.model import (
    HAS_TYPE_DEFINITION,
    Model,
    Node,
    Reference,
    make_node_id,
)
from biogate_nodesets.plan import BrowsePath, Member, Planner


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSpec:
    """What a member of an instance shall have other than its declaration; None keeps that.

    `type_definition` must be the declared type or a subtype. `value` is a Variant, or one that
    is encoded already; a Variant must not hold structures of companion specifications, whose
    encoding ids asyncua gets wrong.
    """

    type_definition: ua.NodeId | None = None
    data_type: ua.NodeId | None = None
    value: Value | None = None
    display_name: ua.LocalizedText | None = None
    description: ua.LocalizedText | None = None
    access_level: int | None = None


@dataclass(slots=True)
class Instance:
    """The nodes of one instance, the root first.

    `paths` maps every browse path (plain names, joined by "/", "" for the root) to its node;
    a shared node has several paths.
    """

    node_id: ua.NodeId
    nodes: list[Node]
    paths: dict[str, ua.NodeId]
    _by_id: dict[ua.NodeId, Node] = field(repr=False)

    def __getitem__(self, path: str) -> Node:
        """Return the node at a path; raise KeyError, naming the paths there are."""
        if path not in self.paths:
            raise KeyError(f"no {path!r} in this instance; it has: {', '.join(self.paths)}")
        return self._by_id[self.paths[path]]


class Instantiator:
    """Makes instances in a model. The model's types must not change while it is in use."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._declarations = Declarations(model)

    def instantiate(
        self,
        type_id: ua.NodeId,
        *,
        node_id: ua.NodeId,
        browse_name: ua.QualifiedName,
        parent: ua.NodeId,
        reference: ua.NodeId,
        optional: Collection[str] = (),
        members: Mapping[str, MemberSpec | Value] | None = None,
        display_name: ua.LocalizedText | None = None,
        description: ua.LocalizedText | None = None,
    ) -> Instance:
        """Add an instance of an ObjectType or VariableType below `parent` to the model.

        All mandatory members are made, and the optional ones whose paths ("SensorValue/EURange")
        `optional` or `members` list, their parents implied. Placeholders (`<SetElement>`) are
        filled by instantiating a child of one's own. Members get string NodeIds in the namespace
        of `node_id`: its identifier, a dot, and the path joined by dots. A plain value in
        `members` stands for MemberSpec(value=...).

        Nothing is added when an error is raised: ValueError for an abstract or unknown type (of a
        member, too: name a subtype by MemberSpec), an unknown parent, a NodeId that is in use, a
        path that the type does not declare.
        """
        self._check(type_id, node_id, parent, reference)
        specs = {
            tuple(path.split("/")): spec if isinstance(spec, MemberSpec) else MemberSpec(value=spec)
            for path, spec in (members or {}).items()
        }
        planner = Planner(
            self._model,
            self._declarations,
            [*(tuple(path.split("/")) for path in optional), *specs],
            {p: s.type_definition for p, s in specs.items() if s.type_definition is not None},
        )
        root = planner.plan(type_id)
        builder = _Builder(self._model, self._declarations, node_id, specs)
        instance = builder.build(root, browse_name, display_name, description)
        instance.nodes[0].references.append(Reference(reference, parent, forward=False))
        add_nodes(self._model, instance.nodes)
        return instance

    def _check(
        self, type_id: ua.NodeId, node_id: ua.NodeId, parent: ua.NodeId, reference: ua.NodeId
    ) -> None:
        nodes = self._model.nodes
        type_ = nodes.get(type_id)
        if type_ is None or type_.node_class not in _INSTANCE_CLASS:
            raise ValueError(f"{type_id.to_string()} is not an ObjectType or VariableType")
        if type_.is_abstract:
            raise ValueError(
                f"{type_.browse_name.Name} ({type_id.to_string()}) is abstract: use a subtype"
            )
        if parent not in nodes:
            raise ValueError(f"the parent {parent.to_string()} is not in the model")
        if reference not in nodes or nodes[reference].node_class != ua.NodeClass.ReferenceType:
            raise ValueError(f"{reference.to_string()} is not a ReferenceType")


_INSTANCE_CLASS = {
    ua.NodeClass.ObjectType: ua.NodeClass.Object,
    ua.NodeClass.VariableType: ua.NodeClass.Variable,
}


class _Builder:
    """Turns planned members into nodes."""

    def __init__(
        self,
        model: Model,
        declarations: Declarations,
        root_id: ua.NodeId,
        specs: Mapping[BrowsePath, MemberSpec],
    ) -> None:
        self._model = model
        self._declarations = declarations
        self._root_id = root_id
        self._specs = specs
        self._ids: dict[int, ua.NodeId] = {}
        self._instances: dict[tuple[int, ua.NodeId], ua.NodeId] = {}

    def build(
        self,
        root: Member,
        browse_name: ua.QualifiedName,
        display_name: ua.LocalizedText | None,
        description: ua.LocalizedText | None,
    ) -> Instance:
        members = self._name_members(root)
        for member in members:
            for source in member.sources:
                key = (id(source.scope), source.node.node_id)
                self._instances.setdefault(key, self._ids[id(member)])
        nodes = [self._root(root, browse_name, display_name, description)]
        nodes += [self._member(member) for member in members[1:]]
        by_id = {node.node_id: node for node in nodes}
        for member in members:
            self._reference(member, by_id)
        paths = {"/".join(path): self._ids[id(member)] for path, member in _all_paths(root)}
        self._apply(paths, by_id)
        return Instance(self._root_id, nodes, paths, by_id)

    def _name_members(self, root: Member) -> list[Member]:
        """Give each member the NodeId of its owner's path; return them, owners first."""
        self._ids[id(root)] = self._root_id
        members = [root]
        for only_owned in (True, False):
            for parent in members:  # grows while it is walked
                for reference, child in parent.links:
                    if id(child) in self._ids or (
                        only_owned and not self._declarations.is_owning(reference)
                    ):
                        continue
                    self._ids[id(child)] = self._child_id(self._ids[id(parent)], child)
                    members.append(child)
        return members

    def _child_id(self, parent: ua.NodeId, child: Member) -> ua.NodeId:
        prefix: object = parent.Identifier
        identifier = f"{prefix!s}.{child.path[-1]}"
        return make_node_id(identifier, self._root_id.NamespaceIndex)

    def _root(
        self,
        root: Member,
        browse_name: ua.QualifiedName,
        display_name: ua.LocalizedText | None,
        description: ua.LocalizedText | None,
    ) -> Node:
        assert root.type_definition is not None, "the root is an instance of a type"
        type_ = self._model.nodes[root.type_definition]
        return replace(
            type_,
            node_id=self._root_id,
            node_class=_INSTANCE_CLASS[type_.node_class],
            browse_name=browse_name,
            display_name=display_name or ua.LocalizedText(browse_name.Name),
            description=description,
            references=[],
            role_permissions=None,
            access_restrictions=None,
        )

    def _member(self, member: Member) -> Node:
        declarations = member.declarations
        first = declarations[0]
        node = replace(first, node_id=self._ids[id(member)], references=[])
        if node.description is None:
            node.description = next((d.description for d in declarations if d.description), None)
        if node.node_class is ua.NodeClass.Variable and node.value is None:
            node.value = self._default_value(member)
        if node.node_class is ua.NodeClass.Method:
            node.method_declaration = first.method_declaration or first.node_id
        return node

    @staticmethod
    def _default_value(member: Member) -> bytes | None:
        """Return the value of the nearest declaration, else of the VariableType."""
        return next(
            (source.node.value for source in member.sources if source.node.value is not None), None
        )

    def _reference(self, member: Member, by_id: Mapping[ua.NodeId, Node]) -> None:
        """Write the references that start at a member."""
        node = by_id[self._ids[id(member)]]
        found: dict[Reference, None] = {}
        if member.type_definition is not None:
            found[Reference(HAS_TYPE_DEFINITION, member.type_definition, forward=True)] = None
        for type_, child in member.links:
            found[Reference(type_, self._ids[id(child)], forward=True)] = None
        for source in member.sources:
            for type_, target in self._declarations.kept_targets(source.node):
                found[Reference(type_, target, forward=True)] = None
            for type_, target in self._declarations.links(source.node):
                copy = self._instances.get((id(source.scope), target))
                if copy is not None:
                    found[Reference(type_, copy, forward=True)] = None
        node.references = list(found)

    def _apply(self, paths: Mapping[str, ua.NodeId], by_id: Mapping[ua.NodeId, Node]) -> None:
        for path, spec in self._specs.items():
            node = by_id[paths["/".join(path)]]
            node.display_name = spec.display_name or node.display_name
            node.description = spec.description or node.description
            node.data_type = spec.data_type or node.data_type
            if spec.access_level is not None:
                node.access_level = node.user_access_level = spec.access_level
            if spec.value is not None:
                node.value = encode(spec.value)


def _all_paths(root: Member) -> Iterator[tuple[BrowsePath, Member]]:
    pending: list[tuple[BrowsePath, Member, frozenset[int]]] = [((), root, frozenset())]
    for path, member, above in pending:  # grows while it is walked
        yield path, member
        if id(member) not in above:
            inside = above | {id(member)}
            pending += [((*path, name), c, inside) for name, c in member.children.items()]
