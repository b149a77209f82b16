"""The accounts that a site file asks for, with their passwords from the environment."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from biogate.site import Site
from biogate.site.site_checks import password_variable
from biogate_security.passwords import PasswordError
from biogate_security.user_file import UserStoreError
from biogate_security.users import Account, UserStore

_log = logging.getLogger(__name__)


class AccountError(Exception):
    """An account cannot be as it is asked for; the message says which, why and what to do."""


def wanted_accounts(site: Site, users: UserStore, environment: Mapping[str, str]) -> list[Account]:
    """The accounts of the site; an empty variable counts as none. Raises AccountError."""
    accounts = []
    for name, config in site.accounts.items():
        variable = password_variable(name)
        password = environment.get(variable) or None
        try:
            if password is not None:
                users.check_password(password)
        except PasswordError as error:
            raise AccountError(f"{variable}: {error}") from error
        accounts.append(Account(name, frozenset(config.roles), password, config.disabled))
    return accounts


async def update_accounts(site: Site, users: UserStore, environment: Mapping[str, str]) -> None:
    """Bring the accounts that there are to what the site asks for.

    Where the site file names its users, all others are shut. Where it names none, accounts stay
    as they are. Raises AccountError, or OSError from storing them.
    """
    _warn_of_strays(site, environment)
    accounts = wanted_accounts(site, users, environment)
    if site.users is not None:
        await users.update(accounts, close_others=True)


async def make_accounts(
    site: Site, users: UserStore, environment: Mapping[str, str]
) -> dict[str, str]:
    """Make the accounts that are missing; the passwords made for them, by name, told this once.

    Raises AccountError, or OSError from storing them.
    """
    try:
        return await users.make_missing(wanted_accounts(site, users, environment))
    except UserStoreError as error:
        raise AccountError(f"users: {error}") from error


def _warn_of_strays(site: Site, environment: Mapping[str, str]) -> None:
    """A misspelt variable would leave a user with a password that nobody meant."""
    known = {password_variable(name) for name in site.accounts}
    for variable in sorted(environment.keys() - known):
        if variable.startswith(password_variable("")):
            _log.warning(
                "a password in the environment is of no account; it is not used",
                extra={"variable": variable, "known": ", ".join(sorted(known))},
            )
