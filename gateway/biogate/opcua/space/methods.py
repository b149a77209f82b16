"""Which function a Method runs, on which Object (Part 3, 5.7; Part 4, 5.12.2.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from biogate.opcua.errors import StatusError
from biogate.opcua.ports import OnRecord
from biogate.opcua.space.ids import (
    HAS_COMPONENT,
    HAS_INTERFACE,
    HAS_SUBTYPE,
    HAS_TYPE_DEFINITION,
)
from biogate.opcua.space.types import TypeTree
from biogate.opcua.stack import StatusCodes, ua
from biogate_nodesets.model import Node


@dataclass(frozen=True, slots=True)
class MethodCall:
    """One call whose arguments fit the Method's InputArguments.

    `context` is the RequestContext; `object_id` the Object that the Method is called on. A handler
    that leaves a record of the call tells `on_record` of it; `signature` is what somebody has
    signed it with.
    """

    context: Any
    object_id: ua.NodeId
    method_id: ua.NodeId
    arguments: Sequence[ua.Variant]
    on_record: OnRecord | None = None
    signature: Any = None


class InvalidArgumentsError(StatusError):
    """What a handler raises for arguments that fit their types and yet cannot be.

    `results` has a StatusCode per InputArgument; the call's own is Bad_InvalidArgument.
    """

    def __init__(self, *results: int) -> None:
        super().__init__(StatusCodes.BadInvalidArgument)
        self.results = results


Outputs = Sequence[ua.Variant]
MethodHandler = Callable[[MethodCall], Outputs | Awaitable[Outputs]]
RefusalHandler = Callable[[MethodCall, int], Awaitable[None]]
"""Gets a call that is not made, whose arguments need not fit, and the StatusCode that says why."""


class MethodTable:
    """Handlers by (Object or type, Method).

    A Method may be named by its own NodeId on the Object or by that of its declaration in the
    Object's type; a handler may be bound to either, and is found for both.
    """

    def __init__(self, nodes: Mapping[ua.NodeId, Node], types: TypeTree) -> None:
        self._nodes = nodes
        self._types = types
        self._handlers: dict[tuple[ua.NodeId, ua.NodeId], MethodHandler] = {}
        self._refusals: dict[ua.NodeId, RefusalHandler] = {}
        self._unaudited: set[ua.NodeId] = set()

    def bind(
        self,
        owner: ua.NodeId,
        method: ua.NodeId,
        handler: MethodHandler,
        *,
        refused: RefusalHandler | None = None,
        audited: bool = True,
    ) -> None:
        """Run `handler` for `method` on the Object `owner`, or on every Object of type `owner`.

        The handler raises StatusError, or InvalidArgumentsError, for a result other than Good.
        `refused` is told of calls of this `method` that do not come to it, for want of rights or
        for their arguments. Of a method that is not `audited` no audit events are raised: it
        changes nothing. Raises ValueError when the Method is not a component of `owner`.
        """
        if method not in self._components(owner):
            raise ValueError(f"{method.to_string()} is no Method of {owner.to_string()}")
        self._handlers[owner, method] = handler
        if not audited:
            self._unaudited.add(method)
        if refused is not None:
            self._refusals[method] = refused

    def bound(self) -> Iterator[tuple[ua.NodeId, ua.NodeId]]:
        """Each Object or type and the Method for which a handler is bound."""
        yield from self._handlers

    def is_audited(self, method_id: ua.NodeId) -> bool:
        """Whether calls of the method are told to those who listen to audit events."""
        return method_id not in self._unaudited

    async def refused(self, call: MethodCall, status: int) -> None:
        """A call is not made: tell whoever wants to know."""
        tell = self._refusals.get(call.method_id)
        if tell is not None:
            await tell(call, status)

    def find(self, object_id: ua.NodeId, method_id: ua.NodeId) -> tuple[bool, MethodHandler | None]:
        """Whether the Object has the Method, and its handler where one is bound."""
        owners = list(self._owners(object_id))
        components = [self._components(owner) for owner in owners]
        if not any(method_id in found for found in components):
            return False, None
        name = self._nodes[method_id].browse_name
        for owner, found in zip(owners, components, strict=True):
            for candidate in found:
                if self._nodes[candidate].browse_name == name:
                    handler = self._handlers.get((owner, candidate))
                    if handler is not None:
                        return True, handler
        return True, None

    def is_bound(self, method_id: ua.NodeId) -> bool:
        """True when some Object that has the Method runs a handler for it."""
        node = self._nodes[method_id]
        owners = (
            r.target for r in node.references if not r.forward and r.type in self._component_types()
        )
        return any(self.find(owner, method_id)[1] is not None for owner in owners)

    def _component_types(self) -> frozenset[ua.NodeId]:
        return self._types.with_subtypes(HAS_COMPONENT)

    def _components(self, owner: ua.NodeId) -> list[ua.NodeId]:
        node = self._nodes.get(owner)
        if node is None:
            return []
        component = self._component_types()
        return [
            r.target
            for r in node.references
            if r.forward and r.type in component and self._is_method(r.target)
        ]

    def _is_method(self, node_id: ua.NodeId) -> bool:
        node = self._nodes.get(node_id)
        return node is not None and node.node_class is ua.NodeClass.Method

    def _owners(self, object_id: ua.NodeId) -> Iterator[ua.NodeId]:
        """The Object, its type, the type's supertypes, and the interfaces of all of them."""
        seen: dict[ua.NodeId, None] = {}
        waiting = [object_id]
        while waiting:
            owner = waiting.pop(0)
            node = self._nodes.get(owner)
            if node is None or owner in seen:
                continue
            seen[owner] = None
            yield owner
            for reference in node.references:
                up = reference.type == HAS_SUBTYPE and not reference.forward
                down = reference.type in (HAS_TYPE_DEFINITION, HAS_INTERFACE) and reference.forward
                if up or down:
                    waiting.append(reference.target)
