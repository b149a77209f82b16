"""What types declare for their instances: InstanceDeclarations of all types of a model (Part 3, 6).

Read-only views over a Model, kept so that the same type need not be walked twice.
"""

from __future__ import annotations

from typing import NamedTuple

from asyncua import ua

from biogate_nodesets.model import HAS_SUBTYPE, HAS_TYPE_DEFINITION, Model, Node, ns0

HAS_MODELLING_RULE = ns0("HasModellingRule")
HAS_INTERFACE = ns0("HasInterface")
HAS_DICTIONARY_ENTRY = ns0("HasDictionaryEntry")
AGGREGATES = ns0("Aggregates")
HIERARCHICAL = ns0("HierarchicalReferences")
MANDATORY = ns0("ModellingRule_Mandatory")
OPTIONAL = ns0("ModellingRule_Optional")

_GENERATES_EVENT = ns0("GeneratesEvent")
_KEPT = frozenset({HAS_INTERFACE, HAS_DICTIONARY_ENTRY})
_NEVER_COPIED = frozenset({HAS_TYPE_DEFINITION, HAS_MODELLING_RULE, HAS_SUBTYPE})


class Child(NamedTuple):
    """A reference from a type or declaration to a declaration."""

    reference: ua.NodeId
    node: Node
    rule: ua.NodeId | None
    owned: bool  # by a HasComponent, HasProperty or other Aggregates reference


class Link(NamedTuple):
    """A forward reference to copy to an instance."""

    type: ua.NodeId
    target: ua.NodeId


class Declarations:
    """Answers what the declarations of a model are; the model's types must not change."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._hierarchical = self._subtypes(HIERARCHICAL) - self._subtypes(HAS_SUBTYPE)
        self._owning = self._subtypes(AGGREGATES)
        self._events = self._subtypes(_GENERATES_EVENT)
        self._children: dict[ua.NodeId, tuple[Child, ...]] = {}
        self._sources: dict[ua.NodeId, tuple[ua.NodeId, ...]] = {}
        self._links: dict[ua.NodeId, tuple[tuple[Link, ...], tuple[Link, ...]]] = {}

    def _subtypes(self, base: ua.NodeId) -> set[ua.NodeId]:
        found = {base}
        pending = [base]
        while pending:
            for derived in self._model.nodes[pending.pop()].targets(HAS_SUBTYPE):
                if derived not in found:
                    found.add(derived)
                    pending.append(derived)
        return found

    def is_owning(self, reference: ua.NodeId) -> bool:
        """Tell whether a reference type is HasComponent, HasProperty or another Aggregates."""
        return reference in self._owning

    def sources(self, type_: ua.NodeId) -> tuple[ua.NodeId, ...]:
        """Return all types that declare members of an instance, those that override first.

        They are the type, its supertypes, and the interfaces of each with their supertypes.
        """
        known = self._sources.get(type_)
        if known is None:
            chain = list(self._model.supertypes(type_))
            interfaces = [found for item in chain for found in self.interfaces(item)]
            known = self._sources[type_] = tuple(dict.fromkeys([*chain, *interfaces]))
        return known

    def interfaces(self, node: ua.NodeId) -> list[ua.NodeId]:
        """Return the interfaces that a node names, with their supertypes."""
        return [
            ancestor
            for interface in self._model.nodes[node].targets(HAS_INTERFACE)
            for ancestor in self._model.supertypes(interface)
        ]

    def children(self, node: ua.NodeId) -> tuple[Child, ...]:
        """Return the declarations below a type or declaration, owned ones first.

        The arguments of a Method count, with or without a ModellingRule.
        """
        known = self._children.get(node)
        if known is None:
            known = self._children[node] = self._find_children(self._model.nodes[node])
        return known

    def _find_children(self, node: Node) -> tuple[Child, ...]:
        children = []
        for reference in node.references:
            if not reference.forward or reference.type not in self._hierarchical:
                continue
            target = self._model.nodes[reference.target]
            rule = next(target.targets(HAS_MODELLING_RULE), None)
            if node.node_class is ua.NodeClass.Method:
                rule = MANDATORY
            if rule is not None:
                owned = reference.type in self._owning
                children.append(Child(reference.type, target, rule, owned))
        return tuple(sorted(children, key=lambda child: not child.owned))

    def type_of(self, node: Node) -> ua.NodeId | None:
        """Return the TypeDefinition of a declaration, None for a Method."""
        return next(node.targets(HAS_TYPE_DEFINITION), None)

    def kept_targets(self, node: Node) -> tuple[Link, ...]:
        """Return the references that an instance shares with its declaration.

        They are interfaces, dictionary entries but for placeholders such as
        <DictionaryEntryName>, and the events of Methods.
        """
        return self._links_of(node)[0]

    def links(self, node: Node) -> tuple[Link, ...]:
        """Return the remaining non-hierarchical references.

        They are of use where both ends are declarations of one instance: HasTrueSubState,
        HasCondition, HasSubStateMachine and the like.
        """
        return self._links_of(node)[1]

    def _links_of(self, node: Node) -> tuple[tuple[Link, ...], tuple[Link, ...]]:
        # Kept, since types in wide use have thousands of inverse references to look through.
        known = self._links.get(node.node_id)
        if known is None:
            known = self._links[node.node_id] = self._find_links(node)
        return known

    def _find_links(self, node: Node) -> tuple[tuple[Link, ...], tuple[Link, ...]]:
        kept, other = [], []
        method = node.node_class is ua.NodeClass.Method
        for type_, target, forward in node.references:
            if not forward or type_ in self._hierarchical or type_ in _NEVER_COPIED:
                continue
            if type_ in self._events:
                if method:
                    kept.append(Link(type_, target))
            elif type_ not in _KEPT:
                other.append(Link(type_, target))
            elif not (self._model.nodes[target].browse_name.Name or "").startswith("<"):
                kept.append(Link(type_, target))
        return tuple(kept), tuple(other)
