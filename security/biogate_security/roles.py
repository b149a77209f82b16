"""Roles and identities: the well-known Roles of Part 18, by name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """A well-known Role (Part 3, 4.9.2; Part 18, 4.2)."""

    ANONYMOUS = "Anonymous"
    AUTHENTICATED_USER = "AuthenticatedUser"
    TRUSTED_APPLICATION = "TrustedApplication"
    OBSERVER = "Observer"
    OPERATOR = "Operator"
    ENGINEER = "Engineer"
    SUPERVISOR = "Supervisor"
    CONFIGURE_ADMIN = "ConfigureAdmin"
    SECURITY_ADMIN = "SecurityAdmin"


# A session has these by how it came about, not by assignment.
SESSION_ROLES = (Role.ANONYMOUS, Role.AUTHENTICATED_USER, Role.TRUSTED_APPLICATION)
ASSIGNABLE_ROLES = tuple(role for role in Role if role not in SESSION_ROLES)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a session's user is. `roles` holds AuthenticatedUser and the assigned roles.

    `authentication` is the kind of user token (Part 4, 7.40): UserName, Certificate or
    IssuedToken. `must_change_password`: nothing else may be done before that (Part 18, 5.2.8).
    `until` (FILETIME ticks) is when what they showed expires; None: it does not.
    """

    user: str
    roles: frozenset[str]
    authentication: str = "UserName"
    must_change_password: bool = False
    until: int | None = None


@dataclass(frozen=True, slots=True)
class AccountChange:
    """An account is another one now: what its open sessions are to be told.

    `roles` as in `Identity`, of an `active` account; sessions of one that is not active end.
    `secret_changed`: its password or certificate is a new one, so that whoever logged in with
    the old one must do it again, but `by_session`, which changed it for its own user.
    """

    user: str
    roles: frozenset[str]
    active: bool
    secret_changed: bool = False
    by_session: str = ""
