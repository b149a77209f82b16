"""The administration of accounts over a link: the zone's port, and what the core does with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from biogate.opcua.errors import StatusError
from biogate.opcua.ports import AccountsAdmin, AccountView, PasswordRules
from biogate.opcua.stack import StatusCodes
from biogate.zones.identities import Identities
from biogate.zones.messages import (
    AccountChanged,
    Accounts,
    MalformedError,
    ManageAccounts,
    StatusReply,
)
from biogate.zones.requester import Requester
from biogate.zones.subjects import who
from biogate_security.policy import Subject
from biogate_security.roles import AccountChange
from biogate_security.zones import Admission

_CHANGES: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "add_user": {"name": str, "password": str, "configuration": int, "description": str},
    "modify_user": {
        "name": str,
        "password": (str, type(None)),
        "configuration": (int, type(None)),
        "description": (str, type(None)),
    },
    "remove_user": {"name": str},
    "change_password": {"old": str, "new": str},
    "change_role": {"role": str, "user": str, "assign": bool},
}
"""The changes that there are, and the types of their arguments."""
_WHOSE = {"add_user": "name", "modify_user": "name", "remove_user": "name", "change_role": "user"}
"""Which argument names the account of a change; in all others it is the subject's own."""


class CoreAccounts(AccountsAdmin, Protocol):
    """The accounts as the core has them."""

    def identities_of(
        self, among: Callable[[str], bool]
    ) -> Mapping[str, Sequence[tuple[int, str]]]:
        """The mapping rules of each role, of accounts whose names are `among` these."""
        ...


def accounts_message(admin: CoreAccounts, admission: Admission) -> Accounts:
    """What a zone's administrators may see: the accounts that may log in from there."""
    rules = admin.password_rules
    return Accounts(
        (rules.minimum_length, rules.maximum_length, rules.options, rules.restrictions),
        tuple(
            (each.name, each.configuration, each.description)
            for each in admin.accounts
            if admission.user(each.name)
        ),
        {
            role: tuple((int(kind), criteria) for kind, criteria in found)
            for role, found in admin.identities_of(admission.user).items()
        },
    )


async def manage(
    admin: AccountsAdmin, identities: Identities, admission: Admission, request: ManageAccounts
) -> StatusReply:
    """Carry out a change, as the port judges it. Raises MalformedError, NotLoggedInError.

    Accounts that may not log in from the zone, and are not shown there, cannot be changed there.
    """
    wanted = _CHANGES.get(request.change)
    if wanted is None or set(request.arguments) != set(wanted):
        raise MalformedError(f"no change of accounts is called {request.change!r} with these")
    if not all(isinstance(request.arguments[name], kind) for name, kind in wanted.items()):
        raise MalformedError(f"an argument of {request.change} is of another type")
    subject = identities.subject(request.subject)
    whose = _WHOSE.get(request.change)
    if whose is not None and not admission.user(str(request.arguments[whose])):
        adds = request.change == "add_user"
        status = StatusCodes.BadUserAccessDenied if adds else StatusCodes.BadNotFound
        return StatusReply(request.id, status)
    change: Callable[..., Awaitable[int]] = getattr(admin, request.change)
    return StatusReply(request.id, await change(subject, **request.arguments))


def changed_message(change: AccountChange) -> AccountChanged:
    """The change as a message."""
    return AccountChanged(
        change.user,
        tuple(sorted(change.roles)),
        change.active,
        change.secret_changed,
        change.by_session,
    )


def change_of(message: AccountChanged) -> AccountChange:
    """The change of a message."""
    return AccountChange(
        message.user,
        frozenset(message.roles),
        message.active,
        message.secret_changed,
        message.by_session,
    )


class AccountsProxy:
    """`AccountsAdmin` in the zone: shows what the core told last, and asks it for changes."""

    def __init__(self, requester: Requester) -> None:
        self._requester = requester
        self.shown = Accounts((0, 0, 0, ""), (), {})

    @property
    def password_rules(self) -> PasswordRules:
        """What passwords are asked for."""
        return PasswordRules(*self.shown.rules)

    @property
    def accounts(self) -> Sequence[AccountView]:
        """The accounts of the zone."""
        return [AccountView(*each) for each in self.shown.accounts]

    @property
    def identities(self) -> Mapping[str, Sequence[tuple[int, str]]]:
        """The mapping rules of each role."""
        return self.shown.identities

    async def add_user(
        self, subject: Subject, name: str, password: str, configuration: int, description: str
    ) -> int:
        """Add an account."""
        return await self._ask(
            "add_user",
            subject,
            name=name,
            password=password,
            configuration=int(configuration),
            description=description,
        )

    async def modify_user(
        self,
        subject: Subject,
        name: str,
        password: str | None,
        configuration: int | None,
        description: str | None,
    ) -> int:
        """Change an account; None leaves as it is."""
        return await self._ask(
            "modify_user",
            subject,
            name=name,
            password=password,
            configuration=None if configuration is None else int(configuration),
            description=description,
        )

    async def remove_user(self, subject: Subject, name: str) -> int:
        """Remove an account."""
        return await self._ask("remove_user", subject, name=name)

    async def change_password(self, subject: Subject, old: str, new: str) -> int:
        """Change the subject's own password."""
        return await self._ask("change_password", subject, old=old, new=new)

    async def change_role(self, subject: Subject, role: str, user: str, *, assign: bool) -> int:
        """Assign a role to a user, or take it away."""
        return await self._ask("change_role", subject, role=role, user=user, assign=assign)

    async def _ask(self, change: str, subject: Subject, **arguments: Any) -> int:
        try:
            reply = await self._requester.ask(ManageAccounts, who(subject), change, arguments)
        except StatusError as error:
            return error.status
        return int(reply.status)
