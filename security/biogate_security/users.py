"""The accounts of one gateway: who there is, what roles they have, and how they log in."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from biogate_security.filetime import TICKS_PER_SECOND, now_ticks
from biogate_security.login_throttle import LoginLimits
from biogate_security.logins import Logins
from biogate_security.password_demands import PasswordDemands
from biogate_security.passwords import (
    MAX_PASSWORD_BYTES,
    HashParameters,
    Passwords,
    readable_password,
)
from biogate_security.roles import AccountChange, Identity, Role
from biogate_security.user_file import (
    MAX_CERTIFICATES,
    User,
    UserStoreError,
    check_description,
    check_name,
    check_roles,
    check_thumbprint,
    read_users,
    write_users,
)

MAX_USERS = 1000
"""Accounts that a store holds, with those that were removed."""
ONE_TIME_S = 24 * 3600
"""How long a one-time password may be used before it is changed."""
_log = logging.getLogger(__name__)

OnChange = Callable[[AccountChange], None]
Record = Callable[[Sequence[User]], Awaitable[None]]
"""Records how accounts will be, before they are; what it raises, nothing comes of."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it is asked for; `password` None: as it is, or a random one.

    One with `certificates` (thumbprints) and no password has none. `one_time`: a random password
    must be changed at the first login, within ONE_TIME_S. `managed` as in `User`.
    """

    name: str
    roles: frozenset[str]
    password: str | None = field(default=None, repr=False)
    disabled: bool = False
    certificates: tuple[str, ...] = ()
    description: str = ""
    one_time: bool = False
    managed: bool = False


class UserStore:
    """The accounts of one gateway, in one file.

    Changes are stored at once or not at all, and told to whoever watches.
    """

    def __init__(
        self,
        path: Path,
        *,
        parameters: HashParameters | None = None,
        demands: PasswordDemands | None = None,
        login_limits: LoginLimits | None = None,
        max_hashing: int = 2,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], int] = now_ticks,
    ) -> None:
        """Read `path` (a missing file holds no users); `clock` gives seconds. `demands` is what
        new passwords are asked for, the least where absent.

        Raises UserStoreError for a file that is not acceptable.
        """
        self._path = path
        self._wall_clock = wall_clock
        self._users, was_open = read_users(path)
        if was_open:
            _log.warning("users file was open to others; closed", extra={"file": str(path)})
        self._passwords = Passwords(parameters or HashParameters(), demands or PasswordDemands())
        self._logins = Logins(
            self._passwords,
            self.find,
            self._refresh,
            limits=login_limits or LoginLimits(),
            max_hashing=max_hashing,
            clock=clock,
            wall_clock=wall_clock,
        )
        # New passwords are hashed one at a time and do not wait for strangers' logins.
        self._hashing = asyncio.Semaphore(1)
        self._watchers: list[OnChange] = []

    @property
    def counters(self) -> Counter[str]:
        """Logins that were accepted, and refused ones by reason."""
        return self._logins.counters

    @property
    def names(self) -> list[str]:
        """The user names, sorted."""
        return [user.name for user in self.users]

    @property
    def users(self) -> Sequence[User]:
        """The accounts that were not removed, by name."""
        return sorted((u for u in self._users.values() if not u.removed), key=lambda u: u.name)

    @property
    def password_demands(self) -> PasswordDemands:
        """What new passwords are asked for."""
        return self._passwords.demands

    @property
    def longest_password(self) -> int:
        """Most characters of a password, of one byte in UTF-8 each."""
        return MAX_PASSWORD_BYTES

    def find(self, name: str) -> User | None:
        """The account; None for one that does not exist or was removed."""
        user = self._users.get(name)
        return None if user is None or user.removed else user

    def knows(self, name: str) -> bool:
        """True when the name is taken, or was: it is not given again (case does not count)."""
        return name.casefold() in (known.casefold() for known in self._users)

    @property
    def is_full(self) -> bool:
        """True when no account can be added."""
        return len(self._users) >= MAX_USERS

    def watch(self, on_change: OnChange) -> None:
        """Tell `on_change` of every change of an account, after it is stored."""
        self._watchers.append(on_change)

    def log_in_again(self, names: Iterable[str]) -> None:
        """End the open sessions of these accounts: what they logged in with may count no more."""
        for user in filter(None, map(self.find, list(names))):
            roles = identity_of(user).roles
            change = AccountChange(user.name, roles, user.active, secret_changed=True)
            for on_change in self._watchers:
                on_change(change)

    async def authenticate(self, name: str, password: str, source: str = "") -> Identity | None:
        """The identity, or None for any reason to refuse: which one, only the log says.

        `source` is the peer's address without its port; "" is not counted as one. An attempt
        once begun is counted even if the caller is cancelled.
        """
        user = await self._logins.check(name, password, source)
        return None if user is None else identity_of(user)

    def by_certificate(self, thumbprints: Sequence[str], common_name: str = "") -> Identity | None:
        """Whose certificate it is: of the account that names one of its thumbprints (lower-case
        hex), else of the account called `common_name` ("" for none). None: nobody's."""
        for user in self.users:
            if user.active and not set(thumbprints).isdisjoint(user.certificates):
                return _with_certificate(user)
        named = self.find(common_name)
        if named is None or not named.active:
            return None
        return _with_certificate(named)

    def refuse(self, name: str, source: str, why: str, detail: str = "") -> None:
        """Count and log a login that was refused elsewhere."""
        self._logins.refuse(name, source, why, detail=detail)

    def check_password(self, password: str, name: str = "") -> None:
        """Raise PasswordError for a password that may not be set."""
        self._passwords.check_new(password, name)

    # -- accounts that the site file asks for -------------------------------------------------

    async def make_missing(
        self, accounts: Iterable[Account], record: Record | None = None
    ) -> dict[str, str]:
        """Make the accounts that there are not; the random passwords by name, told this once.

        An account with a password of its own has none made for it. All are stored at once or
        none: raises UserStoreError, PasswordError, or OSError from storing them, and whatever
        `record` raises.
        """
        made: dict[str, str] = {}
        users: list[User] = []
        for account in accounts:
            if (known := self._users.get(account.name)) is not None:
                if known.removed:
                    why = "account not made: one of this name was removed, choose another"
                    _log.warning(why, extra={"user": account.name})
                continue
            check_name(account.name)
            check_roles(account.roles)
            self._require_free(account.name)
            if account.password is None and not account.certificates:
                made[account.name] = readable_password(self.password_demands)
            users.append(await self._new(account, made.get(account.name)))
        if users:
            if record is not None:
                await record(users)
            self._store(*users)
        return made

    async def _new(self, account: Account, made: str | None) -> User:
        stored = given = None
        if made is not None:
            stored = await self._hash(made)
        elif account.password is not None:
            stored = given = await self._hash_new(account.password, account.name)
        one_time = account.one_time and made is not None
        return User(
            account.name,
            stored,
            account.roles,
            account.disabled,
            managed=account.managed,
            must_change_password=one_time,
            expires=self._one_time_end() if one_time else None,
            certificates=_thumbprints(account.certificates),
            description=account.description,
            given_hash=given,
        )

    async def update(
        self,
        accounts: Iterable[Account],
        record: Record | None = None,
        *,
        close_others: bool = False,
    ) -> None:
        """Bring the accounts that there are to what is asked; `close_others` shuts all others but
        those that an administrator made.

        All are stored at once or none: raises UserStoreError, PasswordError or OSError, and
        whatever `record` raises.
        """
        wanted = {account.name: account for account in accounts}
        changed: list[User] = []
        for user in self.users:
            account = wanted.get(user.name)
            new = user
            if account is not None:
                new = await self._as_asked(user, account)
            elif close_others and not user.managed:
                new = replace(user, disabled=True)
            if new != user:
                changed.append(new)
                _log.warning(
                    "account changed",
                    extra={
                        "user": user.name,
                        "roles": ", ".join(sorted(new.roles)),
                        "disabled": not new.active,
                        "new_password": new.password_hash != user.password_hash,
                    },
                )
        if changed:
            if record is not None:
                await record(changed)
            self._store(*changed)

    async def _as_asked(self, user: User, account: Account) -> User:
        """A password from the environment is set once: its user may change it from then on."""
        check_roles(account.roles)
        new = replace(
            user,
            roles=account.roles,
            disabled=account.disabled,
            managed=False,
            certificates=_thumbprints(account.certificates),
            description=account.description,
        )
        password = account.password
        if password is None:
            return new
        known = user.given_hash or user.password_hash
        if known is not None and await asyncio.to_thread(self._passwords.verify, known, password):
            return replace(new, given_hash=known)
        stored = await self._hash_new(password, user.name)
        return _with_password(new, stored, given=stored)

    # -- changes by administrators and by users themselves ------------------------------------

    async def add(
        self, name: str, password: str | None, roles: Iterable[str], **properties: Any
    ) -> None:
        """Add an account; `properties` are fields of `User`. A `password` of None is none.

        A password that must be changed is good for ONE_TIME_S. Raises UserStoreError,
        PasswordError, or OSError from storing it.
        """
        check_name(name)
        wanted = frozenset(roles)
        check_roles(wanted)
        stored = None if password is None else await self._hash_new(password, name)
        self._require_free(name)
        user = _checked(User(name, stored, wanted, **{"managed": True, **properties}))
        one_time = stored is not None and user.must_change_password
        self._store(replace(user, expires=self._one_time_end()) if one_time else user)

    async def set_password(
        self, name: str, password: str, *, must_change: bool = False, by_session: str = ""
    ) -> None:
        """Change a password; `must_change`: it is for one login within ONE_TIME_S. The session
        `by_session` changed it for itself, and goes on.

        Raises UserStoreError, PasswordError or OSError.
        """
        stored = await self._hash_new(password, name)
        self._store_password(name, stored, must_change=must_change, by_session=by_session)

    async def reset_password(self, name: str) -> str:
        """Give a one-time password, which is told this once. Raises UserStoreError or OSError."""
        made = readable_password(self.password_demands)
        self._known(name)
        stored = await self._hash(made)
        self._store_password(name, stored, must_change=True)
        return made

    def _store_password(
        self, name: str, stored: str, *, must_change: bool, by_session: str = ""
    ) -> None:
        new = _with_password(self._known(name), stored)
        expires = self._one_time_end() if must_change else None
        changed = replace(new, must_change_password=must_change, expires=expires)
        self._store(changed, by_session=by_session)

    def change(self, name: str, **properties: Any) -> None:
        """Change fields of `User` other than the password. Raises UserStoreError or OSError."""
        self._store(_checked(replace(self._known(name), **properties)))

    async def modify(self, name: str, password: str | None, **properties: Any) -> None:
        """Change the password, unless None, and fields of `User`, all at once.

        A password that must be changed is good for ONE_TIME_S. Raises UserStoreError,
        PasswordError or OSError.
        """
        stored = None if password is None else await self._hash_new(password, name)
        user = self._known(name)
        if stored is not None:
            user = _with_password(user, stored)
        user = _checked(replace(user, **properties))
        one_time = stored is not None and user.must_change_password
        self._store(replace(user, expires=self._one_time_end()) if one_time else user)

    def set_roles(self, name: str, roles: Iterable[str]) -> None:
        """Change the assigned roles. Raises UserStoreError or OSError."""
        self.change(name, roles=frozenset(roles))

    def set_disabled(self, name: str, *, disabled: bool) -> None:
        """Shut or open an account, whatever the site file says. Raises UserStoreError or OSError.

        What the site file shuts stays shut.
        """
        self.change(name, suspended=disabled)

    def remove(self, name: str) -> None:
        """Remove an account. Its name stays taken: records name it for ever.

        Raises UserStoreError or OSError.
        """
        user = self._known(name)
        self._store(User(user.name, None, frozenset(), managed=True, removed=True))

    async def close(self) -> None:
        """Wait until the attempts under way are over."""
        await self._logins.close()

    # -- storing --------------------------------------------------------------------------------

    async def _refresh(self, user: User, password: str) -> None:
        """Store a hash with today's parameters; the login is good whether or not that works."""
        stored = await self._hash(password)
        current = self._users.get(user.name)
        if current is None or current.password_hash != user.password_hash:
            return  # a new password was set meanwhile: the one at hand is the old one
        given = stored if current.given_hash == user.password_hash else current.given_hash
        renewed = replace(current, password_hash=stored, given_hash=given)
        try:
            write_users(self._path, {**self._users, user.name: renewed})
        except OSError as error:
            _log.warning(
                "password hash not renewed", extra={"user": user.name, "error": str(error)}
            )
            return
        self._users[user.name] = renewed

    async def _hash_new(self, password: str, name: str) -> str:
        self.check_password(password, name)
        return await self._hash(password)

    async def _hash(self, password: str) -> str:
        async with self._hashing:
            return await asyncio.to_thread(self._passwords.hash, password)

    def _one_time_end(self) -> int:
        return self._wall_clock() + ONE_TIME_S * TICKS_PER_SECOND

    def _require_free(self, name: str) -> None:
        if self.is_full:
            raise UserStoreError(f"there are {MAX_USERS} accounts, with removed ones: no more fit")
        if self.knows(name):
            raise UserStoreError(f"there is a user {name!r} already, or was (case does not count)")

    def _known(self, name: str) -> User:
        user = self.find(name)
        if user is None:
            raise UserStoreError(f"there is no user {name!r}; known are {', '.join(self.names)}")
        return user

    def _store(self, *changed: User, by_session: str = "") -> None:
        """The file first, and at once: memory and disk never differ, whoever is cancelled."""
        before = self._users
        users = {**before, **{user.name: user for user in changed}}
        write_users(self._path, users)
        self._users = users
        for user in changed:
            old = before.get(user.name)
            secret_changed = old is not None and (
                old.password_hash != user.password_hash
                or old.certificates != user.certificates
                or old.must_change_password < user.must_change_password
            )
            if secret_changed:
                self._logins.throttle.forget(user.name)
            roles = identity_of(user).roles
            change = AccountChange(user.name, roles, user.active, secret_changed, by_session)
            for on_change in self._watchers:
                on_change(change)


