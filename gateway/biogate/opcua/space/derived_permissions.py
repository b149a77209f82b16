"""RolePermissions of instance nodes that state none: what the policy lets each Role do.

Part 3, 5.2.9 and 5.2.10. Shown, and enforced by the policy itself; a nodeset's own RolePermissions
are shown as they are, and the policy may only allow less.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from biogate.opcua.space.permissions import PERMISSION_OF, READ_ROLE_PERMISSIONS, ROLE_IDS
from biogate.opcua.space.rights import RightsView
from biogate.opcua.stack import ua
from biogate_nodesets.model import Node, RolePermission
from biogate_security.policy import Action
from biogate_security.roles import Role

REVIEWERS = frozenset({Role.SECURITY_ADMIN, Role.CONFIGURE_ADMIN})
"""Roles that may read who may do what with such a node."""

_ACTIONS = {
    ua.NodeClass.Object: (Action.BROWSE, Action.RECEIVE_EVENTS),
    ua.NodeClass.Variable: (Action.BROWSE, Action.READ, Action.WRITE, Action.READ_HISTORY),
    ua.NodeClass.Method: (Action.BROWSE, Action.CALL),
}


def derives(node: Node) -> bool:
    """True where the policy alone says who may do what."""
    return node.role_permissions is None and node.node_class in _ACTIONS


def derived(node: Node, rights: RightsView, roles: Collection[str]) -> Iterator[RolePermission]:
    """The permissions of each of `roles`, as far as there are any."""
    for role in Role:
        if role not in roles:
            continue
        mask = READ_ROLE_PERMISSIONS if role in REVIEWERS else 0
        for action in _ACTIONS[node.node_class]:
            if rights.would(role, action, node):
                mask |= PERMISSION_OF[action]
        if mask:
            yield RolePermission(ROLE_IDS[role], mask)
