"""The accounts that a site file asks for, with their passwords from the environment."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biogate.site import Site
from biogate.site.model import IssuedTokensConfig
from biogate.site.site_checks import password_variable
from biogate_security.passwords import PasswordError
from biogate_security.roles import Role
from biogate_security.user_file import UserStoreError
from biogate_security.users import Account, Record, UserStore

if TYPE_CHECKING:
    from biogate_security.issued_tokens import IssuedTokens

ADMINISTRATOR = "administrator"
"""The account that the first start makes where nobody else may manage security."""
_ADMINISTRATOR = Account(
    ADMINISTRATOR,
    frozenset({Role.SECURITY_ADMIN, Role.CONFIGURE_ADMIN}),
    description="made at the first start",
    one_time=True,
    managed=True,
)
_OAUTH2 = "http://opcfoundation.org/UA/Authorization#OAuth2"
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
                users.check_password(password, name)
        except PasswordError as error:
            raise AccountError(f"{variable}: {error}") from error
        certificates = () if config.certificate is None else (config.certificate,)
        accounts.append(
            Account(
                name,
                frozenset(config.roles),
                password,
                config.disabled,
                certificates,
                config.description,
            )
        )
    return accounts


async def update_accounts(
    site: Site, users: UserStore, environment: Mapping[str, str], record: Record | None = None
) -> None:
    """Bring the accounts that there are to what the site asks for.

    Where the site file names its users, all others are shut but those that administrators made.
    Where it names none, accounts stay as they are. Raises AccountError, or OSError from storing
    them.
    """
    _warn_of_strays(site, environment)
    accounts = wanted_accounts(site, users, environment)
    if site.users is not None:
        await users.update(accounts, record, close_others=True)


async def make_accounts(
    site: Site, users: UserStore, environment: Mapping[str, str], record: Record | None = None
) -> dict[str, str]:
    """Make the accounts that are missing; the passwords made for them, by name, told this once.

    Where nobody may manage security, an administrator with a one-time password is made. Raises
    AccountError, or OSError from storing them.
    """
    accounts = wanted_accounts(site, users, environment)
    if not _has_administrator(accounts, users):
        accounts.append(_ADMINISTRATOR)
    try:
        return await users.make_missing(accounts, record)
    except UserStoreError as error:
        raise AccountError(f"users: {error}") from error


def user_tokens(site: Site, users: UserStore) -> Mapping[str, Any]:
    """Which user tokens its endpoints offer besides passwords, as fields of FrontEndConfig."""
    opcua = site.opcua
    named = any(user.certificates for user in users.users)
    asked = any(account.certificate for account in site.accounts.values())
    tokens = opcua.issued_tokens
    return {
        "user_certificates": named or asked or opcua.user_certificates == "common_name",
        "issued_tokens": None if tokens is None else issuer_endpoint(site, tokens),
    }


def audience_of(site: Site, tokens: IssuedTokensConfig) -> str:
    """What the tokens name this gateway."""
    return tokens.audience or site.application_uri


def issuer_endpoint(site: Site, tokens: IssuedTokensConfig) -> str:
    """The IssuerEndpointUrl of a JWT policy: JSON that says where to get one (Part 6, 6.5.3)."""
    return json.dumps(
        {
            "ua:resourceId": audience_of(site, tokens),
            "ua:authorityUrl": tokens.issuer,
            "ua:authorityProfileUri": _OAUTH2,
        }
    )


def token_roles(site: Site) -> Mapping[str, Sequence[str]]:
    """Value of the issued tokens' claim → roles here; nothing where there are none."""
    config = site.opcua.issued_tokens
    return {} if config is None else config.roles


def issued_tokens(site: Site) -> IssuedTokens | None:
    """What judges the site's tokens; None where it has no issuer. Raises IssuedTokenError."""
    config = site.opcua.issued_tokens
    if config is None:
        return None
    from biogate_security.issued_tokens import IssuedTokens, TokenRules

    return IssuedTokens(
        TokenRules(
            issuer=config.issuer,
            audience=audience_of(site, config),
            jwks_file=Path(config.jwks_file),
            roles=config.roles,
            algorithms=config.algorithms,
            roles_claim=config.roles_claim,
            user_claim=config.user_claim,
            leeway_s=config.leeway_s,
            max_age_s=config.max_age_s,
        )
    )


def _has_administrator(accounts: list[Account], users: UserStore) -> bool:
    """Somebody may manage security, or the name of the administrator is taken."""
    role = Role.SECURITY_ADMIN
    asked = any(role in account.roles and not account.disabled for account in accounts)
    stored = any(role in user.roles and user.active for user in users.users)
    if asked or stored:
        return True
    taken = any(account.name.casefold() == ADMINISTRATOR for account in accounts)
    if taken or users.knows(ADMINISTRATOR):
        _log.warning(
            "nobody may manage security: give an account the role SecurityAdmin, in the site file "
            "or with `biogate users roles`"
        )
        return True
    return False


def _warn_of_strays(site: Site, environment: Mapping[str, str]) -> None:
    """A misspelt variable would leave a user with a password that nobody meant."""
    known = {password_variable(name) for name in site.accounts}
    for variable in sorted(environment.keys() - known):
        if variable.startswith(password_variable("")):
            _log.warning(
                "a password in the environment is of no account; it is not used",
                extra={"variable": variable, "known": ", ".join(sorted(known))},
            )
