"""Roles and identities: the well-known Roles of Part 18, by name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """A well-known Role (Part 3, 4.9.2; Part 18, 4.2)."""

    ANONYMOUS = "Anonymous"
    AUTHENTICATED_USER = "AuthenticatedUser"
    OBSERVER = "Observer"
    OPERATOR = "Operator"
    ENGINEER = "Engineer"
    SUPERVISOR = "Supervisor"
    CONFIGURE_ADMIN = "ConfigureAdmin"
    SECURITY_ADMIN = "SecurityAdmin"


# Everyone has Anonymous or AuthenticatedUser by how the session came about, not by assignment.
ASSIGNABLE_ROLES = tuple(role for role in Role if role not in {"Anonymous", "AuthenticatedUser"})


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a session's user is. `roles` holds AuthenticatedUser and the assigned roles."""

    user: str
    roles: frozenset[str]