def identity_of(user: User) -> Identity:
    """Who a session of this account is."""
    roles = user.roles | {Role.AUTHENTICATED_USER}
    return Identity(user.name, roles, must_change_password=user.must_change_password)


def _with_certificate(user: User) -> Identity:
    """Whatever is to be done about the password, the certificate is good."""
    identity = identity_of(user)
    return replace(identity, authentication="Certificate", must_change_password=False)


def _with_password(user: User, stored: str, given: str | None = None) -> User:
    return replace(
        user,
        password_hash=stored,
        given_hash=given or user.given_hash,
        must_change_password=False,
        expires=None,
    )


def _thumbprints(certificates: Iterable[str]) -> tuple[str, ...]:
    return tuple(check_thumbprint(each) for each in certificates)


def _checked(user: User) -> User:
    """The user with all properties valid. Raises UserStoreError."""
    check_roles(user.roles)
    check_description(user.description)
    if user.must_change_password and user.no_change_by_user:
        raise UserStoreError("a user who must change the password must be allowed to")
    if len(user.certificates) > MAX_CERTIFICATES:
        raise UserStoreError(f"a user has at most {MAX_CERTIFICATES} certificates")
    expires = user.expires if user.must_change_password else None
    return replace(user, certificates=_thumbprints(user.certificates), expires=expires)
