"""Roles and users as OPC UA manages them (Part 18): RoleSet and UserManagement."""

from biogate.opcua.roles.account_changes import apply_change
from biogate.opcua.roles.role_set import bind_roles
from biogate.opcua.roles.user_management import bind_user_management

__all__ = ["apply_change", "bind_roles", "bind_user_management"]
