"""What a node itself asks of roles and channels: RolePermissions and AccessRestrictions.

Both come from the nodeset (Part 3, 5.2.9-5.2.11 and 8.55-8.56). They only ever take away: the
policy decides as well, and a node that states neither leaves it to the policy alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from biogate.opcua.stack import node_id, ua
from biogate_nodesets.model import Node, RolePermission
from biogate_security.policy import Action

BROWSE, READ_ROLE_PERMISSIONS, READ, WRITE = 0x01, 0x02, 0x20, 0x40
READ_HISTORY, RECEIVE_EVENTS, CALL = 0x80, 0x0800, 0x1000
"""PermissionType (Part 3, 8.55)."""

PERMISSION_OF: Mapping[Action, int] = {
    Action.BROWSE: BROWSE,
    Action.READ: READ,
    Action.SUBSCRIBE: READ,
    Action.WRITE: WRITE,
    Action.CALL: CALL,
    Action.RECEIVE_EVENTS: RECEIVE_EVENTS,
    Action.READ_HISTORY: READ_HISTORY,
}

_SIGNING, _ENCRYPTION, _TO_BROWSE = 0x01, 0x02, 0x08
"""AccessRestrictionType (Part 3, 8.56). SessionRequired always holds: nothing is served without."""

_EVERYONE = "Anonymous"
_NAME_OF = {
    node_id(identifier): name
    for identifier, name in (
        (15644, _EVERYONE),
        (15656, "AuthenticatedUser"),
        (18625, "TrustedApplication"),
        (15668, "Observer"),
        (15680, "Operator"),
        (16036, "Engineer"),
        (15692, "Supervisor"),
        (15716, "ConfigureAdmin"),
        (15704, "SecurityAdmin"),
        (25565, "SecurityKeyServerAdmin"),
        (25584, "SecurityKeyServerPush"),
        (25603, "SecurityKeyServerAccess"),
    )
}
"""The well-known roles (Part 3, 4.9.2), by the NodeIds of Part 6, Annex A."""

ROLE_IDS: Mapping[str, ua.NodeId] = {name: role for role, name in _NAME_OF.items()}
"""Their NodeIds by name."""


def allows(node: Node, action: Action, roles: Collection[str]) -> bool:
    """True unless the node's RolePermissions keep the action from all of `roles`.

    Every session has the role Anonymous as well (Part 3, 4.9.2).
    """
    needed = PERMISSION_OF.get(action)
    if node.role_permissions is None or needed is None:
        return True
    return any(permission.permissions & needed for permission in held(node, roles))


def held(node: Node, roles: Collection[str]) -> Iterator[RolePermission]:
    """The node's RolePermissions that are of one of `roles`."""
    for permission in node.role_permissions or ():
        name = _NAME_OF.get(permission.role)
        if name == _EVERYONE or name in roles:
            yield permission


def fits_channel(node: Node, action: Action, mode: str) -> bool:
    """True unless the node asks for more security than `mode`, a MessageSecurityMode by name."""
    asked = node.access_restrictions or 0
    if action is Action.BROWSE and not asked & _TO_BROWSE:
        return True
    if asked & _ENCRYPTION:
        return mode == ua.MessageSecurityMode.SignAndEncrypt.name
    return not asked & _SIGNING or mode != "None"
