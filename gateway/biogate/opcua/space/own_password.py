"""Who may change their own password: whoever logged in with one, whatever their roles.

Part 18, 5.2.8: also a session that has the Role Anonymous only, until the password is changed;
the Method is found by its NodeId, browsed or not.
"""

from __future__ import annotations

from collections.abc import Mapping

from biogate.opcua.stack import ObjectIds, node_id, ua
from biogate_security.policy import Action, Subject

USER_MANAGEMENT = node_id(ObjectIds.UserManagement)
CHANGE_PASSWORD = node_id(ObjectIds.UserManagement_ChangePassword)

_NODES: Mapping[ua.NodeId, tuple[Action, ...]] = {
    USER_MANAGEMENT: (Action.BROWSE,),
    CHANGE_PASSWORD: (Action.BROWSE, Action.CALL),
    node_id(ObjectIds.UserManagement_ChangePassword_InputArguments): (Action.BROWSE, Action.READ),
    node_id(ObjectIds.UserManagement_PasswordLength): (Action.BROWSE, Action.READ),
    node_id(ObjectIds.UserManagement_PasswordOptions): (Action.BROWSE, Action.READ),
    node_id(ObjectIds.UserManagement_PasswordRestrictions): (Action.BROWSE, Action.READ),
}


def concerns_own_password(subject: Subject, action: Action, node: ua.NodeId) -> bool:
    """True for what a user needs to change the password that they logged in with."""
    return subject.authentication == "UserName" and action in _NODES.get(node, ())
