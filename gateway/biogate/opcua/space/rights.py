"""Rights in front of every node: the policy's decisions, kept until something may change them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from weakref import WeakValueDictionary

from biogate.opcua.errors import StatusError
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.ids import AUDIT_EVENT_TYPE
from biogate.opcua.space.own_password import concerns_own_password
from biogate.opcua.space.permissions import allows, fits_channel
from biogate.opcua.space.places import NOWHERE, Place
from biogate.opcua.space.values import TagSource
from biogate.opcua.stack import StatusCodes, ua
from biogate_nodesets.model import Node
from biogate_security.policy import AUDIT_EVENT, STATUS_AND_TIME, Action, Policy, Resource, Subject
from biogate_security.roles import Role

_numbers = count(1)
_ENCRYPTED = ua.MessageSecurityMode.SignAndEncrypt.name


class RightsView:
    """What one subject may do with each node (docs/architecture.md, decision 10).

    `key` changes whenever any decision may have changed, by a change of rights or because a time
    window opened or closed: whatever was made under another key must be made again.
    """

    def __init__(
        self, subject: Subject, policy: Policy, space: AddressSpace, now: Callable[[], int]
    ) -> None:
        self.subject = subject
        self._number = next(_numbers)
        self._policy = policy
        self._space = space
        self._now = now
        self._epochs = (policy.epoch, space.epoch)
        self._decided: dict[Action, dict[ua.NodeId, bool]] = {action: {} for action in Action}
        self._restated: dict[ua.NodeId, bool] = {}
        self._heard: dict[Place, bool] = {}
        self._since = 0
        self._until: int | None = None

    @property
    def key(self) -> tuple[int, int, int]:
        """The view's number, the policy's epoch and the address space's."""
        if self._until is not None:
            self._look_at_clock(self._until)
        return (self._number, self._policy.epoch, self._space.epoch)

    def may(self, action: Action, node: Node) -> bool:
        """True when `action` on `node` is allowed (for READ and WRITE: its Value).

        Both the policy and what the node itself asks of roles and channels must allow it.
        """
        self._refresh()
        decisions = self._decided[action]
        allowed = decisions.get(node.node_id)
        if allowed is None:
            allowed = decisions[node.node_id] = self._decide(action, node)
        return allowed

    def may_hear_of(self, place: Place) -> bool:
        """True when events about a place may be received, whatever their source is."""
        if place == NOWHERE:
            return True
        self._refresh()
        allowed = self._heard.get(place)
        if allowed is None:
            resource = Resource("", attribute="", zone=place.zone, part=place.part)
            allowed = self._heard[place] = self._allowed(Action.RECEIVE_EVENTS, resource)
        return allowed

    def _refresh(self) -> None:
        """Forget what was decided when rights, nodes or the time were other ones."""
        if self._until is not None:
            self._look_at_clock(self._until)
        epochs = (self._policy.epoch, self._space.epoch)
        if epochs != self._epochs:
            self._epochs = epochs
            self._forget()

    def _look_at_clock(self, until: int) -> None:
        """At the edge of a time window all is decided again, under another key.

        So it is when the clock was set back, maybe to before an edge.
        """
        if not self._since <= self._now() < until:
            self._number = next(_numbers)
            self._forget()

    def _forget(self) -> None:
        self._until = None
        self._restated.clear()
        self._heard.clear()
        for decisions in self._decided.values():
            decisions.clear()

    def would(self, role: str, action: Action, node: Node) -> bool:
        """Whether the policy lets whoever has just this role, from here; see `may` for what is."""
        anonymous = role == Role.ANONYMOUS
        kind = "Anonymous" if anonymous else "UserName"
        subject = replace(self.subject, user=None, roles=frozenset({role}), authentication=kind)
        return self._policy.decide(subject, action, self._resource(node.node_id), self._now()).allow

    def refusal(self, action: Action, node: Node) -> int:
        """The status that says why `may` is False."""
        fits = fits_channel(node, action, self.subject.security_mode)
        return StatusCodes.BadUserAccessDenied if fits else StatusCodes.BadSecurityModeInsufficient

    def _decide(self, action: Action, node: Node) -> bool:
        subject = self.subject
        if not fits_channel(node, action, subject.security_mode):
            return False
        if concerns_own_password(subject, action, node.node_id):
            return True
        if not allows(node, action, subject.roles):
            return False
        resource = self._resource(node.node_id)
        if action is Action.RECEIVE_EVENTS and self._is_audit_event(node.node_id):
            if subject.security_mode != _ENCRYPTED:
                return False
            resource = replace(resource, attribute=AUDIT_EVENT)
        return self._allowed(action, resource)

    def may_restate(self, node: Node) -> bool:
        """True when a Write may set status and SourceTimestamp of the node's Value, too."""
        if not self.may(Action.WRITE, node):
            return False
        allowed = self._restated.get(node.node_id)
        if allowed is None:
            resource = replace(self._resource(node.node_id), attribute=STATUS_AND_TIME)
            allowed = self._restated[node.node_id] = self._allowed(Action.WRITE, resource)
        return allowed

    def _allowed(self, action: Action, resource: Resource) -> bool:
        now = self._now()
        decision = self._policy.decide(self.subject, action, resource, now)
        if decision.until is not None:
            if self._until is None:
                self._since, self._until = now, decision.until
            self._until = min(self._until, decision.until)
        return decision.allow

    def visible(self, node_id: ua.NodeId) -> Node | None:
        """The node when it exists and may be browsed: a hidden node looks absent."""
        node = self._space.get(node_id)
        if node is None or not self.may(Action.BROWSE, node):
            return None
        return node

    def require_visible(self, node_id: ua.NodeId) -> Node:
        """Like `visible`; raises StatusError Bad_NodeIdInvalid or Bad_NodeIdUnknown."""
        node = self.visible(node_id)
        if node is None:
            null = node_id.is_null()
            raise StatusError(
                StatusCodes.BadNodeIdInvalid if null else StatusCodes.BadNodeIdUnknown
            )
        return node

    def _is_audit_event(self, node_id: ua.NodeId) -> bool:
        """Audit events may tell secrets: they go over encrypted channels only."""
        return self._space.types.is_subtype(node_id, AUDIT_EVENT_TYPE)

    def _resource(self, node_id: ua.NodeId) -> Resource:
        source = self._space.source(node_id)
        place = self._space.place(node_id) if self._space.places.zoned else NOWHERE
        if not isinstance(source, TagSource):
            return Resource(node_id.to_string(), zone=place.zone, part=place.part)
        return Resource(
            node_id.to_string(),
            tag=source.name,
            device=source.device,
            is_setpoint=source.writable,
            zone=place.zone,
            part=place.part,
        )


class Rights:
    """Hands out views; sessions of equal subjects share one."""

    def __init__(self, policy: Policy, space: AddressSpace, now: Callable[[], int]) -> None:
        self._policy = policy
        self._space = space
        self._now = now
        self._views: WeakValueDictionary[Subject, RightsView] = WeakValueDictionary()

    def view(self, subject: Subject) -> RightsView:
        """The view of a subject, whatever its session is."""
        key = replace(subject, session_id="")
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = RightsView(key, self._policy, self._space, self._now)
        return view
