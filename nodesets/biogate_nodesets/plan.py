"""Which nodes an instance of a type has: declarations merged into members (Part 3, 6.2-6.4).

A *member* is one future node. Several declarations make it: the one that the type (or a
declaration on the way) gives, those that it overrides, and, for what lies below it, its own
TypeDefinition. A declaration that several references reach is one member with several
references; this holds within one instance of a type, so each declaration is looked up together
with the member (the *scope*) whose type it belongs to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from asyncua import ua

from biogate_nodesets.declarations import MANDATORY, OPTIONAL, Child, Declarations
from biogate_nodesets.homonyms import HOMONYMS
from biogate_nodesets.model import Model, Node

BrowsePath = tuple[str, ...]


@dataclass(slots=True, eq=False)
class Member:
    """One node of the instance to be. `path` is that of its owner, from the root (empty)."""

    path: BrowsePath
    type_definition: ua.NodeId | None
    sources: list[Source] = field(default_factory=list)
    children: dict[str, Member] = field(default_factory=dict)
    links: list[tuple[ua.NodeId, Member]] = field(default_factory=list)
    expanded: int = 0

    @property
    def declarations(self) -> list[Node]:
        """The declarations that make this node itself, those that override first."""
        return [source.node for source in self.sources if not source.is_type]


class Source(NamedTuple):
    """A type or declaration whose children become children of a member."""

    node: Node
    scope: Member
    is_type: bool


class _Skipped(NamedTuple):
    """A declaration that was left out, since nothing asked for it so far."""

    parent: Member
    child: Child
    scope: Member


class Planner:
    """Plans one instance. Use `plan`."""

    def __init__(
        self,
        model: Model,
        declarations: Declarations,
        wanted: Collection[BrowsePath],
        types: Mapping[BrowsePath, ua.NodeId],
    ) -> None:
        self._model = model
        self._declarations = declarations
        self._wanted = {path[:length] for path in wanted for length in range(1, len(path) + 1)}
        self._types = types
        self._by_declaration: dict[tuple[Member, ua.NodeId], Member] = {}
        self._skipped: list[_Skipped] = []
        self._queue: deque[Member] = deque()
        self._homonyms: dict[tuple[int, object], BrowsePath] = {
            (model.namespaces.index(uri), number): path
            for uri, paths in HOMONYMS.items()
            if uri in model.namespaces
            for number, path in paths.items()
        }

    def plan(self, type_: ua.NodeId) -> Member:
        """Return the root of all members of an instance.

        Raises ValueError for a wanted path that the type does not declare.
        """
        root = Member((), type_)
        self._queue.append(root)
        self._expand_all(root)
        self._check(root)
        return root

    def _expand_all(self, root: Member) -> None:
        """Expand until nothing is left that was asked for, or made in the meantime."""
        asked = -1
        while self._queue or asked != len(self._wanted):
            asked = len(self._wanted)
            while self._queue:
                self._expand(self._queue.popleft())
            skipped, self._skipped = self._skipped, []
            for item in skipped:
                self._consider(item.parent, item.child, item.scope, mandatory=False)
            self._resolve_shared_paths(root)

    def _resolve_shared_paths(self, root: Member) -> None:
        """A path may lead through a shared member: ask for it by that member's own path."""
        for path in list(self._wanted):
            for length in range(len(path) - 1, 0, -1):
                member = find(root, path[:length])
                if member is not None:
                    self._wanted.add((*member.path, *path[length:]))
                    break

    def _expand(self, member: Member) -> None:
        if not member.expanded:
            self._add_type_sources(member)
        fresh = member.sources[member.expanded :]
        member.expanded = len(member.sources)
        mandatory = {
            _name(child.node)
            for source in fresh
            for child in self._declarations.children(source.node.node_id)
            if child.rule == MANDATORY
        }
        for source in fresh:
            for child in self._declarations.children(source.node.node_id):
                if child.rule in (MANDATORY, OPTIONAL):
                    is_mandatory = _name(child.node) in mandatory
                    self._consider(member, child, source.scope, mandatory=is_mandatory)

    def _add_type_sources(self, member: Member) -> None:
        declared = [
            interface
            for node in member.declarations
            for interface in self._declarations.interfaces(node.node_id)
        ]
        typed = member.type_definition
        of_type = () if typed is None else self._declarations.sources(typed)
        member.sources.extend(
            Source(self._model.nodes[type_], member, is_type=True)
            for type_ in dict.fromkeys([*declared, *of_type])
        )

    def _consider(self, parent: Member, child: Child, scope: Member, *, mandatory: bool) -> None:
        """Add a declaration as a child, or put it aside."""
        name = _name(child.node)
        path = (*parent.path, name)
        existing = parent.children.get(name)
        same = self._by_declaration.get((scope, child.node.node_id))
        if not (mandatory or existing or same or path in self._wanted):
            self._skipped.append(_Skipped(parent, child, scope))
            return
        homonym = self._homonyms.get(_key(child.node))
        if homonym is not None and same is None:
            self._want_homonym(parent, child, scope, homonym)
            return
        self._check_one(path, child.node, existing, same)
        member = same or existing or self._new_member(path, child.node)
        self._attach(parent, name, member, child.reference)
        if same is None:
            self._by_declaration[scope, child.node.node_id] = member
            member.sources.append(Source(child.node, scope, is_type=False))
            self._queue.append(member)

    @staticmethod
    def _check_one(
        path: BrowsePath, declaration: Node, existing: Member | None, same: Member | None
    ) -> None:
        """Refuse what no official type does: two members of one name below one parent."""
        if existing is None or (same is existing):
            return
        if same is not None or existing.declarations[0].browse_name != declaration.browse_name:
            raise ValueError(
                f"{'/'.join(path)} is declared as two different members: "
                f"{existing.declarations[0].node_id.to_string()} and "
                f"{declaration.node_id.to_string()}"
            )

    def _want_homonym(
        self, parent: Member, child: Child, scope: Member, homonym: BrowsePath
    ) -> None:
        """Let the homonym be made first; then take it as the one that this stands for."""
        member = find(scope, homonym)
        if member is None:
            full = (*scope.path, *homonym)
            self._wanted.update(full[:length] for length in range(1, len(full) + 1))
            self._wanted.add((*parent.path, _name(child.node)))
            self._skipped.append(_Skipped(parent, child, scope))
            return
        self._by_declaration[scope, child.node.node_id] = member
        self._attach(parent, _name(child.node), member, child.reference)

    def _new_member(self, path: BrowsePath, declaration: Node) -> Member:
        declared = self._declarations.type_of(declaration)
        chosen = self._types.get(path, declared)
        if declared is None or chosen is None:
            return Member(path, None)
        if chosen != declared and not self._model.is_subtype(chosen, declared):
            raise ValueError(
                f"{'/'.join(path)} must be of type {self._type_name(declared)} or a subtype, "
                f"not {self._type_name(chosen)}"
            )
        if self._model.nodes[chosen].is_abstract:
            raise ValueError(
                f"{'/'.join(path)} is of the abstract type {self._type_name(chosen)}: "
                "name a subtype for it"
            )
        return Member(path, chosen)

    def _type_name(self, type_: ua.NodeId) -> str:
        return f"{self._model.nodes[type_].browse_name.Name} ({type_.to_string()})"

    @staticmethod
    def _attach(parent: Member, name: str, member: Member, reference: ua.NodeId) -> None:
        parent.children.setdefault(name, member)
        if (reference, member) not in parent.links:
            parent.links.append((reference, member))

    def _check(self, root: Member) -> None:
        unknown = sorted(path for path in self._wanted if find(root, path) is None)
        if unknown:
            known = sorted(
                {"/".join((*item.parent.path, _name(item.child.node))) for item in self._skipped}
            )
            raise ValueError(
                f"{self._type_name(root.type_definition or ua.NodeId())} declares no member "
                f"{', '.join('/'.join(path) for path in unknown)}; optional members left out "
                f"here are: {', '.join(known) or 'none'}"
            )


def find(member: Member, path: BrowsePath) -> Member | None:
    """Return the member at a path below another one, None when there is none."""
    current: Member | None = member
    for name in path:
        if current is None:
            return None
        current = current.children.get(name)
    return current


def _name(node: Node) -> str:
    return node.browse_name.Name or ""


def _key(node: Node) -> tuple[int, object]:
    return node.node_id.NamespaceIndex, node.node_id.Identifier
